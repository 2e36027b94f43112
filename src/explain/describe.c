/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"
#include "explain/who.h"

#define TEXT_SHOWN 160 /* bytes of a long text: arguments and log lines can have thousands */

/* Fields that say little to a reader of lines; JSON has them all. */
static const char *const silent[] = { "netns", "cgroup", "isn",	 "peer_isn", "hash", "family",	"protocol",
				      "uid",   "gid",	 "sock", "listener", "peer", "socktype" };

static void end_text(struct buf *b, const uint8_t addr[16], uint16_t port)
{
	event_addr_text(b, addr);
	buf_printf(b, ":%u", port);
}

/* The field with that name's port, `remote` -> `remote_port`; NULL: none. */
static const struct event_field *port_of(const struct event_type *type, const struct event_field *addr)
{
	char name[64];
	int i;

	(void)snprintf(name, sizeof(name), "%s_port", addr->name);
	i = event_field_find(type, name);
	return i < 0 ? NULL : &type->fields[i];
}

static bool is_silent(const struct event_field *f)
{
	size_t i;

	if (f->format == EVENT_FMT_BOOT || f->format == EVENT_FMT_PORT)
		return true;
	for (i = 0; i < ARRAY_LEN(silent); i++)
		if (!strcmp(f->name, silent[i]))
			return true;
	return false;
}

/* Fields that say something when they are 0, too. */
static bool is_telling(const struct event *ev, const struct event_field *f)
{
	return ev->type->id == EVENT_EXIT && !strcmp(f->name, "code");
}

static bool is_empty(const struct event_value *v)
{
	static const uint8_t zero[16];

	if (v->kind == EVENT_STR || v->kind == EVENT_CHARS)
		return !v->len;
	return v->kind == EVENT_ADDR ? !memcmp(v->addr, zero, sizeof(zero)) : !v->u64;
}

