/* SPDX-License-Identifier: Apache-2.0 */
/* source - one host's events, with what describes them put before them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "import/internal.h"

enum preface { PREFACE_HOST, PREFACE_CLOCK, PREFACE_SUMMARY, PREFACE_END };

struct import_source {
	struct event_source base;
	struct import *imp;
	struct import_host *host;
	uint32_t number;
	enum preface preface;
	size_t next; /* entry, of the host's */
	struct event ev;
	uint32_t socks; /* that were described */
	uint64_t room[EVENT_LENGTH_MAX / 8];
};

/* Hands out the event in room, with that time and place. */
static int give(struct import_source *s, uint64_t own_ns, uint64_t place_ns, const struct event **ret)
{
	struct event_header *h = (struct event_header *)s->room;

	own_ns -= s->imp->base_ns;
	h->boot_ns = place_ns - s->imp->base_ns;
	h->flags |= own_ns < h->boot_ns ? EVENT_F_LATE : 0;
	s->ev.id++;
	s->ev.host = s->number;
	s->ev.boot_ns = own_ns;
	s->ev.type = event_types_get(s->imp->types, h->type);
	s->ev.h = h;
	*ret = &s->ev;
	return 1;
}

/* An event of ours, at that time. */
static int describe(struct import_source *s, void *fixed, uint16_t type, const char *const *strings, uint64_t ns,
		    const struct event **ret)
{
	struct event_header *h = fixed;

	h->type = type;
	h->context = CONTEXT_RECORDER;
	h->flags = EVENT_F_IMPORTED;
	(void)event_build(s->room, sizeof(s->room), fixed, strings);
	return give(s, ns, ns, ret);
}

static int tell_summary(struct import_source *s, uint64_t ns, const struct event **ret)
{
	const struct import_counts *c = &s->imp->counts;
	struct event_mark e = { .value = c->malformed };
	char text[384];

	(void)snprintf(text, sizeof(text),
		       "imported: %" PRIu64 " events of this host; in all %" PRIu64 " lines, %" PRIu64
		       " folded, %" PRIu64 " malformed",
		       s->host->events, c->lines, c->folded, c->malformed);
	if (s->imp->note)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "; %s", s->imp->note);
	return describe(s, &e, EVENT_MARK, (const char *[]) { text, NULL }, ns, ret);
}

static int tell_preface(struct import_source *s, uint64_t ns, const struct event **ret)
{
	struct event_host host = { .cpus = 0 };
	struct event_clock clock = { .real_ns = ns, .error_ns = 0 };

	switch (s->preface++) {
	case PREFACE_HOST:
		return describe(s, &host, EVENT_HOST, (const char *[]) { s->host->name, "", "", "", NULL }, ns, ret);
	case PREFACE_CLOCK:
		return describe(s, &clock, EVENT_CLOCK, NULL, ns, ret);
	default:
		return tell_summary(s, ns, ret);
	}
}

static int tell_sock(struct import_source *s, struct import_sock *k, uint32_t tid, uint64_t ns,
		     const struct event **ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct event_socket e = {
		.sock = ++s->socks, .local_port = k->local_port, .remote_port = k->remote_port, .protocol = k->protocol
	};

	k->cookie = s->socks;
	e.h.tgid = e.h.tid = tid;
	memcpy(e.local, k->local, sizeof(e.local));
	memcpy(e.remote, k->remote, sizeof(e.remote));
	e.family = memcmp(k->local, mapped, sizeof(mapped)) ? SOCKFAMILY_INET6 : SOCKFAMILY_INET;
	e.socktype = k->protocol == PROTOCOL_UDP ? SOCKTYPE_DGRAM : SOCKTYPE_STREAM;
	return describe(s, &e, EVENT_SOCKET, (const char *[]) { "", NULL }, ns, ret);
}

static int tell_thread(struct import_source *s, struct import_thread *t, uint64_t ns, const struct event **ret)
{
	struct event_process e = { .h = { .tgid = t->tid, .tid = t->tid }, .flags = PROCFLAGS_SNAPSHOT };

	t->described = true;
	return describe(s, &e, EVENT_PROCESS, (const char *[]) { t->comm ? t->comm : t->name, "", "", NULL }, ns, ret);
}

