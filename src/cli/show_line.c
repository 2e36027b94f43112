/* SPDX-License-Identifier: Apache-2.0 */
/* One event as a line: columns fit for reading, or JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/show.h"

#define RED "\033[1;31m"
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"
#define TEXT_SHOWN 160 /* bytes of a long text: arguments and log lines can have thousands */

/* Fields that say little to a reader of lines; JSON has them all. */
static const char *const silent[] = { "netns", "cgroup", "isn",	 "peer_isn", "hash", "family",	"protocol",
				      "uid",   "gid",	 "sock", "listener", "peer", "socktype" };

const char *show_host(const struct show *s, uint32_t host)
{
	return store_hosts(s->reader) > 1 ? store_host_name(s->reader, host) : NULL;
}

uint64_t show_since_ns(const struct show *s, const struct event *ev)
{
	uint64_t now = store_host_epoch(s->reader, ev->host) + ev->boot_ns;

	return now > s->first_unix_ns ? now - s->first_unix_ns : 0;
}

void show_ref(struct show *s, struct order_ref ref)
{
	const char *host = show_host(s, ref.host);

	if (host)
		buf_printf(&s->line, "%s:", host);
	buf_u64(&s->line, ref.id);
}

int show_fetch(struct show *s, struct order_ref ref, struct event *ret)
{
	return store_fetch(s->reader, ref.host, ref.id, &s->room, sizeof(s->room), ret, s->err);
}

bool show_put(struct show *s)
{
	if (s->shown >= s->args->limit)
		return false;
	buf_char(&s->line, '\n');
	if (s->line.failed) {
		s->res = err_set(s->err, ENOMEM, "out of memory");
		return false;
	}
	s->shown++;
	if (fwrite(s->line.data, 1, s->line.len, stdout) != s->line.len) {
		s->write_errno = errno;
		return false;
	}
	return s->shown < s->args->limit;
}

/* --- columns --- */

static void time_text(struct show *s, const struct event *ev)
{
	uint64_t epoch = store_host_epoch(s->reader, ev->host), ns = epoch + ev->boot_ns;
	time_t seconds = (time_t)(ns / NS_PER_SEC);
	char text[32];
	struct tm tm;

	if (s->args->wall && epoch && localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		buf_printf(&s->line, "%s.%06u", text, (unsigned int)(ns % NS_PER_SEC / 1000));
	else
		buf_printf(&s->line, "%+13.6f", (double)show_since_ns(s, ev) / 1e9);
}

static void process_text(struct show *s, const struct event *ev, int width)
{
	const char *comm = who_process(s->who, ev);
	uint32_t pid = who_pid(s->who, ev);
	char ids[32] = "";
	size_t begin = s->line.len;

	if (pid && ev->h->tgid && ev->h->tid != ev->h->tgid)
		(void)snprintf(ids, sizeof(ids), "[%u/%u]", pid, ev->h->tid);
	else if (pid)
		(void)snprintf(ids, sizeof(ids), "[%u]", pid);
	buf_text(&s->line, comm, strlen(comm));
	buf_str(&s->line, pid ? ids : "-");
	while ((int)(s->line.len - begin) < width)
		buf_char(&s->line, ' ');
}

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

static void field_text(struct show *s, const struct event *ev, const struct event_field *f)
{
	const struct event_field *port = f->kind == EVENT_ADDR ? port_of(ev->type, f) : NULL;
	struct event_value v, p;

	event_field_get(ev, f, &v);
	if (port)
		event_field_get(ev, port, &p);
	if (is_silent(f) || (is_empty(&v) && !(port && p.u64) && !is_telling(ev, f)))
		return;
	buf_printf(&s->line, " %s=", f->name);
	if (port) {
		end_text(&s->line, v.addr, (uint16_t)p.u64);
	} else if (v.kind == EVENT_STR && v.len > TEXT_SHOWN) {
		cut_text(&s->line, v.str);
	} else {
		event_value_text(&s->line, f, &v);
	}
}

/* Which socket: its ends, or the number that it has in the kernel. */
static void sock_text(struct show *s, const struct event *ev)
{
	int i = event_field_find(ev->type, "sock");
	struct who_ends ends;
	struct event_value v;

	if (i < 0 || event_field_find(ev->type, "local") >= 0 || event_field_find(ev->type, "remote") >= 0)
		return;
	if (who_sock(s->who, ev, &ends) && ends.family != SOCKFAMILY_UNIX) {
		buf_char(&s->line, ' ');
		end_text(&s->line, ends.local, ends.local_port);
		if (!ends.remote_port)
			return; /* a listening one */
		buf_str(&s->line, " > ");
		end_text(&s->line, ends.remote, ends.remote_port);
		return;
	}
	event_field_get(ev, &ev->type->fields[i], &v);
	buf_printf(&s->line, " socket %" PRIu64, v.u64);
}

static void loss_text(struct show *s, const struct event *ev)
{
	const struct event_loss *e = EVENT_AS(loss, ev);
	const struct event_type *type = event_types_get(store_types(s->reader), e->lost_type);

	buf_printf(&s->line, " %llu %s events are missing here, from cpu %u within %.6f s", e->count,
		   type ? type->name : "unknown", e->lost_cpu, (double)(e->to_ns - e->from_ns) / 1e9);
}

static void payload_text(struct show *s, const struct event *ev)
{
	int i;

	if (ev->type->id == EVENT_LOSS) {
		loss_text(s, ev);
		return;
	}
	sock_text(s, ev);
	for (i = 0; i < ev->type->nfields; i++)
		field_text(s, ev, &ev->type->fields[i]);
}

static const char *type_colour(const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_LOSS:
	case EVENT_SHED:
	case EVENT_OOM_KILL:
	case EVENT_RESET:
	case EVENT_SOCKERR:
	case EVENT_STOP:
		return RED;
	default:
		return BOLD;
	}
}

