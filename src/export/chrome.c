/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chrome - JSON in Chrome's Trace Event Format, which Perfetto and chrome://tracing open.
 *
 * Each event of a thread is a slice: a send as long as it took, all others a microsecond.  What an interrupt does is an
 * instant beside the threads.  Every exact edge between threads is a flow from slice to slice ("bp":"e": it binds to the
 * slice around it, not to the next one).  Slices of a thread must not overlap in part, and an effect shall not come before
 * its cause, so a slice begins when the one before it has ended, and its causes have begun; the event's own time stands in
 * its args.
 *
 * Times are on the first host's clock as far as the messages tell how the clocks differ, else by what the hosts believed.
 * Ids of processes and threads of further hosts get the host's number above Linux' highest id.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "export/internal.h"

#define SLICE_NS 1000
#define HOST_SHIFT 23 /* PID_MAX_LIMIT is 2^22; imports go above it a little */
#define INTERRUPTS_TID 0
#define EFFECT_BITS 8
#define EFFECTS_MAX ((1U << EFFECT_BITS) - 1)
#define OFFSET_NS 1000000000ULL /* an offset between clocks holds that long */
#define TEXT_MAX 80		/* of a log line in a slice's name */

/* Of a host's clock, and when it was looked for. */
struct offset {
	int64_t ns;
	uint64_t at;
	bool known;
};

struct chrome {
	struct export *x;
	struct offset *offsets; /* by host */
	struct map busy;	/* host << 32 | tid -> when the thread's last slice ends */
	struct map named;	/* processes that were named */
	struct map waited;	/* event -> when its slice begins << EFFECT_BITS | effects that are still to come */
	bool began;
	/* the event at hand */
	const struct event *ev;
	uint64_t slice_ns;
	unsigned int effects;
	struct err *err;
	int failed;
};

static uint64_t id_of(uint32_t host, uint32_t id)
{
	return ((uint64_t)host << HOST_SHIFT) + id;
}

static int64_t offset_of(struct chrome *c, uint32_t host, uint64_t boot_ns);

/*
 * The host's clock minus the first host's, near that moment: what both believed, as far as the messages between this host and
 * those before it allow.
 */
static int64_t look_for_offset(struct chrome *c, uint32_t host, uint64_t boot_ns)
{
	const struct export_opts *o = c->x->opts;
	uint64_t epoch = o->host_epoch(o->arg, host);
	int64_t believed = (int64_t)(o->host_epoch(o->arg, 0) - epoch), low = INT64_MIN, high = INT64_MAX;
	struct order_offset found;
	uint32_t a;

	for (a = 0; a < host; a++) {
		uint64_t then = boot_ns + epoch - o->host_epoch(o->arg, a);
		int64_t other;

		(void)order_host_offset(c->x->order, a, host, then, &found);
		if (!found.messages_ab && !found.messages_ba)
			continue;
		other = offset_of(c, a, then);
		if (found.messages_ba && found.low_ns != INT64_MIN)
			low = other + found.low_ns > low ? other + found.low_ns : low;
		if (found.messages_ab && found.high_ns != INT64_MAX)
			high = other + found.high_ns < high ? other + found.high_ns : high;
	}
	if (low > high)
		return low / 2 + high / 2;
	return believed < low ? low : believed > high ? high : believed;
}

static int64_t offset_of(struct chrome *c, uint32_t host, uint64_t boot_ns)
{
	struct offset *o = &c->offsets[host];
	uint64_t away = boot_ns > o->at ? boot_ns - o->at : o->at - boot_ns;

	if (host && (!o->known || away > OFFSET_NS)) {
		o->ns = look_for_offset(c, host, boot_ns);
		o->at = boot_ns;
		o->known = true;
	}
	return o->ns;
}

/* The moment on the first host's clock. */
static uint64_t moment(struct chrome *c, uint32_t host, uint64_t boot_ns)
{
	int64_t at = (int64_t)boot_ns - offset_of(c, host, boot_ns);

	return at > 0 ? (uint64_t)at : 0;
}

static void put_ns(struct buf *b, const char *name, uint64_t ns)
{
	buf_printf(b, ",\"%s\":%" PRIu64 ".%03u", name, ns / 1000, (unsigned int)(ns % 1000));
}

/* Begins an event of the trace; ids as they are in the trace. */
static struct buf *begin(struct chrome *c, const char *phase, uint64_t pid, uint64_t tid)
{
	struct buf *b = &c->x->line;

	buf_printf(b, "%s{\"ph\":\"%s\",\"pid\":%" PRIu64 ",\"tid\":%" PRIu64, c->began ? ",\n" : "", phase, pid, tid);
	c->began = true;
	return b;
}

