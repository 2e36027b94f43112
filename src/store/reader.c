/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader: recordings as streams, merged by Unix time.  The key of the merge is the place in the stream (the time
 * stamp on disk), which never decreases; a late event therefore comes where it was written, with its own time in it.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/fetch.h"
#include "store/folder.h"
#include "store/heap.h"
#include "store/fingerprint.h"
#include "store/recording.h"
#include "store/store.h"

#define HOSTS_MAX 1024

struct store_reader {
	struct event_types *types;
	struct recording *recs[HOSTS_MAX];
	char *names[HOSTS_MAX]; /* where several have one host name; else NULL */
	unsigned int hosts;
	struct fetch fetch;
	bool late; /* not all blocks are known, see store_open_late() */
};

struct reader_stream {
	struct stream s;
	struct event ev;	 /* that waits to be handed out */
	uint64_t from_ns, to_ns; /* on the clock of this host; to_ns 0: open */
};

struct reader_source {
	struct event_source base;
	struct store_reader *reader;
	uint32_t tgid;
	bool started;
	struct event current;
	size_t nheap;
	struct heap_item *heap;
	struct reader_stream streams[];
};

/* Namespaces of one machine share its clock: then their order is exact, however the clock was read. */
static void share_epoch(struct store_reader *r, unsigned int host)
{
	struct recording *rec = r->recs[host];
	unsigned int i;

	for (i = 0; i < host; i++)
		if (rec->meta.boot_id[0] && !strcmp(rec->meta.boot_id, r->recs[i]->meta.boot_id)) {
			rec->epoch_ns = r->recs[i]->epoch_ns;
			return;
		}
}

static int add_recording(struct store_reader *r, const char *path, struct err *err)
{
	struct recording *rec = NULL;
	int res;

	if (r->hosts == HOSTS_MAX)
		return err_set(err, E2BIG, "cannot read more than %d recordings together", HOSTS_MAX);
	res = recording_open(path, r->hosts, r->late ? RECORDING_LATE : RECORDING_SHARED, r->types, &rec, err);
	if (res < 0)
		return res;
	r->recs[r->hosts] = rec;
	share_epoch(r, r->hosts++);
	return 0;
}

static int only_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int add_directory(struct store_reader *r, const char *path, struct err *err)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, only_visible, versionsort), i, res = 0;
	unsigned int before = r->hosts;

	if (n < 0)
		return err_errno(err, errno, "cannot open recording '%s'", path);
	for (i = 0; i < n; i++) {
		CLEANUP_FREE char *child = NULL;

		if (asprintf(&child, "%s/%s", path, names[i]->d_name) < 0)
			child = NULL;
		if (!res && child && recording_here(child))
			res = add_recording(r, child, err);
		free(names[i]);
	}
	free(names);
	if (!res && r->hosts == before)
		return err_set(err, ENOENT, "cannot open recording '%s': no metadata file, there or one level below",
			       path);
	return res;
}

static bool shares_name(const struct store_reader *r, unsigned int host)
{
	unsigned int i;

	for (i = 0; i < r->hosts; i++)
		if (i != host && !strcmp(r->recs[i]->meta.hostname, r->recs[host]->meta.hostname))
			return true;
	return false;
}

/* Recordings of one host are told apart by the names of their folders, and by their numbers where these are one, too. */
static int name_hosts(struct store_reader *r)
{
	unsigned int i, k;

	for (i = 0; i < r->hosts; i++) {
		const char *path = r->recs[i]->path, *end = path + strlen(path), *begin;

		if (!shares_name(r, i))
			continue;
		while (end > path + 1 && end[-1] == '/')
			end--;
		for (begin = end; begin > path && begin[-1] != '/';)
			begin--;
		r->names[i] = strndup(begin, (size_t)(end - begin));
		for (k = 0; k < i && r->names[i]; k++) {
			if (strcmp(store_host_name(r, k), r->names[i]) != 0)
				continue;
			free(r->names[i]);
			if (asprintf(&r->names[i], "%.*s#%u", (int)(end - begin), begin, i + 1) < 0)
				r->names[i] = NULL;
			break;
		}
		if (!r->names[i])
			return -ENOMEM;
	}
	return 0;
}

static int open_reader(const char *const *paths, unsigned int npaths, bool late, struct store_reader **ret,
		       struct err *err)
{
	struct store_reader *r = calloc(1, sizeof(*r));
	int res = r ? event_types_new(&r->types) : -ENOMEM;
	unsigned int i;

