/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings as a whole: what was appended comes back, in the order that a plain model says. */
#include "store/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MODEL_MAX 20000

/* An event as the model sees it. */
struct item {
	uint64_t boot_ns, seq, tag;
	uint32_t tgid;
	uint16_t cpu;
	bool late;
};

struct model {
	struct item pending[MODEL_MAX], out[MODEL_MAX];
	size_t npending, nout;
	uint64_t last_ns;
};

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->boot_ns != y->boot_ns)
		return x->boot_ns < y->boot_ns ? -1 : 1;
	return x->seq < y->seq ? -1 : 1;
}

static void model_settle(struct model *m, uint64_t before_ns)
{
	size_t i, kept = 0;

	qsort(m->pending, m->npending, sizeof(m->pending[0]), compare_items);
	for (i = 0; i < m->npending; i++) {
		struct item it = m->pending[i];

		if (it.boot_ns >= before_ns) {
			m->pending[kept++] = it;
			continue;
		}
		it.late = it.boot_ns < m->last_ns;
		m->last_ns = it.late ? m->last_ns : it.boot_ns;
		m->out[m->nout++] = it;
	}
	m->npending = kept;
}

static uint64_t rnd(uint64_t *state, uint64_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % n;
}

/* Logs of all lengths and sends: both kinds carry the tag that tells them apart. */
static void append_item(struct scratch *s, struct store_writer *w, const struct item *it)
{
	union {
		struct event_header h;
		char bytes[1024];
	} room;
	struct event_log log = { .h = { .boot_ns = it->boot_ns,
					.type = EVENT_LOG,
					.cpu = it->cpu,
					.seq = it->seq,
					.tgid = it->tgid,
					.tid = it->tgid } };
	char text[300];
	const char *strings[] = { text, NULL };
	struct event_send send = small_send(it->boot_ns, it->cpu, it->seq, it->tgid);

	send.offset = it->tag;
	(void)snprintf(
		text, sizeof(text), "%llu %.*s", (unsigned long long)it->tag, (int)(it->tag % 200),
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_true(event_build(&room, sizeof(room), &log, strings) > 0);
	OK(s, store_append(w, it->tag % 3 ? &send.h : &room.h, &s->err));
}

static uint64_t item_tag(const struct event *ev)
{
	return ev->type->id == EVENT_SEND ? EVENT_AS(send, ev)->offset : strtoull(event_string(ev, 0), NULL, 10);
}

static void check_item(const struct item *it, const struct event *ev, uint64_t id)
{
	assert_int_equal(ev->id, id);
	assert_int_equal(item_tag(ev), it->tag);
	assert_int_equal(ev->boot_ns, it->boot_ns);
	assert_int_equal(ev->h->seq, it->seq);
	assert_int_equal(ev->h->cpu, it->cpu);
	assert_int_equal(ev->h->tgid, it->tgid);
	assert_int_equal(!!(ev->h->flags & EVENT_F_LATE), it->late);
}

static void check_fetch(struct scratch *s, struct store_reader *r, const struct model *m, uint64_t *seed)
{
	char room[EVENT_LENGTH_MAX] __attribute__((aligned(8)));
	struct event ev;
	int i;

	for (i = 0; i < 300; i++) {
		uint64_t id = 1 + rnd(seed, m->nout);

		OK(s, store_fetch(r, 0, id, room, sizeof(room), &ev, &s->err));
		check_item(&m->out[id - 1], &ev, id);
	}
	assert_int_equal(store_fetch(r, 0, m->nout + 1, room, sizeof(room), &ev, &s->err), -ENOENT);
	assert_int_equal(store_fetch(r, 0, 0, room, sizeof(room), &ev, &s->err), -ENOENT);
	assert_int_equal(store_fetch(r, 1, 1, room, sizeof(room), &ev, &s->err), -ENOENT);
	assert_int_equal(store_fetch(r, 0, 1, room, 40, &ev, &s->err), -EMSGSIZE);
}

static void check_all(struct scratch *s, const struct model *m, uint64_t *seed)
{
	const char *path = s->rec;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;
	size_t i;

	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_read(r, NULL, &src, &s->err));
	for (i = 0; event_source_next(src, &ev, &s->err) > 0; i++) {
		assert_true(i < m->nout);
		check_item(&m->out[i], ev, i + 1);
	}
	assert_int_equal(i, m->nout);
	event_source_close(src);
	check_fetch(s, r, m, seed);
	store_reader_free(r);
}

