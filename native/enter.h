/* Running a launch plan. The shim's loop includes nothing else of the interpreter; see README.md for the protocol. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct plan {
	const unsigned char *base; /* mapped read-only; header and every record checked */
	size_t size;
	uint32_t count;
};

/* The operation that failed: index in the plan, its code, errno, and the kernel's own words if there were any.
 * index is UINT32_MAX and code 0 where no operation is to blame (the child was killed, a pipe could not be made). */
struct failure {
	uint32_t index, code;
	int err;
	char text[256];
};

/* The child and the shim's ends of its streams; -1 where absent. */
struct child {
	pid_t pid;
	int pidfd;
	int in, out, err;       /* pipes: writes to in reach the program's stdin (non-blocking, CLOEXEC) */
	int tty;                /* pty master (non-blocking, CLOEXEC) */
	int oom_fd;             /* as planned by OP_OOM */
	int oom_unified;        /* 1: oom_fd is memory.events of cgroup v2, 0: an eventfd */
	int oom_count;          /* a file with a line `oom_kill N`: the number that counts, where there is one */
	int first_free;         /* planned descriptors are below: close from here on before opening any other */
	uint32_t stdio;         /* STDIO_* of plan.h */
	char log_name[256];     /* "" without a log */
	uint64_t log_max_size;  /* UINT64_MAX: no rotation */
	uint32_t log_max_files;
};

/* Maps and checks the plan in the sealed memfd. Returns 0 or -errno (EINVAL: not a plan). */
int plan_open(int fd, struct plan *plan);

/* Reads the outer operations into *child (all of it is initialised) and makes the shim non-dumpable. Returns 0, or -1
 * with *failure filled. */
int plan_prepare(const struct plan *plan, struct child *child, struct failure *failure);

/* Makes the pipes, the child, and waits until it executes its program. Returns 0 when execve succeeded; -1 with
 * *failure filled: then no child and no stream is left. Closes the planned descriptors that the plan names (but not
 * oom_fd and oom_count) in both cases. A program that execve refuses (no interpreter, bad format) counts as started: it says so on
 * its stderr and ends with 255, as in Docker. */
int enter(const struct plan *plan, struct child *child, struct failure *failure);

/* Joins the shims' cgroup, best effort, and closes its descriptors. On cgroup v2 this can wait for RCU, some
 * milliseconds: not while anybody waits for the start, nor in a shim that ends soon. */
void plan_settle(const struct plan *plan);

/* The `init` role: PID 1 of a container with --init. argv[0] is anything; argv[1] may be "--". Never returns. */
_Noreturn void init_main(int argc, char **argv);
