"""Plans without a machine: what is compiled from a specification, in what order, and what it says about itself."""

from __future__ import annotations

import errno
import itertools
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.errors import InvalidArgument, StartFailed, Unsupported
from estiba.oci.runtime_spec import (
    Capabilities,
    Device,
    IdMapping,
    Linux,
    Mount,
    Namespace,
    Process,
    Root,
    Seccomp,
    Spec,
    User,
)
from estiba.runtime import plan_operations
from estiba.runtime.cgroup import CgroupMount
from estiba.runtime.plan import Descriptors, LogFile, Plan, Stdio, compile_exec_plan, compile_plan
from estiba.runtime.plan_operations import CLONE_FLAGS, NONE, ROOT, Code, Operation, assemble, decode, encode

HEADER = Path(__file__).parents[3] / "native/plan.h"
KINDS = ("mount", "network", "uts", "pid", "ipc")
SECCOMP = Seccomp(default_action="SCMP_ACT_ALLOW")


def _spec(*, kinds: tuple[str, ...] = KINDS, process: dict[str, object] | None = None, **linux: object) -> Spec:
    values: dict[str, object] = {"args": ["sh"], "env": ["PATH=/bin"], **(process or {})}
    namespaces = [Namespace(type=kind) for kind in kinds]
    return Spec(
        root=Root(path="/run/rootfs"),
        process=Process(**values),  # type: ignore[arg-type]
        hostname="box",
        mounts=[Mount(destination="/proc", type="proc", source="proc", options=["nosuid", "noexec", "nodev"])],
        linux=Linux(**{"namespaces": namespaces, **linux}),  # type: ignore[arg-type]
    )


def _with_mounts(spec: Spec, *mounts: Mount) -> Spec:
    return msgspec.structs.replace(spec, mounts=[*spec.mounts, *mounts])


def _compile(spec: Spec, descriptors: Descriptors | None = None, **more: object) -> Plan:
    given_descriptors = descriptors or Descriptors()
    return compile_plan(spec, stdio=Stdio(), log=None, descriptors=given_descriptors, **more)  # type: ignore[arg-type]


def _codes(plan: Plan) -> list[Code]:
    return [operation.code for operation in plan.operations()]


def _only(plan: Plan, code: Code) -> list[Operation]:
    return [operation for operation in plan.operations() if operation.code is code]


def test_codes_and_flags_are_those_of_the_header() -> None:
    text = HEADER.read_text(encoding="utf-8")
    codes = {name: int(value) for name, value in re.findall(r"^\tOP_(\w+) = (\d+),", text, flags=re.MULTILINE)}
    assert codes | {"NO_NEW_PRIVS": 46} == {code.name: code.value for code in Code}
    flags = dict(re.findall(r"^#define ((?:STDIO|NEW|TREE|ATTACH|CONSOLE)_\w+) (\d+)u", text, flags=re.MULTILINE))
    assert flags
    assert {name: getattr(plan_operations, name) for name in flags} == {n: int(v) for n, v in flags.items()}
    assert f"#define PLAN_SLOTS {plan_operations.SLOTS}u" in text


text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)
number = st.integers(0, NONE)


@given(st.sampled_from([Code.NEW, Code.TREE, Code.EXEC]), number, number, number, number, st.lists(text, max_size=5))
def test_records_round_trip(code: Code, a: int, b: int, c: int, d: int, strings: list[str]) -> None:
    data = assemble([encode(code, a, b, c, d, strings=strings)])
    assert list(decode(data)) == [Operation(code, a, b, c, d, tuple(strings))]
    assert len(data) % 8 == 0


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_blobs_round_trip(first: bytes, second: bytes) -> None:
    data = assemble([encode(Code.SECCOMP, 1, blob=first) + encode(Code.IDENTITY, blob=second), b""])
    assert [operation.blob for operation in decode(data)] == [first, second]
    assert int.from_bytes(data[8:12], "little") == 2
    assert int.from_bytes(data[12:16], "little") == len(data)


def test_strings_with_nul_and_too_many_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="NUL"):
        _compile(_spec(process={"args": ["sh", "a\0b"]}))
    with pytest.raises(InvalidArgument, match="argument list too long"):
        _compile(_spec(process={"args": ["x"] * 70_000}))


