/* SPDX-License-Identifier: Apache-2.0 */
/* Falcon's traces through import, store and order, against what others derived from them; and files that are wrong. */
#include "agent/falcon_testing.h"

#include <jansson.h>
#include <sys/stat.h>

static void import_zk(struct place *p, struct zk *zk, struct analysis *a)
{
	const char *file = data_path("zookeeper/zktrace_full.log");
	struct import_counts c = import_files(p, &file, 1, p->rec);

	assert_int_equal(c.events, ZK_EVENTS);
	assert_int_equal(c.folded, 106);
	assert_int_equal(c.lines - c.blank, 794);
	assert_int_equal(c.malformed + c.split + c.repaired + c.moved, 0);
	assert_int_equal(p->complaints, 0);
	*a = analyse(p, p->rec);
	assert_int_equal(store_hosts(a->reader), 3);
	zk_load(zk);
	assert_int_equal(zk_find(zk, p, a->reader), ZK_EVENTS);
}

/* The texts that the file's lines say, by thread, in the order of the file. */
struct texts {
	char *thread[ZK_EVENTS], *text[ZK_EVENTS];
	size_t n;
};

static void append(char **text, const char *more)
{
	char *longer = NULL;

	assert_true(asprintf(&longer, "%s\n%s", *text, more) >= 0);
	free(*text);
	*text = longer;
}

static void read_texts(struct texts *t)
{
	CLEANUP_FCLOSE FILE *f = fopen(data_path("zookeeper/zktrace_full.log"), "r");
	char line[65536];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		json_t *o;

		line[strcspn(line, "\n")] = 0;
		o = json_loads(line, 0, NULL);
		if (!o && line[0]) {
			append(&t->text[t->n - 1], line);
		} else if (o && !strcmp(json_string_value(json_object_get(o, "type")), "LOG")) {
			t->thread[t->n] = strdup(json_string_value(json_object_get(o, "thread")));
			t->text[t->n++] = strdup(json_string_value(json_object_get(o, "message")));
		}
		json_decref(o);
	}
}

/* Takes one text of that thread off the list, the first that is left. */
static void take_text(struct texts *t, const char *thread, const char *text)
{
	size_t i;

	for (i = 0; i < t->n && (!t->thread[i] || strcmp(t->thread[i], thread)); i++)
		;
	assert_true(i < t->n);
	assert_string_equal(t->text[i], text);
	free(t->thread[i]);
	free(t->text[i]);
	t->thread[i] = NULL;
}

static void log_texts_survive(void **state)
{
	const char *file = data_path("zookeeper/zktrace_full.log"), *dir;
	struct place *p = *state;
	struct texts t = { .n = 0 };
	struct store_reader *reader;
	struct event_source *source;
	const struct event *ev;
	size_t n = 0;

	read_texts(&t);
	assert_int_equal(t.n, 191);
	(void)import_files(p, &file, 1, p->rec);
	dir = p->rec;
	assert_true(store_open(&dir, 1, &reader, &p->err) >= 0);
	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		char thread[80];

		if (ev->type->id != EVENT_LOG)
			continue;
		(void)snprintf(thread, sizeof(thread), "%u@%s", ev->h->tid, store_host_name(reader, ev->host));
		take_text(&t, thread, event_string(ev, 0));
		n++;
	}
	assert_int_equal(n, 191);
	event_source_close(source);
	store_reader_free(reader);
}

struct found {
	struct zk *zk;
	struct map edges; /* from << 32 | to -> kind */
	uint64_t received[ZK_EVENTS];
};

static bool note_edge(void *arg, const struct order_edge *e)
{
	struct found *f = arg;
	uint64_t from = f->zk->id_of[e->from.host][e->from.id], to = f->zk->id_of[e->to.host][e->to.id];

	assert_false(e->ambiguous || e->after_loss);
	assert_true(from && to);
	assert_true(f->zk->by_id[from - 1]->falcon <= f->zk->by_id[to - 1]->falcon);
	assert_int_equal(map_set(&f->edges, (from - 1) << 32 | (to - 1), e->kind), 0);
	if (e->kind == ORDER_MESSAGE)
		f->received[to - 1] += e->bytes;
	return true;
}

static int kind_of(const char *name)
{
	static const char *const names[ORDER_KINDS] = { [ORDER_PROGRAM] = "PO",
							[ORDER_CREATE] = "FS",
							[ORDER_JOIN] = "JE",
							[ORDER_MESSAGE] = "SR",
							[ORDER_CONNECT] = "CA" };
	int i;

	for (i = 0; i < ORDER_KINDS && (!names[i] || strncmp(names[i], name, 2)); i++)
		;
	return i;
}

