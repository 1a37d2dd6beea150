/* Making the child, and the talk between it and the shim until its program runs. */
#include "enter.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>

#include "interpreter.h"

#define PROC_MAGIC 0x9fa0
#define PIPE_SIZE (1 << 20)
#define FIRST_PLANNED 8
#define EXIT_FAILED 128

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static struct run interpreter; /* some 10 kB: not on the stack of each side */

static int fail(struct failure *failure, uint32_t index, uint32_t code, int result, const char *text)
{
	*failure = (struct failure){ .index = index, .code = code, .err = -result };
	snprintf(failure->text, sizeof failure->text, "%s", text);
	return -1;
}

int process_settle(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* ---- the outer operations ---- */

static int prepare_one(struct child *child, const struct operation *operation)
{
	switch (operation->code) {
	case OP_STDIO:
		child->stdio = (uint32_t)operation->a;
		return 0;
	case OP_LOG:
		child->log_max_size = operation->a;
		child->log_max_files = (uint32_t)operation->b;
		if (strlen(plan_string(operation, 0)) >= sizeof child->log_name)
			return -ENAMETOOLONG;
		strcpy(child->log_name, plan_string(operation, 0));
		return 0;
	case OP_OOM:
		child->oom_fd = (int)operation->a;
		child->oom_unified = (int)operation->b;
		child->oom_count = operation->c == PLAN_NONE ? -1 : (int)operation->c;
		return 0;
	case OP_DESCRIPTORS:
		child->first_free = (int)operation->a;
		return operation->a < FIRST_PLANNED || operation->a > INT_MAX ? -EINVAL : 0;
	default:
		return 0;
	}
}

int plan_prepare(const struct plan *plan, struct child *child, struct failure *failure)
{
	const struct operation *operation = NULL;
	*child = (struct child){
		.pid = -1, .pidfd = -1, .in = -1, .out = -1, .err = -1, .tty = -1, .oom_fd = -1, .oom_count = -1,
		.first_free = FIRST_PLANNED, .log_max_size = PLAN_NONE,
	};
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(failure, UINT32_MAX, 0, -errno, "cannot make the shim non-dumpable");
	for (uint32_t index = 0; (operation = plan_next(plan, operation)); index++) {
		int result = prepare_one(child, operation);
		if (result < 0)
			return fail(failure, index, operation->code, result, "");
		if (operation->code == OP_CLONE)
			break;
	}
	return 0;
}

/* Descriptors that the plan names are the engine's objects: the shim keeps none but the OOM file. */
static void close_planned(const struct plan *plan)
{
	const struct operation *operation = NULL;
	while ((operation = plan_next(plan, operation))) {
		uint64_t number = PLAN_NONE;
		if (operation->code == OP_CGROUP || operation->code == OP_SETNS)
			number = operation->a;
		else if (operation->code == OP_CLONE || operation->code == OP_IDMAP)
			number = operation->b;
		else if (operation->code == OP_TREE)
			number = operation->c;
		if (number >= FIRST_PLANNED && number < INT_MAX)
			close((int)number);
	}
}

void plan_settle(const struct plan *plan)
{
	const struct operation *operation = NULL;
	while ((operation = plan_next(plan, operation)) && operation->code != OP_CLONE) {
		if (operation->code != OP_SHIM_CGROUP || operation->a < FIRST_PLANNED || operation->a >= INT_MAX)
			continue;
		op_cgroup(NULL, operation);
		close((int)operation->a);
	}
}

/* ---- the report socket ---- */

int report_send(struct run *run, enum report_kind kind, int err, int fd)
{
	struct report report = { .kind = kind, .index = run->index, .err = err };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec vector = { .iov_base = &report, .iov_len = sizeof report };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	const struct operation *operation = plan_at(run->plan, run->index);
	report.code = operation ? operation->code : 0;
	memcpy(report.text, run->text, sizeof report.text);
	if (fd >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof control.space;
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	return sendmsg(run->report, &message, MSG_NOSIGNAL) == sizeof report ? 0 : -errno;
}

/* 1: a report, with *fd or -1; 0: the other side is gone; -errno. */
static int report_receive(int socket, struct report *report, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vector = { .iov_base = report, .iov_len = sizeof *report };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
	ssize_t length;
	*fd = -1;
	do
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length <= 0)
		return length < 0 ? -errno : 0;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof *fd);
	report->text[sizeof report->text - 1] = 0;
	return length == sizeof *report ? 1 : -EPROTO;
}

/* ---- the child ---- */

