/* The launch plan: wire format and the list of operations. runtime/plan.py writes it, plan.c reads it.
 *
 * Little endian, every record a multiple of 8 bytes. The operations before the first OP_CLONE concern the shim itself
 * and are limited to the group "outer"; everything after it runs in the child, in order, until OP_EXEC.
 *
 * "slot": index of a detached (later: attached) mount held by the interpreter, below PLAN_SLOTS; PLAN_ROOT stands for
 * the container's root. "number": a descriptor number given at start (8 and up). "in the root": a path resolved below
 * the root's descriptor with RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS, never by name alone. Absent numbers are PLAN_NONE.
 */
#pragma once

#include <stdint.h>

#define PLAN_MAGIC 0x314c5045u /* "EPL1" */
#define PLAN_VERSION 1u
#define PLAN_NONE UINT64_MAX
#define PLAN_SLOTS 1024u
#define PLAN_ROOT 0xffffu
#define PLAN_SIZE_MAX (64u << 20)

struct plan_header {
	uint32_t magic, version, count, size;
};

struct operation {
	uint16_t code, strings;
	uint32_t size;
	uint64_t a, b, c, d;
	char data[]; /* `strings` strings, each NUL-terminated; or `d` bytes for codes with a blob */
};

enum operation_code {
	/* outer: read by plan_prepare() */
	OP_STDIO = 1,       /* a: STDIO_* */
	OP_LOG = 2,         /* a: bytes per file, PLAN_NONE: no rotation; b: number of files; s0: file name */
	OP_OOM = 3,         /* a: number of an eventfd (v1) or of memory.events (v2) to watch; b: 1 for v2;
	                       c: number of a file with a line `oom_kill N`, or PLAN_NONE */
	OP_DESCRIPTORS = 4, /* a: the first number that is not planned: the shim closes from here on */
	OP_SHIM_CGROUP = 5, /* a: number of a cgroup.procs (v1: tasks) file that the shim writes "0" to, later */

	/* processes and namespaces */
	OP_CLONE = 10,   /* a: CLONE_NEW* flags; b: number of a cgroup v2 directory to be born in, or PLAN_NONE. The first
	                    one makes the child of the shim; a later one continues in a sibling (CLONE_PARENT) */
	OP_CGROUP = 11,  /* a: number of a cgroup.procs file that the child writes "0" to */
	OP_SETNS = 12,   /* a: number of a pidfd or namespace file; b: CLONE_NEW* flags. With CLONE_NEWUSER the process
	                    becomes uid and gid 0 of it */
	OP_USERNS = 13,  /* makes a user namespace and becomes root in it; s0: uid_map, s1: gid_map; a: 1 deny setgroups */
	OP_UNSHARE = 14, /* a: CLONE_NEW* flags (the cgroup namespace, after the cgroups were joined) */
	OP_KEYRING = 15, /* s0: name of the session keyring to join; a missing facility is no error */
	OP_LOOPBACK = 16,/* brings `lo` up */

	/* mounts */
	OP_PROPAGATION = 20, /* a: MS_* propagation of the present `/`, recursive with MS_REC */
	OP_CHDIR = 21,       /* s0: host directory; relative lower directories of OP_NEW start there */
	OP_NEW = 22,         /* a: slot; b: MOUNT_ATTR_*; c: NEW_*; s0: type; s1: source; s2: scratch directory for
	                        NEW_LEGACY, or ""; s3…: "key=value" or "key" */
	OP_TREE = 23,        /* a: slot; b: TREE_*; c: number of an open file, or PLAN_NONE: s0: host path; s1 (optional):
	                        path below it, resolved as in a root */
	OP_ATTRIBUTES = 24,  /* a: slot; b: MOUNT_ATTR_* set; c: cleared; d: MS_* propagation or 0, | ATTRIBUTES_RECURSIVE */
	OP_IDMAP = 25,       /* a: slot; b: number of a user namespace; c: 1 recursive */
	OP_ROOT = 26,        /* a: slot; s0: host directory on which it is attached. It is the root from now on */
	OP_ATTACH = 27,      /* a: slot; b: ATTACH_*; s0: target in the root */
	OP_SYMLINK = 29,     /* s0: content; s1: path in the root; existing: no error */
	OP_NODE = 30,        /* a: mode with type; b: major << 32 | minor; c: uid << 32 | gid; s0: path in the root */
	OP_CONSOLE = 31,     /* a: CONSOLE_*; b: rows; c: columns (0: unset). Opens a pty of the container's devpts as
	                        stdin, stdout, stderr and controlling terminal */
	OP_PIVOT = 32,       /* the root becomes `/`, the old tree is detached */
	OP_READONLY = 33,    /* s0: path in the root, bound on itself read-only; missing: no error */
	OP_MASK = 34,        /* s0: path in the root, hidden; missing: no error */

