"""Images, volumes, networks, events, statistics and the engine itself, compared with what Docker 28.5.2 answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.api.recorded import differences, recorded

from estiba.api import wire
from estiba.api.event_filter import wants
from estiba.api.progress import error_line, human_size, show_progress
from estiba.api.wire_images import show_history, show_image, show_image_entry, show_removals
from estiba.api.wire_objects import show_event, show_network, show_volume
from estiba.api.wire_statistics import show_statistics
from estiba.api.wire_system import show_version
from estiba.engine.events import Event
from estiba.engine.networks import Network
from estiba.images.image import HistoryEntry, Image, Removal
from estiba.images.progress import Progress
from estiba.oci.image import Defaults, ImageConfig, RootFS
from estiba.runtime.statistics import BlockUsage, CpuUsage, MemoryUsage, Statistics
from estiba.volumes.volume import Volume

NOW = 1_767_323_045_678_901_234

IMAGE = Image(
    id=f"sha256:{'2' * 64}",
    config=ImageConfig(
        architecture="amd64",
        os="linux",
        created="2026-01-02T03:04:05.678901234Z",
        comment="Imported from -",
        config=Defaults(cmd=["/bin/sh"]),
        rootfs=RootFS(diff_ids=[f"sha256:{'b' * 64}"]),
    ),
    references=("rec-bb:1",),
    digests=(),
    chain_ids=(),
    manifest="",
    layers=(),
    size=1_984_203,
    tagged_ns=NOW,
)


def shown(value: Any) -> Any:
    return json.loads(wire.encode(value))


def test_images() -> None:
    storage = {"MergedDir": "/m", "UpperDir": "/u", "WorkDir": "/w"}
    assert differences(shown(show_image(IMAGE, storage)), recorded("image-inspect")) == []
    assert shown([show_image_entry(IMAGE, containers=2)])[0] == recorded("image-list")[0] | {"Id": IMAGE.id}
    entry = HistoryEntry(
        id=IMAGE.id, created=IMAGE.created, created_by="", comment="Imported from -", size=1_984_203, tags=("rec-bb:1",)
    )
    assert shown(show_history([entry]))[0] == recorded("image-history")[0] | {"Id": IMAGE.id}


def test_removals() -> None:
    removals = [Removal(untagged="x:1"), Removal(deleted="sha256:1")]
    assert show_removals(removals) == [{"Untagged": "x:1"}, {"Deleted": "sha256:1"}]


def test_volumes() -> None:
    volume = Volume(
        id="1", name="rec-vol", mountpoint=Path("/v/_data"), created="2026-01-02T03:04:05Z", labels={"k": "v"}
    )
    ours = shown(show_volume(volume))
    assert differences(ours, recorded("volume-inspect")) == []
    assert ours["CreatedAt"] == "2026-01-02T03:04:05Z"


def test_networks() -> None:
    ours = shown(show_network(Network(id="3" * 64, name="host", driver="host", created=NOW)))
    assert differences(ours, recorded("network-inspect-host")) == []


def event(**fields: Any) -> Event:
    return Event(**({"type": "container", "action": "start", "id": "1" * 64, "time": NOW} | fields))


def test_events() -> None:
    theirs = recorded("events-run-rm")
    assert len(theirs) > 5
    for recorded_event in theirs:
        ours = event(
            type=recorded_event["Type"],
            action=recorded_event["Action"],
            id=recorded_event["Actor"]["ID"],
            attributes=recorded_event["Actor"]["Attributes"],
        )
        assert shown(show_event(ours)) == recorded_event
    for recorded_event in recorded("events")["prune all kinds"]:
        ours = event(
            type=recorded_event["Type"],
            action=recorded_event["Action"],
            id=recorded_event["Actor"]["ID"],
            attributes=recorded_event["Actor"]["Attributes"],
        )
        assert shown(show_event(ours)) == recorded_event


NAMED = event(attributes={"name": "web", "image": "nginx:1", "k": "v"})


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"type": ["container"]}, True),
        ({"type": ["image", "container"]}, True),
        ({"type": ["image"]}, False),
        ({"event": ["start"]}, True),
        ({"event": ["sta"]}, False),
        ({"container": ["web"]}, True),
        ({"container": ["w"]}, True),
        ({"container": ["11"]}, True),
        ({"container": ["eb"]}, False),
        ({"image": ["nginx"]}, True),
        ({"image": ["nginx:1"]}, True),
        ({"image": ["ngin"]}, False),
        ({"label": ["k"]}, True),
        ({"label": ["k=v", "k"]}, True),
        ({"label": ["k=v", "other"]}, False),
        ({"scope": ["swarm"]}, False),
        ({"nosuch": ["x"]}, True),
    ],
)
def test_event_filters(filters: dict[str, list[str]], passes: bool) -> None:
    assert wants(NAMED, filters) is passes


def test_event_actions_with_a_tail() -> None:
    started = event(action="exec_start: sh -c x")
    assert wants(started, {"event": ["exec_start"]})
    assert not wants(started, {"event": ["exec_create"]})
    assert wants(event(action="health_status: healthy"), {"event": ["health_status"]})


SAMPLE = Statistics(
    version=1,
    processes=1,
    process_limit=None,
    cpu=CpuUsage(5, 2, 3, (3, 2), 0, 0, 0),
    memory=MemoryUsage(
        usage=4096, peak=8192, limit=1 << 34, failures=0, details=recorded("stats-one-shot")["memory_stats"]["stats"]
    ),
    block=BlockUsage((), (), (), (), (), (), (), ()),
    system_cpu=100,
    online_cpus=2,
)


def test_statistics() -> None:
    for name, before in (("stats-no-stream", SAMPLE), ("stats-one-shot", None)):
        theirs = recorded(name)
        # a container without a network has none
        del theirs["networks"]
        named = {"name": "rec-run", "container_id": "1" * 64} if before else {}
        ours = shown(show_statistics(SAMPLE, NOW, before=before, before_at=NOW, **named))
        assert differences(ours, theirs) == []


def test_statistics_of_what_does_not_run() -> None:
    theirs = next(case["reply"] for case in recorded("errors") if case["case"] == "stats of stopped")
    assert shown(show_statistics(None, NOW, name="rec-cr", container_id="<created>")) == theirs


def test_version() -> None:
    ours, theirs = shown(show_version()), recorded("version")
    assert list(ours) == list(theirs)
    assert differences(ours["Components"][0], theirs["Components"][0]) == []
    assert ours["ApiVersion"] == "1.51"


def test_progress() -> None:
    assert show_progress(Progress(stream="Loaded image: x:1\n")) == {"stream": "Loaded image: x:1\n"}
    assert show_progress(Progress(status="Pull complete", id="a")) == {
        "status": "Pull complete",
        "progressDetail": {},
        "id": "a",
    }
    line = show_progress(Progress(status="Loading layer", id="a", current=1_000_000, total=2_000_000))
    assert list(line) == ["status", "progressDetail", "progress", "id"]
    assert line["progressDetail"] == {"current": 1_000_000, "total": 2_000_000}
    assert line["progress"] == f"[{'=' * 25}>{' ' * 25}]      1MB/2MB"
    assert error_line("no <x>") == b'{"errorDetail":{"message":"no \\u003cx\\u003e"},"error":"no \\u003cx\\u003e"}\r\n'
    assert [human_size(size) for size in (0, 999, 1000, 1_234_567)] == ["0B", "999B", "1kB", "1.235MB"]
