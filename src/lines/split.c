/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream's buffer holds the record that may still grow, a line feed, and the line that has not ended:
 *
 *	head line \n its continuations \n begin of the next line
 *	|<------------ record ------->|
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "event/event.h"
#include "lines/line.h"
#include "lines/lines.h"

#define NONE UINT32_MAX
#define BLOCK_BYTES 1024 /* buffers of stdio are multiples of it */
#define IDLE_NS 2000000000ULL

struct stream {
	struct lines_writer head, tail; /* who wrote the record, and the begin of the next line */
	uint64_t key, file_key;
	uint64_t unix_ns, call, head_call; /* number of the call */
	uint64_t used_ns;
	char *buf;
	size_t record, len; /* bytes of the record; of all */
	struct fold fold;
	uint32_t lines, flags, tail_flags; /* of the record; of the next line */
	uint8_t level;
	bool has_record, begun, block, listed, binary;
	uint32_t next; /* busy one */
};

struct lines {
	struct lines_opts opts;
	struct map by_key, blocks; /* -> index */
	struct stream *streams;
	uint32_t count, busy; /* busy: list of those that have a buffer */
	uint64_t calls, floor_ns;
};

int lines_new(const struct lines_opts *opts, struct lines **ret)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->streams = calloc(LINES_STREAMS, sizeof(*l->streams));
	if (!l->streams) {
		free(l);
		return -ENOMEM;
	}
	l->opts = *opts;
	l->busy = NONE;
	*ret = l;
	return 0;
}

struct lines *lines_free(struct lines *l)
{
	uint32_t i;

	if (!l)
		return NULL;
	for (i = 0; i < l->count; i++)
		free(l->streams[i].buf);
	free(l->streams);
	map_fini(&l->by_key);
	map_fini(&l->blocks);
	free(l);
	return NULL;
}

static bool holds(const struct stream *s)
{
	return s->has_record || s->len;
}

/* Where the line begins that has not ended. */
static size_t tail_at(const struct stream *s)
{
	return s->has_record ? s->record + 1 : 0;
}

static size_t tail_len(const struct stream *s)
{
	return s->len > tail_at(s) ? s->len - tail_at(s) : 0;
}

static void block_forget(struct lines *l, struct stream *s)
{
	if (s->block)
		(void)map_del(&l->blocks, s->file_key);
	s->block = false;
}

/* --- records --- */

static int emit(struct lines *l, struct stream *s)
{
	struct lines_record r = { .who = &s->head,
				  .text = s->buf,
				  .len = s->record,
				  .unix_ns = s->unix_ns,
				  .lines = s->lines,
				  .flags = s->flags,
				  .level = s->level };
	size_t tail = tail_len(s);
	char kept = s->buf[s->record];
	int e;

	if (s->head.h.boot_ns < l->floor_ns)
		s->head.h.boot_ns = l->floor_ns;
	s->buf[s->record] = 0;
	e = l->opts.record(l->opts.arg, &r);
	s->buf[s->record] = kept;
	memmove(s->buf, s->buf + s->record + 1, tail);
	s->has_record = false;
	s->len = tail;
	s->flags = 0;
	return e;
}

/* The line that begins behind the record is one of its own. */
static void record_begin(struct stream *s, const struct line_info *info, size_t at, size_t len)
{
	memmove(s->buf, s->buf + at, len);
	s->record = s->len = len;
	s->has_record = s->begun = true;
	s->head = s->tail;
	s->head_call = s->call;
	s->unix_ns = info->unix_ns;
	s->level = info->level;
	s->lines = 1;
	s->flags = s->tail_flags;
}

static void record_grow(struct stream *s, const struct line_info *info, size_t at, size_t len)
{
	s->buf[at - 1] = '\n'; /* not there yet before a blank line */
	s->record = s->len = at + len;
	s->lines++;
	s->flags |= s->tail_flags;
	if (s->level == LEVEL_NONE)
		s->level = s->fold.level = info->level;
}

