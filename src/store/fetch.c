/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"

void fetch_init(struct fetch *f)
{
	size_t i;

	*f = (struct fetch) { .used = 0 };
	for (i = 0; i < FETCH_BLOCKS; i++)
		stream_init(&f->blocks[i].stream, NULL);
}

void fetch_fini(struct fetch *f)
{
	size_t i;

	for (i = 0; i < FETCH_BLOCKS; i++) {
		stream_fini(&f->blocks[i].stream);
		free(f->blocks[i].events);
	}
}

static bool has(const struct fetch_block *b, const struct recording *rec, size_t number)
{
	return b->stream.rec == rec && b->stream.loaded == number + 1 && b->indexes == rec->indexes;
}

/* The block if it is in memory, else the one that was not used for the longest time. */
static struct fetch_block *block_find(struct fetch *f, const struct recording *rec, size_t number)
{
	struct fetch_block *oldest = &f->blocks[0];
	size_t i;

	for (i = 0; i < FETCH_BLOCKS; i++) {
		struct fetch_block *b = &f->blocks[i];

		if (has(b, rec, number))
			return b;
		if (b->used < oldest->used)
			oldest = b;
	}
	return oldest;
}

static int events_keep(struct fetch_block *b, const struct event *ev)
{
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 1024;
		struct event *grown = realloc(b->events, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		b->events = grown;
		b->cap = cap;
	}
	b->events[b->count++] = *ev;
	return 0;
}

static int block_read(struct fetch_block *b, struct recording *rec, size_t number)
{
	struct event ev;
	int r;

	if (b->stream.rec != rec) {
		stream_fini(&b->stream);
		stream_init(&b->stream, rec);
	}
	b->count = 0;
	b->indexes = rec->indexes;
	r = stream_load(&b->stream, number);
	while (r >= 0 && stream_next(&b->stream, &ev) > 0)
		r = events_keep(b, &ev);
	if (r < 0)
		b->stream.loaded = 0;
	return r;
}

int fetch_event(struct fetch *f, struct recording *rec, uint64_t id, const struct event **ret, struct err *err)
{
	struct err local = ERR_INIT;
	struct index_entry *e = recording_entry(rec, id, &local);
	struct fetch_block *b;
	size_t number;

	if (!e)
		return err_set(err, local.code, "%s", local.text);
	number = (size_t)(e - rec->index.entries);
	b = block_find(f, rec, number);
	b->used = ++f->used;
	if (!has(b, rec, number)) {
		int r = block_read(b, rec, number);

		if (r == -ENOMEM)
			return err_set(err, ENOMEM, "out of memory for a block of recording '%s'", rec->path);
		if (r < 0)
			return err_set(err, e->fault == BLOCK_GONE ? ENOENT : EBADMSG,
				       "event %" PRIu64 " of recording '%s': %s", id, rec->path,
				       block_fault_text(e->fault));
	}
	if (id - e->first_id >= b->count)
		return err_set(err, EBADMSG, "event %" PRIu64 " of recording '%s' lies in a damaged block", id,
			       rec->path);
	*ret = &b->events[id - e->first_id];
	return 0;
}