static void check_expected_edges(const struct found *f)
{
	CLEANUP_FCLOSE FILE *csv = fopen(data_path("zookeeper/expected-edges.csv"), "r");
	unsigned int from, to, n = 0;
	char line[128], kind[16];

	assert_non_null(csv);
	while (fgets(line, sizeof(line), csv)) {
		const uint64_t *found;

		if (sscanf(line, "%u,%u,%15s", &from, &to, kind) != 3)
			continue;
		found = map_get(&f->edges, (uint64_t)from << 32 | to);
		if (!found || *found != (uint64_t)kind_of(kind))
			fail_msg("edge %u -> %u (%s) was not found", from, to, kind);
		n++;
	}
	assert_int_equal(n, ZK_EDGES);
	assert_int_equal(f->edges.count, ZK_EDGES);
}

/* All bytes of each receive came from somewhere, but for the five without a sender (README of the data). */
static void check_bytes(struct place *p, struct found *f, struct store_reader *reader)
{
	static const unsigned int orphans[] = { 88, 89, 322, 323, 465 };
	uint64_t room[EVENT_LENGTH_MAX / 8];
	struct event ev;
	size_t i, k, n = 0;

	for (i = 0; i < ZK_EVENTS; i++) {
		const struct zk_event *e = f->zk->by_id[i];

		if (strcmp(e->type, "RCV"))
			continue;
		for (k = 0; k < ARRAY_LEN(orphans) && orphans[k] != i; k++)
			;
		if (k < ARRAY_LEN(orphans)) {
			assert_int_equal(f->received[i], 0);
			continue;
		}
		assert_int_equal(store_fetch(reader, e->ref.host, e->ref.id, room, sizeof(room), &ev, &p->err), 0);
		assert_int_equal(f->received[i], EVENT_AS(recv, &ev)->bytes);
		n++;
	}
	assert_int_equal(n, 88);
}

static void all_806_edges_through_the_recording(void **state)
{
	struct place *p = *state;
	static struct zk room; /* no cleanup runs where import_zk() skips the test */
	struct zk *zk = &room;
	struct found f = { .zk = zk, .edges = MAP_INIT };
	struct store_stats stats;
	struct analysis a;
	size_t i;

	import_zk(p, zk, &a);
	assert_int_equal(order_edges(a.order, true, note_edge, &f), 0);
	check_expected_edges(&f);
	for (i = 0; i < ZK_EVENTS; i++)
		assert_int_equal(order_clock(a.order, zk->by_id[i]->ref), zk->by_id[i]->clock + 1);
	check_bytes(p, &f, a.reader);
	store_reader_stats(a.reader, &stats);
	assert_int_equal(stats.late, 0);
	map_fini(&f.edges);
	analysis_close(&a);
}

/* The files of the three hosts, and the solver's own output, tell the same. */
static void other_forms_of_the_trace(void **state)
{
	const char *files[] = { data_path("zookeeper/zktrace/falcon_tracer.zk1.log"),
				data_path("zookeeper/zktrace/log4j.zk1.log"),
				data_path("zookeeper/zktrace/falcon_tracer.zk2.log"),
				data_path("zookeeper/zktrace/log4j.zk2.log") };
	const char *solved = data_path("zookeeper/zktrace_full_ordered.log");
	struct place *p = *state;
	struct import_counts c = import_files(p, files, 4, p->rec);
	char other[400];

	assert_int_equal(c.events, 338 + 257);
	assert_int_equal(c.folded, 106);
	(void)snprintf(other, sizeof(other), "%s/solved", p->dir);
	c = import_files(p, &solved, 1, other);
	assert_int_equal(c.events, ZK_EVENTS);
	assert_int_equal(c.folded + c.malformed, 0);
}

/* taz: expected.json counts what Falcon's own unit test expects. */
struct taz {
	unsigned int kinds[ORDER_KINDS];
	uint64_t ends[64]; /* host << 32 | id of events with a message */
	unsigned int group[64], nends;
};

static unsigned int taz_end(struct taz *t, struct order_ref a)
{
	uint64_t key = (uint64_t)a.host << 32 | a.id;
	unsigned int i;

	for (i = 0; i < t->nends && t->ends[i] != key; i++)
		;
	if (i == t->nends) {
		assert_true(t->nends < 64);
		t->ends[i] = key;
		t->group[i] = i;
		t->nends++;
	}
	return i;
}

