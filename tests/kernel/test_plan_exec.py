"""Additional processes in a running container, terminals, and containers that share namespaces."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.bundles import DEFAULT_CAPABILITIES, with_legacy

from estiba.errors import Unsupported
from estiba.linux import capabilities
from estiba.oci.runtime_spec import Box, Capabilities, Namespace, Process, User
from estiba.runtime.plan import Descriptors, Stdio, compile_exec_plan, compile_plan
from estiba.runtime.seccomp import resolve_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.bundles import Bench, Result

    from estiba.oci.runtime_spec import Spec

SLEEP = ("sleep", "1000")


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def _exec(bench: Bench, pid: int, spec: Spec, process: Process, stdin: bytes | None = None) -> Result:
    with _pidfd(pid) as fd:
        bench.inherited = {8: fd}
        plan = compile_exec_plan(
            process,
            spec,
            stdio=Stdio(open_stdin=stdin is not None),
            join=8,
            descriptors=bench.planned(Descriptors()),
        )
        return bench.run_plan(plan, stdin or b"")


def _process(bench: Bench, *args: str, **changes: object) -> Process:
    return bench.spec(*args, **changes).process


def test_exec_is_in_every_namespace_of_the_container(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        script = "for n in mnt net uts pid ipc cgroup user; do readlink /proc/self/ns/$n; done; hostname; ps"
        result = _exec(bench, pid, spec, _process(bench, "sh", "-c", script))
        assert result.start.startswith("started"), result.failure()
        names = ("mnt", "net", "uts", "pid", "ipc", "cgroup", "user")
        assert result.output.split()[:7] == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]
        assert "box" in result.output
        assert re.search(r"^ +1 root .*sleep 1000", result.output, flags=re.MULTILINE)


def test_exec_s_rights(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        user = User(uid=1000, gid=1000, additional_gids=[1000, 7])
        result = _exec(bench, pid, spec, _process(bench, "cat", "/proc/self/status", user=user))
        status = dict(re.findall(r"^(\w+):\t(.*)$", result.output, flags=re.MULTILINE))
        assert status["CapBnd"] == "00000000a80425fb"
        assert status["CapInh"] == status["CapEff"] == "0" * 16
        assert status["Uid"].split() == ["1000"] * 4
        assert set(status["Groups"].split()) == {"1000", "7"}
        everything = list(capabilities.NAMES)
        privileged = Capabilities(bounding=everything, effective=everything, permitted=everything)
        result = _exec(bench, pid, spec, _process(bench, "cat", "/proc/self/status", capabilities=privileged))
        status = dict(re.findall(r"^(\w+):\t(.*)$", result.output, flags=re.MULTILINE))
        assert int(status["CapEff"], 16) == capabilities.mask(capabilities.bounding())


def test_exec_holds_three_descriptors_and_leads_its_session(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        result = _exec(bench, pid, spec, _process(bench, "sh", "-c", "ls /proc/$$/fd; cat /proc/$$/stat"))
        lines = result.output.splitlines()
        assert lines[:-1] == ["0", "1", "2"]
        own, _, rest = lines[-1].partition(" (")
        assert rest.rpartition(")")[2].split()[1:4] == ["0", own, own]


def _with_default_filter(spec: Spec) -> Spec:
    seccomp = resolve_profile(None, frozenset(DEFAULT_CAPABILITIES))
    return msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, seccomp=seccomp))


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_exec_under_docker_s_filter(bench: Bench, *, terminal: bool, no_new_privileges: bool) -> None:
    """The last clone happens under the filter, which hides clone3."""
    spec = _with_default_filter(bench.spec(*SLEEP))
    with bench.background(spec) as pid:
        script = "cat /proc/self/status; unshare -m true; echo $$ `cut -d' ' -f6 /proc/$$/stat`"
        changes = {"terminal": terminal, "no_new_privileges": no_new_privileges}
        result = _exec(bench, pid, spec, _process(bench, "sh", "-c", script, **changes))
        assert result.start.startswith("started"), result.failure()
        text = result.output + result.errors
        assert "Seccomp:\t2" in text
        assert f"NoNewPrivs:\t{int(no_new_privileges)}" in text
        assert "Seccomp_filters:\t1" in text
        assert "CapEff:\t00000000a80425fb" in text
        assert "Operation not permitted" in text
        own, session = text.replace("\r", "").rstrip("\n").split("\n")[-1 if terminal else -2].split()
        assert own == session


def test_pid_namespace_of_another_under_docker_s_filter(bench: Bench) -> None:
    with bench.background(_with_default_filter(bench.spec(*SLEEP))) as pid, _pidfd(pid) as fd:
        bench.inherited = {8: fd}
        spec = _with_default_filter(_sharing(bench.spec("ps"), pid=f"/proc/{pid}/ns/pid"))
        result = bench.run(spec, descriptors=Descriptors(namespaces={"pid": 8}))
        assert re.search(r"^ +1 root .*sleep 1000", result.output, flags=re.MULTILINE), result.start


def test_exec_passes_stdin_and_exit_code(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        result = _exec(bench, pid, spec, _process(bench, "sh", "-c", "cat; exit 5"), b"bytes")
        assert (result.output, result.code) == ("bytes", 5)


@pytest.mark.parametrize(
    ("changes", "text", "exit_code"),
    [
        ({"args": ["nope"]}, 'exec: "nope": executable file not found in $PATH', 127),
        ({"args": ["/etc"]}, 'exec: "/etc": is a directory: permission denied', 126),
        (
            {"args": ["true"], "cwd": "/nope"},
            'chdir to cwd ("/nope") set in config.json failed: no such file or directory',
            127,
        ),
    ],
)
def test_exec_that_fails(bench: Bench, changes: dict[str, object], text: str, exit_code: int) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        process = msgspec.structs.replace(_process(bench, "true"), **changes)
        result = _exec(bench, pid, spec, process)
        _, index, code, number, *words = result.start.split(" ", 4)
        error = result.plan.explain(int(index), int(code), int(number), words[0] if words else "")
        assert error.message == f"OCI runtime exec failed: exec failed: unable to start container process: {text}"
        assert error.exit_code == exit_code


@pytest.mark.parametrize("number", range(3, 14))
def test_exec_in_a_directory_of_the_host(bench: Bench, number: int) -> None:
    """CVE-2024-21626."""
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        result = _exec(bench, pid, spec, _process(bench, "pwd", cwd=f"/proc/self/fd/{number}"))
        assert result.start.startswith("failed"), result.output


def test_exec_in_a_container_that_has_ended(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with ExitStack() as stack:
        with bench.background(spec) as pid:
            fd = stack.enter_context(_pidfd(pid))
        bench.inherited = {8: fd}
        plan = compile_exec_plan(spec.process, spec, stdio=Stdio(), join=8, descriptors=bench.planned(Descriptors()))
        assert "no such process" in bench.run_plan(plan).failure()


def test_a_container_with_ptrace_cannot_catch_an_exec_before_its_end(bench: Bench) -> None:
    """Between becoming visible and execve a process has final rights and no descriptor but 0-2 and a socket."""
    names = [*DEFAULT_CAPABILITIES, "CAP_SYS_PTRACE"]
    powerful = Capabilities(bounding=names, effective=names, permitted=names)
    watch = (
        "while :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) "
        "readlink $p/fd/* $p/cwd $p/root 2>/dev/null; grep CapEff $p/status 2>/dev/null;; esac; done; done"
    )
    spec = bench.spec("sh", "-c", watch, capabilities=powerful)
    seen = bench.directory / "seen"
    with bench.background(bench.spec(*SLEEP, capabilities=powerful)) as pid:
        del pid  # only to show that two containers do not mix
        spec = bench.spec("sh", "-c", f"({watch}) > /tmp/seen", capabilities=powerful)
        with bench.background(spec) as watched:
            for _ in range(40):
                _exec(bench, watched, spec, _process(bench, "true"))
    seen = bench.root / "tmp/seen"
    lines = {line for line in seen.read_text().splitlines() if line}
    foreign = {line for line in lines if line.startswith(("/memfd", "anon_inode:[pidfd]", str(bench.directory)))}
    assert not foreign
    rights = {int(line.split()[1], 16) for line in lines if line.startswith("CapEff")}
    allowed = capabilities.mask(names)
    assert all(right & ~allowed == 0 for right in rights), [hex(right) for right in rights]


def test_exec_with_a_terminal(bench: Bench) -> None:
    spec = bench.spec(*SLEEP)
    with bench.background(spec) as pid:
        process = _process(bench, "sh", "-c", "tty; stty size; echo $$ $(cut -d' ' -f6 /proc/$$/stat)", terminal=True)
        process = msgspec.structs.replace(process, console_size=Box(height=33, width=101))
        result = _exec(bench, pid, spec, process)
        lines = result.output.split("\r\n")
        assert lines[0].startswith("/dev/pts/")
        assert lines[1] == "33 101"
        own, session = lines[2].split()
        assert own == session


def test_terminal(bench: Bench) -> None:
    script = "tty; stty size; stat -c '%n %t %a %u:%g' /dev/console; ls -l /proc/1/fd | grep -c pts; echo x > /dev/tty"
    spec = bench.spec("sh", "-c", script, terminal=True, console_size=Box(height=24, width=80), user=User(uid=1000))
    result = bench.run(spec)
    assert result.output.split("\r\n")[:5] == ["/dev/pts/0", "24 80", "/dev/console 88 620 1000:5", "3", "x"]


def test_terminal_is_the_controlling_one(bench: Bench) -> None:
    """The controlling terminal belongs to PID 1: its foreground group gets keyboard signals."""
    spec = bench.spec("sh", "-c", "trap 'echo caught; exit 4' INT; echo up; read line; read line", terminal=True)
    output, code = bench.converse(spec, ("up", "first\n\x03"))
    assert output.endswith("caught\r\n")
    assert code == 4


def _sharing(spec: Spec, **paths: str | None) -> Spec:
    namespaces = [n for n in spec.linux.namespaces if n.type not in paths]
    namespaces += [Namespace(type=kind, path=path) for kind, path in paths.items()]
    return msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, namespaces=namespaces))


@pytest.mark.parametrize("legacy", [False, True])
def test_container_in_the_namespaces_of_another(bench: Bench, *, legacy: bool) -> None:
    kinds = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
    with bench.background(bench.spec(*SLEEP)) as pid, _pidfd(pid) as fd:
        bench.inherited = {8: fd}
        script = "".join(f"readlink /proc/self/ns/{name};" for name in kinds.values()) + "ps; ls /proc/$$/fd; true"
        spec = _sharing(bench.spec("sh", "-c", script), **{k: f"/proc/{pid}/ns/{v}" for k, v in kinds.items()})
        spec = msgspec.structs.replace(spec, hostname=None)
        descriptors = bench.planned(Descriptors(namespaces=dict.fromkeys(kinds, 8)))
        plan = compile_plan(spec, stdio=Stdio(), log=None, descriptors=descriptors)
        result = bench.run_plan(with_legacy(plan, "proc") if legacy else plan)
        assert result.start.startswith("started"), result.failure()
        assert result.output.split()[:4] == [os.readlink(f"/proc/{pid}/ns/{name}") for name in kinds.values()]
        assert re.search(r"^ +1 root .*sleep 1000", result.output, flags=re.MULTILINE), "/proc is of that namespace"
        assert result.output.split()[-3:] == ["0", "1", "2"]


def test_network_namespace_by_file(bench: Bench) -> None:
    with ExitStack() as stack:
        pid = stack.enter_context(bench.background(bench.spec(*SLEEP)))
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        bench.inherited = {8: fd}
        spec = _sharing(bench.spec("readlink", "/proc/self/ns/net"), network="/run/netns/x")
        result = bench.run(spec, descriptors=Descriptors(namespaces={"network": 8}))
        assert result.output.strip() == os.readlink(f"/proc/{pid}/ns/net")


_HOST_SCRIPT = "for n in net pid uts; do readlink /proc/self/ns/$n; done; ls /proc | grep -c '^[0-9]'"


def test_host_namespaces(bench: Bench) -> None:
    spec = bench.spec("sh", "-c", _HOST_SCRIPT)
    kept = [n for n in spec.linux.namespaces if n.type in ("mount", "ipc")]
    spec = msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, namespaces=kept))
    output = bench.run(spec).output.split()
    assert output[:3] == [os.readlink(f"/proc/self/ns/{name}") for name in ("net", "pid", "uts")]
    assert int(output[3]) > 5


def test_own_cgroup_namespace(bench: Bench) -> None:
    spec = _sharing(bench.spec("sh", "-c", "readlink /proc/self/ns/cgroup; cat /proc/self/cgroup"), cgroup=None)
    output = bench.run(spec).output.splitlines()
    assert output[0] != os.readlink("/proc/self/ns/cgroup")
    assert {line.rpartition(":")[2] for line in output[1:]} == {"/"}


def test_time_namespaces_and_foreign_mount_namespaces_are_refused(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="time"):
        bench.run(_sharing(bench.spec("true"), time=None))
    with pytest.raises(Unsupported, match="mount namespace"):
        bench.run(_sharing(bench.spec("true"), mount="/proc/1/ns/mnt"))


def test_the_container_dies_with_the_shim(bench: Bench) -> None:
    with bench.background(bench.spec(*SLEEP)) as pid:
        fd = os.pidfd_open(pid)
    try:
        deadline = time.monotonic() + 10
        with pytest.raises(ProcessLookupError):
            while time.monotonic() < deadline:
                signal.pidfd_send_signal(fd, 0)
                time.sleep(0.01)
    finally:
        os.close(fd)


def test_keyring_is_shared_by_name(bench: Bench) -> None:
    spec = bench.spec("cat", "/proc/self/status")
    plan = compile_plan(spec, stdio=Stdio(), log=None, descriptors=Descriptors(), keyring="_ses.test")
    assert bench.run_plan(plan).start.startswith("started")
