"""Records: names, look-up by prefix, one transaction for a change and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from estiba.engine.config import ContainerConfig, HostConfig
from estiba.engine.container_events import container_event
from estiba.engine.events import Event, EventJournal
from estiba.engine.records import ContainerRecords
from estiba.engine.state import Container, Created, Ended, Exited, Running
from estiba.errors import Conflict, InvalidArgument, NotFound
from estiba.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "db") as database:
        yield database


@pytest.fixture
def journal(database: Database) -> EventJournal:
    return EventJournal(database)


@pytest.fixture
def records(database: Database, journal: EventJournal) -> ContainerRecords:
    return ContainerRecords(database, journal)


def make(container_id: str, name: str, created: int = 1) -> Container:
    return Container(
        id=container_id,
        name=name,
        created=created,
        path="true",
        args=[],
        image="sha256:0",
        config=ContainerConfig(image="x:1", labels={"k": "v"}),
        host=HostConfig(),
        state=Created(),
    )


def test_found_by_name_with_and_without_slash_and_by_id(records: ContainerRecords) -> None:
    records.add(make("a" * 64, "one"))
    assert records.get("one").id == records.get("/one").id == records.get("a" * 64).id == records.get("aa").id


def test_a_name_beats_an_id_prefix(records: ContainerRecords) -> None:
    records.add(make("ab" + "0" * 62, "one"))
    records.add(make("cd" + "0" * 62, "ab"))
    assert records.get("ab").name == "ab"


def test_a_prefix_of_two_ids_is_refused(records: ContainerRecords) -> None:
    records.add(make("1" + "0" * 63, "one"))
    records.add(make("1" + "1" * 63, "two"))
    with pytest.raises(InvalidArgument, match=r"multiple IDs found with provided prefix: 1$"):
        records.get("1")


def test_an_empty_reference_finds_nothing(records: ContainerRecords) -> None:
    records.add(make("1" * 64, "one"))
    with pytest.raises(NotFound, match=r"No such container: "):
        records.get("")


def test_a_name_is_taken_once(records: ContainerRecords) -> None:
    records.add(make("1" * 64, "one"))
    with pytest.raises(Conflict, match=r'The container name "/one" is already in use by container "1{64}"'):
        records.add(make("2" * 64, "one"))
    assert records.find("2" * 64) is None


def test_a_removed_name_can_be_given_again(records: ContainerRecords) -> None:
    first = make("1" * 64, "one")
    records.add(first)
    records.remove(first)
    records.add(make("2" * 64, "one"))
    assert records.get("one").id == "2" * 64


def test_rename_frees_the_old_name(records: ContainerRecords) -> None:
    container = make("1" * 64, "one")
    records.add(container)
    records.rename(container, "two", [])
    assert records.find("one") is None
    assert records.get("two").id == container.id


def test_rename_to_a_taken_name_is_refused(records: ContainerRecords) -> None:
    records.add(make("1" * 64, "one"))
    records.add(make("2" * 64, "two"))
    with pytest.raises(Conflict, match=r"^Error when allocating new name: Conflict"):
        records.rename(records.get("one"), "two", [])
    assert records.get("one").id == "1" * 64


def test_newest_first(records: ContainerRecords) -> None:
    for number in (2, 3, 1):
        records.add(make(str(number) * 64, f"n{number}", created=number))
    assert [container.name for container in records.all()] == ["n3", "n2", "n1"]


def test_everything_survives_a_new_engine(database: Database, journal: EventJournal) -> None:
    records = ContainerRecords(database, journal)
    container = make("1" * 64, "one")
    records.add(container)
    ended = Ended(exit_code=3, oom_killed=True, error="e", started_at=5, finished_at=6)
    changed = replace(container, state=Exited(ended=ended), restart_count=2)
    records.put(changed)
    assert ContainerRecords(database, journal).get("one") == changed


def test_a_change_and_its_events_are_told_after_the_change(records: ContainerRecords, journal: EventJournal) -> None:
    container = make("1" * 64, "one")
    seen: list[tuple[str, object]] = []

    def look(event: Event) -> None:
        seen.append((event.action, records.get("one").state))

    journal.subscribe(look)
    records.add(container, [])
    running = replace(container, state=Running(pid=1, started_at=1))
    records.put(running, [container_event(running, "start")])
    assert seen == [("start", Running(pid=1, started_at=1))]