def test_order_of_the_last_steps() -> None:
    """The filter is loaded with CAP_SYS_ADMIN in hand, and nothing but dropping that and execve comes after it."""
    capabilities = Capabilities(bounding=["CAP_CHOWN"], effective=["CAP_CHOWN"], permitted=["CAP_CHOWN"])
    spec = _spec(process={"capabilities": capabilities}, seccomp=SECCOMP)
    plan = _compile(spec)
    assert _codes(plan)[-13:] == [
        Code.UMASK,
        Code.CLOSE,
        Code.STDIO_OWNER,
        Code.CWD,
        Code.BOUNDING,
        Code.IDENTITY,
        Code.CAPABILITIES,
        Code.CWD,
        Code.LOOKUP,
        Code.CAPABILITIES,
        Code.SECCOMP,
        Code.CAPABILITIES,
        Code.EXEC,
    ]
    chown, admin = 1, 1 << 21
    sets = [(o.a, o.b) for o in _only(plan, Code.CAPABILITIES)]
    assert sets == [(chown, chown | admin), (chown | admin, chown | admin), (chown, chown)]


def test_with_no_new_privileges_the_filter_needs_no_capability() -> None:
    plan = _compile(_spec(process={"no_new_privileges": True}, seccomp=SECCOMP))
    assert _codes(plan)[-3:] == [Code.LOOKUP, Code.SECCOMP, Code.EXEC]
    assert Code.NO_NEW_PRIVS in _codes(plan)
    assert len(_only(plan, Code.CAPABILITIES)) == 1


def test_cgroups_are_joined_before_anything_is_seen() -> None:
    descriptors = Descriptors(cgroup_procs=(8, 9), shims_cgroup=(10,), oom_watch=11, oom_count=12, first_free=13)
    operations = _compile(_spec(), descriptors, keyring="_ses.x").operations()
    codes = [operation.code for operation in operations]
    assert codes[:4] == [Code.STDIO, Code.DESCRIPTORS, Code.OOM, Code.SHIM_CGROUP]
    clone = codes.index(Code.CLONE)
    assert [(o.code, o.a) for o in operations[clone + 1 : clone + 3]] == [(Code.CGROUP, 8), (Code.CGROUP, 9)]
    assert operations[clone].b == NONE
    assert (operations[2].a, operations[2].b, operations[2].c) == (11, 0, 12)
    born = _compile(_spec(), Descriptors(cgroup_procs=(8,), cgroup_directory=9)).operations()
    assert next(o for o in born if o.code is Code.CLONE).b == 9
    assert Code.CGROUP not in [o.code for o in born]


def test_log_and_streams() -> None:
    log = LogFile(Path("/logs"), "x-json.log", 1000, 3)
    spec = _spec(process={"terminal": True})
    plan = compile_plan(spec, stdio=Stdio(open_stdin=True, stdin_once=True), log=log, descriptors=Descriptors())
    assert (_only(plan, Code.STDIO)[0].a, _only(plan, Code.LOG)[0].b) == (7, 3)
    endless = compile_plan(spec, stdio=Stdio(), log=LogFile(Path("/logs"), "x", -1, 1), descriptors=Descriptors())
    assert _only(endless, Code.LOG)[0].a == NONE
    assert _only(endless, Code.CONSOLE)[0].a == 1


def test_own_cgroup_namespace_comes_after_the_join() -> None:
    codes = _codes(_compile(_spec(kinds=(*KINDS, "cgroup")), Descriptors(cgroup_procs=(8,))))
    assert codes.index(Code.CGROUP) < codes.index(Code.UNSHARE) < codes.index(Code.PROPAGATION)


def test_joined_namespaces() -> None:
    namespaces = [Namespace(type="mount"), Namespace(type="network", path="/x"), Namespace(type="pid", path="/y")]
    plan = _compile(_spec(namespaces=namespaces), Descriptors(namespaces={"network": 8, "pid": 9}))
    assert [(o.a, o.b) for o in _only(plan, Code.SETNS)] == [(8, CLONE_FLAGS["network"]), (9, CLONE_FLAGS["pid"])]
    assert Code.LOOPBACK not in _codes(plan)
    assert [o.a for o in _only(plan, Code.CLONE)] == [CLONE_FLAGS["mount"], 0]
    assert _codes(plan)[-2:] == [Code.CLONE, Code.EXEC], "visible there only in the last step"
    with pytest.raises(InvalidArgument, match="no network namespace to join was given"):
        _compile(_spec(namespaces=namespaces))


