/* The control connections: requests of engines, answers, events. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim.h"

struct connection {
	int descriptor; /* -1: the place is free */
	uint32_t serial; /* the highest is the newest: it gets the events */
};

struct request {
	struct connection *from;
	struct message head;
	const uint8_t *payload;
	size_t size;
	int descriptor; /* that came along; whoever keeps it sets -1 */
};

static struct connection connections[CONNECTIONS];
static uint32_t last_serial;
static int deaf; /* the listener is not watched */

static int send_message(int to, const struct message *head, const void *payload, size_t size, int descriptor)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec parts[2] = {{(void *)(uintptr_t)head, sizeof *head}, {(void *)(uintptr_t)payload, size}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
	if (descriptor >= 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
	}
	return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static struct connection *newest(void)
{
	struct connection *best = NULL;
	for (int i = 0; i < CONNECTIONS; i++)
		if (connections[i].descriptor >= 0 && (!best || connections[i].serial > best->serial))
			best = &connections[i];
	return best;
}

void control_event(uint16_t type, uint32_t id, uint64_t a, uint64_t b, uint64_t c)
{
	struct message head = {.type = type, .id = id, .a = a, .b = b, .c = c};
	struct connection *to = newest();
	int told = to && send_message(to->descriptor, &head, NULL, 0, -1) == 0;
	if (type == MESSAGE_EXITED)
		shim.told = told;
}

int control_is_deserted(void)
{
	return newest() == NULL;
}

static void answer(const struct request *request, struct message *head, int descriptor)
{
	head->id = request->head.id;
	send_message(request->from->descriptor, head, NULL, 0, descriptor);
}

static void done(const struct request *request, int error)
{
	struct message head = {.type = MESSAGE_DONE, .a = (uint64_t)(error < 0 ? -error : error)};
	answer(request, &head, -1);
}

/* ---- requests ---- */

static void on_hello(struct request *request)
{
	struct message head = {.type = MESSAGE_HELLO};
	head.a = request->head.a < PROTOCOL_VERSION ? request->head.a : PROTOCOL_VERSION;
	if (head.a == 0)
		done(request, EINVAL);
	else
		answer(request, &head, -1);
}

static void on_start(struct request *request)
{
	if (shim.state != STATE_WAITING) {
		done(request, EALREADY);
		return;
	}
	if (shim_start() == 0) {
		struct message head = {.type = MESSAGE_STARTED, .a = (uint64_t)shim.child.pid};
		answer(request, &head, shim.child.pidfd);
		return;
	}
	struct failure *failure = &shim.failure;
	struct message head = {.type = MESSAGE_FAILED, .id = request->head.id};
	head.a = failure->index;
	head.b = failure->code;
	head.c = (uint64_t)failure->err;
	send_message(request->from->descriptor, &head, failure->text, strnlen(failure->text, sizeof failure->text), -1);
	shim.running = 0;
}

static void on_state(struct request *request)
{
	struct message head = {.type = MESSAGE_STATE, .a = (uint64_t)shim.state};
	head.b = shim.state == STATE_WAITING ? 0 : (uint64_t)shim.child.pid;
	head.c = (uint64_t)shim.wait_status;
	answer(request, &head, shim.state == STATE_RUNNING ? shim.child.pidfd : -1);
}

static void on_signal(struct request *request)
{
	done(request, request->head.a > 64 ? EINVAL : shim_signal((int)request->head.a));
}

static void on_stop(struct request *request)
{
	uint64_t wait = request->head.b;
	int error = request->head.a > 64 ? EINVAL : shim_signal((int)request->head.a);
	if (!error && wait != STOP_NEVER)
		shim.kill_at = now_ns() + (wait < UINT32_MAX ? wait : UINT32_MAX) * 1000000;
	done(request, error);
}

static void on_resize(struct request *request)
{
	int valid = request->head.a <= UINT16_MAX && request->head.b <= UINT16_MAX;
	done(request, valid ? io_resize((uint16_t)request->head.a, (uint16_t)request->head.b) : EINVAL);
}

static void on_attach(struct request *request)
{
	size_t keys = request->head.flags & ATTACH_KEYS ? request->head.b : 0;
	if (request->descriptor < 0 || keys > request->size) {
		done(request, EINVAL);
		return;
	}
	struct attach_request wanted = {
		.descriptor = request->descriptor,
		.flags = request->head.flags,
		.id = request->head.id,
		.connection = request->from->serial,
		.keys = request->payload,
		.keys_size = keys,
		.first = request->payload + keys,
		.first_size = request->size - keys,
	};
	struct message head = {.type = MESSAGE_ATTACHED};
	log_position(&shim.log, &head.a, &head.b);
	int error = attach_add(&wanted);
	if (error < 0) {
		done(request, error);
		return;
	}
	request->descriptor = -1;
	answer(request, &head, -1);
}

static void on_release(struct request *request)
{
	int error = attach_release(request->head.id, request->descriptor);
	if (!error)
		request->descriptor = -1;
	done(request, error);
}

static void on_close_stdin(struct request *request)
{
	if (io_is_terminal()) {
		done(request, EINVAL);
		return;
	}
	io_close_input();
	done(request, 0);
}

static void on_log_rotation(struct request *request)
{
	if (shim.is_exec || request->head.b == 0 || request->head.b > 1000) {
		done(request, EINVAL);
		return;
	}
	shim.log.max_size = request->head.a;
	shim.log.max_files = (uint32_t)request->head.b;
	done(request, 0);
}

static void handle(struct request *request)
{
	static void (*const handlers[])(struct request *) = {
		[MESSAGE_HELLO] = on_hello,   [MESSAGE_START] = on_start,     [MESSAGE_STATE] = on_state,
		[MESSAGE_SIGNAL] = on_signal, [MESSAGE_STOP] = on_stop,       [MESSAGE_RESIZE] = on_resize,
		[MESSAGE_ATTACH] = on_attach, [MESSAGE_RELEASE] = on_release, [MESSAGE_CLOSE_STDIN] = on_close_stdin,
		[MESSAGE_LOG_ROTATION] = on_log_rotation,
	};
	uint16_t type = request->head.type;
	if (type < sizeof handlers / sizeof *handlers && handlers[type])
		handlers[type](request);
	else
		done(request, EINVAL);
}

/* ---- connections ---- */

static void add(int descriptor)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		if (connections[i].descriptor >= 0)
			continue;
		if (watch(descriptor, EPOLLIN, WATCH_CONNECTION, (uint32_t)i) < 0)
			break;
		connections[i].descriptor = descriptor;
		connections[i].serial = ++last_serial;
		return;
	}
	close(descriptor);
}

