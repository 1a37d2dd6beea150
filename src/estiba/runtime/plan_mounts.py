"""The mounts of a container as plan records: its root, new file systems, binds, cgroups, masks.

A bind is cloned in the child, just before it is attached, so that the mount table inside has the specification's order.
Some must be cloned before the child exists, in the host's mount namespace ("outer"): what stays a peer of the host's
mount (`shared`), what comes by descriptor, and everything for a user namespace, which has no rights on host paths.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported
from estiba.linux import overlay
from estiba.linux.statfs import PROC, file_system_type
from estiba.runtime import plan_options
from estiba.runtime.plan_explain import refused_as_proc, refused_in_proc
from estiba.runtime.plan_operations import (
    ATTACH_CREATE,
    ATTACH_LIKE,
    ATTACH_PROC,
    ATTACH_REAL,
    ATTRIBUTES_RECURSIVE,
    NEW_LEGACY,
    NONE,
    SLOTS,
    TREE_ADOPT,
    TREE_RECURSIVE,
    Code,
    encode,
)
from estiba.runtime.plan_options import MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, Attributes, Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.oci.runtime_spec import Mount, Spec
    from estiba.runtime.cgroup import CgroupMount

_OWN = ("/proc/", "/sys/", "/dev/")
# lxcfs covers these; everything else below /proc is the kernel's alone (as in runc).
_COVERABLE_NAMES = ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo")
_COVERABLE = frozenset(
    {f"/proc/{name}" for name in _COVERABLE_NAMES} | {"/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"}
)
_NEW_SLOT: Final = 0
_PROC_ROOT_INODE: Final = 1
_CGROUP_TMPFS: Final = ("nosuid", "nodev", "noexec", "mode=755")


class MountPlan:
    """Collects the records of all mounts of one specification.

    Attributes:
        outer: records for before the child is made.
        inner: records for the child, in the specification's order.
    """

    def __init__(
        self,
        *,
        user_namespace: bool,
        private_cgroups: bool,
        cgroups: Sequence[CgroupMount],
        sources: Mapping[str, int],
        trees: Mapping[str, int],
        idmaps: Mapping[str, int],
        overlay_layers: bool,
    ) -> None:
        self.outer: list[bytes] = []
        self.inner: list[bytes] = []
        self._user_namespace = user_namespace
        self._private_cgroups = private_cgroups
        self._cgroups = cgroups
        self._sources = sources
        self._trees = trees
        self._idmaps = idmaps
        self._overlay_layers = overlay_layers
        self._scratch = ""
        self._slots = _NEW_SLOT

    def root(self, spec: Spec) -> None:
        """The root: the mount on `/`, attached at root.path; without one, root.path itself."""
        place = spec.root.path
        self._scratch = "" if self._user_namespace else place
        first = spec.mounts[0] if spec.mounts and spec.mounts[0].destination == "/" else None
        slot = self._next_slot()
        if first is None:
            self._tree(slot, place, plan_options.parse(("rbind",), "bind"), "/")
        elif (options := plan_options.of_mount(first)).bind or "/" in self._trees:
            self._tree(slot, first.source or "", options, "/")
        else:
            self._made(slot, first, options)
        self._map_ids(slot, first)
        # The namespace's own root may not enter the host's directories: there the root is stacked on `/`.
        self.inner.append(encode(Code.ROOT, slot, strings=("/" if self._user_namespace else place,)))

    def _made(self, slot: int, mount: Mount, options: Options) -> None:
        """A file system made of host paths. In a user namespace the host makes it, which has the rights."""
        target = self.outer if self._user_namespace else self.inner
        flags, words = 0, options.data
        if mount.type == "overlay":
            arranged = overlay.arrange(words, layers=self._overlay_layers)
            if arranged.one_string and self._user_namespace:
                raise Unsupported(
                    f"cannot mount the overlay at {mount.destination}: no detached mount was given for it"
                )
            flags, words = NEW_LEGACY if arranged.one_string else 0, arranged.words
            if arranged.directory:
                target.append(encode(Code.CHDIR, strings=(arranged.directory,)))
        attributes = _merged(options.single, options.recursive)
        strings = (mount.type or "", mount.source or "none", self._scratch, *words)
        target.append(encode(Code.NEW, slot, attributes.enable, flags, strings=strings))

    def add(self, mount: Mount) -> None:
        """One mount of the specification. Raises StartFailed for a target inside /proc, InvalidArgument."""
        destination = mount.destination
        options = plan_options.of_mount(mount)
        _check_destination(mount, options)
        if mount.type == "cgroup" and not options.bind:
            self._cgroup(destination, options)
        elif options.bind or destination in self._trees:
            slot = self._next_slot()
            self._tree(slot, mount.source or "", options, destination)
            self._map_ids(slot, mount)
            proc = ATTACH_PROC if destination in _COVERABLE else 0
            self.inner.append(encode(Code.ATTACH, slot, ATTACH_CREATE | proc, strings=(destination,)))
        elif mount.type == "overlay":
            slot = self._next_slot()
            self._made(slot, mount, options)
            self._map_ids(slot, mount)
            self.inner.append(encode(Code.ATTACH, slot, ATTACH_CREATE, strings=(destination,)))
        else:
            source = mount.source or "none"
            self.inner.append(_new(destination, mount.type or "", source, options, self._user_namespace))

    def bind_node(self, path: str) -> None:
        """A device of the host at the same path: a user namespace may not make its own."""
        slot = self._next_slot()
        self._tree(slot, path, plan_options.parse((), "bind"), path)
        self.inner.append(encode(Code.ATTACH, slot, ATTACH_CREATE, strings=(path,)))

    def _next_slot(self) -> int:
        self._slots += 1
        if self._slots >= SLOTS:
            raise InvalidArgument(f"too many mounts: at most {SLOTS - 1} are possible")
        return self._slots

    def _tree(self, slot: int, source: str, options: Options, destination: str) -> None:
        """A clone of something of the host, or a detached mount that the engine made, with its attributes."""
        flags = TREE_RECURSIVE if options.bind == "rbind" else 0
        by_number = destination in self._trees or destination in self._sources
        outer = by_number or self._user_namespace or options.propagation & MS_SHARED
        target = self.outer if outer else self.inner
        if destination in self._trees:
            target.append(encode(Code.TREE, slot, TREE_ADOPT, self._trees[destination]))
        elif destination in self._sources:
            target.append(encode(Code.TREE, slot, flags, self._sources[destination]))
        elif options.subpath:
            target.append(encode(Code.TREE, slot, flags, NONE, strings=(source, options.subpath)))
        else:
            target.append(encode(Code.TREE, slot, flags, NONE, strings=(source,)))
        target.append(_attributes(slot, options, slave=bool(outer)))

    def _map_ids(self, slot: int, mount: Mount | None) -> None:
        if mount is None or not (mount.uid_mappings or mount.gid_mappings):
            return
        if mount.destination not in self._idmaps:
            raise Unsupported(f"cannot map ids of the mount at {mount.destination}: no user namespace was given for it")
        outer = self._user_namespace or mount.destination in self._trees or mount.destination in self._sources
        target = self.outer if outer or plan_options.of_mount(mount).propagation & MS_SHARED else self.inner
        target.append(encode(Code.IDMAP, slot, self._idmaps[mount.destination], 1))

    def _cgroup(self, destination: str, options: Options) -> None:
        """v2: the container's own view by a new mount, v1: a tmpfs with each hierarchy's directory bound in it."""
        unified = not self._cgroups or (len(self._cgroups) == 1 and not self._cgroups[0].name)
        if unified and (self._private_cgroups or not self._user_namespace):
            self.inner.append(_new(destination, "cgroup2", "cgroup", options, False))
            return
        if not unified:
            plain = plan_options.parse(_CGROUP_TMPFS, "tmpfs")
            self.inner.append(_new(destination, "tmpfs", "cgroup", plain, False))
        target = self.outer if self._user_namespace else self.inner
        for mount in self._cgroups:
            slot = self._next_slot()
            target.append(encode(Code.TREE, slot, 0, NONE, strings=(mount.host,)))
            target.append(_attribute_record(slot, options.single, MS_PRIVATE, 0))
            self.inner.append(_attached_cgroup(slot, destination, mount.name, mount.links))


@functools.lru_cache(maxsize=256)
def _attached_cgroup(slot: int, destination: str, name: str, links: tuple[str, ...]) -> bytes:
    place = f"{destination}/{name}" if name else destination
    records = [encode(Code.ATTACH, slot, ATTACH_CREATE | ATTACH_REAL, strings=(place,))]
    records += [encode(Code.SYMLINK, strings=(name, f"{destination}/{link}")) for link in links]
    return b"".join(records)


@functools.lru_cache(maxsize=512)
def _checked(path: str) -> None:
    """Raise InvalidArgument for a target that no mount can have."""
    if not path.startswith("/"):
        raise InvalidArgument(f"invalid mount path: '{path}' mount path must be absolute")
    if os.path.normpath(path) in ("/", "//"):
        raise InvalidArgument("invalid specification: destination can't be '/'")


def _check_destination(mount: Mount, options: Options) -> None:
    """Refuse what cannot be meant. Links of the image that lead into /proc are refused by the shim."""
    path = mount.destination
    _checked(path)
    if "proc" in path:
        clean = os.path.normpath(f"/{path.lstrip('/')}")
        if clean.startswith("/proc/") and path not in _COVERABLE:
            raise refused_in_proc(mount.source, path)
        if clean == "/proc" and mount.type != "proc" and not (options.bind and _is_proc(mount.source or "")):
            raise refused_as_proc(mount.source, path)
    if not options.bind and not mount.type:
        raise InvalidArgument(f"the mount at {path} has no type")


def _is_proc(path: str) -> bool:
    """Whether this is the root of a procfs."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return file_system_type(descriptor) == PROC and os.fstat(descriptor).st_ino == _PROC_ROOT_INODE
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=1024)
def _attributes(slot: int, options: Options, *, slave: bool) -> bytes:
    """Attributes and propagation of a cloned tree, if there are any.

    Without a word about propagation it is a slave of the host's mount: what is cloned in the child is so already.
    """
    propagation = options.propagation or (MS_SLAVE | MS_REC if slave else 0)
    deep_propagation, shallow = (propagation & ~MS_REC, 0) if propagation & MS_REC else (0, propagation)
    single, deep = options.single, options.recursive
    if options.bind != "rbind":  # one mount: the difference does not matter
        single, deep, shallow, deep_propagation = _merged(single, deep), Attributes(), propagation & ~MS_REC, 0
    records = b""
    if single or shallow:
        records = _attribute_record(slot, single, shallow, 0)
    if deep or deep_propagation:
        records += _attribute_record(slot, deep, deep_propagation, ATTRIBUTES_RECURSIVE)
    return records


