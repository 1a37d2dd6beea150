"""Estiba: a container engine that is installed by pip, imported as a library and driven by Docker's own clients.

The public names are resolved when they are first used: ``import estiba`` alone costs nothing, which keeps the command's
start short.
"""

from __future__ import annotations

from estiba.version import VERSION

__version__ = VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.client.engines import Engine as Engine
    from estiba.client.engines import connect as connect
    from estiba.client.engines import open as open  # noqa: A004
    from estiba.client.library import Completed as Completed
    from estiba.client.library import Container as Container
    from estiba.client.library import EngineFace as EngineFace
    from estiba.client.library import Image as Image
    from estiba.client.library import ProcessFailed as ProcessFailed
    from estiba.client.process import Process as Process
    from estiba.client.process import Timeout as Timeout
    from estiba.errors import Conflict as Conflict
    from estiba.errors import EstibaError as EstibaError
    from estiba.errors import Forbidden as Forbidden
    from estiba.errors import InvalidArgument as InvalidArgument
    from estiba.errors import NotFound as NotFound
    from estiba.errors import StartFailed as StartFailed
    from estiba.errors import SystemFailure as SystemFailure
    from estiba.errors import Unavailable as Unavailable
    from estiba.errors import Unsupported as Unsupported


# public name → module that defines it
_PUBLIC: dict[str, str] = {
    "Completed": "estiba.client.library",
    "Conflict": "estiba.errors",
    "Container": "estiba.client.library",
    "Engine": "estiba.client.engines",
    "EngineFace": "estiba.client.library",
    "EstibaError": "estiba.errors",
    "Forbidden": "estiba.errors",
    "Image": "estiba.client.library",
    "InvalidArgument": "estiba.errors",
    "NotFound": "estiba.errors",
    "Process": "estiba.client.process",
    "ProcessFailed": "estiba.client.library",
    "StartFailed": "estiba.errors",
    "SystemFailure": "estiba.errors",
    "Timeout": "estiba.client.process",
    "Unavailable": "estiba.errors",
    "Unsupported": "estiba.errors",
    "connect": "estiba.client.engines",
    "open": "estiba.client.engines",
}


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
