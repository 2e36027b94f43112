/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of events and the story that a person would tell of them; signal(7), tcp(7) say what they mean. */
#include "order/script.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/spans_testing.h"
#include "explain/story.h"

#define MS *1000000ULL

static void feed(void *arg, const struct event *ev)
{
	struct err err = ERR_INIT;

	if (story_add(arg, ev, &err) < 0)
		fail_msg("%s", err.text);
}

/* Each line as `[!]TEXT{IDS}`, ! for a cause, ? for an inference; then the rest after a |. */
static void tell(const char *events, struct buf *out)
{
	struct script *s = calloc(1, sizeof(*s));
	const struct story_line *lines;
	struct story *story = NULL;
	struct err err = ERR_INIT;
	size_t n, i;
	unsigned int k;

	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	assert_int_equal(story_new(NULL, NULL, &story, &err), 0);
	s->also = feed;
	s->arg = story;
	script_run(s, events);
	assert_int_equal(order_solve(s->order, &err), 0);
	assert_int_equal(story_tell(story, s->order, &err), 0);
	n = story_lines(story, &lines);
	for (i = 0; i < n; i++) {
		buf_printf(out, "%s%s%s{", lines[i].cause ? "!" : "", lines[i].inferred ? "?" : "", lines[i].text);
		for (k = 0; k < lines[i].nrefs; k++)
			buf_printf(out, "%s%s", k ? " " : "", script_name(s, lines[i].refs[k]));
		buf_str(out, "}\n");
	}
	if (*story_besides(story))
		buf_printf(out, "|%s\n", story_besides(story));
	story_free(story);
	order_free(s->order);
	free(s);
}

#define PROCESSES                                                     \
	"0/1/1 process netns=1 \"sh \"/bin/sh \" *4; "                \
	"0/2/2 process netns=1 ppid=1 \"server \"/bin/server \" *4; " \
	"0/3/3 process netns=1 ppid=1 \"client \"/bin/client \" *4; "

