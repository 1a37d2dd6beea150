"""Templates print what Go's text/template prints, and complain in its words (checked against the docker command)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.cli.template_functions import TemplateError
from estiba.cli.templates import Record, Template
from estiba.cli.typed import CONTAINER, Typed

DATA = {
    "Name": "/web",
    "Pid": 12,
    "On": True,
    "Share": 2.5,
    "Tags": ["a", "b"],
    "Labels": {"x.y": "1", "b": "2"},
    "Empty": [],
    "Null": None,
    "Nested": {"Deep": {"Value": "v"}},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{.Name}}", "/web"),
        ("{{.Nested.Deep.Value}}", "v"),
        ("{{ .Tags }} {{.Labels}} {{.On}} {{.Share}} {{.Empty}}", "[a b] map[b:2 x.y:1] true 2.5 []"),
        ("{{.Null}} {{.Labels.nope}}", "<no value> <no value>"),
        ("{{json .Tags}} {{json .}}", '["a","b"] ' + json.dumps(DATA, separators=(",", ":"))),
        ("{{.Tags | json | len}}", "9"),
        ('{{join .Tags ", "}} {{index .Tags 1}} {{index .Labels "x.y"}}', "a, b b 1"),
        ("{{len .Tags}} {{len .Name}} {{slice .Name 1 3}}", "2 4 we"),
        ("{{if .On}}yes{{else}}no{{end}} {{if .Empty}}yes{{else}}no{{end}}", "yes no"),
        ("{{if eq .Pid 1}}a{{else if eq .Pid 12}}b{{else}}c{{end}}", "b"),
        ("{{range .Tags}}<{{.}}>{{end}}", "<a><b>"),
        ("{{range $i, $t := .Tags}}{{$i}}={{$t}} {{end}}", "0=a 1=b "),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "b=2 x.y=1 "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Tags}}{{.}}{{break}}{{end}}{{range .Tags}}{{continue}}{{.}}{{end}}", "a"),
        ("{{with .Nested.Deep}}{{.Value}}{{end}}{{with .Empty}}x{{else}}none{{end}}", "vnone"),
        ("{{range .Tags}}{{$.Name}}{{end}}", "/web/web"),
        ("{{$x := .Pid}}{{$x}}{{$x = 5}}{{$x}}", "125"),
        ("{{and .On .Pid}} {{or .Empty .Name}} {{not .On}} {{or 0 0}}", "12 /web false 0"),
        (
            "{{ne .Pid 1}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge .Share 2.5}} {{eq 1 2 1}}",
            "true true true false true true",
        ),
        ('{{print 1 2 "a" 3}}|{{println "x" 1}}', "1 2a3|x 1\n"),
        (
            '{{printf "%s:%d %5d|%-4s|%q %v %t %.1f %x %%" .Name .Pid 3 "ab" "q" .Tags .On .Share 255}}',
            '/web:12     3|ab  |"q" [a b] true 2.5 ff %',
        ),
        ('{{printf "%d"}} {{printf "%d" "s"}} {{printf "x" 1}}', "%!d(MISSING) %!d(string=s) x%!(EXTRA int=1)"),
        (
            '{{upper "ab"}}{{lower "AB"}}{{title "ab cd"}}{{split "a,b" ","}}{{pad "x" 1 2}}{{truncate "hello" 2}}',
            "ABabAb Cd[a b] x  he",
        ),
        ("a {{- .Pid -}} b", "a12b"),
        ("{{/* nothing */}}x{{- /* nothing */ -}} y", "xy"),
        ('{{"}}"}}{{`raw\\n`}}{{"tab\\t\\"\\u00e9"}}', '}}raw\\ntab\t"é'),
        ('{{(index .Tags 0)}}{{(.Nested).Deep.Value}}{{len (printf "%s" .Name)}}', "av4"),
        ("{{'a'}} {{true}} {{-3}} {{0x10}}", "97 true -3 16"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ('{{urlquery "a b&c"}}', "a+b%26c"),
    ],
)
def test_renders(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.ID", "template: :1: unclosed action"),
        ('{{"a', "template: :1: unterminated quoted string"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{if .On}}x", "template: :1: unexpected EOF"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{.Name | }}", "template: :1: missing value for command"),
        ("{{nosuch .Name}}", 'template: :1: function "nosuch" not defined'),
        ("{{.Name | nosuch}}", 'template: :1: function "nosuch" not defined'),
        ("{{(.Name}}", "template: :1: unclosed left paren"),
        ("x\n{{.ID", "template: :2: unclosed action"),
        ("{{/* x }}", "template: :1: unclosed comment"),
    ],
)
def test_parse_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(template)
    assert str(raised.value) == message


class _Row(Record):
    type_name = "*formatter.ContainerContext"


@pytest.mark.parametrize(
    ("template", "value", "message"),
    [
        (
            "{{.Foo}}",
            _Row(),
            'template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *formatter.ContainerContext',
        ),
        (
            '{{eq 1 "a"}}',
            DATA,
            'template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison',
        ),
        (
            "{{slice .Name 0 9}}",
            DATA,
            'template: :1:2: executing "" at <slice .Name 0 9>: error calling slice: index out of range: 9',
        ),
        ("{{range .Name}}{{end}}", DATA, 'template: :1:8: executing "" at <.Name>: range can\'t iterate over /web'),
        ("{{.Null.Foo}}", DATA, 'template: :1:7: executing "" at <.Null.Foo>: nil pointer evaluating interface {}.Foo'),
        (
            "{{.Name.Foo}}",
            DATA,
            'template: :1:7: executing "" at <.Name.Foo>: can\'t evaluate field Foo in type string',
        ),
    ],
)
def test_execution_errors(template: str, value: object, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(template).render(value)
    assert str(raised.value) == message


def test_typed_values_have_typed_nulls() -> None:
    container = {
        "Id": "1",
        "State": {"Status": "created"},
        "HostConfig": {"Binds": None, "Dns": []},
        "Config": {"Labels": {}},
    }
    value = Typed(container, CONTAINER, as_raw=True)

    def render(text: str) -> str:
        return Template(text).render(value)

    assert (
        render("{{.HostConfig.Binds}} {{.HostConfig.DNS}} {{.Config.ExposedPorts}} {{.State.Health}} {{.ID}}")
        == "[] [] map[] <nil> 1"
    )
    assert (
        render("{{json .HostConfig.Binds}} {{if .State.Health}}x{{else}}none{{end}} {{len .HostConfig.Binds}}")
        == "null none 0"
    )
    assert render("{{json .State}} {{.State}}") == '{"Status":"created"} {created}'
    with pytest.raises(TemplateError, match='map has no entry for key "Health"'):
        render("{{.State.Health.Status}}")
    with pytest.raises(TemplateError, match='map has no entry for key "Foo"'):
        render("{{.Foo}}")


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="{"), max_size=60))
def test_text_without_actions_is_itself(text: str) -> None:
    assert Template(text).render(None) == text


@given(st.text(max_size=60))
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    try:
        Template("{{" + text + "}}").render(DATA)
    except TemplateError:
        pass


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_quoted_strings_come_back(text: str) -> None:
    from estiba.cli.tables import quote

    assert Template("{{" + quote(text) + "}}").render(None) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_is_json(value: object) -> None:
    text = Template("{{json .}}").render(value)
    assert json.loads(text) == value