/* Disorder from none to wild; windows that hold most of it; chunks and blocks small and large. */
static void test_random_round_trips(void **state)
{
	struct scratch *s = *state;
	struct model *m = malloc(sizeof(*m));
	uint64_t seed = 88172645463325252ULL, round, i, limit;

	for (round = 0; round < 12; round++) {
		struct store_opts opts = scratch_opts(s);
		uint64_t now = 1ULL << 40, jitter = 1ULL << (round * 2), nlate = 0;
		struct store_writer *w = NULL;
		struct store_stats stats;

		m->npending = m->nout = m->last_ns = 0;
		opts.block_bytes = round % 2 ? 16384 : 0;
		opts.chunk_bytes = round % 3 ? 65536 : 0;
		OK(s, store_create(&opts, &w, &s->err));
		for (i = 0; i < MODEL_MAX / 2; i++) {
			struct item it = {
				.seq = i, .tag = i, .cpu = (uint16_t)rnd(&seed, 1 + round * 3), .tgid = 100 + i % 60
			};

			now += rnd(&seed, 100);
			it.boot_ns = now - rnd(&seed, jitter);
			append_item(s, w, &it);
			m->pending[m->npending++] = it;
			if (rnd(&seed, 50))
				continue;
			limit = now - rnd(&seed, 20000);
			OK(s, store_settle(w, limit, &s->err));
			model_settle(m, limit);
			if (!rnd(&seed, 10))
				OK(s, store_flush(w, &s->err));
		}
		model_settle(m, UINT64_MAX);
		OK(s, store_settle(w, UINT64_MAX, &s->err));
		store_writer_stats(w, &stats);
		for (i = 0; i < m->nout; i++)
			nlate += m->out[i].late;
		assert_int_equal(stats.late, nlate);
		OK(s, store_close(w, &s->err));
		check_all(s, m, &seed);
		(void)shell("rm -f %s/.s*.index", s->rec); /* without its sidecars it must read the same */
		check_all(s, m, &seed);
		(void)shell("rm -rf %s", s->rec);
	}
	free(m);
}

/* More waits than the window holds: the oldest half leaves, nothing is lost. */
static void test_full_window(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;
	struct seen seen;
	size_t i, n = 3 * STORE_PENDING_MAX / sizeof(struct event_send);

	OK(s, store_create(&opts, &w, &s->err));
	for (i = 0; i < n; i++) {
		struct event_send e = small_send(1000000 + (i ^ 3) * 10, (uint16_t)(i % 4), i, 5);

		OK(s, store_append(w, &e.h, &s->err));
	}
	OK(s, store_close(w, &s->err));
	seen = read_all(s, s->rec);
	assert_int_equal(seen.events, n);
	assert_int_equal(seen.late, 0);
	assert_true(seen.ordered);
}

static void test_time_and_process(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	const char *path = s->rec;
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;
	struct store_read_opts read = { .from_boot_ns = 5000, .to_boot_ns = 7000 };
	size_t i, n = 0, other = 0;

	opts.block_bytes = 16384;
	OK(s, store_create(&opts, &w, &s->err));
	for (i = 0; i < 10000; i++) { /* process 9 only in the second half, 8 only in the first, many others */
		struct event_send e = small_send(1000 + i, 0, i, i % 3 ? 100 + i % 20 : i < 5000 ? 8 : 9);

		OK(s, store_append(w, &e.h, &s->err));
	}
	OK(s, store_close(w, &s->err));
	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_read(r, &read, &src, &s->err));
	for (n = 0; event_source_next(src, &ev, &s->err) > 0; n++)
		assert_int_equal(ev->boot_ns, 5000 + n);
	assert_int_equal(n, 2000);
	event_source_close(src);
	read = (struct store_read_opts) { .tgid = 9 };
	OK(s, store_read(r, &read, &src, &s->err));
	for (n = 0; event_source_next(src, &ev, &s->err) > 0;) {
		n += ev->h->tgid == 9;
		other += ev->id <= 4500;
	}
	assert_int_equal(n, 1667);  /* multiples of 3 from 5000 to 9999 */
	assert_int_equal(other, 0); /* blocks without it were not read */
	event_source_close(src);
	store_reader_free(r);
}

