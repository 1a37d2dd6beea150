"""Go's text templates, as far as ``--format`` uses them: fields, pipelines, variables, if, range, with, and Docker's
functions.

A Template is parsed once (into functions of a scope) and rendered for many values. Values are what JSON has (str,
int, float, bool, None, list, dict) and Records, whose fields are computed. Built-in functions are in
``template_functions``.

No library does this: the Python packages that exist wrap Go's own by a shared object and take longer to load than a
command may.
"""

from __future__ import annotations

from estiba.cli.template_functions import FUNCTIONS, TemplateError, show, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Node = Callable[["Scope"], object]
    Block = Callable[["Scope", list[str]], None]
    Token = tuple[str, str, int]  # kind, text, position

_DIGITS = "0123456789"
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + _DIGITS
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ENDINGS = ("end", "else")


class Record:
    """A value with named, computed fields. ``type_name`` is what an error calls it."""

    type_name = "record"
    as_raw = False

    def field(self, name: str, _arguments: list[object]) -> object:
        """The field's value. Raises KeyError when there is no such field."""
        raise KeyError(name)

    def as_map(self) -> dict[str, object]:
        """All fields, for json."""
        return {}

    def has(self, name: str) -> bool:  # noqa: ARG002
        """Is the field there, and not null?"""
        return True


class Scope:
    __slots__ = ("dot", "functions", "variables")

    def __init__(self, dot: object, functions: dict[str, Callable[..., object]], variables: dict[str, object]) -> None:
        self.dot = dot
        self.functions = functions
        self.variables = variables

    def inner(self, dot: object) -> Scope:
        return Scope(dot, self.functions, dict(self.variables))


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Template:
    """A parsed template. Raises TemplateError when the text is not one; render raises it when a value does not fit."""

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        self._block, ending = parser.block(())
        if ending:
            raise parser.error(f"unexpected {{{{{ending}}}}}")

    def render(self, data: object, functions: dict[str, Callable[..., object]] | None = None) -> str:
        """The text for a value; ``functions`` replace built-in ones."""
        known = {**FUNCTIONS, **functions} if functions else FUNCTIONS
        out: list[str] = []
        self._block(Scope(data, known, {"$": data}), out)
        return "".join(out)


def _split(text: str) -> Iterator[tuple[str, str, int]]:
    """Pieces of a template: ("text", …) and ("action", …), white space trimmed where {{- and -}} ask for it."""
    position, trim = 0, False
    while True:
        start = text.find("{{", position)
        literal = text[position:] if start < 0 else text[position:start]
        literal = literal.lstrip(" \t\r\n") if trim else literal
        if start < 0:
            yield "text", literal, position
            return
        inside = start + 2
        if text[inside : inside + 1] == "-" and text[inside + 1 : inside + 2].isspace():
            literal = literal.rstrip(" \t\r\n")
            inside += 2
        yield "text", literal, position
        end = _action_end(text, inside)
        body = text[inside:end]
        trim = body.endswith("-") and body[-2:-1].isspace()
        yield "action", body[:-1] if trim else body, inside
        position = end + 2


