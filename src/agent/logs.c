/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/logs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "agent/log_files.h"
#include "agent/mask.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "lines/journal.h"
#include "lines/line.h"
#include "lines/lines.h"
#include "probe/probe.h"

#define NAME_KEPT 400 /* bytes of a file's path, from its end */
#define MESSAGES 64   /* datagrams that are being put together */
#define MESSAGE_MAX (64 * 1024)

struct queued {
	uint64_t boot_ns;
	size_t at; /* in the queue; also the order among equals */
};

struct message {
	uint32_t tid; /* 0: free */
	struct buf data;
};

struct logs {
	struct lines *lines;
	struct log_files *files;
	kernel_event_fn *emit;
	void *arg;
	struct kernel *kernel;
	struct map offsets; /* thread -> bytes that it has written, as the kernel counts */
	struct buf queue;
	struct queued *refs;
	size_t nrefs, cap_refs;
	struct message messages[MESSAGES];
	uint64_t real_offset_ns; /* CLOCK_REALTIME less CLOCK_BOOTTIME */
};

/* --- events --- */

/* The end of a long path says more than its beginning. */
static const char *name_end(const char *name)
{
	size_t n = strlen(name);

	return n > NAME_KEPT ? name + n - NAME_KEPT : name;
}

static int emit_log(struct logs *l, struct event_log *e, const char *text, const char *name)
{
	const char *strings[] = { text, name_end(name), NULL };
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;

	e->h.type = EVENT_LOG;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	if (event_build(&room, sizeof(room), e, strings) < 0)
		return -E2BIG;
	mask_secrets(room.bytes + sizeof(*e), strlen(text));
	return l->emit(l->arg, &room.h);
}

static int on_record(void *arg, const struct lines_record *r)
{
	struct logs *l = arg;
	struct event_log e = { .h = r->who->h,
			       .stamp_ns = r->unix_ns,
			       .level = r->level,
			       .fd = r->who->fd,
			       .lines = r->lines,
			       .where = (uint16_t)r->who->where,
			       .flags = (uint16_t)r->flags };
	const char *name = "";

	if (r->who->where == LOGWHERE_FILE)
		name = log_files_name(l->files, r->who->file, (uint32_t)(r->who->device >> 32),
				      (uint32_t)r->who->device);
	return emit_log(l, &e, r->text, name);
}

/* --- messages: datagrams to the journal and to syslog --- */

