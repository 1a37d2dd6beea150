/* Reads plans from stdin, each a u32 length and that many bytes, and answers a byte each: whether it is a valid plan.
 * A valid one is walked as the interpreter would, every byte of every string and blob read. For the fuzzer. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpreter.h"

static int read_all(void *buffer, size_t size)
{
	char *at = buffer;
	while (size) {
		ssize_t length = read(0, at, size);
		if (length <= 0)
			return 0;
		at += length;
		size -= (size_t)length;
	}
	return 1;
}

static unsigned walk(const struct plan *plan)
{
	const struct operation *operation = NULL;
	unsigned sum = 0, count = 0;
	while ((operation = plan_next(plan, operation))) {
		for (unsigned i = 0; i < operation->strings; i++)
			sum += (unsigned)strlen(plan_string(operation, i));
		if (operation->code == OP_IDENTITY || operation->code == OP_SECCOMP)
			for (uint64_t i = 0; i < operation->d; i++)
				sum += (unsigned char)operation->data[i];
		if (plan_at(plan, count++) != operation)
			abort();
	}
	if (count != plan->count || plan_at(plan, count))
		abort();
	return sum;
}

int main(void)
{
	uint32_t size;
	while (read_all(&size, sizeof size)) {
		struct plan plan;
		char *bytes = malloc(size ? size : 1), answer = 0;
		int fd = memfd_create("plan", MFD_ALLOW_SEALING);
		if (!read_all(bytes, size) || write(fd, bytes, size) != (ssize_t)size)
			return 1;
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
		if (plan_open(fd, &plan) == 0) {
			answer = 1;
			volatile unsigned sum = walk(&plan);
			(void)sum;
			munmap((void *)plan.base, plan.size);
		}
		close(fd);
		free(bytes);
		if (write(1, &answer, 1) != 1)
			return 1;
	}
	return 0;
}
