/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: what each call saw of the pipe decides which bytes are whose. */
#include "order/script.h"

#include "base/cleanup.h"
#include "order/record.h"

#define BORN "0/1/1 pipe stream=1 *4;"
#define OLDER "0/1/1 pipe stream=1 flags=8 *4;"

static const struct script_case pipes[] = {
	{ "one write, two reads, end of file",
	  BORN "w: 0/1/1 pipe_write stream=1 bytes=10 left=10; r: 0/2/2 pipe_read stream=1 bytes=4 other=10 left=6;"
	       "q: 0/2/2 pipe_read stream=1 offset=4 bytes=6 other=10;"
	       "0/2/2 pipe_read stream=1 offset=10 other=10 flags=4",
	  "w>q:6 w>r:4" },
	{ "two pipes, and a socket whose cookie is the same",
	  BORN "0/1/1 pipe stream=2 *4; w: 0/1/1 pipe_write stream=1 bytes=5 left=5; v: 0/1/1 pipe_write stream=2 "
	       "bytes=5 left=5;"
	       "s: 0/1/1 send sock=1 bytes=5; r: 0/2/2 pipe_read stream=2 bytes=5 other=5",
	  "s!unknown v>r:5 w!after" },
	{ "the reader's call ends before the writer's",
	  BORN "r: 0/2/2 pipe_read stream=1 bytes=10 begin_ns=90 @130; w: 0/1/1 pipe_write stream=1 bytes=10 other=10 "
	       "begin_ns=100 @140",
	  "w>r:10" },
	{ "two writers at the same time: whose bytes came first is not known",
	  BORN "w: 0/1/1 pipe_write stream=1 bytes=10 left=20 begin_ns=100 @130;"
	       "v: 0/1/2 pipe_write stream=1 offset=10 bytes=10 left=20 begin_ns=120 @140;"
	       "r: 0/2/2 pipe_read stream=1 bytes=10 other=20 left=10 begin_ns=200 @210;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=10 other=20 begin_ns=220 @230",
	  "q!ambiguous r!ambiguous v!ambiguous v?q v?r w!ambiguous w?q w?r" },
	{ "unless one read takes all",
	  BORN "w: 0/1/1 pipe_write stream=1 bytes=10 left=20 begin_ns=100 @130;"
	       "v: 0/1/2 pipe_write stream=1 offset=10 bytes=10 left=20 begin_ns=120 @140;"
	       "r: 0/2/2 pipe_read stream=1 bytes=20 other=20 begin_ns=200 @210",
	  "v>r:10 w>r:10" },
	{ "two writers, one after the other",
	  BORN "w: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=100 @110;"
	       "v: 0/1/2 pipe_write stream=1 offset=10 bytes=10 left=20 begin_ns=120 @140;"
	       "r: 0/2/2 pipe_read stream=1 bytes=10 other=20 left=10 begin_ns=200 @210;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=10 other=20 begin_ns=220 @230",
	  "v>q:10 w>r:10" },
	{ "two readers at the same time",
	  BORN "w: 0/1/1 pipe_write stream=1 bytes=10 left=10; v: 0/1/1 pipe_write stream=1 offset=10 bytes=10 left=20;"
	       "r: 0/2/2 pipe_read stream=1 bytes=10 other=20 begin_ns=200 @210;"
	       "q: 0/2/3 pipe_read stream=1 offset=10 bytes=10 other=20 begin_ns=205 @230",
	  "q!ambiguous r!ambiguous v!ambiguous v?q v?r w!ambiguous w?q w?r" },
	{ "a stranger wrote: the pipe holds more than was counted; exact again once his bytes are out",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=1000000 @1000500; r: 0/2/2 pipe_read stream=1 "
	       "bytes=10 other=10 left=10 begin_ns=2000000 @2000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=10 other=10 begin_ns=3000000 @3000500;"
	       "b: 0/1/1 pipe_write stream=1 offset=10 bytes=10 other=20 left=10 begin_ns=4000000 @4000500;"
	       "p: 0/2/2 pipe_read stream=1 offset=20 bytes=10 other=20 begin_ns=5000000 @5000500",
	  "a!ambiguous a?q a?r b>p:10 q!ambiguous r!ambiguous" },
	{ "a stranger read: the pipe holds less",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=1000000 @1000500;"
	       "b: 0/1/1 pipe_write stream=1 offset=10 bytes=10 left=10 begin_ns=2000000 @2000500;"
	       "r: 0/2/2 pipe_read stream=1 bytes=10 other=20 begin_ns=3000000 @3000500;"
	       "c: 0/1/1 pipe_write stream=1 offset=20 bytes=5 other=10 left=5 begin_ns=4000000 @4000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=5 other=25 begin_ns=5000000 @5000500",
	  "a!ambiguous a?r b!ambiguous b?r c>q:5 r!ambiguous" },
	{ "what was read since the old shift was proved last is doubted, though its own look tells nothing",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=1000000 @1000500; r: 0/2/2 pipe_read stream=1 "
	       "bytes=10 other=10 left=4294967295 begin_ns=2000000 @2000500;"
	       "b: 0/1/1 pipe_write stream=1 offset=10 bytes=10 other=10 left=20 begin_ns=3000000 @3000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=20 other=20 begin_ns=4000000 @4000500",
	  "a!ambiguous a?q a?r b!ambiguous b?q q!ambiguous r!ambiguous" },
	{ "a pipe from before the recording: known from where all that was in it is out",
	  OLDER "a: 0/1/1 pipe_write stream=1 bytes=10 left=15 begin_ns=1000000 @1000500; r: 0/2/2 pipe_read stream=1 "
		"bytes=5 other=10 left=10 begin_ns=2000000 @2000500;"
		"q: 0/2/2 pipe_read stream=1 offset=5 bytes=10 other=10 begin_ns=3000000 @3000500;"
		"b: 0/1/1 pipe_write stream=1 offset=10 bytes=3 other=15 left=3 begin_ns=4000000 @4000500;"
		"p: 0/2/2 pipe_read stream=1 offset=15 bytes=3 other=13 begin_ns=5000000 @5000500",
	  "a!ambiguous a?q b>p:3 q!ambiguous r!peer" },
	{ "and if nothing tells what it held, nothing is said",
	  OLDER "a: 0/1/1 pipe_write stream=1 bytes=10 left=4294967295 begin_ns=1000000 @1000500;"
		"r: 0/2/2 pipe_read stream=1 bytes=10 other=10 left=4294967295 begin_ns=2000000 @2000500",
	  "a!offset r!offset" },
	{ "packets: what a short read leaves of one is gone",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=100 left=1 flags=128 begin_ns=1000000 @1000500; b: 0/1/1 pipe_write "
	       "stream=1 offset=1 bytes=7 left=2 flags=128 begin_ns=2000000 @2000500;"
	       "r: 0/2/2 pipe_read stream=1 bytes=50 other=2 left=1 flags=128 begin_ns=3000000 @3000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=1 bytes=7 other=2 flags=128 begin_ns=4000000 @4000500",
	  "a>r:50 b>q:7" },
	{ "a write of several packets",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=5000 left=2 flags=128 begin_ns=1000000 @1000500;"
	       "r: 0/2/2 pipe_read stream=1 bytes=4096 other=2 left=1 flags=128 begin_ns=2000000 @2000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=1 bytes=904 other=2 flags=128 begin_ns=3000000 @3000500",
	  "a>q:904 a>r:4096" },
	{ "splice: its write began when its read did",
	  BORN "0/3/3 pipe stream=2 *4; a: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=20 @30;"
	       "q: 0/2/2 pipe_read stream=2 bytes=10 begin_ns=90 @99; r: 0/3/3 pipe_read stream=1 bytes=10 other=10 "
	       "flags=2 @100;"
	       "w: 0/3/3 pipe_write stream=2 bytes=10 other=10 @101",
	  "a>r:10 w>q:10" },
	{ "a writer that waits in its call is woken by who read its first bytes: the first read is early, the last not",
	  BORN "p: 0/1/1 listen; r: 0/2/2 pipe_read stream=1 bytes=10 left=90 begin_ns=100000 @200000;"
	       "k: 0/2/2 wake target_tgid=1 target_tid=1 target_start_ns=1 what=7 @300000;"
	       "q: 0/2/2 pipe_read stream=1 offset=10 bytes=90 @500000;"
	       "w: 0/1/1 pipe_write stream=1 bytes=100 other=100 begin_ns=100000 @600000",
	  "k>w w>q:90 w>r:10" },
	{ "a write that was lost: its bytes are counted, and nobody's",
	  BORN "a: 0/1/1 pipe_write stream=1 bytes=10 left=10 begin_ns=1000000 @1000500; 0/0/0 loss lost_type=71 "
	       "count=1 from_ns=1 to_ns=99 *4;"
	       "r: 0/2/2 pipe_read stream=1 bytes=20 other=20 begin_ns=2000000 @2000500; b: 0/1/1 pipe_write stream=1 "
	       "offset=20 bytes=3 other=20 left=3 begin_ns=3000000 @3000500;"
	       "q: 0/2/2 pipe_read stream=1 offset=20 bytes=3 other=23 begin_ns=4000000 @4000500",
	  "a!ambiguous a?r b!ambiguous b?q q!ambiguous r!ambiguous" },
};

