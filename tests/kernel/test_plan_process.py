"""Identity, rights, limits and settings of a container's process."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.bundles import DEFAULT_CAPABILITIES

from estiba.errors import StartFailed
from estiba.linux import capabilities
from estiba.oci.runtime_spec import Capabilities, Namespace, Rlimit, Seccomp, SeccompRule, User

if TYPE_CHECKING:
    from tests.kernel.bundles import Bench

    from estiba.oci.runtime_spec import Spec

DEFAULT = 0xA80425FB
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def _status(bench: Bench, spec: Spec) -> dict[str, str]:
    result = bench.run(spec)
    assert result.start.startswith("started"), result.start
    return dict(re.findall(r"^(\w+):\t(.*)$", result.output, flags=re.MULTILINE))


def _sets(status: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(status[name], 16) for name in SETS)


def _linux(spec: Spec, **changes: object) -> Spec:
    return msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, **changes))


def _capabilities(names: list[str], **more: list[str]) -> Capabilities:
    return Capabilities(bounding=names, effective=names, permitted=names, **more)


def test_user_loses_capabilities_but_not_the_bounding_set(bench: Bench) -> None:
    user = User(uid=1000, gid=1001, additional_gids=[1001, 5, 5])
    status = _status(bench, bench.spec("cat", "/proc/self/status", user=user))
    assert _sets(status) == (0, 0, 0, DEFAULT, 0)
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1001"] * 4
    assert sorted(status["Groups"].split()) == ["1001", "5", "5"] or status["Groups"].split() == ["5", "5", "1001"]


def test_root_s_groups(bench: Bench) -> None:
    status = _status(bench, bench.spec("cat", "/proc/self/status", user=User(additional_gids=[0, 2, 10])))
    assert status["Groups"].split() == ["0", "2", "10"]


def test_no_capabilities_at_all(bench: Bench) -> None:
    assert _sets(_status(bench, bench.spec("cat", "/proc/self/status", capabilities=_capabilities([])))) == (0,) * 5
    assert _sets(_status(bench, bench.spec("cat", "/proc/self/status", capabilities=None))) == (0,) * 5


def test_all_capabilities_are_what_the_host_has(bench: Bench) -> None:
    given = _capabilities(list(capabilities.NAMES))
    status = _status(bench, bench.spec("cat", "/proc/self/status", capabilities=given))
    host = capabilities.mask(capabilities.bounding())
    assert _sets(status) == (0, host, host, host, 0)


def test_ambient_capabilities_survive_a_change_of_user(bench: Bench) -> None:
    wanted = ["CAP_NET_BIND_SERVICE"]
    given = _capabilities(DEFAULT_CAPABILITIES, inheritable=wanted, ambient=wanted)
    status = _status(bench, bench.spec("cat", "/proc/self/status", capabilities=given, user=User(uid=7)))
    bit = capabilities.mask(wanted)
    assert _sets(status) == (bit, bit, bit, DEFAULT, bit)


def test_no_new_privileges(bench: Bench) -> None:
    status = _status(bench, bench.spec("cat", "/proc/self/status", no_new_privileges=True))
    assert status["NoNewPrivs"] == "1"


def _filter() -> Seccomp:
    """Allows all but mkdir."""
    rule = SeccompRule(names=["mkdir", "mkdirat"], action="SCMP_ACT_ERRNO", errno_ret=38)
    return Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=[rule])


@pytest.mark.parametrize("no_new_privileges", [False, True])
@pytest.mark.parametrize("uid", [0, 1000])
def test_seccomp(bench: Bench, *, no_new_privileges: bool, uid: int) -> None:
    script = "cat /proc/self/status; mkdir /tmp/x"
    spec = bench.spec("sh", "-c", script, no_new_privileges=no_new_privileges, user=User(uid=uid))
    result = bench.run(_linux(spec, seccomp=_filter()))
    status = dict(re.findall(r"^(\w+):\t(.*)$", result.output, flags=re.MULTILINE))
    assert (status["Seccomp"], status["Seccomp_filters"]) == ("2", "1")
    assert _sets(status) == (0, DEFAULT, DEFAULT, DEFAULT, 0) if uid == 0 else (0, 0, 0, DEFAULT, 0)
    assert "Function not implemented" in result.errors


def test_filter_that_allows_little_more_than_execve(bench: Bench) -> None:
    """What comes after the filter is loaded is capset and execve: a tight filter must not break a start."""
    names = ["capset", "execve", "exit_group", "brk", "arch_prctl", "mprotect", "getuid", "prlimit64", "readlinkat"]
    names += ["getrandom", "set_tid_address", "set_robust_list", "rseq", "prctl"]  # these, busybox's start
    rules = [SeccompRule(names=names, action="SCMP_ACT_ALLOW")]
    filters = Seccomp(default_action="SCMP_ACT_ERRNO", default_errno_ret=1, syscalls=rules)
    result = bench.run(_linux(bench.spec("true"), seccomp=filters))
    assert (result.start[:7], result.code) == ("started", 0)


def test_limits_and_umask(bench: Bench) -> None:
    limits = [
        Rlimit(type="RLIMIT_NOFILE", soft=30, hard=40),
        Rlimit(type="RLIMIT_CORE", soft=0, hard=0),
        Rlimit(type="RLIMIT_NPROC", soft=7, hard=8),
    ]
    script = "ulimit -Sn; ulimit -Hn; ulimit -Hc; umask"
    result = bench.run(bench.spec("sh", "-c", script, rlimits=limits, user=User(umask=0o077)))
    assert result.output.split() == ["30", "40", "0", "0077"]


def test_oom_score(bench: Bench) -> None:
    assert bench.run(bench.spec("cat", "/proc/self/oom_score_adj", oom_score_adj=500)).output == "500\n"


def test_sysctls(bench: Bench) -> None:
    names = {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "65537", "kernel.domainname": "d.example"}
    script = "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/msgmax kernel/domainname"
    result = bench.run(_linux(bench.spec("sh", "-c", script), sysctl=names))
    assert result.output.split() == ["0", "65537", "d.example"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kernel.sysrq", 'sysctl "kernel.sysrq" is not in a separate kernel namespace'),
        ("kernel.hostname", 'sysctl "kernel.hostname" is not in a separate kernel namespace'),
        ("kernel.domainname", 'sysctl "kernel.domainname" is not in a separate kernel namespace'),
        ("net.ipv4.ip_forward", 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'),
        ("kernel.shmmax", 'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace'),
        ("net/../kernel/sysrq", 'sysctl "net/../kernel/sysrq" is not a valid setting'),
        ("net.+x", 'sysctl "net.+x" is not a valid setting'),
    ],
)
def test_sysctls_of_the_host_are_refused(bench: Bench, name: str, text: str) -> None:
    spec = _linux(bench.spec("true"), sysctl={name: "1"}, namespaces=[Namespace(type="pid")])
    with pytest.raises(StartFailed) as caught:
        bench.run(spec)
    assert caught.value.message.endswith(f"runc create failed: {text}")
    assert (caught.value.exit_code, caught.value.status) == (128, 500)


def test_the_host_name_is_no_sysctl(bench: Bench) -> None:
    with pytest.raises(StartFailed, match='conflicts with the OCI "hostname" field'):
        bench.run(_linux(bench.spec("true"), sysctl={"kernel.hostname": "x"}))


def test_domain_name(bench: Bench) -> None:
    spec = msgspec.structs.replace(bench.spec("cat", "/proc/sys/kernel/domainname"), domainname="example.org")
    assert bench.run(spec).output == "example.org\n"


def test_streams_belong_to_the_user(bench: Bench) -> None:
    script = "stat -L -c %u /proc/self/fd/1 /proc/self/fd/2; echo again > /dev/stdout"
    result = bench.run(bench.spec("sh", "-c", script, user=User(uid=1000)))
    assert result.output.split() == ["1000", "1000", "again"]


def test_stdin_is_passed(bench: Bench) -> None:
    assert bench.run(bench.spec("cat"), stdin=b"some bytes").output == "some bytes"


def test_exit_code(bench: Bench) -> None:
    assert bench.run(bench.spec("sh", "-c", "exit 3")).code == 3


def test_many_arguments_and_variables(bench: Bench) -> None:
    arguments = [str(i) for i in range(20_000)]
    environment = [f"V{i}={'x' * 20}" for i in range(20_000)]
    spec = bench.spec("sh", "-c", "echo $#; env | grep -c ^V", "sh", *arguments, env=["PATH=/bin", *environment])
    assert bench.run(spec).output.split() == ["20000", "20000"]


def test_arguments_of_any_bytes(bench: Bench) -> None:
    odd = os.fsdecode(b"\xff\xfe caf\xc3\xa9")
    result = bench.run(bench.spec("sh", "-c", 'printf %s "$1" | od -An -tx1', "sh", odd))
    assert result.output.split() == [f"{byte:02x}" for byte in os.fsencode(odd)]


def test_identity_record_holds_little_endian_groups(bench: Bench) -> None:
    from estiba.runtime.plan import Descriptors, Stdio, compile_plan
    from estiba.runtime.plan_operations import Code

    spec = bench.spec("true", user=User(uid=1, gid=2, additional_gids=[3, 4_000_000_000]))
    plan = compile_plan(spec, stdio=Stdio(), log=None, descriptors=Descriptors())
    identity = next(o for o in plan.operations() if o.code is Code.IDENTITY)
    assert (identity.a, identity.b, identity.blob) == (1, 2, struct.pack("<II", 3, 4_000_000_000))
