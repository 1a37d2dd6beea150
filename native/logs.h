/* The logs role: logs.c waits and sends, logs_files.c finds the files, logs_lines.c turns entries into what is sent. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

int logs_main(void);

/* ---- logs_files.c: the rotated files, oldest first, kept open from the moment they are known ---- */

enum { LOG_FILES = 64 };

struct log_files {
	int directory;
	char name[256];
	int count;
	struct log_file {
		int descriptor;
		uint64_t inode;
		uint64_t offset; /* read so far */
		uint64_t limit;  /* read up to here; UINT64_MAX: to the end, wherever that will be */
		int64_t changed; /* seconds */
	} files[LOG_FILES];
};

/* Adds the files that are newer than those known. Returns their number. */
int logs_find(struct log_files *files);

/* Whether the newest file's writer still has it open. */
int logs_are_written(const struct log_files *files);

/* Sets offsets so that `entries` entries are left before the limits. */
void logs_tail(struct log_files *files, int64_t entries);

/* Forgets the oldest file. */
void logs_shift(struct log_files *files);

/* ---- logs_lines.c ---- */

enum { STAMP_SIZE = 30 }; /* 2006-01-02T15:04:05.000000000Z */

struct log_style {
	uint32_t flags;
	char since[STAMP_SIZE + 2], until[STAMP_SIZE + 2]; /* "" for none */
	const char *details;
	size_t details_size;
	int continued[2]; /* the stream's last entry was not the end of its line */
};

enum { PREFIX_MAX = 8 + STAMP_SIZE + 1 };

/* Writes what the client gets for one entry (without its newline), at most size + PREFIX_MAX + details_size bytes.
 * Returns the bytes written, or -1 when the entry is later than `until`. */
long logs_entry(struct log_style *style, const unsigned char *line, size_t size, unsigned char *to);
