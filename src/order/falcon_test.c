/* SPDX-License-Identifier: Apache-2.0 */
/* The trace that Falcon's authors recorded, against edges and clocks that were derived from it elsewhere. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "order/order.h"

#define LINES_MAX 1000
#define SOCKS_MAX 200

struct line {
	unsigned int id;   /* among the parsable lines: the event's name in expected-*.csv */
	unsigned int rank; /* START first, END last */
	uint64_t ms;
	char type[16], thread[96], child[96], src[48], dst[48];
	unsigned int src_port, dst_port, size;
	uint32_t host;
	uint64_t event;
};

struct trace {
	struct line lines[LINES_MAX];
	size_t n;
	char hosts[4][96];
	uint32_t nhosts;
	char socks[SOCKS_MAX][200];
	size_t nsocks;
	unsigned int line_of[4][4 * LINES_MAX]; /* by host and event id, + 1 */
	uint64_t next_id[4];
	struct order *order;
};

static FILE *data_open(const char *name)
{
	const char *dir = getenv("SAKER_TEST_DATA");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/falcon/zookeeper/%s", dir ? dir : SAKER_ROOT "/../shared/data", name);
	return fopen(path, "r");
}

static void copy_text(char *out, size_t cap, const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	(void)snprintf(out, cap, "%s", s ? s : "");
}

static uint32_t host_of(struct trace *t, const char *thread)
{
	const char *at = strchr(thread, '@') + 1;
	uint32_t i;

	for (i = 0; i < t->nhosts; i++) {
		if (!strcmp(t->hosts[i], at))
			return i;
	}
	assert_true(t->nhosts < 4);
	(void)snprintf(t->hosts[t->nhosts], sizeof(t->hosts[0]), "%s", at);
	return t->nhosts++;
}

static void take_line(struct trace *t, const json_t *o)
{
	struct line *l = &t->lines[t->n];

	l->id = (unsigned int)t->n++;
	l->ms = (uint64_t)json_integer_value(json_object_get(o, "timestamp"));
	copy_text(l->type, sizeof(l->type), o, "type");
	copy_text(l->thread, sizeof(l->thread), o, "thread");
	copy_text(l->child, sizeof(l->child), o, "child");
	copy_text(l->src, sizeof(l->src), o, "src");
	copy_text(l->dst, sizeof(l->dst), o, "dst");
	l->src_port = (unsigned int)json_integer_value(json_object_get(o, "src_port"));
	l->dst_port = (unsigned int)json_integer_value(json_object_get(o, "dst_port"));
	l->size = (unsigned int)json_integer_value(json_object_get(o, "size"));
	l->rank = !strcmp(l->type, "START") ? 0 : !strcmp(l->type, "END") ? 2 : 1;
	l->host = host_of(t, l->thread);
}

static int line_compare(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;

	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static bool load(struct trace *t)
{
	CLEANUP_FCLOSE FILE *f = data_open("zktrace_full.log");
	CLEANUP_FREE char *text = NULL;
	size_t cap = 0;

	if (!f)
		return false;
	while (getline(&text, &cap, f) > 0) {
		char *c;
		json_t *o;

		for (c = text; *c; c++)
			*c = (unsigned char)*c < ' ' ? ' ' : *c;
		o = json_loads(text, 0, NULL);
		if (json_is_object(o))
			take_line(t, o);
		json_decref(o);
	}
	qsort(t->lines, t->n, sizeof(t->lines[0]), line_compare);
	return true;
}

static void add(struct trace *t, struct line *l, void *fixed, uint16_t type, size_t size, uint8_t context)
{
	struct event_header *h = fixed;
	struct event ev = { .host = l->host, .h = h, .type = event_static_type(type) };
	struct err err = ERR_INIT;

	h->boot_ns = ev.boot_ns = l->ms * NS_PER_MS;
	h->type = type;
	h->length = (uint16_t)size;
	h->context = context;
	h->flags = EVENT_F_IMPORTED;
	h->tgid = h->tid = context == CONTEXT_TASK ? (uint32_t)atoi(l->thread) : 0;
	ev.id = ++t->next_id[l->host];
	if (context == CONTEXT_TASK) {
		l->event = ev.id;
		t->line_of[l->host][ev.id] = l->id + 1;
	}
	assert_int_equal(order_add(t->order, &ev, &err), 0);
}

#define ADD(t, l, e, id, context) add(t, l, &(e), id, sizeof(e), context)

static void map_addr(uint8_t out[16], const char *text)
{
	unsigned int a, b, c, d;

	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	assert_int_equal(sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d), 4);
	out[12] = (uint8_t)a;
	out[13] = (uint8_t)b;
	out[14] = (uint8_t)c;
	out[15] = (uint8_t)d;
}

