/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freeze.  Chunks that are closed are hard-linked (they never change again) or copied; of the last one the whole blocks
 * are copied.  The metadata is copied last: it describes at least all that the chunks hold.  A chunk that is retired
 * while we are at it is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/folder.h"
#include "store/recording.h"
#include "store/store.h"

#define COPY_BYTES (256 * 1024)

struct freeze {
	struct folder from, to;
	struct recording *rec;
};

/* Copies the first len bytes. -ENOENT: it was retired. */
static int copy_file(const struct freeze *fz, const char *name, uint64_t len, struct err *err)
{
	CLEANUP_CLOSE int in = openat(fz->from.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), out = -1;
	CLEANUP_FREE char *buf = malloc(COPY_BYTES);
	uint64_t at = 0;
	int r = 0;

	if (in < 0)
		return -errno;
	out = folder_make(&fz->to, name, true, err);
	if (out < 0)
		return err && err->code == ENOENT ? -EIO : out;
	while (at < len && !r) {
		ssize_t n = buf ? pread(in, buf, (size_t)MIN(len - at, (uint64_t)COPY_BYTES), (off_t)at) : -1;

		if (n <= 0)
			r = !buf ? -ENOMEM : n < 0 ? -errno : -EIO;
		else
			r = folder_pwrite(out, buf, (size_t)n, at);
		at += n > 0 ? (uint64_t)n : 0;
	}
	return r < 0 ? err_errno(err, -r, "cannot copy '%s/%s' to '%s'", fz->from.path, name, fz->to.path) : 0;
}

static int take_chunk(const struct freeze *fz, uint32_t number, bool last, uint64_t len, struct err *err)
{
	char name[FOLDER_NAME_MAX], index[FOLDER_NAME_MAX];
	int r;

	folder_chunk_name(name, number);
	folder_index_name(index, number);
	if (!last && !linkat(fz->from.fd, name, fz->to.fd, name, 0)) {
		(void)linkat(fz->from.fd, index, fz->to.fd, index, 0);
		return 0;
	}
	r = copy_file(fz, name, len, err);
	return r == -ENOENT ? 0 : r;
}

/* The whole blocks at the end of what was looked at; what is damaged between goes with them. */
static int take_chunks(const struct freeze *fz, struct err *err)
{
	const struct index *ix = &fz->rec->index;
	size_t i, next;
	int r = 0;

	for (i = 0; i < ix->count && r >= 0; i = next) {
		uint64_t len = 0;

		for (next = i; next < ix->count && ix->entries[next].chunk == ix->entries[i].chunk; next++)
			if (ix->entries[next].fault != BLOCK_TORN)
				len = ix->entries[next].offset + ix->entries[next].bytes;
		if (len)
			r = take_chunk(fz, ix->entries[i].chunk, next == ix->count, len, err);
	}
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

static int freeze_opened(struct freeze *fz, struct err *err)
{
	struct stat st;
	int r;

	if (!fstat(fz->from.fd, &st) && !geteuid()) {
		fz->to.uid = st.st_uid;
		fz->to.gid = st.st_gid;
	}
	r = folder_create(&fz->to, err);
	if (r >= 0)
		r = take_chunks(fz, err);
	if (r >= 0)
		r = take_metadata(fz, err);
	return r;
}

int store_freeze(const char *from, const char *to, struct err *err)
{
	struct freeze fz = { .from = FOLDER_INIT, .to = FOLDER_INIT };
	struct event_types *types = NULL;
	int r;

	fz.from.path = from;
	fz.to.path = to;
	r = folder_open(&fz.from, err);
	if (r >= 0 && event_types_new(&types) < 0)
		r = err_set(err, ENOMEM, "out of memory for '%s'", from);
	if (r >= 0)
		r = recording_open(from, 0, types, &fz.rec, err);
	if (r >= 0)
		r = freeze_opened(&fz, err);
	recording_free(fz.rec);
	event_types_free(types);
	folder_close(&fz.to);
	folder_close(&fz.from);
	return r;
}
