"""What a container mounts: the strings of --volume, the structs of --mount, --tmpfs, VOLUMEs of the image and
--volumes-from become one list, each target once.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from estiba.engine.state import MountPoint
from estiba.errors import InvalidArgument, SystemFailure
from estiba.volumes.volume import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from estiba.engine.config import ContainerConfig, HostConfig, MountRequest
    from estiba.engine.state import Container

_PROPAGATION: Final = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_CONSISTENCY: Final = frozenset({"consistent", "cached", "delegated", "default"})
_TYPES: Final = ("bind", "volume", "tmpfs", "image")


def resolve_mounts(config: ContainerConfig, host: HostConfig, find: Callable[[str], Container]) -> list[MountPoint]:
    """The mounts of a request; those of type volume without a name are anonymous, their source is not yet known.

    Raises InvalidArgument and SystemFailure in Docker's words; NotFound for a container of --volumes-from.
    """
    found: dict[str, MountPoint] = {}
    for mount in _inherited(host, find):
        found[mount.destination] = mount
    asked: set[str] = set()
    for mount in _asked(host):
        if mount.destination in asked:
            raise InvalidArgument(f"Duplicate mount point: {mount.destination}")
        asked.add(mount.destination)
        found[mount.destination] = mount
    for path in config.volumes or {}:
        destination = _target(path, path)
        if destination not in found and destination not in (host.tmpfs or {}):
            found[destination] = MountPoint(type="volume", destination=destination, driver="local", anonymous=True)
    return list(found.values())


def _asked(host: HostConfig) -> Iterable[MountPoint]:
    for text in host.binds or []:
        yield parse_bind(text)
    for request in host.mounts or []:
        yield from_request(request)
    for path in host.tmpfs or {}:
        check_tmpfs_options((host.tmpfs or {})[path])


def _inherited(host: HostConfig, find: Callable[[str], Container]) -> Iterable[MountPoint]:
    for entry in host.volumes_from or []:
        reference, _, mode = entry.partition(":")
        if mode and mode not in ("ro", "rw", "z", "Z", "ro,z", "rw,z", "ro,Z", "rw,Z"):
            raise SystemFailure(f"invalid mode: {mode}")
        read_only = "ro" in mode.split(",")
        for mount in find(reference).mounts:
            yield replace(
                mount, rw=mount.rw and not read_only, mode=mode or mount.mode, no_copy=True, anonymous=mount.anonymous
            )


# --volume


def parse_bind(text: str) -> MountPoint:
    """`source:target[:mode]`, or a target alone: an anonymous volume."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts[:2]):
        raise SystemFailure(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        return MountPoint(type="volume", destination=_target(parts[0], text), driver="local", anonymous=True)
    source, target = parts[0], _target(parts[1], text)
    mode = parts[2] if len(parts) == 3 else ""
    words = _mode(mode)
    read_only = "ro" in words
    propagation = next((word for word in words if word in _PROPAGATION), "")
    if source.startswith("/"):
        return MountPoint(
            type="bind",
            source=posixpath.normpath(source),
            destination=target,
            mode=mode,
            rw=not read_only,
            propagation=propagation or "rprivate",
            create_source=True,
        )
    if propagation:
        raise SystemFailure(f"invalid volume specification: '{text}'")
    check_name(source)
    return MountPoint(
        type="volume",
        name=source,
        destination=target,
        driver="local",
        mode=mode or "z",
        rw=not read_only,
        no_copy="nocopy" in words,
    )


def _mode(mode: str) -> set[str]:
    words = [word for word in mode.split(",") if word]
    known = {"ro", "rw", "z", "Z", "nocopy", "copy"} | _PROPAGATION | _CONSISTENCY
    kinds = [{"ro", "rw"}, {"z", "Z"}, {"nocopy", "copy"}, _PROPAGATION, _CONSISTENCY]
    if any(word not in known for word in words) or any(sum(word in kind for word in words) > 1 for kind in kinds):
        raise SystemFailure(f"invalid mode: {mode}")
    return set(words)


def _target(path: str, specification: str) -> str:
    problem = ""
    if not path.startswith("/"):
        problem = f"invalid mount path: '{path}' mount path must be absolute"
    elif posixpath.normpath(path) in ("/", "//"):
        problem = "invalid specification: destination can't be '/'"
    if problem:
        raise SystemFailure(
            f"invalid volume specification: '{specification}': invalid mount config for type \"bind\": {problem}"
        )
    return posixpath.normpath(path)


# --mount


def from_request(request: MountRequest) -> MountPoint:
    """A struct of HostConfig.Mounts. Raises InvalidArgument."""
    kind = request.type
    if kind not in _TYPES:
        raise _invalid(kind, "mount type unknown")
    if not request.target:
        raise _invalid(kind, "field Target must not be empty")
    if not request.target.startswith("/"):
        raise _invalid(kind, f"invalid mount path: '{request.target}' mount path must be absolute")
    destination = posixpath.normpath(request.target)
    if destination in ("/", "//"):
        raise _invalid(kind, "invalid specification: destination can't be '/'")
    _check_foreign_options(request)
    if kind == "bind":
        return _bind(request, destination)
    if kind == "volume":
        return _volume(request, destination)
    if kind == "image":
        return _image(request, destination)
    return _tmpfs(request, destination)


def _invalid(kind: str, problem: str) -> InvalidArgument:
    return InvalidArgument(f'invalid mount config for type "{kind}": {problem}')


def _check_foreign_options(request: MountRequest) -> None:
    for kind, field, value in (
        ("bind", "BindOptions", request.bind_options),
        ("volume", "VolumeOptions", request.volume_options),
        ("image", "ImageOptions", request.image_options),
        ("tmpfs", "TmpfsOptions", request.tmpfs_options),
    ):
        if value is not None and kind != request.type:
            raise _invalid(request.type, f"field {field} must not be specified")


def _bind(request: MountRequest, destination: str) -> MountPoint:
    if not request.source:
        raise _invalid("bind", "field Source must not be empty")
    if not request.source.startswith("/"):
        raise _invalid("bind", f"invalid mount path: '{request.source}' mount path must be absolute")
    options = request.bind_options
    create = options is not None and options.create_mountpoint
    if not create and not os.path.lexists(request.source):
        raise _invalid("bind", f"bind source path does not exist: {request.source}")
    chosen: list[str] = []
    propagation = "rprivate"
    if options is not None:
        propagation = options.propagation or propagation
        if propagation not in _PROPAGATION:
            raise _invalid("bind", f"invalid propagation mode: {propagation}")
        if options.non_recursive:
            chosen.append("non-recursive")
        if options.read_only_non_recursive:
            chosen.append("read-only-non-recursive")
        if options.read_only_force_recursive:
            if propagation != "rprivate":
                raise _invalid("bind", "ReadOnlyForceRecursive requires the propagation to be rprivate")
            chosen.append("read-only-force-recursive")
    return MountPoint(
        type="bind",
        source=posixpath.normpath(request.source),
        destination=destination,
        rw=not request.read_only,
        propagation=propagation,
        options=tuple(chosen),
        create_source=create,
    )


def _volume(request: MountRequest, destination: str) -> MountPoint:
    options = request.volume_options
    if not request.source and request.read_only:
        raise _invalid("volume", "must not set ReadOnly mode when using anonymous volumes")
    if request.source:
        check_name(request.source)
    subpath = options.subpath if options is not None else ""
    if subpath and not request.source:
        raise _invalid("volume", "must not set Subpath when using anonymous volumes")
    driver = options.driver_config.name if options is not None and options.driver_config is not None else ""
    return MountPoint(
        type="volume",
        name=request.source,
        destination=destination,
        driver=driver or "local",
        mode="z",
        rw=not request.read_only,
        subpath=subpath,
        no_copy=options is not None and options.no_copy,
        anonymous=not request.source,
    )


def _image(request: MountRequest, destination: str) -> MountPoint:
    if not request.source:
        raise _invalid("image", "field Source must not be empty")
    subpath = request.image_options.subpath if request.image_options is not None else ""
    return MountPoint(
        type="image", name=request.source, source=request.source, destination=destination, rw=False, subpath=subpath
    )


def _tmpfs(request: MountRequest, destination: str) -> MountPoint:
    if request.source:
        raise _invalid("tmpfs", "field Source must not be specified")
    chosen: list[str] = []
    options = request.tmpfs_options
    if options is not None:
        if options.size_bytes:
            chosen.append(f"size={options.size_bytes}")
        if options.mode:
            chosen.append(f"mode={options.mode:o}")
        chosen += ["=".join(pair) for pair in options.options or []]
    check_tmpfs_options(",".join(chosen))
    return MountPoint(type="tmpfs", destination=destination, rw=not request.read_only, options=tuple(chosen))


# --tmpfs

_TMPFS_WORDS: Final = frozenset(
    {"rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "atime", "noatime"}
    | {"diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "mand", "nomand"}
    | {"dirsync", "remount", "bind", "rbind", "private", "rprivate", "shared", "rshared", "slave", "rslave"}
    | {"unbindable", "runbindable"}
)
_TMPFS_KEYS: Final = frozenset({"mode", "size", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})


def check_tmpfs_options(text: str) -> None:
    """Raises SystemFailure for an option that tmpfs has not, as Docker does at the start."""
    for option in text.split(","):
        key, separator, _ = option.partition("=")
        if option and (key not in _TMPFS_KEYS if separator else option not in _TMPFS_WORDS):
            raise InvalidArgument(f'invalid tmpfs option "{option}"')
