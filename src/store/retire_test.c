/* SPDX-License-Identifier: Apache-2.0 */
/* What a budget leaves: never more on disk than was allowed, and enough to understand the rest; the indexes; large ids. */
#include "store/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/ctf/chunk.h"
#include "store/ctf/metadata.h"
#include "base/buf.h"

/* As du(1) counts. */
static uint64_t disk_bytes(const char *path)
{
	char name[700];
	struct dirent *e;
	struct stat st;
	uint64_t sum = 0;
	DIR *d = opendir(path);

	while (d && (e = readdir(d))) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, "..") != 0 && !lstat(name, &st))
			sum += (uint64_t)st.st_blocks * 512;
	}
	if (d)
		(void)closedir(d);
	return sum;
}

static void put(struct scratch *s, struct store_writer *w, const void *event)
{
	OK(s, store_append(w, event, &s->err));
}

static void put_text(struct scratch *s, struct store_writer *w, const void *fixed, const char *const *strings)
{
	char room[1024] __attribute__((aligned(8)));

	assert_true(event_build(room, sizeof(room), fixed, strings) > 0);
	put(s, w, room);
}

#define HEAD(type_, ns)                                                                             \
	{                                                                                           \
		.boot_ns = (ns), .type = (type_), .tgid = 42, .tid = 42, .start_ns = 1, .length = 0 \
	}

/* Two processes, of which one ends; two connections, of which one is closed; names. */
static void set_the_scene(struct scratch *s, struct store_writer *w)
{
	struct event_host host = { .h = HEAD(EVENT_HOST, 100), .cpus = 2 };
	struct event_netns netns = { .h = HEAD(EVENT_NETNS, 110), .netns = 5, .inode = 9 };
	struct event_cgroup cgroup = { .h = HEAD(EVENT_CGROUP, 120), .cgroup = 6 };
	struct event_exec exec = { .h = HEAD(EVENT_EXEC, 130), .netns = 5, .cgroup = 6, .uid = 7 };
	struct event_fork fork = {
		.h = HEAD(EVENT_FORK, 140), .child_tgid = 43, .child_tid = 43, .child_start_ns = 140
	};
	struct event_exit gone = { .h = HEAD(EVENT_EXIT, 160), .flags = EXITFLAGS_LAST_THREAD };
	struct event_connected conn = {
		.h = HEAD(EVENT_CONNECTED, 170), .sock = 7, .netns = 5, .isn = 11, .peer_isn = 12
	};
	struct event_accept closed = { .h = HEAD(EVENT_ACCEPT, 180), .sock = 8 };
	struct event_close close = { .h = HEAD(EVENT_CLOSE, 190), .sock = 8 };

	conn.family = 2;
	conn.protocol = PROTOCOL_TCP;
	conn.remote_port = 80;
	put_text(s, w, &host, (const char *const[]) { "node1", "boot", "6.18", "x86_64", NULL });
	put_text(s, w, &netns, (const char *const[]) { "blue", NULL });
	put_text(s, w, &cgroup, (const char *const[]) { "/system.slice/x.service", NULL });
	put_text(s, w, &exec, (const char *const[]) { "server", "/usr/bin/server", "server -v", NULL });
	put_text(s, w, &fork, (const char *const[]) { "server", NULL });
	fork.child_tgid = fork.child_tid = 44;
	fork.h.boot_ns = 150;
	put_text(s, w, &fork, (const char *const[]) { "server", NULL });
	gone.h.tgid = gone.h.tid = 44;
	put_text(s, w, &gone, (const char *const[]) { "server", NULL });
	conn.h.length = sizeof(conn);
	closed.h.length = sizeof(closed);
	close.h.length = sizeof(close);
	put(s, w, &conn.h);
	put(s, w, &closed.h);
	put(s, w, &close.h);
}

