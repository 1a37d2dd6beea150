"""Mounts of a container: binds, new file systems, the root, device nodes, cgroups."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.bundles import DEFAULT_MOUNTS

from estiba.errors import InvalidArgument, Unsupported
from estiba.linux import host, mount
from estiba.oci.runtime_spec import Device, Mount
from estiba.runtime.cgroup import CgroupMount
from estiba.runtime.plan import Descriptors, Stdio, compile_plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench

    from estiba.oci.runtime_spec import Spec


def _bind(source: object, destination: str, *options: str) -> Mount:
    return Mount(destination=destination, type="bind", source=str(source), options=list(options))


def _line(output: str, target: str) -> list[str]:
    """The last line of mountinfo for this target."""
    return [line.split() for line in output.splitlines() if line.split()[4] == target][-1]


def _root_changed(spec: Spec, **changes: object) -> Spec:
    return msgspec.structs.replace(spec, root=msgspec.structs.replace(spec.root, **changes))


def _mountinfo(bench: Bench, *mounts: Mount, descriptors: Descriptors | None = None) -> str:
    result = bench.run(bench.spec("cat", "/proc/self/mountinfo", mounts=list(mounts)), descriptors=descriptors)
    assert result.start.startswith("started"), result.failure()
    return result.output


def test_file_binds_make_their_mount_points(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("1.2.3.4 here\n")
    mounts = [_bind(tmp_path / "hosts", f"/etc/{name}", "rbind", "rprivate") for name in ("hosts", "a/b/hostname")]
    result = bench.run(bench.spec("cat", "/etc/hosts", "/etc/a/b/hostname", mounts=mounts))
    assert result.output == "1.2.3.4 here\n" * 2
    made = (bench.root / "etc/a/b/hostname").stat()
    assert (made.st_mode, made.st_size, made.st_uid) == (0o100644, 0, 0)
    assert (bench.root / "etc/a").stat().st_mode == 0o40755


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (["rbind", "rprivate"], "rw,relatime"),
        (["rbind", "ro", "rprivate"], "ro,relatime"),
        (["bind", "nosuid", "nodev", "noexec"], "rw,nosuid,nodev,noexec,relatime"),
        (["rbind", "rro", "rprivate"], "ro,relatime"),
        (["bind", "noatime"], "rw,noatime"),
    ],
)
def test_bind_options(bench: Bench, tmp_path: Path, options: list[str], seen: str) -> None:
    (tmp_path / "data").mkdir()
    assert _line(_mountinfo(bench, _bind(tmp_path / "data", "/mnt", *options)), "/mnt")[5] == seen


def test_propagation(bench: Bench, tmp_path: Path) -> None:
    """Without a word a bind is a slave of the host's shared mount; with `shared` it stays its peer."""
    script = f'mount -t tmpfs t {tmp_path}/host && mount --make-shared {tmp_path}/host && exec "$@"'
    (tmp_path / "host").mkdir()
    bench.prefix = ("unshare", "-m", "sh", "-c", script, "sh")
    source = tmp_path / "host"
    words = {"/none": [], "/private": ["rprivate"], "/slave": ["rslave"], "/shared": ["rshared"]}
    output = _mountinfo(bench, *(_bind(source, target, "rbind", *options) for target, options in words.items()))
    tags = {
        target: [f.split(":")[0] for f in _line(output, target)[6:] if ":" in f and not f.startswith("/")][:1]
        for target in words
    }
    assert tags == {"/none": ["master"], "/private": [], "/slave": ["master"], "/shared": ["shared"]}


def test_recursive_and_single_read_only(bench: Bench, tmp_path: Path) -> None:
    script = f"mount -t tmpfs t {tmp_path}/host && mkdir {tmp_path}/host/sub && mount -t tmpfs u {tmp_path}/host/sub"
    (tmp_path / "host").mkdir()
    bench.prefix = ("unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh")
    source = tmp_path / "host"
    mounts = [
        _bind(source, "/single", "rbind", "ro", "rprivate"),
        _bind(source, "/deep", "rbind", "rro", "rprivate"),
        _bind(source, "/flat", "bind", "rro"),
    ]
    output = _mountinfo(bench, *mounts)
    flags = {
        target: _line(output, target)[5][:2] for target in ("/single", "/single/sub", "/deep", "/deep/sub", "/flat")
    }
    assert flags == {"/single": "ro", "/single/sub": "rw", "/deep": "ro", "/deep/sub": "ro", "/flat": "ro"}
    assert "/flat/sub" not in output


