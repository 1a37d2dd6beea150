"""Containers in user namespaces of their own: the host's rights are used before, never inside."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest

from estiba.errors import InvalidArgument, Unsupported
from estiba.oci.runtime_spec import IdMapping, Mount, Namespace, Rlimit, User
from estiba.runtime.plan import Descriptors, Stdio, compile_exec_plan
from estiba.runtime.start import Numbers
from estiba.runtime.trees import open_trees

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench

    from estiba.oci.runtime_spec import Spec

BASE = 100_000
MAP = [IdMapping(container_id=0, host_id=BASE, size=65536)]


def _remapped(spec: Spec, **changes: object) -> Spec:
    namespaces = [*spec.linux.namespaces, Namespace(type="user"), Namespace(type="cgroup")]
    linux = msgspec.structs.replace(spec.linux, namespaces=namespaces, uid_mappings=MAP, gid_mappings=MAP, **changes)
    return msgspec.structs.replace(spec, linux=linux)


@pytest.fixture
def shifted(bench: Bench) -> Bench:
    """The bundle, owned by the root of the user namespace, below directories that only the host's root may enter."""
    subprocess.run(["chown", "-R", f"{BASE}:{BASE}", bench.root], check=True)
    bench.directory.chmod(0o700)
    return bench


def test_identity_inside_and_outside(shifted: Bench) -> None:
    script = "id -u; cat /proc/self/uid_map; touch /tmp/made; readlink /proc/self/ns/user; cat /proc/self/status; ps"
    result = shifted.run(_remapped(shifted.spec("sh", "-c", script)))
    assert result.start.startswith("started"), result.failure()
    lines = result.output.splitlines()
    assert lines[0] == "0"
    assert lines[1].split() == ["0", str(BASE), "65536"]
    assert lines[2] != os.readlink("/proc/self/ns/user")
    assert (shifted.root / "tmp/made").stat().st_uid == BASE
    status = dict(re.findall(r"^(\w+):\t(.*)$", result.output, flags=re.MULTILINE))
    assert [int(status[name], 16) for name in ("CapInh", "CapEff", "CapBnd")] == [0, 0xA80425FB, 0xA80425FB]
    assert re.search(r"^ +1 root ", result.output, flags=re.MULTILINE), "it is PID 1 and sees it"


def test_user_and_streams(shifted: Bench) -> None:
    script = "id -u; id -g; echo again > /dev/stdout; stat -L -c %u /proc/self/fd/1"
    user = User(uid=1000, gid=1000, additional_gids=[1000])
    result = shifted.run(_remapped(shifted.spec("sh", "-c", script, user=user)))
    assert result.output.split() == ["1000", "1000", "again", "1000"], result.errors


def test_default_mounts_and_host_devices(shifted: Bench) -> None:
    script = "echo x > /dev/null; head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/null; cat /proc/self/mountinfo"
    result = shifted.run(_remapped(shifted.spec("sh", "-c", script)))
    assert result.output.startswith("3\n1:3\n"), result.errors + result.start
    targets = [line.split()[4] for line in result.output.splitlines()[2:]]
    assert {"/", "/proc", "/dev", "/dev/pts", "/sys", "/dev/mqueue", "/dev/shm"} <= set(targets)
    assert {"/dev/null", "/dev/urandom", "/proc/sys"} <= set(targets)


def test_sources_that_only_the_host_may_read(shifted: Bench, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "file").write_text("from the host")
    (hidden / "file").chmod(0o644)
    bind = Mount(destination="/etc/given", type="bind", source=str(hidden / "file"), options=["rbind", "rprivate"])
    assert shifted.run(_remapped(shifted.spec("cat", "/etc/given", mounts=[bind]))).output == "from the host"


