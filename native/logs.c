/* The logs role: copies a container's log into a client's socket and follows it. See README.md and logs.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "logs.h"

enum {
	IN_SIZE = 512 * 1024, /* more than the longest entry of ours */
	READ_SIZE = 128 * 1024,
	OUT_FULL = 256 * 1024,
	DETAILS_MAX = 4096,
	HEAD_ROOM = 16,        /* the size line of an HTTP chunk */
	LOOKS = 50,
	LOOK_PAUSE = 20, /* ms */
	WITHOUT_INOTIFY = 100, /* ms between looks where the kernel's limit of watches is reached */
};

static struct log_files files;
static struct log_style style;
static char details[DETAILS_MAX + 1];
static unsigned char in[IN_SIZE];
static size_t in_size; /* the beginning of an entry whose end isn't there yet */
static int skipping;   /* within a line that no writer of ours wrote */
static unsigned char out_space[HEAD_ROOM + OUT_FULL + IN_SIZE + PREFIX_MAX + DETAILS_MAX + 2];
static unsigned char *const out = out_space + HEAD_ROOM;
static size_t out_size;
static int notices = -1; /* inotify */
static int looks; /* a killed writer's file is closed some time before its lock goes: look so often */
static int64_t until_ns;

/* ---- waiting ---- */

/* Takes the notices; learns of new files at once, so that a slow client loses none of them. */
static void read_notices(void)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t size = read(notices, buffer, sizeof buffer);
	int look = 0;
	for (ssize_t at = 0; at < size;) {
		struct inotify_event *event = (struct inotify_event *)(buffer + at);
		at += (ssize_t)(sizeof *event + event->len);
		if (event->mask & IN_Q_OVERFLOW)
			look = 1;
		if (!event->len || strcmp(event->name, files.name) != 0)
			continue;
		if (event->mask & (IN_CREATE | IN_MOVED_TO))
			look = 1;
		if (event->mask & IN_CLOSE_WRITE)
			looks = LOOKS;
	}
	if (look)
		logs_find(&files);
}

static int64_t until_timeout(void)
{
	struct timespec now;
	if (!until_ns)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t left = until_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	return left <= 0 ? 0 : left / 1000000 + 1;
}

/* Waits for news of the log, or (to_send) for room in the client's socket. Ends the process when the client is gone. */
static void wait_for_news(int to_send)
{
	struct pollfd watched[2] = {
		{.fd = FD_LOGS_CLIENT, .events = to_send ? POLLOUT : POLLRDHUP},
		{.fd = notices, .events = POLLIN},
	};
	int64_t timeout = to_send ? -1 : until_timeout();
	if (!to_send && looks > 0) {
		looks--;
		timeout = LOOK_PAUSE;
	}
	if (!to_send && notices < 0 && (timeout < 0 || timeout > WITHOUT_INOTIFY))
		timeout = WITHOUT_INOTIFY;
	int count = poll(watched, 2, timeout > 1 << 30 ? 1 << 30 : (int)timeout);
	if (watched[0].revents & (POLLERR | POLLHUP | POLLRDHUP | POLLNVAL))
		exit(0);
	if (watched[1].revents)
		read_notices();
	if (count == 0 && notices < 0)
		logs_find(&files);
}

/* ---- sending ---- */

static void send_all(const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(FD_LOGS_CLIENT, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			wait_for_news(1);
		} else if (errno != EINTR) {
			exit(0);
		}
	}
}

static void flush(void)
{
	unsigned char *begin = out;
	char head[HEAD_ROOM + 1];
	if (!out_size)
		return;
	if (style.flags & LOGS_CHUNKED) {
		size_t length = (size_t)snprintf(head, sizeof head, "%zx\r\n", out_size);
		begin -= length;
		memcpy(begin, head, length);
		memcpy(out + out_size, "\r\n", 2);
		out_size += length + 2;
	}
	send_all(begin, out_size);
	out_size = 0;
}

static void finish(void)
{
	static const unsigned char last[] = "0\r\n\r\n";
	flush();
	if (style.flags & LOGS_CHUNKED)
		send_all(last, sizeof last - 1);
	exit(0);
}

/* ---- reading ---- */