def test_user_namespace_has_two_stages() -> None:
    maps = [IdMapping(container_id=0, host_id=100000, size=10)]
    spec = _spec(kinds=(*KINDS, "user"), uid_mappings=maps, gid_mappings=maps, process={"user": User(uid=3)})
    plan = _compile(spec)
    assert [o.a for o in _only(plan, Code.CLONE)] == [0, sum(CLONE_FLAGS[kind] for kind in KINDS)]
    assert _only(plan, Code.USERNS)[0].strings == ("0 100000 10\n", "0 100000 10\n")
    assert _only(plan, Code.STDIO_OWNER)[0].a == 100003
    assert _only(plan, Code.ROOT)[0].strings == ("/",)
    assert not _only(plan, Code.NODE)


def test_exec_plan_becomes_visible_last() -> None:
    spec = _spec(kinds=(*KINDS, "cgroup"), seccomp=SECCOMP)
    plan = compile_exec_plan(
        spec.process, spec, stdio=Stdio(), join=8, descriptors=Descriptors(cgroup_procs=(9,)), keyring="k"
    )
    codes = _codes(plan)
    assert codes[:6] == [Code.STDIO, Code.DESCRIPTORS, Code.CLONE, Code.CGROUP, Code.SETNS, Code.KEYRING]
    assert codes[-3:] == [Code.CAPABILITIES, Code.CLONE, Code.EXEC]
    assert codes.index(Code.CLOSE) < codes.index(Code.EXEC) - 1
    assert _only(plan, Code.SETNS)[0].b == sum(CLONE_FLAGS[kind] for kind in (*KINDS, "cgroup"))
    assert plan.is_exec


def test_relative_directory_of_an_exec() -> None:
    spec = _spec()
    process = Process(args=["sh"], cwd="here")
    with pytest.raises(StartFailed, match="OCI runtime exec failed: exec failed: Cwd must be an absolute path"):
        compile_exec_plan(process, spec, stdio=Stdio(), join=8, descriptors=Descriptors())


def test_no_command() -> None:
    with pytest.raises(InvalidArgument, match="no command specified"):
        _compile(_spec(process={"args": []}))


def test_shared_binds_are_taken_before_the_child_exists() -> None:
    shared = Mount(destination="/s", type="bind", source="/a", options=["rbind", "rshared"])
    private = Mount(destination="/p", type="bind", source="/b", options=["rbind", "rprivate"])
    codes = {
        o.strings[0]: i
        for i, o in enumerate(_compile(_with_mounts(_spec(), shared, private)).operations())
        if o.code is Code.TREE
    }
    clone = _codes(_compile(_with_mounts(_spec(), shared, private))).index(Code.CLONE)
    assert codes["/a"] < clone < codes["/b"]


def test_targets_of_new_file_systems_may_not_be_links() -> None:
    attached = _only(_compile(_spec()), Code.ATTACH)[0]
    assert attached.strings == ("/proc",)
    assert attached.b & plan_operations.ATTACH_REAL


def test_root_attributes() -> None:
    spec = msgspec.structs.replace(_spec(rootfs_propagation="rshared"), root=Root(path="/r", readonly=True))
    plan = _compile(spec)
    last = [o for o in _only(plan, Code.ATTRIBUTES) if o.a == ROOT]
    assert [(o.b, o.d) for o in last] == [(0, 1 << 20), (1, 0)]
    with pytest.raises(InvalidArgument, match="rootfsPropagation"):
        _compile(_spec(rootfs_propagation="often"))


def test_too_many_mounts() -> None:
    mounts = [Mount(destination=f"/m{i}", type="bind", source="/x", options=["bind"]) for i in range(1100)]
    with pytest.raises(InvalidArgument, match="too many mounts"):
        _compile(_with_mounts(_spec(), *mounts))


