/* System calls and constants that the C libraries lack or spell differently. */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#define KERNEL_CLONE_PIDFD 0x00001000ull
#define KERNEL_CLONE_INTO_CGROUP 0x200000000ull

/* Numbers given since Linux 5.1 are the same on every architecture. */
enum {
	NR_OPEN_TREE = 428,
	NR_MOVE_MOUNT = 429,
	NR_FSOPEN = 430,
	NR_FSCONFIG = 431,
	NR_FSMOUNT = 432,
	NR_CLONE3 = 435,
	NR_CLOSE_RANGE = 436,
	NR_OPENAT2 = 437,
	NR_FACCESSAT2 = 439,
	NR_MOUNT_SETATTR = 442,
};

struct kernel_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

struct kernel_open_how {
	uint64_t flags, mode, resolve;
};

struct kernel_mount_attr {
	uint64_t set, clear, propagation, userns_fd;
};

#define KERNEL_RESOLVE_NO_XDEV 0x01
#define KERNEL_RESOLVE_NO_MAGICLINKS 0x02
#define KERNEL_RESOLVE_NO_SYMLINKS 0x04
#define KERNEL_RESOLVE_BENEATH 0x08
#define KERNEL_RESOLVE_IN_ROOT 0x10

#define KERNEL_OPEN_TREE_CLONE 1u
#define KERNEL_OPEN_TREE_CLOEXEC O_CLOEXEC
#define KERNEL_AT_RECURSIVE 0x8000u
#define KERNEL_AT_EMPTY_PATH 0x1000u
#define KERNEL_MOVE_MOUNT_EMPTY (0x04u | 0x40u) /* F_EMPTY_PATH | T_EMPTY_PATH */
#define KERNEL_MOUNT_ATTR_RDONLY 0x1u
#define KERNEL_MOUNT_ATTR_NOSUID 0x2u
#define KERNEL_MOUNT_ATTR_NODEV 0x4u
#define KERNEL_MOUNT_ATTR_NOEXEC 0x8u
#define KERNEL_MOUNT_ATTR_IDMAP 0x100000u

enum { KERNEL_FSCONFIG_SET_FLAG = 0, KERNEL_FSCONFIG_SET_STRING = 1, KERNEL_FSCONFIG_SET_FD = 5, KERNEL_FSCONFIG_CMD_CREATE = 6 };

static inline int kernel_open_tree(int directory, const char *path, unsigned flags)
{
	return (int)syscall(NR_OPEN_TREE, directory, path, flags);
}

static inline int kernel_move_mount(int from, int to)
{
	return (int)syscall(NR_MOVE_MOUNT, from, "", to, "", KERNEL_MOVE_MOUNT_EMPTY);
}

static inline int kernel_fsopen(const char *type)
{
	return (int)syscall(NR_FSOPEN, type, 1u /* FSOPEN_CLOEXEC */);
}

static inline int kernel_fsconfig(int context, unsigned command, const char *key, const char *value)
{
	return (int)syscall(NR_FSCONFIG, context, command, key, value, 0);
}

static inline int kernel_fsconfig_fd(int context, const char *key, int fd)
{
	return (int)syscall(NR_FSCONFIG, context, KERNEL_FSCONFIG_SET_FD, key, NULL, fd);
}

static inline int kernel_fsmount(int context, uint64_t attributes)
{
	return (int)syscall(NR_FSMOUNT, context, 1u /* FSMOUNT_CLOEXEC */, (unsigned)attributes);
}

static inline int kernel_mount_setattr(int mount, unsigned flags, struct kernel_mount_attr *attributes)
{
	return (int)syscall(NR_MOUNT_SETATTR, mount, "", flags | KERNEL_AT_EMPTY_PATH, attributes, sizeof *attributes);
}

static inline int kernel_openat2(int directory, const char *path, struct kernel_open_how *how)
{
	return (int)syscall(NR_OPENAT2, directory, path, how, sizeof *how);
}

static inline int kernel_close_range(unsigned first, unsigned last)
{
	return first > last ? 0 : (int)syscall(NR_CLOSE_RANGE, first, last, 0u);
}

/* For locals that own a descriptor: __attribute__((cleanup(close_fd))). */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define OWNED __attribute__((cleanup(close_fd))) int