/* A blank line ends nothing and is nothing by itself. */
static void line_drop(struct stream *s, size_t at)
{
	s->len = s->has_record ? s->record : at;
	s->tail_flags = 0;
}

/* The line that begins at tail_at() is whole. */
static int line_end(struct lines *l, struct stream *s)
{
	size_t at = tail_at(s), len = line_clean(s->buf + at, tail_len(s));
	bool same = s->has_record && s->head_call == s->call, goes_on = s->tail_flags & LOGFLAGS_CONTINUED;
	struct line_info info;
	int e = 0;

	block_forget(l, s);
	line_recognise(s->buf + at, len, NULL, &l->opts.stamps, &info);
	if (!goes_on && s->begun && !(s->tail_flags & LOGFLAGS_LOST))
		goes_on = fold_continues(&s->fold, s->buf + at, len, &info, same);
	if (!len && !(goes_on && s->has_record) && !s->tail_flags) {
		line_drop(s, at);
		return 0;
	}
	if (goes_on && s->has_record) {
		record_grow(s, &info, at, len);
	} else {
		if (s->has_record) {
			e = emit(l, s);
			at = 0;
		}
		if (goes_on)
			s->tail_flags |= LOGFLAGS_CONTINUED;
		else
			fold_begin(&s->fold, s->buf + at, len, &info);
		record_begin(s, &info, at, len);
	}
	s->tail_flags = 0;
	return e;
}

/* --- streams --- */

static void list_add(struct lines *l, struct stream *s)
{
	if (s->listed)
		return;
	s->listed = true;
	s->next = l->busy;
	l->busy = (uint32_t)(s - l->streams);
}

/* Everything that waits in it comes out. */
static int stream_flush(struct lines *l, struct stream *s)
{
	int e = 0, more;

	if (tail_len(s)) {
		s->tail_flags |= LOGFLAGS_PARTIAL;
		e = line_end(l, s);
	}
	block_forget(l, s);
	if (s->has_record) {
		more = emit(l, s);
		e = e < 0 ? e : more;
	}
	s->len = 0;
	return e;
}

static uint64_t key_of(const struct lines_writer *w)
{
	return map_hash(map_hash(map_hash(w->file) ^ w->device) ^ w->h.start_ns ^ (uint64_t)w->h.tid << 40 ^ w->where);
}

static uint64_t file_key_of(const struct lines_writer *w)
{
	return map_hash(map_hash(w->file ^ (uint64_t)w->h.tgid << 32) ^ w->device);
}

/* The one that was not used for longest, emptied. */
static struct stream *stream_evict(struct lines *l, int *ret_e)
{
	struct stream *oldest = &l->streams[0];
	uint32_t i;

	for (i = 1; i < l->count; i++)
		if (l->streams[i].used_ns < oldest->used_ns)
			oldest = &l->streams[i];
	*ret_e = stream_flush(l, oldest);
	(void)map_del(&l->by_key, oldest->key);
	return oldest;
}

static struct stream *stream_get(struct lines *l, const struct lines_writer *w, int *ret_e)
{
	uint64_t key = key_of(w), *found = map_get(&l->by_key, key);
	struct stream *s = found ? &l->streams[*found] : NULL;

	if (!s) {
		s = l->count < LINES_STREAMS ? &l->streams[l->count++] : stream_evict(l, ret_e);
		if (map_set(&l->by_key, key, (uint64_t)(s - l->streams)) < 0)
			return NULL;
		*s = (struct stream) {
			.key = key, .file_key = file_key_of(w), .buf = s->buf, .listed = s->listed, .next = s->next
		};
	}
	if (!s->buf)
		s->buf = malloc(LINES_TEXT_MAX + 2);
	return s->buf ? s : NULL;
}