static uint32_t line_count(const char *text)
{
	uint32_t n = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* A text that need not end with NUL, as much of it as an event holds. */
static int emit_text(struct logs *l, struct event_log *e, const char *text, size_t len)
{
	char copy[LINES_TEXT_MAX + 1];
	size_t i;

	if (len > LINES_TEXT_MAX) {
		len = LINES_TEXT_MAX;
		e->flags |= LOGFLAGS_CUT;
	}
	for (i = 0; i < len; i++)
		copy[i] = text[i] ? text[i] : ' ';
	len = line_clean(copy, len);
	while (len && (copy[len - 1] == '\n' || copy[len - 1] == ' '))
		len--;
	copy[len] = 0;
	e->lines = line_count(copy);
	return emit_log(l, e, copy, "");
}

static int journal_entry(struct logs *l, struct event_log *e, const char *data, size_t len)
{
	struct journal_field f, text = { .value = "", .value_len = 0 };
	size_t at = 0;

	while (journal_next(data, len, &at, &f) > 0) {
		if (journal_is(&f, "MESSAGE"))
			text = f;
		else if (journal_is(&f, "PRIORITY"))
			e->level = journal_level(&f);
	}
	return emit_text(l, e, text.value, text.value_len);
}

static int syslog_message(struct logs *l, struct event_log *e, const char *data, size_t len)
{
	const struct stamp_opts opts = { .local = true, .near_ns = e->h.boot_ns + l->real_offset_ns };
	const char *line_feed = memchr(data, '\n', len), *behind;
	struct line_info info;

	line_recognise(data, line_feed ? (size_t)(line_feed - data) : len, NULL, &opts, &info);
	e->level = info.level;
	e->stamp_ns = info.unix_ns;
	behind = len && data[0] == '<' ? memchr(data, '>', len < 6 ? len : 6) : NULL;
	if (behind) {
		len -= (size_t)(behind + 1 - data);
		data = behind + 1;
	}
	return emit_text(l, e, data, len);
}

static int message_end(struct logs *l, const struct event_log_piece *p, struct message *m)
{
	struct event_log e = { .h = p->h, .fd = p->fd, .where = p->where };
	const char *data = m->data.data ? m->data.data : "";

	m->tid = 0;
	if (p->written > m->data.len)
		e.flags |= LOGFLAGS_CUT;
	return p->where == LOGWHERE_JOURNAL ? journal_entry(l, &e, data, m->data.len)
					    : syslog_message(l, &e, data, m->data.len);
}

/* What the journal gets as a file is not to be had when the call has ended: that is said. */
static int memfd_entry(struct logs *l, const struct event_log_piece *p)
{
	struct event_log e = { .h = p->h, .fd = p->fd, .where = p->where, .flags = LOGFLAGS_CUT };
	char text[96];

	(void)snprintf(text, sizeof(text), "(an entry of %u bytes, handed over as a sealed file: not read)",
		       p->written);
	return emit_text(l, &e, text, strlen(text));
}

static struct message *message_of(struct logs *l, uint32_t tid)
{
	struct message *m, *found = &l->messages[0];

	for (m = l->messages; m < l->messages + MESSAGES; m++) {
		if (m->tid == tid)
			return m;
		if (!m->tid)
			found = m;
	}
	found->tid = tid;
	buf_reset(&found->data);
	return found;
}

static int message_piece(struct logs *l, const struct event_log_piece *p, const char *data)
{
	struct message *m = message_of(l, p->h.tid);

	if (!p->at)
		buf_reset(&m->data);
	if (m->data.len + p->bytes <= MESSAGE_MAX)
		buf_add(&m->data, data, p->bytes);
	return p->flags & PIECEFLAGS_LAST ? message_end(l, p, m) : 0;
}

/* --- pieces --- */

/* Bytes of the thread that are missing before the piece. */
static uint64_t lost_before(struct logs *l, const struct event_log_piece *p)
{
	uint64_t key = map_hash(p->h.start_ns ^ (uint64_t)p->h.tid << 32), lost;
	uint64_t *next = map_get(&l->offsets, key);

	lost = p->offset - (next ? *next : 0);
	if (next)
		*next = p->offset + p->bytes;
	else
		(void)map_set(&l->offsets, key, p->offset + p->bytes);
	return lost;
}

static int line_piece(struct logs *l, const struct event_log_piece *p, const char *data, uint64_t lost)
{
	static const char unreadable[] = "(not readable)\n";
	struct lines_piece piece = { .who = { .h = p->h, .file = p->file, .fd = p->fd, .where = p->where },
				     .data = data,
				     .len = p->bytes,
				     .lost = lost,
				     .written = p->written,
				     .first = !p->at,
				     .last = p->flags & PIECEFLAGS_LAST };

	piece.who.device = (uint64_t)p->device << 32 | p->generation;
	if (piece.last)
		piece.left = p->written - p->at - p->bytes;
	if (p->flags & PIECEFLAGS_UNREADABLE) {
		piece.data = unreadable;
		piece.len = sizeof(unreadable) - 1;
	}
	return lines_put(l->lines, &piece, p->h.boot_ns + l->real_offset_ns);
}

static int kernel_table(struct logs *l)
{
	struct bpf_object *o = l->kernel ? kernel_bpf(l->kernel, &probe_call) : NULL;

	return o ? bpf_object__find_map_fd_by_name(o, "log_files") : -1;
}

/* The kernel did not know yet whether it is a log. */
static void decide(struct logs *l, struct event_log_piece *p)
{
	if (log_files_name(l->files, p->file, p->device, p->generation)[0])
		p->where = LOGWHERE_FILE;
	else if (p->where == LOGWHERE_FILE)
		p->where = LOGWHERE_UNKNOWN;
}

static int one_piece(struct logs *l, struct event_log_piece *p)
{
	const char *data = (const char *)p + sizeof(*p);
	uint64_t lost;

	if (p->h.length < sizeof(*p) || p->bytes > p->h.length - sizeof(*p))
		return -EBADMSG;
	if (p->flags & PIECEFLAGS_PATH)
		return log_files_see(l->files, p, kernel_table(l));
	lost = lost_before(l, p);
	if (p->flags & PIECEFLAGS_UNDECIDED)
		decide(l, p);
	if (p->where == LOGWHERE_UNKNOWN)
		return 0;
	if (p->flags & PIECEFLAGS_MEMFD)
		return memfd_entry(l, p);
	if (p->where == LOGWHERE_JOURNAL || p->where == LOGWHERE_SYSLOG)
		return message_piece(l, p, data);
	return line_piece(l, p, data, lost);
}

static int one_exit(struct logs *l, const struct event_header *h)
{
	(void)map_del(&l->offsets, map_hash(h->start_ns ^ (uint64_t)h->tid << 32));
	return lines_end(l->lines, h->tid, h->start_ns);
}

static int one(struct logs *l, struct event_header *h)
{
	int e = h->type == EVENT_EXIT ? one_exit(l, h) : one_piece(l, (struct event_log_piece *)(void *)h);

	/* no memory for it: its bytes are missing in the thread's count, as those of a lost one */
	return e == -ENOMEM || e == -EBADMSG ? 0 : e;
}

/* --- the queue --- */

static int queued_compare(const void *pa, const void *pb)
{
	const struct queued *a = pa, *b = pb;

	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* What waits further moves to the front. */
static void queue_tidy(struct logs *l, size_t done)
{
	struct buf kept = BUF_INIT;
	size_t i;

	if (done == l->nrefs) {
		buf_reset(&l->queue);
		l->nrefs = 0;
		return;
	}
	for (i = done; i < l->nrefs; i++) {
		const struct event_header *h = (const void *)(l->queue.data + l->refs[i].at);

		l->refs[i - done] = (struct queued) { .boot_ns = h->boot_ns, .at = kept.len };
		buf_add(&kept, h, h->length);
	}
	if (kept.failed) {
		buf_fini(&kept);
		buf_reset(&l->queue);
		l->nrefs = 0;
		return;
	}
	l->nrefs -= done;
	buf_fini(&l->queue);
	l->queue = kept;
}

static int queue_run(struct logs *l, uint64_t before)
{
	size_t i;
	int e = 0;

	if (!l->nrefs)
		return 0;
	qsort(l->refs, l->nrefs, sizeof(*l->refs), queued_compare);
	for (i = 0; e >= 0 && i < l->nrefs && l->refs[i].boot_ns < before; i++)
		e = one(l, (void *)(l->queue.data + l->refs[i].at));
	if (i)
		queue_tidy(l, i);
	return e;
}

int logs_take(struct logs *l, const struct event_header *h)
{
	if (l->queue.len > LOGS_QUEUE_MAX) {
		int e = queue_run(l, UINT64_MAX);

		if (e < 0)
			return e;
	}
	if (l->nrefs == l->cap_refs) {
		size_t cap = MAX(2 * l->cap_refs, 256U);
		struct queued *grown = realloc(l->refs, cap * sizeof(*grown));

		if (!grown)
			return 0;
		l->refs = grown;
		l->cap_refs = cap;
	}
	l->refs[l->nrefs] = (struct queued) { .boot_ns = h->boot_ns, .at = l->queue.len };
	buf_add(&l->queue, h, h->length);
	if (l->queue.failed) {
		l->queue.failed = false;
		return 0;
	}
	l->nrefs++;
	return 0;
}

int logs_tick(struct logs *l, uint64_t settled, uint64_t now)
{
	int e = queue_run(l, settled);

	if (e < 0)
		return e;
	return settled == UINT64_MAX ? lines_end(l->lines, 0, 0) : lines_tick(l->lines, now);
}

uint64_t logs_settle(struct logs *l, uint64_t settled)
{
	uint64_t oldest = lines_oldest(l->lines);

	settled = oldest < settled ? oldest : settled;
	lines_settled(l->lines, settled);
	return settled;
}

/* --- life --- */

int logs_new(const char *const *globs, size_t nglobs, struct kernel_cfg *cfg, kernel_event_fn *emit, void *arg,
	     struct logs **ret, struct err *err)
{
	struct logs *l = calloc(1, sizeof(*l));
	struct clock_pair now = clock_pair_read();
	struct lines_opts opts = { .record = on_record, .arg = l, .stamps = { .local = true } };
	int e;

	if (!l || lines_new(&opts, &l->lines) < 0) {
		logs_free(l);
		return err_set(err, ENOMEM, "out of memory for log lines");
	}
	l->emit = emit;
	l->arg = arg;
	l->real_offset_ns = now.real_ns - now.boot_ns;
	e = log_files_new(globs, nglobs, cfg, &l->files, err);
	if (e < 0) {
		logs_free(l);
		return e;
	}
	*ret = l;
	return 0;
}

void logs_bind(struct logs *l, struct kernel *k)
{
	l->kernel = k;
}

struct logs *logs_free(struct logs *l)
{
	size_t i;

	if (!l)
		return NULL;
	for (i = 0; i < MESSAGES; i++)
		buf_fini(&l->messages[i].data);
	l->lines = lines_free(l->lines);
	l->files = log_files_free(l->files);
	map_fini(&l->offsets);
	buf_fini(&l->queue);
	free(l->refs);
	free(l);
	return NULL;
}