/* Puts the entries in the buffer out; what is left is the begin of one. */
static void put_entries(void)
{
	unsigned char *line = in, *end = in + in_size, *newline;
	while (line < end && (newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if (!skipping) {
			long size = logs_entry(&style, line, (size_t)(newline - line), out + out_size);
			if (size < 0)
				finish();
			out_size += (size_t)size;
			if (out_size >= OUT_FULL)
				flush();
		}
		skipping = 0;
		line = newline + 1;
	}
	in_size = (size_t)(end - line);
	memmove(in, line, in_size);
	if (in_size == IN_SIZE) {
		skipping = 1;
		in_size = 0;
	}
}

/* One read of the file; returns whether something came. */
static int read_some(struct log_file *file)
{
	size_t size = IN_SIZE - in_size < READ_SIZE ? IN_SIZE - in_size : READ_SIZE;
	if (file->offset >= file->limit)
		return 0;
	if (size > file->limit - file->offset)
		size = file->limit - file->offset;
	ssize_t got = pread(file->descriptor, in + in_size, size, (off_t)file->offset);
	if (got <= 0)
		return 0;
	in_size += (size_t)got;
	file->offset += (uint64_t)got;
	put_entries();
	return 1;
}

/* The file is final once a newer one is known: it is read to its end after that. */
static void read_files(void)
{
	while (files.count > 0) {
		int is_final = files.count > 1;
		while (read_some(&files.files[0]))
			;
		if (files.count == 1)
			break;
		if (!is_final)
			continue;
		logs_shift(&files);
		in_size = 0;
		skipping = 0;
	}
}

static void follow(void)
{
	for (;;) {
		int more = logs_are_written(&files);
		read_files();
		if (logs_find(&files) > 0)
			continue;
		if (!more || until_timeout() == 0)
			finish();
		flush();
		wait_for_news(0);
	}
}

/* ---- the request ---- */

static void make_stamp(char stamp[STAMP_SIZE + 2], int64_t ns)
{
	char text[LOG_TIME_SIZE];
	if (ns <= 0)
		return;
	log_format_time(text, (uint64_t)ns / 1000000000, (uint32_t)((uint64_t)ns % 1000000000), 0);
	memcpy(stamp, text, STAMP_SIZE + 1);
}

static int read_request(struct logs_request *request)
{
	if (pread(FD_LOGS_REQUEST, request, sizeof *request, 0) != sizeof *request || request->version != LOGS_VERSION)
		return -1;
	size_t name = request->name_length, text = request->details_length;
	if (name == 0 || name >= sizeof files.name || text > DETAILS_MAX)
		return -1;
	if (pread(FD_LOGS_REQUEST, files.name, name, sizeof *request) != (ssize_t)name || strchr(files.name, '/'))
		return -1;
	if (text && pread(FD_LOGS_REQUEST, details, text, (off_t)(sizeof *request + name)) != (ssize_t)text)
		return -1;
	files.directory = FD_LOGS_DIRECTORY;
	style.flags = request->flags;
	style.details = details;
	style.details_size = request->flags & LOGS_DETAILS ? text : 0;
	until_ns = request->until_ns;
	make_stamp(style.since, request->since_ns);
	make_stamp(style.until, request->until_ns);
	return 0;
}

static void start_notices(void)
{
	char path[32];
	notices = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(path, sizeof path, "/proc/self/fd/%d", FD_LOGS_DIRECTORY);
	if (notices >= 0 && inotify_add_watch(notices, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_EXCL_UNLINK) < 0) {
		close(notices);
		notices = -1;
	}
}

/* Without following, the log ends where it ends now, or where the request says. */
static void set_limits(const struct logs_request *request, int follows)
{
	struct stat status;
	int last = files.count - 1;
	if (request->end_inode) {
		while (last >= 0 && files.files[last].inode != request->end_inode)
			close(files.files[last--].descriptor);
		files.count = last + 1;
		if (last >= 0)
			files.files[last].limit = request->end_offset;
	} else if (!follows && last >= 0 && fstat(files.files[last].descriptor, &status) == 0) {
		files.files[last].limit = (uint64_t)status.st_size;
	}
}

/* Files whose last entry is older than `since` need not be read. */
static void skip_old(int64_t since_ns)
{
	while (files.count > 1 && since_ns > 0 && files.files[0].changed < since_ns / 1000000000)
		logs_shift(&files);
}

int logs_main(void)
{
	struct logs_request request;
	prctl(PR_SET_NAME, "estiba-logs");
	if (read_request(&request) < 0)
		return 2;
	syscall(SYS_close_range, FD_LOGS_COUNT, ~0u, 0);
	int follows = request.flags & LOGS_FOLLOW && !request.end_inode;
	if (follows)
		start_notices();
	logs_find(&files);
	set_limits(&request, follows);
	if (request.tail >= 0)
		logs_tail(&files, request.tail);
	skip_old(request.since_ns);
	if (follows)
		follow();
	read_files();
	finish();
	return 0;
}