static bool taz_edge(void *arg, const struct order_edge *e)
{
	struct taz *t = arg;
	unsigned int from, to, i, old;

	assert_false(e->ambiguous);
	t->kinds[e->kind]++;
	if (e->kind != ORDER_MESSAGE)
		return true;
	from = taz_end(t, e->from);
	to = taz_end(t, e->to);
	old = t->group[to];
	for (i = 0; i < t->nends; i++)
		t->group[i] = t->group[i] == old ? t->group[from] : t->group[i];
	return true;
}

static void taz_trace(void **state)
{
	const char *file = data_path("taz/testEventTrace.txt");
	struct place *p = *state;
	struct import_counts c = import_files(p, &file, 1, p->rec);
	json_t *expected = json_load_file(data_path("taz/expected.json"), 0, NULL), *x;
	struct analysis a = analyse(p, p->rec);
	struct taz t = { .nends = 0 };
	struct order_stats st;
	unsigned int groups = 0, i;

	assert_non_null(expected);
	x = json_object_get(expected, "testEventTrace.txt");
	/* one more than upstream, which does not store a lock taken again by its holder */
	assert_int_equal(c.events, json_integer_value(json_object_get(x, "events")) + 1);
	assert_int_equal(c.malformed, 0);
	assert_int_equal(order_edges(a.order, false, taz_edge, &t), 0);
	for (i = 0; i < t.nends; i++)
		groups += t.group[i] == i;
	assert_int_equal(t.kinds[ORDER_CREATE], json_integer_value(json_object_get(x, "forks")));
	assert_int_equal(t.kinds[ORDER_JOIN], json_integer_value(json_object_get(x, "joins")));
	assert_int_equal(t.kinds[ORDER_CONNECT], json_integer_value(json_object_get(x, "connect_accept_pairs")));
	assert_int_equal(groups, json_integer_value(json_object_get(x, "send_receive_pairs")));
	assert_int_equal(t.nends, json_integer_value(json_object_get(x, "send_receive_events_before_merging")));
	order_get_stats(a.order, &st);
	assert_int_equal(st.cycle, 0);
	assert_int_equal(st.matched, st.messages);
	json_decref(expected);
	analysis_close(&a);
}

#define LOG(ts, text) "{\"type\":\"LOG\",\"timestamp\":" #ts ",\"thread\":\"7@h\",\"message\":\"" text "\"}\n"
#define SND(rest) \
	"{\"type\":\"SND\",\"timestamp\":5,\"thread\":\"7@h\",\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\"," rest "}\n"
#define PORTS "\"src_port\":1,\"dst_port\":2"

