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
#include "explain/describe.h"

#define RED "\033[1;31m"
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

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
	const char *comm = who_title(s->who, ev);
	uint32_t pid = who_pid(s->who, ev);
	uint64_t goroutine = who_goroutine(s->who, ev);
	char ids[64] = "", own[32] = "";
	size_t begin = s->line.len;

	if (goroutine)
		(void)snprintf(own, sizeof(own), " g%" PRIu64, goroutine);
	if (pid && ev->h->tgid && ev->h->tid != ev->h->tgid)
		(void)snprintf(ids, sizeof(ids), "[%u/%u%s]", pid, ev->h->tid, own);
	else if (pid)
		(void)snprintf(ids, sizeof(ids), "[%u%s]", pid, own);
	buf_text(&s->line, comm, strlen(comm));
	buf_str(&s->line, pid ? ids : "-");
	while ((int)(s->line.len - begin) < width)
		buf_char(&s->line, ' ');
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
	describe(&s->line, s->who, store_types(s->reader), ev);
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
	describe(&s->line, s->who, store_types(s->reader), ev);
}

void show_event_json(struct show *s, const struct event *ev, uint32_t clock)
{
	event_json(&s->line, ev, show_host(s, ev->host));
	if (clock && s->line.len) {
		s->line.data[s->line.len - 1] = ','; /* in place of the closing brace */
		buf_printf(&s->line, "\"clock\":%u}", clock);
	}
}
