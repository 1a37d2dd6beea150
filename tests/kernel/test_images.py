"""The image store on a real file system: load, save, import, commit, names, removal. Needs root (owners, devices)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from estiba.errors import Cancelled, Conflict, InvalidArgument, NotFound, Unsupported
from estiba.images.image import ContainerUse
from estiba.images.making import Recipe
from estiba.images.store import ImageStore
from estiba.oci.image import Defaults
from estiba.snapshots.layers import Layers
from estiba.store.database import Database

if TYPE_CHECKING:
    from estiba.images.progress import Progress

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

Files = dict[str, bytes | str | None]


def tar_of(files: Files) -> bytes:
    """A tar: bytes are files, None is a directory, text a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config_of(*layers: bytes, **more: Any) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            "history": [{"created": "2026-01-02T03:04:05Z", "created_by": f"step {i}"} for i in range(len(layers))],
            **more,
        }
    ).encode()


def docker_archive(config: bytes, layers: list[bytes], tags: list[str] | None) -> Files:
    """As Docker 1.10 to 24 wrote it."""
    files: Files = {}
    paths = []
    for number, layer in enumerate(layers):
        files[f"{number}/VERSION"] = b"1.0"
        files[f"{number}/layer.tar"] = layer
        paths.append(f"{number}/layer.tar")
    name = hashlib.sha256(config).hexdigest() + ".json"
    files[name] = config
    files["manifest.json"] = json.dumps([{"Config": name, "RepoTags": tags, "Layers": paths}]).encode()
    return files


def oci_archive(config: bytes, layers: list[tuple[str, bytes]], names: list[str]) -> Files:
    blobs = {digest(config): config} | {digest(data): data for _, data in layers}
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config),
                "size": len(config),
            },
            "layers": [{"mediaType": kind, "digest": digest(data), "size": len(data)} for kind, data in layers],
        }
    ).encode()
    blobs[digest(manifest)] = manifest
    described = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(manifest),
            "size": len(manifest),
            "annotations": {"org.opencontainers.image.ref.name": name},
        }
        for name in names
    ]
    files: Files = {"blobs/sha256/" + key.partition(":")[2]: data for key, data in blobs.items()}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": described}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    return files


BASE = tar_of({"etc": None, "etc/a": b"one", "bin": "usr/bin"})
UPPER = tar_of({"etc": None, "etc/b": b"two", "etc/.wh.a": b""})


