"""Bodies decoded as Go does it, with what Docker 28.5 says to wrong ones; replies escaped as Go does it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.api import wire
from estiba.api.containers import CreateRequest
from estiba.api.wire_syntax import first_value, shallow
from estiba.engine.config import ExecConfig, HostConfig
from estiba.errors import EstibaError, InvalidArgument

# what follows Image in a create body → (kind of value, field, its type) in the message of Docker 28.5.2, measured
MISMATCHES = {
    '"HostConfig":{"Memory":"a"}': ("string", ".HostConfig.Memory", "int64"),
    '"HostConfig":{"Memory":1.5}': ("number 1.5", ".HostConfig.Memory", "int64"),
    '"Env":"a"': ("string", ".Env", "[]string"),
    '"Labels":{"a":1}': ("number", ".Labels.a", "string"),
    '"HostConfig":{"RestartPolicy":{"Name":1}}': (
        "number",
        ".HostConfig.RestartPolicy.Name",
        "container.RestartPolicyMode",
    ),
    '"HostConfig":5': ("number", ".HostConfig", "container.HostConfig"),
    '"Tty":"yes"': ("string", ".Tty", "bool"),
    '"HostConfig":{"Ulimits":[{"Name":"a","Soft":"x"}]}': ("string", ".HostConfig.Ulimits.0.Soft", "int64"),
    '"ExposedPorts":["80"]': ("array", ".ExposedPorts", "nat.PortSet"),
    '"HostConfig":{"PortBindings":{"80/tcp":{}}}': ("object", ".HostConfig.PortBindings.80~1tcp", "[]nat.PortBinding"),
    '"Healthcheck":{"Interval":"5s"}': ("string", ".Healthcheck.Interval", "time.Duration"),
    '"StopTimeout":"x"': ("string", ".StopTimeout", "int"),
    '"HostConfig":{"Memory":99999999999999999999}': ("number 99999999999999999999", ".HostConfig.Memory", "int64"),
    '"HostConfig":{"Mounts":[{"Type":5}]}': ("number", ".HostConfig.Mounts.0.Type", "mount.Type"),
}
SAID = {
    '{"Image":"x","Env":[1]}': "json: cannot unmarshal number into .Env.0 of type string",
    '{"Image":"x","Cmd":5}': "json: cannot unmarshal number into Go value of type string",
    '{"HostConfig":{"ConsoleSize":["a"]}}': "json: cannot unmarshal string into .HostConfig.ConsoleSize.0 of type uint",
    '{"Image":"x" "b":1}': "invalid character '\"' after object key:value pair",
    '{"Image":"x",}': "invalid character '}' looking for beginning of object key string",
    "{bad": "invalid character 'b' looking for beginning of object key string",
    '{"Image":x}': "invalid character 'x' looking for beginning of value",
    '{"Image":"a\nb"}': "invalid character '\\n' in string",
    '{"Image":"\\q"}': "invalid escape sequence `\\q` in string",
    '{"Image":01}': "invalid character '1' after object key:value pair",
    '{"Image":tru}': "invalid character '}' in literal true (expecting 'e')",
    '{"a":1e}': "invalid character '}' in numeric literal",
    '{"a":-}': "invalid character '}' in numeric literal",
    '{"a":"\\u12"}': 'invalid escape sequence `\\u12"}` in string',
    "}": "invalid character '}' looking for beginning of value",
    "[1,2": "unexpected EOF",
    '{"Image"': "unexpected EOF",
    '{"a":nul': "unexpected EOF",
    '"x': "unexpected EOF",
    "tr": "unexpected EOF",
    "{": "unexpected EOF",
    "  ": "got EOF while reading request body",
    "[" * 20_000: "exceeded max depth",
}


def decode(body: str) -> CreateRequest:
    return wire.convert(wire.decode_json(body.encode()), CreateRequest)


@pytest.mark.parametrize("rest", MISMATCHES, ids=lambda rest: rest[:40])
def test_wrong_types(rest: str) -> None:
    kind, field, go_type = MISMATCHES[rest]
    with pytest.raises(InvalidArgument) as caught:
        decode('{"Image":"x",' + rest + "}")
    said = f"invalid JSON: json: cannot unmarshal {kind} into Go struct field {field} of type {go_type}"
    assert caught.value.message == said


@pytest.mark.parametrize("body", SAID, ids=lambda body: body[:40])
def test_wrong_bodies(body: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode(body)
    assert caught.value.message == f"invalid JSON: {SAID[body]}"


def test_more_than_one_value() -> None:
    with pytest.raises(InvalidArgument, match=r"^unexpected content after JSON$"):
        decode('{"Image":"x"}{}')
    # Go's decoder overlooks a stray bracket
    assert decode('{"Image":"x"}}').image == "x"


def test_keys_in_any_case_null_and_unknown_ones() -> None:
    found = decode('{"image":"x","CMD":["a"],"Tty":null,"nosuch":[{}],"hostconfig":{"nanocpus":5,"Memory":null}}')
    assert (found.image, found.cmd, found.tty) == ("x", ["a"], False)
    assert found.host_config == HostConfig(nano_cpus=5)


def test_the_last_of_equal_keys_counts() -> None:
    assert decode('{"Image":"a","Image":"b"}').image == "b"


def test_a_command_may_be_a_string() -> None:
    found = decode('{"Image":"x","Cmd":"echo hi","Entrypoint":"sh"}')
    assert (found.cmd, found.entrypoint) == (["echo hi"], ["sh"])
    with pytest.raises(InvalidArgument, match=r"ExecOptions.Cmd of type \[\]string"):
        wire.convert(wire.decode_json(b'{"Cmd":"ls"}'), ExecConfig, "ExecOptions")


def test_null_and_empty_lists_differ() -> None:
    found = decode('{"Image":"x","HostConfig":{"Devices":[],"CapAdd":null}}').host_config
    assert found is not None
    assert (found.devices, found.cap_add, found.dns) == ([], None, None)


def test_a_console_size_is_filled_up() -> None:
    found = decode('{"HostConfig":{"ConsoleSize":[5]}}').host_config
    assert found is not None
    assert found.console_size == (5, 0)


def test_deep_and_broken_text_is_taken_as_go_takes_it() -> None:
    assert decode('{"Image":"x","nosuch":' + "[" * 5000 + "]" * 5000 + "}").image == "x"
    assert wire.convert(wire.decode_json(b'{"Image":"\xff"}'), CreateRequest).image == "�"


def test_escapes() -> None:
    assert wire.encode({"a": "<b>&\u2028\u2029"}) == b'{"a":"\\u003cb\\u003e\\u0026\\u2028\\u2029"}\n'
    assert wire.encode("\udcff") == '"�"\n'.encode()
    assert wire.encode_line([]) == b"[]\r\n"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.sampled_from([None, 1, 2]))
def test_the_checker_takes_all_json(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert first_value(f" {text}\n").strip() == text
    assert json.loads(shallow(text, 100)) == value


@given(json_values, st.integers(1, 4))
def test_shallow_keeps_what_is_above(value: object, depth: int) -> None:
    def cut(inner: object, left: int) -> object:
        if isinstance(inner, list | dict) and not left:
            return None if inner else inner
        if isinstance(inner, list):
            return [cut(item, left - 1) for item in inner]
        if isinstance(inner, dict):
            return {key: cut(item, left - 1) for key, item in inner.items()}
        return inner

    assert json.loads(shallow(json.dumps(value), depth)) == cut(value, depth)


@given(st.text(alphabet='{}[]",:truefalsn0129.eE+-\\ \nx') | st.text())
def test_the_checker_agrees_with_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=lambda _: 1 / 0)
        valid = True
    except (ValueError, ZeroDivisionError):
        valid = False
    try:
        valid_here = first_value(text).strip() == text.strip(" \t\r\n")
    except EstibaError:
        valid_here = False
    assert valid_here == valid


@given(st.binary())
def test_no_body_does_harm(body: bytes) -> None:
    try:
        wire.convert(wire.decode_json(body), CreateRequest)
    except InvalidArgument:
        pass
