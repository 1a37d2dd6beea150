"""Everything that can be done with containers: the engine's face to the API and the library.

Each method is one use case, and most are one call to the part that does it. References are names, ids or unique
prefixes of ids.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.attachments import AttachRequest, parse_detach_keys
from estiba.engine.container_events import container_event
from estiba.engine.events import Pruned, prune_event
from estiba.engine.filters import PRUNE_KEYS, ContainerFilter, Filters, check_keys, prune_labels_match, until_time
from estiba.engine.request.names import check_container_name
from estiba.engine.state import Container, Created, Exited, Removing, Restarting, Running, ended_of
from estiba.engine.waiting import Condition, WaitResult
from estiba.errors import Conflict, EstibaError, InvalidArgument, SystemFailure
from estiba.runtime.monitor import Attachment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from estiba.engine.commit import Committer
    from estiba.engine.config import ContainerConfig, HostConfig, NetworkingConfig, ResourceUpdate
    from estiba.engine.creation import Creation, Creator
    from estiba.engine.files import ContainerFiles
    from estiba.engine.logs import ContainerLogs
    from estiba.engine.observation import Observation
    from estiba.engine.parts import Parts
    from estiba.engine.removal import Removal
    from estiba.engine.signalling import Signalling
    from estiba.engine.updates import Updates

CONDITIONS = ("not-running", "next-exit", "removed")


class Containers:
    """The containers of one engine."""

    def __init__(
        self,
        parts: Parts,
        *,
        creator: Creator,
        signalling: Signalling,
        removal: Removal,
        observation: Observation,
        updates: Updates,
        logs: ContainerLogs,
        files: ContainerFiles,
        committer: Committer,
    ) -> None:
        self._parts = parts
        self._records = parts.storage.records
        self._creator = creator
        self._removal = removal
        self._observation = observation
        self._updates = updates
        self.files = files
        self.commit = committer.commit
        self.logs = logs
        self.stop = signalling.stop
        self.restart = signalling.restart
        self.kill = signalling.kill
        self.pause = signalling.pause
        self.unpause = signalling.unpause
        self.resize = signalling.resize
        self.remove = removal.remove
        self.top = observation.top
        self.statistics = observation.statistics
        self.sizes = observation.sizes

    def create(
        self,
        config: ContainerConfig,
        host: HostConfig,
        networking: NetworkingConfig,
        *,
        name: str = "",
        platform: str = "",
    ) -> Creation:
        """Make a container; nothing runs yet. Raises NotFound for the image, InvalidArgument, Conflict for the name."""
        return self._creator.create(config, host, networking, name=name, platform=platform)

    def get(self, reference: str) -> Container:
        """The record; raises NotFound, or InvalidArgument when a prefix fits several."""
        return self._records.get(reference)

    def list(self, *, all_containers: bool = False, limit: int = 0, filters: Filters | None = None) -> list[Container]:
        """Newest first; only those that run unless all are asked for, by limit (> 0) or by a filter that implies it."""
        accepts = ContainerFilter(filters or {}, self._records, self._parts.storage.images.with_children)
        everything = all_containers or limit > 0 or accepts.implies_all
        chosen = [
            container
            for container in self._records.all()
            if (everything or isinstance(container.state, Running | Restarting)) and accepts(container)
        ]
        return chosen[:limit] if limit > 0 else chosen

    def start(self, reference: str) -> None:
        """Run it; returns when its program runs. Raises NotModified, Conflict, StartFailed."""
        self._parts.lifecycle.start(self._records.get(reference).id)

    def wait(self, reference: str, condition: str = "not-running") -> Future[WaitResult]:
        """The future of its end; registered when this returns."""
        if condition not in CONDITIONS:
            raise InvalidArgument(f'invalid condition: "{condition}"')
        container = self._records.get(reference)
        with self._records.lock(container.id):
            current = self._records.current(container.id)
            future = self._parts.machinery.waiters.add(current.id, _condition(condition))
            if condition == "not-running" and not isinstance(current.state, Running | Restarting | Removing):
                result = WaitResult(ended_of(current.state).exit_code)
                self._parts.machinery.waiters.answer(current.id, ("not-running",), result)
        return future

    def attach_check(self, reference: str, request: AttachRequest) -> Container:
        """The container, if its state allows an attachment. Raises NotFound, Conflict, InvalidArgument."""
        container = self._records.get(reference)
        try:
            parse_detach_keys(request.detach_keys)
        except ValueError:
            raise InvalidArgument(f"Invalid detach keys ({request.detach_keys}) provided") from None
        if isinstance(container.state, Running) and container.state.paused:
            raise Conflict(f"container {reference} is paused, unpause the container before attach")
        if isinstance(container.state, Restarting):
            raise Conflict(f"container {reference} is restarting, wait until the container is running")
        return container

    def attach(self, reference: str, request: AttachRequest, descriptor: int, first: bytes = b"") -> None:
        """Connect a client's blocking socket with the container's streams; the descriptor is given away.

        With `logs` what was written so far comes first, without gap or duplicate. A container that does not run yet
        takes the socket along when it starts.
        """
        container = self._records.get(reference)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            attachment = Attachment(
                descriptor=descriptor,
                stdin=request.stdin and container.config.open_stdin,
                stdout=request.stdout,
                stderr=request.stderr,
                framed=not container.config.tty,
                detach_keys=parse_detach_keys(request.detach_keys) if container.config.tty else None,
                first=first if container.config.open_stdin else b"",
                held=request.logs,
            )
            streams = request.stdin or request.stdout or request.stderr
            if streams and (request.logs or (request.stream and isinstance(container.state, Running))):
                self._attach_now(container, request, attachment)
            elif streams and request.stream:
                self._parts.machinery.attachments.hold(container.id, attachment)
            else:
                os.close(descriptor)
        self._records.tell(container_event(container, "attach"))

    def _attach_now(self, container: Container, request: AttachRequest, attachment: Attachment) -> None:
        shim = self._parts.machinery.shims.find(container.id)
        if not request.logs and shim is not None:
            shim.attach(attachment)
        elif shim is None or not request.stream:
            self.logs.replay(container, request, attachment.descriptor)
        else:
            self.logs.replay_then_attach(container, request, attachment, shim)

    def rename(self, reference: str, name: str) -> None:
        """Give another name. Raises InvalidArgument, Conflict."""
        container = self._records.get(reference)
        new = name.removeprefix("/")
        if not new:
            raise InvalidArgument("Neither old nor new names may be empty")
        try:
            check_container_name(new)
        except InvalidArgument as error:
            message = error.message.replace(f"({new})", f"(/{new})")
            raise InvalidArgument(f"Error when allocating new name: {message}") from None
        with self._records.lock(container.id):
            current = self._records.current(container.id)
            if new == current.name:
                raise InvalidArgument("Renaming a container with the same name as its current name")
            event = container_event(replace(current, name=new), "rename", {"oldName": f"/{current.name}"})
            self._records.rename(current, new, [event])

    def update(self, reference: str, change: ResourceUpdate) -> Sequence[str]:
        """Other limits or another restart policy, also while it runs; returns warnings."""
        return self._updates.update(reference, change)

    def prune(self, filters: Filters) -> Pruned:
        """Remove all containers that do not run."""
        check_keys(filters, PRUNE_KEYS)
        until = until_time(filters)
        removed, reclaimed = [], 0
        for container in self._records.all():
            if not isinstance(container.state, Created | Exited):
                continue
            if until is not None and container.created > until:
                continue
            if not prune_labels_match(container.config.labels, filters):
                continue
            try:
                size = self._observation.sizes(container.id)[0]
                self._removal.remove(container.id).result()
            except EstibaError:
                continue  # it was started or removed meanwhile
            removed.append(container.id)
            reclaimed += size
        self._parts.storage.journal.publish(prune_event("container", reclaimed))
        return Pruned(tuple(removed), reclaimed)

    def plan(self, reference: str) -> Sequence[str]:
        """The launch plan of a container, a readable line each."""
        container = self._records.get(reference)
        try:
            return self._parts.launcher.describe(container)
        except OSError as error:
            self._records.current(container.id)  # its files go with it
            raise SystemFailure(f"cannot make the plan of {reference}: {error}") from error


def _condition(word: str) -> Condition:
    match word:
        case "next-exit":
            return "next-exit"
        case "removed":
            return "removed"
    return "not-running"
