"""`estiba doctor`: what containers need of this machine, one line each, with the exact fix for what is missing."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import socket
import struct
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import estiba
from estiba.daemon.settings import TABLE
from estiba.linux import capabilities, host, mount
from estiba.runtime import seccomp
from estiba.runtime.spawn import NAME as SHIM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.linux.host import Host

_DEFAULT_ROOT: Final = next(str(setting.default) for setting in TABLE if setting.name == "root")
_LITTLE_SPACE: Final = 1 << 30
_FEW_FILES: Final = 4096
# linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h
_NETLINK_NETFILTER: Final = 12
_NFT_GET_GENERATION: Final = 10 << 8 | 16
_NLM_REQUEST: Final = 1
_NLMSG_ERROR: Final = 2
_KERNEL: Final = "use a kernel of version {} or newer (Debian 12 has 6.1)"
_REMOUNT_V2: Final = "boot with systemd.unified_cgroup_hierarchy=1, or: mount -t cgroup2 cgroup2 /sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        name: the capability of the machine.
        ok: whether it is there.
        required: no container runs without it; the others say in `detail` what is lost.
        detail: how it was found.
        fix: what to do; "" if it is there.
    """

    name: str
    ok: bool
    required: bool
    detail: str
    fix: str = ""


def main(argv: Sequence[str]) -> int:
    """Print the findings; 0 if containers can run here, else 1. argv is what follows `doctor`."""
    parser = argparse.ArgumentParser(prog="estiba doctor", description="Check what this machine can do.")
    root = Path(os.environ.get("ESTIBA_ROOT", _DEFAULT_ROOT))
    parser.add_argument("--root", type=Path, default=root, help="the engine's root directory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    findings = examine(host.detect(), options.root)
    fit = all(finding.ok for finding in findings if finding.required)
    if options.json:
        print(json.dumps({"fit": fit, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings, fit)
    return 0 if fit else 1


def examine(machine: Host, root: Path) -> list[Finding]:
    """Everything that is checked, in the order in which a container would miss it."""
    return [
        *_rights(machine),
        *_kernel(machine),
        *_namespaces(machine),
        *_cgroups(machine),
        *_files(machine, root),
        *_confinement(machine),
        *_surroundings(machine),
    ]


def _finding(name: str, ok: bool, detail: str, fix: str, *, required: bool = False) -> Finding:
    return Finding(name, ok, required, detail, "" if ok else fix)


def _rights(machine: Host) -> Iterator[Finding]:
    root = os.geteuid() == 0 and "CAP_SYS_ADMIN" in machine.effective
    detail = "running as root" if root else "not root, or without CAP_SYS_ADMIN"
    yield _finding("root", root, detail, "run the engine as root: sudo estiba serve", required=True)
    missing = sorted(name for name in capabilities.names((1 << capabilities.last() + 1) - 1) - machine.capabilities)
    detail = f"missing: {', '.join(missing)}; --privileged gives the rest" if missing else "all that the kernel has"
    yield _finding("capabilities", not missing, detail, "start the engine with the full bounding set")
    detail = "--ulimit and --oom-score-adj can go above what the engine has"
    lost = "no CAP_SYS_RESOURCE: --ulimit above the engine's own limits fails"
    can = machine.can_raise_limits
    yield _finding("resource limits", can, detail if can else lost, "give the engine CAP_SYS_RESOURCE")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= _FEW_FILES
    yield _finding("open files", enough, f"limit {hard}", "ulimit -Hn 1048576, or LimitNOFILE=1048576 in the unit")


def _kernel(machine: Host) -> Iterator[Finding]:
    found = machine.features
    for name, ok, version, required, lost in (
        ("pidfd", found.pidfd, "5.3", True, "processes cannot be followed safely"),
        ("clone3", found.clone3, "5.7", True, "processes cannot be started"),
        ("mount API", found.mount_api, "5.2", True, "file systems cannot be attached by descriptor"),
        ("openat2", found.openat2, "5.6", True, "paths inside a container cannot be resolved safely"),
        ("close_range", found.close_range, "5.9", True, "descriptors cannot be kept from containers"),
        ("recursive read-only", found.mount_setattr, "5.12", False, "-v x:y:ro is not recursive"),
        ("idmapped mounts", found.idmapped_mounts, "5.12", False, "user namespaces need copies of images"),
        ("Landlock", found.landlock > 0, "5.13", False, "programs cannot restrict themselves by it"),
    ):
        detail = f"Linux {machine.kernel}" if ok else lost
        yield _finding(name, ok, detail, _KERNEL.format(version), required=required)


def _namespaces(machine: Host) -> Iterator[Finding]:
    names = ("mnt", "pid", "net", "ipc", "uts")
    missing = [name for name in names if not os.path.exists(f"/proc/self/ns/{name}")]
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(names)
    yield _finding("namespaces", not missing, detail, "use a kernel with CONFIG_NAMESPACES", required=True)
    found = machine.features
    detail = "own view of /sys/fs/cgroup" if found.cgroup_namespaces else "--cgroupns=private does not work"
    yield _finding("cgroup namespaces", found.cgroup_namespaces, detail, _KERNEL.format("4.6"))
    detail = "there; not used yet (--userns=host)" if found.user_namespaces else "not there; not used yet"
    fix = "sysctl -w user.max_user_namespaces=15000"
    yield _finding("user namespaces", found.user_namespaces, detail, fix)


def _cgroups(machine: Host) -> Iterator[Finding]:
    layout, limits = machine.cgroups.layout, machine.limits
    there = layout != "none"
    detail = {"v1": "version 1", "hybrid": "version 1 with an additional version 2 (hybrid)", "v2": "version 2"}
    yield _finding("cgroups", there, detail.get(layout, "not mounted"), _REMOUNT_V2, required=True)
    for name, ok, option, fix in (
        ("memory limits", limits.memory, "-m", "boot with cgroup_enable=memory"),
        ("swap limits", limits.swap, "--memory-swap", "boot with swapaccount=1"),
        ("cpu limits", limits.cpu_cfs, "--cpus", "use a kernel with CONFIG_CFS_BANDWIDTH"),
        ("cpu sets", limits.cpuset, "--cpuset-cpus", ""),
        ("process limits", limits.pids, "--pids-limit", ""),
        ("disk limits", limits.blkio_throttle, "--device-read-bps", ""),
        ("disk weights", limits.blkio_weight, "--blkio-weight", "modprobe bfq"),
        ("device rules", limits.devices, "--device", ""),
        ("pause", limits.freezer, "pause", ""),
    ):
        yield _finding(name, ok, option if ok else f"{option} has no effect", fix or _REMOUNT_V2)


def _files(machine: Host, root: Path) -> Iterator[Finding]:
    overlay = machine.features.overlay
    yield _finding("overlay", overlay, "file system of containers", "modprobe overlay", required=True)
    place = _existing(root)
    if overlay and os.geteuid() == 0:
        error = _try_overlay(place)
        detail = f"layers can be stacked in {place}" if not error else f"in {place}: {error}"
        fix = f"put the root directory on ext4, xfs or btrfs: estiba serve --root DIR (now {root})"
        yield _finding("root directory", not error, detail, fix, required=True)
    free = shutil.disk_usage(place).free
    enough = free >= _LITTLE_SPACE
    yield _finding("disk space", enough, f"{free / (1 << 30):.1f} GiB free in {place}", f"free some space in {place}")
    erofs = machine.features.erofs
    yield _finding("erofs", erofs, "there; not used yet" if erofs else "not there; not used yet", "modprobe erofs")


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above that exists."""
    while not path.is_dir():
        path = path.parent
    return path


def _try_overlay(directory: Path) -> str:
    """Stack two layers in a directory without attaching them anywhere; the reason why that fails, or ""."""
    with ExitStack() as stack:
        try:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".doctor-", dir=directory)))
            for name in ("lower", "upper", "work"):
                (scratch / name).mkdir()
            context = mount.fsopen("overlay")
            stack.callback(os.close, context)
            for key, name in (("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")):
                mount.fsconfig_string(context, key, str(scratch / name))
            mount.fsconfig_create(context)
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _confinement(machine: Host) -> Iterator[Finding]:
    ok = machine.features.seccomp
    detail = "filters of system calls" if ok else "containers run with seccomp=unconfined only"
    yield _finding("seccomp", ok, detail, "use a kernel with CONFIG_SECCOMP_FILTER", required=True)
    unknown = seccomp.unknown_names(seccomp.resolve_profile(None, machine.capabilities)) if ok else []
    detail = (
        f"names without a number here, which are ignored: {', '.join(unknown)}" if unknown else "every name is known"
    )
    yield Finding("seccomp profile", True, False, detail)
    if machine.selinux:
        detail = "SELinux, enforcing" if machine.selinux_enforcing else "SELinux, permissive"
    else:
        detail = "AppArmor" if machine.apparmor else "neither AppArmor nor SELinux: labels and profiles have no effect"
    active = machine.apparmor or machine.selinux
    yield _finding("security module", active, detail, "boot with apparmor=1 security=apparmor")


def _surroundings(machine: Host) -> Iterator[Finding]:
    shim = Path(estiba.__file__).parent / "bin" / SHIM
    built = os.access(shim, os.X_OK)
    fix = "reinstall with a C compiler: apt install gcc make && pip install --force-reinstall estiba"
    yield _finding("shim", built, str(shim) if built else f"{shim} is not there", fix, required=True)
    nftables = _has_nftables()
    detail = "there; published ports will use it" if nftables else "published ports will need it"
    yield _finding("nftables", nftables, detail, "modprobe nf_tables")
    detail = "containers reach other machines" if machine.ipv4_forwarding else "containers reach this machine only"
    yield _finding("IPv4 forwarding", machine.ipv4_forwarding, detail, "sysctl -w net.ipv4.ip_forward=1")
    detail = "/dev/kvm is there" if machine.kvm else "virtual machines are emulated"
    yield _finding("KVM", machine.kvm, detail, "modprobe kvm_intel (or kvm_amd); enable virtualization in the firmware")
    docker = shutil.which("docker")
    yield _finding(
        "docker command", docker is not None, docker or "optional: estiba has the same verbs", "apt install docker-cli"
    )


def _has_nftables() -> bool:
    """Ask for the generation of the rule set: an unknown subsystem of nfnetlink is answered with an error."""
    request = struct.pack("=IHHIIBBH", 20, _NFT_GET_GENERATION, _NLM_REQUEST, 0, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
            netlink.settimeout(1)
            netlink.send(request)
            (kind,) = struct.unpack_from("=H", netlink.recv(4096), 4)
    except OSError:
        return False
    return bool(kind != _NLMSG_ERROR)


def _print(findings: Sequence[Finding], fit: bool) -> None:
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    marks = ("no ", "ok ") if plain else ("✗", "✓")
    colours = ("\033[31m", "\033[32m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("",) * 3
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = f"{colours[finding.ok]}{marks[finding.ok]}{colours[2]}"
        fix = f" → {finding.fix}" if finding.fix else ""
        print(f"{mark} {finding.name:{width}}  {finding.detail}{fix.replace('→', '->') if plain else fix}".rstrip())
    good = sum(finding.ok for finding in findings)
    verdict = "containers run here" if fit else "containers cannot run here yet"
    print(f"{good} of {len(findings)}: {verdict}")
