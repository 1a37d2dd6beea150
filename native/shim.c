/* Roles, and the loop of the process that stays with a container (or an exec): see README.md. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "logs.h"
#include "plan.h"
#include "shim.h"

#define DRAIN_NS (2ull * 1000 * 1000 * 1000)
#define TRIM_NS (1ull * 1000 * 1000 * 1000)
#define SETTLE_NS (1ull * 1000 * 1000 * 1000)
#define OOM_PAUSE_NS (2ull * 1000 * 1000)
#define OOM_PAUSE_LAST_NS (600ull * 1000 * 1000)

struct shim shim;
static int epoll = -1;

uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int control_epoll(int operation, int descriptor, uint32_t events, enum watch_kind kind, uint32_t index)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};
	return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

int watch(int descriptor, uint32_t events, enum watch_kind kind, uint32_t index)
{
	return control_epoll(EPOLL_CTL_ADD, descriptor, events, kind, index);
}

int rewatch(int descriptor, uint32_t events, enum watch_kind kind, uint32_t index)
{
	return control_epoll(EPOLL_CTL_MOD, descriptor, events, kind, index);
}

void unwatch(int descriptor)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL);
}

/* ---- out of memory ---- */

/* The number behind `oom_kill ` in memory.events (cgroup v2) or memory.oom_control (v1). */
static uint64_t read_oom_kills(int file)
{
	char text[512];
	ssize_t size = pread(file, text, sizeof text - 1, 0);
	if (size <= 0)
		return shim.oom_kills;
	text[size] = '\0';
	const char *line = strstr(text, "oom_kill ");
	return line ? strtoull(line + strlen("oom_kill "), NULL, 10) : shim.oom_kills;
}

/* The eventfd of cgroup v1 tells of it before the kernel kills and counts: look again a little later, and later. */
static void clear_oom_notice(void)
{
	uint64_t count;
	struct pollfd ready = {.fd = shim.child.oom_fd, .events = POLLIN};
	if (poll(&ready, 1, 0) <= 0)
		return;
	if (read(shim.child.oom_fd, &count, sizeof count) < 0)
		unwatch(shim.child.oom_fd);
	shim.oom_pause = OOM_PAUSE_NS;
	shim.oom_at = now_ns() + shim.oom_pause;
}

static void update_oom(void)
{
	int file = shim.child.oom_unified ? shim.child.oom_fd : shim.child.oom_count;
	if (shim.child.oom_fd >= 0 && !shim.child.oom_unified)
		clear_oom_notice();
	uint64_t count = file >= 0 ? read_oom_kills(file) : 0;
	if (count > shim.oom_kills) {
		shim.oom_kills = count;
		control_event(MESSAGE_OOM, 0, count, 0, 0);
	}
}

static void look_again(uint64_t now)
{
	shim.oom_pause *= 4;
	if (shim.oom_pause <= OOM_PAUSE_LAST_NS)
		shim.oom_at = now + shim.oom_pause;
	update_oom();
}

/* ---- start and end ---- */

int shim_start(void)
{
	if (shim.plan_error) {
		shim.failure.err = shim.failure.err ? shim.failure.err : -shim.plan_error;
		return -1;
	}
	if (enter(&shim.plan, &shim.child, &shim.failure) < 0)
		return -1;
	static const int ignored[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGXFSZ};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	shim.settle_at = now_ns() + SETTLE_NS;
	shim.state = STATE_RUNNING;
	watch(shim.child.pidfd, EPOLLIN, WATCH_CHILD, 0);
	if (shim.child.oom_fd >= 0)
		watch(shim.child.oom_fd, shim.child.oom_unified ? EPOLLPRI : EPOLLIN, WATCH_OOM, 0);
	io_start();
	return 0;
}

int shim_signal(int number)
{
	if (shim.state != STATE_RUNNING)
		return ESRCH;
	return syscall(SYS_pidfd_send_signal, shim.child.pidfd, number, NULL, 0) < 0 ? errno : 0;
}

static void on_exit_of_child(void)
{
	if (shim.state != STATE_RUNNING || waitpid(shim.child.pid, &shim.wait_status, __WALL | WNOHANG) != shim.child.pid)
		return;
	shim.state = STATE_EXITED;
	unwatch(shim.child.pidfd);
	shim.kill_at = 0;
	shim.give_up_at = now_ns() + DRAIN_NS;
	io_drain();
}