static void put_metadata(struct chrome *c, const char *what, uint64_t pid, uint64_t tid, const char *name)
{
	struct buf *b = begin(c, "M", pid, tid);

	buf_printf(b, ",\"name\":\"%s\",\"args\":{\"name\":", what);
	buf_json(b, name, strlen(name));
	buf_str(b, "}}");
}

/* Once for each process. */
static int name_process(struct chrome *c, uint32_t tgid)
{
	uint32_t host = c->ev->host;
	const char *comm = names_comm(c->x, host, tgid);
	char name[512];

	if (map_get(&c->named, (uint64_t)host << 32 | tgid))
		return 0;
	if (map_set(&c->named, (uint64_t)host << 32 | tgid, 1) < 0)
		return err_set(c->err, ENOMEM, "out of memory for the names of processes");
	(void)snprintf(name, sizeof(name), "%s%s%s", comm, comm[0] ? " @ " : "", names_place(c->x, host, tgid));
	put_metadata(c, "process_name", id_of(host, tgid), id_of(host, tgid), name);
	put_metadata(c, "thread_name", id_of(host, tgid), INTERRUPTS_TID, "interrupts");
	return 0;
}

static int name_thread(struct chrome *c)
{
	const struct event_header *h = c->ev->h;
	const char *comm = names_comm(c->x, c->ev->host, h->tgid);
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%s%u", comm, comm[0] ? " " : "", h->tid);
	put_metadata(c, "thread_name", id_of(c->ev->host, h->tgid), id_of(c->ev->host, h->tid), name);
	return 0;
}

