/* The json-file writer: see log.h. Format and escapes are those of Docker's driver, byte for byte. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_SIZE = 16384,                     /* Docker's: a longer line becomes several entries */
	ENTRY_MAX_SIZE = 6 * LINE_MAX_SIZE + 256,  /* every byte as \uXXXX, and what surrounds the text */
	OUT_SIZE = 3 * 65536,
	SINGLY = 16,                               /* bytes written one by one after an unusual one */
};

static unsigned char out[OUT_SIZE] __attribute__((aligned(4096)));
static size_t out_used;
static size_t marker_size; /* of the note about lost output that the buffer holds, else 0 */
static int out_broken;     /* the buffer begins within an entry, whose first part is in the file */

static unsigned char unfinished[2][LINE_MAX_SIZE] __attribute__((aligned(4096)));
static size_t unfinished_size[2];

/* ---- escaping ---- */

typedef unsigned char vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* How many of 16 bytes stand before the first that is escaped or belongs to a character beyond ASCII. */
static size_t plain_prefix(const unsigned char *bytes)
{
	vector v;
	memcpy(&v, bytes, sizeof v);
	halves special = (halves)((v < 0x20) | (v >= 0x80) | (v == '"') | (v == '\\') | (v == '<') | (v == '>') | (v == '&'));
	if (special[0]) /* the processors supported are little-endian */
		return (size_t)__builtin_ctzll(special[0]) / 8;
	return special[1] ? 8 + (size_t)__builtin_ctzll(special[1]) / 8 : sizeof v;
}

/* How a byte is written when it is no part of a valid character beyond ASCII. */
struct escape {
	unsigned char text[7], size;
};

#define PLAIN(c)   {{c}, 1}
#define SHORT(c)   {{'\\', c}, 2}
#define LONG(h, l) {{'\\', 'u', '0', '0', h, l}, 6}
#define PLAIN4(c)  PLAIN(c), PLAIN(c + 1), PLAIN(c + 2), PLAIN(c + 3)
#define PLAIN16(c) PLAIN4(c), PLAIN4(c + 4), PLAIN4(c + 8), PLAIN4(c + 12)
#define LONG8(h) \
	LONG(h, '0'), LONG(h, '1'), LONG(h, '2'), LONG(h, '3'), LONG(h, '4'), LONG(h, '5'), LONG(h, '6'), LONG(h, '7')

static const struct escape escapes[256] = {
	LONG8('0'), LONG('0', '8'), LONG('0', '9'), SHORT('n'), LONG('0', 'b'), LONG('0', 'c'), SHORT('r'),
	LONG('0', 'e'), LONG('0', 'f'),
	LONG8('1'), LONG('1', '8'), LONG('1', '9'), LONG('1', 'a'), LONG('1', 'b'), LONG('1', 'c'), LONG('1', 'd'),
	LONG('1', 'e'), LONG('1', 'f'),
	PLAIN(' '), PLAIN('!'), SHORT('"'), PLAIN('#'), PLAIN('$'), PLAIN('%'), LONG('2', '6'), PLAIN('\''),
	PLAIN4('('), PLAIN4(','),
	PLAIN4('0'), PLAIN4('4'), PLAIN4('8'), LONG('3', 'c'), PLAIN('='), LONG('3', 'e'), PLAIN('?'),
	PLAIN16('@'),
	PLAIN4('P'), PLAIN4('T'), PLAIN4('X'), SHORT('\\'), PLAIN(']'), PLAIN('^'), PLAIN('_'),
	PLAIN16('`'),
	PLAIN16('p'),
	[0x80 ... 0xff] = {{'\\', 'u', 'f', 'f', 'f', 'd'}, 6},
};