	if (res < 0) {
		store_reader_free(r);
		return err_set(err, ENOMEM, "out of memory for reading recordings");
	}
	r->late = late;
	fetch_init(&r->fetch);
	for (i = 0; !res && i < npaths; i++)
		res = recording_here(paths[i]) ? add_recording(r, paths[i], err) : add_directory(r, paths[i], err);
	if (!res && !r->hosts)
		res = err_set(err, EINVAL, "no recording was named");
	if (!res && name_hosts(r) < 0)
		res = err_set(err, ENOMEM, "out of memory for reading recordings");
	if (res < 0) {
		store_reader_free(r);
		return res;
	}
	*ret = r;
	return 0;
}

int store_open(const char *const *paths, unsigned int npaths, struct store_reader **ret, struct err *err)
{
	return open_reader(paths, npaths, false, ret, err);
}

int store_open_late(const char *const *paths, unsigned int npaths, struct store_reader **ret, struct err *err)
{
	return open_reader(paths, npaths, true, ret, err);
}

struct store_reader *store_reader_free(struct store_reader *r)
{
	unsigned int i;

	if (!r)
		return NULL;
	fetch_fini(&r->fetch);
	for (i = 0; i < r->hosts; i++) {
		recording_free(r->recs[i]);
		free(r->names[i]);
	}
	event_types_free(r->types);
	free(r);
	return NULL;
}

const struct event_types *store_types(const struct store_reader *r)
{
	return r->types;
}

unsigned int store_hosts(const struct store_reader *r)
{
	return r->hosts;
}

const char *store_host_name(const struct store_reader *r, unsigned int host)
{
	if (host >= r->hosts)
		return "";
	return r->names[host] ? r->names[host] : r->recs[host]->meta.hostname;
}

const char *store_path(const struct store_reader *r, unsigned int host)
{
	return host < r->hosts ? r->recs[host]->path : "";
}

uint64_t store_host_epoch(const struct store_reader *r, unsigned int host)
{
	return host < r->hosts ? r->recs[host]->epoch_ns : 0;
}

bool store_same_boot(const struct store_reader *r, unsigned int a, unsigned int b)
{
	const char *boot;

	if (a >= r->hosts || b >= r->hosts)
		return false;
	boot = r->recs[a]->meta.boot_id;
	return a == b || (boot[0] && !strcmp(boot, r->recs[b]->meta.boot_id));
}

int store_refresh(struct store_reader *r, struct err *err)
{
	unsigned int i;
	int res = 0;

	for (i = 0; i < r->hosts && !res; i++)
		res = recording_refresh(r->recs[i], err);
	for (i = 0; i < r->hosts && !res && r->late; i++)
		share_epoch(r, i);
	r->late = r->late && res;
	return res;
}

int store_fingerprint(const struct store_reader *r, char ret[STORE_FINGERPRINT_MAX], struct err *err)
{
	uint64_t sum = r->hosts;
	unsigned int i;
	int res;

	for (i = 0; i < r->hosts; i++) {
		res = fingerprint_add(r->recs[i], &sum, err);
		if (res < 0)
			return res;
	}
	(void)snprintf(ret, STORE_FINGERPRINT_MAX, "%u-%016llx", r->hosts, (unsigned long long)sum);
	return 0;
}

bool store_growing(const struct store_reader *r)
{
	unsigned int i;

	for (i = 0; i < r->hosts; i++)
		if (folder_busy(r->recs[i]->dirfd))
			return true;
	return false;
}

/* Whether the block can hold something that is wanted. */
static bool wanted(const struct reader_source *src, const struct reader_stream *rs, const struct index_entry *e)
{
	if (e->fault != BLOCK_OK)
		return true; /* to be told */
	return e->end_ns >= rs->from_ns && (!rs->to_ns || e->own_begin_ns < rs->to_ns) &&
	       (!src->tgid || index_has_tgid(&rs->s.rec->index, e, src->tgid));
}

/* 1: rs->ev is the stream's next event. */
static int advance(struct reader_source *src, struct reader_stream *rs)
{
	struct index *ix = &rs->s.rec->index;

	for (;;) {
		while (stream_next(&rs->s, &rs->ev) > 0)
			if (rs->ev.boot_ns >= rs->from_ns && (!rs->to_ns || rs->ev.boot_ns < rs->to_ns))
				return 1;
		for (;; rs->s.next++) {
			if (rs->s.next >= ix->count)
				return 0;
			if (ix->entries[rs->s.next].first_id)
				stream_gap(&rs->s, &ix->entries[rs->s.next]);
			if (wanted(src, rs, &ix->entries[rs->s.next]))
				break;
		}
		(void)stream_load(&rs->s, rs->s.next++);
	}
}

static struct heap_item stream_item(const struct reader_stream *rs)
{
	return (struct heap_item) { .time = rs->ev.h->boot_ns + rs->s.rec->epoch_ns, .source = rs->s.rec->host };
}