static void forget(struct connection *connection)
{
	if (connection == newest())
		shim.told = 0;
	unwatch(connection->descriptor);
	close(connection->descriptor);
	connection->descriptor = -1;
	attach_forget_held(connection->serial);
}

void control_open(void)
{
	for (int i = 0; i < CONNECTIONS; i++)
		connections[i].descriptor = -1;
	add(FD_CONTROL);
	deaf = 1;
	control_listen();
}

void control_listen(void)
{
	if (deaf)
		watch(FD_LISTENER, EPOLLIN, WATCH_LISTENER, 0);
	deaf = 0;
}

void control_accept(void)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	int descriptor = accept4(FD_LISTENER, NULL, NULL, SOCK_CLOEXEC);
	if (descriptor < 0) {
		deaf = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
		if (deaf) /* no descriptors left: the next second may have some */
			unwatch(FD_LISTENER);
		return;
	}
	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != 0 && peer.uid != getuid()))
		close(descriptor);
	else
		add(descriptor);
}

/* The first descriptor that came along; any other is closed. */
static int take_descriptors(struct msghdr *message)
{
	int kept = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int descriptor;
			memcpy(&descriptor, CMSG_DATA(c) + i * sizeof(int), sizeof descriptor);
			if (kept < 0)
				kept = descriptor;
			else
				close(descriptor);
		}
	}
	return kept;
}

void control_ready(uint32_t index)
{
	static uint8_t payload[MESSAGE_PAYLOAD];
	char control[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
	struct request request = {.from = &connections[index], .payload = payload};
	struct iovec parts[2] = {{&request.head, sizeof request.head}, {payload, sizeof payload}};
	struct msghdr message = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
	if (request.from->descriptor < 0)
		return;
	ssize_t size = recvmsg(request.from->descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		forget(request.from);
		return;
	}
	request.descriptor = take_descriptors(&message);
	if ((size_t)size < sizeof request.head || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		done(&request, EINVAL);
	} else {
		request.size = (size_t)size - sizeof request.head;
		handle(&request);
	}
	if (request.descriptor >= 0)
		close(request.descriptor);
}
