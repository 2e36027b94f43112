/* SPDX-License-Identifier: Apache-2.0 */
/* What agents name as evidence, and what they tell each other: the expected edges follow from the numbers, written by hand. */
#include "order/script.h"

/* Host 0 is a backend's, its agent records as 7; host 1 a balancer's, whose agent is 9.  Clocks have nothing to do with each other. */
static const struct script_case cases[] = {
	{ "an exit is the evidence of a report, the report of what is told, that of an action",
	  "0/0/0 mark value=7 \"agent *4 @5000\n"
	  "exit: 0/5/5 exit sig=9 flags=1 #3:41\n"
	  "report: 0/0/0 report session=77 sequence=1 host1=7 ns1=5010 seq1=41 cpu1=3 *4 #65535:1\n"
	  "1/0/0 mark value=9 \"agent *4 @100\n"
	  "told: 1/8/8 told session=77 sequence=1 host1=7 ns1=5010 seq1=41 cpu1=3 #0:1\n"
	  "action: 1/8/8 action host1=9 ns1=110 seq1=1 #0:2",
	  "exit>report report>told told>action" },
	{ "the session and the number count, both of them",
	  "r1: 0/0/0 report session=77 sequence=1 *4; r2: 0/0/0 report session=78 sequence=1 *4\n"
	  "r3: 0/0/0 report session=77 sequence=2 *4\n"
	  "t1: 1/8/8 told session=77 sequence=2; t2: 1/8/8 told session=78 sequence=1; t3: 1/8/8 told session=79 "
	  "sequence=2",
	  "r2>t2 r3>t1" },
	{ "nobody said it: no number", "r: 0/0/0 report session=77 sequence=0 *4; t: 1/8/8 told session=77 sequence=0",
	  "" },
	{ "another CPU, another number, another recording are other events",
	  "0/0/0 mark value=7 \"agent *4\n"
	  "exit: 0/5/5 exit flags=1 #3:41\n"
	  "0/0/0 report host1=7 ns1=1 seq1=41 cpu1=2 *4; 0/0/0 report host1=7 ns1=1 seq1=42 cpu1=3 *4\n"
	  "0/0/0 report host1=8 ns1=1 seq1=41 cpu1=3 *4; 0/0/0 report host1=7 ns1=0 seq1=41 cpu1=3 *4",
	  "" },
	{ "an event rests on up to four",
	  "1/0/0 mark value=9 \"agent *4\n"
	  "a: 1/8/8 told #0:1; b: 1/9/9 check #0:2; c: 1/9/9 effect #0:3; d: 1/9/9 told #0:4\n"
	  "e: 1/8/10 action host1=9 ns1=1 seq1=1 host2=9 ns2=1 seq2=2 host3=9 ns3=1 seq3=3 host4=9 ns4=1 seq4=4 #0:5",
	  "a>e b>e c>e d>e" },
	{ "in two copies of one recording stand two such events",
	  "0/0/0 mark value=9 \"agent *4; 1/0/0 mark value=9 \"agent *4\n"
	  "a: 0/8/8 told #0:1; b: 1/8/8 told #0:1\n"
	  "c: 1/8/8 action host1=9 ns1=1 seq1=1 #0:2",
	  "a?c b?c" },
	{ "only the recording's first mark says who it is",
	  "0/0/0 mark value=9 \"agent *4; 0/0/0 mark value=7 \"agent *4\n"
	  "a: 0/8/8 told #0:1; 0/8/8 action host1=7 ns1=1 seq1=1 #0:2",
	  "" },
};

static void test_edges(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		script_check(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_edges) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