static void source_start(struct reader_source *src)
{
	unsigned int i;

	src->started = true;
	for (i = 0; i < src->reader->hosts; i++) {
		struct reader_stream *rs = &src->streams[i];

		if (rs->s.damage && rs->s.rec->metadata_damage)
			rs->s.damage(rs->s.arg, rs->s.rec->metadata_damage);
		if (advance(src, rs) > 0)
			heap_push(src->heap, &src->nheap, stream_item(rs));
	}
}

static int source_next(struct event_source *base, const struct event **ret, struct err *err)
{
	struct reader_source *src = (struct reader_source *)base;
	struct reader_stream *rs;

	(void)err;
	if (!src->started) {
		source_start(src);
	} else if (src->nheap) {
		rs = &src->streams[src->heap[0].source];
		if (advance(src, rs) > 0) {
			src->heap[0] = stream_item(rs);
			heap_down(src->heap, src->nheap);
		} else {
			heap_pop(src->heap, &src->nheap);
		}
	}
	if (!src->nheap)
		return 0;
	*ret = &src->streams[src->heap[0].source].ev;
	return 1;
}

static void source_close(struct event_source *base)
{
	struct reader_source *src = (struct reader_source *)base;
	unsigned int i;

	for (i = 0; i < src->reader->hosts; i++)
		stream_fini(&src->streams[i].s);
	free(src->heap);
	free(src);
}

static const struct event_source_ops source_ops = {
	.name = "recording",
	.next = source_next,
	.close = source_close,
};

/* A moment of host 0 on the clock of another host, as far as both are known; 0 stays 0. */
static uint64_t on_clock(const struct store_reader *r, unsigned int host, uint64_t ns)
{
	uint64_t first = r->recs[0]->epoch_ns, own = r->recs[host]->epoch_ns, unix_ns = first + ns;

	if (!ns || !first || !own || first == own)
		return ns;
	return unix_ns > own ? unix_ns - own : 1;
}

int store_read(struct store_reader *r, const struct store_read_opts *opts, struct event_source **ret, struct err *err)
{
	static const struct store_read_opts all;
	int res = store_refresh(r, err); /* first: it is what epochs are known from */
	struct reader_source *src;
	unsigned int i;

	if (res < 0)
		return res;
	opts = opts ? opts : &all;
	src = calloc(1, sizeof(*src) + r->hosts * sizeof(src->streams[0]));
	if (src)
		src->heap = calloc(r->hosts, sizeof(*src->heap));
	if (!src || !src->heap) {
		free(src);
		return err_set(err, ENOMEM, "out of memory for reading recordings");
	}
	src->base.ops = &source_ops;
	src->reader = r;
	src->tgid = opts->tgid;
	for (i = 0; i < r->hosts; i++) {
		struct reader_stream *rs = &src->streams[i];

		stream_init(&rs->s, r->recs[i]);
		rs->s.damage = opts->damage;
		rs->s.arg = opts->arg;
		rs->from_ns = on_clock(r, i, opts->from_boot_ns);
		rs->to_ns = on_clock(r, i, opts->to_boot_ns);
	}
	*ret = &src->base;
	return 0;
}

int store_fetch(struct store_reader *r, unsigned int host, uint64_t id, void *out, size_t cap, struct event *ret,
		struct err *err)
{
	const struct event *ev;
	int res;

	if (host >= r->hosts)
		return err_set(err, ENOENT, "there is no host %u: %u were read", host, r->hosts);
	res = fetch_event(&r->fetch, r->recs[host], id, &ev, err);
	if (res < 0)
		return res;
	if (ev->h->length > cap)
		return err_set(err, EMSGSIZE, "event %" PRIu64 " has %u bytes, there is room for %zu", id,
			       ev->h->length, cap);
	memcpy(out, ev->h, ev->h->length);
	*ret = *ev;
	ret->h = out;
	return 0;
}

void store_reader_stats(const struct store_reader *r, struct store_stats *ret)
{
	unsigned int i;
	size_t j;

	*ret = (struct store_stats) { 0 };
	for (i = 0; i < r->hosts; i++) {
		const struct index *ix = &r->recs[i]->index;

		ret->chunks += ix->chunks;
		ret->read_blocks += r->recs[i]->read_blocks;
		for (j = 0; j < ix->count; j++) {
			const struct index_entry *e = &ix->entries[j];
			bool bad = e->fault != BLOCK_OK && e->fault != BLOCK_GONE;

			ret->blocks++;
			ret->events += e->count;
			ret->late += e->late;
			ret->bytes += e->bytes;
			ret->damaged_blocks += bad;
			ret->damaged_bytes += bad ? e->bytes : 0;
		}
	}
}