/* A full buffer of stdio, flushed by another thread, ended within a line: its rest is what s gets now. */
static void block_take(struct lines *l, struct stream *s)
{
	const uint64_t *found = map_get(&l->blocks, s->file_key);
	struct stream *other = found ? &l->streams[*found] : NULL;
	size_t n = other && other != s ? tail_len(other) : 0;

	if (!n || tail_len(s))
		return;
	if (s->has_record)
		s->buf[s->len++] = '\n';
	if (s->len + n > LINES_TEXT_MAX) {
		s->len -= s->has_record;
		return;
	}
	memcpy(s->buf + s->len, other->buf + tail_at(other), n);
	s->len += n;
	s->tail_flags = other->tail_flags;
	other->tail_flags = 0;
	other->len = other->has_record ? other->record : 0;
	block_forget(l, other);
}

/* --- bytes --- */

/* The end of a part that does not cut a character in two (RFC 3629). */
static size_t part_len(const char *text, size_t len)
{
	size_t lead = len - 1, need;

	while (lead > len - 4 && lead && ((unsigned char)text[lead] & 0xc0) == 0x80)
		lead--;
	need = (unsigned char)text[lead] >= 0xf0 ? 4 : (unsigned char)text[lead] >= 0xe0 ? 3 : 2;
	return lead && (unsigned char)text[lead] >= 0xc0 && len - lead < need ? lead : len;
}

/* No room for the line that has not ended: the record before it goes, or the line comes in parts. */
static int make_room(struct lines *l, struct stream *s)
{
	size_t n, rest;
	char saved[4];
	int e;

	if (s->has_record && tail_at(s))
		return emit(l, s);
	n = part_len(s->buf, s->len);
	rest = s->len - n;
	memcpy(saved, s->buf + n, rest);
	s->len = n;
	s->tail_flags |= LOGFLAGS_MORE;
	e = line_end(l, s);
	if (e >= 0 && s->has_record)
		e = emit(l, s);
	memcpy(s->buf, saved, rest);
	s->len = rest;
	s->tail_flags = LOGFLAGS_CONTINUED;
	return e;
}

static int add(struct lines *l, struct stream *s, const char *data, size_t n)
{
	size_t room;
	int e = 0;

	while (n && e >= 0) {
		if (s->has_record && s->len == s->record)
			s->buf[s->len++] = '\n';
		room = LINES_TEXT_MAX > s->len ? LINES_TEXT_MAX - s->len : 0;
		if (!room) {
			e = make_room(l, s);
			continue;
		}
		room = room < n ? room : n;
		memcpy(s->buf + s->len, data, room);
		s->len += room;
		data += room;
		n -= room;
	}
	return e;
}

static int add_lines(struct lines *l, struct stream *s, const char *data, size_t len)
{
	const char *end;
	int e = 0;

	while (len && e >= 0) {
		size_t n;

		end = memchr(data, '\n', len);
		n = end ? (size_t)(end - data) : len;
		e = add(l, s, data, n);
		if (end && e >= 0)
			e = line_end(l, s);
		n += end != NULL;
		data += n;
		len -= n;
	}
	return e;
}

/* Data that are no text: said, not shown. */
static bool is_binary(const char *data, size_t len)
{
	return memchr(data, 0, len < 512 ? len : 512);
}

static int binary(struct lines *l, struct stream *s, const struct lines_piece *p)
{
	static const char text[] = "(binary data)";
	int e = p->first ? stream_flush(l, s) : 0;

	if (!p->first)
		return 0;
	s->tail = p->who;
	s->tail_flags = LOGFLAGS_BINARY;
	(void)add(l, s, text, sizeof(text) - 1);
	return e < 0 ? e : line_end(l, s);
}

/* NULs far behind in a text: blanks, because the strings of events end at them. */
static int put_with_nuls(struct lines *l, struct stream *s, const struct lines_piece *p)
{
	CLEANUP_FREE char *copy = malloc(p->len);
	char *nul;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p->data, p->len);
	while ((nul = memchr(copy, 0, p->len)))
		*nul = ' ';
	return add_lines(l, s, copy, p->len);
}

static int put_text(struct lines *l, struct stream *s, const struct lines_piece *p)
{
	if (!tail_len(s))
		block_take(l, s);
	s->tail = p->who;
	if (memchr(p->data, 0, p->len))
		return put_with_nuls(l, s, p);
	return add_lines(l, s, p->data, p->len);
}