static void type_text(struct show *s, const struct event *ev, int width)
{
	if (s->colour)
		buf_str(&s->line, type_colour(ev));
	buf_printf(&s->line, "%-*s", width, ev->type->name);
	if (s->colour)
		buf_str(&s->line, PLAIN);
}

/* The host; of several with the place on it: `hostA/node1`. */
static void host_text(struct show *s, const struct event *ev, size_t width)
{
	const char *host = who_host(s->who, ev), *place = store_hosts(s->reader) > 1 ? who_place(s->who, ev) : "";
	size_t begin = s->line.len;

	buf_text(&s->line, host, strlen(host));
	if (*place) {
		buf_char(&s->line, '/');
		buf_text(&s->line, place, strlen(place));
	}
	while (s->line.len - begin < width)
		buf_char(&s->line, ' ');
}

void show_event_short(struct show *s, const struct event *ev)
{
	time_text(s, ev);
	buf_str(&s->line, "  ");
	host_text(s, ev, 1);
	buf_char(&s->line, ' ');
	process_text(s, ev, 0);
	buf_char(&s->line, ' ');
	type_text(s, ev, 0);
	payload_text(s, ev);
}

void show_event(struct show *s, const struct event *ev, uint32_t clock)
{
	if (s->colour)
		buf_str(&s->line, DIM);
	buf_printf(&s->line, "%8" PRIu64 " ", ev->id);
	if (clock)
		buf_printf(&s->line, "%6u ", clock);
	time_text(s, ev);
	if (s->colour)
		buf_str(&s->line, PLAIN);
	buf_str(&s->line, "  ");
	host_text(s, ev, 10);
	buf_char(&s->line, ' ');
	process_text(s, ev, 24);
	buf_char(&s->line, ' ');
	type_text(s, ev, 10);
	payload_text(s, ev);
}

void show_event_json(struct show *s, const struct event *ev, uint32_t clock)
{
	event_json(&s->line, ev, show_host(s, ev->host));
	if (clock && s->line.len) {
		s->line.data[s->line.len - 1] = ','; /* in place of the closing brace */
		buf_printf(&s->line, "\"clock\":%u}", clock);
	}
}
