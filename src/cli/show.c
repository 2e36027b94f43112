/* SPDX-License-Identifier: Apache-2.0 */
/* saker show - the events of recordings, as text columns or JSON lines; their edges; messages without another end. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/analyse.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "event/event.h"
#include "order/order.h"
#include "store/store.h"

#define PATHS_MAX 64

enum { OPT_EDGES = 256, OPT_UNMATCHED };

static const struct argp_option show_options[] = {
	{ "json", 'j', NULL, 0, "Print a line of JSON for each event, edge or message", 0 },
	{ "edges", OPT_EDGES, NULL, 0, "Print the edges of happens-before between threads instead of the events", 0 },
	{ "unmatched", OPT_UNMATCHED, NULL, 0, "Print the messages that found no other end, and why", 0 },
	{ 0 },
};

struct show_args {
	const char *paths[PATHS_MAX];
	unsigned int npaths;
	bool json, edges, unmatched;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct show_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case OPT_EDGES:
		a->edges = true;
		return 0;
	case OPT_UNMATCHED:
		a->unmatched = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->npaths == PATHS_MAX)
			argp_error(state, "more than %d recordings", PATHS_MAX);
		a->paths[a->npaths++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->npaths)
			argp_error(state, "name a recording");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void damage(void *arg, const char *sentence)
{
	(void)arg;
	(void)fprintf(stderr, "saker show: %s\n", sentence);
}

/* The host's name where there are several, else NULL. */
static const char *host_of(struct store_reader *r, uint32_t host)
{
	return store_hosts(r) > 1 ? store_host_name(r, host) : NULL;
}

/* --- events --- */

static void event_text(struct buf *b, const struct event *ev, uint64_t first_ns)
{
	struct event_value v;
	int i;

	buf_printf(b, "%8" PRIu64 " %+13.6f %6u/%-6u %-10s", ev->id, (double)(int64_t)(ev->boot_ns - first_ns) / 1e9,
		   ev->h->tgid, ev->h->tid, ev->type->name);
	for (i = 0; i < ev->type->nfields; i++) {
		event_field_get(ev, &ev->type->fields[i], &v);
		buf_printf(b, " %s=", ev->type->fields[i].name);
		event_value_text(b, &ev->type->fields[i], &v);
	}
}

static int show_events(struct store_reader *r, const struct show_args *a, struct err *err)
{
	struct store_read_opts ro = { .damage = damage };
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct event_source *source;
	const struct event *ev;
	uint64_t first_ns = 0;
	int res = store_read(r, &ro, &source, err);

	if (res < 0)
		return res;
	while ((res = event_source_next(source, &ev, err)) > 0) {
		first_ns = first_ns ? first_ns : ev->boot_ns;
		buf_reset(&b);
		if (a->json)
			event_json(&b, ev, host_of(r, ev->host));
		else
			event_text(&b, ev, first_ns);
		(void)puts(b.data);
	}
	event_source_close(source);
	return res;
}

/* --- edges --- */

struct edges_arg {
	struct analysis *an;
	const struct show_args *args;
	struct buf b;
	struct err *err;
	int res;
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;
};

static uint64_t sock_of(const struct event *ev)
{
	struct event_value v;
	int i = event_field_find(ev->type, "sock");

	if (i < 0)
		return 0;
	event_field_get(ev, &ev->type->fields[i], &v);
	return v.u64;
}

/* One end of an edge as a JSON object. */
static void end_json(struct edges_arg *a, const char *name, struct order_ref ref)
{
	const char *host = host_of(a->an->reader, ref.host);
	struct event ev;
	int res = store_fetch(a->an->reader, ref.host, ref.id, &a->room, sizeof(a->room), &ev, a->err);

	if (res < 0) {
		a->res = res;
		return;
	}
	buf_printf(&a->b, "\"%s\":{\"id\":%" PRIu64 ",\"type\":\"%s\",\"tgid\":%u,\"tid\":%u,\"sock\":%" PRIu64, name,
		   ref.id, ev.type->name, ev.h->tgid, ev.h->tid, sock_of(&ev));
	if (host) {
		buf_str(&a->b, ",\"host\":");
		buf_json(&a->b, host, strlen(host));
	}
	buf_char(&a->b, '}');
}

