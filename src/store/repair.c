/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repair.  Each chunk is read block by block; if all blocks are good but the end is torn, the end is cut off; if bad
 * blocks lie between good ones, the good ones are copied into a new file that takes the chunk's place.  Interrupted at
 * any moment, it can be run again: a chunk is replaced by rename(2), and nothing else depends on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/ctf/chunk.h"
#include "store/folder.h"
#include "store/recording.h"
#include "store/store.h"

struct repair {
	struct folder folder;
	struct recording *rec;
	void (*report)(void *arg, const char *sentence);
	void *arg;
	uint64_t last_ns; /* time of the last good event: the stream must not go back */
};

__attribute__((format(printf, 2, 3))) static void say(struct repair *rp, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!rp->report)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rp->report(rp->arg, text);
}

static int repair_metadata(struct repair *rp, struct err *err)
{
	const char *names[] = { FOLDER_METADATA, FOLDER_METADATA_COPY };
	CLEANUP_FREE char *good = NULL;
	bool damaged;
	size_t len, i;
	int r = recording_metadata(rp->folder.fd, rp->folder.path, &good, &len, &damaged, err);

	for (i = 0; i < ARRAY_LEN(names) && r >= 0; i++) {
		CLEANUP_FREE char *text = NULL;
		size_t text_len;

		if (!folder_read(rp->folder.fd, names[i], METADATA_MAX, &text, &text_len) && text_len == len &&
		    !memcmp(text, good, len))
			continue;
		if (!metadata_intact(good, len))
			return err_set(err, EBADMSG, "cannot repair '%s': the metadata and its copy are both damaged",
				       rp->folder.path);
		r = folder_replace(&rp->folder, names[i], good, len, err);
		if (r >= 0)
			say(rp, "'%s/%s' was restored", rp->folder.path, names[i]);
	}
	return r < 0 ? r : 0;
}

/* Times must not decrease, or CTF readers refuse the whole recording. */
static bool block_good(struct repair *rp, struct stream *s, size_t entry)
{
	uint64_t last_ns = rp->last_ns;
	struct event ev;

	if (stream_load(s, entry) < 0)
		return false;
	while (stream_next(s, &ev) > 0) {
		if (ev.h->boot_ns < last_ns) {
			s->rec->index.entries[entry].fault = BLOCK_BAD_ORDER;
			say(rp, "'%s': event %" PRIu64 " goes back in time", rp->folder.path, ev.id);
			return false;
		}
		last_ns = ev.h->boot_ns;
	}
	if (s->rec->index.entries[entry].fault != BLOCK_OK)
		return false;
	rp->last_ns = last_ns;
	return true;
}

static int write_index(struct repair *rp, uint32_t number, const struct chunk_index_row *rows, size_t n)
{
	char name[FOLDER_NAME_MAX];

	folder_index_name(name, number);
	return folder_replace(&rp->folder, name, rows, n * sizeof(*rows), NULL);
}

/* What is left of a chunk. */
struct salvage {
	struct chunk_index_row *rows; /* of the good blocks, with their new offsets */
	size_t *entries;	      /* and where they were */
	size_t n;
	uint64_t bytes, bad;
	bool moved; /* a bad block stands before a good one */
};

static void salvage_block(struct repair *rp, struct stream *s, size_t entry, struct salvage *v)
{
	if (!block_good(rp, s, entry)) {
		v->bad++;
		return;
	}
	v->moved = v->moved || v->bad;
	v->rows[v->n].offset = v->bytes;
	memcpy(&v->rows[v->n].h, s->buf.data, sizeof(struct block_header));
	v->entries[v->n++] = entry;
	v->bytes += rp->rec->index.entries[entry].bytes;
}

/* Copies the good blocks one behind the other into a new file. */
static int copy_blocks(struct repair *rp, struct stream *s, const struct salvage *v, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	enum block_fault fault;
	size_t i;
	int r = 0;

	(void)unlinkat(rp->folder.fd, FOLDER_REPAIR_TMP, 0);
	fd = folder_make(&rp->folder, FOLDER_REPAIR_TMP, true, err);
	if (fd < 0)
		return fd;
	for (i = 0; i < v->n && !r; i++) {
		const struct index_entry *e = &rp->rec->index.entries[v->entries[i]];

		fault = index_load(e, s->fd, rp->rec->meta.uuid, &s->buf); /* as it is on disk */
		s->loaded = 0;
		r = fault != BLOCK_OK ? -EIO : folder_pwrite(fd, s->buf.data, e->bytes, v->rows[i].offset);
	}
	if (r < 0) {
		(void)unlinkat(rp->folder.fd, FOLDER_REPAIR_TMP, 0);
		return err_errno(err, -r, "cannot repair a chunk of '%s'", rp->folder.path);
	}
	return 0;
}

