/* What travels on a shim's control connections, in the request of the logs role and at which descriptor numbers.
 * README.md explains the meaning; src/estiba/runtime/protocol.py is the other side. */
#pragma once

#include <stdint.h>

enum { PROTOCOL_VERSION = 1 };

/* Descriptors of the roles run and exec at their start. */
enum {
	FD_PLAN = 3,
	FD_CONTROL = 4,
	FD_LISTENER = 5,
	FD_RUN_DIRECTORY = 6,
	FD_LOG_DIRECTORY = 7,
	FD_PLANNED = 8, /* from here on numbers that the plan names */
};

/* Descriptors of the role logs. */
enum { FD_LOGS_REQUEST = 3, FD_LOGS_CLIENT = 4, FD_LOGS_DIRECTORY = 5, FD_LOGS_COUNT = 6 };

enum message_type {
	MESSAGE_HELLO = 1,
	MESSAGE_START = 2,
	MESSAGE_STATE = 3,
	MESSAGE_SIGNAL = 4,
	MESSAGE_STOP = 5,
	MESSAGE_RESIZE = 6,
	MESSAGE_ATTACH = 7,
	MESSAGE_RELEASE = 8,
	MESSAGE_CLOSE_STDIN = 9,
	MESSAGE_LOG_ROTATION = 10,

	MESSAGE_DONE = 32,
	MESSAGE_STARTED = 33,
	MESSAGE_FAILED = 34,
	MESSAGE_ATTACHED = 35,

	MESSAGE_OOM = 64,
	MESSAGE_DETACHED = 65,
	MESSAGE_LOG_STALLED = 66,
	MESSAGE_LOG_RESUMED = 67,
	MESSAGE_EXITED = 68,
};

struct message {
	uint16_t type;
	uint16_t flags;
	uint32_t id;
	uint64_t a, b, c;
};

enum { MESSAGE_PAYLOAD = 4064 };

_Static_assert(sizeof(struct message) == 32, "the head of a message is 32 bytes");

/* Flags of ATTACH. */
enum {
	ATTACH_STDIN = 1,
	ATTACH_STDOUT = 2,
	ATTACH_STDERR = 4,
	ATTACH_FRAMED = 8,
	ATTACH_KEYS = 16,
	ATTACH_HELD = 32,
	ATTACH_ALL = 63,
};

/* Values of a in the answer to STATE. */
enum { STATE_WAITING = 0, STATE_RUNNING = 1, STATE_EXITED = 2 };

#define STOP_NEVER UINT64_MAX

enum { LOGS_VERSION = 1 };

enum {
	LOGS_STDOUT = 1,
	LOGS_STDERR = 2,
	LOGS_FOLLOW = 4,
	LOGS_TIMESTAMPS = 8,
	LOGS_FRAMED = 16,
	LOGS_CHUNKED = 32,
	LOGS_DETAILS = 64,
};

struct logs_request {
	uint32_t version;
	uint32_t flags;
	int64_t since_ns;    /* first time shown; 0: from the beginning */
	int64_t until_ns;    /* last time shown; 0: no end */
	int64_t tail;        /* entries from the end; -1: all */
	uint64_t end_inode;  /* file in which to stop, at end_offset; 0: at the end */
	uint64_t end_offset;
	uint32_t name_length;
	uint32_t details_length;
	/* then the file's name and the text put before each line */
};

_Static_assert(sizeof(struct logs_request) == 56, "the request of the logs role");
