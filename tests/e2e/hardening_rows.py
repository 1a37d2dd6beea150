"""What a container is by default and with each option, value for value as in Docker 28.5: rows for test_hardening.py.

A row is a name, options of `docker run`, a shell command in the container, and what it prints. V1 and V2 are the rows
that differ with the version of the cgroups.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    name: str
    options: str
    command: str
    expected: str


DEFAULT_CAPS = "00000000a80425fb"
CAPS = "awk '/^Cap/{printf \"%s \", $2}' /proc/self/status"
ZERO = "0000000000000000"
SECCOMP = "awk '/^(NoNewPrivs|Seccomp|Seccomp_filters):/{printf \"%s \", $2}' /proc/self/status"
GROUPS = "awk '/^(Uid|Gid|Groups):/{$1=$1; print}' /proc/self/status"
ENVIRONMENT = "tr '\\0' '\\n' < /proc/1/environ"


def mount_of(target: str) -> str:
    """Mount options and those of the file system, of the topmost mount there."""
    return f"""awk '$5 == "{target}" {{last = $6 " " $(NF-2) " " $NF}} END {{print last}}' /proc/self/mountinfo"""


MOUNTS = [
    Row("root", "", mount_of("/") + " | cut -d' ' -f1,2", "rw,relatime overlay"),
    Row("proc", "", mount_of("/proc"), "rw,nosuid,nodev,noexec,relatime proc rw"),
    Row("dev", "", mount_of("/dev"), "rw,nosuid tmpfs rw,size=65536k,mode=755"),
    Row("devpts", "", mount_of("/dev/pts"), "rw,nosuid,noexec,relatime devpts rw,gid=5,mode=620,ptmxmode=666"),
    Row("sys", "", mount_of("/sys"), "ro,nosuid,nodev,noexec,relatime sysfs rw"),
    Row("mqueue", "", mount_of("/dev/mqueue"), "rw,nosuid,nodev,noexec,relatime mqueue rw"),
    Row("shm", "", mount_of("/dev/shm"), "rw,nosuid,nodev,noexec,relatime tmpfs rw,size=65536k"),
    Row("shm mode", "", "stat -c %a /dev/shm", "1777"),
    Row("shm size 0 is the default", "--shm-size 0", mount_of("/dev/shm") + " | cut -d' ' -f3", "rw,size=65536k"),
    Row("shm size", "--shm-size 1m", mount_of("/dev/shm") + " | cut -d' ' -f3", "rw,size=1024k"),
    Row(
        "order of the mounts",
        "",
        "awk '{print $5}' /proc/self/mountinfo | grep -v ^/sys/fs/cgroup/ | head -n 11 | tr '\\n' ' '",
        "/ /proc /dev /dev/pts /sys /sys/fs/cgroup /dev/mqueue /dev/shm /etc/resolv.conf /etc/hostname /etc/hosts",
    ),
    Row("files of the engine", "", mount_of("/etc/hosts") + " | cut -d' ' -f1", "rw,relatime"),
    Row("read-only: files of the engine", "--read-only", mount_of("/etc/hosts") + " | cut -d' ' -f1", "ro,relatime"),
    Row("read-only root", "--read-only", mount_of("/") + " | cut -d' ' -f1", "ro,relatime"),
    Row("read-only: /dev stays writable", "--read-only", "touch /dev/x /dev/shm/x && echo yes", "yes"),
    Row("no propagation from the root", "", "awk '$5 == \"/\" {print $7}' /proc/self/mountinfo", "-"),
]

READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
MASKED = [
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    "/sys/devices/virtual/powercap",
]

DEV = [
    Row(
        "nodes",
        "",
        "cd /dev; stat -c '%n %a %u:%g %t:%T' null zero full tty random urandom",
        "null 666 0:0 1:3\nzero 666 0:0 1:5\nfull 666 0:0 1:7\n"
        "tty 666 0:0 5:0\nrandom 666 0:0 1:8\nurandom 666 0:0 1:9",
    ),
    Row(
        "nothing else",
        "",
        "cd /dev; ls -d * | grep -vx core | tr '\\n' ' '",
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
    ),
    Row(
        "links",
        "",
        "cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done | tr '\\n' ' '",
        "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx",
    ),
    Row("console with a terminal", "-t", "stat -c '%a %u:%g %t' /dev/console", "620 0:5 88"),
    Row(
        "the terminal is 0, 1 and 2",
        "-t",
        "for n in 0 1 2; do readlink /proc/1/fd/$n; done | uniq -c | awk '{print $1, $2}'",
        "3 /dev/pts/0",
    ),
    Row(
        "mknod works, the device does not",
        "",
        "mknod /tmp/d b 8 0 && cat /tmp/d 2>&1",
        "cat: can't open '/tmp/d': Operation not permitted",
    ),
]

V1 = [
    Row("cgroup", "", mount_of("/sys/fs/cgroup"), "rw,nosuid,nodev,noexec,relatime tmpfs rw,mode=755"),
    Row(
        "controllers are read-only",
        "",
        "awk '$5 ~ \"^/sys/fs/cgroup/\" {print $6, $9}' /proc/self/mountinfo | sort -u",
        "ro,nosuid,nodev,noexec,relatime cgroup",
    ),
    Row(
        "release_agent",
        "",
        "echo x > /sys/fs/cgroup/memory/release_agent",
        "sh: can't create /sys/fs/cgroup/memory/release_agent: Read-only file system",
    ),
    Row(
        "devices",
        "",
        "cat /sys/fs/cgroup/devices/devices.list | tr '\\n' ';'",
        "b *:* m;c *:* m;c 1:3 rwm;c 1:5 rwm;c 1:7 rwm;c 1:8 rwm;c 1:9 rwm;"
        "c 5:0 rwm;c 5:1 rwm;c 5:2 rwm;c 136:* rwm;c 10:200 rwm;",
    ),
    Row("devices of a privileged one", "--privileged", "cat /sys/fs/cgroup/devices/devices.list", "a *:* rwm"),
    Row(
        "privileged: cgroups are writable",
        "--privileged",
        "awk '$5 ~ \"^/sys/fs/cgroup/\" {print $6}' /proc/self/mountinfo | sort -u",
        "rw,nosuid,nodev,noexec,relatime",
    ),
    Row("own cgroup namespace", "--cgroupns private", "cut -d: -f3 /proc/self/cgroup | sort -u", "/"),
    Row(
        "memory",
        "-m 64m",
        "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes | tr '\\n' ' '",
        "67108864 134217728",
    ),
    Row(
        "memory and swap",
        "-m 64m --memory-swap 80m",
        "cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
        "83886080",
    ),
    Row("reservation", "--memory-reservation 32m", "cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes", "33554432"),
    Row("swappiness", "--memory-swappiness 7", "cat /sys/fs/cgroup/memory/memory.swappiness", "7"),
    Row(
        "oom-kill-disable",
        "-m 64m --oom-kill-disable",
        "head -n 1 /sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill_disable 1",
    ),
    Row(
        "cpus",
        "--cpus 0.5",
        "cd /sys/fs/cgroup/cpu; cat cpu.cfs_period_us cpu.cfs_quota_us | tr '\\n' ' '",
        "100000 50000",
    ),
    Row(
        "cpu quota and period",
        "--cpu-quota 20000 --cpu-period 50000",
        "cd /sys/fs/cgroup/cpu; cat cpu.cfs_period_us cpu.cfs_quota_us | tr '\\n' ' '",
        "50000 20000",
    ),
    Row("cpu shares", "--cpu-shares 512", "cat /sys/fs/cgroup/cpu/cpu.shares", "512"),
    Row(
        "cpuset",
        "--cpuset-cpus 1 --cpuset-mems 0",
        "cd /sys/fs/cgroup/cpuset; cat cpuset.cpus cpuset.mems | tr '\\n' ' '",
        "1 0",
    ),
    Row("pids", "--pids-limit 77", "cat /sys/fs/cgroup/pids/pids.max", "77"),
    Row("pids without a limit", "--pids-limit -1", "cat /sys/fs/cgroup/pids/pids.max", "max"),
]

V2 = [
    Row("cgroup", "", mount_of("/sys/fs/cgroup") + " | cut -d' ' -f1,2", "ro,nosuid,nodev,noexec,relatime cgroup2"),
    Row("own cgroup namespace", "", "cut -d: -f3 /proc/self/cgroup", "/"),
    Row("memory", "-m 64m", "cd /sys/fs/cgroup; cat memory.max memory.swap.max | tr '\\n' ' '", "67108864 67108864"),
    Row("reservation", "--memory-reservation 32m", "cat /sys/fs/cgroup/memory.low", "33554432"),
    Row("cpus", "--cpus 0.5", "cat /sys/fs/cgroup/cpu.max", "50000 100000"),
    Row("cpu shares", "--cpu-shares 512", "cat /sys/fs/cgroup/cpu.weight", "59"),
    Row("cpuset", "--cpuset-cpus 1", "cat /sys/fs/cgroup/cpuset.cpus", "1"),
    Row("pids", "--pids-limit 77", "cat /sys/fs/cgroup/pids.max", "77"),
]

CREDENTIALS = [
    Row("capabilities of root", "", CAPS, f"{ZERO} {DEFAULT_CAPS} {DEFAULT_CAPS} {DEFAULT_CAPS} {ZERO}"),
    Row("capabilities of a user", "-u 1000", CAPS, f"{ZERO} {ZERO} {ZERO} {DEFAULT_CAPS} {ZERO}"),
    Row("cap-drop ALL", "--cap-drop ALL", CAPS, f"{ZERO} {ZERO} {ZERO} {ZERO} {ZERO}"),
    Row(
        "cap-drop ALL, cap-add",
        "--cap-drop ALL --cap-add net_raw",
        "grep CapBnd /proc/self/status",
        "CapBnd:\t0000000000002000",
    ),
    Row("cap-drop", "--cap-drop MKNOD", "grep CapBnd /proc/self/status", "CapBnd:\t00000000a00425fb"),
    Row("seccomp", "", SECCOMP, "0 2 1"),
    Row("seccomp of a user", "-u 1000", SECCOMP, "0 2 1"),
    Row("no-new-privileges", "--security-opt no-new-privileges", SECCOMP, "1 2 1"),
    Row("no-new-privileges:true", "--security-opt no-new-privileges:true", SECCOMP, "1 2 1"),
    Row("no-new-privileges=false", "--security-opt no-new-privileges=false", SECCOMP, "0 2 1"),
    Row("no filter", "--security-opt seccomp=unconfined", SECCOMP, "0 0 0"),
    Row("privileged", "--privileged", SECCOMP, "0 0 0"),
    Row("groups of root", "", GROUPS, "Uid: 0 0 0 0\nGid: 0 0 0 0\nGroups: 0"),
    Row("a user by name", "-u user", GROUPS, "Uid: 1000 1000 1000 1000\nGid: 1000 1000 1000 1000\nGroups: 1000 2000"),
    Row("a user by number", "-u 1000", GROUPS, "Uid: 1000 1000 1000 1000\nGid: 1000 1000 1000 1000\nGroups: 1000 2000"),
    Row("a group by name", "-u user:extra", GROUPS, "Uid: 1000 1000 1000 1000\nGid: 2000 2000 2000 2000\nGroups: 2000"),
    Row("a user and group 0", "-u 1000:0", GROUPS, "Uid: 1000 1000 1000 1000\nGid: 0 0 0 0\nGroups: 0"),
    Row("only a group", "-u :1000", GROUPS, "Uid: 0 0 0 0\nGid: 1000 1000 1000 1000\nGroups: 1000"),
    Row("an empty group", "-u 1000:", "id -g", "1000"),
    Row(
        "an unknown number", "-u 4711", GROUPS + "; echo $HOME", "Uid: 4711 4711 4711 4711\nGid: 0 0 0 0\nGroups: 0\n/"
    ),
    Row("group-add", "--group-add 3000 --group-add extra", "grep Groups /proc/self/status", "Groups:\t0 2000 3000 "),
    Row("umask", "", "umask", "0022"),
    Row("oom_score_adj", "", "cat /proc/self/oom_score_adj", "0"),
    Row("oom-score-adj", "--oom-score-adj 500", "cat /proc/self/oom_score_adj", "500"),
    Row("personality", "--cap-add SYS_PTRACE", "cat /proc/1/personality", "00000000"),
    Row("nice", "", "awk '{print $19}' /proc/1/stat", "0"),
    Row("processors", "", "grep -c Cpus_allowed_list /proc/1/status", "1"),
    Row("session", "", "awk '{print $1, $5, $6}' /proc/1/stat", "1 1 1"),
    Row("ulimit", "--ulimit nofile=100:200 --ulimit core=0", "ulimit -n; ulimit -Hn; ulimit -c", "100\n200\n0"),
    Row("descriptors", "", "ls /proc/1/fd | tr '\\n' ' '", "0 1 2"),
    Row("stdin", "", "readlink /proc/1/fd/0; grep flags /proc/1/fdinfo/0", "/dev/null\nflags:\t0100002"),
    Row("signals", "", "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | uniq", ZERO),
    Row("dumpable again", "", "stat -c %U /proc/self/environ", "root"),
]

ENVIRONMENTS = [
    Row(
        "order",
        "-h box",
        ENVIRONMENT,
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOSTNAME=box\nHOME=/root",
    ),
    Row("values", "-h box -e A=1 -e PATH=/bin -e HOME=", ENVIRONMENT, "PATH=/bin\nHOSTNAME=box\nA=1\nHOME=/root"),
    Row(
        "with a terminal",
        "-t -h box",
        ENVIRONMENT,
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOSTNAME=box\nTERM=xterm\nHOME=/root",
    ),
    Row("home of a user", "-u user", "echo $HOME", "/home/user"),
    Row("workdir is made, as root", "-u user -w /a/b", "pwd; stat -c '%u:%g %a' /a /a/b", "/a/b\n0:0 755\n0:0 755"),
    Row("port sysctl", "", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
    Row("ping sysctl", "", "cat /proc/sys/net/ipv4/ping_group_range", "0\t2147483647"),
    Row(
        "sysctls",
        "--sysctl net.ipv4.ip_unprivileged_port_start=99 --sysctl kernel.msgmax=4242",
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax",
        "99\n4242",
    ),
    Row(
        "hostname", "-h box --domainname example", "cat /etc/hostname; cat /proc/sys/kernel/domainname", "box\nexample"
    ),
    Row(
        "hosts",
        "--network none",
        "cat /etc/hosts",
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters",
    ),
    Row("add-host", "--add-host x:1.2.3.4", "tail -n 1 /etc/hosts", "1.2.3.4\tx"),
    Row(
        "resolv.conf",
        "--dns 9.9.9.9 --dns-search example --dns-opt ndots:3",
        "grep -v -e '^#' -e '^$' /etc/resolv.conf",
        "nameserver 9.9.9.9\nsearch example\noptions ndots:3",
    ),
    Row("modes", "", "stat -c '%a %u:%g' /etc/hosts /etc/hostname /etc/resolv.conf", "644 0:0\n644 0:0\n644 0:0"),
    Row("in the layer", "", "stat -c '%a %s' /.dockerenv; readlink /etc/mtab", "755 0\n/proc/mounts"),
    Row("loopback is up", "", "cat /sys/class/net/lo/flags; ls /sys/class/net | grep -cv -e lo -e bonding", "0x9\n0"),
]
