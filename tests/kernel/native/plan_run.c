/* Runs the plan at descriptor 3 for tests: prints one line about the start, copies the program's output to descriptors
 * 1 and 2 and its terminal to 1, feeds it descriptor 0, and ends as it ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter.h"
#include "plan.h"

static int copy(int *from, int to)
{
	char buffer[4096];
	ssize_t length = *from < 0 ? 0 : read(*from, buffer, sizeof buffer);
	if (length > 0)
		return write(to, buffer, (size_t)length) == length;
	if (length < 0 && errno == EAGAIN)
		return 0;
	close(*from);
	*from = -1;
	return 0;
}

static void pump(struct child *child, int input)
{
	int target = child->tty >= 0 ? child->tty : child->in;
	struct pollfd polls[4];
	while (child->out >= 0 || child->err >= 0 || child->tty >= 0) {
		polls[0] = (struct pollfd){ .fd = target >= 0 ? input : -1, .events = POLLIN };
		polls[1] = (struct pollfd){ .fd = child->out, .events = POLLIN };
		polls[2] = (struct pollfd){ .fd = child->err, .events = POLLIN };
		polls[3] = (struct pollfd){ .fd = child->tty, .events = POLLIN };
		if (poll(polls, 4, -1) < 0)
			return;
		if (polls[0].revents) {
			copy(&input, target);
			if (input < 0 && child->in >= 0) {
				close(child->in);
				target = child->in = -1;
			}
		}
		if (polls[1].revents)
			copy(&child->out, 1);
		if (polls[2].revents)
			copy(&child->err, 2);
		if (polls[3].revents)
			copy(&child->tty, 1);
	}
}

int main(void)
{
	struct plan plan;
	struct child child;
	struct failure failure = { 0 };
	siginfo_t info = { 0 };
	int report = 4, result = plan_open(3, &plan);
	if (result < 0)
		return dprintf(report, "bad plan %d\n", -result), 2;
	if (plan_prepare(&plan, &child, &failure) < 0 || enter(&plan, &child, &failure) < 0)
		return dprintf(report, "failed %u %u %d %s\n", failure.index, failure.code, failure.err, failure.text), 3;
	dprintf(report, "started %d\n", child.pid);
	pump(&child, dup(0));
	waitid(P_PIDFD, (id_t)child.pidfd, &info, WEXITED);
	dprintf(report, "ended %d\n", info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
	return 0;
}
