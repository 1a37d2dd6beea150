"""Specification data without I/O."""
