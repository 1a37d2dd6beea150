/* Clients attached to the program's streams: frames, rings, half-close, detach keys. README.md has the rules. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plan.h"
#include "shim.h"

enum { INPUT_SIZE = 16384, INPUT_READ = INPUT_SIZE - DETACH_KEYS, HEADER_SIZE = 8, READS_AT_CLOSE = 64 };

#define FLUSH_NS (10ull * 1000 * 1000 * 1000)
#define TOLD_NS (2ull * 1000 * 1000 * 1000)

struct attachment {
	int descriptor; /* -1: the place is free */
	uint32_t tag;   /* in epoll's data: place, and above it a count, for a notice may come after the place changed hands */
	uint32_t id;
	uint32_t connection; /* that asked for it: a held attachment doesn't outlive it */
	uint16_t flags;
	int held;
	int replay;          /* pidfd of the process whose end releases it, or -1 */
	int gone;            /* the client hung up; only what it had sent is still passed on */
	int eof;             /* the client sends nothing more */
	uint32_t events;     /* that epoll watches for; meaningless when gone */
	uint8_t keys[DETACH_KEYS];
	uint32_t keys_size, keys_matched;
	uint32_t input_start, input_end; /* bytes for the program that its stdin had no room for */
	uint8_t *ring;                   /* mapped while there is something in it */
	size_t ring_size, ring_head, ring_used;
	uint64_t finish_at;
};

static struct attachment attachments[ATTACHMENTS];
static int places; /* used so far; the pages behind them are never touched */
static uint8_t inputs[ATTACHMENTS][INPUT_SIZE] __attribute__((aligned(4096)));
static uint8_t scratch[INPUT_READ] __attribute__((aligned(4096)));

static uint32_t last_tag;

static struct attachment *find_tag(uint32_t tag)
{
	struct attachment *a = &attachments[tag % ATTACHMENTS];
	return a->descriptor >= 0 && a->tag == tag ? a : NULL;
}

static uint32_t index_of(const struct attachment *a)
{
	return (uint32_t)(a - attachments);
}

/* ---- the ring of bytes for the client ---- */

static void unmap_ring(struct attachment *a)
{
	if (a->ring)
		munmap(a->ring, a->ring_size);
	a->ring = NULL;
	a->ring_size = a->ring_head = a->ring_used = 0;
}

static void copy_from_ring(const struct attachment *a, uint8_t *to)
{
	size_t first = a->ring_size - a->ring_head;
	if (first > a->ring_used)
		first = a->ring_used;
	memcpy(to, a->ring + a->ring_head, first);
	memcpy(to + first, a->ring, a->ring_used - first);
}

static int reserve(struct attachment *a, size_t size)
{
	if (a->ring && a->ring_used + size <= a->ring_size)
		return 0;
	size_t wanted = a->ring_used + size <= RING_SIZE ? RING_SIZE : RING_LAST;
	if (a->ring_used + size > wanted)
		return -ENOBUFS;
	uint8_t *ring = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ring == MAP_FAILED)
		return -errno;
	size_t used = a->ring_used;
	if (a->ring)
		copy_from_ring(a, ring);
	unmap_ring(a);
	a->ring = ring;
	a->ring_size = wanted;
	a->ring_used = used;
	return 0;
}

static void push(struct attachment *a, const uint8_t *bytes, size_t size)
{
	size_t at = (a->ring_head + a->ring_used) % a->ring_size;
	size_t first = a->ring_size - at;
	if (first > size)
		first = size;
	memcpy(a->ring + at, bytes, first);
	memcpy(a->ring, bytes + first, size - first);
	a->ring_used += size;
}

/* ---- watching and leaving ---- */

static void update_watch(struct attachment *a)
{
	uint32_t events = 0;
	if (a->descriptor < 0 || a->gone)
		return;
	if ((a->flags & ATTACH_STDIN) && !a->eof && a->input_start == a->input_end)
		events |= EPOLLIN;
	if (a->ring_used && !a->held)
		events |= EPOLLOUT;
	if (events != a->events)
		rewatch(a->descriptor, events, WATCH_ATTACHMENT, a->tag);
	a->events = events;
}

