/* The program's stdin, stdout and stderr: our ends of its pipes, or the master of its pty. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plan.h"
#include "shim.h"

enum { DRAIN_READS = 64 };
enum { QUIET_NS = 100 * 1000 * 1000 };

struct output {
	int descriptor; /* -1: ended */
	int stream;
	int watched;
};

static struct output outputs[2] = {{-1, STREAM_STDOUT, 0}, {-1, STREAM_STDERR, 0}};
static int input = -1;
static int input_wanted; /* an attachment has bytes for the program */
static int input_gone;   /* stdin was closed, by us or by the program: what comes is thrown away */
static unsigned char data[READ_SIZE] __attribute__((aligned(4096)));

int io_is_terminal(void)
{
	return (shim.child.stdio & STDIO_TERMINAL) != 0;
}

int io_has_input(void)
{
	return (shim.child.stdio & STDIO_STDIN) != 0;
}

static void set_nonblocking(int descriptor)
{
	fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

/* A pipe whose writers are gone reports EPOLLHUP for as long as it is watched: unwatched, not watched for nothing. */
static void set_watched(struct output *output, int watched)
{
	if (output->descriptor < 0 || output->watched == watched)
		return;
	uint32_t index = (uint32_t)(output - outputs);
	output->watched = watched;
	if (watched)
		watch(output->descriptor, EPOLLIN, WATCH_OUTPUT, index);
	else
		unwatch(output->descriptor);
}

static void drop_input(void)
{
	input_gone = 1;
	if (input < 0)
		return;
	io_want_input(0);
	close(input);
	input = -1;
}

void io_start(void)
{
	outputs[0].descriptor = io_is_terminal() ? shim.child.tty : shim.child.out;
	outputs[1].descriptor = shim.child.err;
	/* The terminal's master is one file; a second descriptor lets its two directions be watched apart. */
	input = io_is_terminal() && io_has_input() ? fcntl(shim.child.tty, F_DUPFD_CLOEXEC, 0) : shim.child.in;
	for (int i = 0; i < 2; i++) {
		if (outputs[i].descriptor < 0)
			continue;
		set_nonblocking(outputs[i].descriptor);
		set_watched(&outputs[i], 1);
	}
	if (input < 0 || input_gone)
		drop_input();
	else
		set_nonblocking(input);
	if (shim.rows && io_is_terminal())
		io_resize(shim.rows, shim.columns);
	attach_feed();
}

static void write_log(int stream, size_t size)
{
	uint64_t dropped = 0;
	switch (log_write(&shim.log, stream, data, size, &dropped)) {
	case LOG_STALLED:
		control_event(MESSAGE_LOG_STALLED, 0, (uint64_t)shim.log.stalled, 0, 0);
		break;
	case LOG_RESUMED:
		control_event(MESSAGE_LOG_RESUMED, 0, dropped, 0, 0);
		break;
	case LOG_SAME:
		break;
	}
}

static void end_output(struct output *output)
{
	if (output->descriptor < 0)
		return;
	write_log(output->stream, 0);
	set_watched(output, 0);
	close(output->descriptor);
	output->descriptor = -1;
	if (io_is_terminal())
		drop_input();
}

/* One read. Returns whether there may be more. */
static int read_output(struct output *output)
{
	ssize_t size;
	do
		size = read(output->descriptor, data, READ_SIZE);
	while (size < 0 && errno == EINTR);
	if (size < 0 && errno == EAGAIN)
		return 0;
	if (size <= 0) { /* EIO: the terminal's other side was closed */
		end_output(output);
		return 0;
	}
	write_log(output->stream, (size_t)size);
	attach_deliver(output->stream, data, (size_t)size);
	if (shim.state == STATE_EXITED)
		shim.quiet_at = now_ns() + QUIET_NS;
	return 1;
}

static void finish_if_ended(void)
{
	if (shim.state == STATE_EXITED && outputs[0].descriptor < 0 && outputs[1].descriptor < 0)
		shim_finish();
}

void io_output(uint32_t index)
{
	struct output *output = &outputs[index];
	if (output->descriptor < 0 || !output->watched)
		return;
	read_output(output);
	io_regulate();
	finish_if_ended();
}

void io_regulate(void)
{
	int room = attach_has_room();
	for (int i = 0; i < 2; i++)
		set_watched(&outputs[i], room);
}

void io_drain(void)
{
	shim.quiet_at = now_ns() + QUIET_NS;
	for (int i = 0; i < 2; i++)
		for (int reads = 0; reads < DRAIN_READS && outputs[i].descriptor >= 0; reads++)
			if (!attach_has_room() || !read_output(&outputs[i]))
				break;
	io_regulate();
	finish_if_ended();
}

void io_finish(void)
{
	for (int i = 0; i < 2; i++)
		end_output(&outputs[i]);
	drop_input();
}

void io_want_input(int wanted)
{
	if (input < 0 || input_wanted == wanted)
		return;
	input_wanted = wanted;
	if (wanted)
		watch(input, EPOLLOUT, WATCH_INPUT, 0);
	else
		unwatch(input);
}

long io_write_input(const unsigned char *bytes, size_t size)
{
	if (input_gone)
		return -EPIPE;
	if (input < 0)
		return 0;
	ssize_t written = write(input, bytes, size);
	if (written >= 0)
		return written;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	drop_input();
	return -EPIPE;
}

void io_close_input(void)
{
	if (!io_is_terminal())
		drop_input();
}

int io_resize(uint16_t rows, uint16_t columns)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};
	if (shim.state == STATE_WAITING) {
		shim.rows = rows;
		shim.columns = columns;
		return 0;
	}
	if (!io_is_terminal() || outputs[0].descriptor < 0)
		return ENOTTY;
	return ioctl(outputs[0].descriptor, TIOCSWINSZ, &size) < 0 ? errno : 0;
}

void io_trim(void)
{
	madvise(data, sizeof data, MADV_DONTNEED);
}
