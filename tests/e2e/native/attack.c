/* What a hostile program in a container tries, as a static program that tests bind into one.
 *
 *     attack call NUMBER...        makes each system call with arguments of -1 and prints its errno
 *     attack swap A B...           exchanges a name with others in turn, for ever (renameat2)
 *     attack watch SECONDS EVIL    looks at every process that appears: its descriptors, its memory, its program
 *                                  (which it tries to overwrite with EVIL); prints what it got, with the traced
 *                                  process's capabilities
 *     attack open N...             says which of the descriptors are open
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXCHANGE 2

static int call(int count, char **numbers)
{
    for (int i = 0; i < count; i++) {
        errno = 0;
        syscall(atol(numbers[i]), -1L, -1L, -1L, -1L, -1L, -1L);
        printf("%s %d\n", numbers[i], errno);
    }
    return 0;
}

static int swap(int count, char **names)
{
    for (int i = 1;; i = i + 1 < count ? i + 1 : 1)
        for (int back = 0; back < 2; back++)
            if (syscall(SYS_renameat2, AT_FDCWD, names[0], AT_FDCWD, names[i], EXCHANGE) < 0 && errno != ENOENT)
                return 1;
}

/* Files of the container itself are no catch: those below its own mounts, pipes, sockets, its null device. */
static int is_catch(const char *target)
{
    static const char *const own[] = {"pipe:", "socket:", "anon_inode:", "/dev/", "/proc/", "/bin/", "/tmp/", NULL};
    if (!strcmp(target, "/") || !strcmp(target, "/estiba-attack"))
        return 0;
    for (int i = 0; own[i]; i++)
        if (!strncmp(target, own[i], strlen(own[i])))
            return 0;
    return 1;
}

static void look_at_descriptors(const char *pid)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
        if (size <= 0 || entry->d_name[0] == '.')
            continue;
        target[size] = 0;
        if (is_catch(target))
            printf("descriptor %s of %s: %s\n", entry->d_name, pid, target);
    }
    closedir(directory);
}

static void look_at_program(const char *pid, const char *evil)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%s/exe", pid);
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size <= 0)
        return;
    target[size] = 0;
    if (!strncmp(target, "/bin/", 5) || !strcmp(target, "/estiba-attack"))
        return;
    int program = open(path, O_RDONLY | O_CLOEXEC);
    if (program < 0)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", program);
    int writable = open(path, O_WRONLY | O_CLOEXEC);
    if (writable >= 0) {
        printf("program of %s can be written\n", pid);
        (void)!write(writable, evil, strlen(evil));
        close(writable);
    }
    close(program);
}

/* The container's own programs are no catch: only what has not yet become one. */
static void look_at_memory(const char *pid)
{
    char path[PATH_MAX], line[512];
    pid_t number = atoi(pid);
    if (ptrace(PTRACE_SEIZE, number, 0, 0) < 0)
        return;
    ptrace(PTRACE_INTERRUPT, number, 0, 0);
    waitpid(number, NULL, __WALL);
    snprintf(path, sizeof(path), "/proc/%s/exe", pid);
    ssize_t size = readlink(path, line, sizeof(line) - 1);
    line[size > 0 ? size : 0] = 0;
    int own = size <= 0 || !strncmp(line, "/bin/", 5); /* or it has ended */
    snprintf(path, sizeof(path), "/proc/%s/status", pid);
    FILE *status = own ? NULL : fopen(path, "re");
    while (status && fgets(line, sizeof(line), status))
        if (!strncmp(line, "CapPrm:", 7))
            printf("traced %s", line + 8);
    if (status)
        fclose(status);
    ptrace(PTRACE_DETACH, number, 0, 0);
}

static int watch(int seconds, const char *evil)
{
    time_t end = time(NULL) + seconds;
    int self = getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("watching");
    while (time(NULL) < end) {
        DIR *processes = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(processes));) {
            int pid = atoi(entry->d_name);
            if (pid <= 1 || pid == self)
                continue;
            look_at_descriptors(entry->d_name);
            look_at_program(entry->d_name, evil);
            look_at_memory(entry->d_name);
        }
        closedir(processes);
    }
    puts("done");
    return 0;
}

static int open_ones(int count, char **numbers)
{
    for (int i = 0; i < count; i++)
        if (fcntl(atoi(numbers[i]), F_GETFD) >= 0)
            puts(numbers[i]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && !strcmp(argv[1], "call"))
        return call(argc - 2, argv + 2);
    if (argc >= 4 && !strcmp(argv[1], "swap"))
        return swap(argc - 2, argv + 2);
    if (argc == 4 && !strcmp(argv[1], "watch"))
        return watch(atoi(argv[2]), argv[3]);
    if (argc >= 3 && !strcmp(argv[1], "open"))
        return open_ones(argc - 2, argv + 2);
    return 2;
}
