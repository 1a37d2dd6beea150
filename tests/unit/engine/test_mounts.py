"""Mounts of a request: Docker's readings of --volume, --mount, --tmpfs and --volumes-from, and its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from estiba.engine.config import ContainerConfig, HostConfig, MountRequest
from estiba.engine.request.mounts import clean, from_request, parse_bind, resolve_mounts
from estiba.engine.spec import tmpfs as tmpfs_options
from estiba.engine.state import Container, Created, MountPoint
from estiba.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from pathlib import Path


def bind(source: str, destination: str, mode: str = "", **more: Any) -> MountPoint:
    fields: dict[str, Any] = {"propagation": "rprivate", "create_source": True} | more
    return MountPoint(type="bind", source=source, destination=destination, mode=mode, **fields)


def volume(name: str, destination: str, mode: str = "z", **more: Any) -> MountPoint:
    return MountPoint(
        type="volume", name=name, destination=destination, mode=mode, driver="local", anonymous=not name, **more
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/tmp:/b", bind("/tmp", "/b")),
        ("/tmp/:/b/", bind("/tmp", "/b")),
        ("/tmp/./x/:/b//c", bind("/tmp/x", "/b/c")),
        ("//tmp://b", bind("/tmp", "/b")),
        ("/tmp:/b:", bind("/tmp", "/b")),
        ("/tmp:/b:ro", bind("/tmp", "/b", "ro", rw=False)),
        ("/tmp:/b:ro,z", bind("/tmp", "/b", "ro,z", rw=False)),
        ("/tmp:/b:cached", bind("/tmp", "/b", "cached")),
        ("/tmp:/b:rw,rslave", bind("/tmp", "/b", "rw,rslave", propagation="rslave")),
        ("/tmp:/b:private", bind("/tmp", "/b", "private", propagation="private")),
        ("data:/b", volume("data", "/b")),
        ("data:/b:nocopy", volume("data", "/b", "nocopy", no_copy=True)),
        ("data:/b:ro,z", volume("data", "/b", "ro,z", rw=False)),
        ("/a", volume("", "/a")),
    ],
)
def test_volume_strings(text: str, expected: MountPoint) -> None:
    assert parse_bind(text) == expected


BIND = 'invalid mount config for type "bind": '
VOLUME = 'invalid mount config for type "volume": '


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ""),
        (":/b", ""),
        ("::", ""),
        ("/a:", ""),
        ("data:ro", ""),
        ("/a:ro", ""),
        ("/a:/b:ro:x", ""),
        ("/a:b", f"{BIND}invalid mount path: 'b' mount path must be absolute"),
        ("data:b", f"{VOLUME}invalid mount path: 'b' mount path must be absolute"),
        ("/tmp:/", f"{BIND}invalid specification: destination can't be '/'"),
        ("/tmp:/b/../", f"{BIND}invalid specification: destination can't be '/'"),
        ("/tmp:/b:nocopy", f"{BIND}field VolumeOptions must not be specified"),
        ("data:/b:shared", f"{VOLUME}field BindOptions must not be specified"),
        ("data::ro", f"{VOLUME}field Target must not be empty"),
        ("b", f"{VOLUME}invalid mount path: 'b' mount path must be absolute"),
    ],
)
def test_volume_strings_that_cannot_be(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_bind(text)
    assert caught.value.message == f"invalid volume specification: '{text}'" + (f": {problem}" if problem else "")


@pytest.mark.parametrize("mode", ["zz", "ro,rw", "z,Z", "shared,slave", "RO", "ro,", "ro,ro", "copy"])
def test_modes_that_cannot_be(mode: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_bind(f"/tmp:/b:{mode}")
    assert caught.value.message == f"invalid mode: {mode}"


def request(**fields: Any) -> MountRequest:
    return msgspec.convert(fields, MountRequest)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Type": "bind", "Source": "/", "Target": "/b/"}, bind("/", "/b", create_source=False)),
        (
            {"Type": "bind", "Source": "/nosuch", "Target": "/b", "BindOptions": {"CreateMountpoint": True}},
            bind("/nosuch", "/b"),
        ),
        (
            {"Type": "bind", "Source": "/", "Target": "/b", "ReadOnly": True, "BindOptions": {"NonRecursive": True}},
            bind("/", "/b", rw=False, options=("non-recursive",), create_source=False),
        ),
        (
            {
                "Type": "bind",
                "Source": "/",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {"ReadOnlyNonRecursive": True, "Propagation": "rslave"},
            },
            bind("/", "/b", rw=False, options=("read-only-non-recursive",), propagation="rslave", create_source=False),
        ),
        (
            {
                "Type": "bind",
                "Source": "/",
                "Target": "/b",
                "ReadOnly": True,
                "BindOptions": {"ReadOnlyForceRecursive": True},
            },
            bind("/", "/b", rw=False, create_source=False),
        ),
        ({"Type": "volume", "Target": "/b"}, volume("", "/b")),
        (
            {"Type": "volume", "Source": "data", "Target": "/b", "VolumeOptions": {"NoCopy": True, "Subpath": "a/b"}},
            volume("data", "/b", no_copy=True, subpath="a/b"),
        ),
        ({"Type": "tmpfs", "Target": "/b"}, MountPoint(type="tmpfs", destination="/b")),
        (
            {
                "Type": "tmpfs",
                "Target": "/b",
                "ReadOnly": True,
                "TmpfsOptions": {"SizeBytes": 5 << 20, "Mode": 0o1770, "Options": [["exec"]]},
            },
            MountPoint(type="tmpfs", destination="/b", rw=False, options=("ro", "mode=1770", "size=5m", "exec")),
        ),
        (
            {"Type": "image", "Source": "x:1", "Target": "/b", "ImageOptions": {"Subpath": "s"}},
            MountPoint(type="image", name="x:1", source="x:1", destination="/b", rw=False, subpath="s"),
        ),
    ],
)
def test_mount_requests(fields: dict[str, Any], expected: MountPoint) -> None:
    assert from_request(request(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"Type": "bind", "Source": "/tmp"}, "field Target must not be empty"),
        ({"Type": "bind", "Source": "/tmp", "Target": "b"}, "invalid mount path: 'b' mount path must be absolute"),
        ({"Type": "bind", "Source": "/tmp", "Target": "/"}, "invalid specification: destination can't be '/'"),
        ({"Type": "bind", "Target": "/b"}, "field Source must not be empty"),
        ({"Type": "bind", "Source": "tmp", "Target": "/b"}, "invalid mount path: 'tmp' mount path must be absolute"),
        ({"Type": "bind", "Source": "/no/such", "Target": "/b"}, "bind source path does not exist: /no/such"),
        (
            {"Type": "bind", "Source": "/", "Target": "/b", "BindOptions": {"Propagation": "x"}},
            "invalid propagation mode: x",
        ),
        (
            {"Type": "bind", "Source": "/", "Target": "/b", "ImageOptions": {}},
            "field ImageOptions must not be specified",
        ),
        ({"Type": "nosuch", "Target": "/b"}, "mount type unknown"),
        ({"Type": "npipe", "Source": "x", "Target": "/b"}, "mount type unknown"),
        ({"Type": "", "Target": "/b"}, "mount type unknown"),
        (
            {"Type": "volume", "Target": "/b", "ReadOnly": True},
            "must not set ReadOnly mode when using anonymous volumes",
        ),
        (
            {"Type": "volume", "Target": "/b", "VolumeOptions": {"Subpath": "x"}},
            "must not set Subpath when using anonymous volumes",
        ),
        (
            {"Type": "volume", "Source": "data", "Target": "/b", "VolumeOptions": {"Subpath": "../x"}},
            "subpath must be a relative path within the volume",
        ),
        (
            {"Type": "volume", "Source": "data", "Target": "/b", "VolumeOptions": {"Subpath": "/x"}},
            "subpath must be a relative path within the volume",
        ),
        ({"Type": "tmpfs", "Source": "/a", "Target": "/b"}, "field Source must not be specified"),
        ({"Type": "tmpfs", "Target": "/b", "TmpfsOptions": {"Options": [["foo"]]}}, "invalid option: foo"),
        ({"Type": "tmpfs", "Target": "/b", "TmpfsOptions": {"Options": [["size", "5"]]}}, "invalid option: size"),
        ({"Type": "tmpfs", "Target": "/b", "TmpfsOptions": {"Options": [[]]}}, "invalid option array length"),
        ({"Type": "image", "Target": "/b"}, "field Source must not be empty"),
    ],
)
def test_mount_requests_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_request(request(**fields))
    assert caught.value.message == f'invalid mount config for type "{fields["Type"]}": {problem}'


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("bind", "VolumeOptions"),
        ("bind", "TmpfsOptions"),
        ("volume", "BindOptions"),
        ("volume", "TmpfsOptions"),
        ("tmpfs", "BindOptions"),
        ("tmpfs", "VolumeOptions"),
    ],
)
def test_options_of_another_type(kind: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_request(request(Type=kind, Source="/", Target="/b", **{field: {}}))
    assert caught.value.message == f'{field} must not be specified on mount type "{kind}"'


@pytest.mark.parametrize(
    ("read_only", "options", "conflict"),
    [
        (False, {"ReadOnlyNonRecursive": True}, "!ReadOnly && BindOptions.ReadOnlyNonRecursive"),
        (False, {"ReadOnlyForceRecursive": True}, "!ReadOnly && BindOptions.ReadOnlyForceRecursive"),
        (
            True,
            {"ReadOnlyForceRecursive": True, "ReadOnlyNonRecursive": True},
            "ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive",
        ),
    ],
)
def test_conflicts_of_read_only(read_only: bool, options: dict[str, bool], conflict: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_request(request(Type="bind", Source="/", Target="/b", ReadOnly=read_only, BindOptions=options))
    assert caught.value.message == f"mount options conflict: {conflict}"


def test_options_of_a_volume_s_driver_are_refused() -> None:
    options = {"DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}}
    with pytest.raises(InvalidArgument, match="not supported"):
        from_request(request(Type="volume", Source="data", Target="/b", VolumeOptions=options))
    other = from_request(
        request(Type="volume", Source="data", Target="/b", VolumeOptions={"DriverConfig": {"Name": "nosuch"}})
    )
    assert other.driver == "nosuch"  # the volumes say that there is none


def test_a_dangling_link_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nosuch")
    with pytest.raises(InvalidArgument, match="bind source path does not exist"):
        from_request(request(Type="bind", Source=str(tmp_path / "link"), Target="/b"))


# together


def none(reference: str) -> Container:
    raise NotFound(f"No such container: {reference}")


def resolved(config: dict[str, Any], host: dict[str, Any], get: Any = none) -> list[MountPoint]:
    return resolve_mounts(msgspec.convert(config, ContainerConfig), msgspec.convert(host, HostConfig), get)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ({"Binds": ["/tmp:/b", "/var:/b/"]}, "/b"),
        ({"Binds": ["/tmp:/b"], "Mounts": [{"Type": "tmpfs", "Target": "/b"}]}, "/b"),
        ({"Mounts": [{"Type": "tmpfs", "Target": "/b"}, {"Type": "tmpfs", "Target": "/b/"}]}, "/b/"),
        ({"Binds": ["/tmp:/b"], "Tmpfs": {"/b": ""}}, "/b"),
        ({"Mounts": [{"Type": "tmpfs", "Target": "/b"}], "Tmpfs": {"/b/": ""}}, "/b"),
    ],
)
def test_each_target_once(host: dict[str, Any], shown: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolved({}, host)
    assert caught.value.message == f"Duplicate mount point: {shown}"


def test_volumes_of_the_image_give_way() -> None:
    found = resolved(
        {"Volumes": {"/a/": {}, "/b": {}, "c": {}, "/d:/e": {}, "/t": {}}}, {"Binds": ["/tmp:/b"], "Tmpfs": {"/t": ""}}
    )
    assert {mount.destination: (mount.type, mount.anonymous, mount.mode) for mount in found} == {
        "/a": ("volume", True, ""),
        "/b": ("bind", False, ""),
        "/c": ("volume", True, ""),
        "/d:/e": ("volume", True, ""),
    }
    with pytest.raises(InvalidArgument, match="destination can't be '/'"):
        resolved({"Volumes": {"/": {}}}, {})


def test_the_volume_driver_is_asked_for() -> None:
    assert [mount.driver for mount in resolved({}, {"Binds": ["data:/b"], "VolumeDriver": "nosuch"})] == ["nosuch"]


DONOR = Container(
    id="1" * 64,
    name="donor",
    created=1,
    path="x",
    args=[],
    image="sha256:0",
    config=ContainerConfig(),
    host=HostConfig(),
    state=Created(),
    mounts=(
        bind("/tmp", "/a", "ro", rw=False),
        volume("v", "/b"),
        MountPoint(type="tmpfs", destination="/t"),
        MountPoint(type="volume", name="anon", source="/v", destination="/anon", driver="local", anonymous=True),
        bind("/tmp", "/nr", rw=False, options=("non-recursive",)),
    ),
)


@pytest.mark.parametrize(("mode", "writable"), [("", True), (":z", True), (":rw", True), (":ro", False)])
def test_volumes_from_a_container(mode: str, writable: bool) -> None:
    asked: list[str] = []

    def get(reference: str) -> Container:
        asked.append(reference)
        return DONOR

    found = {m.destination: m for m in resolved({}, {"VolumesFrom": [f"donor{mode}"], "Binds": ["/var:/b"]}, get)}
    assert asked == ["donor"]
    assert sorted(found) == ["/a", "/anon", "/b", "/nr"]
    assert (found["/a"].mode, found["/a"].rw, found["/a"].create_source) == ("", False, False)
    assert found["/b"].source == "/var"
    assert (found["/anon"].name, found["/anon"].rw, found["/anon"].anonymous) == ("anon", writable, True)
    assert all(mount.no_copy for name, mount in found.items() if name != "/b")
    assert found["/nr"].options == ("non-recursive",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("", "volumes-from specification cannot be an empty string"),
        ("donor:zz", "invalid mode: zz"),
        ("donor:nocopy", "invalid mode: nocopy"),
        ("donor:shared", "invalid mode: shared"),
    ],
)
def test_volumes_from_that_cannot_be(entry: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolved({}, {"VolumesFrom": [entry]}, lambda _: DONOR)
    assert caught.value.message == message
    with pytest.raises(InvalidArgument, match="No such container: nosuch"):
        resolved({}, {"VolumesFrom": ["nosuch:ro"]})


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a", "/a"), ("//a", "/a"), ("/a/", "/a"), ("/a/../..", "/"), ("a/./b", "/a/b"), ("", "/"), ("/..", "/")],
)
def test_clean_paths(path: str, expected: str) -> None:
    assert clean(path) == expected


# options of tmpfs


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "noexec nosuid nodev rprivate"),
        (
            "exec,size=5m,mode=700,uid=3,rw,defaults,nr_inodes=5",
            "nosuid nodev rprivate exec size=5m mode=700 uid=3 rw nr_inodes=5",
        ),
        ("ro,size=5m,size=6m", "noexec nosuid nodev rprivate ro size=6m"),
        ("rw,ro,shared,suid,dev", "noexec ro shared suid dev"),
    ],
)
def test_tmpfs_options(words: str, expected: str) -> None:
    assert " ".join(tmpfs_options.merged(words.split(","))) == expected


@pytest.mark.parametrize("word", ["nosuch", "nosuch=1", "bind", "remount", "source=/x"])
def test_tmpfs_options_that_cannot_be(word: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        tmpfs_options.merged([word])
    assert caught.value.message == f'invalid tmpfs option "{word.partition("=")[0]}"'
