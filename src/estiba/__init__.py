"""Estiba: a Docker-compatible container engine."""