/* Unread bytes would turn the close into a reset, which takes what the client hasn't read yet with it. */
static void close_politely(int descriptor)
{
	shutdown(descriptor, SHUT_WR);
	for (int i = 0; i < READS_AT_CLOSE; i++)
		if (recv(descriptor, scratch, sizeof scratch, MSG_DONTWAIT) <= 0)
			break;
	shutdown(descriptor, SHUT_RDWR);
	close(descriptor);
}

static void drop(struct attachment *a, int by_keys)
{
	static const char left[] = "exec attach failed: error on attach stdin: read escape sequence\r\n";
	if (a->descriptor < 0)
		return;
	if (!a->gone)
		unwatch(a->descriptor);
	if (by_keys && shim.is_exec)
		send(a->descriptor, left, sizeof left - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close_politely(a->descriptor);
	if (a->replay >= 0) {
		unwatch(a->replay);
		close(a->replay);
	}
	unmap_ring(a);
	a->descriptor = -1;
	madvise(inputs[index_of(a)], INPUT_SIZE, MADV_DONTNEED);
	if (!shim.finished)
		control_event(MESSAGE_DETACHED, a->id, (uint64_t)by_keys, 0, 0);
}

static void read_rest(struct attachment *a);
static void want_input(void);

static void client_gone(struct attachment *a)
{
	if (a->gone)
		return;
	unwatch(a->descriptor);
	a->gone = 1;
	unmap_ring(a);
	if ((a->flags & ATTACH_STDIN) && !shim.finished)
		read_rest(a);
	else
		drop(a, 0);
	want_input();
}

/* ---- from the client to the program ---- */

/* Everything that the client sent before its end of file has reached the program. */
static void end_input(struct attachment *a)
{
	int closes = (shim.child.stdio & STDIO_STDIN_ONCE) && !io_is_terminal();
	a->flags &= (uint16_t)~ATTACH_STDIN;
	if (closes)
		io_close_input();
	if (!closes || a->gone)
		drop(a, 0);
}

/* Returns 1 when nothing waits any more. */
static int feed(struct attachment *a)
{
	while (a->input_start < a->input_end) {
		long taken = io_write_input(inputs[index_of(a)] + a->input_start, a->input_end - a->input_start);
		if (taken == 0)
			return 0;
		if (taken < 0)
			break;
		a->input_start += (uint32_t)taken;
	}
	a->input_start = a->input_end = 0;
	return 1;
}

/* Copies bytes for the program, looking for the detach keys. Returns 1 when they came: what follows is thrown away. */
static int accept_input(struct attachment *a, const uint8_t *bytes, size_t size)
{
	uint8_t *to = inputs[index_of(a)] + a->input_end;
	for (size_t i = 0; i < size; i++) {
		if (a->keys_size && bytes[i] != a->keys[a->keys_matched] && a->keys_matched) {
			memcpy(to, a->keys, a->keys_matched);
			to += a->keys_matched;
			a->keys_matched = 0;
		}
		if (!a->keys_size || bytes[i] != a->keys[a->keys_matched])
			*to++ = bytes[i];
		else if (++a->keys_matched == a->keys_size)
			break;
	}
	a->input_end = (uint32_t)(to - inputs[index_of(a)]);
	return a->keys_size && a->keys_matched == a->keys_size;
}

static void client_eof(struct attachment *a)
{
	a->eof = 1;
	memcpy(inputs[index_of(a)] + a->input_end, a->keys, a->keys_matched);
	a->input_end += a->keys_matched;
	a->keys_matched = 0;
}

/* One read of a client whose buffer is empty. Returns 0 when it has to be waited for, for whichever reason. */
static int read_input(struct attachment *a)
{
	ssize_t size = recv(a->descriptor, scratch, sizeof scratch, MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR) && !a->gone)
		return 0;
	if (size <= 0) {
		client_eof(a);
	} else if (accept_input(a, scratch, (size_t)size)) {
		feed(a);
		drop(a, 1);
		return 0;
	}
	if (!feed(a))
		return 0;
	if (a->eof)
		end_input(a);
	return a->descriptor >= 0 && !a->eof;
}

/* After a hang-up nothing wakes us for this client: read until the end, or until the program's stdin is full. */
static void read_rest(struct attachment *a)
{
	if (a->eof) {
		drop(a, 0);
		return;
	}
	if (a->input_start < a->input_end)
		return;
	while (read_input(a))
		;
}

