/* Mount operations: detached mounts are made or cloned first and attached to descriptors, never to names. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "interpreter.h"

#define PROC_MAGIC 0x9fa0
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define PROC_ROOT_INODE 1

static int *slot_of(struct run *run, uint64_t number)
{
	return number == PLAN_ROOT ? &run->root : number < PLAN_SLOTS ? &run->slots[number] : NULL;
}

/* Gives the slot a new mount; one that was there is let go. */
static int slot_set(struct run *run, uint64_t number, int fd)
{
	int *slot = slot_of(run, number);
	if (fd < 0)
		return fd;
	if (!slot || number == PLAN_ROOT) {
		close(fd);
		return -EINVAL;
	}
	close_fd(slot);
	*slot = fd;
	return 0;
}

static int slot_get(struct run *run, uint64_t number)
{
	int *slot = slot_of(run, number);
	return slot && *slot >= 0 ? *slot : -EBADF;
}

static int clone_tree(int directory, const char *path, unsigned flags)
{
	int fd = kernel_open_tree(directory, path, flags | KERNEL_OPEN_TREE_CLONE | KERNEL_OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int clone_fd(int fd)
{
	return clone_tree(fd, "", KERNEL_AT_EMPTY_PATH);
}

int op_propagation(struct run *run, const struct operation *operation)
{
	(void)run;
	return mount(NULL, "/", NULL, (unsigned long)operation->a, NULL) < 0 ? -errno : 0;
}

int op_chdir(struct run *run, const struct operation *operation)
{
	(void)run;
	return chdir(plan_string(operation, 0)) < 0 ? -errno : 0;
}

/* Keeps the last error line of the file system's own log: "e overlay: …" becomes "overlay: …". */
static void keep_log(struct run *run, int context)
{
	char line[512];
	ssize_t length;
	while ((length = read(context, line, sizeof line - 1)) > 0) {
		line[length] = 0;
		if (line[0] == 'e' && line[1] == ' ')
			snprintf(run->text, sizeof run->text, "%.*s", (int)strcspn(line + 2, "\n"), line + 2);
	}
}

static int set_option(int context, const char *option)
{
	char key[64];
	const char *equals = strchr(option, '=');
	if (!equals)
		return kernel_fsconfig(context, KERNEL_FSCONFIG_SET_FLAG, option, NULL) < 0 ? -errno : 0;
	if ((size_t)(equals - option) >= sizeof key)
		return -EINVAL;
	memcpy(key, option, (size_t)(equals - option));
	key[equals - option] = 0;
	return kernel_fsconfig(context, KERNEL_FSCONFIG_SET_STRING, key, equals + 1) < 0 ? -errno : 0;
}

/* Whose processes a new procfs shows depends on where its maker is. A process that joins a pid namespace is not there
 * until its last step, lest it be reached from within: it names the namespace, which Linux 6.18 understands. */
static int joined_proc(struct run *run, int context)
{
	return kernel_fsconfig_fd(context, "pidns", run->pids) < 0 ? -errno : 0;
}

static _Noreturn void help(int answer, uint64_t attributes)
{
	int fd = -1, context = kernel_fsopen("proc");
	if (context >= 0 && kernel_fsconfig(context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
		fd = kernel_fsmount(context, attributes);
	if (fd < 0)
		fd = -errno;
	close(context);
	_exit(write(answer, &fd, sizeof fd) != sizeof fd);
}

/* Before that a helper makes it, in the namespace for these few calls, and leaves it in the common descriptor table. */
static int proc_by_helper(uint64_t attributes)
{
	int ends[2], pidfd, fd = -EIO;
	siginfo_t info;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	OWNED reading = ends[0], writing = ends[1];
	pid_t pid = clone_process(CLONE_FILES, SIGCHLD, -1, &pidfd);
	if (pid == 0)
		help(writing, attributes);
	if (pid < 0)
		return pid;
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close(pidfd);
	return read(reading, &fd, sizeof fd) == sizeof fd ? fd : -EIO;
}

static int new_mount(struct run *run, const struct operation *operation)
{
	const char *source = plan_string(operation, 1);
	OWNED context = kernel_fsopen(plan_string(operation, 0));
	int result = 0;
	if (context < 0)
		return -errno;
	if (run->pids >= 0 && !strcmp(plan_string(operation, 0), "proc") && joined_proc(run, context) < 0)
		return proc_by_helper(operation->b);
	if (*source && kernel_fsconfig(context, KERNEL_FSCONFIG_SET_STRING, "source", source) < 0)
		return -errno;
	for (unsigned i = 3; i < operation->strings; i++) {
		result = set_option(context, plan_string(operation, i));
		if (result < 0) {
			keep_log(run, context);
			return result;
		}
	}
	if (kernel_fsconfig(context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) < 0) {
		result = -errno;
		keep_log(run, context);
		return result;
	}
	int fd = kernel_fsmount(context, operation->b);
	if (fd < 0) {
		result = -errno;
		keep_log(run, context);
		return result;
	}
	return fd;
}

/* All options in one string of mount(2), at a scratch directory of this private mount namespace, then cloned from there:
 * kernels before 6.8 take layers in no other way. */
static int legacy_mount(const struct operation *operation)
{
	const char *scratch = plan_string(operation, 2);
	struct kernel_mount_attr attributes = { .set = operation->b };
	if (mount(plan_string(operation, 1), scratch, plan_string(operation, 0), 0, plan_string(operation, 3)) < 0)
		return -errno;
	int fd = clone_tree(AT_FDCWD, scratch, 0);
	umount2(scratch, MNT_DETACH);
	if (fd >= 0 && operation->b && kernel_mount_setattr(fd, 0, &attributes) < 0) {
		int result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

int op_new(struct run *run, const struct operation *operation)
{
	bool proc = run->pids >= 0 && !strcmp(plan_string(operation, 0), "proc");
	int fd;
	if (operation->c & NEW_LEGACY)
		fd = proc ? proc_by_helper(operation->b) : legacy_mount(operation);
	else
		fd = new_mount(run, operation);
	return slot_set(run, operation->a, fd);
}

int op_tree(struct run *run, const struct operation *operation)
{
	unsigned flags = operation->b & TREE_RECURSIVE ? KERNEL_AT_RECURSIVE : 0;
	const char *path = plan_string(operation, 0), *below = plan_string(operation, 1);
	if (operation->b & TREE_ADOPT) {
		int fd = fcntl((int)operation->c, F_DUPFD_CLOEXEC, 3);
		return slot_set(run, operation->a, fd < 0 ? -errno : fd);
	}
	if (operation->c != PLAN_NONE)
		return slot_set(run, operation->a, clone_tree((int)operation->c, "", flags | KERNEL_AT_EMPTY_PATH));
	if (!path)
		return -EINVAL;
	if (!below)
		return slot_set(run, operation->a, clone_tree(AT_FDCWD, path, flags));
	OWNED base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -errno;
	OWNED inside = path_open(base, below, O_PATH, 0);
	return inside < 0 ? inside : slot_set(run, operation->a, clone_tree(inside, "", flags | KERNEL_AT_EMPTY_PATH));
}

int op_attributes(struct run *run, const struct operation *operation)
{
	int fd = slot_get(run, operation->a);
	struct kernel_mount_attr attributes = {
		.set = operation->b,
		.clear = operation->c,
		.propagation = operation->d & UINT32_MAX,
	};
	unsigned flags = operation->d & ATTRIBUTES_RECURSIVE ? KERNEL_AT_RECURSIVE : 0;
	return fd < 0 ? fd : kernel_mount_setattr(fd, flags, &attributes) < 0 ? -errno : 0;
}

int op_idmap(struct run *run, const struct operation *operation)
{
	int fd = slot_get(run, operation->a);
	struct kernel_mount_attr attributes = { .set = KERNEL_MOUNT_ATTR_IDMAP, .userns_fd = operation->b };
	return fd < 0 ? fd : kernel_mount_setattr(fd, operation->c ? KERNEL_AT_RECURSIVE : 0, &attributes) < 0 ? -errno : 0;
}

int op_root(struct run *run, const struct operation *operation)
{
	int fd = slot_get(run, operation->a);
	OWNED target = open(plan_string(operation, 0), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (target < 0 || kernel_move_mount(fd, target) < 0)
		return -errno;
	close_fd(&run->root);
	run->root = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return run->root < 0 ? -errno : 0;
}

/* The target must be of the source's kind, not the root itself, and not inside a procfs unless that was meant; a procfs
 * may cover the root of another. */
static int check_target(struct run *run, int source, int target, bool proc_allowed)
{
	struct stat from, to, root;
	struct statfs system, over;
	if (fstat(source, &from) < 0 || fstat(target, &to) < 0 || fstat(run->root, &root) < 0)
		return -errno;
	if (fstatfs(target, &system) < 0 || fstatfs(source, &over) < 0)
		return -errno;
	if (S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode))
		return -ENOTDIR;
	if (to.st_dev == root.st_dev && to.st_ino == root.st_ino)
		return -EBUSY;
	if (system.f_type != PROC_MAGIC || proc_allowed)
		return 0;
	return over.f_type == PROC_MAGIC && to.st_ino == PROC_ROOT_INODE ? 0 : -EXDEV;
}

/* A tmpfs without a mode of its own looks like the directory that it covers. */
static int look_like(int source, int target)
{
	struct stat status;
	OWNED fd = openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(target, &status) < 0)
		return -errno;
	if (fchown(fd, status.st_uid, status.st_gid) < 0 || fchmod(fd, status.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

int op_attach(struct run *run, const struct operation *operation)
{
	const char *path = plan_string(operation, 0);
	uint64_t resolve = operation->b & ATTACH_REAL ? KERNEL_RESOLVE_NO_SYMLINKS : 0;
	struct stat status;
	int source = slot_get(run, operation->a);
	if (source < 0 || fstat(source, &status) < 0)
		return source < 0 ? source : -errno;
	OWNED target = path_open(run->root, path, O_PATH, resolve);
	bool made = target == -ENOENT && operation->b & ATTACH_CREATE;
	if (made)
		target = path_make(run->root, path, S_ISDIR(status.st_mode), resolve);
	if (target < 0)
		return target;
	int result = check_target(run, source, target, operation->b & ATTACH_PROC);
	if (result == 0 && !made && operation->b & ATTACH_LIKE)
		result = look_like(source, target);
	if (result < 0)
		return result;
	return kernel_move_mount(source, target) < 0 ? -errno : 0;
}

int op_pivot(struct run *run, const struct operation *operation)
{
	(void)operation;
	if (fchdir(run->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
}

int op_readonly(struct run *run, const struct operation *operation)
{
	struct kernel_mount_attr attributes = { .set = KERNEL_MOUNT_ATTR_RDONLY };
	OWNED target = path_open(run->root, plan_string(operation, 0), O_PATH, 0);
	if (target < 0)
		return target == -ENOENT ? 0 : target;
	OWNED tree = clone_tree(target, "", KERNEL_AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0)
		return tree;
	if (kernel_mount_setattr(tree, 0, &attributes) < 0)
		return -errno;
	return kernel_move_mount(tree, target) < 0 ? -errno : 0;
}

/* The container's own /dev/null, checked to be that device: a link or file in its place is refused. */
static int null_device(struct run *run)
{
	struct stat status;
	OWNED fd = path_open(run->root, "/dev/null", O_PATH, KERNEL_RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISCHR(status.st_mode) && status.st_rdev == ((1 << 8) | 3) ? clone_fd(fd) : -ENODEV;
}

/* One empty read-only tmpfs hides all directories: the first is made, the others are clones of where it was attached. */
static int empty_directory(struct run *run)
{
	const uint64_t attributes = KERNEL_MOUNT_ATTR_RDONLY;
	if (run->mask >= 0)
		return clone_fd(run->mask);
	OWNED context = kernel_fsopen("tmpfs");
	if (context < 0 || kernel_fsconfig(context, KERNEL_FSCONFIG_SET_STRING, "size", "4k") < 0 ||
	    kernel_fsconfig(context, KERNEL_FSCONFIG_SET_STRING, "nr_inodes", "1") < 0 ||
	    kernel_fsconfig(context, KERNEL_FSCONFIG_SET_FLAG, "ro", NULL) < 0 ||
	    kernel_fsconfig(context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return -errno;
	int fd = kernel_fsmount(context, attributes);
	if (fd < 0)
		return -errno;
	run->mask = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd;
}

int op_mask(struct run *run, const struct operation *operation)
{
	struct stat status;
	OWNED target = path_open(run->root, plan_string(operation, 0), O_PATH, 0);
	if (target < 0)
		return target == -ENOENT ? 0 : target;
	if (fstat(target, &status) < 0)
		return -errno;
	OWNED cover = S_ISDIR(status.st_mode) ? empty_directory(run) : null_device(run);
	if (cover < 0)
		return cover;
	return kernel_move_mount(cover, target) < 0 ? -errno : 0;
}
