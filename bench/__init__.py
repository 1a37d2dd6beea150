"""Figures of Estiba beside Docker, taken in one run on one machine."""
