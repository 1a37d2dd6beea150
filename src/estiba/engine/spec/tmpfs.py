"""Options of tmpfs mounts: of --tmpfs (a string) and of --mount type=tmpfs, as words of the OCI specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.engine.config import TmpfsOptions

DEFAULTS: Final = ("noexec", "nosuid", "nodev", "rprivate")
# of each group one word counts
_CHOICES: Final = (
    ("ro", "rw"),
    ("exec", "noexec"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("sync", "async"),
    ("dirsync",),
    ("mand", "nomand"),
    ("atime", "noatime"),
    ("diratime", "nodiratime"),
    ("relatime", "norelatime"),
    ("strictatime", "nostrictatime"),
    ("private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"),
)
_GROUP: Final = {word: number for number, words in enumerate(_CHOICES) for word in words}
_DATA: Final = frozenset({"mode", "size", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})
# what an API client may name besides size and mode: the kernel's words without values
_NAMED: Final = frozenset({"exec", "noexec"})
_UNITS: Final = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))


def merged(words: Iterable[str]) -> list[str]:
    """Docker's defaults overridden by `words`: of contradicting words, and of one key's values, the last one stays.

    Raises InvalidArgument for what is no option of a tmpfs.
    """
    kept: dict[int | str, str] = {}
    for word in reversed((*DEFAULTS, *words)):
        if word in ("", "defaults"):
            continue
        key: int | str | None = _GROUP.get(word)
        if key is None:
            key = word.partition("=")[0]
            if key not in _DATA:
                raise InvalidArgument(f'invalid tmpfs option "{key}"')
        kept.setdefault(key, word)
    return list(reversed(kept.values()))


def from_request(options: TmpfsOptions | None, *, read_only: bool) -> tuple[str, ...]:
    """The words of a mount request. Raises InvalidArgument for options that it may not have."""
    words = ["ro"] if read_only else []
    if options is None:
        return tuple(words)
    if options.mode:
        words.append(f"mode={options.mode:o}")
    if options.size_bytes:
        words.append(f"size={_size(options.size_bytes)}")
    for option in options.options or ():
        if len(option) not in (1, 2):
            raise InvalidArgument("invalid option array length")
        if len(option) == 2 or option[0] not in _NAMED:
            raise InvalidArgument(f"invalid option: {option[0]}")
        words.append(option[0])
    return tuple(words)


def _size(count: int) -> str:
    for unit, size in _UNITS:
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