/* A budget at several sizes, blocks of one event to full ones. */
static void fill_budget(struct scratch *s, uint64_t max_bytes, size_t a_block)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;
	uint64_t most = 0, now = 1000;
	size_t i;

	opts.max_bytes = max_bytes;
	OK(s, store_create(&opts, &w, &s->err));
	set_the_scene(s, w);
	for (i = 0; i < 30000; i++) {
		struct event_send e = small_send(now++, 0, i, 42);

		put(s, w, &e.h);
		if (i % a_block == 0) {
			OK(s, store_settle(w, UINT64_MAX, &s->err));
			OK(s, store_flush(w, &s->err));
			most = MAX(most, disk_bytes(s->rec));
		}
	}
	OK(s, store_close(w, &s->err));
	most = MAX(most, disk_bytes(s->rec));
	if (most > max_bytes || most < max_bytes * 3 / 4)
		fail_msg("%llu bytes on disk, %llu allowed", (unsigned long long)most, (unsigned long long)max_bytes);
	assert_int_equal(read_all(s, s->rec).damage, 0);
}

static void test_budget_holds(void **state)
{
	struct scratch *s = *state;
	const uint64_t sizes[] = { 512 * 1024, 777 * 1024, 1024 * 1024 };
	const size_t blocks[] = { 3, 50, 1000000 };
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(sizes); i++)
		for (j = 0; j < ARRAY_LEN(blocks); j++) {
			fill_budget(s, sizes[i], blocks[j]);
			(void)shell("rm -r %s", s->rec);
		}
}

struct scene {
	unsigned int hosts, netns, cgroups, servers, children, ended, open, closed, sends;
	uint64_t first_send, open_tx;
};

static void look(struct scene *sc, const struct event *ev)
{
	bool checkpoint = false;

	switch (ev->type->id) {
	case EVENT_HOST:
		sc->hosts += !strcmp(event_string(ev, 0), "node1");
		break;
	case EVENT_NETNS:
		sc->netns += EVENT_AS(netns, ev)->netns == 5 && !strcmp(event_string(ev, 0), "blue");
		break;
	case EVENT_CGROUP:
		sc->cgroups += EVENT_AS(cgroup, ev)->cgroup == 6;
		break;
	case EVENT_PROCESS:
		checkpoint = EVENT_AS(process, ev)->flags & PROCFLAGS_CHECKPOINT;
		sc->servers += checkpoint && ev->h->tgid == 42 && !strcmp(event_string(ev, 2), "server -v");
		sc->children +=
			checkpoint && ev->h->tgid == 43 && EVENT_AS(process, ev)->ppid == 42 && ev->h->start_ns == 140;
		sc->ended += ev->h->tgid == 44;
		break;
	case EVENT_SOCKET:
		sc->open += EVENT_AS(socket, ev)->sock == 7 && EVENT_AS(socket, ev)->isn == 11 &&
			    EVENT_AS(socket, ev)->remote_port == 80 &&
			    EVENT_AS(socket, ev)->flags == SOCKFLAGS_CHECKPOINT;
		sc->open_tx = sc->sends ? sc->open_tx : EVENT_AS(socket, ev)->tx_offset;
		sc->closed += EVENT_AS(socket, ev)->sock == 8;
		break;
	case EVENT_SEND:
		sc->first_send = sc->sends++ ? sc->first_send : EVENT_AS(send, ev)->offset;
		break;
	default:
		break;
	}
}

/* Whoever is alive at the first chunk that is left is told at its head, and where each stream was. */
static void test_checkpoint_tells(void **state)
{
	struct scratch *s = *state;
	struct scene sc = { 0 };
	const char *path = s->rec;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;

	fill_budget(s, 512 * 1024, 50);
	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_read(r, NULL, &src, &s->err));
	while (event_source_next(src, &ev, &s->err) > 0 && !sc.sends)
		look(&sc, ev);
	event_source_close(src);
	store_reader_free(r);
	assert_int_equal(sc.hosts, 1);
	assert_int_equal(sc.netns, 1);
	assert_int_equal(sc.cgroups, 1);
	assert_int_equal(sc.servers, 1);
	assert_int_equal(sc.children, 1);
	assert_int_equal(sc.ended, 0);
	assert_int_equal(sc.open, 1);
	assert_int_equal(sc.closed, 0);
	assert_true(sc.first_send > 0);
	assert_int_equal(sc.open_tx, sc.first_send); /* the stream goes on exactly where the checkpoint says */
}

