/* Links, device nodes and the terminal inside the root. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "interpreter.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#define DEVPTS_MAGIC 0x1cd1
#define SLAVE_MAJOR 136 /* and the seven after it */

int op_symlink(struct run *run, const struct operation *operation)
{
	const char *name;
	OWNED parent = path_parent(run->root, plan_string(operation, 1), &name);
	if (parent < 0)
		return parent;
	return symlinkat(plan_string(operation, 0), parent, name) < 0 && errno != EEXIST ? -errno : 0;
}

int op_node(struct run *run, const struct operation *operation)
{
	const char *name;
	mode_t mode = (mode_t)operation->a;
	dev_t device = makedev((unsigned)(operation->b >> 32), (unsigned)operation->b);
	uid_t uid = (uid_t)(operation->c >> 32);
	gid_t gid = (gid_t)operation->c;
	struct stat status;
	OWNED parent = path_parent(run->root, plan_string(operation, 0), &name);
	if (parent < 0)
		return parent;
	if (mknodat(parent, name, mode, device) < 0) {
		if (errno != EEXIST)
			return -errno;
		if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		bool same = (status.st_mode & S_IFMT) == (mode & S_IFMT) && status.st_rdev == device;
		return same ? 0 : -EEXIST;
	}
	if (!uid && !gid)
		return 0;
	return fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Opens the multiplexer of the container's own devpts; anything else in its place is refused. */
static int open_multiplexer(struct run *run)
{
	struct statfs system;
	struct stat status;
	OWNED fd = path_open(run->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, KERNEL_RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &system) < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (system.f_type != DEVPTS_MAGIC || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2))
		return -ENODEV;
	int master = fd;
	fd = -1;
	return master;
}

static int bind_console(struct run *run, int slave)
{
	OWNED target = path_make(run->root, "/dev/console", false, KERNEL_RESOLVE_NO_SYMLINKS);
	if (target < 0)
		return target;
	OWNED tree = kernel_open_tree(slave, "", KERNEL_OPEN_TREE_CLONE | KERNEL_OPEN_TREE_CLOEXEC | KERNEL_AT_EMPTY_PATH);
	if (tree < 0)
		return -errno;
	return kernel_move_mount(tree, target) < 0 ? -errno : 0;
}

int op_console(struct run *run, const struct operation *operation)
{
	int unlock = 0, result;
	struct stat status;
	OWNED master = open_multiplexer(run);
	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	OWNED slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fstat(slave, &status) < 0)
		return -errno;
	if (!S_ISCHR(status.st_mode) || major(status.st_rdev) < SLAVE_MAJOR || major(status.st_rdev) >= SLAVE_MAJOR + 8)
		return -ENODEV;
	struct winsize size = { .ws_row = (unsigned short)operation->b, .ws_col = (unsigned short)operation->c };
	if (size.ws_row && size.ws_col && ioctl(slave, TIOCSWINSZ, &size) < 0)
		return -errno;
	result = operation->a & CONSOLE_BIND ? bind_console(run, slave) : 0;
	if (result < 0)
		return result;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return -errno;
	if (!(operation->a & CONSOLE_LATER) && ioctl(0, TIOCSCTTY, 0) < 0)
		return -errno;
	return report_send(run, REPORT_TERMINAL, 0, master);
}
