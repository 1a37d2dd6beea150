/* Reading a launch plan: every length and string is checked once, then operations are looked up in one table. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "interpreter.h"

#define STRINGS_MAX UINT16_MAX

struct kind {
	operation_function *run; /* NULL: outer, read by plan_prepare() */
	uint16_t least, most;    /* strings */
	bool blob;
	bool before_clone;       /* may stand before the first OP_CLONE */
};

static const struct kind kinds[] = {
	[OP_STDIO] = { NULL, 0, 0, false, true },
	[OP_LOG] = { NULL, 1, 1, false, true },
	[OP_OOM] = { NULL, 0, 0, false, true },
	[OP_DESCRIPTORS] = { NULL, 0, 0, false, true },
	[OP_SHIM_CGROUP] = { NULL, 0, 0, false, true },
	[OP_CLONE] = { op_clone, 0, 0, false, true },
	[OP_CGROUP] = { op_cgroup, 0, 0, false, false },
	[OP_SETNS] = { op_setns, 0, 0, false, false },
	[OP_USERNS] = { op_userns, 2, 2, false, false },
	[OP_UNSHARE] = { op_unshare, 0, 0, false, false },
	[OP_KEYRING] = { op_keyring, 1, 1, false, false },
	[OP_LOOPBACK] = { op_loopback, 0, 0, false, false },
	[OP_PROPAGATION] = { op_propagation, 0, 0, false, false },
	[OP_CHDIR] = { op_chdir, 1, 1, false, true },
	[OP_NEW] = { op_new, 3, STRINGS_MAX, false, true },
	[OP_TREE] = { op_tree, 0, 2, false, true },
	[OP_ATTRIBUTES] = { op_attributes, 0, 0, false, true },
	[OP_IDMAP] = { op_idmap, 0, 0, false, true },
	[OP_ROOT] = { op_root, 1, 1, false, false },
	[OP_ATTACH] = { op_attach, 1, 1, false, false },
	[OP_SYMLINK] = { op_symlink, 2, 2, false, false },
	[OP_NODE] = { op_node, 1, 1, false, false },
	[OP_CONSOLE] = { op_console, 0, 0, false, false },
	[OP_PIVOT] = { op_pivot, 0, 0, false, false },
	[OP_READONLY] = { op_readonly, 1, 1, false, false },
	[OP_MASK] = { op_mask, 1, 1, false, false },
	[OP_HOSTNAME] = { op_hostname, 1, 1, false, false },
	[OP_DOMAINNAME] = { op_domainname, 1, 1, false, false },
	[OP_SYSCTL] = { op_sysctl, 2, 2, false, false },
	[OP_RLIMIT] = { op_rlimit, 0, 0, false, false },
	[OP_OOM_SCORE] = { op_oom_score, 0, 0, false, false },
	[OP_UMASK] = { op_umask, 0, 0, false, false },
	[OP_NO_NEW_PRIVS] = { op_no_new_privs, 0, 0, false, false },
	[OP_CWD] = { op_cwd, 1, 1, false, false },
	[OP_STDIO_OWNER] = { op_stdio_owner, 0, 0, false, false },
	[OP_CLOSE] = { op_close, 0, 0, false, false },
	[OP_BOUNDING] = { op_bounding, 0, 0, false, false },
	[OP_IDENTITY] = { op_identity, 0, 0, true, false },
	[OP_CAPABILITIES] = { op_capabilities, 0, 0, false, false },
	[OP_LOOKUP] = { op_lookup, 2, 2, false, false },
	[OP_SECCOMP] = { op_seccomp, 0, 0, true, false },
	[OP_APPARMOR] = { op_apparmor, 1, 1, false, false },
	[OP_EXEC] = { op_exec, 1, STRINGS_MAX, false, false },
};

static const struct kind *kind_of(const struct operation *operation)
{
	if (operation->code >= sizeof kinds / sizeof *kinds)
		return NULL;
	const struct kind *kind = &kinds[operation->code];
	return kind->before_clone || kind->run ? kind : NULL;
}

static const struct operation *plan_first(const struct plan *plan)
{
	return (const struct operation *)(plan->base + sizeof(struct plan_header));
}

const struct operation *plan_next(const struct plan *plan, const struct operation *operation)
{
	if (!operation)
		return plan_first(plan);
	const unsigned char *next = (const unsigned char *)operation + operation->size;
	return next < plan->base + plan->size ? (const struct operation *)next : NULL;
}

const struct operation *plan_at(const struct plan *plan, uint32_t index)
{
	const struct operation *operation = NULL;
	if (index >= plan->count)
		return NULL;
	do
		operation = plan_next(plan, operation);
	while (index--);
	return operation;
}

const char *plan_string(const struct operation *operation, unsigned number)
{
	const char *string = operation->data;
	if (number >= operation->strings)
		return NULL;
	while (number--)
		string += strlen(string) + 1;
	return string;
}

/* Checks one record of which `left` bytes of the plan remain. */
static bool record_valid(const struct operation *operation, size_t left)
{
	if (left < sizeof *operation || operation->size < sizeof *operation || operation->size > left || operation->size % 8)
		return false;
	const struct kind *kind = kind_of(operation);
	size_t room = operation->size - sizeof *operation;
	if (!kind || operation->strings < kind->least || operation->strings > kind->most)
		return false;
	if (kind->blob)
		return operation->strings == 0 && operation->d <= room;
	const char *at = operation->data, *end = at + room;
	for (unsigned i = 0; i < operation->strings; i++) {
		const char *stop = memchr(at, 0, (size_t)(end - at));
		if (!stop)
			return false;
		at = stop + 1;
	}
	return operation->code != OP_EXEC || (operation->a >= 1 && operation->a <= operation->strings);
}

static bool plan_valid(struct plan *plan)
{
	const struct plan_header *header = (const struct plan_header *)plan->base;
	size_t at = sizeof *header;
	uint32_t count = 0;
	bool cloned = false, looked_up = false, executes = false;
	if (plan->size < at || header->magic != PLAN_MAGIC || header->version != PLAN_VERSION || header->size != plan->size)
		return false;
	for (; at < plan->size; count++) {
		const struct operation *operation = (const struct operation *)(plan->base + at);
		if (executes || !record_valid(operation, plan->size - at))
			return false;
		const struct kind *kind = kind_of(operation);
		if (cloned ? !kind->run : !kind->before_clone)
			return false;
		cloned |= operation->code == OP_CLONE;
		looked_up |= operation->code == OP_LOOKUP;
		executes = operation->code == OP_EXEC;
		at += operation->size;
	}
	plan->count = header->count;
	return count == header->count && looked_up && executes;
}

int plan_open(int fd, struct plan *plan)
{
	struct stat status;
	const int needed = F_SEAL_SHRINK | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & needed) != needed || fstat(fd, &status) < 0)
		return -EINVAL;
	if (status.st_size < (off_t)sizeof(struct plan_header) || status.st_size > (off_t)PLAN_SIZE_MAX)
		return -EINVAL;
	plan->size = (size_t)status.st_size;
	void *base = mmap(NULL, plan->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	plan->base = base;
	if (plan_valid(plan))
		return 0;
	munmap(base, plan->size);
	plan->base = NULL;
	return -EINVAL;
}

int plan_run_one(struct run *run, const struct operation *operation)
{
	const struct kind *kind = kind_of(operation);
	run->text[0] = 0;
	return kind->run ? kind->run(run, operation) : 0;
}