def _attribute_record(slot: int, attributes: Attributes, propagation: int, recursive: int) -> bytes:
    return encode(Code.ATTRIBUTES, slot, attributes.enable, attributes.disable, propagation | recursive)


def _merged(first: Attributes, second: Attributes) -> Attributes:
    return Attributes(first.enable & ~second.disable | second.enable, first.disable & ~second.enable | second.disable)


@functools.lru_cache(maxsize=256)
def _new(destination: str, kind: str, source: str, options: Options, user_namespace: bool) -> bytes:
    """A new file system, made and attached. Kept as bytes: most containers have the same ones."""
    data = [word for word in options.data if not (kind == "devpts" and word == "newinstance")]
    if user_namespace and kind == "devpts":
        data = [word for word in data if not word.startswith("gid=")]  # group 5 may have no number outside
    flags = ATTACH_CREATE
    if f"{destination}/".startswith(_OWN):
        flags |= ATTACH_REAL
    if kind == "proc":
        flags |= ATTACH_PROC
    if kind == "tmpfs" and not any(word.startswith("mode=") for word in data):
        flags |= ATTACH_LIKE
    attributes = _merged(options.single, options.recursive)
    records = encode(Code.NEW, _NEW_SLOT, attributes.enable, strings=(kind, source, "", *data))
    if options.propagation:
        records += _attribute_record(_NEW_SLOT, Attributes(), options.propagation & ~MS_REC, 0)
    return records + encode(Code.ATTACH, _NEW_SLOT, flags, strings=(destination,))
