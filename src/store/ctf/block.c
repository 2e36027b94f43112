/* SPDX-License-Identifier: Apache-2.0 */
/* One CTF packet in memory.  The format is specified at the top of chunk.c. */
#include "store/ctf/block.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the memory image is the disk image");

const char *block_fault_text(enum block_fault fault)
{
	static const char *const texts[] = {
		[BLOCK_OK] = "whole",
		[BLOCK_TORN] = "the file ends in the middle of it",
		[BLOCK_BAD_HEADER] = "its header is damaged",
		[BLOCK_BAD_CONTENT] = "its content does not have the checksum that its header says",
		[BLOCK_BAD_ORDER] = "its events do not come after those of the block before",
		[BLOCK_BAD_EVENT] = "it holds an event that does not fit its type",
		[BLOCK_UNREADABLE] = "the system cannot read it",
		[BLOCK_GONE] = "its chunk was retired",
	};

	return texts[fault];
}

int block_init(struct block *b, size_t cap, const uint8_t uuid[16])
{
	*b = (struct block) { .data = malloc(cap), .cap = cap };
	if (!b->data)
		return -ENOMEM;
	b->h.magic = BLOCK_MAGIC;
	memcpy(b->h.uuid, uuid, sizeof(b->h.uuid));
	block_begin(b, 1);
	return 0;
}

void block_fini(struct block *b)
{
	free(b->data);
	b->data = NULL;
}

void block_begin(struct block *b, uint64_t first_id)
{
	b->used = sizeof(struct block_header);
	b->h.first_id = first_id;
	b->h.count = b->h.late = b->h.flags = b->h.ntgids = 0;
	memset(b->h.tgids, 0, sizeof(b->h.tgids));
}

/* Keeps the set sorted; most events repeat one of the last processes. */
static void add_tgid(struct block_header *h, uint32_t tgid)
{
	uint32_t i, at = 0;

	if (h->ntgids == BLOCK_TGIDS_MANY)
		return;
	for (i = 0; i < h->ntgids; i++) {
		if (h->tgids[i] == tgid)
			return;
		at += h->tgids[i] < tgid;
	}
	if (h->ntgids == BLOCK_TGIDS) {
		h->ntgids = BLOCK_TGIDS_MANY;
		memset(h->tgids, 0, sizeof(h->tgids));
		return;
	}
	memmove(&h->tgids[at + 1], &h->tgids[at], (h->ntgids - at) * sizeof(h->tgids[0]));
	h->tgids[at] = tgid;
	h->ntgids++;
}

bool block_has_tgid(const uint32_t *tgids, uint32_t n, uint32_t tgid)
{
	uint32_t i;

	for (i = 0; n != BLOCK_TGIDS_MANY && i < n; i++)
		if (tgids[i] == tgid)
			return true;
	return n == BLOCK_TGIDS_MANY;
}

static void add_marker(struct block *b, const struct event_header *h)
{
	struct event_late marker = { .h = { .boot_ns = b->last_ns, .type = EVENT_LATE, .length = sizeof(marker) } };

	marker.h.cpu = h->cpu;
	marker.h.context = CONTEXT_RECORDER;
	marker.own_ns = h->boot_ns;
	memcpy(b->data + b->used, &marker, sizeof(marker));
	b->used += sizeof(marker);
	b->h.late++;
}

bool block_add(struct block *b, const struct event_header *h, bool *ret_late)
{
	bool late = h->boot_ns < b->last_ns, first = block_empty(b);
	struct event_header *out;

	if (b->cap - b->used < h->length + (late ? sizeof(struct event_late) : 0))
		return false;
	if (late)
		add_marker(b, h);
	out = (struct event_header *)(void *)(b->data + b->used);
	memcpy(out, h, h->length);
	out->flags &= (uint8_t)~EVENT_F_LATE;
	if (late) {
		out->boot_ns = b->last_ns;
		out->flags |= EVENT_F_LATE;
	}
	if (first)
		b->h.begin_ns = b->h.own_begin_ns = out->boot_ns;
	if (h->boot_ns < b->h.own_begin_ns)
		b->h.own_begin_ns = h->boot_ns;
	b->last = b->used;
	b->last_ns = out->boot_ns;
	b->used += h->length;
	b->h.count++;
	add_tgid(&b->h, h->tgid);
	*ret_late = late;
	return true;
}