/* Length of the valid UTF-8 sequence at text, 0 if there is none (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_length(const unsigned char *text, size_t size)
{
	unsigned char first = text[0];
	size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || size < length)
		return 0;
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static unsigned char *put(unsigned char *to, const char *text)
{
	size_t size = strlen(text);
	memcpy(to, text, size);
	return to + size;
}

/* Writes the character beyond ASCII that may begin at text; returns how many bytes of text it was, 0 if it is none. */
static size_t put_character(unsigned char **to, const unsigned char *text, size_t size)
{
	size_t length = utf8_length(text, size);
	if (length == 3 && text[0] == 0xe2 && text[1] == 0x80 && (text[2] & 0xfe) == 0xa8) {
		*to = put(*to, text[2] == 0xa8 ? "\\u2028" : "\\u2029");
		return length;
	}
	memcpy(*to, text, length);
	*to += length;
	return length;
}

/* Binary data decided how this is written: no processor can predict its bytes, so hardly anything branches on them. */
static unsigned char *put_escaped(unsigned char *to, const unsigned char *text, size_t size)
{
	size_t i = 0;
	while (i < size) {
		if (size - i >= sizeof(vector)) {
			size_t plain = plain_prefix(text + i);
			memcpy(to, text + i, sizeof(vector)); /* more than counts: cheaper than the exact length */
			to += plain;
			i += plain;
			if (plain == sizeof(vector))
				continue;
		}
		for (size_t end = size - i > SINGLY ? i + SINGLY : size; i < end;) {
			unsigned following = i + 1 < size ? text[i + 1] : 0;
			if ((text[i] >= 0xc2) & ((following & 0xc0) == 0x80)) {
				size_t length = put_character(&to, text + i, size - i);
				if (length) {
					i += length;
					continue;
				}
			}
			const struct escape *escape = &escapes[text[i++]];
			memcpy(to, escape->text, sizeof *escape); /* as above */
			to += escape->size;
		}
	}
	return to;
}

/* ---- time ---- */

