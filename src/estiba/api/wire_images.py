"""Images as Docker shows them: inspect, an entry of the list, history, removals."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.api.wire_times import ZERO_TIME, rfc3339
from estiba.oci.image import Defaults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.images.image import HistoryEntry, Image, Removal


def unix_seconds(text: str | None) -> int:
    """RFC 3339 to whole seconds since the epoch; 0 for what is none, and for Go's zero time."""
    if not text or text.startswith("0001-"):
        return 0
    try:
        return int(datetime.fromisoformat(_microseconds(text)).timestamp())
    except ValueError:
        return 0


def _microseconds(text: str) -> str:
    """fromisoformat takes at most six digits of a fraction."""
    head, point, tail = text.partition(".")
    if not point:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)]:0<6}{tail[digits:]}"


def _show_defaults(defaults: Defaults) -> dict[str, Any]:
    """`Config` of an image: keys sorted; those that Docker always shows are null when empty."""
    shown: dict[str, Any] = {
        "ArgsEscaped": defaults.args_escaped or None,
        "Cmd": defaults.cmd,
        "Entrypoint": defaults.entrypoint,
        "Env": defaults.env,
        "ExposedPorts": defaults.exposed_ports or None,
        "Healthcheck": defaults.healthcheck,
        "Labels": defaults.labels,
        "OnBuild": defaults.on_build,
        "Shell": defaults.shell or None,
        "StopSignal": defaults.stop_signal or None,
        "User": defaults.user,
        "Volumes": defaults.volumes,
        "WorkingDir": defaults.working_dir,
    }
    for optional in ("ArgsEscaped", "ExposedPorts", "Healthcheck", "Shell", "StopSignal"):
        if shown[optional] is None:
            del shown[optional]
    return shown


# of a container's configuration, shown empty to clients of versions before 1.50
_OF_CONTAINERS: Final[dict[str, object]] = {
    "AttachStderr": False,
    "AttachStdin": False,
    "AttachStdout": False,
    "Domainname": "",
    "Hostname": "",
    "Image": "",
    "OpenStdin": False,
    "StdinOnce": False,
    "Tty": False,
}
_NO_CONTAINER_FIELDS_SINCE: Final = (1, 50)
_NO_CONTAINER_CONFIG_SINCE: Final = (1, 45)
_NO_VIRTUAL_SIZE_SINCE: Final = (1, 44)
_NEWEST: Final = (1, 51)


def show_image(image: Image, storage: dict[str, str], version: tuple[int, ...] = _NEWEST) -> dict[str, Any]:
    """GET /images/NAME/json. storage: directories of its root file system by Docker's names."""
    config = image.config
    shown: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.references),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": config.created or ZERO_TIME,
        "DockerVersion": config.docker_version,
        "Author": config.author,
        "Architecture": config.architecture,
    }
    if config.variant:
        shown["Variant"] = config.variant
    shown["Os"] = config.os
    if config.os_version:
        shown["OsVersion"] = config.os_version
    shown |= {
        "Size": image.size,
        "GraphDriver": {"Data": storage or None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", **({"Layers": config.diff_ids} if config.diff_ids else {})},
        "Metadata": {"LastTagTime": rfc3339(image.tagged_ns)},
        "Config": _show_defaults(config.defaults),
    }
    if version < _NO_CONTAINER_FIELDS_SINCE:
        shown["Config"] = {**_OF_CONTAINERS, **shown["Config"]}
    if version < _NO_CONTAINER_CONFIG_SINCE:
        shown["ContainerConfig"] = {**_OF_CONTAINERS, **_show_defaults(Defaults())}
    if version < _NO_VIRTUAL_SIZE_SINCE:
        shown["VirtualSize"] = image.size
    return shown


def show_image_entry(
    image: Image, *, containers: int = -1, shared_size: int = -1, version: tuple[int, ...] = _NEWEST
) -> dict[str, Any]:
    """An entry of GET /images/json; -1 is Docker's "not counted"."""
    virtual = {"VirtualSize": image.size} if version < _NO_VIRTUAL_SIZE_SINCE else {}
    return {
        "Containers": containers,
        "Created": unix_seconds(image.config.created),
        "Id": image.id,
        "Labels": image.config.defaults.labels,
        "ParentId": image.parent,
        "RepoDigests": list(image.digests),
        "RepoTags": list(image.references),
        "SharedSize": shared_size,
        "Size": image.size,
        **virtual,
    }


def show_history(entries: Iterable[HistoryEntry]) -> list[dict[str, Any]]:
    """GET /images/NAME/history, newest first."""
    return [
        {
            "Comment": entry.comment,
            "Created": unix_seconds(entry.created),
            "CreatedBy": entry.created_by,
            "Id": entry.id,
            "Size": entry.size,
            "Tags": list(entry.tags) or None,
        }
        for entry in entries
    ]


def show_removals(removals: Iterable[Removal]) -> list[dict[str, str]]:
    """What a removal or prune untagged and deleted."""
    return [{"Untagged": entry.untagged} if entry.untagged else {"Deleted": entry.deleted} for entry in removals]
