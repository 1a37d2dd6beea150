"""A container's OCI specification: Docker's default environment, value for value, and what the options change in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from estiba.engine.spec.devices import build_devices
from estiba.engine.spec.mounts import build_mounts
from estiba.engine.spec.process import build_process
from estiba.engine.spec.propagation import root_propagation
from estiba.engine.spec.resources import build_resources
from estiba.engine.spec.security import effective_capabilities, parse_security_options
from estiba.oci.runtime_spec import Linux, Namespace, Root, Seccomp, Spec
from estiba.runtime.seccomp import resolve_profile

if TYPE_CHECKING:
    from estiba.engine.config import HostConfig
    from estiba.engine.spec.launch import Launch
    from estiba.engine.spec.security import SecurityOptions
    from estiba.engine.state import Container

# a program that is not root may listen below 1024 and ping, in a network namespace of its own
_NETWORK_SYSCTLS: Final = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


def build_spec(container: Container, launch: Launch) -> Spec:
    """The whole specification. Raises EstibaError, in Docker's words, for what shows only at a start (devices)."""
    host = container.host
    options = parse_security_options(host.security_opt)
    capabilities = effective_capabilities(host, launch.host.capabilities)
    devices, rules = build_devices(host)
    namespaces = build_namespaces(container, launch)
    binds = [(mount, launch.sources.get(mount.destination, mount.source)) for mount in container.mounts]
    return Spec(
        root=Root(path=launch.attach, readonly=host.readonly_rootfs),
        process=build_process(container, launch, options, capabilities),
        hostname=launch.hostname or None,
        mounts=build_mounts(container, launch, options),
        linux=Linux(
            namespaces=namespaces,
            devices=devices,
            cgroups_path=launch.cgroup,
            resources=replace(build_resources(host, launch.host), devices=rules),
            rootfs_propagation=root_propagation(binds),
            seccomp=_seccomp(container, options, capabilities),
            sysctl=_sysctls(container, namespaces),
            masked_paths=_hidden(host, host.masked_paths),
            readonly_paths=_hidden(host, host.readonly_paths),
        ),
        annotations=host.annotations or {},
    )


def _hidden(host: HostConfig, paths: list[str] | None) -> list[str]:
    return [] if host.privileged else paths or []


def build_namespaces(container: Container, launch: Launch) -> list[Namespace]:
    """The namespaces that are made, or joined where they have a path; a mode `host` has none."""
    host = container.host
    modes = {
        "mount": "",
        "network": host.network_mode,
        "uts": host.uts_mode,
        "pid": host.pid_mode,
        "ipc": host.ipc_mode,
        "cgroup": host.cgroupns_mode or "host",
    }
    return [Namespace(type=kind, path=launch.joined.get(kind)) for kind, mode in modes.items() if mode != "host"]


def _sysctls(container: Container, namespaces: list[Namespace]) -> dict[str, str]:
    """Docker's defaults, the domain name (which has no other place), the user's; the runtime refuses the host's."""
    chosen: dict[str, str] = {}
    if Namespace(type="network") in namespaces:
        chosen |= _NETWORK_SYSCTLS
    if container.config.domainname:
        chosen["kernel.domainname"] = container.config.domainname
    return chosen | (container.host.sysctls or {})


def _seccomp(container: Container, options: SecurityOptions, capabilities: list[str]) -> Seccomp | None:
    if options.seccomp == "unconfined" or (container.host.privileged and not options.seccomp_named):
        return None
    profile = None if options.seccomp is None else options.seccomp.encode()
    return resolve_profile(profile, frozenset(capabilities))
