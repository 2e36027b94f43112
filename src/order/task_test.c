/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, signals, timers: expected edges as fork(2), wait(2), signal(7) say. */
#include "order/script.h"

#include "base/cleanup.h"

static const struct script_case tasks[] = {
	{ "a child's first event follows its creation, its exit precedes the wait",
	  "f: 0/1/1 fork child_tgid=5 child_tid=5 child_start_ns=15; a: 0/5/5/15 log; x: 0/5/5/15 exit flags=1;"
	  "j: 0/1/1 join child_tgid=5 child_tid=5 child_start_ns=15",
	  "f>a x>j" },
	{ "a wait without start time: the latest thread with the tid that has ended",
	  "0/5/5/15 log; x1: 0/5/5/15 exit; j1: 0/1/1 join child_tid=5; x2: 0/5/5/77 exit; j2: 0/1/1 join child_tid=5;"
	  "x3: 0/5/5/99 exit",
	  "x1>j1 x2>j2" },
	{ "a tid that came again is another thread",
	  "f1: 0/1/1 fork child_tgid=5 child_tid=5 child_start_ns=15; a: 0/5/5/15 exit;"
	  "f2: 0/1/1 fork child_tgid=5 child_tid=5 child_start_ns=40; b: 0/5/5/40 exit;"
	  "j: 0/1/1 join child_tid=5 child_start_ns=15",
	  "a>j f1>a f2>b" },
	{ "a child without events, a child whose exit was lost",
	  "0/1/1 fork child_tgid=9 child_tid=9 child_start_ns=3; a: 0/5/5/15 log;"
	  "j: 0/1/1 join child_tid=5 child_start_ns=15; 0/1/1 join child_tid=6",
	  "a>j" },
	{ "imports: the k-th creation of a tid makes its k-th start",
	  "f1: 0/1/1 fork child_tid=5 !; s1: 0/5/5 start !; e1: 0/5/5 exit !; j1: 0/1/1 join child_tid=5 !;"
	  "f2: 0/1/1 fork child_tid=5 !; s2: 0/5/5 start !; e2: 0/5/5 exit !; j2: 0/1/1 join child_tid=5 !",
	  "e1>j1 e2>j2 f1>s1 f2>s2" },
	{ "imports: the only end of a thread, stamped after the wait for it",
	  "j: 0/1/1 join child_tid=5 !; e: 0/5/5 exit !; k: 0/1/1 join child_tid=6 !; 0/6/6 exit !; 0/6/6 exit !;"
	  "0/1/1/9 join child_tid=7; 0/7/7/9 exit",
	  "e>j" },
	{ "a timer precedes what its thread does next, not what it interrupted",
	  "0/1/1 log; 0/2/2 log; t: 0/1/1 timer target_tgid=2 target_tid=2 target_start_ns=1 *2; 0/1/1 log; w: 0/2/2 "
	  "log",
	  "t>w" },
	{ "events that come late are sorted into their thread",
	  "f: 0/1/1 fork child_tid=5 child_start_ns=15 @20; 0/5/5/15 log @50; a: 0/5/5/15 log @30; 0/1/1 log @60",
	  "f>a" },
};

static const struct script_case signals[] = {
	{ "a signal to a process, delivered in any of its threads",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; d: 0/2/3 deliver sig=10 sender=1", "s>d" },
	{ "a signal to a thread is not another thread's",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=10; 0/2/3 deliver sig=10 sender=1;"
	  "d: 0/2/2 deliver sig=10 sender=1",
	  "s>d" },
	{ "another process's and another number's are no match",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; 0/3/3 deliver sig=10; 0/2/2 deliver sig=12", "" },
	{ "a second standard signal is delivered with the pending one",
	  "a: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1;"
	  "b: 0/4/4 signal target_tgid=2 target_tid=2 sig=10 flags=1 result=2; d: 0/2/2 deliver sig=10 sender=1;"
	  "0/2/2 deliver sig=10",
	  "a>d b>d" },
	{ "ignored ones and overflows arrive nowhere",
	  "0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1 result=1;"
	  "0/1/1 signal target_tgid=2 target_tid=2 sig=40 flags=1 result=3; 0/2/2 deliver sig=10; 0/2/2 deliver sig=40",
	  "" },
	{ "real-time signals queue, first in first out",
	  "a: 0/1/1 signal target_tgid=2 target_tid=2 sig=40 flags=1; b: 0/4/4 signal target_tgid=2 target_tid=2 "
	  "sig=40 "
	  "flags=1; d: 0/2/2 deliver sig=40 sender=1; e: 0/2/3 deliver sig=40 sender=4",
	  "a>d b>e" },
	{ "queued anew: the one before was taken by sigwait",
	  "0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; b: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 "
	  "flags=1; d: 0/2/2 deliver sig=10 sender=1",
	  "b>d" },
	{ "one to the process and one to the thread: the sender decides",
	  "a: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; b: 0/4/4 signal target_tgid=2 target_tid=2 "
	  "sig=10;"
	  "d: 0/2/2 deliver sig=10 sender=1; e: 0/2/2 deliver sig=10 sender=4",
	  "a>d b>e" },
	{ "and if both came from one process, nobody does",
	  "a: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; b: 0/1/9 signal target_tgid=2 target_tid=2 "
	  "sig=10;"
	  "d: 0/2/2 deliver sig=10 sender=1",
	  "a?d b?d" },
	{ "a sender that nobody saw",
	  "a: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; d: 0/2/2 deliver sig=10 sender=7", "a?d" },
	{ "SIGKILL shows as the exit of every thread",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=9 flags=1; x: 0/2/2 exit sig=9; y: 0/2/3 exit sig=9 flags=1",
	  "s>x s>y" },
	{ "a fatal signal that is never delivered",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=15 flags=1; x: 0/2/2 exit sig=15 flags=1; 0/2/2/99 exit "
	  "sig=15",
	  "s>x" },
	{ "stop and resumption concern all threads",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=19 flags=1; a: 0/2/2 stop sig=19; b: 0/2/3 stop sig=19;"
	  "c: 0/1/1 signal target_tgid=2 target_tid=2 sig=18 flags=1; d: 0/2/3 cont sig=18; e: 0/2/2 cont sig=18",
	  "c>d c>e s>a s>b" },
	{ "where signals were lost nothing is exact",
	  "s: 0/1/1 signal target_tgid=2 target_tid=2 sig=10 flags=1; 0/0/0 loss lost_type=23 from_ns=11 to_ns=15 "
	  "count=1 *4;"
	  "d: 0/2/2 deliver sig=10 sender=1",
	  "s?d" },
};

static void task_edges(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(tasks); i++)
		script_check(&tasks[i]);
}

static void signal_edges(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(signals); i++)
		script_check(&signals[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(task_edges), cmocka_unit_test(signal_edges) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
