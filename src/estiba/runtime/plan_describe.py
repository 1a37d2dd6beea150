"""One readable line per operation of a launch plan: what `estiba plan` prints and error messages quote."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from estiba.linux import capabilities
from estiba.runtime.plan_operations import (
    ATTACH_PROC,
    ATTACH_REAL,
    ATTRIBUTES_RECURSIVE,
    CLONE_FLAGS,
    CONSOLE_BIND,
    NONE,
    ROOT,
    STDIO_STDIN,
    STDIO_STDIN_ONCE,
    STDIO_TERMINAL,
    TREE_RECURSIVE,
    Code,
    Operation,
)
from estiba.runtime.plan_options import MS_REC

if TYPE_CHECKING:
    from collections.abc import Callable

_ATTRIBUTES: Final = (
    (0x1, "ro"),
    (0x2, "nosuid"),
    (0x4, "nodev"),
    (0x8, "noexec"),
    (0x10, "noatime"),
    (0x20, "strictatime"),
    (0x80, "nodiratime"),
    (0x200000, "nosymfollow"),
)
_PROPAGATION: Final = ((1 << 17, "unbindable"), (1 << 18, "private"), (1 << 19, "slave"), (1 << 20, "shared"))


def describe(operation: Operation) -> str:
    """A line such as `attach mount 3 at /etc/hosts`. Values of environment variables are left out."""
    return _LINES[operation.code](operation)


def _attributes(mask: int) -> str:
    return ",".join(name for bit, name in _ATTRIBUTES if mask & bit)


def _propagation(mask: int) -> str:
    return next((("r" if mask & MS_REC else "") + name for bit, name in _PROPAGATION if mask & bit), "")


def _namespaces(flags: int) -> str:
    return ", ".join(kind for kind, flag in CLONE_FLAGS.items() if flags & flag)


def _mount(slot: int) -> str:
    return "the root" if slot == ROOT else f"mount {slot}"


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _stdio(o: Operation) -> str:
    flags = (
        (STDIO_STDIN, "stdin"),
        (STDIO_STDIN_ONCE, "closed after the first attachment"),
        (STDIO_TERMINAL, "terminal"),
    )
    return "streams: " + (", ".join(word for bit, word in flags if o.a & bit) or "output only")


def _log(o: Operation) -> str:
    return f"log to {o.strings[0]}" + ("" if o.a == NONE else f", {o.b} files of {o.a} bytes")


def _clone(o: Operation) -> str:
    made = _namespaces(o.a)
    return _words(
        "new process",
        f"in new namespaces: {made}" if made else "",
        "" if o.b == NONE else f"in the cgroup at descriptor {o.b}",
    )


def _new(o: Operation) -> str:
    kind, source, _, *options = o.strings
    return _words(f"mount {o.a}: new {kind} ({source})", _attributes(o.b), ",".join(options))


def _tree(o: Operation) -> str:
    source = "/".join(o.strings) if o.c == NONE else f"descriptor {o.c}"
    return _words(f"mount {o.a}: clone of {source}", "with what is mounted below" if o.b & TREE_RECURSIVE else "")


def _set_attributes(o: Operation) -> str:
    return _words(
        f"{_mount(o.a)}: set",
        _attributes(o.b),
        f"(clear {_attributes(o.c)})" if _attributes(o.c) else "",
        _propagation(o.d & 0xFFFFFFFF),
        "recursively" if o.d & ATTRIBUTES_RECURSIVE else "",
    )


def _attach(o: Operation) -> str:
    rules = ((ATTACH_REAL, "no links"), (ATTACH_PROC, "procfs allowed"))
    return _words(f"attach {_mount(o.a)} at {o.strings[0]}", *(f"({word})" for bit, word in rules if o.b & bit))


def _console(o: Operation) -> str:
    size = f"{o.b}x{o.c}" if o.b and o.c else ""
    return _words("terminal", size, "bound on /dev/console" if o.a & CONSOLE_BIND else "")


def _node(o: Operation) -> str:
    kind = "block" if o.a & 0o170000 == 0o060000 else "character"
    return f"{kind} device {o.b >> 32}:{o.b & 0xFFFFFFFF} at {o.strings[0]}, mode {o.a & 0o7777:04o}"


def _capabilities(mask: int) -> str:
    names = sorted(capabilities.names(mask), key=capabilities.number)
    if len(names) == len(capabilities.NAMES):
        return "all"
    return " ".join(name.removeprefix("CAP_").lower() for name in names) or "none"


def _identity(o: Operation) -> str:
    groups = struct.unpack(f"<{len(o.blob) // 4}I", o.blob)
    return _words(f"uid {o.a}, gid {o.b}, groups", ",".join(map(str, groups)) or "none")


def _rights(o: Operation) -> str:
    sets = zip(("effective", "permitted", "inheritable", "ambient"), (o.a, o.b, o.c, o.d), strict=True)
    return "capabilities: " + "; ".join(f"{name} {_capabilities(mask)}" for name, mask in sets)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _exec(o: Operation) -> str:
    arguments, variables = o.strings[: o.a], o.strings[o.a :]
    names = " ".join(variable.partition("=")[0] for variable in variables)
    return f"execute {' '.join(map(repr, arguments))} with {names or 'an empty environment'}"


_LINES: Final[dict[Code, Callable[[Operation], str]]] = {
    Code.STDIO: _stdio,
    Code.LOG: _log,
    Code.OOM: lambda o: f"watch descriptor {o.a} for OOM kills",
    Code.DESCRIPTORS: lambda o: f"close descriptors from {o.a} on",
    Code.SHIM_CGROUP: lambda o: f"the shim joins the cgroup at descriptor {o.a}",
    Code.CLONE: _clone,
    Code.CGROUP: lambda o: f"join the cgroup at descriptor {o.a}",
    Code.SETNS: lambda o: f"join namespaces: {_namespaces(o.b)} (descriptor {o.a})",
    Code.USERNS: lambda o: _words("new user namespace: uids", o.strings[0].strip(), "gids", o.strings[1].strip()),
    Code.UNSHARE: lambda o: f"new namespaces: {_namespaces(o.a)}",
    Code.KEYRING: lambda o: f"join the session keyring {o.strings[0]}",
    Code.LOOPBACK: lambda _: "bring up the loopback interface",
    Code.PROPAGATION: lambda o: f"make / {_propagation(o.a)}",
    Code.CHDIR: lambda o: f"layers are below {o.strings[0]}",
    Code.NEW: _new,
    Code.TREE: _tree,
    Code.ATTRIBUTES: _set_attributes,
    Code.IDMAP: lambda o: f"{_mount(o.a)}: ids as in the user namespace at descriptor {o.b}",
    Code.ROOT: lambda o: f"{_mount(o.a)} is the root, attached at {o.strings[0]}",
    Code.ATTACH: _attach,
    Code.SYMLINK: lambda o: f"link {o.strings[1]} to {o.strings[0]}",
    Code.NODE: _node,
    Code.CONSOLE: _console,
    Code.PIVOT: lambda _: "make it the root of the process, drop the host's tree",
    Code.READONLY: lambda o: f"make {o.strings[0]} read-only",
    Code.MASK: lambda o: f"hide {o.strings[0]}",
    Code.HOSTNAME: lambda o: f"host name {o.strings[0]}",
    Code.DOMAINNAME: lambda o: f"domain name {o.strings[0]}",
    Code.SYSCTL: lambda o: f"sysctl {o.strings[0]} = {o.strings[1]}",
    Code.RLIMIT: lambda o: f"resource limit {o.a}: soft {_limit(o.b)}, hard {_limit(o.c)}",
    Code.OOM_SCORE: lambda o: f"oom_score_adj {_signed(o.a)}",
    Code.UMASK: lambda o: f"umask {o.a:04o}",
    Code.NO_NEW_PRIVS: lambda _: "no new privileges",
    Code.APPARMOR: lambda o: f"AppArmor profile {o.strings[0]}",
    Code.CWD: lambda o: f"work in {o.strings[0]}" if o.a == 0 else f"check that {o.strings[0]} is below the root",
    Code.STDIO_OWNER: lambda o: f"give the streams to uid {o.a}",
    Code.CLOSE: lambda _: "close every other descriptor",
    Code.BOUNDING: lambda o: f"bounding set: {_capabilities(o.a)}",
    Code.IDENTITY: _identity,
    Code.CAPABILITIES: _rights,
    Code.LOOKUP: lambda o: f"look up {o.strings[0]!r} in {o.strings[1] or 'an empty PATH'}",
    Code.SECCOMP: lambda o: f"seccomp filter of {len(o.blob) // 8} instructions",
    Code.EXEC: _exec,
}


def _limit(value: int) -> str:
    return "unlimited" if value == NONE else str(value)
