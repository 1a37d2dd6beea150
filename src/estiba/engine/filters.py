"""Filters of lists and prunes: which keys exist, and how a container is tested. Values of one key are or-ed (labels:
and-ed), keys are and-ed (Engine API v1.51).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.engine.state import Created, Dead, Exited, Removing, Restarting, Running, ended_of
from estiba.errors import InvalidArgument, NotFound
from estiba.images.durations import parse_moment
from estiba.patterns import is_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from estiba.engine.records import ContainerRecords
    from estiba.engine.state import Container

Filters = dict[str, list[str]]

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTH = ("none", "starting", "healthy", "unhealthy")
CONTAINER_KEYS = frozenset(
    {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation"}
    | {"label", "name", "network", "publish", "since", "status", "volume"}
)
PRUNE_KEYS = frozenset({"label", "label!", "until"})
_FALSE = frozenset({"", "0", "no", "false", "none"})


def check_keys(filters: Mapping[str, list[str]], known: Iterable[str]) -> None:
    """Raises InvalidArgument for a key that there is not."""
    for key in filters:
        if key not in known:
            raise InvalidArgument(f"invalid filter '{key}'")


def is_true(value: str) -> bool:
    """Docker's idea of a boolean in a query or filter."""
    return value.strip().lower() not in _FALSE


def one_boolean(filters: Filters, key: str, default: bool) -> bool:
    """The boolean value of a filter; raises InvalidArgument when it is none or contradicts itself."""
    values = filters.get(key)
    if not values:
        return default
    for value in values:
        if value not in ("1", "true", "0", "false"):
            raise InvalidArgument(f"invalid filter '{key}={value}'")
    meanings = {value in ("1", "true") for value in values}
    if len(meanings) > 1:
        raise InvalidArgument(f"invalid filter '{key}'")
    return meanings.pop()


def labels_match(labels: Mapping[str, str] | None, wanted: Iterable[str]) -> bool:
    """Whether all of `key` or `key=value` are among the labels."""
    labels = labels or {}
    for term in wanted:
        key, separator, value = term.partition("=")
        if key not in labels or (separator and labels[key] != value):
            return False
    return True


def prune_labels_match(labels: Mapping[str, str] | None, filters: Filters) -> bool:
    """`label` must match, `label!` must not."""
    unwanted = filters.get("label!", [])
    return labels_match(labels, filters.get("label", [])) and not any(labels_match(labels, [term]) for term in unwanted)


def name_matches(name: str, patterns: Iterable[str]) -> bool:
    """Docker's rule for container names: a substring or unanchored regular expression of `name` or `/name`."""
    return any(is_found(pattern, (name, f"/{name}")) for pattern in patterns)


def until_time(filters: Filters) -> int | None:
    """The time of an `until` filter, in ns since the epoch; raises InvalidArgument for what is no time."""
    values = filters.get("until")
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    return parse_moment(values[0])