static void want_input(void)
{
	int wanted = 0;
	for (int i = 0; i < places; i++)
		wanted |= attachments[i].descriptor >= 0 && attachments[i].input_start < attachments[i].input_end;
	io_want_input(wanted);
}

void attach_feed(void)
{
	for (int i = 0; i < places; i++) {
		struct attachment *a = &attachments[i];
		if (a->descriptor < 0 || a->input_start == a->input_end || !feed(a))
			continue;
		if (a->eof)
			end_input(a);
		else if (a->gone)
			read_rest(a);
		update_watch(a);
	}
	want_input();
}

/* ---- from the program to the client ---- */

static void put_header(uint8_t header[HEADER_SIZE], int stream, size_t size)
{
	uint8_t filled[HEADER_SIZE] = {(uint8_t)stream,       0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
								   (uint8_t)(size >> 8), (uint8_t)size};
	memcpy(header, filled, HEADER_SIZE);
}

/* Sends at once what fits. Returns the bytes sent; -1 when the client is gone. */
static ssize_t send_parts(struct attachment *a, struct iovec parts[2])
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t sent = sendmsg(a->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return 0;
	return sent;
}

static void deliver(struct attachment *a, int stream, const uint8_t *bytes, size_t size)
{
	uint8_t header[HEADER_SIZE];
	size_t head = a->flags & ATTACH_FRAMED ? HEADER_SIZE : 0, sent = 0;
	put_header(header, stream, size);
	if (!a->ring_used && !a->held) {
		struct iovec parts[2] = {{header, head}, {(void *)(uintptr_t)bytes, size}};
		ssize_t n = send_parts(a, parts);
		if (n < 0) {
			client_gone(a);
			return;
		}
		sent = (size_t)n;
	}
	if (sent == head + size)
		return;
	if (reserve(a, head + size - sent) < 0) {
		drop(a, 0);
		return;
	}
	if (sent < head) {
		push(a, header + sent, head - sent);
		sent = head;
	}
	push(a, bytes + (sent - head), size - (sent - head));
	update_watch(a);
}

void attach_deliver(int stream, const unsigned char *data, size_t size)
{
	uint16_t flag = stream == STREAM_STDERR ? ATTACH_STDERR : ATTACH_STDOUT;
	for (int i = 0; i < places; i++)
		if (attachments[i].descriptor >= 0 && !attachments[i].gone && (attachments[i].flags & flag))
			deliver(&attachments[i], stream, data, size);
}

int attach_has_room(void)
{
	size_t limit = shim.state == STATE_EXITED ? RING_LAST : RING_SIZE;
	for (int i = 0; i < places; i++)
		if (attachments[i].descriptor >= 0 && attachments[i].ring_used + READ_SIZE + HEADER_SIZE > limit)
			return 0;
	return 1;
}

static void send_ring(struct attachment *a)
{
	while (a->ring_used > 0) {
		size_t first = a->ring_size - a->ring_head;
		if (first > a->ring_used)
			first = a->ring_used;
		struct iovec parts[2] = {{a->ring + a->ring_head, first}, {a->ring, a->ring_used - first}};
		ssize_t sent = send_parts(a, parts);
		if (sent < 0) {
			client_gone(a);
			return;
		}
		if (sent == 0)
			break;
		a->ring_head = (a->ring_head + (size_t)sent) % a->ring_size;
		a->ring_used -= (size_t)sent;
		a->finish_at = 0;
	}
	if (a->ring_used == 0)
		unmap_ring(a);
	update_watch(a);
}

/* ---- requests and events ---- */

static struct attachment *free_place(void)
{
	for (int i = 0; i < places; i++)
		if (attachments[i].descriptor < 0)
			return &attachments[i];
	if (places == ATTACHMENTS)
		return NULL;
	attachments[places].descriptor = -1;
	return &attachments[places++];
}

/* What the log doesn't hold yet of the last lines: the replayed log and the stream then meet without a gap. */
static void deliver_unfinished(struct attachment *a)
{
	const unsigned char *text;
	for (int stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
		size_t size = log_unfinished(stream, &text);
		if (size && (a->flags & (stream == STREAM_STDERR ? ATTACH_STDERR : ATTACH_STDOUT)))
			deliver(a, stream, text, size);
	}
}

