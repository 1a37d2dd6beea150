"""The image configuration: the OCI's `config.json` of an image with Docker's additions (image-spec config.md).

The blob as received is what counts for ids; these structs read it, and write the configs of new images. Every field
may be missing or null in what others wrote.
"""

from __future__ import annotations

from typing import Any

import msgspec

from estiba.errors import InvalidArgument


def _docker_name(field: str) -> str:
    return "".join(word.capitalize() for word in field.split("_"))


class Healthcheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_docker_name):
    """How to probe; times are nanoseconds. test is [] (inherit), ["NONE"], ["CMD", …] or ["CMD-SHELL", TEXT]."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Defaults(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_docker_name):
    """What a container of the image starts with, where its creator does not say otherwise: the `config` object.

    Sets (ports like "80/tcp", volume paths) are objects with empty values, as in the specification.
    """

    user: str = ""
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    on_build: list[str] | None = None
    shell: list[str] | None = None
    args_escaped: bool = False


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of how the image came to be; empty_layer says that it made no layer."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class RootFS(msgspec.Struct, frozen=True, kw_only=True):
    """The layers by the digests of their uncompressed tars, bottom first."""

    type: str = "layers"
    diff_ids: list[str] | None = None


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole file. created is RFC 3339 or None."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    variant: str = ""
    created: str | None = None
    author: str = ""
    comment: str = ""
    docker_version: str = ""
    config: Defaults | None = None
    container: str = ""
    history: list[History] | None = None
    rootfs: RootFS = RootFS()

    @property
    def defaults(self) -> Defaults:
        """`config`, also where the file has none."""
        return self.config or Defaults()

    @property
    def diff_ids(self) -> list[str]:
        """The layers' diff ids, bottom first."""
        return self.rootfs.diff_ids or []


def decode(data: bytes) -> ImageConfig:
    """Read an image configuration; null counts as absent, as in Go.

    Raises:
        InvalidArgument: it is no such thing.
    """
    try:
        return msgspec.convert(_without_nulls(msgspec.json.decode(data)), ImageConfig)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"cannot read the image configuration: {error}") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