	/* the process */
	OP_HOSTNAME = 40,    /* s0 */
	OP_DOMAINNAME = 41,  /* s0 */
	OP_SYSCTL = 42,      /* s0: path below /proc/sys; s1: value */
	OP_RLIMIT = 43,      /* a: RLIMIT_*; b: soft; c: hard */
	OP_OOM_SCORE = 44,   /* a: value, two's complement */
	OP_UMASK = 45,       /* a */
	OP_NO_NEW_PRIVS = 46,
	OP_CWD = 47,         /* s0: path; a: 0 first try, EACCES and EPERM are kept for later; 1 last: retry if it failed,
	                        then check that it is below the root */
	OP_STDIO_OWNER = 48, /* a: uid that owns the pipes or the terminal at 0-2 */
	OP_CLOSE = 49,       /* closes every descriptor but 0-2 and the report socket */
	OP_BOUNDING = 50,    /* a: mask of the capabilities that stay in the bounding set */
	OP_IDENTITY = 51,    /* a: uid; b: gid; blob: u32 supplementary groups; capabilities are kept */
	OP_CAPABILITIES = 52,/* a: effective; b: permitted; c: inheritable; d: ambient */
	OP_LOOKUP = 53,      /* s0: argv[0]; s1: PATH. Reports that all is ready to execute */
	OP_SECCOMP = 54,     /* a: SECCOMP_FILTER_FLAG_*; blob: struct sock_filter[] */
	OP_APPARMOR = 56,    /* s0: the profile that execve changes to */
	OP_EXEC = 55,        /* a: number of arguments; strings: arguments, then environment */
};

/* OP_STDIO */
#define STDIO_STDIN 1u      /* stdin is a pipe (or the terminal), else /dev/null */
#define STDIO_STDIN_ONCE 2u /* end of an attachment's stdin closes the program's */
#define STDIO_TERMINAL 4u   /* OP_CONSOLE makes 0-2 */

/* OP_NEW */
#define NEW_LEGACY 1u /* do as on an older kernel: s3 is all options of mount(2); procfs by a helper (tests) */

/* OP_TREE */
#define TREE_RECURSIVE 1u
#define TREE_ADOPT 2u /* the number is a detached mount: taken as it is */

/* OP_ATTRIBUTES, in d */
#define ATTRIBUTES_RECURSIVE (1ull << 32)

/* OP_ATTACH */
#define ATTACH_CREATE 1u /* missing components are made: directories 0755, the last one a file for a file */
#define ATTACH_REAL 2u   /* no component may be a symbolic link */
#define ATTACH_PROC 4u   /* the target may lie on procfs (else refused with EXDEV, but a procfs on its root) */
#define ATTACH_LIKE 8u   /* the mount's root gets owner and mode of the directory that is already there */

/* OP_CONSOLE */
#define CONSOLE_BIND 1u  /* also on /dev/console */
#define CONSOLE_LATER 2u /* the process of a later OP_CLONE takes it as its controlling terminal */