/* clone3(2); behind a filter that hides it, clone(2). Returns as fork does; the pidfd goes to *pidfd. */
pid_t clone_process(uint64_t flags, int exit_signal, int cgroup, int *pidfd)
{
	struct kernel_clone_args arguments = {
		.flags = flags | KERNEL_CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = (uint64_t)exit_signal,
	};
	if (cgroup >= 0) {
		arguments.flags |= KERNEL_CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)cgroup;
	}
	pid_t pid = (pid_t)syscall(NR_CLONE3, &arguments, sizeof arguments);
	if (pid < 0 && errno == ENOSYS && cgroup < 0)
		pid = (pid_t)syscall(SYS_clone, flags | KERNEL_CLONE_PIDFD | (unsigned)exit_signal, 0, pidfd, 0, 0);
	return pid < 0 ? -errno : pid;
}

/* Kernels before 5.7 have no CLONE_INTO_CGROUP: the child joins by itself. */
static int join_directory(uint64_t directory)
{
	OWNED fd = openat((int)directory, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) < 0 ? -errno : 0;
}

static pid_t clone_in_cgroup(const struct operation *operation, uint64_t flags, int exit_signal, int *pidfd)
{
	int cgroup = operation->b == PLAN_NONE ? -1 : (int)operation->b;
	pid_t pid = clone_process(operation->a | flags, exit_signal, cgroup, pidfd);
	if (cgroup < 0 || (pid != -EINVAL && pid != -E2BIG && pid != -ENOSYS))
		return pid;
	pid = clone_process(operation->a | flags, exit_signal, -1, pidfd);
	if (pid == 0 && join_directory(operation->b) < 0)
		_exit(EXIT_FAILED);
	return pid;
}