static uint64_t header_sum(const struct block_header *h)
{
	struct block_header copy = *h;

	copy.header_sum = 0;
	return XXH64(&copy, sizeof(copy), 0);
}

void block_seal(struct block *b, const struct typemap *types, uint64_t block_seq)
{
	const struct event_header *last = (const void *)(b->data + b->last);
	size_t content = b->last + typemap_content(typemap_get(types, last->type), last);

	b->h.block_seq = block_seq;
	b->h.end_ns = b->last_ns;
	b->h.content_bits = content * 8;
	b->h.packet_bits = b->used * 8;
	b->h.content_sum = XXH64(b->data + sizeof(b->h), b->used - sizeof(b->h), 0);
	b->h.header_sum = header_sum(&b->h);
	memcpy(b->data, &b->h, sizeof(b->h));
}

bool block_header_valid(const struct block_header *h, const uint8_t uuid[16])
{
	size_t bytes = block_bytes(h);

	return h->magic == BLOCK_MAGIC && !memcmp(h->uuid, uuid, sizeof(h->uuid)) && h->header_sum == header_sum(h) &&
	       h->packet_bits % 64 == 0 && bytes > sizeof(*h) && bytes <= BLOCK_BYTES_MAX &&
	       h->content_bits <= h->packet_bits && h->content_bits + 64 > h->packet_bits && h->first_id && h->count &&
	       h->first_id <= UINT64_MAX - h->count && h->count <= bytes / sizeof(struct event_header) &&
	       (h->ntgids <= BLOCK_TGIDS || h->ntgids == BLOCK_TGIDS_MANY) && h->begin_ns <= h->end_ns;
}

enum block_fault block_check(const void *data, size_t len, const uint8_t uuid[16])
{
	const struct block_header *h = data;

	if (len < sizeof(*h))
		return BLOCK_TORN;
	if (!block_header_valid(h, uuid))
		return BLOCK_BAD_HEADER;
	if (len < block_bytes(h))
		return BLOCK_TORN;
	if (XXH64((const uint8_t *)data + sizeof(*h), block_bytes(h) - sizeof(*h), 0) != h->content_sum)
		return BLOCK_BAD_CONTENT;
	return BLOCK_OK;
}

void block_walk(struct block_cursor *c, void *data, const struct typemap *types)
{
	const struct block_header *h = data;

	c->at = (uint8_t *)data + sizeof(*h);
	c->end = (uint8_t *)data + block_bytes(h);
	c->id = h->first_id;
	c->types = types;
}

/* The checked event at the cursor, NULL at the end or with an error. */
static struct event_header *take(struct block_cursor *c, const struct event_type **ret_type, int *ret, struct err *err)
{
	size_t left = (size_t)(c->end - c->at);
	struct event_header *h = (void *)c->at;
	const struct typemap_slot *slot;

	*ret = 0;
	if (!left)
		return NULL;
	*ret = -EBADMSG;
	if (left < sizeof(*h)) {
		err_set(err, EBADMSG, "%zu bytes after the last event", left);
		return NULL;
	}
	slot = typemap_get(c->types, h->type);
	if (!slot->type) {
		err_set(err, EBADMSG, "event %llu has the unknown type %u", (unsigned long long)c->id, h->type);
		return NULL;
	}
	*ret = typemap_check(slot, h, left, err);
	if (*ret < 0)
		return NULL;
	*ret_type = slot->type;
	c->at += h->length;
	return h;
}

int block_next(struct block_cursor *c, struct event *ret, struct err *err)
{
	const struct event_type *type;
	struct event_header *h;
	uint64_t own_ns = 0;
	bool late;
	int r;

	h = take(c, &type, &r, err);
	late = h && h->type == EVENT_LATE;
	if (late) {
		own_ns = ((const struct event_late *)(const void *)h)->own_ns;
		h = take(c, &type, &r, err);
		if (!h && !r)
			return err_set(err, EBADMSG, "a late marker without its event");
	}
	if (!h)
		return r;
	if (h->type == EVENT_LATE)
		return err_set(err, EBADMSG, "two late markers in a row");
	h->flags = (uint8_t)((h->flags & ~EVENT_F_LATE) | (late ? EVENT_F_LATE : 0));
	h->type = type->id; /* recordings that are read together may have to share numbers */
	ret->id = c->id++;
	ret->boot_ns = late ? own_ns : h->boot_ns;
	ret->type = type;
	ret->h = h;
	return 1;
}
