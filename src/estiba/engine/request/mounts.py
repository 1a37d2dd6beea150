"""What a container mounts: the strings of --volume, the structs of --mount, VOLUMEs of the image and --volumes-from
become one list, each target once.

MountPoint.options are for binds `non-recursive` and `read-only-non-recursive`, for tmpfs the words of tmpfs_options.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from estiba.engine.spec import tmpfs as tmpfs_options
from estiba.engine.spec.paths import clean
from estiba.engine.state import MountPoint
from estiba.errors import InvalidArgument, NotFound
from estiba.volumes.local import check_subpath
from estiba.volumes.volume import check_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from estiba.engine.config import ContainerConfig, HostConfig, MountRequest
    from estiba.engine.state import Container

_PROPAGATION: Final = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
# words of a mode; of each kind one may be there
_MODES: Final = (
    frozenset({"ro", "rw"}),
    frozenset({"z", "Z"}),
    frozenset({"nocopy"}),
    _PROPAGATION,
    frozenset({"consistent", "cached", "delegated"}),
)
_MOST_MOUNTS: Final = 900  # a launch plan has room for 1,023
_INHERITED: Final = ("bind", "volume", "image")


def resolve_mounts(config: ContainerConfig, host: HostConfig, get: Callable[[str], Container]) -> list[MountPoint]:
    """The mounts of a request; a volume without a name is anonymous, and sources of volumes are not known yet.

    What --volumes-from brings gives way to what the request itself puts there, an image's VOLUME to everything else.
    Raises InvalidArgument in Docker's words; what `get` raises for an unknown container.
    """
    found = {mount.destination: mount for mount in _inherited(host, get)}
    asked = set(map(clean, host.tmpfs or ()))
    for shown, mount in _asked(host):
        if mount.destination in asked:
            raise InvalidArgument(f"Duplicate mount point: {shown}")
        asked.add(mount.destination)
        found[mount.destination] = mount
    for path in config.volumes or ():
        destination = clean(path)
        if destination == "/":
            raise _invalid("volume", "invalid specification: destination can't be '/'")
        if destination not in found and destination not in asked:
            found[destination] = MountPoint(type="volume", destination=destination, driver="local", anonymous=True)
    if len(found) > _MOST_MOUNTS:
        raise InvalidArgument(f"too many mounts: {len(found)}, of which {_MOST_MOUNTS} are possible")
    return list(found.values())


def _asked(host: HostConfig) -> Iterator[tuple[str, MountPoint]]:
    """The mounts of Binds and Mounts, each with its target as the error about a duplicate shows it."""
    for text in host.binds or ():
        mount = parse_bind(text, host.volume_driver)
        yield mount.destination, mount
    for request in host.mounts or ():
        yield request.target, from_request(request)


# --volumes-from


def _inherited(host: HostConfig, get: Callable[[str], Container]) -> Iterator[MountPoint]:
    for entry in host.volumes_from or ():
        if not entry:
            raise InvalidArgument("volumes-from specification cannot be an empty string")
        reference, _, mode = entry.partition(":")
        words = _parse_mode(mode)
        if words & (_PROPAGATION | {"nocopy"}):
            raise InvalidArgument(f"invalid mode: {mode}")
        try:
            donor = get(reference)
        except NotFound as error:
            # clients take "not found" of a create for a missing image, and pull it
            raise InvalidArgument(error.message) from None
        for mount in donor.mounts:
            if mount.type in _INHERITED:
                writable = mount.rw and "ro" not in words
                yield replace(mount, rw=writable, mode="", no_copy=True, create_source=False)


# --volume


def parse_bind(text: str, volume_driver: str = "") -> MountPoint:
    """`SOURCE:TARGET[:MODE]`, or a target alone: an anonymous volume.

    Raises InvalidArgument in Docker's words.
    """
    parts = text.split(":")
    if not parts[0] or len(parts) > 3 or (len(parts) == 2 and _is_mode(parts[1])):
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    mode = parts[2] if len(parts) == 3 else ""
    words = _parse_mode(mode)
    kind = "bind" if source.startswith("/") else "volume"
    problem = _target_problem(target)
    if not problem and kind == "bind" and "nocopy" in words:
        problem = "field VolumeOptions must not be specified"
    if not problem and kind == "volume" and words & _PROPAGATION:
        problem = "field BindOptions must not be specified"
    if problem:
        raise InvalidArgument(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {problem}"
        )
    if kind == "bind":
        return MountPoint(
            type="bind",
            source=clean(source),
            destination=clean(target),
            mode=mode,
            rw="ro" not in words,
            propagation=next(iter(words & _PROPAGATION), "rprivate"),
            create_source=True,
        )
    return MountPoint(
        type="volume",
        name=source,
        destination=clean(target),
        driver=volume_driver or "local",
        mode=mode or "z",
        rw="ro" not in words,
        no_copy="nocopy" in words,
        anonymous=not source,
    )


def _parse_mode(mode: str) -> set[str]:
    if not _is_mode(mode):
        raise InvalidArgument(f"invalid mode: {mode}")
    return set(mode.split(",")) if mode else set()


def _is_mode(text: str) -> bool:
    if not text:
        return True
    words = text.split(",")
    counts = [sum(word in kind for word in words) for kind in _MODES]
    return sum(counts) == len(words) and max(counts) == 1


def _target_problem(target: str) -> str:
    if not target:
        return "field Target must not be empty"
    if clean(target) == "/":
        return "invalid specification: destination can't be '/'"
    if not target.startswith("/"):
        return f"invalid mount path: '{target}' mount path must be absolute"
    return ""


def check_tmpfs_targets(tmpfs: Mapping[str, str] | None) -> None:
    """Raises InvalidArgument for a --tmpfs whose target cannot be; its options show at the start, as in Docker."""
    for target in tmpfs or ():
        if not target.startswith("/"):
            raise InvalidArgument(f"invalid mount path: '{target}' mount path must be absolute")
        if clean(target) == "/":
            raise InvalidArgument("invalid specification: destination can't be '/'")


# --mount


def from_request(request: MountRequest) -> MountPoint:
    """A struct of HostConfig.Mounts. Raises InvalidArgument in Docker's words."""
    _check_foreign_options(request)
    if problem := _target_problem(request.target):
        raise _invalid(request.type, problem)
    destination = clean(request.target)
    match request.type:
        case "bind":
            return _bind(request, destination)
        case "volume":
            return _volume(request, destination)
        case "tmpfs":
            return _tmpfs(request, destination)
        case "image":
            return _image(request, destination)
    raise _invalid(request.type, "mount type unknown")