def test_device_types() -> None:
    plan = _compile(_spec(devices=[Device(path="/dev/p", type="p"), Device(path="/dev/u", type="u", major=1, minor=2)]))
    made = {o.strings[0]: (o.a, o.b) for o in _only(plan, Code.NODE)}
    assert made["/dev/p"] == (0o010666, 0)
    assert made["/dev/u"] == (0o020666, 1 << 32 | 2)
    with pytest.raises(InvalidArgument, match="device type"):
        _compile(_spec(devices=[Device(path="/dev/p", type="x")]))


def test_cgroup_v2_and_v1() -> None:
    cgroup = Mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=["ro"])
    spec = _with_mounts(_spec(), cgroup)
    unified = _compile(spec, cgroups=[CgroupMount("/sys/fs/cgroup/x", "", ())])
    assert [o.strings[0] for o in _only(unified, Code.NEW)] == ["proc", "cgroup2"]
    v1 = _compile(spec, cgroups=[CgroupMount("/c/cpu,cpuacct/x", "cpu,cpuacct", ("cpu", "cpuacct"))])
    assert [o.strings[0] for o in _only(v1, Code.NEW)] == ["proc", "tmpfs"]
    assert ("cpu,cpuacct", "/sys/fs/cgroup/cpu") in [o.strings for o in _only(v1, Code.SYMLINK)]


def _everything() -> Plan:
    spec = _spec(
        kinds=(*KINDS, "cgroup"),
        seccomp=SECCOMP,
        sysctl={"net.core.somaxconn": "1"},
        readonly_paths=["/proc/sys"],
        masked_paths=["/proc/keys"],
        process={
            "terminal": True,
            "env": ["PATH=/bin", "SECRET=hunter2"],
            "oom_score_adj": -5,
            "no_new_privileges": True,
        },
    )
    mounts = [
        Mount(destination="/a", type="bind", source="/b", options=["rbind", "ro", "noexec", "rslave"]),
        Mount(destination="/t", type="tmpfs", source="tmpfs", options=["size=1m"]),
    ]
    return _compile(_with_mounts(spec, *mounts), Descriptors(cgroup_procs=(8,)), keyring="k")


def test_description_has_a_line_per_operation_and_no_secrets() -> None:
    plan = _everything()
    lines = plan.describe()
    assert len(lines) == len(plan.operations())
    assert "hunter2" not in "\n".join(lines)
    assert lines[-1] == "execute 'sh' with PATH SECRET"
    for expected in (
        "new process in new namespaces: mount, uts, ipc, pid, network",
        "join the cgroup at descriptor 8",
        "oom_score_adj -5",
        "mount 2: clone of /b with what is mounted below",
        "mount 2: set ro,noexec",
        "mount 0: new tmpfs (tmpfs) size=1m",
        "hide /proc/keys",
        "terminal bound on /dev/console",
    ):
        assert expected in lines


def test_every_failure_has_a_sentence() -> None:
    """Whatever the shim reports, also nonsense, becomes an error that names something."""
    plan = _everything()
    operations = plan.operations()
    numbers = (errno.ENOENT, errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EXDEV, 0)
    for (index, operation), code in itertools.product(enumerate(operations), numbers):
        error = plan.explain(index, operation.code, code, "")
        assert error.message.startswith("failed to create task for container: ")
        assert error.exit_code in (126, 127, 128)
    for index in (len(operations), 2**32 - 1):
        assert plan.explain(index, 0, errno.EIO, "").message.endswith("input/output error")
    assert "Linux 5.12" in plan.explain(0, operations[0].code, errno.ENOSYS, "").message


def test_security_modules() -> None:
    plan = _compile(_spec(process={"apparmor_profile": "docker-default", "no_new_privileges": True}))
    codes = _codes(plan)
    assert codes.index(Code.APPARMOR) < codes.index(Code.NO_NEW_PRIVS) < codes.index(Code.CLOSE)
    assert Code.APPARMOR not in _codes(_compile(_spec(process={"apparmor_profile": "unconfined"})))
    with pytest.raises(Unsupported, match="SELinux"):
        _compile(_spec(process={"selinux_label": "system_u:system_r:x:s0"}))
    with pytest.raises(Unsupported, match="SELinux"):
        _compile(_spec(mount_label="x"))


def test_time_namespace_is_refused() -> None:
    with pytest.raises(Unsupported):
        _compile(_spec(kinds=(*KINDS, "time")))