/* The beginning of a long text, up to the end of a character. */
static void cut_text(struct buf *b, const char *text)
{
	size_t n = TEXT_SHOWN;

	while (n > TEXT_SHOWN - 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	buf_text(b, text, n);
	buf_str(b, "...");
}

static void field_text(struct buf *b, const struct event *ev, const struct event_field *f)
{
	const struct event_field *port = f->kind == EVENT_ADDR ? port_of(ev->type, f) : NULL;
	struct event_value v, p;

	event_field_get(ev, f, &v);
	if (port)
		event_field_get(ev, port, &p);
	if (is_silent(f) || (is_empty(&v) && !(port && p.u64) && !is_telling(ev, f)))
		return;
	buf_printf(b, " %s=", f->name);
	if (port) {
		end_text(b, v.addr, (uint16_t)p.u64);
	} else if (v.kind == EVENT_STR && v.len > TEXT_SHOWN) {
		cut_text(b, v.str);
	} else {
		event_value_text(b, f, &v);
	}
}

/* Which socket: its ends, or the number that it has in the kernel. */
static void sock_text(struct buf *b, const struct who *w, const struct event *ev)
{
	int i = event_field_find(ev->type, "sock");
	struct who_ends ends;
	struct event_value v;

	if (i < 0 || event_field_find(ev->type, "local") >= 0 || event_field_find(ev->type, "remote") >= 0)
		return;
	if (who_sock(w, ev, &ends) && ends.family != SOCKFAMILY_UNIX) {
		buf_char(b, ' ');
		end_text(b, ends.local, ends.local_port);
		if (!ends.remote_port)
			return; /* a listening one */
		buf_str(b, " > ");
		end_text(b, ends.remote, ends.remote_port);
		return;
	}
	event_field_get(ev, &ev->type->fields[i], &v);
	buf_printf(b, " socket %" PRIu64, v.u64);
}

static void loss_text(struct buf *b, const struct event_types *types, const struct event *ev)
{
	const struct event_loss *e = EVENT_AS(loss, ev);
	const struct event_type *type = event_types_get(types, e->lost_type);

	buf_printf(b, " %llu %s events are missing here, from cpu %u within %.6f s", e->count,
		   type ? type->name : "unknown", e->lost_cpu, (double)(e->to_ns - e->from_ns) / 1e9);
}

/* A label of an enum or flags field of the event; nothing if it is 0. */
static void label_text(struct buf *b, const struct event *ev, const char *name, const char *before)
{
	int i = event_field_find(ev->type, name);
	struct event_value v;

	if (i < 0)
		return;
	event_field_get(ev, &ev->type->fields[i], &v);
	if (!v.u64)
		return;
	buf_str(b, before);
	event_value_text(b, &ev->type->fields[i], &v);
}

/* `stderr error: it broke | at f()`: where to, how bad, and the lines that are folded into one. */
static void log_text(struct buf *b, const struct event *ev)
{
	const char *text = event_string(ev, 0), *name = event_string(ev, 1), *end;
	size_t left = TEXT_SHOWN, n;

	if (name[0]) {
		buf_char(b, ' ');
		buf_text(b, name, strlen(name));
	} else {
		label_text(b, ev, "where", " ");
	}
	label_text(b, ev, "level", " ");
	label_text(b, ev, "flags", " ");
	buf_str(b, ": ");
	for (;; text = end + 1) {
		end = strchrnul(text, '\n');
		n = (size_t)(end - text);
		if (n > left) {
			while (left && ((unsigned char)text[left] & 0xc0) == 0x80)
				left--;
			buf_text(b, text, left);
			buf_str(b, "...");
			return;
		}
		buf_text(b, text, n);
		left -= n;
		if (!*end)
			return;
		buf_str(b, " | ");
	}
}

static void span_text(struct buf *b, const char *before, uint64_t ns)
{
	buf_str(b, before);
	event_duration_text(b, ns);
}

static void times_text(struct buf *b, uint32_t times)
{
	buf_printf(b, times == 1 ? " (once)" : " (%u times)", times);
}

static void wait_text(struct buf *b, const struct event *ev)
{
	const struct event_ran *e = EVENT_AS(ran, ev);
	uint64_t woken = e->wake_ns ? e->wake_ns : ev->boot_ns;

	span_text(b, ", waited ", woken - e->off_ns);
	label_text(b, ev, "what", " for ");
	if (e->call != UINT16_MAX)
		buf_printf(b, " in call %u", e->call);
	if (e->object)
		buf_printf(b, e->what == WAITKIND_FUTEX ? " at 0x%llx" : " on inode %llu", e->object);
	if (e->flags & RANFLAGS_UNFINISHED)
		buf_str(b, ", and still did");
	else if (!e->wake_ns)
		buf_str(b, " and a CPU");
	else
		span_text(b, ", then ", ev->boot_ns - woken);
	if (e->wake_ns && !(e->flags & RANFLAGS_UNFINISHED))
		buf_str(b, " for a CPU");
}

/* `3.1us on a CPU, preempted 2.0ms (3 times), waited 1.2ms for futex in call 202 at 0x7f..., then 5us for a CPU` */
static void ran_text(struct buf *b, const struct event *ev)
{
	const struct event_ran *e = EVENT_AS(ran, ev);
	uint64_t until = e->off_ns ? e->off_ns : ev->boot_ns;

	span_text(b, " ", until - e->since_ns - e->preempted_ns - e->short_ns);
	buf_str(b, " on a CPU");
	if (e->preemptions) {
		span_text(b, ", preempted ", e->preempted_ns);
		times_text(b, e->preemptions);
	}
	if (e->short_waits) {
		span_text(b, ", waited shortly ", e->short_ns);
		times_text(b, e->short_waits);
	}
	if (e->off_ns)
		wait_text(b, ev);
	if (e->faults)
		buf_printf(b, ", page faults: %u", e->faults);
	if (e->flags & RANFLAGS_ESTIMATED)
		buf_str(b, " (estimated)");
	if (e->flags & RANFLAGS_GAP)
		buf_str(b, "; what was before is not known");
}

/* `waited 25.5ms for this CPU, of which shop-hog[7] had it 25.1ms` */
static void held_text(struct buf *b, const struct event *ev)
{
	const struct event_held *e = EVENT_AS(held, ev);

	span_text(b, " waited ", ev->boot_ns - e->since_ns);
	buf_str(b, " for a CPU, of which ");
	buf_text(b, event_string(ev, 0), strlen(event_string(ev, 0)));
	buf_printf(b, "[%u]", e->holder_tgid);
	span_text(b, " had this one ", e->ran_ns);
}

static void words_text(struct buf *b, const char *before, const char *text)
{
	if (!text[0])
		return;
	buf_str(b, before);
	if (strlen(text) > TEXT_SHOWN)
		cut_text(b, text);
	else
		buf_text(b, text, strlen(text));
}

/* `10.99.0.1:80/tcp`; port 0: any */
static void vip_text(struct buf *b, const struct event *ev, const uint8_t addr[16], uint16_t port)
{
	event_addr_text(b, addr);
	if (port)
		buf_printf(b, ":%u", port);
	else
		buf_str(b, ":*");
	label_text(b, ev, "vip_protocol", "/");
}

/* ` live: down 10.90.13.2 of 10.99.0.1:80/tcp, its share 100% -> 0%: 2 checks in a row failed` */
static void action_text(struct buf *b, const struct event *ev)
{
	const struct event_action *e = EVENT_AS(action, ev);

	label_text(b, ev, "mode", " ");
	label_text(b, ev, "what", ": ");
	buf_char(b, ' ');
	event_addr_text(b, e->backend);
	buf_str(b, " of ");
	vip_text(b, ev, e->vip, e->vip_port);
	buf_printf(b, ", its share %g%% -> %g%%", e->share_before / 10.0, e->share_after / 10.0);
	words_text(b, ": ", event_string(ev, 1));
}

/* ` kept: down ... : verified: ...` */
static void effect_text(struct buf *b, const struct event *ev)
{
	const struct event_effect *e = EVENT_AS(effect, ev);

	label_text(b, ev, "verdict", " ");
	buf_printf(b, ", action %llu on ", (unsigned long long)e->number);
	event_addr_text(b, e->backend);
	buf_str(b, " of ");
	vip_text(b, ev, e->vip, e->vip_port);
	words_text(b, ": ", event_string(ev, 1));
}

/* ` of 10.90.13.2:80/tcp fails: connect: refused` */
static void check_text(struct buf *b, const struct event *ev)
{
	const struct event_check *e = EVENT_AS(check, ev);

	buf_str(b, " of ");
	end_text(b, e->backend, e->port);
	label_text(b, ev, "protocol", "/");
	label_text(b, ev, "state", " ");
	words_text(b, ": ", event_string(ev, 0));
}

/* ` of 10.90.13.2:80/tcp to lb, exit: process 26272 (nginx) was killed by SIGKILL`; told: who said it, `from b3` */
static void report_text(struct buf *b, const struct event *ev)
{
	const struct event_report *e = EVENT_AS(report, ev);

	buf_str(b, " of ");
	event_addr_text(b, e->backend);
	if (e->port)
		buf_printf(b, ":%u", e->port);
	label_text(b, ev, "protocol", "/");
	words_text(b, ev->type->id == EVENT_REPORT ? " to " : " from ", event_string(ev, 1));
	label_text(b, ev, "sign", ", ");
	words_text(b, ": ", event_string(ev, 0));
}

static void packet_end_text(struct buf *b, const uint8_t addr[16], uint16_t port)
{
	event_addr_text(b, addr);
	if (port)
		buf_printf(b, ":%u", port);
}

/* ` send 10.90.1.2:4242 > 10.99.0.1:80/tcp to 10.90.11.2: to the backend of its connection (LB_TABLE), 1 of 100` */
static void verdict_text(struct buf *b, const struct event *ev)
{
	static const uint8_t none[16];
	const struct event_verdict *e = EVENT_AS(verdict, ev);
	int action = event_field_find(ev->type, "action");
	struct event_value v;

	buf_char(b, ' ');
	event_field_get(ev, &ev->type->fields[action], &v);
	event_value_text(b, &ev->type->fields[action], &v);
	if (memcmp(e->dst, none, sizeof(none)) != 0) {
		buf_char(b, ' ');
		packet_end_text(b, e->src, e->sport);
		buf_str(b, " > ");
		packet_end_text(b, e->dst, e->dport);
		label_text(b, ev, "protocol", "/");
	}
	if (memcmp(e->backend, none, sizeof(none)) != 0) {
		buf_str(b, " to ");
		event_addr_text(b, e->backend);
	}
	words_text(b, ": ", event_string(ev, 3));
	words_text(b, " (", event_string(ev, 2));
	buf_str(b, event_string(ev, 2)[0] ? ")" : "");
	if (e->one_in > 1)
		buf_printf(b, ", 1 of %u", e->one_in);
}

/* Types that have words of their own. */
static const struct {
	uint16_t type;
	void (*text)(struct buf *b, const struct event *ev);
} own[] = {
	{ EVENT_LOG, log_text },       { EVENT_RAN, ran_text },	      { EVENT_HELD, held_text },
	{ EVENT_ACTION, action_text }, { EVENT_EFFECT, effect_text }, { EVENT_CHECK, check_text },
	{ EVENT_REPORT, report_text }, { EVENT_TOLD, report_text },   { EVENT_VERDICT, verdict_text },
};

void describe(struct buf *b, const struct who *w, const struct event_types *types, const struct event *ev)
{
	size_t k;
	int i;

	if (ev->type->id == EVENT_LOSS) {
		loss_text(b, types, ev);
		return;
	}
	for (k = 0; k < ARRAY_LEN(own); k++) {
		if (own[k].type == ev->type->id) {
			own[k].text(b, ev);
			return;
		}
	}
	sock_text(b, w, ev);
	for (i = 0; i < ev->type->nfields; i++)
		field_text(b, ev, &ev->type->fields[i]);
}