def _invalid(kind: str, problem: str) -> InvalidArgument:
    return InvalidArgument(f'invalid mount config for type "{kind}": {problem}')


def _check_foreign_options(request: MountRequest) -> None:
    for kind, field, options in (
        ("bind", "BindOptions", request.bind_options),
        ("volume", "VolumeOptions", request.volume_options),
        ("tmpfs", "TmpfsOptions", request.tmpfs_options),
    ):
        if options is not None and request.type != kind:
            raise InvalidArgument(f'{field} must not be specified on mount type "{request.type}"')
    if request.image_options is not None and request.type != "image":
        raise _invalid(request.type, "field ImageOptions must not be specified")


def _bind(request: MountRequest, destination: str) -> MountPoint:
    if not request.source:
        raise _invalid("bind", "field Source must not be empty")
    options = request.bind_options
    propagation = options.propagation if options is not None else ""
    if propagation and propagation not in _PROPAGATION:
        raise _invalid("bind", f"invalid propagation mode: {propagation}")
    if not request.source.startswith("/"):
        raise _invalid("bind", f"invalid mount path: '{request.source}' mount path must be absolute")
    create = options is not None and options.create_mountpoint
    if not create and not os.path.exists(request.source):
        raise _invalid("bind", f"bind source path does not exist: {request.source}")
    return MountPoint(
        type="bind",
        source=clean(request.source),
        destination=destination,
        rw=not request.read_only,
        propagation=propagation or "rprivate",
        options=_recursion(request),
        create_source=create,
    )


def _recursion(request: MountRequest) -> tuple[str, ...]:
    """What of a bind is not recursive. To be read-only all the way down is the default and always possible here."""
    options = request.bind_options
    if options is None:
        return ()
    conflict = ""
    if options.read_only_non_recursive and not request.read_only:
        conflict = "!ReadOnly && BindOptions.ReadOnlyNonRecursive"
    elif options.read_only_force_recursive and not request.read_only:
        conflict = "!ReadOnly && BindOptions.ReadOnlyForceRecursive"
    elif options.read_only_force_recursive and options.read_only_non_recursive:
        conflict = "ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive"
    if conflict:
        raise InvalidArgument(f"mount options conflict: {conflict}")
    chosen = (
        ("non-recursive", options.non_recursive),
        ("read-only-non-recursive", options.read_only_non_recursive),
    )
    return tuple(word for word, wanted in chosen if wanted)


def _volume(request: MountRequest, destination: str) -> MountPoint:
    options, named = request.volume_options, bool(request.source)
    subpath = options.subpath if options is not None else ""
    if subpath:
        if not named:
            raise _invalid("volume", "must not set Subpath when using anonymous volumes")
        check_subpath(subpath)
    if request.read_only and not named:
        raise _invalid("volume", "must not set ReadOnly mode when using anonymous volumes")
    driver = options.driver_config if options is not None else None
    if driver is not None:
        check_options(request.source, driver.options or {})
    return MountPoint(
        type="volume",
        name=request.source,
        destination=destination,
        driver=(driver.name if driver is not None else "") or "local",
        mode="z",
        rw=not request.read_only,
        subpath=subpath,
        no_copy=options is not None and options.no_copy,
        anonymous=not named,
    )


def _tmpfs(request: MountRequest, destination: str) -> MountPoint:
    if request.source:
        raise _invalid("tmpfs", "field Source must not be specified")
    try:
        words = tmpfs_options.from_request(request.tmpfs_options, read_only=request.read_only)
    except InvalidArgument as error:
        raise _invalid("tmpfs", error.message) from None
    return MountPoint(type="tmpfs", destination=destination, rw=not request.read_only, options=words)


def _image(request: MountRequest, destination: str) -> MountPoint:
    if not request.source:
        raise _invalid("image", "field Source must not be empty")
    subpath = request.image_options.subpath if request.image_options is not None else ""
    return MountPoint(
        type="image", name=request.source, source=request.source, destination=destination, rw=False, subpath=subpath
    )
