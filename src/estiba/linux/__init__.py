"""Typed system calls, one file per facility. No policy."""