static char *put_number(char *to, uint32_t value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		to[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return to + digits;
}

size_t log_format_time(char text[LOG_TIME_SIZE], uint64_t seconds, uint32_t nanoseconds, int trimmed)
{
	/* Days to a date of the Gregorian calendar by eras of 400 years that begin in March. */
	uint64_t days = seconds / 86400 + 719468, of_day = seconds % 86400;
	uint64_t era = days / 146097, of_era = days % 146097;
	uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month_from_march = (5 * of_year + 2) / 153;
	uint32_t month = (uint32_t)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	char *to = put_number(text, (uint32_t)(year_of_era + era * 400 + (month <= 2)), 4);
	*to++ = '-';
	to = put_number(to, month, 2);
	*to++ = '-';
	to = put_number(to, (uint32_t)(of_year - (153 * month_from_march + 2) / 5 + 1), 2);
	*to++ = 'T';
	to = put_number(to, (uint32_t)(of_day / 3600), 2);
	*to++ = ':';
	to = put_number(to, (uint32_t)(of_day / 60 % 60), 2);
	*to++ = ':';
	to = put_number(to, (uint32_t)(of_day % 60), 2);
	*to++ = '.';
	to = put_number(to, nanoseconds, 9);
	while (trimmed && to[-1] == '0')
		to--;
	if (to[-1] == '.')
		to--;
	*to++ = 'Z';
	*to = '\0';
	return (size_t)(to - text);
}

struct ending {
	unsigned char text[96];
	size_t size;
};

/* What stands behind the text of an entry, the same for all lines of one read. */
static void make_ending(struct ending *ending, int stream)
{
	struct timespec now;
	char stamp[LOG_TIME_SIZE];
	clock_gettime(CLOCK_REALTIME, &now);
	log_format_time(stamp, (uint64_t)now.tv_sec, (uint32_t)now.tv_nsec, 1);
	unsigned char *to = put(ending->text, "\",\"stream\":\"");
	to = put(to, stream == STREAM_STDERR ? "stderr" : "stdout");
	to = put(put(put(to, "\",\"time\":\""), stamp), "\"}\n");
	ending->size = (size_t)(to - ending->text);
}

/* ---- the file ---- */

static int open_file(const struct log *log, const char *name)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int file = openat(log->directory, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (file < 0)
		return -errno;
	fcntl(file, F_OFD_SETLK, &whole); /* tells readers that more may come */
	return file;
}

int log_open(struct log *log, int directory, const char *name, uint64_t max_size, uint32_t max_files)
{
	struct stat status;
	memset(log, 0, sizeof *log);
	log->directory = directory;
	log->max_size = max_size;
	log->max_files = max_files ? max_files : 1;
	snprintf(log->name, sizeof log->name, "%s", name);
	log->file = open_file(log, log->name);
	if (log->file < 0)
		return log->file;
	if (fstat(log->file, &status) < 0)
		return -errno;
	log->size = (uint64_t)status.st_size;
	return 0;
}

/* The new file is made before the old ones move: where that fails, the old one goes on. */
static void rotate(struct log *log)
{
	char from[288], to[288];
	snprintf(from, sizeof from, "%s.new", log->name);
	unlinkat(log->directory, from, 0);
	int file = open_file(log, from);
	if (file < 0)
		return;
	for (uint32_t i = log->max_files - 1; i > 0; i--) {
		snprintf(to, sizeof to, "%s.%u", log->name, i);
		if (i > 1)
			snprintf(from, sizeof from, "%s.%u", log->name, i - 1);
		else
			snprintf(from, sizeof from, "%s", log->name);
		renameat(log->directory, from, log->directory, to);
	}
	snprintf(from, sizeof from, "%s.new", log->name);
	renameat(log->directory, from, log->directory, log->name);
	close(log->file);
	log->file = file;
	log->size = 0;
}

/* No space: the entry that is partly in the file keeps its rest in the buffer, the entries behind it are lost. */
static void drop_entries(struct log *log, size_t written, int error)
{
	size_t kept = 0;
	if (written ? out[written - 1] != '\n' : out_broken) {
		unsigned char *end = memchr(out + written, '\n', out_used - written);
		kept = end ? (size_t)(end - out) + 1 - written : out_used - written;
	}
	size_t lost = out_used - written - kept;
	memmove(out, out + written, kept);
	out_used = kept;
	out_broken = kept > 0;
	log->dropped += lost > marker_size ? lost - marker_size : 0;
	marker_size = 0;
	log->stalled = error;
}

static void flush(struct log *log)
{
	size_t written = 0;
	while (written < out_used) {
		ssize_t n = write(log->file, out + written, out_used - written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			drop_entries(log, written, n < 0 ? errno : ENOSPC);
			return;
		}
		written += (size_t)n;
		log->size += (size_t)n;
	}
	out_used = 0;
	out_broken = 0;
	if (marker_size)
		log->stalled = 0;
	marker_size = 0;
}

static void put_entry(struct log *log, const unsigned char *text, size_t size, int newline, const struct ending *ending)
{
	if (log->max_size && log->size + out_used >= log->max_size && log->size + out_used > 0 && !log->stalled) {
		flush(log);
		if (!log->stalled)
			rotate(log);
	}
	if (out_used + ENTRY_MAX_SIZE > OUT_SIZE)
		flush(log);
	unsigned char *to = put(out + out_used, "{\"log\":\"");
	to = put_escaped(to, text, size);
	if (newline)
		to = put(to, "\\n");
	memcpy(to, ending->text, ending->size);
	out_used = (size_t)(to + ending->size - out);
}

/* While stalled every write begins with a note of what was lost; when it reaches the file, the stall is over. */
static void put_marker(struct log *log)
{
	char note[96];
	struct ending ending;
	size_t before = out_used;
	make_ending(&ending, STREAM_STDERR);
	int size = snprintf(note, sizeof note, "[estiba: %llu bytes of this log were lost, the disk was full]",
						(unsigned long long)log->dropped);
	put_entry(log, (unsigned char *)note, (size_t)size, 1, &ending);
	marker_size = out_used - before;
}

/* ---- lines ---- */

/* Where to cut a line that is too long, so that no character is torn. */
static size_t cut_before_character(const unsigned char *text, size_t size)
{
	for (size_t back = 1; back <= 3 && back < size; back++) {
		unsigned char byte = text[size - back];
		if (byte < 0x80)
			return size;
		if (byte >= 0xc0) {
			size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
			return length > back ? size - back : size;
		}
	}
	return size;
}

/* A line that began in an earlier read: takes what belongs to it from data, returns how much. */
static size_t continue_line(struct log *log, int kept, const unsigned char *data, size_t size, const struct ending *ending)
{
	unsigned char *line = unfinished[kept];
	size_t room = LINE_MAX_SIZE - unfinished_size[kept];
	size_t taken = size < room ? size : room;
	unsigned char *newline = memchr(data, '\n', taken);
	if (newline)
		taken = (size_t)(newline - data);
	memcpy(line + unfinished_size[kept], data, taken);
	size_t length = unfinished_size[kept] += taken;
	if (newline) {
		put_entry(log, line, length, 1, ending);
		unfinished_size[kept] = 0;
		return taken + 1;
	}
	if (length == LINE_MAX_SIZE) {
		size_t cut = cut_before_character(line, length);
		put_entry(log, line, cut, 0, ending);
		memmove(line, line + cut, length - cut);
		unfinished_size[kept] = length - cut;
	}
	return taken;
}

static void put_lines(struct log *log, int kept, const unsigned char *data, size_t size, const struct ending *ending)
{
	while (size > 0) {
		size_t taken = size < LINE_MAX_SIZE ? size : LINE_MAX_SIZE;
		unsigned char *newline;
		if (unfinished_size[kept] > 0) {
			taken = continue_line(log, kept, data, size, ending);
		} else if ((newline = memchr(data, '\n', taken)) != NULL) {
			put_entry(log, data, (size_t)(newline - data), 1, ending);
			taken = (size_t)(newline - data) + 1;
		} else if (taken == LINE_MAX_SIZE) {
			taken = cut_before_character(data, taken);
			put_entry(log, data, taken, 0, ending);
		} else {
			memcpy(unfinished[kept], data, taken);
			unfinished_size[kept] = taken;
		}
		data += taken;
		size -= taken;
	}
}

enum log_change log_write(struct log *log, int stream, const unsigned char *data, size_t size, uint64_t *dropped)
{
	struct ending ending;
	int kept = stream == STREAM_STDERR, stalled = log->stalled;
	if (log->file < 0)
		return LOG_SAME;
	make_ending(&ending, stream);
	if (stalled)
		put_marker(log);
	if (size > 0) {
		put_lines(log, kept, data, size, &ending);
	} else if (unfinished_size[kept] > 0) {
		put_entry(log, unfinished[kept], unfinished_size[kept], 0, &ending);
		unfinished_size[kept] = 0;
	}
	flush(log);
	if (!stalled && log->stalled)
		return LOG_STALLED;
	if (stalled && !log->stalled) {
		*dropped = log->dropped;
		log->dropped = 0;
		return LOG_RESUMED;
	}
	return LOG_SAME;
}

size_t log_unfinished(int stream, const unsigned char **data)
{
	int kept = stream == STREAM_STDERR;
	*data = unfinished[kept];
	return unfinished_size[kept];
}

void log_position(const struct log *log, uint64_t *inode, uint64_t *offset)
{
	struct stat status;
	*inode = *offset = 0;
	if (log->file >= 0 && fstat(log->file, &status) == 0) {
		*inode = status.st_ino;
		*offset = log->size;
	}
}

void log_close(struct log *log)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	if (log->file < 0)
		return;
	fcntl(log->file, F_OFD_SETLK, &whole); /* before the close that wakes readers: the kernel would do it after */
	close(log->file);
	log->file = -1;
}

void log_trim(void)
{
	if (out_used == 0)
		madvise(out, sizeof out, MADV_DONTNEED);
	for (int kept = 0; kept < 2; kept++)
		if (unfinished_size[kept] == 0)
			madvise(unfinished[kept], LINE_MAX_SIZE, MADV_DONTNEED);
}