class Place:
    """A store in a directory of its own, which can be opened again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self._stack = ExitStack()
        self.open()

    def open(self) -> None:
        self.database = self._stack.enter_context(Database(self.root / "estiba.db"))
        self.layers = self._stack.enter_context(Layers(self.root, self.database))
        self.store = ImageStore(self.root, self.database, self.layers)
        self.store.reconcile()

    def close(self) -> None:
        self._stack.close()

    def again(self) -> ImageStore:
        self.close()
        self.open()
        return self.store

    def blobs(self) -> set[str]:
        return set(os.listdir(self.root / "images/blobs/sha256"))

    def leftovers(self) -> list[str]:
        return list(os.listdir(self.root / "tmp")) + [
            n for n in os.listdir(self.root / "layers") if n.startswith(".new")
        ]


@pytest.fixture
def place(tmp_path: Path):
    place = Place(tmp_path / "a")
    yield place
    assert place.leftovers() == []
    place.close()


@pytest.fixture
def elsewhere(tmp_path: Path):
    place = Place(tmp_path / "b")
    yield place
    place.close()


def load(store: ImageStore, data: bytes | Files) -> list[str]:
    """Load and return what is printed."""
    lines: list[str] = []

    def report(progress: Progress) -> None:
        lines.extend([progress.stream.rstrip()] if progress.stream else [])

    store.load(io.BytesIO(tar_of(data) if isinstance(data, dict) else data), report)
    return lines


def tree(place: Place, name: str) -> dict[str, Any]:
    """The merged root of an image."""
    found: dict[str, Any] = {}
    with place.layers.view(place.store.get(name).chain_ids) as root:
        for directory, below, files, fd in os.fwalk(".", dir_fd=root):
            for entry in [*below, *files]:
                path = os.path.normpath(os.path.join(directory, entry))
                s = os.stat(entry, dir_fd=fd, follow_symlinks=False)
                content: Any = None
                if os.path.stat.S_ISREG(s.st_mode):
                    with open(os.open(entry, os.O_RDONLY, dir_fd=fd), "rb") as f:
                        content = f.read()
                elif os.path.stat.S_ISLNK(s.st_mode):
                    content = os.readlink(entry, dir_fd=fd)
                found[path] = content
    return found


def free(identity: str) -> list[ContainerUse]:
    return []


# load


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_docker_archive(place: Place, compress: Any) -> None:
    config = config_of(BASE, UPPER)
    archive = compress(tar_of(docker_archive(config, [BASE, UPPER], ["x:1", "registry.example:5000/y:2"])))
    assert load(place.store, archive) == ["Loaded image: x:1", "Loaded image: registry.example:5000/y:2"]
    image = place.store.get("x:1")
    assert image.id == digest(config)
    assert image.references == ("x:1", "registry.example:5000/y:2")
    assert image.size == 6
    assert tree(place, "x:1") == {"etc": None, "etc/b": b"two", "bin": "usr/bin"}


def test_layers_may_be_compressed_and_stay_so(place: Place, elsewhere: Place) -> None:
    config = config_of(BASE, UPPER)
    layers = [
        ("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(BASE, mtime=0)),
        ("application/vnd.oci.image.layer.v1.tar", UPPER),
    ]
    files = oci_archive(config, layers, ["z.example/a:1", "1"])
    assert load(place.store, files) == ["Loaded image: z.example/a:1"]
    image = place.store.get("z.example/a:1")
    assert image.id == digest(config)
    assert [layer.digest for layer in image.layers] == [digest(data) for _, data in layers]
    out = io.BytesIO()
    place.store.save(["z.example/a:1"], out.write)
    assert load(elsewhere.store, out.getvalue()) == ["Loaded image: z.example/a:1"]
    there = elsewhere.store.get("z.example/a:1")
    assert (there.id, there.manifest, there.layers) == (image.id, image.manifest, image.layers)
    assert elsewhere.blobs() == place.blobs()
    assert tree(elsewhere, "z.example/a:1") == tree(place, "z.example/a:1")


def test_a_layer_that_needs_the_one_below(place: Place) -> None:
    """A hard link into the layer below, and a directory that the archive does not list."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("etc/link")
        info.type, info.linkname = tarfile.LNKTYPE, "etc/a"
        tar.addfile(info)
    upper = buffer.getvalue()
    config = config_of(BASE, upper)
    load(place.store, docker_archive(config, [BASE, upper], ["x:1"]))
    assert tree(place, "x:1")["etc/link"] == b"one"


def test_an_archive_of_docker_before_1_10(place: Place) -> None:
    one = json.dumps({"id": "1", "created": "2020-01-02T03:04:05Z", "container_config": {"Cmd": ["sh", "-c", "x"]}})
    two = json.dumps({"id": "2", "parent": "1", "author": "me", "config": {"Cmd": ["/b"]}, "os": "linux"})
    files: Files = {
        "2/json": two.encode(),
        "2/VERSION": b"1.0",
        "2/layer.tar": "../shared.tar",
        "shared.tar": UPPER,
        "1/json": one.encode(),
        "1/layer.tar": BASE,
        "repositories": b'{"old": {"1": "2", "0": "1"}}',
    }
    assert sorted(load(place.store, files)) == ["Loaded image: old:0", "Loaded image: old:1"]
    image = place.store.get("old:1")
    assert image.config.defaults.cmd == ["/b"]
    assert [(h.created_by, h.author) for h in image.config.history or []] == [("sh -c x", ""), ("", "me")]
    assert tree(place, "old:1") == {"etc": None, "etc/b": b"two", "bin": "usr/bin"}


def test_loading_again_changes_nothing(place: Place) -> None:
    archive = tar_of(docker_archive(config_of(BASE), [BASE], ["x:1"]))
    load(place.store, archive)
    before = (place.blobs(), [layer.number for layer in place.layers.list()])
    load(place.store, archive)
    assert (place.blobs(), [layer.number for layer in place.layers.list()]) == before


def test_a_name_moves(place: Place) -> None:
    first, second = config_of(BASE), config_of(UPPER)
    load(place.store, docker_archive(first, [BASE], ["x:1"]))
    assert load(place.store, docker_archive(second, [UPPER], ["x:1"])) == [
        f"The image x:1 already exists, renaming the old one with ID {digest(first)} to empty string",
        "Loaded image: x:1",
    ]
    assert place.store.get("x:1").id == digest(second)
    assert place.store.get(digest(first)).references == ()