def _action_end(text: str, position: int) -> int:
    line = text.count("\n", 0, position) + 1
    if text[position:].lstrip().startswith("/*"):
        end = text.find("*/", position)
        found = text.find("}}", end) if end >= 0 else -1
        if found < 0:
            raise TemplateError(f"template: :{line}: unclosed comment")
        return found
    quote = ""
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\" and quote != "`":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        elif text.startswith("}}", position):
            return position
        position += 1
    raise TemplateError(f"template: :{line}: " + ("unterminated quoted string" if quote else "unclosed action"))


def _unquote(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    out, rest = [], text[1:-1]
    while rest:
        head, found, rest = rest.partition("\\")
        out.append(head)
        if found:
            if rest[0] in "xuU":
                width = {"x": 2, "u": 4, "U": 8}[rest[0]]
                out.append(chr(int(rest[1 : 1 + width], 16)))
                rest = rest[1 + width :]
            else:
                out.append(_ESCAPES.get(rest[0], rest[0]))
                rest = rest[1:]
    return "".join(out)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = list(_split(text))
        self.next_piece = 0
        self.tokens: list[Token] = []
        self.at = 0

    # ---- errors ---------------------------------------------------------------------------------------------------

    def error(self, message: str) -> TemplateError:
        offset = self.pieces[min(self.next_piece, len(self.pieces)) - 1][2] if self.next_piece else 0
        return TemplateError(f"template: :{self.text.count(chr(10), 0, offset) + 1}: {message}")

    def place(self, position: int, source: str) -> str:
        line = self.text.count("\n", 0, position) + 1
        column = position - (self.text.rfind("\n", 0, position) + 1)
        return f'template: :{line}:{column}: executing "" at <{source}>: '

    # ---- blocks ---------------------------------------------------------------------------------------------------

    def block(self, endings: tuple[str, ...]) -> tuple[Block, str]:
        """Statements up to one of the endings (given back), or the template's end."""
        parts: list[Block] = []
        while self.next_piece < len(self.pieces):
            kind, body, position = self.pieces[self.next_piece]
            self.next_piece += 1
            if kind == "text":
                if body:
                    parts.append(lambda _scope, out, body=body: out.append(body))  # type: ignore[misc]
                continue
            if body.strip().startswith("/*"):
                continue
            self.tokens, self.at = list(self._lex(body, position)), 0
            word = self.tokens[0][1] if self.tokens else ""
            if word in _ENDINGS:
                if word not in endings:
                    raise self.error(f"unexpected {{{{{word}}}}}")
                return _sequence(parts), word
            parts.append(self._statement(word))
        if endings:
            raise self.error("unexpected EOF")
        return _sequence(parts), ""

    def _statement(self, word: str) -> Block:
        if word in ("if", "with", "range"):
            self.at = 1
            return self._control(word)
        if word in ("break", "continue"):
            return _break if word == "break" else _continue
        if not self.tokens:
            raise self.error("missing value for command")
        names, node = self._pipeline()
        self._finished()
        if not names:
            return lambda scope, out: out.append(show(node(scope)))

        def assign(scope: Scope, _out: list[str]) -> None:
            scope.variables[names[0]] = node(scope)

        return assign

    def _control(self, word: str) -> Block:
        place = self.place(self.tokens[-1][2], self.tokens[-1][1]) if len(self.tokens) > 1 else ""
        names, node = self._pipeline(word)
        self._finished()
        body, ending = self.block(_ENDINGS)
        otherwise: Block = _sequence([])
        if ending == "else":
            self.at = 1
            if self.at < len(self.tokens):
                following = self.tokens[self.at][1]
                self.at += 1
                otherwise = self._control(following)
            else:
                otherwise, _ = self.block(("end",))
        if word == "range":
            return _range(names, node, body, otherwise, place)

        def choose(scope: Scope, out: list[str]) -> None:
            value = node(scope)
            inner = scope.inner(value if word == "with" and truth(value) else scope.dot)
            if names:
                inner.variables[names[0]] = value
            (body if truth(value) else otherwise)(inner, out)

        return choose

    # ---- pipelines ------------------------------------------------------------------------------------------------

    def _lex(self, body: str, start: int) -> Iterator[Token]:
        index = 0
        while index < len(body):
            char, begin = body[index], index
            if char.isspace():
                index += 1
                continue
            if char in "\"`'":
                index = self._string_end(body, index)
                yield ("char" if char == "'" else "string"), body[begin:index], start + begin
                continue
            if char in "(),|" or body.startswith((":=", "="), index):
                index += 2 if char == ":" else 1
                yield "symbol", body[begin:index], start + begin
                continue
            index += 1
            while index < len(body) and (
                body[index] in _WORD or body[index] == "." or (body[index] in "+-" and body[index - 1] in "eE")
            ):
                index += 1
            text = body[begin:index]
            if char not in _WORD + ".$+-":
                raise self.error(f"unexpected {text!r} in operand".replace("'", '"'))
            yield ("number" if text.lstrip("+-")[:1] in _DIGITS and text.lstrip("+-") else "word"), text, start + begin

    def _string_end(self, body: str, index: int) -> int:
        quote = body[index]
        index += 1
        while index < len(body) and body[index] != quote:
            index += 2 if body[index] == "\\" and quote != "`" else 1
        return index + 1

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _finished(self) -> None:
        if self.at < len(self.tokens):
            raise self.error(f'unexpected "{self.tokens[self.at][1]}" in command')

    def _pipeline(self, what: str = "command") -> tuple[list[str], Node]:
        names: list[str] = []
        ahead = self.at
        while ahead < len(self.tokens) and self.tokens[ahead][1].startswith("$"):
            names.append(self.tokens[ahead][1])
            following = self.tokens[ahead + 1][1] if ahead + 1 < len(self.tokens) else ""
            if following in (":=", "="):
                self.at = ahead + 2
                break
            if following != "," or what != "range":
                names = []
                break
            ahead += 2
        else:
            names = []
        node = self._command(None, what)
        while self._peek() == "|":
            self.at += 1
            node = self._command(node)
        return names, node

    def _command(self, piped: Node | None, what: str = "command") -> Node:
        if self._peek() in ("", "|", ")"):
            raise self.error(f"missing value for {what}")
        kind, text, position = self.tokens[self.at]
        if kind == "word" and text[0] not in ".$" and text not in ("true", "false", "nil"):
            name, _, _ = text.partition(".")
            if name not in FUNCTIONS:
                raise self.error(f'function "{name}" not defined')
            self.at += 1
            arguments = self._arguments()
            _, last, end = self.tokens[self.at - 1]
            return self._call(name, arguments, piped, self.place(position, self.text[position : end + len(last)]))
        if kind == "word" and text[0] in ".$" and text != ".":
            self.at += 1
            return self._path(text, position, self._arguments(), piped)
        operand = self._operand()
        if self._arguments() or piped is not None:
            raise self.error(f"can't give argument to non-function {text}")
        return operand

    def _arguments(self) -> list[Node]:
        found = []
        while self._peek() not in ("", "|", ")"):
            found.append(self._operand())
        return found

    def _operand(self) -> Node:
        kind, text, position = self.tokens[self.at]
        self.at += 1
        if text == "(":
            _, node = self._pipeline()
            if self._peek() != ")":
                raise self.error("unclosed left paren")
            self.at += 1
            following = self.tokens[self.at] if self.at < len(self.tokens) else ("", "", 0)
            if following[1].startswith(".") and following[2] == self.tokens[self.at - 1][2] + 1:
                self.at += 1
                return self._fields(node, following[1], following[1], following[2], [], None)
            return node
        if kind == "string":
            return _constant(_unquote(text))
        if kind == "char":
            return _constant(ord(_unquote(text)))
        if kind == "number":
            return _constant(self._number(text))
        if kind == "word" and text in ("true", "false", "nil"):
            return _constant({"true": True, "false": False, "nil": None}[text])
        if kind == "word" and text[0] in ".$":
            return self._path(text, position, [], None)
        if kind == "word" and text in FUNCTIONS:
            return self._call(text, [], None, self.place(position, text))
        raise self.error(f'function "{text}" not defined' if kind == "word" else f'unexpected "{text}" in operand')

    def _number(self, text: str) -> int | float:
        try:
            return int(text, 0)
        except ValueError:
            try:
                return float(text)
            except ValueError:
                raise self.error(f'bad number syntax: "{text}"') from None

    def _call(self, name: str, arguments: list[Node], piped: Node | None, place: str) -> Node:
        nodes = [*arguments, piped] if piped is not None else arguments

        def call(scope: Scope) -> object:
            if name in ("and", "or"):  # the rest is not evaluated once the answer is known
                value: object = None
                for node in nodes:
                    value = node(scope)
                    if truth(value) == (name == "or"):
                        break
                return value
            try:
                return scope.functions[name](*[node(scope) for node in nodes])
            except TemplateError as error:
                raise (
                    error
                    if str(error).startswith("template:")
                    else TemplateError(f"{place}error calling {name}: {error}")
                ) from None
            except TypeError:
                raise TemplateError(f"{place}wrong number or type of args for {name}") from None

        return call

    def _path(self, text: str, position: int, arguments: list[Node], piped: Node | None) -> Node:
        if text[0] == ".":
            return self._fields(lambda scope: scope.dot, text, text, position, arguments, piped)
        name, dot, fields = text.partition(".")

        def variable(scope: Scope) -> object:
            if name not in scope.variables:
                raise TemplateError(f'template: :1: undefined variable "{name}"')
            return scope.variables[name]

        return self._fields(variable, dot + fields, text, position, arguments, piped)

    def _fields(
        self, base: Node, path: str, source: str, position: int, arguments: list[Node], piped: Node | None
    ) -> Node:
        names = [name for name in path.split(".") if name]
        # Go places a chain of fields where its second one is
        place = self.place(position + (len(names[0]) + 1 if len(names) > 1 and source == path else 0), source)
        given = [*arguments, piped] if piped is not None else arguments

        def read(scope: Scope) -> object:
            value = base(scope)
            for index, name in enumerate(names):
                last = index == len(names) - 1
                if not last and isinstance(value, Record) and value.as_raw and not value.has(name):
                    raise TemplateError(f'{place}map has no entry for key "{name}"')
                value = field(value, name, [node(scope) for node in given] if last else [], place)
            return value

        return read


