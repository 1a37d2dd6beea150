"""Where an engine keeps what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where an engine keeps what: durable things below root, those of this boot below run_dir."""

    root: Path
    run_dir: Path
    root_id: str

    def container(self, container_id: str) -> Path:
        """The directory of a container's files: log, hosts, hostname, resolv.conf."""
        return self.root / "containers" / container_id
