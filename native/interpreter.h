/* What the parts of the interpreter share: the running plan and one function per operation.
 *
 * A function returns 0 or -errno. It may leave the kernel's own words in run->text. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "enter.h"
#include "kernel.h"
#include "plan.h"

struct run {
	const struct plan *plan;
	uint32_t index;      /* of the operation being run */
	int report;          /* socket to the other side */
	int host_proc;       /* the host's /proc, checked */
	int own_proc;        /* a procfs of our own, made at the first sysctl */
	int root;            /* the container's root */
	int pids;            /* the pid namespace that was joined, in which this process is not yet */
	int mask;            /* the tmpfs that hides directories */
	int cwd_error;       /* of the first OP_CWD */
	uint32_t stdio;
	bool rights_known;   /* the next two are: capset(2) is the only call of the last OP_CAPABILITIES */
	uint64_t possible;   /* permitted capabilities before any was dropped */
	uint64_t ambient;    /* as set */
	char **vector;       /* for execve(2) */
	int slots[PLAN_SLOTS];
	char program[PATH_MAX];
	char text[256];
};

enum report_kind { REPORT_FAILED = 1, REPORT_PROCESS, REPORT_TERMINAL, REPORT_MAPS, REPORT_READY };

struct report {
	uint32_t kind, index, code;
	int32_t err; /* errno; of REPORT_PROCESS the pid */
	char text[256];
};

/* plan.c */
const struct operation *plan_next(const struct plan *plan, const struct operation *operation);
const char *plan_string(const struct operation *operation, unsigned number); /* NULL where absent */
const struct operation *plan_at(const struct plan *plan, uint32_t index);
int plan_run_one(struct run *run, const struct operation *operation);

/* enter.c */
int report_send(struct run *run, enum report_kind kind, int err, int fd);
pid_t clone_process(uint64_t flags, int exit_signal, int cgroup, int *pidfd);
int process_settle(void); /* non-dumpable, dies with the shim: again after each change of credentials */

/* paths.c: everything resolved in a root */
int path_open(int root, const char *path, uint64_t flags, uint64_t resolve);
int path_make(int root, const char *path, bool directory, uint64_t resolve);
int path_parent(int root, const char *path, const char **name);
int write_file(int directory, const char *path, const char *text);

typedef int operation_function(struct run *run, const struct operation *operation);
operation_function op_clone, op_cgroup, op_setns, op_userns, op_unshare, op_keyring, op_loopback; /* enter.c, namespaces.c */
operation_function op_propagation, op_chdir, op_new, op_tree, op_attributes, op_idmap, op_root, op_attach; /* mounts.c */
operation_function op_pivot, op_readonly, op_mask;
operation_function op_symlink, op_node, op_console; /* nodes.c */
operation_function op_hostname, op_domainname, op_sysctl, op_rlimit, op_oom_score, op_umask; /* identity.c */
operation_function op_no_new_privs, op_apparmor, op_cwd, op_stdio_owner, op_close, op_bounding, op_identity, op_capabilities;
operation_function op_lookup, op_seccomp, op_exec; /* execute.c */
