/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goroutines as units of program order: expected edges and orders from the semantics of the Go scheduler
 * (src/runtime/proc.go) and The Go Memory Model (go.dev/ref/mem).
 */
#include "order/script.h"

#include "base/cleanup.h"

static const struct script_case edges[] = {
	{ "a goroutine begins after the exec of its program, a thread ends after what it ran",
	  "x: 0/1/1 exec; g: 0/1/1 goroutine goid=1 program=7; a: 0/1/1 log; e: 0/1/1 exit", "a>e x>g" },
	{ "and not after the exec of another process, or a later one",
	  "0/2/2 exec; 0/1/1 goroutine goid=1 program=7; 0/1/1 log; 0/1/1 exec", "" },
	{ "each thread on which a goroutine was ends after the last that it did there",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; 0/1/2 goroutine goid=5 program=7; b: 0/1/2 log;"
	  "e: 0/1/1 exit; f: 0/1/2 exit",
	  "a>e b>f" },
	{ "who makes another run: after what that one did before, before what it does next",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; 0/1/2 goroutine goid=6 program=7;"
	  "r: 0/1/2 go_ready goid=5 by=6 program=7; b: 0/1/1 log",
	  "a>r r>b" },
	{ "who makes another run is told by the event, not by the thread's last stretch",
	  "h: 0/1/1 goroutine goid=5 program=7; r: 0/1/1 go_ready goid=8 by=6 program=7; a: 0/1/1 log;"
	  "s: 0/1/2 goroutine goid=8 program=7",
	  "r>s" },
	{ "goroutines of another program with the same id are others",
	  "0/1/1 goroutine goid=5 program=7; 0/1/1 go_ready goid=6 by=5 program=7; 0/2/2 goroutine goid=6 program=9;"
	  "0/1/1 goroutine goid=6 program=8; 0/1/1 log",
	  "" },
	{ "a thread's beginning, end and signals are the thread's, whoever runs there",
	  "f: 0/1/1 fork child_tgid=1 child_tid=2 child_start_ns=1; 0/1/2 goroutine goid=5 program=7; 0/1/2 log;"
	  "s: 0/9/9 signal target_tgid=1 target_tid=2 sig=10; d: 0/1/2 deliver sig=10 sender=9; l: 0/1/2 log; e: 0/1/2 "
	  "exit",
	  "f>d l>e s>d" },
	{ "a timer of such a thread is the scheduler's",
	  "0/1/2 goroutine goid=5 program=7;"
	  "0/1/1 timer target_tgid=1 target_tid=2 target_start_ns=1 *2; 0/1/2 log; 0/1/2 exit",
	  "#0.3>#0.4" },
	{ "a timer after which the scheduler makes goroutines run, but nothing else of the thread is",
	  "0/1/2 goroutine goid=5 program=7; 0/1/1 goroutine goid=6 program=7; a: 0/1/1 log; 0/1/1 goroutine program=7;"
	  "t: 0/1/1 timer target_tgid=1 target_tid=2 target_start_ns=1 *2; r: 0/1/2 go_ready goid=6 program=7;"
	  "s: 0/1/2 go_ready goid=5 program=7; b: 0/1/1 goroutine goid=6 program=7; c: 0/1/2 log",
	  "#0.1>s a>r r>b s>c t>r t>s" },
	{ "not after something else of the thread",
	  "0/1/2 goroutine goid=5 program=7; 0/1/1 timer target_tgid=1 target_tid=2 target_start_ns=1 *2;"
	  "0/1/2 log; r: 0/1/2 go_ready goid=6 program=7; b: 0/1/1 goroutine goid=6 program=7",
	  "r>b" },
	{ "a thread of such a program that runs no goroutine, in C or the scheduler's, goes on after who woke it",
	  "0/1/1 goroutine goid=5 program=7; 0/1/2 goroutine program=7;"
	  "w: 0/1/1 wake target_tgid=1 target_tid=2 target_start_ns=1 what=1; n: 0/1/2 log",
	  "w>n" },
	{ "one that does, for whom the scheduler chooses",
	  "0/1/1 goroutine goid=5 program=7; 0/1/2 goroutine goid=6 program=7;"
	  "0/1/1 wake target_tgid=1 target_tid=2 target_start_ns=1 what=1; 0/1/2 log",
	  "" },
	{ "a process that a goroutine starts and waits for",
	  "0/1/1 goroutine goid=5 program=7; f: 0/1/1 fork child_tgid=3 child_tid=3 child_start_ns=33; a: 0/3/3/33 log;"
	  "x: 0/3/3/33 exit; j: 0/1/1 join child_tgid=3 child_tid=3 child_start_ns=33",
	  "f>a x>j" },
};