static const struct {
	const char *what, *events, *told;
} rows[] = {
	{ "an agent took out a backend whose process was killed, and measured it",
	  "0/0/0 mark value=7 \"agent *4\n"
	  "0/5/5 process netns=1 \"shell \"/bin/shell *4; 0/6/6 process netns=1 ppid=5 \"server \"/bin/server *4\n"
	  "kill: 0/5/5 signal sig=9 target_tgid=6 target_tid=6; exit: 0/6/6 exit sig=9 flags=1 #3:41\n"
	  "0/0/0 report session=77 sequence=1 host1=7 ns1=10 seq1=41 cpu1=3 *4\n"
	  "1/0/0 mark value=9 \"agent *4\n"
	  "1/8/8 told session=77 sequence=1 host1=7 ns1=10 seq1=41 cpu1=3 #0:1\n"
	  "act: 1/8/8 action number=4 what=2 mode=2 share_before=1000 share_after=0 vip=10.0.0.1 vip_port=80 "
	  "vip_protocol=6 "
	  "backend=10.1.0.5 host1=9 ns1=110 seq1=1 \"eth0 \"dead #0:2\n"
	  "eff: 1/8/8 effect number=4 verdict=1 host1=9 ns1=120 seq1=2 \"eth0 \"verified #0:3",
	  "!shell[5] sent SIGKILL to server[6], which died of it{kill exit}\n"
	  "shell[5] sent SIGKILL to server[6] → it ended → the host told the balancer → 10.1.0.5 was taken out of VIP "
	  "10.0.0.1:80/tcp "
	  "by action 4 → verified{kill act eff}\n" },
	{ "one that was only said, for a reason that no recording has",
	  "1/8/8 action number=4 what=2 mode=1 share_before=1000 share_after=0 vip=10.0.0.1 vip_port=80 "
	  "vip_protocol=17 backend=10.1.0.5 "
	  "\"eth0 \"refused; 1/8/8 action number=5 what=4 mode=1 share_before=1000 share_after=1000 \"eth0 \"well",
	  "refused → 10.1.0.5 would have been taken out of VIP 10.0.0.1:80/udp (shadow) by action 4{#1.1}\n|1 further "
	  "action of an agent\n" },
	{ "nothing", PROCESSES "0/2/2 exit flags=1; 0/3/3 exit flags=1", "" },
	{ "killed by another",
	  PROCESSES "a: 0/1/1 signal sig=9 target_tgid=2 target_tid=2 flags=1; b: 0/2/2 exit sig=9 flags=1",
	  "!sh[1] sent SIGKILL to server[2], which died of it{a b}\n" },
	{ "killed, and started again",
	  PROCESSES "a: 0/1/1 signal sig=9 target_tgid=2 target_tid=2 flags=1; b: 0/2/2 exit sig=9 flags=1 @1000000000;"
		    "0/1/1 fork child_tgid=9 child_tid=9; c: 0/9/9 exec netns=1 ppid=1 \"server \"/bin/server \" "
		    "@3500000000",
	  "!sh[1] sent SIGKILL to server[2], which died of it{a b}\n"
	  "sh[1] started server[9], 2.500 s after the death of server[2]{c}\n" },
	{ "a fault of its own",
	  PROCESSES "a: 0/2/2 signal sig=11 target_tgid=2 target_tid=2 flags=2; b: 0/2/2 exit sig=11 flags=1",
	  "!server[2] died of SIGSEGV, which the kernel sent it{a b}\n" },
	{ "abort(3)", PROCESSES "a: 0/2/2 signal sig=6 target_tgid=2 target_tid=2; b: 0/2/2 exit sig=6 flags=1",
	  "!server[2] died of SIGABRT, which it sent itself{a b}\n" },
	{ "with the first process of a pid namespace the others end",
	  PROCESSES "a: 0/1/1 signal sig=9 target_tgid=2 target_tid=2 flags=1; b: 0/2/2 exit sig=9 flags=1;"
		    "0/2/2 signal sig=9 target_tgid=3 target_tid=3 flags=3; 0/3/3 exit sig=9 flags=1",
	  "!sh[1] sent SIGKILL to server[2], which died of it{a b}\n" },
	{ "killed by the kernel, and another was running",
	  PROCESSES "a: 0/2/2 signal sig=9 target_tgid=3 target_tid=3 flags=3; b: 0/3/3 exit sig=9 flags=1",
	  "!client[3] died of SIGKILL, which the kernel sent it{a b}\n" },
	{ "a death whose signal was lost", PROCESSES "b: 0/2/2 exit sig=9 flags=1",
	  "!server[2] died of SIGKILL; who sent it was not recorded{b}\n" },
	{ "asked to end, and nobody missed it",
	  PROCESSES "0/1/1 signal sig=15 target_tgid=2 target_tid=2 flags=1; 0/2/2 exit sig=15 flags=1", "" },
	{ "memory",
	  PROCESSES "a: 0/3/3 oom_kill victim_tgid=2; 0/3/3 signal sig=9 target_tgid=2 target_tid=2 flags=3;"
		    "b: 0/2/2 exit sig=9 flags=1",
	  "!memory ran out: the kernel killed server[2]{a b}\n" },
	{ "stopped, and continued",
	  PROCESSES "a: 0/1/1 signal sig=19 target_tgid=2 target_tid=2 flags=1 @1000000000; b: 0/2/2 stop sig=19 "
		    "@1000000000; c: 0/3/3 signal sig=18 target_tgid=2 target_tid=2 flags=1 @2250000000",
	  "!sh[1] sent SIGSTOP to server[2]{a b}\nclient[3] let server[2] go on by SIGCONT, after 1.250 s{c}\n" },
	{ "stopped again and again",
	  PROCESSES "a: 0/1/1 signal sig=19 target_tgid=2 target_tid=2 flags=1; b: 0/2/2 stop sig=19 @1000000000;"
		    "0/1/1 signal sig=18 target_tgid=2 target_tid=2 flags=1 @1500000000;"
		    "0/1/1 signal sig=19 target_tgid=2 target_tid=2 flags=1; 0/2/2 stop sig=19 @2000000000;"
		    "0/1/1 signal sig=18 target_tgid=2 target_tid=2 flags=1 @2100000000",
	  "!sh[1] sent SIGSTOP to server[2], 2 times, 0.600 s in all{a b}\n" },
	{ "ended by itself; its shell passes the status on",
	  PROCESSES "0/2/2 fork child_tgid=9 child_tid=9; 0/9/9 log @1000000000; a: 0/9/9 exit flags=1 "
		    "code=3; 0/2/2 exit code=3 flags=1",
	  "server[9] ended by itself with status 3, 1.000 s after it began{a}\n" },
	{ "what it complains of",
	  PROCESSES "0/2/2 log level=2 \"all-is-well ; a: 0/2/2 log level=4 \"cannot-write ; 0/3/3 log level=5 \"oh",
	  "2 log lines at level error, the first by server[2]: cannot-write{a}\n" },
	{ "a command of a script", PROCESSES "0/1/1 fork child_tgid=9 child_tid=9; 0/9/9 exit code=1 flags=1",
	  "|1 process that ended with a status other than 0 (sh[9])\n" },
	{ "refused, and nobody listens",
	  PROCESSES "0/3/3 connect sock=7 netns=1 remote=127.0.0.1 remote_port=80; a: 0/3/3 connected sock=7 netns=1 "
		    "error=111 *1",
	  "1 connect of client[3] to 127.0.0.1:80 failed with ECONNREFUSED: nobody that was recorded listened "
	  "there{a}\n" },
	{ "refused before it listened is no news",
	  PROCESSES "0/3/3 connect sock=7 netns=1 remote=127.0.0.1 remote_port=80; 0/3/3 connected sock=7 netns=1 "
		    "error=111 *1; 0/2/2 listen sock=8 netns=1 local=0 local_port=80",
	  "|1 failed connect\n" },
	{ "refused, as its server had been killed",
	  PROCESSES "0/2/2 listen sock=8 netns=1 local=0 local_port=80; a: 0/1/1 signal sig=9 target_tgid=2 "
		    "target_tid=2 flags=1; b: 0/2/2 exit sig=9 flags=1; 0/3/3 connect sock=7 netns=1 remote=127.0.0.1 "
		    "remote_port=80; c: 0/3/3 connected sock=7 netns=1 error=111 *1",
	  "!sh[1] sent SIGKILL to server[2], which died of it{a b}\n"
	  "1 connect of client[3] to server[2], dead by then, failed with ECONNREFUSED{c}\n" },
	{ "another namespace's loopback is another",
	  PROCESSES "0/2/2 listen sock=8 netns=1 local=0 local_port=80; 0/3/3 connect sock=7 netns=2 remote=127.0.0.1 "
		    "remote_port=80; a: 0/3/3 connected sock=7 netns=2 error=111 *1",
	  "1 connect of client[3] to 127.0.0.1:80 failed with ECONNREFUSED: nobody that was recorded listened "
	  "there{a}\n" },
};