class ContainerFilter:
    """The filters of one `containers/json`, checked once, then applied to each container.

    ancestors gives the image ids that an `ancestor` value means, with all their children.
    """

    def __init__(self, filters: Filters, records: ContainerRecords, ancestors: Callable[[str], frozenset[str]]) -> None:
        check_keys(filters, CONTAINER_KEYS)
        _check_values("status", filters.get("status", []), STATES)
        _check_values("health", filters.get("health", []), HEALTH)
        # true: tasks of a swarm, which there are none of
        for value in filters.get("is-task", []):
            if value not in ("1", "true", "0", "false"):
                raise InvalidArgument(f"invalid filter 'is-task=[{value}]'")
        self._tasks_only = one_boolean(filters, "is-task", False)
        self._filters = filters
        self._exited = {_number("exited", value) for value in filters.get("exited", [])}
        self._ports = {
            key: [_port_range(key, value) for value in filters.get(key, [])] for key in ("publish", "expose")
        }
        self._images: frozenset[str] = frozenset().union(*(ancestors(value) for value in filters.get("ancestor", [])))
        self._before = [_known(records, value).created for value in filters.get("before", [])]
        self._since = [_known(records, value).created for value in filters.get("since", [])]

    @property
    def implies_all(self) -> bool:
        """Whether ended containers are meant too, without being asked for."""
        return bool(self._filters.get("status") or self._filters.get("exited"))

    def __call__(self, container: Container) -> bool:
        """Whether the container passes."""
        if self._tasks_only:
            return False
        filters = self._filters
        tests: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("name", lambda: name_matches(container.name, filters["name"])),
            ("id", lambda: any(_id_matches(container.id, value) for value in filters["id"])),
            ("label", lambda: labels_match(container.config.labels, filters["label"])),
            ("status", lambda: status_of(container) in filters["status"]),
            ("health", lambda: (container.health.status if container.health else "none") in filters["health"]),
            ("exited", lambda: self._exit_matches(container)),
            ("ancestor", lambda: container.image in self._images),
            ("before", lambda: all(container.created < moment for moment in self._before)),
            ("since", lambda: all(container.created > moment for moment in self._since)),
            ("volume", lambda: _volume_matches(container, filters["volume"])),
            ("network", lambda: _network_matches(container, filters["network"])),
            ("publish", lambda: _ports_match(list(container.host.port_bindings or {}), self._ports["publish"])),
            ("expose", lambda: _ports_match(list(container.config.exposed_ports or {}), self._ports["expose"])),
        )
        return all(not filters.get(key) or test() for key, test in tests)

    def _exit_matches(self, container: Container) -> bool:
        return isinstance(container.state, Exited) and ended_of(container.state).exit_code in self._exited


def status_of(container: Container) -> str:
    """Docker's word for the state."""
    match container.state:
        case Running(paused=paused):
            return "paused" if paused else "running"
        case Created():
            return "created"
        case Restarting():
            return "restarting"
        case Exited():
            return "exited"
        case Removing():
            return "removing"
        case Dead():
            return "dead"


def _check_values(key: str, values: Iterable[str], known: tuple[str, ...]) -> None:
    kind = "state" if key == "status" else key
    for value in values:
        if value not in known:
            problem = f"invalid value for {kind} ({value}): must be one of {', '.join(known)}"
            raise InvalidArgument(f"invalid filter '{key}={value}': {problem}")


def _number(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        reason = f'strconv.Atoi: parsing "{value}": invalid syntax'
        raise InvalidArgument(f"invalid filter '{key}={value}': {reason}") from None


def _known(records: ContainerRecords, reference: str) -> Container:
    container = records.find(reference)
    if container is None:
        raise NotFound(f"No such container: {reference}")
    return container


def _id_matches(container_id: str, pattern: str) -> bool:
    return container_id.startswith(pattern) or is_found(pattern, (container_id,))


def _volume_matches(container: Container, values: Iterable[str]) -> bool:
    known = {mount.name for mount in container.mounts} | {mount.destination for mount in container.mounts}
    known |= {mount.source for mount in container.mounts if mount.type == "bind"}
    return any(value in known for value in values)


def _network_matches(container: Container, values: Iterable[str]) -> bool:
    return any(
        value == name or (endpoint.network_id and endpoint.network_id.startswith(value))
        for value in values
        for name, endpoint in container.endpoints.items()
    )


def _port_range(key: str, text: str) -> tuple[int, int, str]:
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    try:
        return int(first), int(last or first), protocol or "tcp"
    except ValueError:
        raise InvalidArgument(
            f'error while looking up for {key} {text}: strconv.ParseUint: parsing "{ports}": invalid syntax'
        ) from None


def _ports_match(ports: Iterable[str], ranges: Iterable[tuple[int, int, str]]) -> bool:
    for port in ports:
        number, _, protocol = port.partition("/")
        for first, last, wanted in ranges:
            if number.isdigit() and first <= int(number) <= last and (protocol or "tcp") == wanted:
                return True
    return False