/* name of a, name of b: a happens before b (<), or neither (|) */
struct question {
	const char *what, *events, *asked;
};

static const struct question questions[] = {
	{ "two goroutines on one thread are not ordered, each is",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; 0/1/1 goroutine goid=6 program=7; b: 0/1/1 log;"
	  "0/1/1 goroutine goid=5 program=7; c: 0/1/1 log; 0/1/1 goroutine goid=6 program=7; d: 0/1/1 log",
	  "a|b b|c a<c b<d a|d" },
	{ "a goroutine is ordered across threads, also where it comes back without being told anew",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; 0/1/2 goroutine goid=5 program=7; b: 0/1/2 log;"
	  "c: 0/1/1 log",
	  "a<b b<c" },
	{ "what a thread does for no goroutine is its own order",
	  "0/1/1 goroutine program=7; t: 0/1/1 log; 0/1/1 goroutine goid=5 program=7; a: 0/1/1 log;"
	  "0/1/1 goroutine program=7; u: 0/1/1 log",
	  "t<u t|a a|u" },
	{ "before it has told which goroutine it runs nothing is in anybody's order, but before its end",
	  "t: 0/1/1 log; u: 0/1/1 log; 0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; b: 0/1/1 log; e: 0/1/1 exit",
	  "t|u u|a t|a a<b t<e u<e b<e" },
	{ "nor what another thread did before; after that it tells nothing because it runs none",
	  "t: 0/1/1 log; u: 0/1/1 log; 0/1/2 goroutine goid=5 program=7; a: 0/1/2 log; v: 0/1/1 log; w: 0/1/1 log;"
	  "e: 0/1/1 exit; x: 0/1/1 log",
	  "t|u u|v t|v v<w t<e w<e t|a e<x" },
	{ "it comes after the exec of the program; what the thread did before that is its own order",
	  "s: 0/1/1 log; t: 0/1/1 log; x: 0/1/1 exec; u: 0/1/1 log; v: 0/1/1 log; 0/1/1 goroutine goid=1 program=7;"
	  "a: 0/1/1 log",
	  "s<t t<x x<u x<v u|v u|a x<a s<a" },
	{ "as is what it does in a program that it runs later",
	  "0/1/1 goroutine goid=1 program=7; a: 0/1/1 log; x: 0/1/1 exec; t: 0/1/1 log; u: 0/1/1 log", "t<u a<u" },
	{ "a Go program after a Go program",
	  "0/1/1 goroutine goid=1 program=7; a: 0/1/1 log; x: 0/1/1 exec; t: 0/1/1 log; u: 0/1/1 log;"
	  "0/1/1 goroutine goid=1 program=8; b: 0/1/1 log",
	  "t|u a|t x<t x<b u|b" },
	{ "other processes are as ever",
	  "t: 0/2/2 log; 0/1/1 goroutine goid=1 program=7; u: 0/2/2 log; a: 0/1/1 log; v: 0/2/3 log; w: 0/2/3 log",
	  "t<u v<w" },
	{ "what the time of a thread went to is the thread's, whoever runs there",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; r: 0/1/1 ran; b: 0/1/1 log; 0/1/2 goroutine goid=5 "
	  "program=7;"
	  "c: 0/1/2 log; s: 0/1/1 ran; e: 0/1/1 exit",
	  "a<b b<c r<s s<e c|s r|b" },
	{ "threads without goroutines are as ever", "a: 0/1/1 log; b: 0/1/1 log; c: 0/2/2 log", "a<b a|c" },
	{ "late events go to the stretch of their time",
	  "0/1/1 goroutine goid=5 program=7 @100; a: 0/1/1 log @110; 0/1/1 goroutine goid=6 program=7 @120; b: 0/1/1 "
	  "log @130;"
	  "l: 0/1/1 log @115; 0/1/1 log @140",
	  "a<l l|b" },
	{ "a late change of goroutine counts from its own time on",
	  "0/1/1 goroutine goid=5 program=7 @100; a: 0/1/1 log @110; b: 0/1/1 log @130; 0/1/1 goroutine goid=6 "
	  "program=7 @120",
	  "a|b" },
	{ "an id that comes again after an exec is another goroutine",
	  "0/1/1 goroutine goid=1 program=7; a: 0/1/1 log; 0/1/2 log; x: 0/1/2 exec; 0/1/1 goroutine goid=1 program=8; "
	  "b: 0/1/1 log",
	  "a|b x<b" },
	{ "who ends another's wait for a lock: what either did before comes before what the other does then, both ways",
	  "0/1/1 goroutine goid=20 program=7; a: 0/1/1 log; 0/1/2 goroutine goid=25 program=7; b: 0/1/2 log;"
	  "0/1/1 go_ready goid=25 by=20 program=7; c: 0/1/1 log; d: 0/1/2 log",
	  "a|b a<c b<d a<d b<c c|d" },
	{ "by way of another goroutine",
	  "0/1/1 goroutine goid=5 program=7; a: 0/1/1 log; 0/1/1 go_ready goid=6 by=5 program=7; c: 0/1/1 log;"
	  "0/1/2 goroutine goid=6 program=7; b: 0/1/2 log",
	  "a<b c|b" },
};

