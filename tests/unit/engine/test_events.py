"""The journal: order, history without gap or duplicate, trimming."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from estiba.engine import events as events_module
from estiba.engine.events import Event, EventJournal, prune_event
from estiba.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[EventJournal]:
    with Database(tmp_path / "db") as database:
        yield EventJournal(database)


def event(number: int) -> Event:
    return Event(type="container", action=f"a{number}", id="x", attributes={"k": "v"})


def test_live_events_come_in_order(journal: EventJournal) -> None:
    seen: list[str] = []
    journal.subscribe(lambda e: seen.append(e.action))
    journal.publish(event(1), event(2))
    journal.publish(event(3))
    assert seen == ["a1", "a2", "a3"]


def test_history_comes_first_and_nothing_twice(journal: EventJournal) -> None:
    journal.publish(event(1))
    seen: list[str] = []
    journal.subscribe(lambda e: seen.append(e.action), since=0)
    journal.publish(event(2))
    assert seen == ["a1", "a2"]


def test_no_gap_between_history_and_live_under_load(journal: EventJournal) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 100):
            journal.publish(event(number))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1000)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    subscription = journal.subscribe(lambda e: seen.append(e.sequence), since=0)
    for writer in writers:
        writer.join()
    subscription.close()
    assert seen == sorted(set(seen))
    assert len(seen) == 200


def test_a_closed_subscription_hears_nothing(journal: EventJournal) -> None:
    seen: list[str] = []
    journal.subscribe(lambda e: seen.append(e.action)).close()
    journal.publish(event(1))
    assert seen == []


def test_a_failing_subscriber_is_dropped_and_the_others_go_on(journal: EventJournal) -> None:
    def fail(_: Event) -> None:
        raise ValueError("no")

    seen: list[str] = []
    journal.subscribe(fail)
    journal.subscribe(lambda e: seen.append(e.action))
    journal.publish(event(1))
    journal.publish(event(2))
    assert seen == ["a1", "a2"]


def test_history_is_bounded_by_time(journal: EventJournal) -> None:
    for moment in (10, 20, 30):
        journal.publish(Event(type="t", action=str(moment), id="x", time=moment))
    assert [e.action for e in journal.history(15, 25)] == ["20"]


def test_old_events_are_trimmed(journal: EventJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "KEPT", 10)
    monkeypatch.setattr(events_module, "TRIM_EVERY", 5)
    for number in range(40):
        journal.publish(event(number))
    kept = journal.history(0)
    assert 10 <= len(kept) <= 15
    assert kept[-1].action == "a39"


def test_prune_event_has_docker_attributes() -> None:
    told = prune_event("volume", 12)
    assert (told.type, told.action, told.id, told.attributes) == ("volume", "prune", "", {"reclaimed": "12"})


def test_events_with_large_attributes_do_not_fill_the_disk(
    journal: EventJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "KEPT_BYTES", 10_000)
    for number in range(20):
        journal.publish(Event(type="container", action=f"a{number}", id="x", attributes={"label": "x" * 1000}))
    assert [found.action for found in journal.history(0)][-1] == "a19"
    assert len(journal.history(0)) == 9