static void write_record(uint64_t time)
{
	char boot[64] = "", text[256];
	int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = file >= 0 ? read(file, boot, sizeof boot - 1) : 0;
	if (file >= 0)
		close(file);
	boot[length > 0 ? strcspn(boot, "\n") : 0] = '\0';
	int size = snprintf(text, sizeof text,
						"{\"version\":1,\"status\":%d,\"oom_kills\":%llu,\"time\":%llu,\"boot\":\"%s\"}\n",
						shim.wait_status, (unsigned long long)shim.oom_kills, (unsigned long long)time, boot);
	file = openat(FD_RUN_DIRECTORY, "exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return;
	ssize_t written = write(file, text, (size_t)size);
	close(file);
	if (written == size)
		renameat(FD_RUN_DIRECTORY, "exit.new", FD_RUN_DIRECTORY, "exit");
}

void shim_finish(void)
{
	struct timespec now;
	if (shim.finished)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	io_finish();
	log_close(&shim.log);
	update_oom();
	write_record(time);
	shim.finished = 1;
	control_event(MESSAGE_EXITED, 0, (uint64_t)(uint32_t)shim.wait_status, shim.oom_kills, time);
}

/* ---- the loop ---- */

static void dispatch(const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;
	switch ((enum watch_kind)(event->data.u64 >> 32)) {
	case WATCH_LISTENER:
		control_accept();
		break;
	case WATCH_CONNECTION:
		control_ready(index);
		break;
	case WATCH_CHILD:
		on_exit_of_child();
		break;
	case WATCH_OOM:
		update_oom();
		break;
	case WATCH_OUTPUT:
		io_output(index);
		break;
	case WATCH_INPUT:
		attach_feed();
		break;
	case WATCH_ATTACHMENT:
		attach_ready(index, event->events);
		break;
	case WATCH_REPLAY:
		attach_replayed(index);
		break;
	}
}

static void trim(void)
{
	io_trim();
	log_trim();
	attach_trim();
	control_listen();
}

/* What a shim that stays needs: a place beside the engine's, and nothing more of the plan. */
static void settle(void)
{
	plan_settle(&shim.plan);
	munmap((void *)(uintptr_t)shim.plan.base, shim.plan.size);
}

static int is_due(uint64_t *deadline, uint64_t now)
{
	if (!*deadline || now < *deadline)
		return 0;
	*deadline = 0;
	return 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* Does what is due, returns the milliseconds until the next deadline, -1: none. */
static int run_deadlines(void)
{
	uint64_t now = now_ns(), next;
	if (is_due(&shim.kill_at, now))
		shim_signal(SIGKILL);
	if (is_due(&shim.trim_at, now))
		trim();
	if (is_due(&shim.settle_at, now))
		settle();
	if (is_due(&shim.oom_at, now))
		look_again(now);
	if (shim.state == STATE_EXITED && !shim.finished && (is_due(&shim.quiet_at, now) || is_due(&shim.give_up_at, now)))
		shim_finish();
	next = earlier(earlier(shim.kill_at, shim.trim_at), earlier(shim.oom_at, shim.settle_at));
	if (shim.finished) {
		uint64_t last = attach_finish();
		if (!last)
			shim.running = 0;
		next = earlier(next, last);
	} else if (shim.state == STATE_EXITED) {
		next = earlier(next, earlier(shim.quiet_at, shim.give_up_at));
	}
	if (!next)
		return -1;
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static int loop(void)
{
	struct epoll_event events[16];
	shim.running = 1;
	while (shim.running) {
		int timeout = run_deadlines();
		if (!shim.running)
			break;
		int count = epoll_wait(epoll, events, 16, timeout);
		for (int i = 0; i < count && shim.running; i++)
			dispatch(&events[i]);
		if (count > 0)
			shim.trim_at = now_ns() + TRIM_NS;
		if (shim.state == STATE_WAITING && control_is_deserted())
			break; /* the engine died before it asked for the start */
	}
	return shim.finished ? 0 : 1;
}

static void open_log(void)
{
	const char *name = shim.child.log_name;
	uint64_t size = shim.child.log_max_size == UINT64_MAX ? 0 : shim.child.log_max_size;
	if (!name[0])
		return;
	shim.plan_error = log_open(&shim.log, FD_LOG_DIRECTORY, name, size, shim.child.log_max_files);
	if (shim.plan_error)
		snprintf(shim.failure.text, sizeof shim.failure.text, "cannot open the log file %.200s", name);
}

static int stay(int is_exec)
{
	shim.is_exec = is_exec;
	shim.failure.index = UINT32_MAX;
	shim.child = (struct child){.pidfd = -1, .in = -1, .out = -1, .err = -1, .tty = -1, .oom_fd = -1, .oom_count = -1};
	shim.log.file = -1;
	prctl(PR_SET_NAME, "estiba-shim");
	shim.plan_error = plan_open(FD_PLAN, &shim.plan);
	if (!shim.plan_error && plan_prepare(&shim.plan, &shim.child, &shim.failure) < 0)
		shim.plan_error = -EINVAL;
	if (!shim.plan_error)
		syscall(SYS_close_range, shim.child.first_free, ~0u, 0);
	close(FD_PLAN);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return 1;
	if (!shim.plan_error && !is_exec)
		open_log();
	control_open();
	return loop();
}

int main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";
	const char *name = strrchr(argc ? argv[0] : "", '/');
	if (strcmp(name ? name + 1 : argc ? argv[0] : "", "docker-init") == 0)
		init_main(argc, argv);
	if (strcmp(role, "init") == 0)
		init_main(argc - 1, argv + 1);
	if (chdir("/") < 0) /* the engine's directory may lie on something that is unmounted one day */
		return 1;
	if (strcmp(role, "run") == 0)
		return stay(0);
	if (strcmp(role, "exec") == 0)
		return stay(1);
	if (strcmp(role, "logs") == 0)
		return logs_main();
	return 2;
}