static void pipe_edges(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(pipes); i++)
		script_check(&pipes[i]);
}

/* Two writers whose calls overlap with the next one's only: all but the last two surely went to the first read. */
static void more_certain_edges_than_candidates(void **state)
{
	enum { WRITES = ORDER_CANDIDATES_MAX + 16, SIZE = 10 };
	char text[16384] = BORN, edges[4096] = "q!ambiguous r!ambiguous";
	size_t at = strlen(text), to = strlen(edges);
	int i;

	(void)state;
	for (i = 0; i < WRITES; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "w%02d: 0/1/%d pipe_write stream=1 offset=%d bytes=%d left=%d begin_ns=%d @%d;",
				       i, 1 + i % 2, i * SIZE, SIZE, (i + 1) * SIZE, 1000 + 100 * i, 1150 + 100 * i);
		to += (size_t)snprintf(edges + to, sizeof(edges) - to,
				       i + 2 < WRITES ? " w%1$02d>r:10" : " w%1$02d!ambiguous w%1$02d?q w%1$02d?r", i);
	}
	(void)snprintf(text + at, sizeof(text) - at,
		       "r: 0/2/2 pipe_read stream=1 bytes=%d other=%d left=5 begin_ns=2000000 @2000100;"
		       "q: 0/2/2 pipe_read stream=1 offset=%d bytes=5 other=%d begin_ns=3000000 @3000100",
		       WRITES * SIZE - 5, WRITES * SIZE, WRITES * SIZE - 5, WRITES * SIZE);
	script_check(&(struct script_case) { "more edges are certain than candidates are kept", text, edges });
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(pipe_edges),
					    cmocka_unit_test(more_certain_edges_than_candidates) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
