"""The flags of ``run`` and ``create``: one table, flag → place in the create body.

``to`` names the place: ``Config.User`` is the body's own top level (``User``), ``Host.Memory`` is HostConfig. Flags
without a place are read by ``container_body`` (several make one value) or by the commands themselves (--name,
--detach).
"""

from __future__ import annotations

from estiba.cli.flags import BOOL, INT, LIST, TEXT, UINT, UINT16, Flag, Kind
from estiba.cli.option_values import (
    parse_attach,
    parse_cgroup_rule,
    parse_cpus,
    parse_dns,
    parse_dns_search,
    parse_env,
    parse_extra_host,
    parse_gpus,
    parse_label,
    parse_link,
    parse_map,
    parse_mount,
    parse_network,
    parse_sysctl,
    parse_throttle_bytes,
    parse_throttle_ops,
    parse_ulimit,
    parse_weight,
)
from estiba.cli.units import parse_duration, parse_memory_swap, parse_size


def _many(parse: object, name: str = "list") -> Kind:
    return Kind(name, parse, many=True)  # type: ignore[arg-type]


BYTES = Kind("bytes", parse_size, zero=0)
DURATION = Kind("duration", parse_duration, zero=0)
SWAP = Kind("bytes", parse_memory_swap, zero=0)
CPUS = Kind("decimal", parse_cpus, zero=0)
MAP = _many(parse_map, "map")

CREATE_FLAGS = (
    Flag("name", "", TEXT, "Assign a name to the container"),
    Flag("platform", "", TEXT, "Set platform if the image has several"),
    Flag("pull", "", TEXT, 'Pull image before creating ("always", "missing", "never")', "missing"),
    Flag("quiet", "q", BOOL, "Suppress the pull output"),
    Flag("disable-content-trust", "", BOOL, "Skip image verification", True),
)

# resources that ``update`` can change too
LIMIT_FLAGS = (
    Flag(
        "blkio-weight",
        "",
        UINT16,
        "Block IO (relative weight), between 10 and 1000, or 0 to disable",
        to="Host.BlkioWeight",
    ),
    Flag("cpu-period", "", INT, "Limit CPU CFS (Completely Fair Scheduler) period", to="Host.CpuPeriod"),
    Flag("cpu-quota", "", INT, "Limit CPU CFS (Completely Fair Scheduler) quota", to="Host.CpuQuota"),
    Flag("cpu-rt-period", "", INT, "Limit CPU real-time period in microseconds", to="Host.CpuRealtimePeriod"),
    Flag("cpu-rt-runtime", "", INT, "Limit CPU real-time runtime in microseconds", to="Host.CpuRealtimeRuntime"),
    Flag("cpu-shares", "c", INT, "CPU shares (relative weight)", to="Host.CpuShares"),
    Flag("cpus", "", CPUS, "Number of CPUs", to="Host.NanoCpus"),
    Flag("cpuset-cpus", "", TEXT, "CPUs in which to allow execution (0-3, 0,1)", to="Host.CpusetCpus"),
    Flag("cpuset-mems", "", TEXT, "MEMs in which to allow execution (0-3, 0,1)", to="Host.CpusetMems"),
    Flag("memory", "m", BYTES, "Memory limit", to="Host.Memory"),
    Flag("memory-reservation", "", BYTES, "Memory soft limit", to="Host.MemoryReservation"),
    Flag(
        "memory-swap",
        "",
        SWAP,
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        to="Host.MemorySwap",
    ),
    Flag("pids-limit", "", INT, "Tune container pids limit (set -1 for unlimited)", to="Host.PidsLimit"),
)

