"""What a container is started from: its specification, run directory, log and rules for stdin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.oci.runtime_spec import Spec
    from estiba.runtime.plan import LogFile


@dataclass(frozen=True)
class Bundle:
    """One start of a container. directory is its run directory, made by the start; log None: no log is kept.

    open_stdin: the program has a stdin that attachments feed; stdin_once: the first one's end of file closes it.
    """

    id: str
    spec: Spec
    directory: Path
    log: LogFile | None
    open_stdin: bool
    stdin_once: bool