/* More processes than a checkpoint holds: it says how many are missing, and the budget holds. */
static void test_checkpoint_full(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	const char *path = s->rec;
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;
	uint64_t i, told = 0, named = 0;

	opts.max_bytes = 512 * 1024;
	OK(s, store_create(&opts, &w, &s->err));
	for (i = 0; i < 5000; i++) {
		struct event_exec exec = { .h = HEAD(EVENT_EXEC, 130 + i) };

		exec.h.tgid = exec.h.tid = (uint32_t)(1000 + i);
		put_text(s, w, &exec, (const char *const[]) { "one", "/bin/one", "one more", NULL });
	}
	append_sends(s, w, 10000, 1, 10000);
	OK(s, store_close(w, &s->err));
	assert_true(disk_bytes(s->rec) <= opts.max_bytes);
	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_read(r, NULL, &src, &s->err));
	while (event_source_next(src, &ev, &s->err) > 0 && ev->type->id != EVENT_SEND) {
		named += ev->type->id == EVENT_PROCESS;
		if (ev->type->id == EVENT_MARK)
			told = EVENT_AS(mark, ev)->value;
	}
	event_source_close(src);
	store_reader_free(r);
	assert_true(named > 10);
	assert_int_equal(told, 5000 - named);
}

/* Reads with the options and without, filtered by hand: the same events; returns how many blocks were read less. */
static uint64_t compare_scan(struct scratch *s, struct store_reader *r, const struct store_read_opts *opts)
{
	struct event_source *fast = NULL, *full = NULL;
	const struct event *a, *b;
	struct store_stats st[3];
	uint64_t to = opts->to_boot_ns ? opts->to_boot_ns : UINT64_MAX;
	int more = 1;

	store_reader_stats(r, &st[0]);
	OK(s, store_read(r, opts, &fast, &s->err));
	while (event_source_next(fast, &a, &s->err) > 0)
		;
	event_source_close(fast);
	store_reader_stats(r, &st[1]);
	OK(s, store_read(r, opts, &fast, &s->err));
	OK(s, store_read(r, NULL, &full, &s->err));
	while (event_source_next(full, &b, &s->err) > 0) {
		if (b->boot_ns < opts->from_boot_ns || b->boot_ns >= to || (opts->tgid && b->h->tgid != opts->tgid))
			continue;
		do
			more = event_source_next(fast, &a, &s->err);
		while (more > 0 && opts->tgid && a->h->tgid != opts->tgid);
		assert_true(more > 0);
		assert_int_equal(a->id, b->id);
	}
	while (event_source_next(fast, &a, &s->err) > 0)
		assert_true(opts->tgid && a->h->tgid != opts->tgid);
	event_source_close(fast);
	event_source_close(full);
	store_reader_stats(r, &st[2]);
	assert_int_equal(st[2].read_blocks - st[1].read_blocks - (st[1].read_blocks - st[0].read_blocks), st[2].blocks);
	return st[2].blocks - (st[1].read_blocks - st[0].read_blocks);
}