/* A later OP_CLONE: goes on in a sibling, which the shim learns of, and ends this process. */
int op_clone(struct run *run, const struct operation *operation)
{
	int pidfd = -1;
	pid_t pid = clone_in_cgroup(operation, CLONE_PARENT, 0, &pidfd);
	if (pid < 0)
		return pid;
	if (pid > 0) {
		int result = report_send(run, REPORT_PROCESS, pid, pidfd);
		if (result < 0)
			syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		_exit(result < 0 ? EXIT_FAILED : 0);
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	setsid();
	return run->stdio & STDIO_TERMINAL && isatty(0) && ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

/* By system calls: C libraries keep a few signals to themselves, which would stay ignored or blocked as inherited. */
static void reset_signals(void)
{
	static const char action[64]; /* the kernel's struct: no handler, no flags */
	static const uint64_t none;
	for (int number = 1; number < NSIG; number++)
		syscall(SYS_rt_sigaction, number, action, NULL, sizeof(none));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

struct streams {
	int in[2], out[2], err[2];
};

static int child_begin(const struct streams *streams)
{
	static unsigned char every_cpu[1024];
	const int ends[3] = { streams->in[0], streams->out[1], streams->err[1] };
	reset_signals();
	int result = process_settle();
	if (result < 0)
		return result;
	setsid();
	umask(0);
	memset(every_cpu, 0xff, sizeof every_cpu); /* not the engine's affinity: cpusets alone decide */
	syscall(SYS_sched_setaffinity, 0, sizeof every_cpu, every_cpu);
	for (int fd = 0; fd < 3; fd++)
		if (ends[fd] >= 0 && dup2(ends[fd], fd) < 0)
			return -errno;
	return 0;
}

static _Noreturn void child_main(struct run *run, const struct operation *operation, const struct streams *streams)
{
	int result = child_begin(streams);
	while (result == 0 && (operation = plan_next(run->plan, operation))) {
		run->index++;
		result = plan_run_one(run, operation);
	}
	report_send(run, REPORT_FAILED, -result, -1);
	_exit(EXIT_FAILED);
}

/* ---- the shim ---- */

static int open_host_proc(void)
{
	struct statfs system;
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &system) < 0)
		return -errno;
	return system.f_type == PROC_MAGIC ? fd : -ENODEV;
}

static int open_pipe(int ends[2], int ours)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	return fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_streams(uint32_t stdio, struct streams *streams)
{
	int result = 0;
	*streams = (struct streams){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (stdio & STDIO_TERMINAL)
		return 0;
	if (stdio & STDIO_STDIN)
		result = open_pipe(streams->in, 1);
	if (result == 0)
		result = open_pipe(streams->out, 0);
	if (result == 0)
		result = open_pipe(streams->err, 0);
	if (result == 0) { /* refused beyond pipe-max-size: then they are smaller */
		fcntl(streams->out[0], F_SETPIPE_SZ, PIPE_SIZE);
		fcntl(streams->err[0], F_SETPIPE_SZ, PIPE_SIZE);
	}
	return result;
}

static void forget(int *fd)
{
	close_fd(fd);
	*fd = -1;
}

static int write_maps(const struct run *run, pid_t pid, uint32_t index)
{
	static const char *const files[2] = { "uid_map", "gid_map" };
	const struct operation *operation = plan_at(run->plan, index);
	char path[64];
	int result = 0;
	if (!operation || operation->code != OP_USERNS)
		return -EPROTO;
	snprintf(path, sizeof path, "%d/setgroups", pid);
	if (operation->a)
		result = write_file(run->host_proc, path, "deny");
	for (unsigned i = 0; result == 0 && i < 2; i++) {
		snprintf(path, sizeof path, "%d/%s", pid, files[i]);
		result = write_file(run->host_proc, path, plan_string(operation, i));
	}
	return result;
}

static int reap(struct child *child, siginfo_t *info)
{
	int result;
	do
		result = waitid(P_PIDFD, (id_t)child->pidfd, info, WEXITED);
	while (result < 0 && errno == EINTR);
	forget(&child->pidfd);
	child->pid = -1;
	return result < 0 ? -errno : 0;
}

/* The child ended without a word: the OOM killer, or somebody's SIGKILL. */
static int fail_ended(struct child *child, struct failure *failure)
{
	siginfo_t info = { 0 };
	char text[128];
	reap(child, &info);
	const char *how = info.si_code == CLD_EXITED ? "exit code" : "signal";
	snprintf(text, sizeof text, "the process ended during its set-up: %s %d", how, info.si_status);
	return fail(failure, UINT32_MAX, 0, -ECHILD, text);
}

/* Answers the child until it executes its program (the socket's end) or fails. */
static int converse(struct run *run, struct child *child, struct failure *failure)
{
	bool ready = false;
	for (;;) {
		struct report report;
		siginfo_t info;
		int fd, result = report_receive(run->report, &report, &fd);
		if (result < 0)
			return fail(failure, UINT32_MAX, 0, result, "cannot hear of the process");
		if (result == 0)
			return ready ? 0 : fail_ended(child, failure);
		switch (report.kind) {
		case REPORT_READY:
			ready = true;
			break;
		case REPORT_PROCESS:
			reap(child, &info);
			child->pid = report.err;
			child->pidfd = fd;
			break;
		case REPORT_TERMINAL:
			close_fd(&child->tty);
			child->tty = fd;
			break;
		case REPORT_MAPS:
			report_send(run, REPORT_MAPS, -write_maps(run, child->pid, report.index), -1);
			break;
		default:
			return fail(failure, report.index, report.code, -report.err, report.text);
		}
	}
}

/* What may come before the first OP_CLONE besides notes for plan_prepare(): mounts taken in the host's namespace. */
static const struct operation *run_outer(struct run *run, struct failure *failure)
{
	const struct operation *operation = plan_next(run->plan, NULL);
	for (; operation->code != OP_CLONE; operation = plan_next(run->plan, operation), run->index++) {
		int result = plan_run_one(run, operation);
		if (result < 0) {
			fail(failure, run->index, operation->code, result, run->text);
			return NULL;
		}
	}
	return chdir("/") == 0 ? operation : NULL;
}

static int start(struct run *run, struct child *child, struct streams *streams, struct failure *failure)
{
	int sockets[2];
	const struct operation *operation = run_outer(run, failure);
	if (!operation)
		return -1;
	int result = open_streams(run->stdio, streams);
	if (result < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return fail(failure, UINT32_MAX, 0, result < 0 ? result : -errno, "cannot make the process's streams");
	child->pid = clone_in_cgroup(operation, 0, SIGCHLD, &child->pidfd);
	if (child->pid == 0) {
		close(sockets[0]);
		run->report = sockets[1];
		child_main(run, operation, streams);
	}
	close(sockets[1]);
	run->report = sockets[0];
	if (child->pid < 0)
		return fail(failure, run->index, OP_CLONE, child->pid, "");
	result = converse(run, child, failure);
	if (result < 0 && child->pidfd >= 0) {
		siginfo_t info;
		syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
		reap(child, &info);
	}
	return result;
}

static void close_all(struct run *run)
{
	for (unsigned i = 0; i < PLAN_SLOTS; i++)
		forget(&run->slots[i]);
	forget(&run->report);
	forget(&run->host_proc);
	close_planned(run->plan);
}

int enter(const struct plan *plan, struct child *child, struct failure *failure)
{
	struct run *run = &interpreter;
	struct streams streams;
	*run = (struct run){
		.plan = plan, .report = -1, .own_proc = -1, .root = -1, .pids = -1, .mask = -1, .stdio = child->stdio,
		.host_proc = open_host_proc(),
	};
	memset(run->slots, 0xff, sizeof run->slots);
	open_streams(STDIO_TERMINAL, &streams);
	int result = run->host_proc < 0 ? fail(failure, UINT32_MAX, 0, run->host_proc, "cannot open the host's /proc")
	                                : start(run, child, &streams, failure);
	forget(&streams.in[0]);
	forget(&streams.out[1]);
	forget(&streams.err[1]);
	if (result < 0) {
		forget(&streams.in[1]);
		forget(&streams.out[0]);
		forget(&streams.err[0]);
		forget(&child->tty);
	}
	child->in = streams.in[1];
	child->out = streams.out[0];
	child->err = streams.err[0];
	close_all(run);
	return result;
}
