/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_TALK_H
#define SAKER_EXPLAIN_REQUESTS_TALK_H
/* requests_talk - conversations as scripts of events, and what requests makes of them: for tests. */
#include "order/script.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/requests.h"

#define CONNS 8

/* A script of events that is being written. */
struct talk {
	struct buf text;
	uint64_t offset[CONNS][2]; /* sent so far: by the server, by the client */
	uint64_t heard[CONNS][2];  /* received so far: by the client, by the server */
	char said[CONNS][2][256];  /* what was said last */
};

static void connects(struct talk *t, unsigned int n, const char *thread, unsigned int port)
{
	buf_printf(&t->text,
		   "%s connect sock=%u netns=1 remote=10.0.0.9 remote_port=%u family=2 protocol=6;"
		   "%s connected sock=%u netns=1 local=10.0.0.1 local_port=%u remote=10.0.0.9 remote_port=%u isn=%u "
		   "peer_isn=%u family=2 protocol=6 *1;",
		   thread, 10 + n, port, thread, 10 + n, 5000 + n, port, 100 + n, 900 + n);
}

static void accepts(struct talk *t, unsigned int n, const char *thread, unsigned int port)
{
	buf_printf(&t->text,
		   "%s accept sock=%u netns=1 local=10.0.0.9 local_port=%u remote=10.0.0.1 remote_port=%u isn=%u "
		   "peer_isn=%u family=2 protocol=6;",
		   thread, 20 + n, port, 5000 + n, 900 + n, 100 + n);
}

/* Connection n, between two threads (HOST/TGID/TID). */
static void link_up(struct talk *t, unsigned int n, const char *client, const char *server, unsigned int port)
{
	connects(t, n, client, port);
	accepts(t, n, server, port);
}

/* The text with ~ for blanks and ^ for ends of lines. */
static void say(struct talk *t, const char *thread, unsigned int n, bool client, const char *said)
{
	unsigned int sock = (client ? 10 : 20) + n;
	size_t len = 0, i;

	for (i = 0; said[i]; i++)
		len += said[i] == '^' ? 2 : 1;
	buf_printf(&t->text,
		   "%s send sock=%u offset=%" PRIu64 " bytes=%zu; %s payload sock=%u offset=%" PRIu64
		   " bytes=%zu kept=%zu flags=1 \"%s;",
		   thread, sock, t->offset[n][client], len, thread, sock, t->offset[n][client], len, len, said);
	t->offset[n][client] += len;
	(void)snprintf(t->said[n][client], sizeof(t->said[n][client]), "%s", said);
}

/* All that was said since. */
static void hear(struct talk *t, const char *thread, unsigned int n, bool server)
{
	uint64_t from = t->heard[n][server], bytes = t->offset[n][server] - from;
	unsigned int sock = (server ? 20 : 10) + n;

	buf_printf(&t->text,
		   "%s payload sock=%u offset=%" PRIu64 " bytes=%" PRIu64 " kept=%" PRIu64
		   " flags=2 \"%s; %s recv sock=%u offset=%" PRIu64 " bytes=%" PRIu64 ";",
		   thread, sock, from, bytes, bytes, t->said[n][server], thread, sock, from, bytes);
	t->heard[n][server] = t->offset[n][server];
}

static void ask(struct talk *t, const char *thread, unsigned int n, const char *path, const char *id)
{
	char said[128];

	(void)snprintf(said, sizeof(said), "GET~%s~HTTP/1.1^Host:~h^%s%s%s^", path, *id ? "X-Request-ID:~" : "", id,
		       *id ? "^" : "");
	say(t, thread, n, true, said);
}

static void answer(struct talk *t, const char *thread, unsigned int n)
{
	say(t, thread, n, false, "HTTP/1.1~200~OK^Content-Length:~0^^");
}

/* Asked and answered by a server that asks nobody. */
static void leaf(struct talk *t, const char *server, unsigned int n)
{
	hear(t, server, n, true);
	answer(t, server, n);
}

static void event(struct talk *t, const char *text)
{
	buf_printf(&t->text, "%s;", text);
}

/* --- what comes of it --- */

static void feed(void *arg, const struct event *ev)
{
	_Alignas(8) char room[2048];
	struct event copy = *ev;
	struct err err = ERR_INIT;
	char text[1024], *out = text;
	const char *strings[] = { text, NULL }, *in;

	if (ev->type->id == EVENT_PAYLOAD) {
		for (in = event_string(ev, 0); *in; in++) {
			if (*in == '^')
				*out++ = '\r';
			*out++ = *in == '~' ? ' ' : *in == '^' ? '\n' : *in;
		}
		*out = 0;
		assert_true(event_build(room, sizeof(room), ev->h, strings) > 0);
		copy.h = (const struct event_header *)(const void *)room;
	}
	if (requests_add(arg, &copy, &err) < 0)
		fail_msg("%s", err.text);
}

struct result {
	struct script *script;
	struct requests *requests;
	const struct spans *spans;
};

static struct result build(struct talk *t, const struct requests_opts *opts)
{
	struct result x = { .script = calloc(1, sizeof(*x.script)) };
	struct err err = ERR_INIT;

	assert_int_equal(order_new(NULL, &x.script->order, &err), 0);
	assert_int_equal(requests_new(opts, &x.requests, &err), 0);
	x.script->also = feed;
	x.script->arg = x.requests;
	script_run(x.script, t->text.data);
	assert_int_equal(order_solve(x.script->order, &err), 0);
	assert_int_equal(requests_build(x.requests, x.script->order, &err), 0);
	x.spans = requests_spans(x.requests);
	return x;
}

static void release(struct result *x, struct talk *t)
{
	requests_free(x->requests);
	order_free(x->script->order);
	free(x->script);
	buf_fini(&t->text);
}

/* What holds of all spans: sums are exact, parents come first and belong to the same trace, ids differ. */
static void invariants(const struct spans *s)
{
	size_t i, k, in_traces = 0;

	for (i = 0; i < s->count; i++) {
		const struct span *row = &s->rows[i];
		uint64_t sum = 0;

		for (k = 0; k < TIME_KINDS; k++)
			sum += row->time_ns[k];
		assert_int_equal(sum, row->end_ns - row->begin_ns);
		if (row->parent != SPAN_NONE) {
			assert_true(row->parent < i);
			assert_memory_equal(row->trace, s->rows[row->parent].trace, sizeof(row->trace));
		}
		for (k = 0; k < i; k++)
			assert_true(s->rows[k].id != row->id);
	}
	for (i = 0; i < s->ntraces; i++)
		in_traces += s->traces[i].count;
	assert_int_equal(in_traces, s->count);
}

/* Each span but the roots, by what was asked: `b<a:thread`, a server's as `/b`. */
static void parents(const struct spans *s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		const struct span *row = &s->rows[i], *p;

		if (row->parent == SPAN_NONE)
			continue;
		p = &s->rows[row->parent];
		buf_printf(out, "%s%s<%s:%s", out->len ? " " : "",
			   spans_text(s, row->resource) + (row->kind == SPAN_CLIENT),
			   spans_text(s, p->resource) + (p->kind == SPAN_CLIENT),
			   span_evidence_name((enum span_evidence)row->evidence));
	}
}

static void check(struct talk *t, const struct requests_opts *opts, const char *expected)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct result x = build(t, opts);

	invariants(x.spans);
	parents(x.spans, &out);
	assert_string_equal(out.data ? out.data : "", expected);
	release(&x, t);
}

#endif
