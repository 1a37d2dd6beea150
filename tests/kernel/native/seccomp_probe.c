/* Installs a seccomp filter and makes the system calls that a file lists, under it.
 *
 *     seccomp_probe FILTER CALLS
 *
 * FILTER is an array of struct sock_filter. CALLS is an array of struct call, mapped shared: `result` is filled in,
 * which needs no system call. The filter has to answer every call with an errno, so that nothing happens; the end of
 * the list is an illegal instruction, because exit is a system call too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct call {
    uint32_t i386; /* 1: by int 0x80 */
    uint32_t number;
    uint64_t arguments[6];
    int64_t result;
};

static int64_t native(const struct call *call)
{
    register uint64_t r10 __asm__("r10") = call->arguments[3];
    register uint64_t r8 __asm__("r8") = call->arguments[4];
    register uint64_t r9 __asm__("r9") = call->arguments[5];
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((uint64_t)call->number), "D"(call->arguments[0]), "S"(call->arguments[1]),
                       "d"(call->arguments[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static int64_t compatible(const struct call *call)
{
    int64_t result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"((uint64_t)call->number), "b"(call->arguments[0]), "c"(call->arguments[1]),
                       "d"(call->arguments[2]), "S"(call->arguments[3]), "D"(call->arguments[4])
                     : "r8", "r9", "r10", "r11", "memory");
    return (int32_t)result;
}

static void *map(const char *path, int flags, size_t *size)
{
    int fd = open(path, flags | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return NULL;
    *size = (size_t)status.st_size;
    void *data = mmap(NULL, *size, flags == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return data == MAP_FAILED ? NULL : data;
}

int main(int argc, char **argv)
{
    size_t filter_size, calls_size;
    if (argc != 3)
        return 2;
    struct sock_filter *filter = map(argv[1], O_RDONLY, &filter_size);
    struct call *calls = map(argv[2], O_RDWR, &calls_size);
    if (!filter || !calls)
        return 3;
    struct sock_fprog program = {(unsigned short)(filter_size / sizeof(*filter)), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
        perror("seccomp");
        return 4;
    }
    for (size_t i = 0; i < calls_size / sizeof(*calls); i++)
        calls[i].result = calls[i].i386 ? compatible(&calls[i]) : native(&calls[i]);
    __builtin_trap();
}