static const struct event_field probe_fields[] = {
	{ "cpu", EVENT_U32, EVENT_FMT_DEC, NULL, 44, 4, "after a hole" },
	{ "struct", EVENT_CHARS, EVENT_FMT_CHAR, NULL, 48, 9, "a keyword of TSDL" },
	{ "a-b", EVENT_S32, EVENT_FMT_DEC, NULL, 60, 4, "two names that TSDL cannot tell apart" },
	{ "a+b", EVENT_S64, EVENT_FMT_DEC, NULL, 64, 8, "" },
	{ "text", EVENT_STR, EVENT_FMT_CHAR, NULL, 0, 0, "*/ \"quoted\" \\ \n" },
};
static const struct event_type probe_type = { 1024, 72, 5, "uprobe:/a\"b\\c*/d", "runs */ away", probe_fields };

static void append_probe(struct scratch *s, struct store_writer *w, uint16_t type, uint64_t boot_ns, const char *text)
{
	union {
		struct event_header h;
		char bytes[128];
	} room = { .h = { .boot_ns = boot_ns, .type = type, .length = 80 } };

	(void)snprintf(room.bytes + 48, 9, "eightchr");
	(void)snprintf(room.bytes + 72, 8, "%s", text);
	OK(s, store_append(w, &room.h, &s->err));
}

/* Types may come while it is recorded; two hosts may give one number to different types. */
static void test_run_time_types(void **state)
{
	struct scratch *s = *state;
	struct event_type other = { 1024, 72, 5, "another", "", probe_fields }, twin = probe_type;
	struct event_types *types2 = NULL;
	struct store_opts opts = scratch_opts(s);
	const char *path = s->dir, *names[4];
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;
	struct event_value v;
	size_t n = 0;

	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 10, 1, 1);
	OK(s, store_settle(w, UINT64_MAX, &s->err));
	OK(s, store_flush(w, &s->err));
	OK(s, event_types_add(s->types, &probe_type, &s->err));
	append_probe(s, w, 1024, 20, "one");
	OK(s, store_close(w, &s->err));
	assert_true(babeltrace_lines(s, s->rec) == 2 || babeltrace_lines(s, s->rec) == -2);
	assert_int_equal(event_types_new(&types2), 0);
	twin.id = 2000;
	OK(s, event_types_add(types2, &other, &s->err));
	OK(s, event_types_add(types2, &twin, &s->err));
	(void)strcat(s->rec, "2");
	opts.types = types2;
	OK(s, store_create(&opts, &w, &s->err));
	append_probe(s, w, 1024, 30, "two");
	append_probe(s, w, 2000, 40, "three");
	OK(s, store_close(w, &s->err));
	event_types_free(types2);
	OK(s, store_open(&path, 1, &r, &s->err));
	assert_int_equal(store_hosts(r), 2);
	OK(s, store_read(r, NULL, &src, &s->err));
	while (event_source_next(src, &ev, &s->err) > 0) {
		names[n++] = ev->type->name;
		assert_int_equal(ev->type->id, ev->h->type);
		assert_ptr_equal(event_types_get(store_types(r), ev->h->type), ev->type);
		if (n == 1)
			continue;
		event_field_get(ev, &ev->type->fields[4], &v);
		assert_string_equal(v.str, n == 2 ? "one" : n == 3 ? "two" : "three");
	}
	assert_int_equal(n, 4);
	assert_string_equal(names[1], probe_type.name);
	assert_string_equal(names[2], "another");
	assert_string_equal(names[3], probe_type.name);
	event_source_close(src);
	store_reader_free(r);
}

static void test_two_writers(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL, *w2 = NULL;
	char pid[32];

	OK(s, store_create(&opts, &w, &s->err));
	assert_int_equal(store_create(&opts, &w2, &s->err), -EBUSY);
	(void)snprintf(pid, sizeof(pid), "process id %d ", (int)getpid());
	assert_non_null(strstr(s->err.text, pid));
	OK(s, store_close(w, &s->err));
	assert_int_equal(store_create(&opts, &w2, &s->err), -EEXIST);
	opts.dir = "/nonexistent/dir/rec";
	assert_int_equal(store_create(&opts, &w2, &s->err), -ENOENT);
	opts.dir = "/dev/null";
	assert_int_equal(store_create(&opts, &w2, &s->err), -ENOTDIR);
}