static void test_rows(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT;

		tell(rows[i].events, &out);
		if (strcmp(out.data ? out.data : "", rows[i].told))
			fail_msg("%s:\n  expected: %s\n  told:     %s", rows[i].what, rows[i].told,
				 out.data ? out.data : "");
	}
}

#define TCP_ENDS                                                                                                \
	"0/3/3 connect sock=7 netns=1 remote=10.0.0.2 remote_port=80 family=2 protocol=6;"                      \
	"0/3/3 connected sock=7 netns=1 local=10.0.0.1 local_port=5000 remote=10.0.0.2 remote_port=80 isn=100 " \
	"peer_isn=900 family=2 protocol=6 *1;"                                                                  \
	"0/2/2 accept sock=8 netns=2 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5000 isn=900 "    \
	"peer_isn=100 family=2 protocol=6;"

/* Question and answer, from start on, every 20 ms, numbered from `from` on. */
static void talk(struct buf *b, unsigned int from, unsigned int count, uint64_t start)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned long long at = (unsigned long long)(start + i * (20 MS));

		buf_printf(b, "q%u: 0/3/3 send sock=7 offset=%u begin_ns=%llu bytes=1 @%llu; ", from + i, from + i, at,
			   at);
		buf_printf(b, "0/2/2 recv sock=8 offset=%u bytes=1; ", from + i);
		buf_printf(b, "a%u: 0/2/2 send sock=8 offset=%u begin_ns=%llu bytes=1 @%llu; ", from + i, from + i,
			   at + 1 MS, at + 1 MS);
		buf_printf(b, "0/3/3 recv sock=7 offset=%u bytes=1; ", from + i);
	}
}