/* Late events in it, many processes and few. */
static void test_indexes_are_used(void **state)
{
	struct scratch *s = *state;
	struct store_opts opts = scratch_opts(s);
	const char *path = s->rec;
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	uint64_t i, left_out;

	opts.block_bytes = 16384;
	OK(s, store_create(&opts, &w, &s->err));
	for (i = 0; i < 40000; i++) {
		struct event_send e = small_send(1000 + i - (i % 1000 == 999) * 700, 0, i,
						 i / 10000 == 2 ? 200 + i % 100 : 100 + i / 4000);

		OK(s, store_append(w, &e.h, &s->err));
		if (i % 100 == 0)
			OK(s, store_settle(w, 1000 + i, &s->err));
	}
	OK(s, store_close(w, &s->err));
	OK(s, store_open(&path, 1, &r, &s->err));
	left_out = compare_scan(s, r, &(struct store_read_opts) { .from_boot_ns = 11000, .to_boot_ns = 15000 });
	assert_true(left_out > 150); /* of about 177 */
	left_out = compare_scan(s, r, &(struct store_read_opts) { .from_boot_ns = 39000 });
	assert_true(left_out > 160);
	left_out = compare_scan(s, r, &(struct store_read_opts) { .tgid = 101 });
	assert_true(left_out > 100);
	left_out = compare_scan(s, r, &(struct store_read_opts) { .tgid = 250 });
	assert_true(left_out > 100);
	left_out = compare_scan(s, r, &(struct store_read_opts) { .tgid = 250, .to_boot_ns = 5000 });
	assert_true(left_out > 170);
	store_reader_free(r);
}

/* Nothing counts in 32 bits: a block of a recording that has gone on for very long. */
static void test_large_numbers(void **state)
{
	struct scratch *s = *state;
	struct folder folder = FOLDER_INIT;
	struct typemap types;
	struct chunks chunks;
	struct block b;
	struct metadata m = { .uuid = "0123456789abcde", .hostname = "h" };
	struct buf text = BUF_INIT;
	const char *path = s->rec;
	struct store_reader *r = NULL;
	const uint64_t first[] = { (1ULL << 32) - 1, (1ULL << 53) + 1, (1ULL << 63) + 5 };
	char room[256] __attribute__((aligned(8)));
	struct event ev;
	size_t i;
	bool late;

	folder.path = s->rec;
	OK(s, folder_create(&folder, &s->err));
	assert_int_equal(metadata_write(&m, s->types, &text), 0);
	OK(s, folder_replace(&folder, FOLDER_METADATA, text.data, text.len, &s->err));
	assert_int_equal(block_init(&b, 16384, m.uuid), 0);
	assert_int_equal(typemap_init(&types), 0);
	chunks_init(&chunks, &folder, 0, 1 << 20, 16384);
	for (i = 0; i < ARRAY_LEN(first); i++) {
		struct event_send e = small_send((1ULL << 61) + i, 0, UINT64_MAX - i, 42);

		e.offset = UINT64_MAX - 100 - i;
		block_begin(&b, first[i]);
		assert_true(block_add(&b, &e.h, &late) && block_add(&b, &e.h, &late));
		block_seal(&b, &types, i);
		OK(s, chunks_write(&chunks, &b, &s->err));
	}
	chunks_fini(&chunks);
	block_fini(&b);
	typemap_fini(&types);
	folder_close(&folder);
	buf_fini(&text);
	assert_true(babeltrace_lines(s, s->rec) == 6 || babeltrace_lines(s, s->rec) == -2);
	OK(s, store_open(&path, 1, &r, &s->err));
	for (i = 0; i < ARRAY_LEN(first); i++) {
		OK(s, store_fetch(r, 0, first[i] + 1, room, sizeof(room), &ev, &s->err));
		assert_int_equal(ev.id, first[i] + 1);
		assert_int_equal(EVENT_AS(send, &ev)->offset, UINT64_MAX - 100 - i);
		assert_int_equal(ev.h->seq, UINT64_MAX - i);
		assert_int_equal(store_fetch(r, 0, first[i] + 2, room, sizeof(room), &ev, &s->err), -ENOENT);
	}
	store_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_budget_holds),	   STORE_TEST(test_checkpoint_tells), STORE_TEST(test_checkpoint_full),
		STORE_TEST(test_indexes_are_used), STORE_TEST(test_large_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