def test_target_through_links_of_the_image_stays_in_the_root(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (bench.root / "var").mkdir()
    (bench.root / "var/run").symlink_to("/run/deep")
    (bench.root / "abs").symlink_to("/tmp")
    (bench.root / "up").symlink_to("../../../../../tmp/new")
    output = _mountinfo(bench, *(_bind(tmp_path / "data", t, "bind") for t in ("/var/run/x", "/abs/y", "/up/z")))
    assert all(_line(output, target) for target in ("/run/deep/x", "/tmp/y", "/tmp/new/z"))
    assert (bench.root / "run/deep/x").is_dir()
    assert not os.path.exists("/run/deep")


def test_mount_table_has_the_specification_s_order(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    first, last = _bind(tmp_path / "d", "/mnt", "rbind"), _bind(tmp_path / "d", "/mnt3", "bind")
    mounts = [first, Mount(destination="/mnt2", type="tmpfs"), last]
    targets = [line.split()[4] for line in _mountinfo(bench, *mounts).splitlines()]
    wanted = ["/", *(mount.destination for mount in DEFAULT_MOUNTS), "/mnt", "/mnt2", "/mnt3"]
    assert targets[: len(wanted)] == wanted


def test_file_system_options_and_targets_in_order(bench: Bench) -> None:
    words = ["noexec", "nosuid", "nodev", "size=1m", "mode=1770"]
    output = _mountinfo(bench, Mount(destination="/scratch", type="tmpfs", source="tmpfs", options=words))
    line = _line(output, "/scratch")
    assert line[5] == "rw,nosuid,nodev,noexec,relatime"
    assert line[-1].removesuffix(",inode64") == "rw,size=1024k,mode=1770"  # which older kernels say of every tmpfs


def test_tmpfs_looks_like_the_directory_that_it_covers(bench: Bench) -> None:
    (bench.root / "home").mkdir(mode=0o700)
    os.chown(bench.root / "home", 5, 6)
    mounts = [Mount(destination=d, type="tmpfs", source="tmpfs") for d in ("/home", "/fresh")]
    result = bench.run(bench.spec("stat", "-c", "%a %u %g", "/home", "/fresh", mounts=mounts))
    assert result.output.splitlines() == ["700 5 6", "1777 0 0"]


def test_read_only_root(bench: Bench) -> None:
    spec = _root_changed(bench.spec("sh", "-c", "touch /x; touch /dev/shm/y; cat /proc/self/mountinfo"), readonly=True)
    result = bench.run(spec)
    assert "Read-only file system" in result.errors
    assert _line(result.output, "/")[5].startswith("ro")


def _layers(directory: Path, count: int) -> list[Path]:
    layers = []
    for number in range(count):
        layer = directory / str(number)
        layer.mkdir(parents=True)
        (layer / f"file{number}").write_text(str(number))
        layers.append(layer)
    return layers


def _overlay(bench: Bench, spec: Spec, layers: list[Path], base: Path) -> Spec:
    """The specification with an overlay root of these layers (highest first) over the busybox root."""
    for name in ("upper", "work", "empty"):
        (base / name).mkdir(parents=True)
    lowers = ":".join([*(str(layer).replace(":", "\\:") for layer in layers), str(bench.root)])
    options = [f"lowerdir={lowers}", f"upperdir={base}/upper", f"workdir={base}/work"]
    root = Mount(destination="/", type="overlay", source="overlay", options=options)
    return _root_changed(msgspec.structs.replace(spec, mounts=[root, *spec.mounts]), path=str(base / "empty"))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("count", "name"), [(3, "short"), (120, "many"), (4, "x" * 200 + "/" + "y" * 100), (2, "a:b,c")]
)
def test_overlay_root(bench: Bench, tmp_path: Path, count: int, name: str, old: bool) -> None:
    """old: as on a kernel before 6.8, all layers in one string."""
    bench.overlay_layers = bench.overlay_layers and not old
    layers = _layers(tmp_path / "layers" / name, count)
    script = "cat file*; echo new > written; cat /proc/self/mountinfo"
    spec = _overlay(bench, bench.spec("sh", "-c", script), layers, tmp_path / "o")
    result = bench.run(spec)
    assert result.start.startswith("started"), result.failure()
    content = "".join(sorted(map(str, range(count)), key=lambda text: f"file{text}"))
    assert result.output.startswith(content)
    assert _line(result.output, "/")[7:9] == ["overlay", "overlay"] or " - overlay overlay " in result.output
    assert (tmp_path / "o/upper/written").read_text() == "new\n"


@pytest.mark.parametrize("old", [False, True])
def test_further_overlays(bench: Bench, tmp_path: Path, old: bool) -> None:
    """The `host` image's /usr, and images as read-only mounts."""
    bench.overlay_layers = bench.overlay_layers and not old
    layers = _layers(tmp_path / "layers", 2)
    spec = _overlay(bench, bench.spec("sh", "-c", "cat /mnt/file*; echo > /mnt/x; ls /"), layers, tmp_path / "o")
    options = ["ro", f"lowerdir+={layers[1]}", f"lowerdir+={layers[0]}", "index=off"]
    view = Mount(destination="/mnt", type="overlay", source="overlay", options=options)
    result = bench.run(msgspec.structs.replace(spec, mounts=[*spec.mounts, view]))
    assert result.start.startswith("started"), result.failure()
    assert result.output.startswith("01bin\n")
    assert "file0" in result.output
    assert "Read-only file system" in result.errors


def test_overlay_layer_that_is_missing(bench: Bench, tmp_path: Path) -> None:
    spec = _overlay(bench, bench.spec("true"), [tmp_path / "nope"], tmp_path / "o")
    result = bench.run(spec)
    assert 'error mounting "overlay" to rootfs at "/": ' in result.failure()
    assert result.failure().endswith("no such file or directory") or "nope" in result.failure()


def test_devices(bench: Bench) -> None:
    spec = bench.spec("stat", "-c", "%n %F %t:%T %a %u:%g", "/dev/fuse", "/dev/deep/x", "/dev/null")
    devices = [
        Device(path="/dev/fuse", type="c", major=10, minor=229, file_mode=0o640, uid=3, gid=4),
        Device(path="/dev/deep/x", type="b", major=7, minor=300),
        Device(path="/dev/null", type="c", major=1, minor=3, file_mode=0o600),
    ]
    result = bench.run(msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, devices=devices)))
    assert result.output.splitlines() == [
        "/dev/fuse character special file a:e5 640 3:4",
        "/dev/deep/x block special file 7:12c 666 0:0",
        "/dev/null character special file 1:3 666 0:0",
    ]


