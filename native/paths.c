/* Names inside a root: resolved by the kernel below the root's descriptor, so that neither a link of the image nor a
 * rename by another container leads out of it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "interpreter.h"

#define RACES 128 /* openat2(2) answers EAGAIN when a rename crossed its way */
#define LINKS 40

int path_open(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct kernel_open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_MAGICLINKS | resolve,
	};
	for (int i = 0; i < RACES; i++) {
		int fd = kernel_openat2(root, path, &how);
		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

struct walk {
	char done[PATH_MAX]; /* what exists, without links; "" is the root */
	char rest[PATH_MAX];
	char name[NAME_MAX + 1];
	int links;
};

/* Moves the next component of the rest into name. 1: there is one, 0: none is left, -errno. */
static int walk_component(struct walk *walk)
{
	char *start = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(start, "/");
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(walk->name, start, length);
	walk->name[length] = 0;
	memmove(walk->rest, start + length, strlen(start + length) + 1);
	return length > 0;
}

/* The link's content takes the place of the component that it was. */
static int walk_link(struct walk *walk, int link)
{
	char content[PATH_MAX];
	ssize_t length = readlinkat(link, "", content, sizeof content - 1);
	if (length < 0)
		return -errno;
	size_t rest = strlen(walk->rest);
	if (++walk->links > LINKS)
		return -ELOOP;
	if ((size_t)length + rest + 2 > sizeof walk->rest)
		return -ENAMETOOLONG;
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, content, (size_t)length);
	walk->rest[length] = '/';
	if (content[0] == '/')
		walk->done[0] = 0;
	return 0;
}

static int make_entry(int root, const struct walk *walk, bool directory)
{
	OWNED parent = path_open(root, walk->done[0] ? walk->done : "/", O_PATH | O_DIRECTORY, KERNEL_RESOLVE_NO_SYMLINKS);
	if (parent < 0)
		return parent;
	int result = directory ? mkdirat(parent, walk->name, 0755) : mknodat(parent, walk->name, S_IFREG | 0644, 0);
	return result < 0 && errno != EEXIST ? -errno : 0;
}

/* One component: enter it, follow it, or make it. */
static int walk_step(int root, struct walk *walk, bool directory, uint64_t resolve)
{
	size_t length = strlen(walk->done);
	if (!strcmp(walk->name, "."))
		return 0;
	if (!strcmp(walk->name, "..")) {
		char *slash = strrchr(walk->done, '/');
		if (slash)
			*slash = 0;
		return 0;
	}
	if (length + strlen(walk->name) + 2 > sizeof walk->done)
		return -ENAMETOOLONG;
	bool last = walk->rest[strspn(walk->rest, "/")] == 0;
	for (int i = 0; i < RACES; i++) {
		walk->done[length] = '/';
		strcpy(walk->done + length + 1, walk->name);
		OWNED fd = path_open(root, walk->done, O_PATH | O_NOFOLLOW, KERNEL_RESOLVE_NO_SYMLINKS);
		struct stat status;
		if (fd >= 0) {
			if (fstat(fd, &status) < 0)
				return -errno;
			if (!S_ISLNK(status.st_mode))
				return last || S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
			walk->done[length] = 0;
			return resolve & KERNEL_RESOLVE_NO_SYMLINKS ? -ELOOP : walk_link(walk, fd);
		}
		walk->done[length] = 0;
		if (fd != -ENOENT)
			return fd;
		int result = make_entry(root, walk, directory || !last);
		if (result < 0)
			return result;
	}
	return -EAGAIN;
}

/* Opens (O_PATH) what the path names, making what is missing: directories 0755, the last component an empty file
 * unless `directory`. A link that leads nowhere is followed and its target made, inside the root. */
int path_make(int root, const char *path, bool directory, uint64_t resolve)
{
	struct walk walk = { .links = 0 };
	int result = path_open(root, path, O_PATH, resolve);
	if (result != -ENOENT)
		return result;
	if (strlen(path) >= sizeof walk.rest)
		return -ENAMETOOLONG;
	strcpy(walk.rest, path);
	while ((result = walk_component(&walk)) > 0) {
		result = walk_step(root, &walk, directory, resolve);
		if (result < 0)
			break;
	}
	if (result < 0)
		return result;
	return path_open(root, walk.done[0] ? walk.done : "/", O_PATH, KERNEL_RESOLVE_NO_SYMLINKS);
}

/* Opens the directory (made if missing) in which the path's last component is or shall be. */
int path_parent(int root, const char *path, const char **name)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	*name = slash ? slash + 1 : path;
	if (length >= sizeof parent)
		return -ENAMETOOLONG;
	if (!**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
		return -EINVAL;
	memcpy(parent, path, length);
	parent[length] = 0;
	return path_make(root, length ? parent : "/", true, 0);
}

/* Writes a whole text by one write(2) into a file of procfs or cgroupfs; links on the way are refused. */
int write_file(int directory, const char *path, const char *text)
{
	struct kernel_open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_BENEATH | KERNEL_RESOLVE_NO_XDEV | KERNEL_RESOLVE_NO_MAGICLINKS | KERNEL_RESOLVE_NO_SYMLINKS,
	};
	OWNED fd = kernel_openat2(directory, path, &how);
	if (fd < 0)
		return -errno;
	size_t length = strlen(text);
	ssize_t written = write(fd, text, length);
	return written < 0 ? -errno : (size_t)written == length ? 0 : -EIO;
}
