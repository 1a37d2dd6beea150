"""Which events a client of GET /events wants: values of one key are or-ed (labels: and-ed), keys and-ed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.engine.filters import labels_match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from estiba.engine.events import Event

_NAMED_TYPES = ("container", "network", "plugin", "volume", "daemon", "service", "node", "secret", "config")
# actions with a tail: "exec_start: sh -c …"
_TAILED = ("exec_create", "exec_start", "exec_die", "health_status")


def wants(event: Event, filters: Mapping[str, list[str]]) -> bool:
    """Does the event pass? Unknown keys are ignored, as Docker does."""
    return (
        _any(filters, "type", (event.type,))
        and _any(filters, "scope", ("local",))
        and _any(filters, "event", _actions(event))
        and _any(filters, "image", _image_names(event))
        and all(_prefixed(filters, kind, event) for kind in _NAMED_TYPES)
        and labels_match(event.attributes, filters.get("label", ()))
    )


def _any(filters: Mapping[str, list[str]], key: str, values: Iterable[str]) -> bool:
    wanted = filters.get(key)
    return not wanted or any(value in wanted for value in values)


def _actions(event: Event) -> tuple[str, ...]:
    head = event.action.partition(":")[0]
    return (event.action, head) if head in _TAILED else (event.action,)


def _image_names(event: Event) -> tuple[str, ...]:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return (event.id, name, _without_tag(event.id), _without_tag(name))


def _without_tag(name: str) -> str:
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _prefixed(filters: Mapping[str, list[str]], kind: str, event: Event) -> bool:
    wanted = filters.get(kind)
    if not wanted:
        return True
    name = event.attributes.get("name", "")
    return any(event.id.startswith(value) or name.startswith(value) for value in wanted)
