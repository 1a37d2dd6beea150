"""JSON ↔ types: requests into the engine's structs with Go's tolerance, replies into bytes with Go's escaping.

Go's decoder matches keys in any case, ignores unknown ones, takes null for "not given", and says in its own words which
field had the wrong type. The converters below are made once per struct, from its fields.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from estiba.api.wire_syntax import first_value, shallow
from estiba.errors import InvalidArgument

T = TypeVar("T")
Converter = Callable[[Any], Any]

DEPTH = 100
# Go's words cost a walk over the text in Python, 2 µs a value
_LONGEST_EXPLAINED = 128 << 10
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_INT64 = (-(1 << 63), (1 << 63) - 1)

# Go's names of types, where they are not made from ours; seen in Docker's error messages
_GO_STRUCTS = {
    "RestartPolicy.Name": "container.RestartPolicyMode",
    "MountRequest.Type": "mount.Type",
    "BindOptions.Propagation": "mount.Propagation",
    "HostConfig.NetworkMode": "container.NetworkMode",
    "HostConfig.IpcMode": "container.IpcMode",
    "HostConfig.PidMode": "container.PidMode",
    "HostConfig.PortBindings": "nat.PortMap",
    "HealthCheck.Interval": "time.Duration",
    "HealthCheck.Timeout": "time.Duration",
    "HealthCheck.StartPeriod": "time.Duration",
    "HealthCheck.StartInterval": "time.Duration",
    "ExposedPorts": "nat.PortSet",
    "PortBinding": "nat.PortBinding",
    "EndpointConfig": "network.EndpointSettings",
    "EndpointIPAM": "network.EndpointIPAMConfig",
    "NetworkingConfig": "network.NetworkingConfig",
    "MountRequest": "mount.Mount",
    "Ulimit": "container.Ulimit",
}
# fields that Docker also takes as one string
_WORD_LISTS = frozenset({"cap_add", "cap_drop", "cmd", "entrypoint", "shell"})


class _Mismatch(Exception):
    """A value of the wrong type; its place is put together on the way up."""

    def __init__(self, value: object, go_type: str) -> None:
        super().__init__()
        self.value = value
        self.go_type = go_type
        self.path: list[str] = []

    def sentence(self, root: str) -> str:
        if not self.go_type:
            return f"json: cannot unmarshal {_kind(self.value)} into Go value of type string"
        got = _kind(self.value)
        if isinstance(self.value, float) or (isinstance(self.value, int) and self.go_type in ("int", "int64", "uint")):
            got = f"number {self.value}"
        if not self.path:
            return f"json: cannot unmarshal {got} into Go value of type {self.go_type}"
        field = "" if self.path[-1].isdigit() else "Go struct field "
        return f"json: cannot unmarshal {got} into {field}{root}.{'.'.join(self.path)} of type {self.go_type}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _leaf(kind: type, go_type: str, zero: object) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value
        if value is None:
            return zero
        raise _Mismatch(value, go_type)

    return convert


def _integer(go_type: str) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is int and _INT64[0] <= value <= _INT64[1]:
            return value
        if value is None:
            return 0
        raise _Mismatch(value, go_type)

    return convert


def _optional(inner: Converter) -> Converter:
    return lambda value: None if value is None else inner(value)


def _sequence(item: Converter, go_type: str, length: int | None = None) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _Mismatch(value, go_type)
        result = []
        for index, element in enumerate(value[:length] if length else value):
            try:
                result.append(item(element))
            except _Mismatch as mismatch:
                mismatch.path.insert(0, str(index))
                raise
        if length is None:
            return result
        return (*result, *(item(None) for _ in range(length - len(result))))

    return convert


def _table(item: Converter, go_type: str) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _Mismatch(value, go_type)
        result = {}
        for key, element in value.items():
            try:
                result[key] = item(element)
            except _Mismatch as mismatch:
                mismatch.path.insert(0, key.replace("~", "~0").replace("/", "~1"))
                raise
        return result

    return convert


def _words(value: Any) -> list[str]:
    """A list of strings, or one string, which becomes a list of one."""
    if type(value) is str:
        return [value]
    if type(value) is list and all(type(word) is str for word in value):
        return value
    raise _Mismatch(value, "")


def _struct(struct: type[msgspec.Struct]) -> Converter:
    exact: dict[str, tuple[str, str, Converter]] = {}
    for field in msgspec.structs.fields(struct):
        _, convert = _converter(field.type, f"{struct.__name__}.{field.encode_name}", field.encode_name)
        if field.name in _WORD_LISTS and struct.__name__ != "ExecConfig":
            convert = _optional(_words)
        exact[field.encode_name] = (field.name, field.encode_name, convert)
    folded = {key.lower(): entry for key, entry in exact.items()}
    go_name = _GO_STRUCTS.get(struct.__name__, f"container.{struct.__name__}")

    def convert_struct(value: Any) -> Any:
        if value is None:
            return struct()
        if type(value) is not dict:
            raise _Mismatch(value, go_name)
        fields = {}
        for key, element in value.items():
            entry = exact.get(key) or folded.get(key.lower())
            if entry is None or element is None:
                continue
            name, wire, convert = entry
            try:
                fields[name] = convert(element)
            except _Mismatch as mismatch:
                if mismatch.go_type:
                    mismatch.path.insert(0, wire)
                raise
        return struct(**fields)

    return convert_struct


_converters: dict[type[msgspec.Struct], Converter] = {}


def _struct_converter(struct: type[msgspec.Struct]) -> Converter:
    if struct not in _converters:
        _converters[struct] = _struct(struct)
    return _converters[struct]


def _converter(annotation: Any, qualified: str, name: str) -> tuple[str, Converter]:
    """(Go's name of the type, converter) for a field's annotation."""
    go_type = _GO_STRUCTS.get(qualified) or _GO_STRUCTS.get(name)
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = next(argument for argument in arguments if argument is not type(None))
        made, convert = _converter(inner, qualified, name)
        return made, _optional(convert)
    if annotation is str:
        return go_type or "string", _leaf(str, go_type or "string", "")
    if annotation is bool:
        return "bool", _leaf(bool, "bool", False)
    if annotation is int:
        made = go_type or ("int" if name in ("StopTimeout", "Retries", "MaximumRetryCount", "OomScoreAdj") else "int64")
        return made, _integer(made)
    if origin is list:
        made, convert = _converter(arguments[0], "", "")
        return go_type or f"[]{made}", _sequence(convert, go_type or f"[]{made}")
    if origin is tuple:
        return f"[{len(arguments)}]uint", _sequence(_integer("uint"), f"[{len(arguments)}]uint", len(arguments))
    if origin is dict:
        made, convert = _converter(arguments[1], "", "")
        return go_type or f"map[string]{made}", _table(convert, go_type or f"map[string]{made}")
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _GO_STRUCTS.get(annotation.__name__, f"container.{annotation.__name__}"), _struct_converter(annotation)
    return "struct {}", lambda value: value


def decode_json(body: bytes) -> Any:
    """A request's body as plain values. Raises InvalidArgument with Docker's words."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if len(body) > _LONGEST_EXPLAINED:
            raise InvalidArgument(f"invalid JSON: {error}") from None
        value = first_value(body.decode("utf-8", "replace"))
    try:
        # what Go's decoder takes and msgspec does not: a stray bracket behind the value, broken UTF-8, deep nesting
        decoded = json.loads(shallow(value, DEPTH))
        if "\\ud" in value.lower():
            decoded = json.loads(_HALF_PAIR.sub("\ufffd", json.dumps(decoded, ensure_ascii=False)))
    except ValueError as error:
        raise InvalidArgument(f"invalid JSON: {error}") from None
    return decoded


def convert(value: Any, struct: type[T], root: str = "") -> T:
    """Plain values to a struct.

    Args:
        value: as `decode_json` gave it; null gives the struct's defaults.
        struct: a msgspec struct of str, int, bool, lists, string-keyed dicts and structs of the same kind.
        root: Go's name of the struct, for the messages.

    Raises:
        InvalidArgument: "invalid JSON: json: cannot unmarshal …".
    """
    assert issubclass(struct, msgspec.Struct)
    if value is None:
        return struct()
    try:
        return typing.cast(T, _struct_converter(struct)(value))
    except _Mismatch as mismatch:
        raise InvalidArgument(f"invalid JSON: {mismatch.sentence(root)}") from None


def encode(value: Any) -> bytes:
    """A reply's body: compact, escaped as Go does for HTML, with the newline that Go's encoder adds."""
    return escape(_encode(value)) + b"\n"


def encode_line(value: Any) -> bytes:
    """A line of a progress stream."""
    return escape(_encode(value)) + b"\r\n"


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # names that are not UTF-8 come as lone surrogates; Go shows U+FFFD
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def escape(encoded: bytes) -> bytes:
    """`<`, `>`, `&`, U+2028 and U+2029 as \\u sequences."""
    for plain, escaped in (
        (b"<", b"\\u003c"),
        (b">", b"\\u003e"),
        (b"&", b"\\u0026"),
        (b"\xe2\x80\xa8", b"\\u2028"),
        (b"\xe2\x80\xa9", b"\\u2029"),
    ):
        if plain in encoded:
            encoded = encoded.replace(plain, escaped)
    return encoded
