/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: window -> block -> chunk, with the checkpoint's table listening at the window's exit. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/checkpoint.h"
#include "store/ctf/block.h"
#include "store/ctf/chunk.h"
#include "store/ctf/metadata.h"
#include "store/folder.h"
#include "store/sort.h"
#include "store/store.h"
#include "store/typemap.h"

#define CHECKPOINT_BYTES_MAX (4 * 1024 * 1024)
#define MAX_BYTES_MIN (512 * 1024)
#define CHUNK_BYTES_MIN (2 * BLOCK_BYTES_MIN)
#define BOOT_NS_MAX (UINT64_MAX / 4) /* 146 years; with the clock's offset it still fits 63 bits, as CTF readers want */

struct store_writer {
	char *dir;
	struct folder folder;
	struct metadata meta;
	const struct event_types *types;
	size_t known_types; /* that are in the metadata */
	struct typemap map;
	struct sorter *sorter;
	struct checkpoint *checkpoint;
	struct block block;
	struct chunks chunks;
	uint64_t next_id, block_seq;
	bool live_clock, in_checkpoint;
	struct err failed; /* code 0: works */
	struct store_stats stats;
};

static int out_of_memory(struct err *err, const char *dir)
{
	return err_set(err, ENOMEM, "out of memory for recording '%s'", dir);
}

static size_t count_types(const struct event_types *types)
{
	size_t at = 0, n = 0;

	while (event_types_each(types, &at))
		n++;
	return n;
}

/* The copy is only for the case that the first is damaged, so a failure there is none. */
static int write_metadata(struct store_writer *w, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	int r;

	w->known_types = count_types(w->types);
	if (metadata_write(&w->meta, w->types, &text) < 0)
		return out_of_memory(err, w->dir);
	r = folder_replace(&w->folder, FOLDER_METADATA, text.data, text.len, err);
	if (r < 0)
		return r;
	(void)folder_replace(&w->folder, FOLDER_METADATA_COPY, text.data, text.len, NULL);
	chunks_others(&w->chunks,
		      folder_disk(1) + 3 * folder_disk(text.len)); /* .lock; both, and while one is replaced */
	return 0;
}

static void set_name(char out[METADATA_NAME_MAX], const char *name)
{
	size_t len = name ? strnlen(name, METADATA_NAME_MAX - 1) : 0;

	if (len)
		memcpy(out, name, len);
	out[len] = 0;
}

