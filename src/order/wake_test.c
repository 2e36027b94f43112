/* SPDX-License-Identifier: Apache-2.0 */
/* Wakes: what a woken thread does next is after the wake, and nothing else is. */
#include "order/script.h"

#include "base/cleanup.h"
#include "event/events.gen.h"

static const struct script_case wakes[] = {
	{ "a wake precedes what the woken thread does next, not what it did before",
	  "0/1/2/5 log; w: 0/1/1 wake target_tgid=1 target_tid=2 target_start_ns=5 what=1; n: 0/1/2/5 log; 0/1/2/5 log",
	  "w>n" },
	{ "what its time went to, told when it runs again, is the next that it does",
	  "0/1/2/5 ran; w: 0/1/1 wake target_tgid=1 target_tid=2 target_start_ns=5 what=1; r: 0/1/2/5 ran; 0/1/2/5 log",
	  "w>r" },
	{ "the very moment of the wake is still before it",
	  "w: 0/1/1 wake target_tid=2 target_start_ns=5 what=1 @100; 0/1/2/5 log @100; n: 0/1/2/5 log @101", "w>n" },
	{ "another took the lock, it slept again and was woken once more: both are causes",
	  "a: 0/1/1 wake target_tid=2 target_start_ns=5 what=1; b: 0/1/3 wake target_tid=2 target_start_ns=5 what=1;"
	  "n: 0/1/2/5 log",
	  "a>n b>n" },
	{ "one waker, many woken: each on its own",
	  "a: 0/1/1 wake target_tid=2 target_start_ns=5; b: 0/1/1 wake target_tid=3 target_start_ns=6;"
	  "m: 0/1/3/6 log; n: 0/1/2/5 log",
	  "a>n b>m" },
	{ "hand over hand: a woken thread's next event is its own wake of a third",
	  "a: 0/1/1 wake target_tid=2 target_start_ns=5 what=4; b: 0/1/2/5 wake target_tid=3 target_start_ns=6 what=5;"
	  "n: 0/1/3/6 log",
	  "a>b b>n" },
	{ "a lock inside of the kernel orders nothing",
	  "0/1/1 wake target_tid=2 target_start_ns=5 what=15; 0/1/2/5 log", "" },
	{ "what it waited for is not known: it waited all the same",
	  "w: 0/1/1 wake target_tid=2 target_start_ns=5 what=0; n: 0/1/2/5 log", "w>n" },
	{ "a thread id that came again is another thread, one on another host too",
	  "0/1/1 wake target_tid=2 target_start_ns=5 what=1; 0/1/2/9 log; 1/1/2/5 log", "" },
	{ "a thread that never shows itself again", "0/1/2/5 log; 0/1/1 wake target_tid=2 target_start_ns=5 what=1",
	  "" },
	{ "what an interrupt does in the woken thread's name is none of its events",
	  "w: 0/1/1 wake target_tid=2 target_start_ns=5 what=1; 0/1/2/5 retransmit *1; n: 0/1/2/5 log", "w>n" },
	{ "a woken thread's events that came late",
	  "w: 0/1/1 wake target_tid=2 target_start_ns=5 what=1 @20; 0/1/2/5 log @50; n: 0/1/2/5 log @30", "w>n" },
	{ "a disk: who asked, the end, and what the thread that waited for it did next",
	  "r: 0/1/1 block_start @100; 0/1/1 log; d: 0/0/0 block_done started_ns=100 owner_tid=1 owner_start_ns=1 *2;"
	  "w: 0/0/0 block_wake started_ns=100 owner_tid=1 owner_start_ns=1 target_tid=2 target_start_ns=5 *2; n: "
	  "0/1/2/5 log",
	  "r>d r>w w>n" },
	{ "a disk's end whose beginning was lost has no cause",
	  "0/1/1 log @90; 0/1/1 log @110; 0/0/0 block_done started_ns=100 owner_tid=1 owner_start_ns=1 *2", "" },
	{ "between processes, over shared memory",
	  "w: 0/1/1 wake target_tgid=7 target_tid=8 target_start_ns=5 what=1; n: 0/7/8/5 log", "w>n" },
};

static void test_wakes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(wakes); i++)
		script_check(&wakes[i]);
}

struct count {
	unsigned int kinds[ORDER_KINDS], after_loss;
};

static bool count_edge(void *arg, const struct order_edge *e)
{
	struct count *c = arg;

	c->kinds[e->kind]++;
	c->after_loss += e->after_loss;
	return true;
}

static struct count counted(const char *events)
{
	struct script *s = calloc(1, sizeof(*s));
	struct count c = { { 0 }, 0 };
	struct err err = ERR_INIT;

	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	script_run(s, events);
	assert_int_equal(order_solve(s->order, &err), 0);
	assert_int_equal(order_edges(s->order, false, count_edge, &c), 0);
	order_free(s->order);
	free(s);
	return c;
}

static void test_kinds(void **state)
{
	struct count c = counted("0/1/1 wake target_tid=2 target_start_ns=5 what=1; 0/1/1 wake target_tid=2 "
				 "target_start_ns=5 what=4; 0/1/1 wake target_tid=2 target_start_ns=5 what=2;"
				 "0/1/2/5 log");

	(void)state;
	assert_int_equal(c.kinds[ORDER_LOCK], 1);
	assert_int_equal(c.kinds[ORDER_WAKE], 2);
	assert_int_equal(c.after_loss, 0);
	assert_string_equal(order_kind_name(ORDER_LOCK), "lock");
	assert_string_equal(order_kind_name(ORDER_WAKE), "wake");
}

/* Between the wake and the next event that is there, others were lost. */
static void test_loss(void **state)
{
	static const char wake[] = "0/1/1 wake target_tid=2 target_start_ns=5 what=1 @100;";
	char events[512];

	(void)state;
	(void)snprintf(events, sizeof(events),
		       "%s 0/0/0 loss count=3 from_ns=120 to_ns=130 lost_type=37 *4 @140; 0/1/2/5 log @200", wake);
	assert_int_equal(counted(events).after_loss, 1);
	(void)snprintf(events, sizeof(events),
		       "%s 0/0/0 loss count=3 from_ns=220 to_ns=230 lost_type=37 *4 @240; 0/1/2/5 log @200", wake);
	assert_int_equal(counted(events).after_loss, 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_wakes), cmocka_unit_test(test_kinds),
					    cmocka_unit_test(test_loss) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
