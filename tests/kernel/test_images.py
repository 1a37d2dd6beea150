"""The image store on a real file system: load, save, import, commit, embedded images. Needs root (owners, devices)."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.kernel.imagestore import (
    BASE,
    UPPER,
    Files,
    Place,
    config_of,
    digest,
    docker_archive,
    free,
    lines,
    load,
    oci_archive,
    tar_of,
    tree,
)

from estiba.errors import Cancelled, Conflict, InvalidArgument, NotFound, Unsupported
from estiba.images.making import Recipe
from estiba.oci.image import Defaults

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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


# many at once


def test_many_at_once(place: Place) -> None:
    """Loaders, committers, savers and removers on the same images: each fails only because something was removed."""
    one = tar_of(docker_archive(config_of(BASE), [BASE], ["x:1"]))
    both = tar_of(docker_archive(config_of(BASE, UPPER), [BASE, UPPER], ["y:1"]))
    unexpected: list[BaseException] = []

    def repeat(work: Callable[[], object]) -> None:
        for _ in range(30):
            try:
                work()
            except (NotFound, Conflict):
                continue
            except BaseException as error:
                unexpected.append(error)
                return

    def commit() -> None:
        recipe = Recipe(Defaults(), parent=place.store.get("x:1"))
        place.store.commit(io.BytesIO(UPPER), recipe, reference="c:1")

    works: list[Callable[[], object]] = [
        lambda: place.store.load(io.BytesIO(one)),
        lambda: place.store.load(io.BytesIO(both)),
        lambda: place.store.load(io.BytesIO(both)),
        commit,
        lambda: place.store.save(["x:1", "y:1"], io.BytesIO().write),
        lambda: place.store.remove("x:1", in_use=free),
        lambda: place.store.remove("y:1", in_use=free),
        lambda: place.store.prune({"dangling": ["false"]}, in_use=free),
        lambda: place.store.list(everything=True),
    ]
    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []
    place.again()
    for image in place.store.list(everything=True):
        assert tree(place, image.id)["bin"] == "usr/bin"
        place.store.save([image.id], io.BytesIO().write)
    place.store.prune({"dangling": ["false"]}, in_use=free)
    assert place.store.list(everything=True) == []
    assert place.blobs() == set()
    assert place.layers.list() == []


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
