"""Estiba: a container engine that is installed by pip, imported as a library and driven by Docker's own clients.

The public names are resolved when they are first used: ``import estiba`` alone costs nothing, which keeps the command's start short.
"""

from __future__ import annotations

__version__ = "0.1.0"

# public name → module that defines it
_PUBLIC: dict[str, str] = {}


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'estiba' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return ["__version__", *_PUBLIC]