static int replace_chunk(struct repair *rp, uint32_t number, const struct salvage *v, struct err *err)
{
	char name[FOLDER_NAME_MAX], index[FOLDER_NAME_MAX];
	int fd, r = 0;

	folder_chunk_name(name, number);
	folder_index_name(index, number);
	(void)unlinkat(rp->folder.fd, index, 0); /* it must never speak of the wrong file */
	if (!v->n) {
		if (unlinkat(rp->folder.fd, name, 0))
			return err_errno(err, errno, "cannot delete '%s/%s'", rp->folder.path, name);
		say(rp, "'%s/%s' was deleted: it held no whole block", rp->folder.path, name);
		return 0;
	}
	if (v->moved) {
		if (renameat(rp->folder.fd, FOLDER_REPAIR_TMP, rp->folder.fd, name))
			return err_errno(err, errno, "cannot replace '%s/%s'", rp->folder.path, name);
	} else {
		fd = openat(rp->folder.fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 || ftruncate(fd, (off_t)v->bytes) ? -errno : 0;
		if (fd >= 0)
			(void)close(fd);
		if (r < 0)
			return err_errno(err, -r, "cannot cut '%s/%s'", rp->folder.path, name);
	}
	say(rp, "'%s/%s' now has %zu whole blocks, %" PRIu64 " bytes", rp->folder.path, name, v->n, v->bytes);
	return 0;
}

/* entries[from..to) are those of one chunk. */
static int repair_chunk(struct repair *rp, size_t from, size_t to, struct err *err)
{
	uint32_t number = rp->rec->index.entries[from].chunk;
	struct salvage v = { .rows = calloc(to - from, sizeof(*v.rows)), .entries = calloc(to - from, sizeof(size_t)) };
	CLEANUP_FREE void *rows = v.rows, *entries = v.entries;
	CLEANUP(stream_fini) struct stream s;
	size_t i;
	int r = 0;

	stream_init(&s, rp->rec);
	s.damage = rp->report;
	s.arg = rp->arg;
	if (!rows || !entries)
		return err_set(err, ENOMEM, "out of memory for repairing '%s'", rp->folder.path);
	for (i = from; i < to; i++)
		salvage_block(rp, &s, i, &v);
	if (v.moved)
		r = copy_blocks(rp, &s, &v, err);
	if (r >= 0 && v.bad)
		r = replace_chunk(rp, number, &v, err);
	if (r >= 0 && v.n)
		(void)write_index(rp, number, v.rows, v.n);
	return r;
}

static int repair_chunks(struct repair *rp, struct err *err)
{
	const struct index *ix = &rp->rec->index;
	size_t from, to;
	int r = 0;

	for (from = 0; from < ix->count && r >= 0; from = to) {
		for (to = from; to < ix->count && ix->entries[to].chunk == ix->entries[from].chunk; to++)
			;
		r = repair_chunk(rp, from, to, err);
	}
	return r;
}

static int repair_locked(struct repair *rp, struct err *err)
{
	struct event_types *types = NULL;
	int r = repair_metadata(rp, err);

	if (r >= 0 && event_types_new(&types) < 0)
		r = err_set(err, ENOMEM, "out of memory for repairing '%s'", rp->folder.path);
	if (r >= 0)
		r = recording_open(rp->folder.path, 0, RECORDING_LOCKED, types, &rp->rec, err);
	if (r >= 0)
		r = repair_chunks(rp, err);
	recording_free(rp->rec);
	event_types_free(types);
	return r;
}

int store_repair(const char *path, void (*report)(void *arg, const char *sentence), void *arg, struct err *err)
{
	struct repair rp = { .folder = FOLDER_INIT, .report = report, .arg = arg };
	struct stat st;
	int r;

	rp.folder.path = path;
	r = folder_open(&rp.folder, err);
	if (r < 0)
		return r;
	if (!fstat(rp.folder.fd, &st) && !geteuid()) {
		rp.folder.uid = st.st_uid;
		rp.folder.gid = st.st_gid;
	}
	if (!recording_here(path))
		r = err_set(err, ENOENT, "cannot repair '%s': no metadata file", path);
	else
		r = folder_lock(&rp.folder, err);
	if (r >= 0)
		r = repair_locked(&rp, err);
	folder_close(&rp.folder);
	return r;
}
