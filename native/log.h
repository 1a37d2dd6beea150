/* Writes a container's output as Docker's json-file, rotates, survives a full disk. One log per process. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_COUNT = 3 };

enum { LOG_TIME_SIZE = 32 };

struct log {
	int directory;
	int file; /* -1: no log is kept */
	char name[256];
	uint64_t max_size; /* bytes; 0: never rotated */
	uint32_t max_files;
	uint64_t size;    /* of the file, without what is still in the buffer */
	uint64_t dropped; /* bytes of entries lost since the stall began */
	int stalled;      /* errno of the write that failed; 0: all is well */
};

/* What a write found out, to be told to the engine. */
enum log_change { LOG_SAME, LOG_STALLED, LOG_RESUMED };

/* 0 or -errno. A file that exists is continued. */
int log_open(struct log *log, int directory, const char *name, uint64_t max_size, uint32_t max_files);

/* Writes the lines in data (one read of the program's output) and keeps a last line without its end; size 0 is the
 * stream's end, which writes what was kept. With LOG_RESUMED *dropped is the number of bytes lost. */
enum log_change log_write(struct log *log, int stream, const unsigned char *data, size_t size, uint64_t *dropped);

/* The unfinished line of a stream, not yet in the file. */
size_t log_unfinished(int stream, const unsigned char **data);

/* Inode of the file and the offset where the next entry goes. */
void log_position(const struct log *log, uint64_t *inode, uint64_t *offset);

void log_close(struct log *log);

/* Gives the pages of buffers that hold nothing back to the kernel. */
void log_trim(void);

/* RFC 3339 in UTC with nine digits of fraction, or with the zeros at its end cut, as Go does. Returns the length. */
size_t log_format_time(char text[LOG_TIME_SIZE], uint64_t seconds, uint32_t nanoseconds, int trimmed);