static const struct {
	const char *what, *text;
	unsigned int events, folded, malformed, repaired;
	const char *complaints; /* how they begin */
	const char *log;	/* the first log event's text; NULL: any */
} files[] = {
	{ "a stack trace", LOG(1, "a") "x\n\ty\n" LOG(2, "b"), 2, 2, 0, 0, "", "a\nx\n\ty" },
	{ "blank lines and CRLF", "\r\n" LOG(1, "a") "\n  \nx\r\n", 1, 1, 0, 0, "", "a\nx" },
	{ "no log event to fold into", "x\n" LOG(1, "a"), 1, 0, 1, 0, "1: no JSON object", "a" },
	{ "what follows a bad line is not the log event's", LOG(1, "a") "{\"type\":}\nx\n" LOG(2, "b"), 2, 0, 2, 0,
	  "2: no JSON: ", "a" },
	{ "an object over several lines, with a line feed in its string",
	  "{\"type\":\"LOG\",\"timestamp\":1,\n\"thread\":\"7@h\",\"message\":\"a\nb\"}\n", 1, 2, 0, 0, "", "a\nb" },
	{ "an object that never ends",
	  LOG(1, "a") "{\"type\":\"LOG\n"
		      "x\n" LOG(2, "b"),
	  2, 0, 2, 0, "2: no JSON: ", "a" },
	{ "a tab in a string, an escape that is none", LOG(1, "a\tb\\qc"), 1, 0, 0, 0, "", "a\tb\\qc" },
	{ "bytes that are no UTF-8",
	  LOG(1, "a\xff"
		 "b"),
	  1, 0, 0, 1, "",
	  "a\xef\xbf\xbd"
	  "b" },
	{ "an unknown type", "{\"type\":\"FLY\",\"timestamp\":1,\"thread\":\"7@h\"}\n" LOG(1, "a"), 1, 0, 1, 0,
	  "1: the type 'FLY' is unknown", "a" },
	{ "a type's number",
	  "{\"type\":5,\"timestamp\":1,\"thread\":\"7@h\",\"message\":\"a\"}\n"
	  "{\"type\":21,\"timestamp\":1,\"thread\":\"7@h\"}\n",
	  1, 0, 1, 0, "2: 'type' is missing or unknown", "a" },
	{ "no time, no thread, a thread without host",
	  LOG(1, "a") "{\"type\":\"END\",\"thread\":\"7@h\"}\n"
		      "{\"type\":\"END\",\"timestamp\":1}\n{\"type\":\"END\",\"timestamp\":1,\"thread\":\"7\"}\n"
		      "{\"type\":\"END\",\"timestamp\":-1,\"thread\":\"7@h\"}\n",
	  1, 0, 4, 0,
	  "2: 'timestamp' is missing or no number\n3: 'thread' is missing\n4: '7' is no thread (like 4711@host)\n"
	  "5: 'timestamp' is missing or no number\n",
	  "a" },
	{ "a host that would leave the folder",
	  LOG(1, "a") "{\"type\":\"END\",\"timestamp\":1,\"thread\":\"7@../x\"}\n", 1, 0, 1, 0,
	  "2: the host's name begins with a point", "a" },
	{ "sockets that lack something",
	  SND(PORTS ",\"size\":5") SND(PORTS) SND("\"src_port\":1,\"size\":5")
		  SND("\"src_port\":70000,\"dst_port\":2,\"size\":5"),
	  1, 0, 3, 0,
	  "2: 'size' is missing or no number\n3: 'dst_port' is missing or no number\n4: 'src_port' is larger than "
	  "65535",
	  NULL },
	{ "an array with something else in it", "[" LOG(1, "a") ", oops " LOG(2, "b") "]", 2, 0, 1, 0,
	  "2: neither an object nor a comma", "a" },
	{ "an array that is cut off", "[" LOG(1, "a") ",{\"type\":\"LOG\"", 1, 0, 1, 0, "2: the object does not end",
	  "a" },
};

static void write_file(struct place *p, const char *text, size_t len, char path[400])
{
	FILE *f;

	(void)snprintf(path, 400, "%s/trace", p->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* The first log event, and how many marks there are about lines. */
static unsigned int look(struct place *p, const char *dir, char log[512])
{
	struct store_reader *reader;
	struct event_source *source;
	const struct event *ev;
	unsigned int marks = 0;

	log[0] = 0;
	assert_true(store_open(&dir, 1, &reader, &p->err) >= 0);
	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		if (ev->type->id == EVENT_LOG && !log[0])
			(void)snprintf(log, 512, "%s", event_string(ev, 0));
		marks += ev->type->id == EVENT_MARK && strncmp(event_string(ev, 0), "imported: ", 10);
	}
	event_source_close(source);
	store_reader_free(reader);
	return marks;
}

static void files_that_are_wrong(void **state)
{
	struct place *p = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(files); i++) {
		char path[400], dir[400], log[512];
		const char *one = path;
		struct import_counts c;

		write_file(p, files[i].text, strlen(files[i].text), path);
		(void)snprintf(dir, sizeof(dir), "%s/rec%zu", p->dir, i);
		p->complaint[0] = 0;
		p->complaints = 0;
		c = import_files(p, &one, 1, dir);
		if (c.events != files[i].events || c.folded != files[i].folded || c.malformed != files[i].malformed ||
		    c.repaired != files[i].repaired)
			fail_msg("%s: %u events, %u folded, %u malformed, %u repaired; %s", files[i].what,
				 (unsigned int)c.events, (unsigned int)c.folded, (unsigned int)c.malformed,
				 (unsigned int)c.repaired, p->complaint);
		if (strncmp(p->complaint, files[i].complaints, strlen(files[i].complaints)) ||
		    !p->complaint[0] != !files[i].complaints[0])
			fail_msg("%s: %s", files[i].what, p->complaint);
		assert_int_equal(look(p, dir, log), p->complaints);
		if (files[i].log && strcmp(log, files[i].log))
			fail_msg("%s: the log event says '%s'", files[i].what, log);
	}
}

