"""Starts that fail: Docker's words, exit code and HTTP status; and nothing is left of them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from estiba.errors import StartFailed
from estiba.oci.runtime_spec import Mount, Rlimit, User
from estiba.runtime.plan import Descriptors, Stdio, compile_plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench, Result

    from estiba.oci.runtime_spec import Spec

P = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)
HINT = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)


def _error(result: Result) -> StartFailed:
    assert result.start.startswith("failed"), result.start + result.output
    _, index, code, number, *text = result.start.split(" ", 4)
    return result.plan.explain(int(index), int(code), int(number), text[0] if text else "")


def _check(bench: Bench, spec: Spec, text: str, exit_code: int, status: int) -> None:
    error = _error(bench.run(spec))
    assert error.message == P + text
    assert (error.exit_code, error.status) == (exit_code, status)


@pytest.mark.parametrize(
    ("program", "text", "exit_code"),
    [
        ("/nope", 'exec: "/nope": stat /nope: no such file or directory', 127),
        ("./nope", 'exec: "./nope": stat ./nope: no such file or directory', 127),
        ("nope", 'exec: "nope": executable file not found in $PATH', 127),
        ("", 'exec: "": executable file not found in $PATH', 127),
        ("/etc/passwd/x", f'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory{HINT}', 127),
        ("/etc", 'exec: "/etc": is a directory: permission denied', 126),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied', 126),
    ],
)
def test_program_that_cannot_be_executed(bench: Bench, program: str, text: str, exit_code: int) -> None:
    _check(bench, bench.spec(program), text, exit_code, 400)


def test_no_path(bench: Bench) -> None:
    spec = bench.spec("sh", env=["HOME=/"])
    _check(bench, spec, 'exec: "sh": executable file not found in $PATH', 127, 400)


def test_path_is_searched_as_the_user(bench: Bench) -> None:
    secret = bench.root / "secret"
    secret.mkdir(mode=0o700)
    (secret / "tool").write_text("#!/bin/sh\n")
    (secret / "tool").chmod(0o755)
    spec = bench.spec("tool", env=["PATH=/secret"], user=User(uid=1000, gid=1000), capabilities=None)
    _check(bench, spec, 'exec: "tool": executable file not found in $PATH', 127, 400)
    assert bench.run(bench.spec("tool", env=["PATH=/bin:/secret"])).code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("#!/nope\n", "exec /x: no such file or directory\n"),
        ("no interpreter\n", "exec /x: exec format error\n"),
        ("\x7fELF broken", "exec /x: exec format error\n"),
        ("", "exec /x: exec format error\n"),
    ],
)
def test_program_that_the_kernel_refuses_counts_as_started(bench: Bench, content: str, words: str) -> None:
    (bench.root / "x").write_text(content)
    (bench.root / "x").chmod(0o755)
    result = bench.run(bench.spec("/x"))
    assert result.start.startswith("started")
    assert (result.code, result.errors) == (255, words)


def test_working_directory_is_missing(bench: Bench) -> None:
    text = 'chdir to cwd ("/nope") set in config.json failed: no such file or directory'
    _check(bench, bench.spec("true", cwd="/nope"), text, 127, 400)


def test_working_directory_the_user_may_not_enter(bench: Bench) -> None:
    (bench.root / "secret").mkdir(mode=0o700)
    os.chown(bench.root / "secret", 5, 5)
    spec = bench.spec("true", cwd="/secret", user=User(uid=1000, gid=1000))
    assert bench.run(spec).code == 0, "root could enter it"


def test_working_directory_only_the_user_may_enter(bench: Bench) -> None:
    (bench.root / "home").mkdir(mode=0o700)
    os.chown(bench.root / "home", 1000, 1000)
    spec = bench.spec("pwd", cwd="/home", user=User(uid=1000, gid=1000), capabilities=None)
    assert bench.run(spec).output == "/home\n"


@pytest.mark.parametrize("number", range(3, 20))
def test_working_directory_by_a_descriptor_of_the_host(bench: Bench, number: int) -> None:
    result = bench.run(bench.spec("pwd", cwd=f"/proc/self/fd/{number}"))
    assert result.start.startswith("failed"), result.output


def test_relative_working_directory(bench: Bench) -> None:
    with pytest.raises(StartFailed, match="Cwd must be an absolute path"):
        bench.run(bench.spec("true", cwd="tmp"))


def _bind(source: object, destination: str, *options: str) -> Mount:
    return Mount(destination=destination, type="bind", source=str(source), options=["rbind", "rprivate", *options])


def test_directory_on_a_file_and_reverse(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    for source, target in (("directory", "/etc/passwd"), ("file", "/tmp")):
        error = _error(bench.run(bench.spec("true", mounts=[_bind(tmp_path / source, target)])))
        assert error.message.startswith(f'{P}error mounting "{tmp_path / source}" to rootfs at "{target}": mount src=')
        assert error.message.endswith(f": not a directory{HINT}")
        assert (error.exit_code, error.status) == (127, 400)


def test_missing_source(bench: Bench) -> None:
    spec = bench.spec("true", mounts=[_bind("/nope", "/mnt")])
    _check(bench, spec, 'error mounting "/nope" to rootfs at "/mnt": open /nope: no such file or directory', 127, 400)


@pytest.mark.parametrize("target", ["/proc/sys", "/proc/1", "/proc/nope"])
def test_mount_inside_proc(bench: Bench, tmp_path: Path, target: str) -> None:
    with pytest.raises(StartFailed) as caught:
        bench.run(bench.spec("true", mounts=[_bind(tmp_path, target)]))
    assert caught.value.message == (
        f'{P}error mounting "{tmp_path}" to rootfs at "{target}": create mountpoint for {target} mount: '
        f'check proc-safety of {target} mount: "{target}" cannot be mounted because it is inside /proc'
    )
    assert (caught.value.exit_code, caught.value.status) == (128, 500)


def test_mount_on_proc(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="cannot be mounted because it is not of type proc"):
        bench.run(bench.spec("true", mounts=[_bind(tmp_path, "/proc")]))
    with pytest.raises(StartFailed, match="cannot be mounted because it is inside /proc"):
        bench.run(bench.spec("true", mounts=[_bind(tmp_path, "/proc/sys")]))


def test_host_proc_may_cover_proc(bench: Bench) -> None:
    result = bench.run(bench.spec("true", mounts=[_bind("/proc", "/proc")]))
    assert result.code == 0, result.start


def test_hostname_too_long(bench: Bench) -> None:
    spec = msgspec.structs.replace(bench.spec("true"), hostname="x" * 65)
    _check(bench, spec, "sethostname: invalid argument", 128, 500)


def test_hostname_of_any_bytes(bench: Bench) -> None:
    spec = msgspec.structs.replace(bench.spec("hostname"), hostname="a/b c")
    assert bench.run(spec).output == "a/b c\n"


def test_soft_limit_beyond_the_hard_one(bench: Bench) -> None:
    spec = bench.spec("true", rlimits=[Rlimit(type="RLIMIT_NOFILE", soft=200, hard=100)])
    text = "error setting rlimits for ready process: error setting rlimit type 7: invalid argument"
    _check(bench, spec, text, 128, 500)


def test_limit_that_may_not_be_raised(bench: Bench) -> None:
    spec = bench.spec("true", rlimits=[Rlimit(type="RLIMIT_NOFILE", soft=100, hard=2**30 + 1)])
    error = _error(bench.run(spec))
    assert "error setting rlimit type 7: operation not permitted" in error.message
    assert "hard 1073741825" in error.message


def test_unknown_limit(bench: Bench) -> None:
    with pytest.raises(StartFailed, match="runc create failed: wrong rlimit value: RLIMIT_NOSUCH"):
        bench.run(bench.spec("true", rlimits=[Rlimit(type="RLIMIT_NOSUCH", soft=1, hard=1)]))


def _sysctl(bench: Bench, **settings: str) -> Spec:
    spec = bench.spec("true")
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, sysctl=names))


def test_sysctl_that_does_not_exist(bench: Bench) -> None:
    text = "open /proc/sys/net/nope: no such file or directory"
    _check(bench, _sysctl(bench, net__nope="1"), text, 127, 400)


def test_sysctl_value_that_the_kernel_refuses(bench: Bench) -> None:
    text = "write '99999999' to /proc/sys/net/ipv4/ip_unprivileged_port_start: invalid argument"
    _check(bench, _sysctl(bench, net__ipv4__ip_unprivileged_port_start="99999999"), text, 128, 500)


def test_text_of_the_file_system(bench: Bench) -> None:
    spec = bench.spec("true", mounts=[Mount(destination="/mnt", type="tmpfs", source="tmpfs", options=["size=wrong"])])
    error = _error(bench.run(spec))
    assert error.message.startswith(f'{P}error mounting "tmpfs" to rootfs at "/mnt": tmpfs: ')
    assert "size" in error.message


def test_profile_of_a_security_module_that_is_not_there(bench: Bench) -> None:
    if os.path.exists("/proc/self/attr/apparmor/exec"):
        pytest.skip("this machine has AppArmor")
    text = "unable to apply apparmor profile: apparmor failed to apply profile: "
    text += "write /proc/thread-self/attr/apparmor/exec: no such file or directory"
    _check(bench, bench.spec("true", apparmor_profile="docker-default"), text, 127, 400)


def test_file_system_that_the_kernel_lacks(bench: Bench) -> None:
    spec = bench.spec("true", mounts=[Mount(destination="/mnt", type="nosuchfs", source="x")])
    _check(bench, spec, 'error mounting "x" to rootfs at "/mnt": no such device', 128, 500)


def test_a_process_that_is_killed_meanwhile(bench: Bench) -> None:
    plan = compile_plan(bench.spec("true"), stdio=Stdio(), log=None, descriptors=Descriptors())
    error = plan.explain(2**32 - 1, 0, errno.ECHILD, "the process ended during its set-up: signal 9")
    assert error.message == f"{P}container init was OOM-killed (memory limit too low?)"
    error = plan.explain(2**32 - 1, 0, errno.EMFILE, "cannot make the process's streams")
    assert error.message == f"{P}cannot make the process's streams: too many open files"


def test_root_that_does_not_exist(bench: Bench) -> None:
    spec = bench.spec("true")
    spec = msgspec.structs.replace(spec, root=msgspec.structs.replace(spec.root, path="/nope"))
    _check(bench, spec, 'error mounting "/nope" to rootfs at "/": open /nope: no such file or directory', 127, 400)
