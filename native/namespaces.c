/* Joining cgroups and namespaces, and what belongs to a fresh one. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "interpreter.h"

#define KEYCTL_JOIN_SESSION_KEYRING 1
#define KEYCTL_SETPERM 5
#define KEYCTL_DESCRIBE 6
#define KEY_USER_SEARCH 0x00080000u

int op_cgroup(struct run *run, const struct operation *operation)
{
	(void)run;
	return write((int)operation->a, "0", 1) < 0 ? -errno : 0;
}

/* In a user namespace that was just entered: its root, without groups (where it allows to drop them). */
static int become_root(void)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -errno;
	return process_settle();
}

int op_setns(struct run *run, const struct operation *operation)
{
	if (setns((int)operation->a, (int)operation->b) < 0)
		return -errno;
	if (operation->b & CLONE_NEWNS) {
		close_fd(&run->root);
		run->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (run->root < 0)
			return -errno;
	}
	if (operation->b & CLONE_NEWPID) {
		close_fd(&run->pids);
		run->pids = openat(run->host_proc, "self/ns/pid_for_children", O_RDONLY | O_CLOEXEC);
		if (run->pids < 0)
			return -errno;
	}
	return operation->b & CLONE_NEWUSER ? become_root() : 0;
}

int op_userns(struct run *run, const struct operation *operation)
{
	struct report answer;
	(void)operation; /* the shim reads the maps from its own copy of the plan */
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	int result = report_send(run, REPORT_MAPS, 0, -1);
	if (result < 0)
		return result;
	if (recv(run->report, &answer, sizeof answer, 0) != sizeof answer)
		return -EPIPE;
	return answer.err ? -answer.err : become_root();
}

int op_unshare(struct run *run, const struct operation *operation)
{
	(void)run;
	return unshare((int)operation->a) < 0 ? -errno : 0;
}

/* The text of KEYCTL_DESCRIBE is "type;uid;gid;perm in hex;name". */
static unsigned described_permissions(const char *text)
{
	unsigned value = 0;
	for (int field = 0; field < 3; field++) {
		text = strchr(text, ';');
		if (!text++)
			return 0;
	}
	for (; *text && *text != ';'; text++)
		value = value << 4 | (unsigned)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
	return value;
}

int op_keyring(struct run *run, const struct operation *operation)
{
	char text[512];
	(void)run;
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, plan_string(operation, 0));
	if (ring < 0) /* not built in, refused by an outer filter, or out of quota: the container works without */
		return errno == ENOSYS || errno == EPERM || errno == EDQUOT ? 0 : -errno;
	long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, text, sizeof text);
	if (length <= 0 || (size_t)length > sizeof text)
		return 0;
	text[length - 1] = 0;
	unsigned permissions = described_permissions(text); /* a later exec finds the ring by name only with this right */
	if (permissions)
		syscall(SYS_keyctl, KEYCTL_SETPERM, ring, permissions | KEY_USER_SEARCH);
	return 0;
}

int op_loopback(struct run *run, const struct operation *operation)
{
	struct ifreq request = { .ifr_name = "lo" };
	(void)run, (void)operation;
	OWNED fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}