static void test_silence(void **state)
{
	CLEANUP(buf_fini) struct buf events = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;

	(void)state;
	buf_str(&events, PROCESSES TCP_ENDS);
	talk(&events, 0, 30, 1000 MS);
	buf_printf(&events, "s: 0/1/1 signal sig=19 target_tgid=2 target_tid=2 flags=1 @%llu; p: 0/2/2 stop sig=19;",
		   1590 MS);
	buf_printf(&events, "q: 0/3/3 send sock=7 offset=30 begin_ns=%llu bytes=1 @%llu;", 1600 MS, 1600 MS);
	buf_printf(&events, "c: 0/1/1 signal sig=18 target_tgid=2 target_tid=2 flags=1 @%llu;", 2590 MS);
	buf_printf(&events, "r: 0/2/2 recv sock=8 offset=30 bytes=1 @%llu;", 2600 MS);
	buf_printf(&events,
		   "0/2/2 send sock=8 offset=30 bytes=1 begin_ns=%llu; a: 0/3/3 recv sock=7 offset=30 bytes=1 @%llu;",
		   2601 MS, 2602 MS);
	talk(&events, 31, 30, 2620 MS);
	tell(events.data, &out);
	assert_string_equal(out.data, "server[2]'s last message to client[3]{a29}\n"
				      "!sh[1] sent SIGSTOP to server[2]{s p}\n"
				      "sh[1] let server[2] go on by SIGCONT, after 1.000 s{c}\n"
				      "server[2] heard from client[3] again, 1.019 s after its last message{a29 r}\n"
				      "?server[2] answered; client[3] had waited 1.002 s for it{q a}\n");
}

static void test_cut(void **state)
{
	CLEANUP(buf_fini) struct buf events = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;

	(void)state;
	buf_str(&events, PROCESSES TCP_ENDS);
	talk(&events, 0, 30, 1000 MS);
	buf_printf(&events, "q: 0/3/3 send sock=7 offset=30 begin_ns=%llu bytes=1 @%llu;", 1600 MS, 1600 MS);
	buf_printf(&events, "x: 0/3/3 retransmit sock=7 offset=30 bytes=1 @%llu *1;", 1800 MS);
	buf_printf(&events, "0/3/3 retransmit sock=7 offset=30 bytes=1 @%llu *1;", 2200 MS);
	buf_printf(&events, "r: 0/2/2 recv sock=8 offset=30 bytes=1 @%llu;", 3000 MS);
	talk(&events, 31, 30, 3020 MS);
	tell(events.data, &out);
	assert_non_null(strstr(out.data,
			       "!?nothing passed between client[3] and server[2] for 1.419 s; 2 segments were sent "
			       "again in vain{"));
}

/* Two cuts between pairs that share the server: it was cut off from both. */
static void test_two_cuts(void **state)
{
	CLEANUP(buf_fini) struct buf events = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	unsigned int i;

	(void)state;
	buf_str(&events, PROCESSES TCP_ENDS
		"0/4/4 process netns=1 ppid=1 \"other \"/bin/other \" *4;"
		"0/4/4 connected sock=17 netns=1 local=10.0.0.4 local_port=5000 remote=10.0.0.2 remote_port=80 "
		"isn=300 peer_isn=700 family=2 protocol=6 *1; 0/2/2 accept sock=18 netns=2 local=10.0.0.2 "
		"local_port=80 remote=10.0.0.4 remote_port=5000 isn=700 peer_isn=300 family=2 protocol=6;");
	talk(&events, 0, 30, 1000 MS);
	buf_printf(&events, "o: 0/4/4 send sock=17 offset=0 bytes=1 @%llu; 0/2/2 recv sock=18 bytes=1;", 1590 MS);
	buf_printf(&events, "0/3/3 send sock=7 offset=30 bytes=1 @%llu; 0/4/4 send sock=17 offset=1 bytes=1;", 1600 MS);
	for (i = 0; i < 3; i++)
		buf_printf(&events,
			   "0/3/3 retransmit sock=7 offset=30 bytes=1 @%llu *1; 0/4/4 retransmit sock=17 offset=1 "
			   "bytes=1 *1;",
			   1800 MS + i * (400 MS));
	buf_printf(&events, "0/2/2 recv sock=8 offset=30 bytes=1 @%llu; 0/2/2 recv sock=18 offset=1 bytes=1;", 3590 MS);
	tell(events.data, &out);
	assert_non_null(strstr(out.data,
			       "!?server[2] was cut off for 2.000 s: it lived, but nothing passed to or from it (0 "
			       "segments sent again by it, 6 to it){"));
	assert_null(strstr(out.data, "nothing passed between"));
}

/* The clock of host 1 shows 50 s less: its answer of 1 s + 30 ms there is at 51 s + 30 ms here. */
static void test_two_hosts(void **state)
{
	const struct story_line *lines;
	struct story *story = NULL;
	struct script *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	assert_int_equal(story_new(NULL, NULL, &story, &err), 0);
	story_clock(story, 1, 50LL * 1000000000);
	s->also = feed;
	s->arg = story;
	script_run(s, "0/1/1 signal sig=9 target_tgid=2 target_tid=2 flags=1 @51000000000; 0/2/2 exit sig=9 flags=1;"
		      "1/7/7 exit sig=11 flags=1 @1030000000; 0/3/3 exit sig=11 flags=1 @51040000000");
	assert_int_equal(order_solve(s->order, &err), 0);
	assert_int_equal(story_tell(story, s->order, &err), 0);
	assert_int_equal(story_lines(story, &lines), 3);
	assert_int_equal(lines[1].host, 1);
	assert_int_equal(lines[1].boot_ns, 51030 MS);
	story_free(story);
	order_free(s->order);
	free(s);
}