/* A text too long for one event is told by several, and all of it. */
static void long_texts_are_split(void **state)
{
	static const char head[] = "{\"type\":\"LOG\",\"timestamp\":1,\"thread\":\"7@h\",\"message\":\"x";
	struct place *p = *state;
	CLEANUP_FREE char *text = malloc(40000);
	char path[400];
	const char *one = path, *dir = p->rec;
	struct store_reader *reader;
	struct event_source *source;
	const struct event *ev;
	struct import_counts c;
	size_t len = strlen(head), at = 0, i;

	memcpy(text, head, len);
	for (i = 0; i < 10000; i++)
		memcpy(text + len + 2 * i, "\xc3\xa4", 2); /* so that a part could end within one */
	memcpy(text + len + 20000, "\"}\n", 3);
	write_file(p, text, len + 20003, path);
	c = import_files(p, &one, 1, p->rec);
	assert_int_equal(c.events, 3);
	assert_int_equal(c.split, 2);
	assert_true(store_open(&dir, 1, &reader, &p->err) >= 0);
	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		if (ev->type->id != EVENT_LOG)
			continue;
		assert_int_equal((strlen(event_string(ev, 0)) + at) % 2, 1); /* whole characters */
		assert_memory_equal(event_string(ev, 0), text + len - 1 + at, strlen(event_string(ev, 0)));
		at += strlen(event_string(ev, 0));
	}
	assert_int_equal(at, 20001);
	event_source_close(source);
	store_reader_free(reader);
}

#define STEP(type, ts, tid) "{\"type\":\"" type "\",\"timestamp\":" #ts ",\"thread\":\"" #tid "@h\"}\n"

/* A thread does nothing before its start and nothing after its end, whatever its clock says; and keeps what that says. */
static void the_order_of_a_thread(void **state)
{
	static const char text[] = STEP("END", 3, 7) LOG(5, "b") LOG(4, "a") STEP("START", 9, 7) STEP("START", 6, 8)
		STEP("R", 10, 8) STEP("W", 12, 8) STEP("START", 2, 9) STEP("START", 1, 9);
	static const struct {
		const char *type;
		uint64_t ms;
	} expected[] = { { "start", 1 }, { "start", 2 }, { "start", 6 }, { "start", 9 }, { "log", 4 },
			 { "log", 5 },	 { "exit", 3 },	 { "read", 10 }, { "write", 12 } };
	struct place *p = *state;
	char path[400];
	const char *one = path, *dir = p->rec;
	struct store_reader *reader;
	struct event_source *source;
	const struct event *ev;
	struct import_counts c;
	size_t n = 0;

	write_file(p, text, strlen(text), path);
	c = import_files(p, &one, 1, p->rec);
	assert_int_equal(c.moved, 3);
	assert_true(store_open(&dir, 1, &reader, &p->err) >= 0);
	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		if (ev->h->context != CONTEXT_TASK)
			continue;
		assert_true(n < ARRAY_LEN(expected));
		assert_string_equal(ev->type->name, expected[n].type);
		assert_int_equal(ev->boot_ns, expected[n].ms * 1000000);
		n++;
	}
	assert_int_equal(n, ARRAY_LEN(expected));
	event_source_close(source);
	store_reader_free(reader);
}

static void folders(void **state)
{
	struct place *p = *state;
	struct import_counts c;
	char path[400], missing[400];
	const char *one = path, *two[] = { path, missing };
	struct stat st;
	FILE *f;

	write_file(p, LOG(1, "a"), strlen(LOG(1, "a")), path);
	(void)snprintf(missing, sizeof(missing), "%s/missing", p->dir);
	assert_int_equal(try_import(p, two, 2, p->rec, &c), -ENOENT);
	assert_int_equal(access(p->rec, F_OK), -1);
	assert_int_equal(mkdir(p->rec, 0755), 0);
	(void)import_files(p, &one, 1, p->rec);
	assert_int_equal(stat(p->rec, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(try_import(p, &one, 1, p->rec, &c), -EEXIST);
	assert_non_null(strstr(p->err.text, "is not empty ('h')"));
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fclose(f);
	assert_int_equal(try_import(p, &one, 1, missing, &c), -ENODATA);
	assert_int_equal(access(missing, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(log_texts_survive),	      PLACE_TEST(all_806_edges_through_the_recording),
		PLACE_TEST(other_forms_of_the_trace), PLACE_TEST(taz_trace),
		PLACE_TEST(files_that_are_wrong),     PLACE_TEST(long_texts_are_split),
		PLACE_TEST(the_order_of_a_thread),    PLACE_TEST(folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