static void test_private(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	opts.uid = opts.gid = geteuid() ? geteuid() : 12345;
	opts.gid = geteuid() ? getegid() : 12345;
	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 10, 1, 10);
	OK(s, store_close(w, &s->err));
	assert_int_equal(shell_number("find %s -mindepth 1 | wc -l", s->rec), 5);
	assert_int_equal(shell_number("find %s -mindepth 1 -type f -perm 600 -uid %u -gid %u | wc -l", s->rec, opts.uid,
				      opts.gid),
			 5);
	assert_int_equal(shell_number("find %s -maxdepth 0 -type d -perm 700 -uid %u | wc -l", s->rec, opts.uid), 1);
}

static void test_refuses(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;
	struct event_send e = small_send(5, 0, 0, 1);
	struct event_late late = { .h = { .type = EVENT_LATE, .length = sizeof(late) } };

	opts.max_bytes = 1000;
	assert_int_equal(store_create(&opts, &w, &s->err), -EINVAL);
	opts.max_bytes = 0;
	OK(s, store_create(&opts, &w, &s->err));
	assert_int_equal(store_append(w, &late.h, &s->err), -EINVAL);
	e.h.type = 999;
	assert_int_equal(store_append(w, &e.h, &s->err), -EINVAL);
	e.h.type = 1024;
	assert_int_equal(store_append(w, &e.h, &s->err), -EINVAL);
	e.h.type = EVENT_SEND;
	e.h.length -= 8;
	assert_int_equal(store_append(w, &e.h, &s->err), -EBADMSG);
	e.h.length += 8;
	e.h.boot_ns = UINT64_MAX;
	assert_int_equal(store_append(w, &e.h, &s->err), -EINVAL);
	e.h.boot_ns = 7;
	OK(s, store_append(w, &e.h, &s->err));
	OK(s, store_close(w, &s->err));
	assert_int_equal(read_all(s, s->rec).events, 1);
}

static void test_empty(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	OK(s, store_create(&opts, &w, &s->err));
	OK(s, store_flush(w, &s->err));
	OK(s, store_close(w, &s->err));
	assert_int_equal(read_all(s, s->rec).events, 0);
	assert_int_not_equal(babeltrace_lines(s, s->rec), -1);
	OK(s, store_close(NULL, &s->err));
}

/* Hosts are merged by Unix time, whatever their boot times are. */
static void test_hosts_by_wall_clock(void **state)
{
	struct scratch *s = *state;
	const uint64_t boots[] = { 1000, 900000, 5 }; /* boot_ns of one moment on each */
	const char *path = s->dir;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;
	char base[300];
	size_t i, j, n = 0;

	(void)snprintf(base, sizeof(base), "%s", s->rec);
	for (i = 0; i < 3; i++) {
		struct store_opts opts = scratch_opts(s);
		struct store_writer *w = NULL;
		struct event_clock clock = { .h = { .boot_ns = boots[i],
						    .type = EVENT_CLOCK,
						    .length = sizeof(clock),
						    .context = CONTEXT_RECORDER },
					     .real_ns = 1700000000000000000ULL };

		(void)snprintf(s->rec, sizeof(s->rec), "%.280s%zu", base, i);
		OK(s, store_create(&opts, &w, &s->err));
		OK(s, store_append(w, &clock.h, &s->err));
		for (j = 1; j < 100; j++)
			append_sends(s, w, boots[i] + j * 3 + i, 1, 1);
		OK(s, store_close(w, &s->err));
	}
	OK(s, store_open(&path, 1, &r, &s->err));
	assert_int_equal(store_hosts(r), 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(store_host_epoch(r, (unsigned int)i), 1700000000000000000ULL - boots[i]);
	assert_string_equal(store_host_name(r, 2),
			    strrchr(s->rec, '/') + 1); /* all are called node1: the folder's name */
	OK(s, store_read(r, NULL, &src, &s->err));
	for (; event_source_next(src, &ev, &s->err) > 0; n++)
		assert_int_equal(ev->host, n % 3);
	assert_int_equal(n, 300);
	event_source_close(src);
	store_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_random_round_trips),
		STORE_TEST(test_full_window),
		STORE_TEST(test_time_and_process),
		STORE_TEST(test_run_time_types),
		STORE_TEST(test_two_writers),
		STORE_TEST(test_private),
		STORE_TEST(test_refuses),
		STORE_TEST(test_empty),
		STORE_TEST(test_hosts_by_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
