"""The engine itself as Docker shows it: version, info, disk usage."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from estiba.api.http import API_VERSION, OLDEST_API_VERSION
from estiba.api.wire_containers import show_entry
from estiba.api.wire_images import show_image_entry
from estiba.api.wire_objects import show_volume
from estiba.api.wire_times import rfc3339
from estiba.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Collection

    from estiba.engine.system import DiskUsage, SystemInfo

# clients compare the version with those of Docker: the release whose behaviour this is, and in the build part our own
SERVER_VERSION = f"28.5.2+estiba.{VERSION}"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PYTHON = "python" + ".".join(map(str, sys.version_info[:3]))
KINDS = ("container", "image", "volume", "build-cache")


def architecture() -> str:
    """This machine's, by Go's name."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def show_version() -> dict[str, Any]:
    """GET /version"""
    common = {"ApiVersion": API_VERSION, "MinAPIVersion": OLDEST_API_VERSION}
    kernel = os.uname().release
    details = {
        "ApiVersion": API_VERSION,
        "Arch": architecture(),
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": _PYTHON,
        "KernelVersion": kernel,
        "MinAPIVersion": OLDEST_API_VERSION,
        "Os": "linux",
    }
    return {
        "Platform": {"Name": f"Estiba {VERSION}"},
        "Components": [
            {"Name": "Engine", "Version": SERVER_VERSION, "Details": details},
            {"Name": "estiba-shim", "Version": VERSION, "Details": {"GitCommit": ""}},
        ],
        "Version": SERVER_VERSION,
        **common,
        "GitCommit": "",
        "GoVersion": _PYTHON,
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": kernel,
        "BuildTime": "",
    }


def _show_limits(info: SystemInfo) -> dict[str, Any]:
    limits = info.host.limits
    return {
        "MemoryLimit": limits.memory,
        "SwapLimit": limits.swap,
        **({"KernelMemoryTCP": True} if limits.kernel_memory_tcp else {}),
        "CpuCfsPeriod": limits.cpu_cfs,
        "CpuCfsQuota": limits.cpu_cfs,
        "CPUShares": limits.cpu_shares,
        "CPUSet": limits.cpuset,
        "PidsLimit": limits.pids,
        "IPv4Forwarding": info.host.ipv4_forwarding,
        "Debug": False,
        "NFd": info.descriptors,
        "OomKillDisable": limits.oom_kill_disable,
        "NGoroutines": info.threads,
    }


def _security_options(info: SystemInfo) -> list[str]:
    options = ["name=seccomp,profile=builtin"]
    if info.host.apparmor:
        options.insert(0, "name=apparmor")
    if info.host.cgroup_version != 1:
        options.append("name=cgroupns")
    return options


_REGISTRIES: Final = {
    "IndexConfigs": {"docker.io": {"Mirrors": [], "Name": "docker.io", "Official": True, "Secure": True}},
    "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
    "Mirrors": None,
}
_NO_SWARM: Final = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}


def show_info(info: SystemInfo, listeners: int) -> dict[str, Any]:
    """GET /info. listeners: connections that wait for events."""
    counts, host = info.containers, info.host
    running = counts.get("running", 0) + counts.get("restarting", 0)
    paused = counts.get("paused", 0)
    total = sum(counts.values())
    return {
        "ID": info.id,
        "Containers": total,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": total - running - paused,
        "Images": info.images,
        "Driver": "overlay2",
        "DriverStatus": [["Supports d_type", "true"], ["Using metacopy", "false"], ["userxattr", "false"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        **_show_limits(info),
        "SystemTime": rfc3339(time.time_ns()),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": str(host.cgroup_version),
        "NEventsListener": listeners,
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.architecture,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": _REGISTRIES,
        "NCPU": host.cpus,
        "MemTotal": host.memory,
        "GenericResources": None,
        "DockerRootDir": info.root,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": info.name,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": SERVER_VERSION,
        "Runtimes": {"runc": {"path": "estiba-shim"}},
        "DefaultRuntime": "runc",
        "Swarm": _NO_SWARM,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": _security_options(info),
        "CDISpecDirs": [],
        "Warnings": [f"WARNING: {warning}" for warning in info.warnings] or None,
    }


def show_disk_usage(usage: DiskUsage, kinds: Collection[str]) -> dict[str, Any]:
    """GET /system/df; what was not asked for is null."""
    now = time.time_ns()
    images = containers = volumes = None
    if "image" in kinds:
        images = [show_image_entry(image, containers=users, shared_size=0) for image, users in usage.images]
        for image in images:
            image["RepoDigests"] = image["RepoDigests"] or None
    if "container" in kinds:
        containers = [
            show_entry(container, now, container.config.image, (written, whole))
            for container, written, whole in usage.containers
        ]
    if "volume" in kinds:
        volumes = [
            show_volume(volume) | {"UsageData": {"RefCount": users, "Size": size}}
            for volume, size, users in usage.volumes
        ]
    return {
        "LayersSize": usage.layers_size if images is not None else 0,
        "Images": images,
        "Containers": containers,
        "Volumes": volumes,
        "BuildCache": [] if "build-cache" in kinds else None,
    }