static void fill_metadata(struct store_writer *w, const struct store_opts *opts)
{
	struct clock_pair now = clock_pair_read();
	uint64_t seed[2] = { now.boot_ns, now.real_ns };

	if (getrandom(w->meta.uuid, sizeof(w->meta.uuid), GRND_NONBLOCK) != sizeof(w->meta.uuid))
		memcpy(w->meta.uuid, seed, sizeof(seed));
	w->meta.uuid[6] = (uint8_t)((w->meta.uuid[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
	w->meta.uuid[8] = (uint8_t)((w->meta.uuid[8] & 0x3f) | 0x80);
	set_name(w->meta.hostname, opts->hostname);
	set_name(w->meta.boot_id, opts->boot_id);
	w->live_clock = w->meta.boot_id[0];
	w->meta.epoch_ns = w->live_clock ? now.real_ns - now.boot_ns : 0;
}

static int check_opts(const struct store_opts *opts, uint32_t *ret_chunk, uint32_t *ret_block, struct err *err)
{
	uint64_t chunk = opts->chunk_bytes ? opts->chunk_bytes : STORE_CHUNK_BYTES;
	uint64_t block = opts->block_bytes ? opts->block_bytes : STORE_BLOCK_BYTES;

	if (opts->max_bytes && opts->max_bytes < MAX_BYTES_MIN)
		return err_set(err, EINVAL, "cannot record into %" PRIu64 " bytes: at least %d are needed",
			       opts->max_bytes, MAX_BYTES_MIN);
	if (opts->max_bytes)
		chunk = MIN(chunk, opts->max_bytes / 16);
	chunk = MAX(chunk, CHUNK_BYTES_MIN);
	block = MIN(block, chunk / 2);
	block = MIN(block, BLOCK_BYTES_MAX);
	*ret_chunk = (uint32_t)chunk;
	*ret_block = (uint32_t)MAX(block, BLOCK_BYTES_MIN) & ~7u;
	return 0;
}

static struct store_writer *writer_free(struct store_writer *w)
{
	sorter_free(w->sorter);
	checkpoint_free(w->checkpoint);
	chunks_fini(&w->chunks);
	block_fini(&w->block);
	typemap_fini(&w->map);
	folder_close(&w->folder);
	free(w->dir);
	free(w);
	return NULL;
}

static int writer_init(struct store_writer *w, const struct store_opts *opts, struct err *err)
{
	uint32_t chunk_bytes = 0, block_bytes = 0;
	int r = check_opts(opts, &chunk_bytes, &block_bytes, err);

	if (r < 0)
		return r;
	w->folder = (struct folder) { .fd = -1, .lock = -1, .uid = opts->uid, .gid = opts->gid, .path = w->dir };
	w->types = opts->types;
	w->next_id = 1;
	chunks_init(&w->chunks, &w->folder, opts->max_bytes, chunk_bytes, block_bytes);
	fill_metadata(w, opts);
	if (block_init(&w->block, block_bytes, w->meta.uuid) < 0 || typemap_init(&w->map) < 0 ||
	    sorter_new(STORE_PENDING_MAX, &w->sorter) < 0 ||
	    checkpoint_new(MIN(chunk_bytes / 4, CHECKPOINT_BYTES_MAX), &w->checkpoint) < 0)
		return out_of_memory(err, opts->dir);
	r = folder_create(&w->folder, err);
	return r < 0 ? r : write_metadata(w, err);
}

int store_create(const struct store_opts *opts, struct store_writer **ret, struct err *err)
{
	struct store_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return out_of_memory(err, opts->dir);
	w->chunks.fd = w->chunks.index_fd = w->folder.fd = w->folder.lock = -1;
	w->dir = strdup(opts->dir);
	r = w->dir ? writer_init(w, opts, err) : out_of_memory(err, opts->dir);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* After a failure nothing more is written: the sentence is the same each time. */
static int fail(struct store_writer *w, const struct err *e, struct err *err)
{
	if (!w->failed.code)
		w->failed = *e;
	if (err)
		*err = w->failed;
	return -w->failed.code;
}

static int write_block(struct store_writer *w, struct err *err)
{
	struct err local = ERR_INIT;

	if (block_empty(&w->block))
		return 0;
	if (count_types(w->types) != w->known_types && write_metadata(w, &local) < 0)
		return fail(w, &local, err);
	block_seal(&w->block, &w->map, w->block_seq);
	if (chunks_write(&w->chunks, &w->block, &local) < 0)
		return fail(w, &local, err);
	w->block_seq++;
	w->stats.blocks++;
	w->stats.events += w->block.h.count;
	w->stats.bytes += w->block.used;
	w->next_id += w->block.h.count;
	block_begin(&w->block, w->next_id);
	return 0;
}

static int put(void *arg, const struct event_header *h, struct err *err)
{
	struct store_writer *w = arg;
	bool late;
	int r;

	if (block_add(&w->block, h, &late))
		goto added;
	r = write_block(w, err);
	if (r < 0)
		return r;
	if (!block_add(&w->block, h, &late))
		return err_set(err, EMSGSIZE, "an event of %u bytes does not fit a block", h->length);
added:
	w->stats.late += late;
	if (w->in_checkpoint)
		w->block.h.flags |= BLOCK_CHECKPOINT;
	return 0;
}

/* An event leaves the window. */
static int leave(void *arg, const struct event_header *h, struct err *err)
{
	struct store_writer *w = arg;
	uint64_t now = MAX(h->boot_ns, w->block.last_ns);
	int r;

	if (w->block.cap - w->block.used < h->length + sizeof(struct event_late)) {
		r = write_block(w, err);
		if (r < 0)
			return r;
	}
	if (block_empty(&w->block) && chunks_fresh(&w->chunks)) {
		w->in_checkpoint = true;
		r = checkpoint_write(w->checkpoint, now, w->live_clock, put, w, err);
		w->in_checkpoint = false;
		if (r < 0)
			return r;
	}
	r = put(w, h, err);
	if (r >= 0)
		checkpoint_see(w->checkpoint, h);
	return r;
}

static const struct typemap_slot *known_type(struct store_writer *w, uint16_t id)
{
	const struct typemap_slot *slot = typemap_get(&w->map, id);

	if (!slot->type && id >= EVENT_DYNAMIC_MIN)
		typemap_set(&w->map, id, event_types_get(w->types, id));
	return slot;
}

static int check_event(struct store_writer *w, const struct event_header *h, struct err *err)
{
	const struct typemap_slot *slot = known_type(w, h->type);

	if (!slot->type)
		return err_set(err, EINVAL, "cannot record an event of the unknown type %u", h->type);
	if (h->type == EVENT_LATE)
		return err_set(err, EINVAL, "cannot record a late event: only the store makes them");
	if (h->boot_ns > BOOT_NS_MAX || h->length > EVENT_LENGTH_MAX)
		return err_set(err, EINVAL, "cannot record event '%s' of time %" PRIu64 " ns and %u bytes: too large",
			       slot->type->name, (uint64_t)h->boot_ns, h->length);
	return typemap_check(slot, h, h->length, err);
}

int store_append(struct store_writer *w, const struct event_header *h, struct err *err)
{
	int r;

	if (w->failed.code)
		return fail(w, &w->failed, err);
	r = check_event(w, h, err);
	if (r < 0)
		return r;
	while (!(r = sorter_add(w->sorter, h))) {
		r = sorter_drain(w->sorter, UINT64_MAX, sorter_bytes(w->sorter) / 2, leave, w, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? out_of_memory(err, w->dir) : 0;
}

int store_settle(struct store_writer *w, uint64_t boot_ns, struct err *err)
{
	if (w->failed.code)
		return fail(w, &w->failed, err);
	return sorter_drain(w->sorter, boot_ns, 0, leave, w, err);
}

int store_flush(struct store_writer *w, struct err *err)
{
	if (w->failed.code)
		return fail(w, &w->failed, err);
	return write_block(w, err);
}

int store_close(struct store_writer *w, struct err *err)
{
	int r;

	if (!w)
		return 0;
	r = store_settle(w, UINT64_MAX, err);
	if (r >= 0)
		r = store_flush(w, err);
	writer_free(w);
	return r;
}

void store_writer_stats(const struct store_writer *w, struct store_stats *ret)
{
	*ret = w->stats;
	ret->chunks = w->chunks.written;
	ret->retired_chunks = w->chunks.retired;
	ret->retired_events = w->chunks.retired_events;
}