def test_bind_of_the_host_s_dev_is_left_alone(bench: Bench) -> None:
    mounts = [mount for mount in DEFAULT_MOUNTS if not mount.destination.startswith("/dev")]
    spec = bench.spec("stat", "-c", "%t:%T", "/dev/null")
    spec = msgspec.structs.replace(spec, mounts=[*mounts, _bind("/dev", "/dev", "rbind", "rprivate")])
    before = set(os.listdir("/dev"))
    assert bench.run(spec).output == "1:3\n"
    assert set(os.listdir("/dev")) == before


def test_source_by_descriptor(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("by descriptor")
    with ExitStack() as stack:
        fd = os.open(tmp_path / "data", os.O_PATH)
        stack.callback(os.close, fd)
        bench.inherited = {8: fd}
        spec = bench.spec("cat", "/mnt/file", mounts=[_bind("ignored", "/mnt", "rbind")])
        result = bench.run(spec, descriptors=Descriptors(sources={"/mnt": 8}))
    assert result.output == "by descriptor", result.start


def test_detached_mount_of_the_engine(bench: Bench, tmp_path: Path) -> None:
    with ExitStack() as stack:
        context = mount.fsopen("tmpfs")
        stack.callback(os.close, context)
        mount.fsconfig_string(context, "size", "1m")
        mount.fsconfig_create(context)
        tree = mount.fsmount(context)
        stack.callback(os.close, tree)
        os.close(os.open("made", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, dir_fd=tree))
        bench.inherited = {8: tree}
        spec = bench.spec("ls", "/mnt", mounts=[_bind("ignored", "/mnt", "rbind", "ro")])
        result = bench.run(spec, descriptors=Descriptors(trees={"/mnt": 8}))
    assert result.output == "made\n", result.start


def test_part_of_a_volume_cannot_lead_out_of_it(bench: Bench, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "part").mkdir(parents=True)
    (volume / "part/file").write_text("part")
    (volume / "link").symlink_to("/part")
    (volume / "out").symlink_to("/etc")
    script = "cat /a/file /b/file; ls /c"
    mounts = [
        _bind(volume, "/a", "rbind", "x-estiba.subpath=part"),
        _bind(volume, "/b", "rbind", "x-estiba.subpath=link"),
    ]
    assert bench.run(bench.spec("sh", "-c", script, mounts=mounts)).output == "partpart"
    failed = bench.run(bench.spec("true", mounts=[_bind(volume, "/c", "rbind", "x-estiba.subpath=out")]))
    assert "no such file or directory" in failed.failure()


def test_cgroups_of_v1(bench: Bench, tmp_path: Path) -> None:
    if host.detect().cgroups.layout == "v2":
        pytest.skip("this machine has cgroup v2")
    places = [
        CgroupMount("/sys/fs/cgroup/memory", "memory", ()),
        CgroupMount("/sys/fs/cgroup/cpu", "cpu,x", ("cpu", "x")),
    ]
    words = ["ro", "nosuid", "noexec", "nodev"]
    spec = bench.spec("sh", "-c", "cat /proc/self/mountinfo; ls -l /sys/fs/cgroup; mkdir /sys/fs/cgroup/memory/refused")
    cgroup = Mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=words)
    spec = msgspec.structs.replace(spec, mounts=[*spec.mounts, cgroup])
    plan = compile_plan(spec, stdio=Stdio(), log=None, descriptors=Descriptors(), cgroups=places)
    result = bench.run_plan(plan)
    table = "\n".join(line for line in result.output.splitlines() if " - " in line)
    assert _line(table, "/sys/fs/cgroup")[5] == "rw,nosuid,nodev,noexec,relatime"
    assert _line(table, "/sys/fs/cgroup/memory")[5] == "ro,nosuid,nodev,noexec,relatime"
    assert "cpu -> cpu,x" in result.output
    assert "Read-only file system" in result.errors


