"""What the engine needs from the packages below that have more than one implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from estiba.oci.runtime_spec import Mount


class Snapshots(Protocol):
    """Writable layers over stacks of read-only ones, each under a key (a container's id)."""

    def prepare(self, key: str, chain_ids: Sequence[str], /) -> None:
        """Make an empty writable layer over a stack, bottom first."""

    def mounts(self, key: str, /) -> list[Mount]:
        """What to mount for a root file system; the first is `/`."""

    def view(self, chain_ids: Sequence[str], /) -> list[Mount]:
        """The same for a stack alone, read-only."""

    def open_root(self, key: str, /) -> AbstractContextManager[int]:
        """A descriptor of the root directory of a snapshot that nothing runs on."""

    def open_view(self, chain_ids: Sequence[str], /) -> AbstractContextManager[int]:
        """The same of a stack, read-only."""

    def compared(self, key: str, /) -> AbstractContextManager[list[tuple[str, int, int]]]:
        """What was written and what that covers: (place, upper, lower), directory descriptors; place "" is the root."""

    def upper(self, key: str, /) -> AbstractContextManager[int]:
        """A descriptor of the writable layer's own directory."""

    def remove(self, key: str, /) -> None:
        """Remove a writable layer. Idempotent."""

    def usage(self, key: str, /) -> int:
        """Bytes in the writable layer; 0 when there is none."""

    def stack(self, key: str, /) -> Sequence[str]:
        """The layers below a writable layer, bottom first."""

    def directories(self, key: str, /) -> dict[str, str]:
        """Where things are, for people: LowerDir, UpperDir, WorkDir, MergedDir."""

    def keys(self) -> Iterable[str]:
        """All writable layers."""
