/* Names, limits and credentials of the process. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "interpreter.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

int op_hostname(struct run *run, const struct operation *operation)
{
	const char *name = plan_string(operation, 0);
	(void)run;
	return sethostname(name, strlen(name)) < 0 ? -errno : 0;
}

int op_domainname(struct run *run, const struct operation *operation)
{
	const char *name = plan_string(operation, 0);
	(void)run;
	return setdomainname(name, strlen(name)) < 0 ? -errno : 0;
}

/* A procfs that nothing is mounted over; where one may not be made (a user namespace), the host's. */
static int open_own_proc(struct run *run)
{
	const uint64_t attributes = KERNEL_MOUNT_ATTR_NOSUID | KERNEL_MOUNT_ATTR_NODEV | KERNEL_MOUNT_ATTR_NOEXEC;
	OWNED context = kernel_fsopen("proc");
	int fd = -1;
	if (context >= 0 && kernel_fsconfig(context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
		fd = kernel_fsmount(context, attributes);
	return fd >= 0 ? fd : fcntl(run->host_proc, F_DUPFD_CLOEXEC, 3);
}

int op_sysctl(struct run *run, const struct operation *operation)
{
	char path[256];
	if (run->own_proc < 0)
		run->own_proc = open_own_proc(run);
	if (run->own_proc < 0)
		return -errno;
	int length = snprintf(path, sizeof path, "sys/%s", plan_string(operation, 0));
	if (length < 0 || (size_t)length >= sizeof path)
		return -ENAMETOOLONG;
	return write_file(run->own_proc, path, plan_string(operation, 1));
}

int op_rlimit(struct run *run, const struct operation *operation)
{
	struct rlimit limit = { .rlim_cur = operation->b, .rlim_max = operation->c };
	(void)run;
	return setrlimit((int)operation->a, &limit) < 0 ? -errno : 0;
}

int op_oom_score(struct run *run, const struct operation *operation)
{
	char text[16];
	OWNED fd = openat(run->host_proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int length = snprintf(text, sizeof text, "%d", (int)(int64_t)operation->a);
	return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

int op_umask(struct run *run, const struct operation *operation)
{
	(void)run;
	umask((mode_t)operation->a);
	return 0;
}

int op_no_new_privs(struct run *run, const struct operation *operation)
{
	(void)run, (void)operation;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int op_apparmor(struct run *run, const struct operation *operation)
{
	char text[512];
	int length = snprintf(text, sizeof text, "exec %s", plan_string(operation, 0));
	OWNED fd = openat(run->host_proc, "self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (length < 0 || (size_t)length >= sizeof text)
		return -ENAMETOOLONG;
	return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

/* So that /dev/stdout can be opened again by the user. The host's /dev/null stays what it is. */
int op_stdio_owner(struct run *run, const struct operation *operation)
{
	(void)run;
	for (int fd = 0; fd < 3; fd++) {
		struct stat status;
		if (fstat(fd, &status) < 0)
			return -errno;
		if (status.st_uid == operation->a || (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)))
			continue;
		if (fchown(fd, (uid_t)operation->a, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
			return -errno;
	}
	return 0;
}

int op_bounding(struct run *run, const struct operation *operation)
{
	(void)run;
	for (unsigned capability = 0; capability < 64; capability++) {
		if (operation->a >> capability & 1)
			continue;
		int present = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
		if (present < 0)
			return 0; /* past the last one that this kernel knows */
		if (present && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int op_identity(struct run *run, const struct operation *operation)
{
	const gid_t *groups = (const gid_t *)operation->data;
	size_t count = operation->d / sizeof *groups;
	uid_t uid = (uid_t)operation->a;
	gid_t gid = (gid_t)operation->b;
	(void)run;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Refused where a user namespace denies it; then there are no groups to drop either. */
	if (syscall(SYS_setgroups, count, groups) < 0 && !(errno == EPERM && count == 0))
		return -errno;
	if (syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	return process_settle();
}

static int raise_ambient(uint64_t mask)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return errno == EINVAL && !mask ? 0 : -errno;
	for (unsigned capability = 0; capability < 64; capability++)
		if (mask >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return -errno;
	return 0;
}

static int learn_rights(struct run *run)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct now[2];
	if (run->rights_known)
		return 0;
	if (syscall(SYS_capget, &header, now) < 0)
		return -errno;
	run->possible = (uint64_t)now[1].permitted << 32 | now[0].permitted;
	run->ambient = PLAN_NONE;
	run->rights_known = true;
	return 0;
}

/* Sets are cut to what is there: the host may lack a capability that the container was given. */
int op_capabilities(struct run *run, const struct operation *operation)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct data[2];
	int result = learn_rights(run);
	if (result < 0)
		return result;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)((operation->a & run->possible) >> (32 * i));
		data[i].permitted = (uint32_t)((operation->b & run->possible) >> (32 * i));
		data[i].inheritable = (uint32_t)((operation->c & run->possible) >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	uint64_t ambient = operation->d & run->possible;
	result = ambient == run->ambient ? 0 : raise_ambient(ambient);
	run->ambient = ambient;
	return result;
}
