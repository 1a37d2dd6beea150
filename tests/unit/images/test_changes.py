"""Every expectation here was measured on Docker 28.5 with `docker import --change`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.errors import EstibaError, InvalidArgument
from estiba.images.changes import apply_changes
from estiba.oci.image import Defaults

NOTHING = Defaults()


def changed(*changes: str, base: Defaults = NOTHING) -> dict[str, Any]:
    return msgspec.to_builtins(apply_changes(base, changes))


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ('CMD echo hi "a b"', {"Cmd": ["/bin/sh", "-c", 'echo hi "a b"']}),
        ("CMD", {"Cmd": ["/bin/sh", "-c"]}),
        ('CMD ["a", "b"]', {"Cmd": ["a", "b"]}),
        ("cmd x", {"Cmd": ["/bin/sh", "-c", "x"]}),
        ("ENV a b c", {"Env": ["a=b c"]}),
        ("ENV a='x y' b=\"q$a\" c=\\$a d=${a:-z}", {"Env": ["a=x y", "b=q", "c=$a", "d=z"]}),
        ('LABEL a=b c="d e"', {"Labels": {"a": "b", "c": "d e"}}),
        ('LABEL "x y"=z', {"Labels": {"x y": "z"}}),
        (
            "EXPOSE 80 90/udp 100-102/tcp 8080:81",
            {"ExposedPorts": {p: {} for p in ("80/tcp", "90/udp", "100/tcp", "101/tcp", "102/tcp", "81/tcp")}},
        ),
        ("ONBUILD run  a   b", {"OnBuild": ["run  a   b"]}),
        ("USER a b", {"User": "a b"}),
        ('VOLUME ["/a","/b"]', {"Volumes": {"/a": {}, "/b": {}}}),
        ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
        ("WORKDIR a", {"WorkingDir": "/a"}),
        ("WORKDIR /a/../b/", {"WorkingDir": "/b"}),
        ("WORKDIR a b", {"WorkingDir": "/a b"}),
        ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
        (
            'HEALTHCHECK --interval=1s --timeout=1m --start-period=5ms --start-interval=1s --retries=3 CMD ["a","b"]',
            {
                "Healthcheck": {
                    "Test": ["CMD", "a", "b"],
                    "Interval": 1_000_000_000,
                    "Timeout": 60_000_000_000,
                    "StartPeriod": 5_000_000,
                    "StartInterval": 1_000_000_000,
                    "Retries": 3,
                }
            },
        ),
        ("HEALTHCHECK CMD a b", {"Healthcheck": {"Test": ["CMD-SHELL", "a b"]}}),
        ("STOPSIGNAL 9", {"StopSignal": "9"}),
        ("STOPSIGNAL sigterm", {"StopSignal": "sigterm"}),
        ("STOPSIGNAL RTMIN+3", {"StopSignal": "RTMIN+3"}),
        ("ENTRYPOINT", {}),
        ("ENTRYPOINT []", {}),
        ('ENTRYPOINT ["a"]', {"Entrypoint": ["a"]}),
        ("CMD a\nENV x=y", {"Cmd": ["/bin/sh", "-c", "a"], "Env": ["x=y"]}),
        ("# a comment\nCMD a \\\n  b", {"Cmd": ["/bin/sh", "-c", "a b"]}),
    ],
)
def test_results(change: str, config: dict[str, Any]) -> None:
    assert changed(change) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('CMD ["a", 1]', "when using JSON array syntax, arrays must be comprised of strings only"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("ENV =x", "ENV names can not be blank"),
        (
            'ENV a="b',
            'failed to process "\\"b": unexpected end of statement while looking for matching double-quote',
        ),
        ("LABEL a", "LABEL must have two arguments"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("EXPOSE x", "Invalid containerPort: x"),
        ("EXPOSE 70000", "Invalid containerPort: 70000"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("USER", "USER requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME ["/a",""]', "VOLUME specified can not be an empty string"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK FOO x", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK --interval=x CMD a", 'time: invalid duration "x"'),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
        ("HEALTHCHECK --retries=x CMD a", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("HEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --foo=1us CMD a", "unknown flag: --foo"),
        ("STOPSIGNAL FOO", "invalid signal: FOO"),
        ("STOPSIGNAL sigterm x", "invalid signal: sigterm x"),
        ("STOPSIGNAL 0", "invalid signal: 0"),
        ("FOO x", "FOO is not a valid change command"),
        ('SHELL ["a"]', "SHELL is not a valid change command"),
        ("", "file with no instructions"),
        ("# c", "file with no instructions"),
    ],
)
def test_refusals(change: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        changed(change)
    assert caught.value.message == message


def test_on_top_of_what_is_there() -> None:
    base = Defaults(
        env=["PATH=/bin", "A=1"],
        cmd=["x"],
        entrypoint=["e"],
        working_dir="/w",
        labels={"a": "1"},
        shell=["/bin/ash", "-ec"],
        exposed_ports={"1/tcp": {}},
    )
    config = changed(
        "ENV PATH=$PATH:/x B=$A",
        "WORKDIR sub",
        "LABEL b=$A",
        "EXPOSE 2",
        "ENTRYPOINT run it",
        "USER ${A:+yes}",
        base=base,
    )
    assert config == {
        "User": "yes",
        "Env": ["PATH=/bin:/x", "A=1", "B=1"],
        "Entrypoint": ["/bin/ash", "-ec", "run it"],
        "WorkingDir": "/w/sub",
        "Labels": {"a": "1", "b": "1"},
        "ExposedPorts": {"1/tcp": {}, "2/tcp": {}},
        "Shell": ["/bin/ash", "-ec"],
    }
    assert changed("CMD c", "ENTRYPOINT e", base=base)["Cmd"] == ["/bin/ash", "-ec", "c"]
    assert apply_changes(base, []) == base


@given(
    st.sampled_from(["CMD", "ENV", "LABEL", "EXPOSE", "HEALTHCHECK", "VOLUME", "WORKDIR", "USER", "X"]),
    st.text(max_size=30),
)
def test_nothing_but_our_errors(word: str, rest: str) -> None:
    try:
        changed(f"{word} {rest}")
    except EstibaError:
        pass
