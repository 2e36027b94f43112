/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_FOLDER_H
#define SAKER_STORE_FOLDER_H
/*
 * folder - a recording's directory: making it, its lock, its file names.
 *
 *	metadata		the CTF metadata; .metadata is its copy, in case the first is damaged
 *	stream-000001.ctf	chunks; .stream-000001.index beside each holds its block headers again
 *	.lock			locked by the writer, whose process id it holds
 *	.requests.sqlite	what was derived from it (explain/spans_db)
 *
 * All is done relative to the directory's descriptor, and no symbolic link is followed in it.
 * Threads: any.  Memory: none kept.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct err;

#define FOLDER_NAME_MAX 40
#define FOLDER_METADATA "metadata"
#define FOLDER_METADATA_COPY ".metadata"
#define FOLDER_REPAIR_TMP ".repair.new"
#define FOLDER_REQUESTS ".requests.sqlite"
#define FOLDER_DISK_UNIT 4096

struct folder {
	int fd;		   /* the directory */
	int lock;	   /* -1: not locked by us */
	uint32_t uid, gid; /* owner of what is made; UINT32_MAX: leave */
	const char *path;  /* for sentences; borrowed */
};
#define FOLDER_INIT                                                        \
	{                                                                  \
		.fd = -1, .lock = -1, .uid = UINT32_MAX, .gid = UINT32_MAX \
	}

/* Makes the directory (or takes an empty one) and locks it.  f->path, uid and gid are set by the caller.
 * -EBUSY: a writer is at work there; -EEXIST: not empty.  Then f is untouched. */
int folder_create(struct folder *f, struct err *err);
int folder_open(struct folder *f, struct err *err); /* without lock */
int folder_lock(struct folder *f, struct err *err); /* of an open one; -EBUSY names the holder */
void folder_close(struct folder *f);
bool folder_busy(int dirfd);	     /* a writer is at work there */
uint64_t folder_bytes(int dirfd);    /* that its files take on disk */
time_t folder_last_write(int dirfd); /* of a chunk, else of the directory */
/* Deletes the recording: the files that are named as above, then the directory.  Other files stay: -ENOTEMPTY. */
int folder_remove(const struct folder *f, struct err *err);

/* A new file, mode 0600, owned as f says; excl: must not exist.  Returns the descriptor. */
int folder_make(const struct folder *f, const char *name, bool excl, struct err *err);
/* Replaces a file's content at once: readers see the old or the new one, also after a power failure. */
int folder_replace(const struct folder *f, const char *name, const void *data, size_t len, struct err *err);
/* Reads a whole regular file of at most max bytes; the caller frees *ret, which is NUL-terminated. */
int folder_read(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len);

/* What a file of so many bytes takes on disk. */
static inline uint64_t folder_disk(uint64_t bytes)
{
	return (bytes + FOLDER_DISK_UNIT - 1) / FOLDER_DISK_UNIT * FOLDER_DISK_UNIT;
}

void folder_chunk_name(char out[FOLDER_NAME_MAX], uint32_t number);
void folder_index_name(char out[FOLDER_NAME_MAX], uint32_t number);
/* The numbers of the chunks that are there, ascending; the caller frees *ret. */
int folder_chunks(int dirfd, uint32_t **ret, size_t *ret_count);

/* Writes all, also over several calls: -errno, what had been written stays. */
int folder_pwrite(int fd, const void *data, size_t len, uint64_t at);

#endif
