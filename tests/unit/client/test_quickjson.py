"""quickjson does what json does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.client.quickjson import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_same_as_json(value: object) -> None:
    assert loads(json.dumps(value)) == value
    assert loads(json.dumps(value, indent=2) + "\n") == value
    assert json.loads(dumps(value)) == value


def test_details() -> None:
    assert loads(' {"a": [1, 2.5e3, -0, "\\u00e9\\n"], "a": 1} \r\n') == {"a": 1}
    assert dumps({"a": (1, [], {}), "b": "é\n"}) == '{"a":[1,[],{}],"b":"é\\n"}'
    assert dumps("\udcff") == '"�"'


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{x}", "1 2", "nul", '"a'])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_refuses_other_types() -> None:
    with pytest.raises(TypeError, match="cannot write set"):
        dumps({1})
