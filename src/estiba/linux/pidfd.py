"""Processes by descriptor: a pidfd never comes to mean another process, as a number does."""

from __future__ import annotations

import os
import select


def has_ended(pidfd: int) -> bool:
    """Whether the process has ended (it may not have been waited for yet)."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def wait_ended(pidfd: int, seconds: float) -> bool:
    """Wait until the process has ended; False if it hasn't after that time."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def open_of_process(pid: int, path: str, process: int | None = None) -> int:
    """Open /proc/PID/path read-only, sure that it is of the process whose pidfd is `process`.

    Without that: of the one that had the number at the call. Raises ProcessLookupError if it is gone, OSError of
    open(2) otherwise. The caller owns the descriptor.
    """
    pidfd = os.pidfd_open(pid) if process is None else os.dup(process)
    try:
        descriptor = os.open(f"/proc/{pid}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        if has_ended(pidfd):
            os.close(descriptor)
            raise ProcessLookupError(f"process {pid} has ended")
        return descriptor
    except FileNotFoundError:  # a process that is ending has no namespaces any more
        raise ProcessLookupError(f"process {pid} has ended") from None
    finally:
        os.close(pidfd)
