"""Bundles for kernel tests: a busybox root, Docker's default specification, and a run of one plan without a shim."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from estiba.linux.host import detect
from estiba.oci.runtime_spec import Capabilities, Linux, Mount, Namespace, Process, Root, Spec
from estiba.runtime.plan import Descriptors, Plan, Stdio, compile_plan
from estiba.runtime.plan_operations import NEW_LEGACY, Code, assemble, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE = Path(__file__).parents[2] / "native"
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP")
_MORE = ("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP")
DEFAULT_CAPABILITIES = [f"CAP_{name}" for name in _CAPABILITIES + _MORE]
_HIDDEN = ("asound", "acpi", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug")
MASKED = [*(f"/proc/{name}" for name in _HIDDEN), "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE = 30


def _mount(destination: str, kind: str, source: str, options: str) -> Mount:
    return Mount(destination=destination, type=kind, source=source, options=options.split(","))


DEFAULT_MOUNTS = [
    _mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
    _mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
    _mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
    _mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
    _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
    _mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864"),
]


@functools.cache
def plan_runner(directory: Path) -> Path:
    """The test driver, built once per test session."""
    output = directory / "native"
    target = output / "plan-run"
    subprocess.run(["make", "-s", "-C", NATIVE, f"OUT={output}", str(target)], check=True)
    return target


def busybox_root(directory: Path) -> Path:
    """A root file system with busybox's commands and two users."""
    root = directory / "root"
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for command in _busybox_commands():
        (root / "bin" / command).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
    return root


@functools.cache
def _busybox_commands() -> list[str]:
    listing = subprocess.run(["/bin/busybox", "--list"], capture_output=True, check=True, text=True).stdout
    return [command for command in listing.split() if command != "busybox"]


@dataclass(frozen=True)
class Result:
    """How a plan ended: the driver's line about the start, the exit code, output and errors of the program."""

    start: str
    code: int | None
    output: str
    errors: str
    plan: Plan

    def failure(self) -> str:
        """The sentence for people of a start that failed."""
        _, index, code, errno, *text = self.start.split(" ", 4)
        return self.plan.explain(int(index), int(code), int(errno), text[0] if text else "").message


