/* One entry of a json-file to the bytes that a client of `logs` gets. Anything that isn't an entry is skipped. */
#include <string.h>

#include "logs.h"

typedef unsigned char vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

static const char opening[] = "{\"log\":\"";
static const char stream_name[] = "\",\"stream\":\"std";

/* How many of 16 bytes stand before the first quote or backslash. */
static size_t plain_prefix(const unsigned char *bytes)
{
	vector v;
	memcpy(&v, bytes, sizeof v);
	halves found = (halves)((v == '"') | (v == '\\'));
	if (found[0])
		return (size_t)__builtin_ctzll(found[0]) / 8;
	return found[1] ? 8 + (size_t)__builtin_ctzll(found[1]) / 8 : sizeof v;
}

static int hexadecimal(const unsigned char *text, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++) {
		unsigned char c = text[i] | 0x20;
		uint32_t digit = text[i] >= '0' && text[i] <= '9' ? text[i] - 48u : c >= 'a' && c <= 'f' ? c - 87u : 16u;
		if (digit > 15)
			return 0;
		*value = *value << 4 | digit;
	}
	return 1;
}

static unsigned char *put_utf8(unsigned char *to, uint32_t point)
{
	if (point < 0x80) {
		*to++ = (unsigned char)point;
		return to;
	}
	if (point < 0x800) {
		*to++ = (unsigned char)(0xc0 | point >> 6);
	} else {
		if (point < 0x10000) {
			*to++ = (unsigned char)(0xe0 | point >> 12);
		} else {
			*to++ = (unsigned char)(0xf0 | point >> 18);
			*to++ = (unsigned char)(0x80 | (point >> 12 & 0x3f));
		}
		*to++ = (unsigned char)(0x80 | (point >> 6 & 0x3f));
	}
	*to++ = (unsigned char)(0x80 | (point & 0x3f));
	return to;
}

/* \uXXXX, or a pair of them for one character. Returns the bytes read, 0: malformed. */
static size_t put_unicode(unsigned char **to, const unsigned char *text, size_t size)
{
	uint32_t point, second;
	size_t used = 6;
	if (size < 6 || !hexadecimal(text + 2, &point))
		return 0;
	if (point >= 0xd800 && point < 0xdc00 && size >= 12 && text[6] == '\\' && text[7] == 'u' &&
		hexadecimal(text + 8, &second) && second >= 0xdc00 && second < 0xe000) {
		point = 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00);
		used = 12;
	} else if (point >= 0xd800 && point < 0xe000) {
		point = 0xfffd;
	}
	*to = put_utf8(*to, point);
	return used;
}

static size_t put_escape(unsigned char **to, const unsigned char *text, size_t size)
{
	static const char from[] = "nrtbf\"\\/", result[] = "\n\r\t\b\f\"\\/";
	if (size < 2)
		return 0;
	if (text[1] == 'u')
		return put_unicode(to, text, size);
	const char *found = text[1] ? strchr(from, text[1]) : NULL;
	if (!found)
		return 0;
	*(*to)++ = (unsigned char)result[found - from];
	return 2;
}

/* Copies a JSON string up to its closing quote. Returns the quote's position, NULL: malformed. */
static const unsigned char *unescape(const unsigned char *text, const unsigned char *end, unsigned char **to)
{
	unsigned char *out = *to;
	while (text < end) {
		if (end - text >= (long)sizeof(vector)) {
			size_t plain = plain_prefix(text);
			memcpy(out, text, sizeof(vector)); /* more than counts: the stamp behind leaves room for it */
			out += plain;
			text += plain;
			if (plain == sizeof(vector))
				continue;
		}
		while (text < end && *text != '"' && *text != '\\')
			*out++ = *text++;
		if (text == end)
			break;
		if (*text == '"') {
			*to = out;
			return text;
		}
		size_t used = put_escape(&out, text, (size_t)(end - text));
		if (!used)
			return NULL;
		text += used;
	}
	return NULL;
}

/* The time at the entry's end, with nine digits of fraction. Returns 0 if there is none. */
static int read_stamp(const unsigned char *line, size_t size, char stamp[STAMP_SIZE])
{
	if (size < sizeof opening + 24 || line[size - 1] != '}' || line[size - 2] != '"')
		return 0;
	const unsigned char *end = line + size - 2, *text = end;
	while (end - text <= STAMP_SIZE && text > line && text[-1] != '"')
		text--;
	size_t length = (size_t)(end - text);
	if (length < 20 || length > STAMP_SIZE || text[10] != 'T' || end[-1] != 'Z' || text - line < 8)
		return 0;
	if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':')
		return 0;
	if (memcmp(text - 8, "\"time\":\"", 8) != 0 || (length > 20 && text[19] != '.'))
		return 0;
	memcpy(stamp, "0000-00-00T00:00:00.000000000Z", STAMP_SIZE);
	memcpy(stamp, text, 19);
	if (length > 20)
		memcpy(stamp + 20, text + 20, length - 21);
	return 1;
}

/* What stands before the text, written so that it ends at `text`. Returns its begin. */
static unsigned char *put_prefix(const struct log_style *style, unsigned char *text, size_t size, int is_error,
								 const char *stamp)
{
	unsigned char *at = text;
	if (!style->continued[is_error]) {
		at -= style->details_size;
		memcpy(at, style->details, style->details_size);
		if (style->flags & LOGS_TIMESTAMPS) {
			at -= STAMP_SIZE + 1;
			memcpy(at, stamp, STAMP_SIZE);
			at[STAMP_SIZE] = ' ';
		}
	}
	if (style->flags & LOGS_FRAMED) {
		size_t length = (size_t)(text - at) + size;
		at -= 8;
		memset(at, 0, 8);
		at[0] = is_error ? 2 : 1;
		for (int i = 0; i < 4; i++)
			at[4 + i] = (unsigned char)(length >> (24 - 8 * i));
	}
	return at;
}

static size_t prefix_size(const struct log_style *style)
{
	return style->details_size + (style->flags & LOGS_TIMESTAMPS ? STAMP_SIZE + 1 : 0) +
		   (style->flags & LOGS_FRAMED ? 8 : 0);
}

long logs_entry(struct log_style *style, const unsigned char *line, size_t size, unsigned char *to)
{
	char stamp[STAMP_SIZE];
	if (!read_stamp(line, size, stamp) || memcmp(line, opening, sizeof opening - 1) != 0)
		return 0;
	if (style->since[0] && memcmp(stamp, style->since, STAMP_SIZE) < 0)
		return 0;
	if (style->until[0] && memcmp(stamp, style->until, STAMP_SIZE) > 0)
		return -1;
	unsigned char *text = to + prefix_size(style), *end = text;
	const unsigned char *quote = unescape(line + sizeof opening - 1, line + size, &end);
	if (!quote || (size_t)(line + size - quote) < sizeof stream_name + 4 ||
		memcmp(quote, stream_name, sizeof stream_name - 1) != 0)
		return 0;
	int is_error = quote[sizeof stream_name - 1] == 'e';
	if (!(style->flags & (is_error ? LOGS_STDERR : LOGS_STDOUT)))
		return 0;
	unsigned char *begin = put_prefix(style, text, (size_t)(end - text), is_error, stamp);
	if (begin != to)
		memmove(to, begin, (size_t)(end - begin));
	style->continued[is_error] = end > text && end[-1] != '\n';
	return end - begin;
}
