/* The program of the embedded `hello` image: says what this container is made of, as seen from inside. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define TEXT 4096
#define LABEL 12

static int colour;

static const char *paint(const char *code)
{
	return colour ? code : "";
}

#define BOLD paint("\033[1m")
#define DIM paint("\033[2m")
#define GREEN paint("\033[32m")
#define CYAN paint("\033[36m")
#define PLAIN paint("\033[0m")

/* Reads a small file as text; "" if that is not possible. The buffer holds TEXT bytes. */
static const char *slurp(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, TEXT - 1);
	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = 0;
	return text;
}

static const char *first_line(const char *path, char *text)
{
	slurp(path, text);
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void line(const char *label, const char *format, ...)
{
	va_list arguments;
	printf("  %s%-*s%s ", CYAN, LABEL, label, PLAIN);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

/* ---- what it says ---- */

static void say_namespaces(void)
{
	static const struct {
		const char *file, *gives;
	} kinds[] = {
		{ "mnt", "the tree of files" },
		{ "pid", "process numbers" },
		{ "net", "network interfaces, ports and rules" },
		{ "ipc", "shared memory and message queues" },
		{ "uts", "the host name" },
		{ "cgroup", "the view of resource limits" },
		{ "user", "user ids" },
	};
	char path[64], target[64];
	line("namespaces", "%seach keeps something of this container apart:%s", DIM, PLAIN);
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].file);
		ssize_t length = readlink(path, target, sizeof target - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		const char *number = strchr(target, '[');
		line("", "%-6s %s%s%s %s", kinds[i].file, DIM, number ? number : "", PLAIN, kinds[i].gives);
	}
}

/* Prints bytes with a binary unit. */
static void size_text(char *text, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned unit = 0;
	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size, "%.4g %s", value, units[unit]);
}

/* A limit file: "max" and v1's huge numbers mean that there is none. */
static int read_limit(const char *path, uint64_t *limit)
{
	char text[TEXT];
	first_line(path, text);
	if (!*text)
		return -1;
	*limit = strtoull(text, NULL, 10);
	return *limit > 0 && *limit < (1ull << 60) ? 1 : 0;
}

