"""Mount option words."""

from __future__ import annotations

import pytest

from estiba.errors import Unsupported
from estiba.runtime.plan_options import MS_PRIVATE, MS_REC, MS_SHARED, Attributes, parse


def test_words_are_sorted() -> None:
    options = parse(
        ("rbind", "ro", "nosuid", "rnoexec", "rprivate", "size=1m", "x-estiba.subpath=a/b", "defaults"), "bind"
    )
    assert options.bind == "rbind"
    assert options.single == Attributes(0x1 | 0x2, 0)
    assert options.recursive == Attributes(0x8, 0)
    assert options.propagation == MS_PRIVATE | MS_REC
    assert options.data == ("size=1m",)
    assert options.subpath == "a/b"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ro", "rw"), Attributes(0, 0x1)),
        (("rw", "ro"), Attributes(0x1, 0)),
        (("noatime",), Attributes(0x10, 0x70)),
        (("noatime", "strictatime"), Attributes(0x20, 0x70)),
        (("relatime",), Attributes(0, 0x70)),
        (("suid", "dev", "exec"), Attributes(0, 0xE)),
    ],
)
def test_later_words_count(words: tuple[str, ...], expected: Attributes) -> None:
    single = parse(words, "tmpfs").single
    assert single.enable == expected.enable
    assert single.disable & ~0x70 == expected.disable & ~0x70


def test_type_bind_is_a_bind_without_the_word() -> None:
    assert parse((), "bind").bind == "bind"
    assert parse((), "tmpfs").bind == ""
    assert parse(("shared",), "bind").propagation == MS_SHARED


@pytest.mark.parametrize("word", ["tmpcopyup", "remount", "move"])
def test_words_that_are_not_supported(word: str) -> None:
    with pytest.raises(Unsupported, match=word):
        parse((word,), "tmpfs")