@pytest.mark.parametrize("old", [False, True])
def test_overlay_root_made_by_the_host(shifted: Bench, tmp_path: Path, old: bool) -> None:
    """old: as on a kernel before 6.8, where the mount is made before the plan runs."""
    layers = shifted.overlay_layers = shifted.overlay_layers and not old
    for name in ("upper", "work", "empty"):
        (tmp_path / name).mkdir()
    for name in ("upper", "work"):
        os.chown(tmp_path / name, BASE, BASE)
    options = [f"lowerdir={shifted.root}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    overlay = Mount(destination="/", type="overlay", source="overlay", options=options)
    spec = _remapped(shifted.spec("sh", "-c", "echo hi > /written; stat -c %u /written"))
    root = msgspec.structs.replace(spec.root, path=str(tmp_path / "empty"))
    spec = msgspec.structs.replace(spec, mounts=[overlay, *spec.mounts], root=root)
    numbers = Numbers()
    with numbers.owned:
        trees = open_trees(numbers, spec, overlay_layers=layers)
        assert (trees == {}) is layers
        shifted.inherited = numbers.sources
        result = shifted.run(spec, descriptors=Descriptors(trees=trees))
    assert result.output == "0\n", result.start
    assert (tmp_path / "upper/written").stat().st_uid == BASE


def test_limits_and_oom_score_need_the_host_s_rights(shifted: Bench) -> None:
    limits = [Rlimit(type="RLIMIT_NOFILE", soft=1000, hard=4000), Rlimit(type="RLIMIT_CORE", soft=0, hard=0)]
    script = "ulimit -Sn; ulimit -Hn; ulimit -Hc; cat /proc/self/oom_score_adj"
    result = shifted.run(_remapped(shifted.spec("sh", "-c", script, rlimits=limits, oom_score_adj=300)))
    assert result.output.split() == ["1000", "4000", "0", "300"]


def test_sysctls_terminal_and_names(shifted: Bench) -> None:
    names = {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "65537"}
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax; hostname; tty; ip link show lo"
    result = shifted.run(_remapped(shifted.spec("sh", "-c", script, terminal=True), sysctl=names))
    assert result.output.replace("\r", "").split("\n")[:4] == ["0", "65537", "box", "/dev/pts/0"]
    assert "LOOPBACK,UP" in result.output


def test_exec_joins_the_user_namespace(shifted: Bench) -> None:
    spec = _remapped(shifted.spec("sleep", "1000"))
    with shifted.background(spec) as pid, ExitStack() as stack:
        fd = os.pidfd_open(pid)
        stack.callback(os.close, fd)
        shifted.inherited = {8: fd}
        script = "id -u; cat /proc/self/uid_map; grep CapEff /proc/self/status"
        process = shifted.spec("sh", "-c", script).process
        plan = compile_exec_plan(process, spec, stdio=Stdio(), join=8, descriptors=shifted.planned(Descriptors()))
        result = shifted.run_plan(plan)
    assert result.output.split() == ["0", "0", str(BASE), "65536", "CapEff:", "00000000a80425fb"]


def test_joined_user_namespace(shifted: Bench) -> None:
    with shifted.background(_remapped(shifted.spec("sleep", "1000"))) as pid, ExitStack() as stack:
        fd = os.pidfd_open(pid)
        stack.callback(os.close, fd)
        shifted.inherited = {8: fd}
        spec = _remapped(shifted.spec("sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/net"))
        kinds = [n for n in spec.linux.namespaces if n.type not in ("user", "network")]
        kinds += [Namespace(type=kind, path="/proc/1/ns/x") for kind in ("user", "network")]
        spec = msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, namespaces=kinds))
        result = shifted.run(spec, descriptors=Descriptors(namespaces={"user": 8, "network": 8}))
        assert result.start.startswith("started"), result.failure()
        assert result.output.split() == [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("user", "net")]


def test_idmapped_mount(shifted: Bench, tmp_path: Path) -> None:
    """A host directory of uid 0 is the container root's own, without a chown."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "file").write_text("x")
    holder = subprocess.Popen(["unshare", "-U", "sh", "-c", "echo up; read line"], stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        for name in ("uid_map", "gid_map"):
            (tmp_path.__class__(f"/proc/{holder.pid}") / name).write_text(f"0 {BASE} 65536\n")
        with ExitStack() as stack:
            fd = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            shifted.inherited = {8: fd}
            bind = Mount(
                destination="/data",
                type="bind",
                source=str(data),
                options=["rbind", "rprivate"],
                uid_mappings=MAP,
                gid_mappings=MAP,
            )
            spec = _remapped(shifted.spec("sh", "-c", "stat -c %u /data/file; touch /data/new", mounts=[bind]))
            result = shifted.run(spec, descriptors=Descriptors(idmaps={"/data": 8}))
            with pytest.raises(Unsupported, match="cannot map ids"):
                shifted.run(spec)
    finally:
        holder.communicate("\n")
    assert result.output == "0\n", result.start + result.errors
    assert (data / "new").stat().st_uid == 0


def test_maps_are_needed(shifted: Bench) -> None:
    spec = _remapped(shifted.spec("true"))
    spec = msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, uid_mappings=[]))
    with pytest.raises(InvalidArgument, match="uidMappings"):
        shifted.run(spec)
