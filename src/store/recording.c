/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/folder.h"

#define EPOCH_BLOCKS 4 /* a checkpoint with its clock is in the first */

bool recording_here(const char *path)
{
	char name[4096];

	return snprintf(name, sizeof(name), "%s/" FOLDER_METADATA, path) < (int)sizeof(name) && !access(name, F_OK);
}

int recording_metadata(int dirfd, const char *path, char **ret, size_t *ret_len, bool *ret_damaged, struct err *err)
{
	CLEANUP_FREE char *text = NULL, *copy = NULL;
	size_t len = 0, copy_len = 0;
	int r = folder_read(dirfd, FOLDER_METADATA, METADATA_MAX, &text, &len);

	*ret_damaged = r < 0 || !metadata_intact(text, len);
	if (*ret_damaged && !folder_read(dirfd, FOLDER_METADATA_COPY, METADATA_MAX, &copy, &copy_len) &&
	    metadata_intact(copy, copy_len)) {
		*ret = TAKE(copy);
		*ret_len = copy_len;
		return 0;
	}
	if (r < 0)
		return err_errno(err, -r, "cannot open recording '%s': no metadata", path);
	*ret = TAKE(text);
	*ret_len = len;
	return 0;
}

struct type_adder {
	struct recording *rec;
	struct event_types *types;
};

/* A number that nobody has; 0: all are taken. */
static uint16_t free_number(const struct event_types *types)
{
	uint32_t id = EVENT_DYNAMIC_MIN;

	while (id <= UINT16_MAX && event_types_get(types, (uint16_t)id))
		id++;
	return id <= UINT16_MAX ? (uint16_t)id : 0;
}

/* Recordings of several hosts number their own types independently: same name and layout is the same type. */
static int add_type(void *arg, const struct event_type *t, struct err *err)
{
	struct type_adder *a = arg;
	const struct event_type *named = event_types_find(a->types, t->name);
	struct event_type other = *t;
	CLEANUP_FREE char *name = NULL;
	int r;

	if (t->id < EVENT_DYNAMIC_MIN)
		return err_set(err, EBADMSG, "event type '%s' has the number %u, which is reserved", t->name, t->id);
	if (typemap_get(&a->rec->map, t->id)->type)
		return err_set(err, EBADMSG, "event type %u is declared twice", t->id);
	if (named && metadata_layout(named) == metadata_layout(t)) {
		typemap_set(&a->rec->map, t->id, named);
		a->rec->renumbered = a->rec->renumbered || named->id != t->id;
		return 0;
	}
	if (event_types_get(a->types, t->id))
		other.id = free_number(a->types);
	a->rec->renumbered = a->rec->renumbered || other.id != t->id;
	if (named && asprintf(&name, "%s@%u", t->name, a->rec->host) < 0)
		return -ENOMEM;
	if (named)
		other.name = name;
	r = event_types_add(a->types, &other, err);
	if (r < 0)
		return r;
	typemap_set(&a->rec->map, t->id, event_types_get(a->types, other.id));
	return 0;
}

static int read_metadata(struct recording *rec, struct event_types *types, struct err *err)
{
	struct type_adder adder = { .rec = rec, .types = types };
	CLEANUP_FREE char *text = NULL;
	bool damaged;
	size_t len;
	int r = recording_metadata(rec->dirfd, rec->path, &text, &len, &damaged, err);

	if (r < 0)
		return r;
	r = metadata_parse(text, len, &rec->meta, add_type, &adder, err);
	if (r < 0)
		return err_prefix(err, "cannot open recording '%s'", rec->path);
	if (damaged && asprintf(&rec->metadata_damage, "'%s/" FOLDER_METADATA "' is damaged", rec->path) < 0)
		rec->metadata_damage = NULL;
	return 0;
}

/* The first clock event of the first blocks; else what the metadata says. */
static void find_epoch(struct recording *rec)
{
	struct stream s;
	struct event ev;
	size_t i;

	rec->epoch_ns = rec->meta.epoch_ns;
	stream_init(&s, rec);
	for (i = rec->epoch_blocks; i < rec->index.count && i < EPOCH_BLOCKS; i++) {
		rec->epoch_blocks = i + 1;
		if (stream_load(&s, i) < 0)
			continue;
		while (stream_next(&s, &ev) > 0) {
			uint64_t real_ns = ev.type->id == EVENT_CLOCK ? EVENT_AS(clock, &ev)->real_ns : 0;

			if (real_ns <= ev.boot_ns || real_ns > INT64_MAX)
				continue;
			rec->epoch_ns = real_ns - ev.boot_ns;
			i = rec->index.count;
			break;
		}
	}
	stream_fini(&s);
}

int recording_refresh(struct recording *rec, struct err *err)
{
	bool locked = rec->index.locked;
	int r;

	if (rec->late) {
		index_fini(&rec->index);
		rec->index.locked = locked;
		rec->indexes++;
		rec->late = false;
	}
	r = index_refresh(&rec->index, rec->dirfd, rec->path, rec->meta.uuid, err);

	if (r >= 0 && !rec->epoch_ns)
		find_epoch(rec);
	return r;
}

