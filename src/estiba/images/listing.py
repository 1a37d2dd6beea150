"""The list of images, its filters, and the history of one."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument
from estiba.images.durations import parse_moment
from estiba.images.image import Filters, HistoryEntry, Image
from estiba.images.records import find_image, no_such_image
from estiba.oci import reference as references
from estiba.patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.images.content import Content
    from estiba.images.records import ImageRecords
    from estiba.patterns import Pattern

LIST_FILTERS = frozenset({"before", "dangling", "label", "reference", "since", "until"})
PRUNE_FILTERS = frozenset({"dangling", "label", "label!", "until"})


def list_images(records: ImageRecords, *, everything: bool = False, filters: Filters | None = None) -> list[Image]:
    """Images, newest first. Without `everything` those that others were committed from are left out if they have no
    name.

    A `reference` filter also leaves out the names that don't match.

    Raises:
        InvalidArgument: a filter or value that there is not. NotFound: before or since names no image.
    """
    filters = filters or {}
    check_filters(filters, LIST_FILTERS)
    dangling = truth(filters, "dangling")
    before, since = _moment_of(records, filters, "before"), _moment_of(records, filters, "since")
    until = until_ns(filters)
    parents = {image.parent for image in records.all()}
    found = []
    for image in records.all():
        if before is not None and image.created_ns >= before:
            continue
        if since is not None and image.created_ns <= since:
            continue
        if until is not None and image.created_ns >= until:
            continue
        if not has_labels(image, filters.get("label", ())):
            continue
        shown = _with_matching_names(image, filters)
        if shown is not None and _is_shown(shown, dangling, everything, image.id in parents, "reference" in filters):
            found.append(shown)
    return sorted(found, key=lambda image: (-image.created_ns, image.id))


def _is_shown(image: Image, dangling: bool | None, everything: bool, is_parent: bool, by_reference: bool) -> bool:
    if image.references or image.digests:
        return not (dangling and image.references)
    if dangling is False or by_reference:
        return False
    return everything or not is_parent


def _with_matching_names(image: Image, filters: Filters) -> Image | None:
    patterns = filters.get("reference")
    if not patterns:
        return image
    keep = [name for name in (*image.references, *image.digests) if any(reference_matches(p, name) for p in patterns)]
    return replace(
        image,
        references=tuple(name for name in image.references if name in keep),
        digests=tuple(name for name in image.digests if name in keep),
    )


def reference_matches(pattern: str, name: str) -> bool:
    """Whether a familiar name, or its repository alone, matches a shell pattern (`*` and `?` stop at slashes).

    Raises:
        InvalidArgument: no pattern.
    """
    expression = _glob(pattern)
    return bool(expression.fullmatch(name) or expression.fullmatch(references.parse(name).familiar_name))


@functools.lru_cache(maxsize=64)
def _glob(pattern: str) -> Pattern:
    """path.Match of Go."""
    parts, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "\\" and position < len(pattern):
            parts.append(re.escape(pattern[position]))
            position += 1
        elif character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise InvalidArgument(f"invalid filter 'reference={pattern}': syntax error in pattern")
            inside = pattern[position:end].replace("\\", "\\\\")
            parts.append(f"[{inside}]")
            position = end + 1
        else:
            parts.append(re.escape(character))
    try:
        return compiled("(?s)" + "".join(parts))
    except ValueError:
        raise InvalidArgument(f"invalid filter 'reference={pattern}': syntax error in pattern") from None


def check_filters(filters: Filters, known: frozenset[str]) -> None:
    """Raises InvalidArgument for a filter that there is not."""
    for key in filters:
        if key not in known:
            raise InvalidArgument(f"invalid filter '{key}'")


def truth(filters: Filters, key: str) -> bool | None:
    """The value of a yes-or-no filter, None where it is not given. Raises InvalidArgument as Docker."""
    values = filters.get(key)
    if not values:
        return None
    found = {{"1": True, "true": True, "0": False, "false": False}.get(value) for value in values}
    if len(found) != 1 or None in found:
        raise InvalidArgument(f"invalid filter '{key}=[{' '.join(values)}]'")
    return found.pop()


def until_ns(filters: Filters) -> int | None:
    """The moment of an `until` filter. Raises InvalidArgument."""
    values = filters.get("until")
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    return parse_moment(values[0])


def has_labels(image: Image, wanted: Iterable[str]) -> bool:
    """Whether an image has all of these labels (`key` or `key=value`)."""
    labels: Mapping[str, str] = image.config.defaults.labels or {}
    for text in wanted:
        key, separator, value = text.partition("=")
        if key not in labels or (separator and labels[key] != value):
            return False
    return True


def _moment_of(records: ImageRecords, filters: Filters, key: str) -> int | None:
    values = filters.get(key)
    if not values:
        return None
    moments = []
    for name in values:
        image = find_image(records, name)
        if image is None:
            raise no_such_image(name)
        moments.append(image.created_ns)
    return min(moments) if key == "before" else max(moments)


def history(content: Content, image: Image) -> list[HistoryEntry]:
    """The steps of an image, newest first; ids as far as the images of the steps are here."""
    entries = []
    sizes = [content.layers.get(key).size for key in image.chain_ids]
    for step in image.config.history or ():
        size = 0 if step.empty_layer or not sizes else sizes.pop(0)
        entries.append(HistoryEntry("<missing>", step.created or "", step.created_by, step.comment, size))
    entries.reverse()
    current: Image | None = image
    for position, entry in enumerate(entries):
        if current is None:
            break
        entries[position] = replace(entry, id=current.id, tags=current.references)
        current = content.records.by_id(current.parent) if current.parent else None
    return entries


def shared_sizes(content: Content, images: Sequence[Image]) -> dict[str, int]:
    """For every image the bytes of its layers that another image has too."""
    users: dict[str, int] = {}
    for image in content.records.all():
        for key in set(image.chain_ids):
            users[key] = users.get(key, 0) + 1
    return {
        image.id: sum(content.layers.get(key).size for key in image.chain_ids if users.get(key, 0) > 1)
        for image in images
    }