static void put_name(struct buf *b, const struct event *ev)
{
	const char *text = event_string(ev, 0);
	size_t n = strlen(text);

	buf_str(b, ",\"name\":");
	if (ev->type->id != EVENT_LOG || !n) {
		buf_json(b, ev->type->name, strlen(ev->type->name));
		return;
	}
	n = n < TEXT_MAX ? n : TEXT_MAX;
	while (n < strlen(text) && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	buf_json(b, text, n);
}

static void put_args(struct buf *b, const struct event *ev)
{
	struct event_value v;
	int i;

	buf_printf(b, ",\"args\":{\"id\":%" PRIu64 ",\"boot_ns\":%" PRIu64, ev->id, ev->boot_ns);
	for (i = 0; i < ev->type->nfields; i++) {
		const struct event_field *f = &ev->type->fields[i];

		event_field_get(ev, f, &v);
		buf_printf(b, ",\"%s\":", f->name);
		event_value_json(b, f, &v);
	}
	buf_str(b, "}}");
}

/* Whether the other end of an edge has a slice. */
static bool shown(struct chrome *c, struct order_ref a)
{
	const struct event *ev = NULL;

	if (c->failed)
		return false;
	c->failed = c->x->opts->fetch(c->x->opts->arg, a, &ev, c->err);
	if (c->failed < 0)
		return false;
	c->failed = 0;
	return export_by_thread(ev) && export_wanted(c->x, ev);
}

/* Both ends compute the same id. */
static void put_flow(struct chrome *c, const struct order_edge *e, const char *phase)
{
	const struct event_header *h = c->ev->h;
	uint64_t id = map_hash(e->from.id + map_hash(e->to.id + map_hash((uint64_t)e->from.host << 32 | e->to.host)));
	struct buf *b = begin(c, phase, id_of(c->ev->host, h->tgid), id_of(c->ev->host, h->tid));
	const char *kind = order_kind_name((enum order_kind)e->kind);

	put_ns(b, "ts", c->slice_ns);
	buf_printf(b, ",\"id\":\"0x%" PRIx64 "\",\"cat\":\"%s\",\"name\":\"%s\"%s}", id, kind, kind,
		   phase[0] == 'f' ? ",\"bp\":\"e\"" : "");
}

static bool flow_in(void *arg, const struct order_edge *e)
{
	struct chrome *c = arg;

	if (e->kind != ORDER_PROGRAM && !e->ambiguous && shown(c, e->from))
		put_flow(c, e, "f");
	return !c->failed;
}

static bool flow_out(void *arg, const struct order_edge *e)
{
	struct chrome *c = arg;

	if (e->kind != ORDER_PROGRAM && !e->ambiguous && shown(c, e->to)) {
		put_flow(c, e, "s");
		c->x->counts.edges++;
		c->effects++;
	}
	return !c->failed;
}

static uint64_t event_key(struct order_ref a)
{
	return map_hash(a.id ^ (uint64_t)a.host << 48);
}

/* Slices of one moment are laid side by side, so an effect may have to begin later not to come before its cause. */
static bool wait_for(void *arg, const struct order_edge *e)
{
	struct chrome *c = arg;
	uint64_t *at = e->kind == ORDER_PROGRAM || e->ambiguous ? NULL : map_get(&c->waited, event_key(e->from));

	if (!at)
		return true;
	if (*at >> EFFECT_BITS > c->slice_ns)
		c->slice_ns = *at >> EFFECT_BITS;
	if ((*at & EFFECTS_MAX) == 1)
		(void)map_del(&c->waited, event_key(e->from));
	else if ((*at & EFFECTS_MAX) < EFFECTS_MAX)
		--*at;
	return true;
}

static int put_flows(struct chrome *c)
{
	struct order_ref self = { c->ev->host, c->ev->id };

	c->effects = 0;
	(void)order_causes(c->x->order, self, flow_in, c);
	(void)order_effects(c->x->order, self, flow_out, c);
	c->effects = c->effects < EFFECTS_MAX ? c->effects : EFFECTS_MAX;
	if (c->effects && map_set(&c->waited, event_key(self), c->slice_ns << EFFECT_BITS | c->effects) < 0)
		return err_set(c->err, ENOMEM, "out of memory for the flows of the trace");
	return c->failed;
}

static int put_slice(struct chrome *c)
{
	const struct event *ev = c->ev;
	uint64_t key = (uint64_t)ev->host << 32 | ev->h->tid, end = moment(c, ev->host, ev->boot_ns), start = end;
	const uint64_t *busy = map_get(&c->busy, key);
	struct buf *b;

	if (!busy)
		(void)name_thread(c);
	if (ev->type->id == EVENT_SEND && EVENT_AS(send, ev)->begin_ns && EVENT_AS(send, ev)->begin_ns < ev->boot_ns)
		start = moment(c, ev->host, EVENT_AS(send, ev)->begin_ns);
	c->slice_ns = busy && *busy > start ? *busy : start;
	(void)order_causes(c->x->order, (struct order_ref) { ev->host, ev->id }, wait_for, c);
	start = c->slice_ns;
	end = end < start + SLICE_NS ? start + SLICE_NS : end;
	if (map_set(&c->busy, key, end) < 0)
		return err_set(c->err, ENOMEM, "out of memory for the threads of the trace");
	b = begin(c, "X", id_of(ev->host, ev->h->tgid), id_of(ev->host, ev->h->tid));
	put_ns(b, "ts", start);
	put_ns(b, "dur", end - start);
	buf_printf(b, ",\"cat\":\"%s\"", ev->type->name);
	put_name(b, ev);
	put_args(b, ev);
	return put_flows(c);
}

static void put_instant(struct chrome *c, uint32_t tgid)
{
	uint64_t at = moment(c, c->ev->host, c->ev->boot_ns);
	struct buf *b = begin(c, "i", id_of(c->ev->host, tgid), INTERRUPTS_TID);

	put_ns(b, "ts", at);
	buf_printf(b, ",\"s\":\"p\",\"cat\":\"%s\"", c->ev->type->name);
	put_name(b, c->ev);
	put_args(b, c->ev);
}

static int put(struct export *x, const struct event *ev, void *arg, struct err *err)
{
	struct chrome *c = arg;
	struct event_thread about;
	uint32_t tgid = event_about(ev, &about) ? about.tgid : ev->h->tgid;
	int r;

	c->ev = ev;
	if (ev->h->context == CONTEXT_RECORDER || !export_wanted(x, ev))
		return 0;
	if (ev->h->context == CONTEXT_TASK && !export_by_thread(ev))
		return 0;
	x->counts.events++;
	r = name_process(c, tgid);
	if (r >= 0 && export_by_thread(ev))
		r = put_slice(c);
	else if (r >= 0)
		put_instant(c, tgid);
	return r < 0 ? r : export_flush(x, err);
}

static int chrome_write(struct export *x, struct err *err)
{
	struct chrome c = { .x = x, .err = err, .offsets = calloc(x->opts->hosts + 1, sizeof(*c.offsets)) };
	int r;

	if (!c.offsets)
		return err_set(err, ENOMEM, "out of memory for the offsets of %u hosts", x->opts->hosts);
	buf_str(&x->line, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"producer\":\"saker " SAKER_VERSION
			  "\"},\"traceEvents\":[\n");
	r = export_each(x, put, &c, err);
	buf_str(&x->line, "\n]}\n");
	free(c.offsets);
	map_fini(&c.busy);
	map_fini(&c.named);
	map_fini(&c.waited);
	return r;
}

const struct export_format export_chrome = {
	.name = "chrome",
	.about = "Chrome's trace events, for Perfetto",
	.ordered = true,
	.write = chrome_write,
};
