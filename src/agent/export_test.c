/* SPDX-License-Identifier: Apache-2.0 */
/* What was exported as Falcon's JSON and imported again is the same: events with their ids, and edges. */
#include "agent/export.h"
#include "agent/falcon_testing.h"
#include "base/buf.h"

static struct export_counts export_to(struct place *p, const struct export_format *format, const char *rec,
				      const char *query, const char *path)
{
	struct export_run_opts o = { .format = format, .paths = &rec, .npaths = 1, .query = query };
	CLEANUP_FCLOSE FILE *f = fopen(path, "w");
	struct export_counts c = { 0 };

	assert_non_null(f);
	if (export_run(&o, f, &c, &p->err) < 0)
		fail_msg("%s", p->err.text);
	return c;
}

/* A line for each event, but for what the import says of itself. */
static char *tell_events(struct place *p, const char *dir, size_t *ret_events)
{
	struct buf b = BUF_INIT;
	struct store_reader *reader;
	struct event_source *source;
	const struct event *ev;

	*ret_events = 0;
	assert_true(store_open(&dir, 1, &reader, &p->err) >= 0);
	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		if (ev->type->id == EVENT_MARK)
			continue;
		event_json(&b, ev, store_host_name(reader, ev->host));
		buf_char(&b, '\n');
		*ret_events += ev->h->context == CONTEXT_TASK;
	}
	event_source_close(source);
	store_reader_free(reader);
	return buf_take(&b);
}

static bool tell_edge(void *arg, const struct order_edge *e)
{
	buf_printf(arg, "%u:%llu -%s-> %u:%llu %u\n", e->from.host, (unsigned long long)e->from.id,
		   order_kind_name((enum order_kind)e->kind), e->to.host, (unsigned long long)e->to.id, e->bytes);
	return true;
}

static char *tell_edges(struct place *p, const char *dir)
{
	struct analysis a = analyse(p, dir);
	struct buf b = BUF_INIT;

	assert_int_equal(order_edges(a.order, true, tell_edge, &b), 0);
	analysis_close(&a);
	return buf_take(&b);
}

static void there_and_back(struct place *p, const char *name, size_t events)
{
	const char *file = data_path(name), *exported;
	char path[300], again[300];
	CLEANUP_FREE char *first = NULL, *second = NULL, *first_edges = NULL, *second_edges = NULL;
	struct import_counts c;
	struct export_counts x;
	size_t n;

	(void)import_files(p, &file, 1, p->rec);
	(void)snprintf(path, sizeof(path), "%.250s/exported", p->dir);
	(void)snprintf(again, sizeof(again), "%.250s/again", p->dir);
	exported = path;
	x = export_to(p, &export_falcon, p->rec, NULL, path);
	assert_int_equal(x.events, events);
	assert_int_equal(x.left_out, 0);
	c = import_files(p, &exported, 1, again);
	assert_int_equal(c.events, events);
	assert_int_equal(c.lines, events);
	assert_int_equal(c.folded + c.malformed + c.repaired, 0);
	first = tell_events(p, p->rec, &n);
	assert_int_equal(n, events);
	second = tell_events(p, again, &n);
	assert_string_equal(first, second);
	first_edges = tell_edges(p, p->rec);
	second_edges = tell_edges(p, again);
	assert_string_equal(first_edges, second_edges);
}

static void zookeeper_there_and_back(void **state)
{
	there_and_back(*state, "zookeeper/zktrace_full.log", ZK_EVENTS);
}

static void taz_there_and_back(void **state)
{
	there_and_back(*state, "taz/testEventTrace.txt", 46);
}

/* How many there are is known from the data: 77 SND, 93 RCV (its README). */
static void queries(void **state)
{
	static const struct {
		const struct export_format *format;
		const char *query;
		uint64_t events, edges;
	} cases[] = {
		{ &export_falcon, "type=send", 77, 0 },	     { &export_chrome, "type=send or type=recv", 77 + 93, 88 },
		{ &export_chrome, "type=send", 77, 0 },	     { &export_shiviz, "type=send or type=recv", 77 + 93, 0 },
		{ &export_falcon, "host=cloud83*", 338, 0 },
	};
	const char *file = data_path("zookeeper/zktrace_full.log");
	struct place *p = *state;
	char path[300];
	size_t i;

	(void)import_files(p, &file, 1, p->rec);
	(void)snprintf(path, sizeof(path), "%.250s/exported", p->dir);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct export_counts c = export_to(p, cases[i].format, p->rec, cases[i].query, path);

		if (c.events != cases[i].events || c.edges != cases[i].edges)
			fail_msg("%s %s: %u events, %u edges", export_format_name(cases[i].format), cases[i].query,
				 (unsigned int)c.events, (unsigned int)c.edges);
	}
}

static void failures(void **state)
{
	const char *file = data_path("taz/testEventTrace.txt");
	struct place *p = *state;
	const char *rec = p->rec;
	struct export_run_opts o = { .format = &export_chrome, .paths = &rec, .npaths = 1 };
	CLEANUP_FCLOSE FILE *full = fopen("/dev/full", "w");
	struct export_counts c;

	(void)import_files(p, &file, 1, p->rec);
	assert_non_null(full);
	assert_int_equal(export_run(&o, full, &c, &p->err), -ENOSPC);
	assert_non_null(strstr(p->err.text, "cannot write the export"));
	o.query = "bytes>";
	assert_int_equal(export_run(&o, full, &c, &p->err), -EINVAL);
	rec = p->dir;
	o.query = NULL;
	rec = "/nowhere";
	assert_int_equal(export_run(&o, full, &c, &p->err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { PLACE_TEST(zookeeper_there_and_back), PLACE_TEST(taz_there_and_back),
					    PLACE_TEST(queries), PLACE_TEST(failures) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