def field(value: object, name: str, arguments: list[object], place: str) -> object:
    """``value.name`` for a Record or a map. Raises TemplateError in Go's words."""
    if isinstance(value, Record):
        try:
            return value.field(name, arguments)
        except KeyError:
            if value.as_raw:
                raise TemplateError(f'{place}map has no entry for key "{name}"') from None
            raise TemplateError(f"{place}can't evaluate field {name} in type {value.type_name}") from None
    if isinstance(value, dict):
        if arguments:
            raise TemplateError(f"{place}{name} is not a method but has arguments")
        return value.get(name)
    if str(value) == "map[]":
        return None
    if value is None or not truth(value):
        raise TemplateError(f"{place}nil pointer evaluating interface {{}}.{name}")
    kinds: dict[type, str] = {str: "string", bool: "bool", int: "int", float: "float64", list: "[]interface {}"}
    raise TemplateError(f"{place}can't evaluate field {name} in type {kinds.get(type(value), 'interface {}')}")


def _constant(value: object) -> Node:
    return lambda _scope: value


def _break(_scope: Scope, _out: list[str]) -> None:
    raise _Break


def _continue(_scope: Scope, _out: list[str]) -> None:
    raise _Continue


def _sequence(parts: list[Block]) -> Block:
    def run(scope: Scope, out: list[str]) -> None:
        for part in parts:
            part(scope, out)

    return run


def _range(names: list[str], node: Node, body: Block, otherwise: Block, place: str) -> Block:
    def run(scope: Scope, out: list[str]) -> None:
        value = node(scope)
        pairs: list[tuple[object, object]]
        if isinstance(value, dict):
            pairs = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = [(index, index) for index in range(value)]
        elif not value and not isinstance(value, str):
            pairs = []
        else:
            raise TemplateError(f"{place}range can't iterate over {show(value)}")
        for key, item in pairs:
            inner = scope.inner(item)
            for name, bound in zip(names, (key, item) if len(names) == 2 else (item,), strict=False):
                inner.variables[name] = bound
            try:
                body(inner, out)
            except _Continue:
                continue
            except _Break:
                break
        if not pairs:
            otherwise(scope.inner(scope.dot), out)

    return run