/* All events that are about a socket begin with its cookie. */
static bool has_sock(uint16_t type)
{
	return type == EVENT_CONNECT || type == EVENT_ACCEPT || type == EVENT_SEND || type == EVENT_RECV ||
	       type == EVENT_DGRAM_SEND || type == EVENT_DGRAM_RECV || type == EVENT_SHUTDOWN || type == EVENT_CLOSE;
}

static void number(const struct import *imp, uint32_t thread, __u32 *ret_tgid, __u32 *ret_tid)
{
	const struct import_thread *t = &imp->threads[thread];

	*ret_tgid = imp->threads[t->leader].tid;
	*ret_tid = t->tid;
}

/* Moments in an event's fields are moved as its time is. */
static void move_moments(struct import_source *s)
{
	const struct event_header *h = (const struct event_header *)s->room;
	const struct event_type *type = event_types_get(s->imp->types, h->type);
	uint64_t ns;
	size_t i;

	for (i = 0; i < type->nfields; i++) {
		char *at = (char *)s->room + type->fields[i].offset;

		if (type->fields[i].format != EVENT_FMT_BOOT)
			continue;
		memcpy(&ns, at, sizeof(ns));
		ns -= ns > s->imp->base_ns ? s->imp->base_ns : ns;
		memcpy(at, &ns, sizeof(ns));
	}
}

/* Numbers in place of indexes. */
static void fill_numbers(struct import_source *s, const struct import_entry *e)
{
	struct event_header *h = (struct event_header *)s->room;
	struct event_fork *fork = (struct event_fork *)s->room;
	struct event_join *join = (struct event_join *)s->room;
	struct event_signal *signal = (struct event_signal *)s->room;
	struct event_send *message = (struct event_send *)s->room;

	if (e->thread != NONE)
		number(s->imp, e->thread, &h->tgid, &h->tid);
	if (h->type == EVENT_FORK)
		number(s->imp, fork->child_tid, &fork->child_tgid, &fork->child_tid);
	else if (h->type == EVENT_JOIN)
		number(s->imp, join->child_tid, &join->child_tgid, &join->child_tid);
	else if (h->type == EVENT_SIGNAL)
		number(s->imp, signal->target_tid, &signal->target_tgid, &signal->target_tid);
	else if (has_sock(h->type))
		message->sock = s->imp->socks[message->sock].cookie;
}

static int source_next(struct event_source *base, const struct event **ret, struct err *err)
{
	struct import_source *s = (struct import_source *)base;
	const struct import_entry *e = &s->imp->entries[s->host->first + s->next];
	const struct event_header *h;
	struct import_thread *t;

	(void)err;
	if (s->next == s->host->count)
		return 0;
	if (s->preface < PREFACE_END)
		return tell_preface(s, e->place_ns, ret);
	h = (const struct event_header *)(s->imp->map + e->at);
	t = e->thread == NONE ? NULL : &s->imp->threads[e->thread];
	if (t && (t->named || t->comm) && !t->described)
		return tell_thread(s, t, e->place_ns, ret);
	if (t && has_sock(h->type)) {
		struct import_sock *k = &s->imp->socks[((const struct event_send *)(const void *)h)->sock];

		if (!k->cookie)
			return tell_sock(s, k, t->tid, e->place_ns, ret);
	}
	memcpy(s->room, h, h->length);
	fill_numbers(s, e);
	move_moments(s);
	s->next++;
	return give(s, e->own_ns, e->place_ns, ret);
}

static void source_close(struct event_source *base)
{
	free(base);
}

static const struct event_source_ops source_ops = {
	.name = "import",
	.next = source_next,
	.close = source_close,
};

int import_source(struct import *imp, unsigned int host, struct event_source **ret, struct err *err)
{
	struct import_source *s = calloc(1, sizeof(*s));
	uint32_t i;

	if (!s)
		return err_set(err, ENOMEM, "out of memory for the events of '%s'", imp->hosts[host].name);
	s->base.ops = &source_ops;
	s->imp = imp;
	s->host = &imp->hosts[host];
	s->number = host;
	for (i = 0; i < imp->nthreads; i++)
		imp->threads[i].described &= imp->threads[i].host != host;
	for (i = 0; i < imp->nsocks; i++)
		imp->socks[i].cookie = imp->socks[i].host == host ? 0 : imp->socks[i].cookie;
	*ret = &s->base;
	return 0;
}
