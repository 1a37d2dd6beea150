/* The `init` role: PID 1 of a container with --init. Starts the program, forwards signals to it, reaps everything. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter.h"

#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126

static void say(const char *what, const char *name, int err)
{
	char line[512];
	int length = snprintf(line, sizeof line, "%s %.300s: %s\n", what, name, strerror(err));
	if (length > 0 && write(2, line, (size_t)length) < 0)
		return;
}

/* The program gets its own process group, in the terminal's foreground if there is one, and the signals as they were. */
static _Noreturn void run_program(char **argv, const sigset_t *mask)
{
	setpgid(0, 0);
	if (isatty(0) && tcsetpgrp(0, getpgrp()) < 0 && errno != ENOTTY && errno != ENXIO)
		say("cannot give the terminal to", argv[0], errno);
	signal(SIGTTIN, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	int err = errno;
	say("exec", argv[0], err);
	_exit(err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Reaps all that ended. Returns the program's exit code once it is among them, else -1. */
static int reap_all(pid_t program)
{
	int status, code = -1;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return code;
}

_Noreturn void init_main(int argc, char **argv)
{
	static const int own[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };
	sigset_t waited, before;
	int first = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1, code = -1;
	if (first >= argc)
		_exit(EXIT_NOT_FOUND);
	sigfillset(&waited);
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&waited, own[i]);
	sigprocmask(SIG_SETMASK, &waited, &before);
	signal(SIGTTIN, SIG_IGN); /* writing to the terminal from the background must not stop PID 1 */
	signal(SIGTTOU, SIG_IGN);
	pid_t program = fork();
	if (program < 0)
		_exit(EXIT_NOT_EXECUTABLE);
	if (program == 0)
		run_program(argv + first, &before);
	while (code < 0) {
		int number = sigwaitinfo(&waited, NULL);
		if (number == SIGCHLD)
			code = reap_all(program);
		else if (number > 0)
			kill(program, number);
	}
	_exit(code);
}