/* A healthy exchange, then both are asked to end; between that a command of the script fails. */
static void test_shutdown(void **state)
{
	CLEANUP(buf_fini) struct buf events = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	unsigned int i;

	(void)state;
	buf_str(&events, PROCESSES TCP_ENDS);
	talk(&events, 0, 60, 1000 MS);
	buf_str(&events,
		"0/1/1 signal sig=15 target_tgid=2 target_tid=2 flags=1 @2210000000; 0/2/2 exit sig=15 flags=1;"
		"0/3/3 reset sock=7 direction=2 state=1 *1; 0/3/3 connect sock=9 netns=1 remote=10.0.0.2 "
		"remote_port=80; 0/3/3 connected sock=9 netns=1 error=111 *1; 0/1/1 fork child_tgid=6 child_tid=6;");
	for (i = 0; i < 30; i++)
		buf_str(&events, "0/6/6 send sock=40 bytes=1;");
	buf_str(&events, "0/6/6 exit code=1 flags=1; 0/1/1 signal sig=15 target_tgid=3 target_tid=3 flags=1 "
			 "@8000000000; 0/3/3 exit sig=15 flags=1");
	tell(events.data, &out);
	assert_string_equal(out.data,
			    "|1 failed connect, 1 reset, 1 process that ended with a status other than 0 (sh[6])\n");
}

/* Each twelfth of 300 requests waits that much longer for a lock: the 15 slowest, all of these, are 5 %. */
static void tell_slow_requests(uint64_t more_ns, bool later, struct buf *out)
{
	const struct story_line *lines;
	struct story *story = NULL;
	struct order *order = NULL;
	struct err err = ERR_INIT;
	struct made m;
	size_t i, n;

	made_requests(&m, 300, 1);
	for (i = 0; i < m.s.count; i += 12) {
		m.s.rows[i].end_ns += more_ns;
		m.s.rows[i].time_ns[TIME_LOCK] += more_ns;
	}
	assert_int_equal(order_new(NULL, &order, &err), 0);
	assert_int_equal(order_solve(order, &err), 0);
	assert_int_equal(story_new(NULL, NULL, &story, &err), 0);
	if (!later)
		assert_int_equal(story_requests(story, &m.s, &err), 0);
	assert_int_equal(story_tell(story, order, &err), 0);
	n = story_lines(story, &lines);
	if (later) {
		assert_int_equal(n, 0);
		assert_int_equal(story_requests(story, &m.s, &err), 0);
		n = story_lines(story, &lines);
	}
	assert_true(n <= 1);
	buf_str(out, n ? lines[0].text : "");
	if (n) {
		for (i = 0; i < m.s.count && m.s.rows[i].begin.id != lines[0].refs[0].id; i += 12)
			;
		assert_true(i < m.s.count && lines[0].nrefs == 2 && lines[0].inferred && !lines[0].cause);
		assert_int_equal(lines[0].refs[1].id, m.s.rows[i].end.id);
		assert_int_equal(lines[0].boot_ns, m.s.rows[i].begin_ns);
		assert_memory_equal(lines[0].trace, m.s.rows[i].trace, sizeof(lines[0].trace));
	}
	story_free(story);
	order_free(order);
	spans_fini(&m.s);
}

static void test_slow_requests(void **state)
{
	CLEANUP(buf_fini) struct buf none = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP(buf_fini) struct buf later = BUF_INIT;
	static const char begins[] = "the slowest 5 % of 300 requests take ";

	(void)state;
	tell_slow_requests(200 MS, false, &out);
	assert_memory_equal(out.data, begins, sizeof(begins) - 1);
	assert_non_null(strstr(out.data, " because of web GET: waiting for a lock (20"));
	tell_slow_requests(200 MS, true, &later);
	assert_string_equal(later.data, out.data);
	tell_slow_requests(0, false, &none); /* what is between 2 and 22 ms by chance has no reason */
	assert_string_equal(none.data, "");
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_silence),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_two_cuts),      cmocka_unit_test(test_two_hosts), cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_slow_requests),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