@dataclass
class Bench:
    """Runs plans on one bundle. `descriptors` that a plan names are given at their numbers.

    overlay_layers False: overlays are mounted as on a kernel before 6.8.
    """

    directory: Path
    runner: Path
    root: Path
    inherited: dict[int, int] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    overlay_layers: bool = field(default_factory=lambda: detect().features.overlay_layers)

    def spec(self, *args: str, mounts: list[Mount] | None = None, **changes: object) -> Spec:
        """Docker's default container with this command; further keywords change fields of process."""
        process = Process(
            args=list(args),
            env=[PATH, "HOSTNAME=box", "HOME=/root"],
            capabilities=Capabilities(
                bounding=DEFAULT_CAPABILITIES, effective=DEFAULT_CAPABILITIES, permitted=DEFAULT_CAPABILITIES
            ),
        )
        kinds = ("mount", "network", "uts", "pid", "ipc")
        return Spec(
            root=Root(path=str(self.root)),
            process=msgspec.structs.replace(process, **changes),
            hostname="box",
            mounts=DEFAULT_MOUNTS + (mounts or []),
            linux=Linux(
                namespaces=[Namespace(type=kind) for kind in kinds], masked_paths=MASKED, readonly_paths=READONLY
            ),
        )

    def run(self, spec: Spec, *, stdin: bytes | None = None, descriptors: Descriptors | None = None) -> Result:
        """Compile and run."""
        plan = compile_plan(
            spec,
            stdio=Stdio(open_stdin=stdin is not None),
            log=None,
            descriptors=self.planned(descriptors or Descriptors()),
            overlay_layers=self.overlay_layers,
        )
        return self.run_plan(plan, stdin or b"")

    def planned(self, descriptors: Descriptors) -> Descriptors:
        """With first_free after what is inherited."""
        return replace(descriptors, first_free=max([7, *self.inherited]) + 1)

    def run_plan(self, plan: Plan, stdin: bytes = b"") -> Result:
        """Run a compiled plan to its end."""
        with self._driver(plan) as (process, report):
            killer = threading.Timer(DEADLINE, process.kill)
            killer.start()
            try:
                output, errors = process.communicate(stdin)
            finally:
                killer.cancel()
            lines = _read_all(report).splitlines()
        code = int(lines[1].split()[1]) if len(lines) > 1 else None
        return Result(lines[0] if lines else "", code, output.decode(), errors.decode(), plan)

    def converse(self, spec: Spec, *steps: tuple[str, str], signal_to_init: int | None = None) -> tuple[str, int]:
        """Run a program; at each expected piece of output, give it some input (then PID 1 a signal).

        Gives all output and the exit code.
        """
        plan = compile_plan(spec, stdio=Stdio(open_stdin=True), log=None, descriptors=self.planned(Descriptors()))
        with self._driver(plan) as (process, report):
            killer = threading.Timer(DEADLINE, process.kill)
            killer.start()
            try:
                seen, first = b"", os.read(report, 4096).decode()
                assert first.startswith("started"), first
                assert process.stdin is not None
                assert process.stdout is not None
                for expected, answer in steps:
                    while expected.encode() not in seen:
                        chunk = os.read(process.stdout.fileno(), 4096)
                        assert chunk, seen
                        seen += chunk
                    process.stdin.write(answer.encode())
                    process.stdin.flush()
                if signal_to_init is not None:
                    os.kill(int(first.split()[1]), signal_to_init)
                rest, _ = process.communicate()
            finally:
                killer.cancel()
                process.kill()
            last = _read_all(report)
        return (seen + rest).decode(), int(last.split()[1])

    @contextmanager
    def background(self, spec: Spec, *, stdin: bool = False, descriptors: Descriptors | None = None) -> Iterator[int]:
        """Keep a container running; gives the pid of its PID 1."""
        planned = self.planned(descriptors or Descriptors())
        plan = compile_plan(spec, stdio=Stdio(open_stdin=stdin), log=None, descriptors=planned)
        with self._driver(plan) as (process, report):
            first = os.read(report, 4096).decode()
            try:
                assert first.startswith("started"), first
                yield int(first.split()[1])
            finally:
                process.kill()
                process.communicate()

    @contextmanager
    def _driver(self, plan: Plan) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        with ExitStack() as stack:
            memory = sealed(plan.encode())
            stack.callback(os.close, memory)
            reading, writing = os.pipe()
            stack.callback(os.close, reading)
            process = spawn([*self.prefix, str(self.runner)], {3: memory, 4: writing, **self.inherited})
            os.close(writing)
            yield process, reading


def with_legacy(plan: Plan, kind: str) -> Plan:
    """The plan with new file systems of this type made as on an older kernel."""
    records = []
    for operation in plan.operations():
        legacy = operation.code is Code.NEW and operation.strings[0] == kind
        c = NEW_LEGACY if legacy else operation.c
        fields = (operation.a, operation.b, c, operation.d)
        records.append(encode(operation.code, *fields, strings=operation.strings, blob=operation.blob))
    return replace(plan, data=assemble(records))


def sealed(data: bytes) -> int:
    """A memfd with these bytes that nobody can change."""
    memory = os.memfd_create("plan", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(memory, data)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return memory


def spawn(command: list[str], table: dict[int, int]) -> subprocess.Popen[bytes]:
    """Start a program with descriptors at given numbers; 5 to 7 are /dev/null where not given."""
    with ExitStack() as stack:
        null = os.open("/dev/null", os.O_RDWR)
        stack.callback(os.close, null)
        wanted = {5: null, 6: null, 7: null, **table}
        high = {}
        for number, fd in wanted.items():  # out of the way of the numbers themselves
            high[number] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200)
            stack.callback(os.close, high[number])

        def place() -> None:
            for number, fd in high.items():
                os.dup2(fd, number)

        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=tuple(wanted),
            preexec_fn=place,
        )


def _read_all(fd: int) -> str:
    chunks = []
    while chunk := os.read(fd, 65536):
        chunks.append(chunk)
    return b"".join(chunks).decode()