def test_cgroup_v2_is_one_mount(bench: Bench) -> None:
    words = ["ro", "nosuid", "noexec", "nodev"]
    cgroup = Mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=words)
    line = _line(_mountinfo(bench, cgroup), "/sys/fs/cgroup")
    assert line[5] == "ro,nosuid,nodev,noexec,relatime"
    assert line[7:9] == ["cgroup2", "cgroup"]


@pytest.mark.parametrize("destination", ["relative", "/", "//", "/.."])
def test_targets_that_cannot_be_meant(bench: Bench, destination: str) -> None:
    with pytest.raises(InvalidArgument):
        bench.run(bench.spec("true", mounts=[_bind("/tmp", destination)]))


def test_options_that_are_not_supported(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="tmpcopyup"):
        bench.run(bench.spec("true", mounts=[Mount(destination="/x", type="tmpfs", options=["tmpcopyup"])]))


def test_a_failed_start_leaves_no_mount_in_the_host(bench: Bench, tmp_path: Path) -> None:
    before = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, check=True).stdout
    bench.run(bench.spec("/nope", mounts=[_bind(tmp_path, "/mnt")]))
    after = subprocess.run(["cat", "/proc/self/mountinfo"], capture_output=True, check=True).stdout
    assert len(after.splitlines()) <= len(before.splitlines()) + 2
    assert str(tmp_path) not in after.decode()