CONTAINER_FLAGS = (
    *CREATE_FLAGS,
    *LIMIT_FLAGS,
    Flag("add-host", "", _many(parse_extra_host), "Add a custom host-to-IP mapping (host:ip)", to="Host.ExtraHosts"),
    Flag(
        "annotation",
        "",
        MAP,
        "Add an annotation to the container (passed through to the OCI runtime)",
        to="Host.Annotations",
    ),
    Flag("attach", "a", _many(parse_attach), "Attach to STDIN, STDOUT or STDERR"),
    Flag(
        "blkio-weight-device",
        "",
        _many(parse_weight),
        "Block IO weight (relative device weight, DEVICE:WEIGHT)",
        to="Host.BlkioWeightDevice",
    ),
    Flag("cap-add", "", LIST, "Add Linux capabilities", to="Host.CapAdd"),
    Flag("cap-drop", "", LIST, "Drop Linux capabilities", to="Host.CapDrop"),
    Flag("cgroup-parent", "", TEXT, "Optional parent cgroup for the container", to="Host.CgroupParent"),
    Flag(
        "cgroupns",
        "",
        TEXT,
        "Cgroup namespace to use (host|private); the engine's default when empty",
        to="Host.CgroupnsMode",
    ),
    Flag("cidfile", "", TEXT, "Write the container ID to the file", to="Host.ContainerIDFile"),
    Flag("cpu-count", "", INT, "CPU count (Windows only)", to="Host.CpuCount", hidden=True),
    Flag("cpu-percent", "", INT, "CPU percent (Windows only)", to="Host.CpuPercent", hidden=True),
    Flag("device", "", LIST, "Add a host device to the container"),
    Flag(
        "device-cgroup-rule",
        "",
        _many(parse_cgroup_rule),
        "Add a rule to the cgroup allowed devices list",
        to="Host.DeviceCgroupRules",
    ),
    Flag(
        "device-read-bps",
        "",
        _many(parse_throttle_bytes),
        "Limit read rate (bytes per second) from a device",
        to="Host.BlkioDeviceReadBps",
    ),
    Flag(
        "device-read-iops",
        "",
        _many(parse_throttle_ops),
        "Limit read rate (IO per second) from a device",
        to="Host.BlkioDeviceReadIOps",
    ),
    Flag(
        "device-write-bps",
        "",
        _many(parse_throttle_bytes),
        "Limit write rate (bytes per second) to a device",
        to="Host.BlkioDeviceWriteBps",
    ),
    Flag(
        "device-write-iops",
        "",
        _many(parse_throttle_ops),
        "Limit write rate (IO per second) to a device",
        to="Host.BlkioDeviceWriteIOps",
    ),
    Flag("dns", "", _many(parse_dns), "Set custom DNS servers", to="Host.Dns"),
    Flag("dns-option", "", LIST, "Set DNS options", to="Host.DnsOptions"),
    Flag("dns-opt", "", LIST, "Set DNS options", to="Host.DnsOptions", hidden=True),
    Flag("dns-search", "", _many(parse_dns_search), "Set custom DNS search domains", to="Host.DnsSearch"),
    Flag("domainname", "", TEXT, "Container NIS domain name", to="Config.Domainname"),
    Flag("entrypoint", "", TEXT, "Overwrite the default ENTRYPOINT of the image"),
    Flag("env", "e", _many(parse_env), "Set environment variables"),
    Flag("env-file", "", LIST, "Read in a file of environment variables"),
    Flag("expose", "", LIST, "Expose a port or a range of ports"),
    Flag("gpus", "", _many(parse_gpus, "gpu-request"), "GPU devices to add to the container ('all' to pass all GPUs)"),
    Flag("group-add", "", LIST, "Add additional groups to join", to="Host.GroupAdd"),
    Flag("health-cmd", "", TEXT, "Command to run to check health"),
    Flag("health-interval", "", DURATION, "Time between running the check (ms|s|m|h)"),
    Flag("health-retries", "", INT, "Consecutive failures needed to report unhealthy"),
    Flag("health-start-interval", "", DURATION, "Time between running the check during the start period (ms|s|m|h)"),
    Flag("health-start-period", "", DURATION, "Time to initialize before failures count (ms|s|m|h)"),
    Flag("health-timeout", "", DURATION, "Maximum time to allow one check to run (ms|s|m|h)"),
    Flag("hostname", "h", TEXT, "Container host name", to="Config.Hostname"),
    Flag("init", "", BOOL, "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "i", BOOL, "Keep STDIN open even if not attached", to="Config.OpenStdin"),
    Flag(
        "io-maxbandwidth", "", BYTES, "Maximum IO bandwidth (Windows only)", to="Host.IOMaximumBandwidth", hidden=True
    ),
    Flag("io-maxiops", "", UINT, "Maximum IOps (Windows only)", to="Host.IOMaximumIOps", hidden=True),
    Flag("ip", "", TEXT, "IPv4 address (e.g., 172.30.100.104)"),
    Flag("ip6", "", TEXT, "IPv6 address (e.g., 2001:db8::33)"),
    Flag("ipc", "", TEXT, "IPC mode to use", to="Host.IpcMode"),
    Flag("isolation", "", TEXT, "Container isolation technology", to="Host.Isolation"),
    Flag("kernel-memory", "", BYTES, "Kernel memory limit"),
    Flag("label", "l", _many(parse_label), "Set meta data on a container"),
    Flag("label-file", "", LIST, "Read in a line delimited file of labels"),
    Flag("link", "", _many(parse_link), "Add link to another container", to="Host.Links"),
    Flag("link-local-ip", "", LIST, "Container IPv4/IPv6 link-local addresses"),
    Flag("log-driver", "", TEXT, "Logging driver for the container"),
    Flag("log-opt", "", LIST, "Log driver options"),
    Flag("mac-address", "", TEXT, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    Flag("memory-swappiness", "", INT, "Tune container memory swappiness (0 to 100)", -1, to="Host.MemorySwappiness"),
    Flag("mount", "", _many(parse_mount, "mount"), "Attach a filesystem mount to the container"),
    Flag("network", "", _many(parse_network, "network"), "Connect a container to a network"),
    Flag("net", "", _many(parse_network, "network"), "Connect a container to a network", hidden=True),
    Flag("network-alias", "", LIST, "Add network-scoped alias for the container"),
    Flag("net-alias", "", LIST, "Add network-scoped alias for the container", hidden=True),
    Flag("no-healthcheck", "", BOOL, "Disable any container-specified HEALTHCHECK"),
    Flag("oom-kill-disable", "", BOOL, "Disable OOM Killer", to="Host.OomKillDisable"),
    Flag("oom-score-adj", "", INT, "Tune host's OOM preferences (-1000 to 1000)", to="Host.OomScoreAdj"),
    Flag("pid", "", TEXT, "PID namespace to use", to="Host.PidMode"),
    Flag("privileged", "", BOOL, "Give extended privileges to this container", to="Host.Privileged"),
    Flag("publish", "p", LIST, "Publish a container's port(s) to the host"),
    Flag("publish-all", "P", BOOL, "Publish all exposed ports to random ports", to="Host.PublishAllPorts"),
    Flag("read-only", "", BOOL, "Mount the container's root filesystem as read only", to="Host.ReadonlyRootfs"),
    Flag("restart", "", TEXT, "Restart policy to apply when a container exits", "no"),
    Flag("rm", "", BOOL, "Remove the container and its anonymous volumes when it exits", to="Host.AutoRemove"),
    Flag("runtime", "", TEXT, "Runtime to use for this container"),
    Flag("security-opt", "", LIST, "Security Options"),
    Flag("shm-size", "", BYTES, "Size of /dev/shm", to="Host.ShmSize"),
    Flag("stop-signal", "", TEXT, "Signal to stop the container"),
    Flag("stop-timeout", "", INT, "Timeout (in seconds) to stop a container"),
    Flag("storage-opt", "", LIST, "Storage driver options for the container"),
    Flag("sysctl", "", _many(parse_sysctl, "map"), "Sysctl options"),
    Flag("tmpfs", "", LIST, "Mount a tmpfs directory"),
    Flag("tty", "t", BOOL, "Allocate a pseudo-TTY", to="Config.Tty"),
    Flag("ulimit", "", _many(parse_ulimit, "ulimit"), "Ulimit options"),
    Flag("user", "u", TEXT, "Username or UID (format: <name|uid>[:<group|gid>])", to="Config.User"),
    Flag("userns", "", TEXT, "User namespace to use", to="Host.UsernsMode"),
    Flag("uts", "", TEXT, "UTS namespace to use", to="Host.UTSMode"),
    Flag("volume", "v", LIST, "Bind mount a volume"),
    Flag("volume-driver", "", TEXT, "Optional volume driver for the container", to="Host.VolumeDriver"),
    Flag("volumes-from", "", LIST, "Mount volumes from the specified container(s)", to="Host.VolumesFrom"),
    Flag("workdir", "w", TEXT, "Working directory inside the container", to="Config.WorkingDir"),
)