static struct order_ref ref_of(const struct script *s, char name)
{
	uint64_t id;

	for (id = 1; id <= s->ids[0]; id++)
		if (s->names[0][id][0] == name && !s->names[0][id][1])
			return (struct order_ref) { 0, id };
	fail_msg("no event %c", name);
	return (struct order_ref) { 0, 0 };
}

static void ask(const struct question *q)
{
	struct script *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;
	const char *p;

	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	script_run(s, q->events);
	(void)script_result(s);
	for (p = q->asked; *p; p += p[3] ? 4 : 3) {
		struct order_ref a = ref_of(s, p[0]), b = ref_of(s, p[2]);

		if (order_happens_before(s->order, a, b) != (p[1] == '<') || order_happens_before(s->order, b, a))
			fail_msg("%s: not %.3s", q->what, p);
		if (p[1] == '<' && order_clock(s->order, a) >= order_clock(s->order, b))
			fail_msg("%s: the clocks of %.3s", q->what, p);
	}
	order_free(s->order);
	free(s);
}

static void test_edges(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(edges); i++)
		script_check(&edges[i]);
}

static void test_order(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(questions); i++)
		ask(&questions[i]);
}

static void test_counts(void **state)
{
	struct script *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;
	struct order_stats st;

	(void)state;
	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	script_run(
		s,
		"0/1/1 goroutine goid=5 program=7; 0/1/1 log; 0/1/2 goroutine goid=6 program=7; 0/1/2 log; 0/3/3 log");
	(void)script_result(s);
	order_get_stats(s->order, &st);
	assert_int_equal(st.threads, 3);
	assert_int_equal(st.goroutines, 2);
	assert_int_equal(st.events, 5);
	assert_int_equal(st.edges[ORDER_PROGRAM], 2);
	order_free(s->order);
	free(s);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
