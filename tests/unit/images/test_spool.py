from __future__ import annotations

import pytest

from estiba.errors import InvalidArgument
from estiba.images.archive import annotated_name, host_architecture, matches_platform
from estiba.images.making import parse_platform
from estiba.images.spool import entry_path, looks_like_layer
from estiba.oci.manifest import Descriptor, Platform

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "path"), [(b"a/b", "a/b"), (b"./a//b/", "a/b"), (b"/a", "a"), (b"a..b", "a..b"), (b".", "")]
)
def test_names(name: bytes, path: str) -> None:
    assert entry_path(name) == path


@pytest.mark.parametrize("name", [b"..", b"a/../b", b"../a", b"a\0b"])
def test_names_that_lead_out(name: bytes) -> None:
    with pytest.raises(InvalidArgument, match="leads out of the archive"):
        entry_path(name)


@pytest.mark.parametrize(
    ("head", "size", "expected"),
    [
        (b"\x1f\x8b\x08", 100, True),
        (b"\x28\xb5\x2f\xfd", 100, True),
        (b"x" * 257 + b"ustar", 10240, True),
        (bytes(512), 1024, True),
        (b'{"a": 1}', 8, False),
        (bytes(100), 100, False),
        (b"", 0, False),
    ],
)
def test_what_may_be_a_layer(head: bytes, size: int, expected: bool) -> None:
    assert looks_like_layer(head, size) is expected


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({"org.opencontainers.image.ref.name": "a.b/x:1"}, "a.b/x:1"),
        ({"org.opencontainers.image.ref.name": "x:1"}, "x:1"),
        ({"org.opencontainers.image.ref.name": "a/x"}, "a/x:latest"),
        ({"org.opencontainers.image.ref.name": "latest"}, None),
        ({"io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1"}, "x:1"),
        ({"org.opencontainers.image.ref.name": "not a name:"}, None),
        (None, None),
    ],
)
def test_names_in_a_layout(annotations: dict[str, str] | None, name: str | None) -> None:
    found = annotated_name(Descriptor(digest=D, size=1, annotations=annotations))
    assert (found.familiar if found else None) == name


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        (Platform(os="linux", architecture="amd64"), "linux/amd64", True),
        (Platform(os="linux", architecture="arm64"), "linux/amd64", False),
        (Platform(os="linux", architecture="arm64", variant="v8"), "linux/arm64", True),
        (Platform(os="linux", architecture="arm", variant="v6"), "linux/arm/v7", False),
        (Platform(os="unknown", architecture="unknown"), "linux/amd64", False),
        (None, "linux/amd64", True),
    ],
)
def test_platforms_of_an_index(offered: Platform | None, wanted: str, expected: bool) -> None:
    assert matches_platform(Descriptor(digest=D, size=1, platform=offered), wanted) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("linux/amd64", ("linux", "amd64", "")),
        ("linux/arm64/v8", ("linux", "arm64", "v8")),
        ("LINUX/X86_64", ("linux", "amd64", "")),
        ("linux", ("linux", host_architecture(), "")),
        ("arm64", ("linux", "arm64", "")),
        ("windows/amd64", ("windows", "amd64", "")),
    ],
)
def test_platforms(text: str, expected: tuple[str, str, str] | None) -> None:
    assert parse_platform(text) == expected


@pytest.mark.parametrize("text", ["a/b/c/d", "linux//", "linux/ä b"])
def test_no_platforms(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_platform(text)
