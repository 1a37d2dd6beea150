"""Names of images, lists, removal and prune, as Docker does them. Needs root (layers are unpacked)."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from tests.kernel.imagestore import (
    BASE,
    UPPER,
    Place,
    config_of,
    digest,
    docker_archive,
    free,
    lines,
    load,
)

from estiba.errors import Conflict, InvalidArgument, NotFound
from estiba.images.image import ContainerUse
from estiba.images.making import Recipe
from estiba.oci.image import Defaults

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def place(tmp_path: Path):
    place = Place(tmp_path / "a")
    yield place
    assert place.leftovers() == []
    place.close()


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
    assert pruned.reclaimed == 3
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
