"""Device nodes and links in /dev as plan records."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.runtime.plan_operations import Code, encode

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Device, Spec
    from estiba.runtime.plan_mounts import MountPlan

_DEVICE_TYPES: Final = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
_DEFAULT_NODES: Final = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
)
_DEFAULT_LINKS: Final = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)


def add_devices(spec: Spec, mounts: MountPlan, *, own_user: bool) -> None:
    """Nodes and links in /dev, unless that is a bind of another one. In a user namespace the host's nodes are bound."""
    if any(mount.destination.rstrip("/") == "/dev" and _is_bind(mount.options) for mount in spec.mounts):
        return
    own = {path for path, _, _ in _DEFAULT_NODES}
    others = [device for device in spec.linux.devices if device.path not in own]
    if own_user:
        for path in (*(path for path, _, _ in _DEFAULT_NODES), *(device.path for device in others)):
            mounts.bind_node(path)
        mounts.inner.append(_default_links(_host_has_kcore()))
        return
    mounts.inner.append(_default_nodes() + _default_links(_host_has_kcore()))
    mounts.inner += [_node(device) for device in others]


def _is_bind(options: list[str] | None) -> bool:
    return options is not None and ("bind" in options or "rbind" in options)


@functools.cache
def _host_has_kcore() -> bool:
    return os.path.exists("/proc/kcore")


@functools.cache
def _default_nodes() -> bytes:
    return b"".join(
        encode(Code.NODE, 0o020666, major << 32 | minor, 0, strings=(path,)) for path, major, minor in _DEFAULT_NODES
    )


@functools.cache
def _default_links(kcore: bool) -> bytes:
    links = (*_DEFAULT_LINKS, ("/proc/kcore", "/dev/core")) if kcore else _DEFAULT_LINKS
    return b"".join(encode(Code.SYMLINK, strings=link) for link in links)


def _node(device: Device) -> bytes:
    if device.type not in _DEVICE_TYPES:
        raise InvalidArgument(f"invalid device type {device.type!r} of {device.path}")
    permissions = 0o666 if device.file_mode is None else device.file_mode & 0o7777
    owner = (device.uid or 0) << 32 | (device.gid or 0)
    mode = _DEVICE_TYPES[device.type] | permissions
    return encode(Code.NODE, mode, device.major << 32 | device.minor, owner, strings=(device.path,))