/* The end's cookie; told to order at first sight. */
static uint64_t cookie_of(struct trace *t, struct line *l, bool from)
{
	struct event_socket e = { 0 };
	char name[200];
	size_t i;

	(void)snprintf(name, sizeof(name), "%u %s:%u %s:%u", l->host, from ? l->src : l->dst,
		       from ? l->src_port : l->dst_port, from ? l->dst : l->src, from ? l->dst_port : l->src_port);
	for (i = 0; i < t->nsocks; i++) {
		if (!strcmp(t->socks[i], name))
			return i + 1;
	}
	assert_true(t->nsocks < SOCKS_MAX);
	(void)snprintf(t->socks[t->nsocks++], sizeof(name), "%s", name);
	e.sock = t->nsocks;
	map_addr(e.local, from ? l->src : l->dst);
	map_addr(e.remote, from ? l->dst : l->src);
	e.local_port = (uint16_t)(from ? l->src_port : l->dst_port);
	e.remote_port = (uint16_t)(from ? l->dst_port : l->src_port);
	e.family = 2;
	e.socktype = SOCKTYPE_STREAM;
	e.protocol = PROTOCOL_TCP;
	ADD(t, l, e, EVENT_SOCKET, CONTEXT_RECORDER);
	return e.sock;
}

static void feed_socket(struct trace *t, struct line *l)
{
	bool from = !strcmp(l->type, "SND") || !strcmp(l->type, "CONNECT");
	uint64_t sock = cookie_of(t, l, from);

	if (!strcmp(l->type, "SND")) {
		struct event_send e = { .sock = sock, .bytes = l->size, .flags = MSGFLAGS_OFFSET_UNKNOWN };

		ADD(t, l, e, EVENT_SEND, CONTEXT_TASK);
	} else if (!strcmp(l->type, "RCV")) {
		struct event_recv e = { .sock = sock, .bytes = l->size, .flags = MSGFLAGS_OFFSET_UNKNOWN };

		ADD(t, l, e, EVENT_RECV, CONTEXT_TASK);
	} else if (!strcmp(l->type, "CONNECT")) {
		struct event_connect e = { .sock = sock, .family = 2, .protocol = PROTOCOL_TCP };

		map_addr(e.remote, l->dst);
		e.remote_port = (uint16_t)l->dst_port;
		ADD(t, l, e, EVENT_CONNECT, CONTEXT_TASK);
	} else {
		struct event_accept e = { .sock = sock, .family = 2, .protocol = PROTOCOL_TCP };

		map_addr(e.local, l->dst);
		map_addr(e.remote, l->src);
		e.local_port = (uint16_t)l->dst_port;
		e.remote_port = (uint16_t)l->src_port;
		ADD(t, l, e, EVENT_ACCEPT, CONTEXT_TASK);
	}
}

static void feed(struct trace *t, struct line *l)
{
	if (!strcmp(l->type, "CREATE")) {
		struct event_fork e = { .child_tgid = (uint32_t)atoi(l->child), .child_tid = (uint32_t)atoi(l->child) };

		ADD(t, l, e, EVENT_FORK, CONTEXT_TASK);
	} else if (!strcmp(l->type, "START")) {
		struct event_start e = { 0 };

		ADD(t, l, e, EVENT_START, CONTEXT_TASK);
	} else if (!strcmp(l->type, "END")) {
		struct event_exit e = { 0 };

		ADD(t, l, e, EVENT_EXIT, CONTEXT_TASK);
	} else if (!strcmp(l->type, "JOIN")) {
		struct event_join e = { .child_tgid = (uint32_t)atoi(l->child), .child_tid = (uint32_t)atoi(l->child) };

		ADD(t, l, e, EVENT_JOIN, CONTEXT_TASK);
	} else if (!strcmp(l->type, "LOG")) {
		struct event_log e = { 0 };

		ADD(t, l, e, EVENT_LOG, CONTEXT_TASK);
	} else {
		feed_socket(t, l);
	}
}

/* Counts found edges by name "from,to,kind". */
struct found {
	struct trace *t;
	struct map edges; /* from << 32 | to -> kind + 1 */
	size_t kinds[ORDER_KINDS];
};

static bool note_edge(void *arg, const struct order_edge *e)
{
	struct found *f = arg;
	uint64_t from = f->t->line_of[e->from.host][e->from.id], to = f->t->line_of[e->to.host][e->to.id];

	assert_false(e->ambiguous);
	assert_true(from && to);
	assert_int_equal(map_set(&f->edges, (from - 1) << 32 | (to - 1), (uint64_t)e->kind + 1), 0);
	f->kinds[e->kind]++;
	return true;
}

