/* The one shim of this process: its state, and what its parts (shim.c, control.c, io.c, attach.c) call of each other. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "enter.h"
#include "log.h"
#include "protocol.h"

enum {
	READ_SIZE = 65536,   /* of the program's output at once */
	ATTACHMENTS = 64,    /* clients at the same time */
	CONNECTIONS = 8,     /* engines at the same time */
	RING_SIZE = 1 << 20, /* output that waits for one client while the program runs */
	RING_LAST = 1 << 22, /* and after its end, when all that is left in its pipes must fit */
	DETACH_KEYS = 32,
};

/* Who is woken: upper half of epoll's data, the lower half is an index. */
enum watch_kind {
	WATCH_LISTENER,
	WATCH_CONNECTION,
	WATCH_CHILD,
	WATCH_OOM,
	WATCH_OUTPUT,
	WATCH_INPUT,
	WATCH_ATTACHMENT,
	WATCH_REPLAY,
};

struct shim {
	struct plan plan;
	struct child child;
	struct log log;
	struct failure failure;
	int is_exec;
	int plan_error;       /* why the plan cannot be run, -errno; the index is in failure */
	int state;            /* STATE_… */
	int running;          /* the loop goes on */
	int wait_status;
	int finished;         /* the exit was recorded and told */
	int told;             /* the engine that was told of the exit still holds its connection */
	uint64_t oom_kills;
	uint64_t kill_at;     /* monotonic ns of the KILL that STOP asked for; 0: none */
	uint64_t quiet_at;    /* after the exit: give up on output that doesn't end; 0: not waiting */
	uint64_t give_up_at;  /* the same however much output comes */
	uint64_t trim_at;     /* give unused pages back; 0: nothing to give */
	uint64_t settle_at;   /* when to leave the engine's cgroup; 0: done */
	uint64_t oom_at;      /* when to look for an OOM kill again; 0: not at all */
	uint64_t oom_pause;
	uint16_t rows, columns; /* asked for before the start */
};

extern struct shim shim;

uint64_t now_ns(void);

/* shim.c */
int watch(int descriptor, uint32_t events, enum watch_kind kind, uint32_t index);
int rewatch(int descriptor, uint32_t events, enum watch_kind kind, uint32_t index);
void unwatch(int descriptor);
int shim_start(void);
int shim_signal(int number);
/* The program's output has ended, or nobody waits for it any more. */
void shim_finish(void);

/* control.c */
void control_open(void);
void control_accept(void);
/* Listens again after a failure. */
void control_listen(void);
void control_ready(uint32_t index);
void control_event(uint16_t type, uint32_t id, uint64_t a, uint64_t b, uint64_t c);
int control_is_deserted(void);

/* io.c: the program's own ends */
void io_start(void);
void io_output(uint32_t index);
/* Reads on or stops reading, as the attachments have room. */
void io_regulate(void);
/* After the exit: reads what is there. */
void io_drain(void);
void io_finish(void);
int io_has_input(void);
int io_is_terminal(void);
/* Bytes taken; 0: not now; -EPIPE: the program's stdin is closed. */
long io_write_input(const unsigned char *data, size_t size);
void io_want_input(int wanted);
void io_close_input(void);
int io_resize(uint16_t rows, uint16_t columns);
void io_trim(void);

/* attach.c */
struct attach_request {
	int descriptor;
	uint16_t flags;
	uint32_t id;
	uint32_t connection;
	const unsigned char *keys, *first;
	size_t keys_size, first_size;
};

int attach_add(const struct attach_request *request);
/* The stream of a held attachment begins: now, or when the process of the pidfd replay has ended (-1: now). */
int attach_release(uint32_t id, int replay);
void attach_forget_held(uint32_t connection);
void attach_deliver(int stream, const unsigned char *data, size_t size);
int attach_has_room(void);
void attach_feed(void);
void attach_ready(uint32_t tag, uint32_t events);
void attach_replayed(uint32_t tag);
/* After the exit: closes what has nothing more to send. Returns when to call again (monotonic ns), 0: none is left. */
uint64_t attach_finish(void);
void attach_trim(void);

