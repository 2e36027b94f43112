/* SPDX-License-Identifier: Apache-2.0 */
/* Whose lane an event lies on: numbers of processes that come again, names, namespaces, events that no thread did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/scratch.h"

static struct scratch world;
static uint64_t ids[16];

static void put_fork(uint64_t ns, uint32_t parent, uint32_t tgid, uint32_t tid, uint64_t start, const char *comm)
{
	struct event_fork e = { .h = scratch_head(EVENT_FORK, ns, parent, parent) };

	e.h.start_ns = parent == 20 ? 1990 : parent;
	e.child_tgid = tgid;
	e.child_tid = tid;
	e.child_start_ns = start;
	e.flags = tgid == tid ? 0 : PROCFLAGS_THREAD;
	(void)scratch_put(&world, &e, (const char *const[]) { comm, NULL });
}

static uint64_t put_exec(uint64_t ns, uint32_t pid, uint64_t start, uint64_t netns, const char *comm)
{
	struct event_exec e = { .h = scratch_head(EVENT_EXEC, ns, pid, pid), .netns = netns };

	e.h.start_ns = start;
	return scratch_put(&world, &e, (const char *const[]) { comm, "/bin/x", "x --of the test", NULL });
}

static uint64_t put_mark(uint64_t ns, uint32_t pid, uint32_t tid, uint64_t start)
{
	struct event_mark e = { .h = scratch_head(EVENT_MARK, ns, pid, tid) };

	e.h.start_ns = start;
	return scratch_put(&world, &e, (const char *const[]) { "text", NULL });
}

static void put_exit(uint64_t ns, uint32_t pid, uint64_t start)
{
	struct event_exit e = { .h = scratch_head(EVENT_EXIT, ns, pid, pid), .flags = EXITFLAGS_LAST_THREAD };

	e.h.start_ns = start;
	(void)scratch_put(&world, &e, (const char *const[]) { "gone", NULL });
}

static void put_netns(uint64_t ns, uint64_t netns, const char *name)
{
	struct event_netns e = { .h = scratch_head(EVENT_NETNS, ns, 0, 0), .netns = netns };

	(void)scratch_put(&world, &e, (const char *const[]) { name, NULL });
}

static uint64_t put_timer(uint64_t ns, uint32_t pid, uint32_t tid, uint64_t start)
{
	struct event_timer e = { .h = scratch_head(EVENT_TIMER, ns, 0, 0) };

	e.h.context = CONTEXT_SOFTIRQ;
	e.target_tgid = pid;
	e.target_tid = tid;
	e.target_start_ns = start;
	return scratch_put(&world, &e, NULL);
}

static int setup(void **state)
{
	(void)state;
	scratch_open(&world);
	scratch_clock(&world, 1000);
	put_netns(1100, 70, "node1");
	put_fork(2000, 10, 20, 20, 1990, "sh");
	ids[0] = put_mark(2100, 20, 20, 1990);
	ids[1] = put_exec(2200, 20, 1990, 70, "server"); /* and lives in node1 from here on */
	put_fork(2300, 20, 20, 21, 2290, "server");
	ids[2] = put_mark(2400, 20, 21, 2290);
	ids[3] = put_timer(2500, 20, 21, 2290);
	ids[4] = put_timer(2600, 99, 99, 1); /* of nobody who is known */
	put_exit(3000, 20, 1990);
	put_fork(4000, 10, 20, 20, 3990, "sh"); /* the number again */
	ids[5] = put_exec(4100, 20, 3990, 71, "other");
	(void)scratch_serve(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close(&world);
	return 0;
}

static const struct lane *lane_at(int i)
{
	const struct model *m = world.serve.model;
	uint32_t event = model_find(m, (struct order_ref) { 0, ids[i] });

	assert_int_not_equal(event, NO_EVENT);
	return &m->lanes[m->ev.lane[event]];
}

static const struct lane *above(const struct lane *l)
{
	assert_int_not_equal(l->parent, NO_LANE);
	return &world.serve.model->lanes[l->parent];
}

static void test_who(void **state)
{
	static const struct {
		const char *what, *thread, *process, *host;
		int event;
		uint32_t tid;
	} rows[] = {
		{ "a process goes by its last name", "server", "server", "node1", 0, 20 },
		{ "and lives where it lived last", "server", "server", "node1", 1, 20 },
		{ "a thread", "server", "server", "node1", 2, 21 },
		{ "a timer lies on the thread that it woke", "server", "server", "node1", 3, 21 },
		{ "the same number later is another process; a namespace without name is the machine", "other", "other",
		  "scratch", 5, 20 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const struct lane *t = lane_at(rows[i].event);

		if (t->kind != LANE_THREAD || t->tid != rows[i].tid || strcmp(above(t)->name, rows[i].process) != 0 ||
		    strcmp(above(above(t))->name, rows[i].host) != 0)
			fail_msg("%s: %s[%u] of %s on %s", rows[i].what, t->name, t->tid, above(t)->name,
				 above(above(t))->name);
	}
	assert_ptr_not_equal(above(lane_at(0)), above(lane_at(5)));
	assert_ptr_equal(above(lane_at(0)), above(lane_at(2)));
	assert_string_equal(above(lane_at(0))->about, "x --of the test");
}

static void test_nobody(void **state)
{
	(void)state;
	assert_int_equal(lane_at(4)->kind, LANE_HOST);
	assert_string_equal(lane_at(4)->name, "scratch");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_who), cmocka_unit_test(test_nobody) };

	return cmocka_run_group_tests_name("serve/lanes", tests, setup, teardown);
}
