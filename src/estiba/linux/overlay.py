"""Overlay's options for both ways to mount it: fsconfig(2) with one `lowerdir+` per layer, mount(2) with one string.

The first takes 255 bytes a value and has `lowerdir+` from Linux 6.8 on, the second takes a page for everything. Where
paths are too long for that, they are made relative to a directory in which the caller has to be.

    words = arrange(options, layers=…)     for whoever mounts it
    mount_on(directory, options)           the second way, for a thread with mounts of its own

https://docs.kernel.org/filesystems/overlayfs.html
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.linux.mount import MS_RDONLY, mount
from estiba.linux.xattr import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_VALUE: Final = 255
_LONGEST_STRING: Final = 4095
_LAYER: Final = "lowerdir+="
_PATHS: Final = (_LAYER, "upperdir=", "workdir=")


@dataclass(frozen=True, slots=True)
class Options:
    """What is given to the kernel.

    Attributes:
        directory: where relative paths begin; "" when there are none.
        words: `key=value` or `key`, for fsconfig(2); or the one string of mount(2).
        one_string: which of these.
    """

    directory: str
    words: tuple[str, ...]
    one_string: bool


def arrange(options: Sequence[str], *, layers: bool) -> Options:
    """Options in the form that the kernel takes; lower directories may come as `lowerdir=A:B` or a `lowerdir+=A` each.

    layers: it knows `lowerdir+` (`Features.overlay_layers`). Raises InvalidArgument when they are too long.
    """
    words = tuple(word for option in options for word in _separate(option))
    if not layers:
        return _one_string(words)
    if _fits(words):
        return Options("", words, one_string=False)
    directory = _shared(_paths(words, _PATHS))
    shorter = _relative(words, directory, _PATHS)
    return Options(directory, shorter, one_string=False) if _fits(shorter) else _one_string(words)


def _one_string(words: tuple[str, ...]) -> Options:
    # first the layers alone: the other directories may lie beyond a link, where `..` leads elsewhere
    for keys in ((), (_LAYER,), _PATHS):
        directory = _shared(_paths(words, keys)) if keys else ""
        text = _joined(_relative(words, directory, keys))
        if len(os.fsencode(text)) <= _LONGEST_STRING:
            return Options(directory, (text,), one_string=True)
    count = len(_paths(words, (_LAYER,)))
    raise InvalidArgument(f"the paths of {count} layers are too long for this kernel: use a root directory nearer to /")


def _fits(words: Sequence[str]) -> bool:
    return all(len(os.fsencode(word.partition("=")[2])) <= _LONGEST_VALUE for word in words)


def mount_on(directory: int, options: Sequence[str], flags: int = 0) -> None:
    """Mount an overlay with mount(2) on a directory descriptor; `ro` among the options makes it read-only.

    Only for a thread of `in_own_mounts`: it changes the working directory. Raises OSError, InvalidArgument.
    """
    arranged = _one_string(tuple(word for option in options if option != "ro" for word in _separate(option)))
    os.chdir(arranged.directory or "/")
    mount("overlay", path_of(directory), "overlay", flags | (MS_RDONLY if "ro" in options else 0), arranged.words[0])


def split_layers(text: str) -> list[str]:
    """The directories of a `lowerdir=` value; a colon in a name is written `\\:`."""
    if "\\" not in text:
        return text.split(":")
    return [re.sub(r"\\(.)", r"\1", layer) for layer in re.findall(r"(?:[^:\\]|\\.)+", text)]


def _separate(option: str) -> list[str]:
    if option.startswith("lowerdir="):
        return [_LAYER + layer for layer in split_layers(option.removeprefix("lowerdir="))]
    return [option]


def _paths(words: Sequence[str], keys: tuple[str, ...]) -> list[str]:
    return [word.partition("=")[2] for word in words if word.startswith(keys)]


def _shared(paths: Sequence[str]) -> str:
    """The directory that has all of these below it, "" without one."""
    if not paths or not all(path.startswith("/") for path in paths):
        return ""
    return os.path.commonpath(paths)


def _relative(words: Sequence[str], directory: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    if not directory:
        return tuple(words)
    pairs = ((word, *word.partition("=")) for word in words)
    return tuple(
        f"{key}={os.path.relpath(path, directory)}" if word.startswith(keys) else word for word, key, _, path in pairs
    )


def _joined(words: Sequence[str]) -> str:
    layers = [_escaped(path) for path in _paths(words, (_LAYER,))]
    lower = [f"lowerdir={':'.join(layers)}"] if layers else []
    rest = [word for word in words if not word.startswith(_LAYER)]
    return ",".join([*lower, *(_escaped_path(word) for word in rest)])


def _escaped_path(word: str) -> str:
    key, equals, value = word.partition("=")
    return f"{key}={_escaped(value)}" if word.startswith(_PATHS) else f"{key}{equals}{value}"


def _escaped(path: str) -> str:
    return re.sub(r"([\\:,])", r"\\\1", path)