static enum order_kind kind_of(const char *name)
{
	static const struct {
		const char *name;
		enum order_kind kind;
	} kinds[] = { { "PO", ORDER_PROGRAM },
		      { "FS", ORDER_CREATE },
		      { "JE", ORDER_JOIN },
		      { "SR", ORDER_MESSAGE },
		      { "CA", ORDER_CONNECT } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!strncmp(name, kinds[i].name, 2))
			return kinds[i].kind;
	}
	fail_msg("kind %s", name);
	return ORDER_KINDS;
}

static void check_edges(struct found *f)
{
	CLEANUP_FCLOSE FILE *csv = data_open("expected-edges.csv");
	char text[128], kind[16];
	unsigned int from, to, n = 0;

	assert_non_null(csv);
	while (fgets(text, sizeof(text), csv)) {
		const uint64_t *found;

		if (sscanf(text, "%u,%u,%15s", &from, &to, kind) != 3)
			continue;
		found = map_get(&f->edges, (uint64_t)from << 32 | to);
		if (!found || *found != (uint64_t)kind_of(kind) + 1)
			fail_msg("edge %u -> %u (%s) was not found", from, to, kind);
		n++;
	}
	assert_int_equal(n, 806);
	assert_int_equal(f->edges.count, 806);
}

static struct line *line_by_id(struct trace *t, unsigned int id)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		if (t->lines[i].id == id)
			return &t->lines[i];
	}
	return NULL;
}

/* expected-events.csv: id,line,type,thread,timestamp_ms,falcon_order,longest_path_clock (from 0) */
static void check_clocks(struct trace *t, unsigned int *falcon)
{
	CLEANUP_FCLOSE FILE *csv = data_open("expected-events.csv");
	char text[512];
	unsigned int n = 0;

	assert_non_null(csv);
	while (fgets(text, sizeof(text), csv)) {
		unsigned int id, clock;
		struct line *l;
		char *last = strrchr(text, ','), *order;

		if (sscanf(text, "%u,", &id) != 1)
			continue;
		*last = 0;
		order = strrchr(text, ',');
		clock = (unsigned int)atoi(last + 1);
		falcon[id] = (unsigned int)atoi(order + 1);
		l = line_by_id(t, id);
		assert_non_null(l);
		assert_int_equal(order_clock(t->order, (struct order_ref) { l->host, l->event }), clock + 1);
		n++;
	}
	assert_int_equal(n, 688);
}

static void check_falcon(const struct found *f, const unsigned int *falcon)
{
	const struct map_slot *s;
	size_t at = 0;

	while ((s = map_each(&f->edges, &at)) != NULL)
		assert_true(falcon[s->key >> 32] <= falcon[s->key & UINT32_MAX]);
}

/* The five receives without a sender in the trace (README of the data). */
static bool note_unmatched(void *arg, struct order_ref a, enum order_reason reason, uint64_t bytes)
{
	struct found *f = arg;
	unsigned int id = f->t->line_of[a.host][a.id] - 1;
	struct line *l = line_by_id(f->t, id);

	assert_true(bytes > 0);
	assert_int_not_equal(reason, ORDER_AMBIGUOUS);
	if (!strcmp(l->type, "RCV"))
		assert_true(id == 88 || id == 89 || id == 322 || id == 323 || id == 465);
	return true;
}

static void all_806_edges(void **state)
{
	CLEANUP_FREE struct trace *t = calloc(1, sizeof(*t));
	static unsigned int falcon[LINES_MAX];
	struct found f = { .t = t, .edges = MAP_INIT };
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	if (!load(t)) {
		print_message("the Falcon data is missing: set SAKER_TEST_DATA\n");
		skip();
	}
	assert_int_equal(t->n, 688);
	assert_int_equal(t->nhosts, 3);
	assert_int_equal(order_new(NULL, &t->order, &err), 0);
	for (i = 0; i < t->n; i++)
		feed(t, &t->lines[i]);
	if (order_solve(t->order, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(order_edges(t->order, true, note_edge, &f), 0);
	assert_int_equal(f.kinds[ORDER_PROGRAM], 558);
	assert_int_equal(f.kinds[ORDER_CREATE], 127);
	assert_int_equal(f.kinds[ORDER_JOIN], 30);
	assert_int_equal(f.kinds[ORDER_MESSAGE], 88);
	assert_int_equal(f.kinds[ORDER_CONNECT], 3);
	check_edges(&f);
	check_clocks(t, falcon);
	check_falcon(&f, falcon);
	order_unmatched(t->order, note_unmatched, &f);
	map_fini(&f.edges);
	order_free(t->order);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_806_edges) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