struct index_entry *recording_entry(struct recording *rec, uint64_t id, struct err *err)
{
	struct index_entry *e = index_find(&rec->index, id);

	if (!e && rec->late) {
		rec->indexes++;
		if (index_chunk_of(&rec->index, rec->dirfd, rec->meta.uuid, id) > 0)
			return index_find(&rec->index, id);
	}
	if (e || recording_refresh(rec, err) < 0)
		return e;
	e = index_find(&rec->index, id);
	if (!e)
		err_set(err, ENOENT, "recording '%s' has no event %" PRIu64, rec->path, id);
	return e;
}

int recording_open(const char *path, uint32_t host, enum recording_how how, struct event_types *types,
		   struct recording **ret, struct err *err)
{
	struct recording *rec = calloc(1, sizeof(*rec));
	int r;

	if (!rec)
		return err_set(err, ENOMEM, "out of memory for recording '%s'", path);
	rec->host = host;
	rec->index = (struct index)INDEX_INIT;
	rec->index.locked = how == RECORDING_LOCKED;
	rec->late = how == RECORDING_LATE;
	rec->path = strdup(path);
	rec->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rec->dirfd < 0)
		r = err_errno(err, errno, "cannot open recording '%s'", path);
	else if (!rec->path || typemap_init(&rec->map) < 0)
		r = err_set(err, ENOMEM, "out of memory for recording '%s'", path);
	else
		r = read_metadata(rec, types, err);
	if (r >= 0 && !rec->late)
		r = index_refresh(&rec->index, rec->dirfd, rec->path, rec->meta.uuid, err);
	if (r < 0) {
		recording_free(rec);
		return r;
	}
	if (!rec->late)
		find_epoch(rec);
	*ret = rec;
	return 0;
}

struct recording *recording_free(struct recording *rec)
{
	if (!rec)
		return NULL;
	index_fini(&rec->index);
	typemap_fini(&rec->map);
	if (rec->dirfd >= 0)
		(void)close(rec->dirfd);
	free(rec->metadata_damage);
	free(rec->path);
	free(rec);
	return NULL;
}

void stream_init(struct stream *s, struct recording *rec)
{
	*s = (struct stream) { .rec = rec, .fd = -1 };
}

void stream_fini(struct stream *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->buf.data);
	s->buf.data = NULL;
	s->fd = -1;
}

__attribute__((format(printf, 2, 3))) static void tell(struct stream *s, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!s->damage)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->damage(s->arg, text);
}

static void tell_fault(struct stream *s, const struct index_entry *e, const char *why)
{
	char name[FOLDER_NAME_MAX];

	folder_chunk_name(name, e->chunk);
	tell(s, "'%s/%s': the block at byte %" PRIu64 " (%" PRIu64 " bytes) is skipped: %s", s->rec->path, name,
	     e->offset, e->bytes, why);
}

void stream_gap(struct stream *s, const struct index_entry *e)
{
	if (s->expected_id && e->first_id > s->expected_id)
		tell(s, "'%s': the events from %" PRIu64 " to %" PRIu64 " are missing", s->rec->path, s->expected_id,
		     e->first_id - 1);
	s->expected_id = e->first_id + e->count;
}

/* -ENOENT: the chunk was retired. */
static int open_chunk(struct stream *s, uint32_t chunk)
{
	char name[FOLDER_NAME_MAX];

	if (s->fd >= 0 && s->fd_chunk == chunk)
		return 0;
	if (s->fd >= 0)
		(void)close(s->fd);
	folder_chunk_name(name, chunk);
	s->fd = openat(s->rec->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	s->fd_chunk = chunk;
	return s->fd < 0 ? -errno : 0;
}

int stream_load(struct stream *s, size_t entry)
{
	struct index_entry *e = &s->rec->index.entries[entry];
	int r = e->fault == BLOCK_OK ? open_chunk(s, e->chunk) : 0;

	s->loaded = 0;
	s->rec->read_blocks += !r;
	if (r == -ENOENT)
		e->fault = BLOCK_GONE;
	else
		e->fault = (uint8_t)(r < 0 ? BLOCK_UNREADABLE : index_load(e, s->fd, s->rec->meta.uuid, &s->buf));
	if (e->fault == BLOCK_GONE)
		return -EBADMSG;
	if (e->fault != BLOCK_OK) {
		tell_fault(s, e, block_fault_text(e->fault));
		return -EBADMSG;
	}
	block_walk(&s->cursor, s->buf.data, &s->rec->map);
	s->loaded = entry + 1;
	return 0;
}

int stream_next(struct stream *s, struct event *ret)
{
	struct err err = ERR_INIT;
	struct index_entry *e;
	int r;

	if (!s->loaded)
		return 0;
	e = &s->rec->index.entries[s->loaded - 1];
	if (s->cursor.id - e->first_id >= e->count && s->cursor.at < s->cursor.end)
		r = err_set(&err, EBADMSG, "it holds more events than its header says");
	else
		r = block_next(&s->cursor, ret, &err);
	if (r > 0) {
		ret->host = s->rec->host;
		return 1;
	}
	if (r < 0) {
		e->fault = BLOCK_BAD_EVENT;
		tell_fault(s, e, err.text);
		s->loaded = 0;
	}
	return 0;
}