static void cpu_text(char *text, size_t size, int unified)
{
	char content[TEXT];
	double quota = -1, period = 0;
	if (unified) {
		first_line("/sys/fs/cgroup/cpu.max", content);
		if (sscanf(content, "%lf %lf", &quota, &period) != 2)
			quota = -1;
	} else {
		quota = strtod(first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", content), NULL);
		period = strtod(first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", content), NULL);
	}
	if (quota > 0 && period > 0)
		snprintf(text, size, "%.4g cpus", quota / period);
	else
		snprintf(text, size, "cpus unlimited (%ld here)", sysconf(_SC_NPROCESSORS_ONLN));
}

static void say_limits(void)
{
	char memory[64] = "memory unlimited", processes[64] = "processes unlimited", cpus[64], size[32];
	uint64_t limit;
	int unified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	const char *version = unified ? "2" : access("/sys/fs/cgroup", F_OK) == 0 ? "1" : "none";
	if (read_limit(unified ? "/sys/fs/cgroup/memory.max" : "/sys/fs/cgroup/memory/memory.limit_in_bytes", &limit) == 1) {
		size_text(size, sizeof size, limit);
		snprintf(memory, sizeof memory, "memory %s", size);
	}
	if (read_limit(unified ? "/sys/fs/cgroup/pids.max" : "/sys/fs/cgroup/pids/pids.max", &limit) == 1)
		snprintf(processes, sizeof processes, "at most %llu processes", (unsigned long long)limit);
	cpu_text(cpus, sizeof cpus, unified);
	line("limits", "%s, %s, %s %s(cgroup v%s)%s", memory, cpus, processes, DIM, version, PLAIN);
}

static void say_user(void)
{
	char text[TEXT];
	unsigned inside, outside, count;
	line("user", "uid %u, gid %u", getuid(), getgid());
	if (sscanf(slurp("/proc/self/uid_map", text), "%u %u %u", &inside, &outside, &count) != 3)
		return;
	if (inside == outside && count == UINT32_MAX)
		line("", "%suids are the machine's own%s", DIM, PLAIN);
	else
		line("", "uid %u here is uid %u of the machine (%u ids)", inside, outside, count);
}

/* The number after "Name:" in /proc/self/status, in this base. */
static uint64_t status_number(const char *status, const char *name, int base)
{
	const char *found = strstr(status, name);
	return found ? strtoull(found + strlen(name), NULL, base) : 0;
}

static void say_rights(void)
{
	static const char *const modes[] = { "no system calls are filtered", "strict filter", "system calls are filtered" };
	char status[TEXT];
	slurp("/proc/self/status", status);
	int capabilities = __builtin_popcountll(status_number(status, "CapEff:", 16));
	int bounding = __builtin_popcountll(status_number(status, "CapBnd:", 16));
	uint64_t mode = status_number(status, "\nSeccomp:", 10), filters = status_number(status, "Seccomp_filters:", 10);
	line("rights", "%d of root's 41 capabilities, never more than %d", capabilities, bounding);
	line("", "%s%s", modes[mode < 3 ? mode : 2], mode == 2 && filters > 1 ? " (several times)" : "");
}

static int count_processes(void)
{
	int count = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	while (proc && (entry = readdir(proc)))
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	if (proc)
		closedir(proc);
	return count;
}

static const char *file_system(long type)
{
	switch ((unsigned long)type) {
	case 0x794c7630:
		return "overlay: the image's layers, with a layer of its own to write to";
	case 0x01021994:
		return "tmpfs";
	case 0xef53:
		return "ext4";
	case 0x58465342:
		return "xfs";
	case 0x9123683e:
		return "btrfs";
	case 0x2fc12fc1:
		return "zfs";
	default:
		return "a file system of the machine";
	}
}

static void say_machine(void)
{
	struct utsname names;
	struct statfs root;
	if (uname(&names) == 0) {
		line("host name", "%s", names.nodename);
		line("kernel", "%s %s on %s", names.sysname, names.release, names.machine);
	}
	int processes = count_processes();
	line("processes", "%d can be seen from here; this one is number %d", processes, getpid());
	if (statfs("/", &root) == 0)
		line("root", "%s", file_system(root.f_type));
}

/* ---- how long the start took ---- */

static uint64_t now(clockid_t clock)
{
	struct timespec time = { 0 };
	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

/* ns since the moment in ESTIBA_START_NS, which may be of either clock: the one that makes sense is meant. */
static uint64_t since_request(const char *start)
{
	uint64_t began = strtoull(start, NULL, 10), real = now(CLOCK_REALTIME), monotonic = now(CLOCK_MONOTONIC);
	if (began && real >= began && real - began < 3600 * NS_PER_SECOND)
		return real - began;
	return began && monotonic >= began && monotonic - began < 3600 * NS_PER_SECOND ? monotonic - began : 0;
}

/* ns since the kernel made this process: field 22 of /proc/self/stat, in ticks since the boot. */
static uint64_t since_process(void)
{
	char text[TEXT];
	const char *field = strrchr(slurp("/proc/self/stat", text), ')');
	for (int i = 2; field && i < 22; i++) {
		field = strchr(field, ' ');
		field += field != NULL;
	}
	if (!field)
		return 0;
	uint64_t ticks = strtoull(field, NULL, 10), second = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t began = ticks * (NS_PER_SECOND / second), boot = now(CLOCK_BOOTTIME);
	return boot > began ? boot - began : 0;
}

static void say_start(void)
{
	const char *start = getenv("ESTIBA_START_NS");
	uint64_t took = start ? since_request(start) : 0;
	if (took)
		line("start", "%s%.1f ms%s from the request to this line", BOLD, (double)took / 1e6, PLAIN);
	else if ((took = since_process()))
		line("start", "this process is %.0f ms old %s(the kernel counts in 10 ms)%s", (double)took / 1e6, DIM, PLAIN);
}

int main(void)
{
	colour = isatty(1) && !getenv("NO_COLOR");
	printf("\n%sHello from a container!%s Estiba is installed and works.\n\n", GREEN, PLAIN);
	say_machine();
	say_namespaces();
	say_user();
	say_rights();
	say_limits();
	say_start();
	printf("\nTo try next:\n"
	       "  %sestiba run --rm -it host bash%s                          a shell in a copy of this very machine\n"
	       "  %sestiba ps -a%s                                           all containers, this one too\n"
	       "  %sdocker -H unix:///run/estiba.sock run --rm hello%s       the docker command, on Estiba\n\n",
	       BOLD, PLAIN, BOLD, PLAIN, BOLD, PLAIN);
	return fflush(stdout) == 0 ? 0 : 1;
}
