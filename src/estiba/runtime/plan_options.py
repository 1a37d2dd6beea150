"""A mount's option words (OCI runtime specification, "Mounts"; mount(8)) sorted by what the kernel does with them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import Unsupported

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Mount

# <linux/mount.h>
RDONLY: Final = 0x1
NOSUID: Final = 0x2
NODEV: Final = 0x4
NOEXEC: Final = 0x8
_ATIME: Final = 0x70
MS_REC: Final = 0x4000
MS_UNBINDABLE: Final = 1 << 17
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20

SUBPATH: Final = "x-estiba.subpath="

# word: (attributes to set, attributes to clear)
_ATTRIBUTES: Final = {
    "ro": (RDONLY, 0),
    "rw": (0, RDONLY),
    "nosuid": (NOSUID, 0),
    "suid": (0, NOSUID),
    "nodev": (NODEV, 0),
    "dev": (0, NODEV),
    "noexec": (NOEXEC, 0),
    "exec": (0, NOEXEC),
    "nodiratime": (0x80, 0),
    "diratime": (0, 0x80),
    "relatime": (0, _ATIME),
    "norelatime": (0, 0),
    "noatime": (0x10, _ATIME),
    "atime": (0, 0),
    "strictatime": (0x20, _ATIME),
    "nostrictatime": (0, 0),
    "nosymfollow": (0x200000, 0),
    "symfollow": (0, 0x200000),
}
_PROPAGATION: Final = {
    "private": MS_PRIVATE,
    "shared": MS_SHARED,
    "slave": MS_SLAVE,
    "unbindable": MS_UNBINDABLE,
}
# Defaults, or flags that only remounting knows.
_WITHOUT_MEANING: Final = frozenset({"defaults", "async", "nolazytime", "nomand", "noiversion", "loud", "acl", "noacl"})


@dataclass(frozen=True, slots=True)
class Attributes:
    """MOUNT_ATTR_* to set and to clear."""

    enable: int = 0
    disable: int = 0

    def with_word(self, word: str) -> Attributes:
        """These and one more word; what a later word says counts."""
        enable, disable = _ATTRIBUTES[word]
        return Attributes(self.enable & ~disable | enable, self.disable & ~enable | disable)

    def __bool__(self) -> bool:
        return bool(self.enable or self.disable)


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The words of one mount. Compared by identity: parse() gives the same object for the same words.

    Attributes:
        bind: "" for a new file system, "bind" or "rbind".
        single: attributes of the mount itself.
        recursive: attributes of it and everything mounted below (`rro` and the like).
        propagation: MS_* or 0 where nothing was said; with MS_REC.
        data: the file system's own options.
        subpath: what of the source is bound, resolved below it as in a root; "" for all of it.
    """

    bind: str
    single: Attributes
    recursive: Attributes
    propagation: int
    data: tuple[str, ...]
    subpath: str


def of_mount(mount: Mount) -> Options:
    """The words of a mount. Those of overlays name directories of one container, and are not remembered."""
    words = tuple(mount.options or ())
    return parse.__wrapped__(words, mount.type) if mount.type == "overlay" else parse(words, mount.type)


@functools.lru_cache(maxsize=512)
def parse(words: tuple[str, ...], kind: str | None) -> Options:
    """Sort the words of a mount of this type. Unsupported for `tmpcopyup` and `remount`."""
    bind, subpath, propagation = "bind" if kind == "bind" else "", "", 0
    single, recursive = Attributes(), Attributes()
    data: list[str] = []
    for word in words:
        rest = word[1:] if word.startswith("r") else ""
        if word in ("bind", "rbind"):
            bind = word
        elif word in _ATTRIBUTES:
            single = single.with_word(word)
        elif rest in _ATTRIBUTES:
            recursive = recursive.with_word(rest)
        elif word in _PROPAGATION:
            propagation = _PROPAGATION[word]
        elif rest in _PROPAGATION:
            propagation = _PROPAGATION[rest] | MS_REC
        elif word.startswith(SUBPATH):
            subpath = word.removeprefix(SUBPATH)
        elif word in ("tmpcopyup", "remount", "move"):
            raise Unsupported(f"the mount option {word} is not supported")
        elif word not in _WITHOUT_MEANING and word:
            data.append(word)
    return Options(bind, single, recursive, propagation, tuple(data), subpath)
