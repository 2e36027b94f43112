/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeze.  First every chunk is claimed: closed ones are hard-linked (they never change again) where the copy belongs
 * to the same user; the others are opened, for an open file stays readable when its chunk is retired.  Then what was
 * opened is copied, of the last chunk the whole blocks.  The metadata is copied last: it describes at least all that
 * the chunks hold.  A chunk that is retired before it could be claimed is left out; it is the oldest.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/folder.h"
#include "store/recording.h"
#include "store/store.h"

#define COPY_BYTES (256 * 1024)
#define CLAIM_MAX 512			   /* files kept open; a budget makes less than twenty chunks */
#define CATCH_UP_NS (1200 * NS_PER_MS)	   /* a block is on disk after a second at the latest */
#define CATCH_UP_PAUSE_NS (20 * NS_PER_MS) /* between looks */

struct claim {
	uint32_t number;
	int fd;	      /* -1: to be opened */
	uint64_t len; /* 0: linked, or retired */
};

struct freeze {
	struct folder from, to;
	struct recording *rec;
	struct claim *claims;
	size_t nclaims;
	bool link; /* the copy may share the files */
};

static int open_chunk(const struct freeze *fz, uint32_t number)
{
	char name[FOLDER_NAME_MAX];
	int fd;

	folder_chunk_name(name, number);
	fd = openat(fz->from.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* 1: linked, with its index if there is one. */
static int link_chunk(const struct freeze *fz, uint32_t number)
{
	char name[FOLDER_NAME_MAX];

	folder_chunk_name(name, number);
	if (!fz->link || linkat(fz->from.fd, name, fz->to.fd, name, 0))
		return 0;
	folder_index_name(name, number);
	(void)linkat(fz->from.fd, name, fz->to.fd, name, 0);
	return 1;
}

static int claim_chunk(struct freeze *fz, uint32_t number, bool last, uint64_t len, struct err *err)
{
	struct claim *c = &fz->claims[fz->nclaims];

	*c = (struct claim) { .number = number, .fd = -1, .len = len };
	if (!last && link_chunk(fz, number))
		return 0;
	if (fz->nclaims < CLAIM_MAX) {
		c->fd = open_chunk(fz, number);
		if (c->fd == -ENOENT)
			return 0;
		if (c->fd < 0)
			return err_errno(err, -c->fd, "cannot read chunk %u of '%s'", number, fz->from.path);
	}
	fz->nclaims++;
	return 0;
}

/* The whole blocks of what was looked at; what is damaged between them goes along. */
static int claim_chunks(struct freeze *fz, struct err *err)
{
	const struct index *ix = &fz->rec->index;
	size_t i, next;
	int r = 0;

	fz->claims = calloc(ix->chunks + 1, sizeof(*fz->claims));
	if (!fz->claims)
		return err_set(err, ENOMEM, "out of memory for '%s'", fz->from.path);
	for (i = 0; i < ix->count && r >= 0; i = next) {
		uint64_t len = 0;

		for (next = i; next < ix->count && ix->entries[next].chunk == ix->entries[i].chunk; next++)
			if (ix->entries[next].fault != BLOCK_TORN)
				len = ix->entries[next].offset + ix->entries[next].bytes;
		if (len)
			r = claim_chunk(fz, ix->entries[i].chunk, next == ix->count, len, err);
	}
	return r;
}

/* Copies the first len bytes. */
static int copy_bytes(int in, int out, uint64_t len)
{
	CLEANUP_FREE char *buf = malloc(COPY_BYTES);
	uint64_t at = 0;
	int r = buf ? 0 : -ENOMEM;

	while (at < len && !r) {
		ssize_t n = pread(in, buf, (size_t)MIN(len - at, (uint64_t)COPY_BYTES), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		r = n > 0 ? folder_pwrite(out, buf, (size_t)n, at) : n < 0 ? -errno : -EIO;
		at += n > 0 ? (uint64_t)n : 0;
	}
	return r;
}

static int copy_chunk(const struct freeze *fz, struct claim *c, struct err *err)
{
	char name[FOLDER_NAME_MAX];
	CLEANUP_CLOSE int out = -1;
	int r;

	folder_chunk_name(name, c->number);
	if (c->fd < 0)
		c->fd = open_chunk(fz, c->number);
	if (c->fd == -ENOENT)
		return 0;
	r = c->fd < 0 ? c->fd : 0;
	if (!r) {
		out = folder_make(&fz->to, name, true, err);
		if (out < 0)
			return out;
		r = copy_bytes(c->fd, out, c->len);
	}
	return r < 0 ? err_errno(err, -r, "cannot copy '%s/%s' to '%s'", fz->from.path, name, fz->to.path) : 0;
}

static int take_chunks(struct freeze *fz, struct err *err)
{
	int r = claim_chunks(fz, err);
	size_t i;

	for (i = 0; i < fz->nclaims; i++) {
		if (r >= 0)
			r = copy_chunk(fz, &fz->claims[i], err);
		if (fz->claims[i].fd >= 0)
			(void)close(fz->claims[i].fd);
	}
	free(fz->claims);
	return r;
}

static int take_metadata(const struct freeze *fz, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	bool damaged;
	size_t len;
	int r = recording_metadata(fz->from.fd, fz->from.path, &text, &len, &damaged, err);

	if (r >= 0)
		r = folder_replace(&fz->to, FOLDER_METADATA, text, len, err);
	if (r >= 0)
		r = folder_replace(&fz->to, FOLDER_METADATA_COPY, text, len, err);
	return r;
}

/* What happened until now is on disk: where a recorder is at work, wait for the block that holds it. */
static int catch_up(struct freeze *fz, struct err *err)
{
	const struct timespec pause = { .tv_nsec = CATCH_UP_PAUSE_NS };
	const struct index *ix = &fz->rec->index;
	uint64_t now = clock_boot_ns(), end = now + CATCH_UP_NS;
	int r = 0;

	while (r >= 0 && folder_busy(fz->from.fd) && clock_boot_ns() < end) {
		if (ix->count && ix->entries[ix->count - 1].end_ns >= now)
			break;
		(void)nanosleep(&pause, NULL);
		r = recording_refresh(fz->rec, err);
	}
	return r;
}

static int freeze_opened(struct freeze *fz, struct err *err)
{
	struct stat st;
	int r = folder_create(&fz->to, err);

	if (r >= 0)
		r = catch_up(fz, err);
	if (r >= 0 && fstat(fz->from.fd, &st))
		r = err_errno(err, errno, "cannot read '%s'", fz->from.path);
	if (r < 0)
		return r;
	fz->link = (fz->to.uid == UINT32_MAX ? geteuid() : fz->to.uid) == st.st_uid;
	r = take_chunks(fz, err);
	if (r >= 0)
		r = take_metadata(fz, err);
	if (r < 0)
		(void)folder_remove(&fz->to, NULL); /* half a copy is of no use */
	return r;
}

int store_freeze(const char *from, const char *to, uint32_t uid, uint32_t gid, struct err *err)
{
	struct freeze fz = { .from = FOLDER_INIT, .to = FOLDER_INIT };
	struct event_types *types = NULL;
	int r;

	fz.from.path = from;
	fz.to.path = to;
	fz.to.uid = uid;
	fz.to.gid = gid;
	r = folder_open(&fz.from, err);
	if (r >= 0 && event_types_new(&types) < 0)
		r = err_set(err, ENOMEM, "out of memory for '%s'", from);
	if (r >= 0)
		r = recording_open(from, 0, RECORDING_SHARED, types, &fz.rec, err);
	if (r >= 0)
		r = freeze_opened(&fz, err);
	recording_free(fz.rec);
	event_types_free(types);
	folder_close(&fz.to);
	folder_close(&fz.from);
	return r;
}
