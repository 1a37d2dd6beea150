"""Start a program with exactly the descriptors that it is to have (posix_spawn(3)); the caller is never forked."""

from __future__ import annotations

import fcntl
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNALS = signal.valid_signals()


def spawn(
    program: int, arguments: tuple[str, ...], descriptors: Mapping[int, int], environment: Mapping[str, str]
) -> int:
    """Run the program behind a descriptor in a session of its own, with default signals. Returns the process id.

    descriptors: number in the new process → descriptor here, which stays the caller's. Every other descriptor of the
    caller has to be close-on-exec, as Python's are.

    Raises OSError, also when the program cannot be executed. The caller has to wait for the process.
    """
    free = max(descriptors, default=2) + 1
    moved: list[int] = []
    try:

        def above(descriptor: int) -> int:
            # A source that is also somebody's target would be overwritten before its turn.
            if descriptor >= free:
                return descriptor
            moved.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, free))
            return moved[-1]

        path = f"/proc/self/fd/{above(program)}"
        actions = [(os.POSIX_SPAWN_DUP2, above(source), target) for target, source in sorted(descriptors.items())]
        return os.posix_spawn(
            path, arguments, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_SIGNALS
        )
    finally:
        for descriptor in moved:
            os.close(descriptor)