/* After the last piece: does the line end here, or is it a buffer that was full? */
static int call_end(struct lines *l, struct stream *s, const struct lines_piece *p)
{
	if (p->left) {
		s->tail_flags |= LOGFLAGS_CUT;
		return tail_len(s) || s->has_record ? line_end(l, s) : 0;
	}
	block_forget(l, s);
	s->block = tail_len(s) && p->written >= BLOCK_BYTES && p->written % BLOCK_BYTES == 0 &&
		   map_set(&l->blocks, s->file_key, (uint64_t)(s - l->streams)) >= 0;
	return 0;
}

static int take_loss(struct lines *l, struct stream *s)
{
	int e = 0;

	if (tail_len(s)) {
		s->tail_flags |= LOGFLAGS_LOST;
		e = line_end(l, s);
	}
	/* the next line's begin may be among what is lost, or all of it */
	s->tail_flags |= LOGFLAGS_LOST;
	return e;
}

int lines_put(struct lines *l, const struct lines_piece *p, uint64_t near_ns)
{
	int e = 0;
	struct stream *s = stream_get(l, &p->who, &e);

	if (!s)
		return -ENOMEM;
	l->opts.stamps.near_ns = near_ns;
	s->used_ns = p->who.h.boot_ns;
	if (p->lost && e >= 0)
		e = take_loss(l, s);
	if (p->first) {
		s->call = ++l->calls;
		s->binary = is_binary(p->data, p->len);
	}
	if (e >= 0)
		e = s->binary ? binary(l, s, p) : put_text(l, s, p);
	if (e >= 0 && p->last && !s->binary)
		e = call_end(l, s, p);
	list_add(l, s);
	return e;
}

static uint64_t waits_since(const struct stream *s)
{
	uint64_t ns = UINT64_MAX;

	if (s->has_record)
		ns = s->head.h.boot_ns;
	if (tail_len(s) && !s->block && s->tail.h.boot_ns < ns)
		ns = s->tail.h.boot_ns;
	return ns;
}

static int tick_stream(struct lines *l, struct stream *s, uint64_t now)
{
	bool partial = tail_len(s) && !s->block;

	if (partial && now > s->tail.h.boot_ns + LINES_PARTIAL_NS) {
		int e = stream_flush(l, s);

		s->tail_flags = LOGFLAGS_CONTINUED;
		return e;
	}
	if (s->has_record && now > s->head.h.boot_ns + LINES_HOLD_NS)
		return emit(l, s);
	if (!holds(s) && s->buf && now > s->used_ns + IDLE_NS) {
		free(s->buf);
		s->buf = NULL;
	}
	return 0;
}

int lines_tick(struct lines *l, uint64_t now)
{
	uint32_t *at = &l->busy;
	int e = 0, first = 0;

	while (*at != NONE) {
		struct stream *s = &l->streams[*at];

		e = tick_stream(l, s, now);
		first = first < 0 ? first : e;
		if (holds(s) || s->buf) {
			at = &s->next;
		} else {
			*at = s->next;
			s->listed = false;
		}
	}
	return first;
}

int lines_end(struct lines *l, uint32_t tid, uint64_t start_ns)
{
	uint32_t i;
	int e = 0, one;

	for (i = l->busy; i != NONE; i = l->streams[i].next) {
		struct stream *s = &l->streams[i];
		const struct event_header *h = tail_len(s) ? &s->tail.h : &s->head.h;

		if (tid && (h->tid != tid || h->start_ns != start_ns))
			continue;
		one = stream_flush(l, s);
		e = e < 0 ? e : one;
	}
	return e;
}

void lines_settled(struct lines *l, uint64_t boot_ns)
{
	l->floor_ns = boot_ns;
}

uint64_t lines_oldest(const struct lines *l)
{
	uint64_t oldest = UINT64_MAX, ns;
	uint32_t i;

	for (i = l->busy; i != NONE; i = l->streams[i].next) {
		ns = waits_since(&l->streams[i]);
		oldest = ns < oldest ? ns : oldest;
	}
	return oldest;
}
