/* The files of one log: NAME, NAME.1 … with the oldest last on disk and first here. See logs.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs.h"

enum { BLOCK = 65536 };

static void file_name(const struct log_files *files, int number, char name[288])
{
	if (number == 0)
		snprintf(name, 288, "%s", files->name);
	else
		snprintf(name, 288, "%s.%d", files->name, number);
}

static int open_file(const struct log_files *files, int number, struct log_file *file)
{
	char name[288];
	struct stat status;
	file_name(files, number, name);
	file->descriptor = openat(files->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file->descriptor < 0)
		return -1;
	if (fstat(file->descriptor, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(file->descriptor);
		return -1;
	}
	file->inode = status.st_ino;
	file->changed = status.st_mtime;
	file->offset = 0;
	file->limit = UINT64_MAX;
	return 0;
}

static int is_among(const struct log_file *files, int count, uint64_t inode)
{
	for (int i = 0; i < count; i++)
		if (files[i].inode == inode)
			return 1;
	return 0;
}

/* From the newest file on back to the newest that is known, or the oldest that there is. A rotation meanwhile makes the
 * scan meet a file again under its next name: it is passed over, and the still newer one is left to the next call. */
int logs_find(struct log_files *files)
{
	struct log_file found[LOG_FILES];
	uint64_t known = files->count ? files->files[files->count - 1].inode : 0;
	int count = 0, room = LOG_FILES - files->count;
	for (int number = 0; count < room; number++) {
		if (open_file(files, number, &found[count]) < 0) {
			if (number == 0) /* in the middle of a rotation, or there is none */
				continue;
			break;
		}
		uint64_t inode = found[count].inode;
		if ((files->count && inode == known) || is_among(found, count, inode)) {
			close(found[count].descriptor);
			if (files->count && inode == known)
				break;
			continue;
		}
		count++;
	}
	for (int i = count - 1; i >= 0; i--)
		files->files[files->count++] = found[i];
	return count;
}

int logs_are_written(const struct log_files *files)
{
	struct flock wanted = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	if (!files->count || fcntl(files->files[files->count - 1].descriptor, F_OFD_GETLK, &wanted) < 0)
		return 0;
	return wanted.l_type != F_UNLCK;
}

void logs_shift(struct log_files *files)
{
	close(files->files[0].descriptor);
	files->count--;
	memmove(files->files, files->files + 1, (size_t)files->count * sizeof files->files[0]);
}

/* Searches backwards for the newline before the last `entries` entries; what follows the last newline is no entry yet.
 * Returns the entries that are missing; 0: file->offset is set. */
static int64_t tail_file(struct log_file *file, int64_t entries)
{
	static unsigned char block[BLOCK];
	struct stat status;
	int64_t newlines = 0;
	if (fstat(file->descriptor, &status) < 0)
		return entries;
	uint64_t end = (uint64_t)status.st_size < file->limit ? (uint64_t)status.st_size : file->limit;
	while (end > 0) {
		size_t size = end < BLOCK ? end : BLOCK;
		ssize_t got = pread(file->descriptor, block, size, (off_t)(end - size));
		if (got != (ssize_t)size)
			return entries;
		for (unsigned char *at; size > 0 && (at = memrchr(block, '\n', size)) != NULL; size = (size_t)(at - block)) {
			if (newlines++ == entries) {
				file->offset = end - (size_t)got + (size_t)(at - block) + 1;
				return 0;
			}
		}
		end -= (size_t)got;
	}
	file->offset = 0;
	return entries - newlines;
}

void logs_tail(struct log_files *files, int64_t entries)
{
	int first = files->count;
	while (first > 0) {
		first--;
		entries = tail_file(&files->files[first], entries);
		if (entries <= 0)
			break;
	}
	for (; first > 0; first--)
		logs_shift(files);
}
