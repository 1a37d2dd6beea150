"""How overlay's options are written for the two ways of mounting it."""

from __future__ import annotations

import pytest

from estiba.errors import InvalidArgument
from estiba.linux.overlay import Options, arrange, split_layers

DEEP = "/" + "d" * 250


def test_layers_of_a_string() -> None:
    assert split_layers("/a:/b:/c") == ["/a", "/b", "/c"]
    assert split_layers(r"/a\:b:/c\\d") == ["/a:b", "/c\\d"]


def test_both_ways_to_name_layers() -> None:
    words = ("lowerdir+=/a", "lowerdir+=/b", "upperdir=/u", "index=off")
    for given in (words, ("lowerdir=/a:/b", *words[2:])):
        assert arrange(given, layers=True) == Options("", words, one_string=False)
        assert arrange(given, layers=False) == Options("", ("lowerdir=/a:/b,upperdir=/u,index=off",), one_string=True)


def test_long_layers_become_relative_to_what_they_share() -> None:
    arranged = arrange((f"lowerdir={DEEP}/layers/1:{DEEP}/layers/2", f"upperdir={DEEP}/s/upper"), layers=True)
    assert arranged == Options(DEEP, ("lowerdir+=layers/1", "lowerdir+=layers/2", "upperdir=s/upper"), one_string=False)


def test_values_that_stay_too_long_are_one_string() -> None:
    arranged = arrange((f"lowerdir+=/a{DEEP}/x", f"upperdir={DEEP}{DEEP}/u"), layers=True)
    assert arranged == Options("", (f"lowerdir=/a{DEEP}/x,upperdir={DEEP}{DEEP}/u",), one_string=True)


def test_a_long_string_becomes_relative_layers_first() -> None:
    layers = [f"lowerdir+={DEEP}/layers/{number}/diff" for number in range(120)]
    upper = ("upperdir=/elsewhere/s/upper", "workdir=/elsewhere/s/work", "index=off")
    names = ":".join(f"{number}/diff" for number in range(120))
    arranged = arrange([*layers, *upper], layers=False)
    assert arranged == Options(f"{DEEP}/layers", (f"lowerdir={names},{','.join(upper)}",), one_string=True)


def test_then_all_of_them() -> None:
    long = "".join("/" + letter * 250 for letter in "abcdefghij")
    options = [f"lowerdir+={long}/l/1", f"lowerdir+={long}/l/2", f"upperdir={long}/s/u", f"workdir={long}/s/w"]
    arranged = arrange(options, layers=False)
    assert arranged == Options(long, ("lowerdir=l/1:l/2,upperdir=s/u,workdir=s/w",), one_string=True)


def test_the_most_layers_fit_in_a_page() -> None:
    root = "/var/lib/estiba"
    key = "f" * 64
    layers = [f"lowerdir+={root}/layers/{number}/diff" for number in range(99_000, 99_128)]
    arranged = arrange(
        [*layers, f"upperdir={root}/snapshots/{key}/upper", f"workdir={root}/snapshots/{key}/work"], layers=False
    )
    assert arranged.directory == f"{root}/layers"
    assert len(arranged.words[0]) < 4096


def test_too_many() -> None:
    with pytest.raises(InvalidArgument, match="1000 layers are too long for this kernel"):
        arrange([f"lowerdir+=/layers/{number}/diff" for number in range(1000)], layers=False)


def test_separators_in_names() -> None:
    arranged = arrange(["lowerdir+=/a:b", "lowerdir+=/c,d", r"upperdir=/e\f"], layers=False)
    assert arranged.words == (r"lowerdir=/a\:b:/c\,d,upperdir=/e\\f",)
