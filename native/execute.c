/* The last steps: working directory, look-up of the program, filter, execve. */
#include <errno.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "interpreter.h"

#define EXIT_EXECVE 255 /* what Docker's containers end with when the kernel refuses their program */

/* getcwd(2) answers "(unreachable)…" or ENOENT where the directory is not below the root. */
static int check_cwd(void)
{
	char path[PATH_MAX];
	if (syscall(SYS_getcwd, path, sizeof path) < 0)
		return -errno;
	return path[0] == '/' ? 0 : -ENOENT;
}

int op_cwd(struct run *run, const struct operation *operation)
{
	bool last = operation->a == 1;
	if (!last || run->cwd_error) {
		run->cwd_error = chdir(plan_string(operation, 0)) < 0 ? errno : 0;
		if (run->cwd_error && (last || (run->cwd_error != EACCES && run->cwd_error != EPERM)))
			return -run->cwd_error;
	}
	return last ? check_cwd() : 0;
}

int op_close(struct run *run, const struct operation *operation)
{
	(void)operation;
	if (kernel_close_range(3, (unsigned)run->report - 1) < 0 || kernel_close_range((unsigned)run->report + 1, ~0u) < 0)
		return -errno;
	run->host_proc = run->own_proc = run->root = run->pids = run->mask = -1;
	memset(run->slots, 0xff, sizeof run->slots);
	return 0;
}

/* 0 if the present user may execute the file. */
static int executable(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (syscall(NR_FACCESSAT2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	return status.st_mode & 0111 ? 0 : -EACCES;
}

static int search(struct run *run, const char *name, const char *path)
{
	while (*path) {
		size_t length = strcspn(path, ":");
		int printed = snprintf(run->program, sizeof run->program, "%.*s/%s", (int)length, path, name);
		if (*path == '/' && printed > 0 && (size_t)printed < sizeof run->program && executable(run->program) == 0)
			return 0;
		path += length;
		path += *path == ':';
	}
	return -ENOENT;
}

/* The arguments and the environment of OP_EXEC as pointers: made now, since a filter may forbid mmap(2) later. */
static int prepare_vector(struct run *run)
{
	const struct operation *execution = plan_at(run->plan, run->plan->count - 1);
	size_t count = execution->strings, size = (count + 2) * sizeof *run->vector;
	char *string = (char *)execution->data;
	run->vector = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run->vector == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		run->vector[i < execution->a ? i : i + 1] = string;
		string += strlen(string) + 1;
	}
	return 0;
}

/* The report also finds out whether the shim has died before PDEATHSIG was set. */
int op_lookup(struct run *run, const struct operation *operation)
{
	const char *name = plan_string(operation, 0);
	int result = prepare_vector(run);
	if (result < 0)
		return result;
	if (strlen(name) >= sizeof run->program)
		return -ENAMETOOLONG;
	if (strchr(name, '/')) {
		strcpy(run->program, name);
		result = executable(name);
	} else {
		result = *name ? search(run, name, plan_string(operation, 1)) : -ENOENT;
	}
	return result < 0 ? result : report_send(run, REPORT_READY, 0, -1);
}

int op_seccomp(struct run *run, const struct operation *operation)
{
	struct sock_fprog program = {
		.len = (unsigned short)(operation->d / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)operation->data,
	};
	(void)run;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, operation->a, &program) < 0 ? -errno : 0;
}

/* As runc words it, for the container's log: "exec /x: exec format error". */
static void say_refused(const char *program, int err)
{
	const char *reason = strerror(err);
	char line[PATH_MAX + 128];
	int first = reason[0] | 0x20, length = snprintf(line, sizeof line, "exec %s: %c%s\n", program, first, reason + 1);
	if (length > 0 && write(2, line, (size_t)length) < 0)
		_exit(EXIT_EXECVE);
}

int op_exec(struct run *run, const struct operation *operation)
{
	execve(run->program, run->vector, run->vector + operation->a + 1);
	say_refused(run->program, errno);
	_exit(EXIT_EXECVE);
}