def test_an_image_without_a_name(place: Place) -> None:
    config = config_of(BASE)
    assert load(place.store, docker_archive(config, [BASE], None)) == [f"Loaded image ID: {digest(config)}"]


def test_images_outlive_the_engine(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE, UPPER), [BASE, UPPER], ["x:1"]))
    before = place.store.get("x:1")
    assert place.again().get("x:1") == before
    assert tree(place, "x:1")["etc/b"] == b"two"


HOSTILE: dict[str, tuple[Files, str]] = {
    "path": ({"../x": b"1", "manifest.json": b"[]"}, 'entry "../x": its name leads out of the archive'),
    "link": ({"a": "../../etc/passwd", "manifest.json": b"[]"}, 'entry "a": a link leads out of the archive'),
    "absolute link": ({"a": "/etc/passwd"}, 'entry "a": an absolute link leads out'),
    "manifest path": ({"manifest.json": b'[{"Config": "../../etc/passwd"}]'}, "manifest.json leads out of it"),
    "missing layer": (
        {"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "c": config_of(BASE)},
        "l: no such file or directory",
    ),
    "count": (
        {"manifest.json": b'[{"Config": "c", "Layers": []}]', "c": config_of(BASE)},
        "invalid manifest, layers length mismatch: expected 0, got 1",
    ),
    "content": (
        {"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "c": config_of(BASE), "l": UPPER},
        f'invalid diffID for layer 0: expected "{digest(BASE)}", got "{digest(UPPER)}"',
    ),
    "no layer": (
        {"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "c": config_of(b"text"), "l": b"text"},
        "truncated",
    ),
    "bad name": (
        {"manifest.json": b'[{"Config": "c", "Layers": ["l"], "RepoTags": ["A:1"]}]', "c": config_of(BASE), "l": BASE},
        "invalid reference format: repository name (library/A) must be lowercase",
    ),
    "nothing": ({"a": b"1"}, "the archive holds no image"),
    "no json": ({"manifest.json": b"{"}, "cannot read manifest.json"),
    "loop": ({"a": "b", "b": "a", "manifest.json": b'[{"Config": "a"}]'}, "a: no such file"),
    "windows": (
        {"manifest.json": b'[{"Config": "c"}]', "c": config_of(os="windows")},
        "cannot load windows image on linux",
    ),
    "hostile layer": (
        {
            "manifest.json": b'[{"Config": "c", "Layers": ["l"]}]',
            "c": config_of(tar_of({"../../evil": b"x"})),
            "l": tar_of({"../../evil": b"x"}),
        },
        'entry "../../evil"',
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing(place: Place, case: str) -> None:
    files, message = HOSTILE[case]
    with pytest.raises(InvalidArgument) as caught:
        load(place.store, files)
    assert message in caught.value.message
    assert place.store.list(everything=True) == []
    assert place.blobs() == set()
    assert place.layers.list() == []


def test_a_blob_that_is_not_what_its_name_says(place: Place) -> None:
    config = config_of(BASE)
    files = oci_archive(config, [("application/vnd.oci.image.layer.v1.tar", BASE)], ["a/b:1"])
    files["blobs/sha256/" + digest(BASE).partition(":")[2]] = UPPER
    with pytest.raises(InvalidArgument, match=f"blob {digest(BASE)} has the content of {digest(UPPER)}"):
        load(place.store, files)
    assert place.blobs() == set()


@pytest.mark.parametrize("cut", [100, 600, 3000, 5000])
def test_truncated_archives(place: Place, cut: int) -> None:
    archive = tar_of(docker_archive(config_of(BASE), [BASE], ["x:1"]))
    with pytest.raises(InvalidArgument, match=r"EOF|no image"):
        load(place.store, archive[:cut])
    assert place.blobs() == set()


def test_cancelled_in_the_middle(place: Place) -> None:
    cancel = threading.Event()

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 8 << 20:
                cancel.set()
            return super().read(size)

    layer = tar_of({f"f{i}": os.urandom(1 << 20) for i in range(16)})
    archive = tar_of(docker_archive(config_of(layer), [layer], ["x:1"]))
    with pytest.raises(Cancelled):
        place.store.load(Stream(archive), cancel=cancel)
    assert place.blobs() == set()
    assert place.layers.list() == []


# save


def test_save_is_deterministic_and_has_all_names(place: Place, elsewhere: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1", "x:2", "y:1"]))
    load(place.store, docker_archive(config_of(BASE, UPPER), [BASE, UPPER], None))
    nameless = digest(config_of(BASE, UPPER))
    first, second = io.BytesIO(), io.BytesIO()
    place.store.save(["x", "y:1", nameless], first.write)
    place.store.save(["x", "y:1", nameless], second.write)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=io.BytesIO(first.getvalue())) as tar:
        described = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert [entry["RepoTags"] for entry in described] == [["x:1", "x:2", "y:1"], None]
        assert len([n for n in tar.getnames() if n == "blobs/sha256/" + digest(BASE)[7:]]) == 1
    assert load(elsewhere.store, first.getvalue()) == [
        "Loaded image: x:1",
        "Loaded image: x:2",
        "Loaded image: y:1",
        f"Loaded image ID: {nameless}",
    ]
    assert {i.id for i in elsewhere.store.list()} == {i.id for i in place.store.list()}


def test_save_of_what_is_not_there(place: Place) -> None:
    for name in ("nosuch", "nosuch:1", "f" * 64):
        with pytest.raises(NotFound, match="No such image"):
            place.store.save_check([name])
    with pytest.raises(NotFound) as caught:
        place.store.save_check(["nosuch"])
    assert caught.value.message == "No such image: nosuch"


def test_the_stores_own_index(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    index = json.loads((place.root / "images/index.json").read_bytes())
    assert [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]] == [
        "docker.io/library/x:1"
    ]
    assert json.loads((place.root / "images/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


# import and commit


@pytest.mark.parametrize("compression", ["w", "w:gz", "w:bz2", "w:xz"])
def test_import(place: Place, elsewhere: Place, compression: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=compression) as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("etc/a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"one"))
    image = place.store.import_archive(
        io.BytesIO(buffer.getvalue()),
        reference="i:1",
        changes=['CMD ["/x"]', "ENV A=b"],
        platform="linux/arm64/v8",
    )
    assert place.store.get("i:1") == image
    assert image.config.defaults == Defaults(cmd=["/x"], env=["A=b"])
    assert (image.config.os, image.config.architecture, image.config.variant) == ("linux", "arm64", "v8")
    assert image.comment == "Imported from -"
    assert tree(place, "i:1") == {"etc": None, "etc/a": b"one"}
    out = io.BytesIO()
    place.store.save(["i:1"], out.write)
    load(elsewhere.store, out.getvalue())
    assert tree(elsewhere, "i:1") == tree(place, "i:1")


def test_import_refuses_before_it_reads(place: Place) -> None:
    stream = io.BytesIO(BASE)
    for arguments in ({"reference": "A:1"}, {"changes": ["FOO x"]}, {"platform": "windows/amd64"}):
        with pytest.raises(InvalidArgument):
            place.store.import_archive(stream, **arguments)  # type: ignore[arg-type]
    assert stream.tell() == 0


def test_commit_and_its_history(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    parent = place.store.get("x:1")
    recipe = Recipe(
        Defaults(cmd=["/c"]), parent=parent, author="me", comment="why", created_by="sh -c y", container="c" * 64
    )
    child = place.store.commit(io.BytesIO(UPPER), recipe, reference="y:1")
    assert child.parent == parent.id
    assert list(child.config.diff_ids) == [digest(BASE), digest(UPPER)]
    assert tree(place, "y:1") == {"etc": None, "etc/b": b"two", "bin": "usr/bin"}
    newest, oldest = place.store.history("y:1")
    assert (newest.id, newest.created_by, newest.comment, newest.size, newest.tags) == (
        child.id, "sh -c y", "why", 3, ("y:1",)
    )  # fmt: skip
    assert (oldest.id, oldest.created_by, oldest.tags) == (parent.id, "step 0", ("x:1",))
    assert place.again().get("y:1") == child


def test_a_commit_without_changes_makes_no_layer(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    child = place.store.commit(io.BytesIO(b"\0" * 1024), Recipe(Defaults(), parent=place.store.get("x:1")))
    assert child.config.diff_ids == [digest(BASE)]
    assert (child.config.history or [])[-1].empty_layer
    assert place.store.history(child.id)[0].size == 0


# names, removal, prune


def test_look_up(place: Place) -> None:
    config = config_of(BASE)
    load(place.store, docker_archive(config, [BASE], ["x:latest"]))
    identity = digest(config)
    for name in ("x", "x:latest", "docker.io/library/x", identity, identity[7:], identity[:20], identity[7:10]):
        assert place.store.get(name).id == identity
    with pytest.raises(NotFound) as caught:
        place.store.get("nosuch")
    assert caught.value.message == "No such image: nosuch:latest"
    with pytest.raises(InvalidArgument):
        place.store.get("Upper")


def test_tags(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    assert place.store.tag("x:1", "a.example/y", "2")[1] == "a.example/y:2"
    assert place.store.tag("x:1", "z")[1] == "z:latest"
    assert place.store.get("x:1").references == ("a.example/y:2", "x:1", "z:latest")
    for repository, tag, message in (
        ("x", "a b", "invalid tag format"),
        ("X", "b", "must be lowercase"),
        ("sha256", "b", "refusing to create an ambiguous tag"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            place.store.tag("x:1", repository, tag)
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        place.store.tag("nosuch", "a", "b")


def lines(removals: Any) -> list[str]:
    return [f"Untagged: {r.untagged}" if r.untagged else f"Deleted: {r.deleted}" for r in removals]


def test_removal_by_name_and_by_id(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE, UPPER), [BASE, UPPER], ["x:1", "x:2"]))
    identity = place.store.get("x:1").id
    chain = place.store.get("x:1").chain_ids
    with pytest.raises(Conflict) as caught:
        place.store.remove(identity, in_use=free)
    assert caught.value.message == (
        f"conflict: unable to delete {identity[7:19]} (must be forced) - image is referenced in multiple repositories"
    )
    assert lines(place.store.remove("x:1", in_use=free)) == ["Untagged: x:1"]
    assert lines(place.store.remove(identity[7:20], in_use=free)) == [
        "Untagged: x:2",
        f"Deleted: {identity}",
        f"Deleted: {chain[1]}",
        f"Deleted: {chain[0]}",
    ]
    assert place.blobs() == set()
    assert place.layers.list() == []
    with pytest.raises(NotFound, match="No such image: x:1"):
        place.store.remove("x:1", in_use=free)


def test_removal_of_what_containers_use(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    identity = place.store.get("x:1").id
    short = identity[7:19]

    def running(_: str) -> list[ContainerUse]:
        return [ContainerUse("c" * 64, True)]

    def stopped(_: str) -> list[ContainerUse]:
        return [ContainerUse("c" * 64, False)]

    for users in (running, stopped):
        with pytest.raises(Conflict) as caught:
            place.store.remove("x:1", in_use=users)
        assert caught.value.message == (
            'conflict: unable to remove repository reference "x:1" (must force) - '
            f"container {'c' * 12} is using its referenced image {short}"
        )
    with pytest.raises(Conflict, match=rf"\(cannot be forced\) - image is being used by running container {'c' * 12}"):
        place.store.remove(identity, force=True, in_use=running)
    with pytest.raises(Conflict, match=rf"\(must be forced\) - image is being used by stopped container {'c' * 12}"):
        place.store.remove(identity, in_use=stopped)
    assert lines(place.store.remove("x:1", force=True, in_use=running)) == ["Untagged: x:1"]
    assert place.store.get(identity).references == ()
    assert lines(place.store.remove(identity, force=True, in_use=stopped))[0] == f"Deleted: {identity}"


def test_removal_goes_on_to_nameless_parents(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    parent = place.store.get("x:1")
    child = place.store.commit(io.BytesIO(UPPER), Recipe(Defaults(), parent=parent), reference="y:1")
    assert lines(place.store.remove("x:1", in_use=free)) == ["Untagged: x:1"]
    assert [i.id for i in place.store.list()] == [child.id]
    assert {i.id for i in place.store.list(everything=True)} == {child.id, parent.id}
    with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
        place.store.remove(parent.id, force=True, in_use=free)
    gone = lines(place.store.remove("y:1", in_use=free))
    assert gone == [
        "Untagged: y:1",
        f"Deleted: {child.id}",
        f"Deleted: {child.chain_ids[1]}",
        f"Deleted: {parent.id}",
        f"Deleted: {child.chain_ids[0]}",
    ]


def test_noprune_keeps_the_parents(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], None))
    parent = place.store.list()[0]
    place.store.commit(io.BytesIO(UPPER), Recipe(Defaults(), parent=parent), reference="y:1")
    place.store.remove("y:1", prune=False, in_use=free)
    assert [i.id for i in place.store.list()] == [parent.id]


def test_list_filters(place: Place) -> None:
    old = config_of(BASE, created="2020-01-01T00:00:00Z", config={"Labels": {"k": "v"}})
    new = config_of(UPPER, created="2021-01-01T00:00:00.5Z")
    load(place.store, docker_archive(old, [BASE], ["x:1", "a/b:2"]))
    load(place.store, docker_archive(new, [UPPER], None))

    def listed(**filters: str) -> list[str]:
        found = place.store.list(filters={k: [v] for k, v in filters.items()})
        return [",".join(i.references) or "<none>" for i in found]

    assert listed() == ["<none>", "a/b:2,x:1"]
    assert listed(dangling="true") == ["<none>"]
    assert listed(dangling="false") == ["a/b:2,x:1"]
    assert listed(label="k") == listed(label="k=v") == ["a/b:2,x:1"]
    assert listed(label="k=w") == []
    assert listed(reference="x") == listed(reference="x:*") == ["x:1"]
    assert listed(reference="*/*") == ["a/b:2"]
    assert listed(reference="docker.io/library/x") == []
    assert listed(before=digest(new)) == ["a/b:2,x:1"]
    assert listed(since="x:1") == ["<none>"]
    assert listed(until="2020-06-01T00:00:00Z") == ["a/b:2,x:1"]
    for filters, error in (
        ({"nosuch": "x"}, "invalid filter 'nosuch'"),
        ({"dangling": "x"}, r"invalid filter 'dangling=\[x\]'"),
        ({"reference": "["}, "syntax error in pattern"),
    ):
        with pytest.raises(InvalidArgument, match=error):
            listed(**filters)
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        listed(before="nosuch")


def test_prune(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    load(place.store, docker_archive(config_of(UPPER), [UPPER], None))
    dangling = digest(config_of(UPPER))
    pruned = place.store.prune(in_use=free)
    assert lines(pruned.removals)[0] == f"Deleted: {dangling}"
    assert pruned.reclaimed > len(UPPER)
    assert place.store.prune({"dangling": ["false"]}, in_use=lambda _: [ContainerUse("c", False)]).removals == ()
    assert place.store.prune({"dangling": ["false"], "label": ["k"]}, in_use=free).removals == ()
    assert lines(place.store.prune({"dangling": ["false"]}, in_use=free).removals)[0] == "Untagged: x:1"
    assert place.blobs() == set()


def test_shared_sizes(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    load(place.store, docker_archive(config_of(BASE, UPPER), [BASE, UPPER], ["y:1"]))
    sizes = place.store.shared_sizes(place.store.list())
    assert sizes == {place.store.get("x:1").id: 3, place.store.get("y:1").id: 3}
    assert place.store.layers_size() == 6


# what crashes leave


def test_reconcile_removes_leftovers(place: Place) -> None:
    load(place.store, docker_archive(config_of(BASE), [BASE], ["x:1"]))
    (place.root / "tmp/blob-0123").write_bytes(b"half")
    (place.root / "images/blobs/sha256" / ("a" * 64)).write_bytes(b"nobody's")
    (place.root / "layers/.new-99/diff").mkdir(parents=True)
    (place.root / "images/index.json").write_bytes(b"")
    before = place.blobs() - {"a" * 64}
    place.again()
    assert place.blobs() == before
    assert json.loads((place.root / "images/index.json").read_bytes())["manifests"]


# embedded


def test_hello_is_made_at_the_first_need(place: Place) -> None:
    pytest.importorskip("estiba.images.embedded")
    from importlib import resources

    if not (resources.files("estiba") / "bin/hello").is_file():
        pytest.skip("native programs are not built")
    assert place.store.find("hello") is None
    image = place.store.get("hello")
    assert image.references == ("hello:latest",)
    assert image.config.defaults.cmd == ["/hello"]
    assert list(tree(place, "hello")) == ["hello"]
    assert place.again().get("hello:latest") == image


def test_the_host_image(place: Place) -> None:
    image = place.store.get("host")
    layer = place.layers.get(image.chain_ids[0])
    assert ("/usr", "/usr") in layer.overlays
    found = tree(place, "host")
    assert found["etc/passwd"] == Path("/etc/passwd").read_bytes()
    assert found["bin"] == os.readlink("/bin")
    for secret in ("etc/shadow", "etc/gshadow", "etc/shadow-", "etc/ssl/private", "etc/machine-id", "root/.bashrc"):
        assert secret not in found
    assert not any(path.startswith(("var/lib/", "home/", "root/", "srv/")) for path in found)
    with pytest.raises(Unsupported, match="cannot save host:latest: the host image is this machine's own files"):
        place.store.save_check(["host"])
    assert place.again().get("host") == image
    assert lines(place.store.remove("host", in_use=free))[0] == "Untagged: host:latest"
    assert place.layers.list() == []
