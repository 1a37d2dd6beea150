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

    def upper(self, key: str, /) -> AbstractContextManager[int]:
        """A descriptor of the writable layer's own directory."""

    def remove(self, key: str, /) -> None:
        """Remove a writable layer. Idempotent."""

    def usage(self, key: str, /) -> int:
        """Bytes in the writable layer; 0 when there is none."""

    def keys(self) -> Iterable[str]:
        """All writable layers."""
