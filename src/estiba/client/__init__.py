"""Clients of the Engine API: ``transport`` and ``engine`` carry bytes and plain values for the command; typed faces
load lazily.
"""
