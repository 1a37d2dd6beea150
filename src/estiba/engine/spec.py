"""A container's OCI specification: Docker's default environment, value for value, and what the options change in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from estiba.engine.security import effective_capabilities, parse_security_options
from estiba.engine.spec_devices import build_devices
from estiba.engine.spec_mounts import build_mounts
from estiba.engine.spec_process import build_process
from estiba.engine.spec_resources import build_resources
from estiba.engine.sysctls import build_sysctls
from estiba.errors import StartFailed
from estiba.oci.runtime_spec import Linux, Namespace, Root, Seccomp, Spec
from estiba.runtime.seccomp import resolve_profile

if TYPE_CHECKING:
    from estiba.engine.launch import Launch
    from estiba.engine.security import SecurityOptions
    from estiba.engine.state import Container

# OCI's words for the kinds of namespace, in the order in which Docker names them
_ORDER: Final = ("mount", "network", "uts", "pid", "ipc", "cgroup")


def build_spec(container: Container, launch: Launch) -> Spec:
    """The whole specification. Raises EstibaError in Docker's words for what shows only now (sysctls, devices)."""
    host = container.host
    options = parse_security_options(host.security_opt)
    capabilities = effective_capabilities(host, launch.host.capabilities)
    devices, rules = build_devices(host)
    resources = build_resources(host, launch.host)
    namespaces = build_namespaces(container, launch)
    kinds = {namespace.type for namespace in namespaces if namespace.path is None}
    return Spec(
        root=Root(path=launch.attach, readonly=host.readonly_rootfs),
        process=build_process(container, launch, options, capabilities),
        hostname=launch.hostname or None,
        domainname=None,
        mounts=build_mounts(container, launch, options),
        linux=Linux(
            namespaces=namespaces,
            devices=devices,
            cgroups_path=launch.cgroup,
            resources=replace(resources, devices=rules),
            seccomp=_seccomp(container, options, capabilities),
            sysctl=build_sysctls(container, kinds),
            masked_paths=host.masked_paths or [],
            readonly_paths=host.readonly_paths or [],
        ),
        annotations=host.annotations or {},
    )


def build_namespaces(container: Container, launch: Launch) -> list[Namespace]:
    """The namespaces that are made (no path) or joined."""
    host = container.host
    shared = {
        "network": host.network_mode == "host",
        "uts": host.uts_mode == "host",
        "pid": host.pid_mode == "host",
        "ipc": host.ipc_mode == "host",
        "cgroup": host.cgroupns_mode == "host",
    }
    return [Namespace(type=kind, path=launch.joined.get(kind)) for kind in _ORDER if not shared.get(kind, False)]


def _seccomp(container: Container, options: SecurityOptions, capabilities: list[str]) -> Seccomp | None:
    if options.seccomp == "unconfined":
        return None
    if container.host.privileged and not options.seccomp_named:
        return None
    profile = options.seccomp.encode() if options.seccomp is not None else None
    try:
        return resolve_profile(profile, frozenset(capabilities))
    except ValueError as error:
        raise StartFailed(str(error), exit_code=128, status=500) from error
