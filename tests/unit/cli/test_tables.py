"""Tables line up as Go's tabwriter lines them up; the columns' rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.cli.commands.ps import COLUMNS, port_text
from estiba.cli.commands.volume_ls import natural
from estiba.cli.inspecting import indent
from estiba.cli.network_pools import pools
from estiba.cli.references import check, complete, familiar, for_pull, normal_name, platform_json, split
from estiba.cli.session import CommandError, harmless
from estiba.cli.tables import align, ellipsis, label_text, quote, short_id


def test_align() -> None:
    assert align([["A", "LONG HEADER", "X"], ["a-very-long-cell", "b", ""]]) == (
        "A                  LONG HEADER   X\na-very-long-cell   b             \n"
    )


def test_a_column_ends_where_a_line_has_none() -> None:
    assert align([["a", "b"], ["title"], ["cccccccccccc", "d"]]) == "a         b\ntitle\ncccccccccccc   d\n"


def test_an_empty_column_takes_no_space() -> None:
    assert align([["", "a"], ["", "b"]]) == "a\nb\n"


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([(80, "tcp", "", 0)], "80/tcp"),
        ([(81, "tcp", "", 0), (80, "tcp", "", 0), (83, "tcp", "", 0)], "80-81/tcp, 83/tcp"),
        ([(80, "tcp", "0.0.0.0", 8080), (80, "tcp", "::", 8080)], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        ([(80, "tcp", "0.0.0.0", 80), (81, "tcp", "0.0.0.0", 81)], "0.0.0.0:80-81->80-81/tcp"),
        ([(53, "udp", "127.0.0.1", 53), (53, "tcp", "", 0)], "53/tcp, 127.0.0.1:53->53/udp"),
    ],
)
def test_ports(ports: list[tuple[int, str, str, int]], text: str) -> None:
    listed = []
    for private, kind, ip, public in ports:
        entry = {"PrivatePort": private, "Type": kind}
        listed.append({**entry, "IP": ip, "PublicPort": public} if ip else entry)
    assert port_text(listed) == text


def test_columns_of_ps() -> None:
    row = {
        "Id": "1" * 64,
        "Image": "x:1@sha256:" + "2" * 64,
        "ImageID": "sha256:" + "3" * 64,
        "Names": ["/other/alias", "/own"],
        "Command": 'sh -c "echo a very long command"',
        "Mounts": [{"Name": "v" * 20, "Driver": "local"}, {"Source": "/tmp"}],
        "Labels": {"b": "2", "a": "1"},
        "SizeRw": 5,
        "SizeRootFs": 1_500_000,
    }
    shown = {
        name: COLUMNS[name][1](row, True)
        for name in ("ID", "Image", "Names", "Command", "Mounts", "LocalVolumes", "Labels", "Size")
    }
    assert shown == {
        "ID": "1" * 12,
        "Image": "x:1",
        "Names": "own",
        "Command": '"sh -c \\"echo a very …"',
        "Mounts": "vvvvvvvvvvvvvv…,/tmp",
        "LocalVolumes": "1",
        "Labels": "a=1,b=2",
        "Size": "5B (virtual 1.5MB)",
    }
    assert COLUMNS["Image"][1]({**row, "Image": "sha256:" + "3" * 64}, True) == "3" * 12


def test_small_texts() -> None:
    assert (short_id("sha256:" + "a" * 64), short_id("b" * 64), ellipsis("abcdef", 4), label_text(None)) == (
        "a" * 12,
        "b" * 12,
        "abc…",
        "",
    )
    assert quote('a"\n\x01é\u200b') == '"a\\"\\n\\x01é\\u200b"'


def test_names_with_numbers_sort_by_them() -> None:
    names = ["v10", "v2", "a", "v1x"]
    assert sorted(names, key=natural) == ["a", "v1x", "v2", "v10"]


def test_indent_keeps_what_was_written() -> None:
    text = '{"a":1e3,"b":[],"c":{ },"d":["x\\u003c,:{","y"],"e":{"f":null}}'
    assert indent(text) == (
        '{\n    "a": 1e3,\n    "b": [],\n    "c": {},\n    "d": [\n        "x\\u003c,:{",\n        "y"\n    ],\n'
        '    "e": {\n        "f": null\n    }\n}'
    )


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_indent_is_json_indented(value: object) -> None:
    import json

    assert indent(json.dumps(value)) == json.dumps(value, indent=4)


def test_references() -> None:
    assert split("host:5000/a/b:t@sha256:1") == ("host:5000/a/b", "t", "sha256:1")
    assert split("host:5000/a") == ("host:5000/a", "", "")
    names = ("x", "a/b", "docker.io/x", "index.docker.io/a/b", "localhost/x", "h.io/x", "H/x")
    assert [normal_name(name) for name in names] == [
        "docker.io/library/x",
        "docker.io/a/b",
        "docker.io/library/x",
        "docker.io/a/b",
        "localhost/x",
        "h.io/x",
        "H/x",
    ]
    assert [familiar(normal_name(name)) for name in names[:4]] == ["x", "a/b", "x", "a/b"]
    assert complete("x") == "x:latest"
    assert for_pull("x@sha256:1") == ("docker.io/library/x", "sha256:1")
    assert platform_json("linux/arm64/v8") == '{"architecture":"arm64","os":"linux","variant":"v8"}'
    assert platform_json("") is None
    with pytest.raises(CommandError):
        platform_json("a/b/c/d")


@pytest.mark.parametrize("reference", ["", "Upper", "a:b:", "x:-t", "a//b", "x@1", "-a", "a b", "x:" + "t" * 129])
def test_bad_references(reference: str) -> None:
    with pytest.raises(CommandError, match="invalid reference format"):
        check(reference)


def test_pools() -> None:
    assert pools(["10.1.0.0/16", "fd00::/64"], ["10.1.5.0/24"], ["fd00::1"], {"a": "10.1.0.5"}) == [
        {"Subnet": "10.1.0.0/16", "IPRange": "10.1.5.0/24", "AuxiliaryAddresses": {"a": "10.1.0.5"}},
        {"Subnet": "fd00::/64", "Gateway": "fd00::1"},
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], ["10.0.0.0/8"], [], {}), "every ip-range or gateway"),
        ((["10.1.0.0/16", "10.1.5.0/24"], [], [], {}), "overlapping"),
        ((["10.1.0.0/16"], [], ["10.2.0.1"], {}), "no matching subnet for gateway 10.2.0.1"),
        ((["x"], [], [], {}), "invalid CIDR address: x"),
        ((["10.1.0.0/16", "10.2.0.0/16"], [], ["10.1.0.1", "10.1.0.2"], {}), "cannot configure multiple gateways"),
    ],
)
def test_bad_pools(arguments: tuple[list[str], list[str], list[str], dict[str, str]], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        pools(*arguments)


def test_a_terminal_obeys_nothing_that_a_container_wrote() -> None:
    assert harmless("a\tb\n\x1b[31mc\r\x07\x9b2J\u00e9") == "a\tb\n\\x1b[31mc\\x0d\\x07\\x9b2J\u00e9"