static void end_text(struct edges_arg *a, struct order_ref ref)
{
	const char *host = host_of(a->an->reader, ref.host);

	buf_printf(&a->b, "%s%s%" PRIu64, host ? host : "", host ? ":" : "", ref.id);
}

static bool edge_show(void *arg, const struct order_edge *e)
{
	struct edges_arg *a = arg;

	buf_reset(&a->b);
	if (a->args->json) {
		buf_char(&a->b, '{');
		end_json(a, "from", e->from);
		buf_char(&a->b, ',');
		end_json(a, "to", e->to);
		buf_printf(&a->b,
			   ",\"kind\":\"%s\",\"ambiguous\":%s,\"after_loss\":%s,\"offset\":%" PRIu64 ",\"bytes\":%u}",
			   order_kind_name(e->kind), e->ambiguous ? "true" : "false", e->after_loss ? "true" : "false",
			   e->offset, e->bytes);
	} else {
		end_text(a, e->from);
		buf_str(&a->b, e->ambiguous ? " ~> " : " -> ");
		end_text(a, e->to);
		buf_printf(&a->b, " %s", order_kind_name(e->kind));
		if (e->bytes)
			buf_printf(&a->b, " %u bytes at %" PRIu64, e->bytes, e->offset);
		if (e->after_loss)
			buf_str(&a->b, " (beside a loss)");
	}
	if (a->res >= 0)
		(void)puts(a->b.data);
	return a->res >= 0;
}

static bool unmatched_show(void *arg, struct order_ref ref, enum order_reason reason, uint64_t bytes)
{
	struct edges_arg *a = arg;

	buf_reset(&a->b);
	if (a->args->json) {
		buf_char(&a->b, '{');
		end_json(a, "event", ref);
		buf_printf(&a->b, ",\"bytes\":%" PRIu64 ",\"reason\":\"%s\"}", bytes, order_reason_text(reason));
	} else {
		end_text(a, ref);
		buf_printf(&a->b, " %" PRIu64 " bytes: %s", bytes, order_reason_text(reason));
	}
	if (a->res >= 0)
		(void)puts(a->b.data);
	return a->res >= 0;
}

static int show_order(const struct show_args *args, struct err *err)
{
	struct analysis_opts opts = { .paths = args->paths, .npaths = args->npaths, .damage = damage };
	struct analysis an = { 0 };
	struct edges_arg a = { .an = &an, .args = args, .err = err };
	int res = analysis_open(&opts, &an, err);

	if (res < 0)
		return res;
	if (args->edges)
		res = order_edges(an.order, false, edge_show, &a);
	if (args->unmatched)
		order_unmatched(an.order, unmatched_show, &a);
	buf_fini(&a.b);
	analysis_close(&an);
	return a.res < 0 ? a.res : res;
}

static int show_plain(const struct show_args *args, struct err *err)
{
	struct store_reader *r = NULL;
	int res = store_open(args->paths, args->npaths, &r, err);

	if (res >= 0)
		res = show_events(r, args, err);
	(void)store_reader_free(r);
	return res;
}

static int show_main(int argc, char **argv)
{
	const struct argp argp = { show_options, parse_option, "RECORDING...", cli_show.about, NULL, NULL, NULL };
	struct show_args args = { 0 };
	struct err err = ERR_INIT;
	int res;

	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return CLI_USAGE;
	res = args.edges || args.unmatched ? show_order(&args, &err) : show_plain(&args, &err);
	if (res >= 0)
		return CLI_OK;
	(void)fprintf(stderr, "saker show: %s\n", err.text);
	return CLI_FAILED;
}

const struct cli_command cli_show = {
	.name = "show",
	.about = "the events of recordings, their edges, and messages without another end",
	.args_doc = "RECORDING...",
	.options = show_options,
	.run = show_main,
	.example = "saker show rec --edges --json",
};