int attach_add(const struct attach_request *request)
{
	struct attachment *a = free_place();
	if (shim.state == STATE_EXITED)
		return -ESRCH;
	if (!a)
		return -EUSERS;
	if (request->keys_size > DETACH_KEYS || request->first_size > INPUT_READ || request->flags & ~ATTACH_ALL)
		return -EINVAL;
	memset(a, 0, sizeof *a);
	a->descriptor = request->descriptor;
	a->id = request->id;
	a->connection = request->connection;
	a->flags = request->flags;
	a->held = (request->flags & ATTACH_HELD) != 0;
	a->replay = -1;
	if (!io_has_input())
		a->flags &= (uint16_t)~ATTACH_STDIN;
	if (io_is_terminal() && (a->flags & ATTACH_STDIN)) {
		memcpy(a->keys, request->keys, request->keys_size);
		a->keys_size = (uint32_t)request->keys_size;
	}
	a->tag = ++last_tag * ATTACHMENTS + index_of(a);
	int error = watch(a->descriptor, 0, WATCH_ATTACHMENT, a->tag);
	if (error < 0) {
		a->descriptor = -1;
		return error;
	}
	if (a->held)
		deliver_unfinished(a);
	if ((a->flags & ATTACH_STDIN) && accept_input(a, request->first, request->first_size)) {
		drop(a, 1);
		return 0;
	}
	feed(a);
	update_watch(a);
	want_input();
	return 0;
}

static void release(struct attachment *a)
{
	if (a->replay >= 0) {
		unwatch(a->replay);
		close(a->replay);
		a->replay = -1;
	}
	a->held = 0;
	a->finish_at = 0;
	send_ring(a);
	io_regulate();
}

int attach_release(uint32_t id, int replay)
{
	for (int i = 0; i < places; i++) {
		struct attachment *a = &attachments[i];
		if (a->descriptor < 0 || a->id != id || !a->held || a->replay >= 0)
			continue;
		if (replay >= 0) {
			int error = watch(replay, EPOLLIN, WATCH_REPLAY, a->tag);
			if (error < 0)
				return error;
			a->replay = replay;
		} else {
			release(a);
		}
		return 0;
	}
	return -ENOENT;
}

void attach_replayed(uint32_t tag)
{
	struct attachment *a = find_tag(tag);
	if (a && a->replay >= 0)
		release(a);
}

void attach_forget_held(uint32_t connection)
{
	for (int i = 0; i < places; i++) {
		struct attachment *a = &attachments[i];
		if (a->descriptor >= 0 && a->held && a->replay < 0 && a->connection == connection)
			drop(a, 0);
	}
	io_regulate();
}

void attach_ready(uint32_t tag, uint32_t events)
{
	struct attachment *a = find_tag(tag);
	if (!a || a->gone)
		return;
	if (events & (EPOLLHUP | EPOLLERR))
		client_gone(a);
	else if (events & EPOLLOUT)
		send_ring(a);
	if ((events & EPOLLIN) && a->descriptor >= 0 && !a->gone && (a->events & EPOLLIN))
		read_input(a);
	update_watch(a);
	want_input();
	io_regulate();
}

uint64_t attach_finish(void)
{
	uint64_t now = now_ns(), next = 0;
	for (int i = 0; i < places; i++) {
		struct attachment *a = &attachments[i];
		if (a->descriptor < 0)
			continue;
		int waits = a->ring_used || a->held;
		if (!a->finish_at)
			a->finish_at = now + (waits ? FLUSH_NS : TOLD_NS);
		if (a->replay >= 0)
			a->finish_at = now + FLUSH_NS;
		if (now >= a->finish_at || (!waits && !shim.told)) {
			drop(a, 0);
			continue;
		}
		if (!next || a->finish_at < next)
			next = a->finish_at;
	}
	return next;
}

void attach_trim(void)
{
	madvise(scratch, sizeof scratch, MADV_DONTNEED);
	for (int i = 0; i < places; i++)
		if (attachments[i].input_start == attachments[i].input_end)
			madvise(inputs[i], INPUT_SIZE, MADV_DONTNEED);
}
