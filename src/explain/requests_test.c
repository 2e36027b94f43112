/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations as threads, loops, pools and goroutines have them, and which request caused which: as they were written. */
#include "explain/requests_talk.h"

#define CLIENT "0/1/1"
#define SERVER "0/2/2"
#define OTHER "0/2/22"
#define DB "0/3/3"

static void connections(struct talk *t)
{
	link_up(t, 0, CLIENT, SERVER, 80);
	link_up(t, 1, CLIENT, SERVER, 80);
	link_up(t, 2, SERVER, DB, 90);
	link_up(t, 3, SERVER, DB, 90);
}

/* --- cases --- */

static void thread_per_request(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	ask(&t, CLIENT, 1, "/b", "");
	hear(&t, SERVER, 0, true);
	hear(&t, OTHER, 1, true);
	ask(&t, OTHER, 3, "/bb", "");
	ask(&t, SERVER, 2, "/aa", "");
	leaf(&t, DB, 2);
	leaf(&t, DB, 3);
	hear(&t, SERVER, 2, false);
	ask(&t, SERVER, 2, "/ab", "");
	leaf(&t, DB, 2);
	hear(&t, OTHER, 3, false);
	answer(&t, OTHER, 1);
	hear(&t, SERVER, 2, false);
	answer(&t, SERVER, 0);
	hear(&t, CLIENT, 0, false);
	hear(&t, CLIENT, 1, false);
	check(&t, NULL,
	      "/a<a:offsets /b<b:offsets bb</b:thread aa</a:thread /aa<aa:offsets /bb<bb:offsets ab</a:thread "
	      "/ab<ab:offsets");
}

/* Both are read before either is handled, and answered in the other order. */
static void event_loop(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	ask(&t, CLIENT, 1, "/b", "");
	hear(&t, SERVER, 0, true);
	hear(&t, SERVER, 1, true);
	ask(&t, SERVER, 2, "/aa", "");
	ask(&t, SERVER, 3, "/bb", "");
	leaf(&t, DB, 3);
	leaf(&t, DB, 2);
	hear(&t, SERVER, 3, false);
	hear(&t, SERVER, 2, false);
	answer(&t, SERVER, 1);
	answer(&t, SERVER, 0);
	hear(&t, CLIENT, 0, false);
	hear(&t, CLIENT, 1, false);
	check(&t, NULL, "/a<a:offsets /b<b:offsets aa</a:thread bb</b:thread /bb<bb:offsets /aa<aa:offsets");
}

/* One thread reads, the other is woken, asks and answers. */
static void pool_with_wake(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	hear(&t, SERVER, 0, true);
	event(&t, SERVER " wake target_start_ns=1 object=64 target_tgid=2 target_tid=22 what=1 by=1");
	ask(&t, OTHER, 2, "/aa", "");
	leaf(&t, DB, 2);
	hear(&t, OTHER, 2, false);
	answer(&t, OTHER, 0);
	hear(&t, CLIENT, 0, false);
	check(&t, NULL, "/a<a:offsets aa</a:handoff /aa<aa:offsets");
}

/* Nobody is woken for the second request: the worker takes it from the queue when it is done with the first. */
static void pool_that_is_busy(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	ask(&t, CLIENT, 1, "/b", "");
	hear(&t, SERVER, 0, true);
	event(&t, SERVER " wake target_start_ns=1 object=64 target_tgid=2 target_tid=22 what=1 by=1");
	hear(&t, SERVER, 1, true);
	ask(&t, OTHER, 2, "/aa", "");
	leaf(&t, DB, 2);
	hear(&t, OTHER, 2, false);
	answer(&t, OTHER, 0);
	ask(&t, OTHER, 2, "/bb", "");
	leaf(&t, DB, 2);
	hear(&t, OTHER, 2, false);
	answer(&t, OTHER, 1);
	hear(&t, CLIENT, 0, false);
	hear(&t, CLIENT, 1, false);
	check(&t, NULL, "/a<a:offsets /b<b:offsets aa</a:handoff /aa<aa:offsets bb</b:answer /bb<bb:offsets");
}

/* Two goroutines take turns on one thread; a third one sends on behalf of the second. */
static void goroutines(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	ask(&t, CLIENT, 1, "/b", "");
	event(&t, SERVER " goroutine goid=7 program=1");
	hear(&t, SERVER, 0, true);
	event(&t, SERVER " goroutine goid=8 program=1");
	hear(&t, SERVER, 1, true);
	event(&t, SERVER " go_ready goid=9 by=8 program=1");
	event(&t, SERVER " goroutine goid=7 program=1");
	ask(&t, SERVER, 2, "/aa", "");
	event(&t, SERVER " goroutine goid=9 program=1");
	ask(&t, SERVER, 3, "/bb", "");
	leaf(&t, DB, 2);
	leaf(&t, DB, 3);
	event(&t, SERVER " goroutine goid=8 program=1");
	hear(&t, SERVER, 3, false);
	answer(&t, SERVER, 1);
	event(&t, SERVER " goroutine goid=7 program=1");
	hear(&t, SERVER, 2, false);
	answer(&t, SERVER, 0);
	hear(&t, CLIENT, 0, false);
	hear(&t, CLIENT, 1, false);
	check(&t, NULL, "/a<a:offsets /b<b:offsets aa</a:thread bb</b:handoff /aa<aa:offsets /bb<bb:offsets");
}

/* The messages say another thing than the threads: they are believed, unless they are not to be. */
static void with_ids(struct talk *t)
{
	connections(t);
	ask(t, CLIENT, 0, "/a", "one");
	ask(t, CLIENT, 1, "/b", "two");
	hear(t, SERVER, 0, true);
	hear(t, OTHER, 1, true);
	ask(t, SERVER, 2, "/x", "two");
	leaf(t, DB, 2);
	hear(t, SERVER, 2, false);
	answer(t, SERVER, 0);
	answer(t, OTHER, 1);
	hear(t, CLIENT, 0, false);
	hear(t, CLIENT, 1, false);
}

static void ids(void **state)
{
	struct requests_opts ignore = { .ignore_ids = true };
	struct talk t = { 0 }, u = { 0 };

	(void)state;
	with_ids(&t);
	check(&t, NULL, "/a<a:offsets /b<b:offsets x</b:id /x<x:offsets");
	with_ids(&u);
	check(&u, &ignore, "/a<a:offsets /b<b:offsets x</a:thread /x<x:offsets");
}

/* Never the child of a request that was answered before. */
static void answered_before(void **state)
{
	struct talk t = { 0 };

	(void)state;
	connections(&t);
	ask(&t, CLIENT, 0, "/a", "");
	hear(&t, SERVER, 0, true);
	answer(&t, SERVER, 0);
	ask(&t, SERVER, 2, "/later", "");
	leaf(&t, DB, 2);
	hear(&t, SERVER, 2, false);
	hear(&t, CLIENT, 0, false);
	check(&t, NULL, "/a<a:offsets /later<later:offsets");
}

static void loss(void **state)
{
	struct talk t = { 0 };
	struct result x;

	(void)state;
	link_up(&t, 0, CLIENT, SERVER, 80);
	link_up(&t, 1, CLIENT, SERVER, 80);
	ask(&t, CLIENT, 0, "/a", "");
	leaf(&t, SERVER, 0);
	hear(&t, CLIENT, 0, false);
	event(&t, "0/0/0 loss lost_type=37 count=1 from_ns=1000000 to_ns=1000100 *4 @1000100");
	ask(&t, CLIENT, 1, "/b", "");
	event(&t, "0/0/0 loss lost_type=65 count=1 from_ns=1000105 to_ns=1000115 *4");
	leaf(&t, SERVER, 1);
	hear(&t, CLIENT, 1, false);
	x = build(&t, NULL);
	invariants(x.spans);
	assert_int_equal(x.spans->count, 4);
	assert_int_equal(x.spans->rows[0].flags & SPAN_INCOMPLETE, 0);
	assert_int_equal(x.spans->rows[1].flags & SPAN_INCOMPLETE, 0);
	assert_int_equal(x.spans->rows[2].flags & SPAN_INCOMPLETE, SPAN_INCOMPLETE);
	release(&x, &t);
}

/* A kind was left out while the second of three requests lasted, to keep a budget. */
static void shed(void **state)
{
	struct talk t = { 0 };
	struct result x;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		link_up(&t, i, CLIENT, SERVER, 80);
	for (i = 0; i < 3; i++) {
		ask(&t, CLIENT, i, "/a", "");
		if (i == 1)
			event(&t, "0/0/0 shed on=1 *4");
		leaf(&t, SERVER, i);
		hear(&t, CLIENT, i, false);
		if (i == 1)
			event(&t, "0/0/0 shed on=0 *4");
	}
	x = build(&t, NULL);
	invariants(x.spans);
	assert_int_equal(x.spans->count, 6);
	for (i = 0; i < 6; i++)
		assert_int_equal(x.spans->rows[i].flags & SPAN_INCOMPLETE, i / 2 == 1 ? SPAN_INCOMPLETE : 0);
	release(&x, &t);
}

/* The server's host has a clock that is 5 s ahead. */
static void clocks(void **state)
{
	struct talk t = { 0 };
	struct result x;

	(void)state;
	event(&t, "0/1/1 fork @1000");
	connects(&t, 0, CLIENT, 80);
	event(&t, "1/2/2 timer *1 @5000001100");
	accepts(&t, 0, "1/2/2", 80);
	event(&t, "0/1/1 timer *1 @1200");
	ask(&t, CLIENT, 0, "/a", "");
	event(&t, "1/2/2 timer *1 @5000001500");
	hear(&t, "1/2/2", 0, true);
	event(&t, "1/2/2 timer *1 @5000002500");
	answer(&t, "1/2/2", 0);
	event(&t, "0/1/1 timer *1 @4100");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	assert_int_equal(x.spans->count, 2);
	assert_int_equal(x.spans->rows[1].parent, 0);
	assert_int_equal(x.spans->rows[1].host, 1);
	assert_true(x.spans->rows[1].begin_ns >= x.spans->rows[0].begin_ns);
	assert_true(x.spans->rows[1].end_ns <= x.spans->rows[0].end_ns);
	assert_true(x.spans->rows[0].time_ns[TIME_FLIGHT] > 0);
	assert_int_equal(x.spans->rows[0].time_ns[TIME_CHILD], x.spans->rows[1].end_ns - x.spans->rows[1].begin_ns);
	release(&x, &t);
}

/* Asked, and read by the server at 100000. */
static void read_at_100000(struct talk *t)
{
	link_up(t, 0, CLIENT, SERVER, 80);
	ask(t, CLIENT, 0, "/a", "");
	event(t, "0/9/9 timer *1 @99980");
	hear(t, SERVER, 0, true);
}

/* 1000 ns on the CPU of which 100 were another's, 3000 for a lock, 500 until it ran again, the rest on the CPU. */
static void time_and_blame(void **state)
{
	const struct span *s;
	struct talk t = { 0 };
	struct result x;

	(void)state;
	read_at_100000(&t);
	event(&t, "0/2/22 wake target_start_ns=1 object=64 target_tgid=2 target_tid=2 what=1 by=1 @104000");
	event(&t, SERVER " ran since_ns=100000 off_ns=101000 wake_ns=104000 preempted_ns=100 what=1 object=64 @104500");
	event(&t, SERVER " log \"hello @104600");
	event(&t, SERVER " timer *1 @104980");
	answer(&t, SERVER, 0); /* sent at 104990 */
	event(&t, SERVER " ran since_ns=104500 off_ns=106000 wake_ns=107000 what=2 @107000");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	s = &x.spans->rows[1];
	assert_int_equal(s->kind, SPAN_SERVER);
	assert_int_equal(s->begin_ns, 100000);
	assert_int_equal(s->end_ns, 104990);
	assert_int_equal(s->time_ns[TIME_RUNNING], 900 + 490);
	assert_int_equal(s->time_ns[TIME_LOCK], 3000);
	assert_int_equal(s->time_ns[TIME_CPU_WAIT], 500 + 100);
	assert_non_null(strstr(spans_text(x.spans, s->blame), "thread 22"));
	{
		const struct order_ref *refs;

		assert_int_equal(requests_logs(x.requests, 1, &refs), 1);
		assert_int_equal(requests_logs(x.requests, 0, &refs), 0);
	}
	release(&x, &t);
}

/* 3 ms put off its CPU, of which another had it for 2.5, and 0.1 ms of which it is not known when. */
static void who_had_the_cpu(void **state)
{
	const struct span *s;
	struct talk t = { 0 };
	struct result x;

	(void)state;
	read_at_100000(&t);
	event(&t, SERVER " held since_ns=200000 ran_ns=2500000 holder_tgid=7 \"hog @3200000");
	event(&t, SERVER " ran since_ns=100000 preempted_ns=3100000 @3400000");
	event(&t, "0/9/9 timer *1 @3489980");
	answer(&t, SERVER, 0); /* sent at 3489990 */
	event(&t, SERVER " ran since_ns=3400000 off_ns=3500000 wake_ns=3600000 what=2 @3600000");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	s = &x.spans->rows[1];
	assert_int_equal(s->end_ns - s->begin_ns, 3389990);
	assert_int_equal(s->time_ns[TIME_CPU_WAIT], 3000000 + 100000);
	assert_int_equal(s->time_ns[TIME_RUNNING], 3389990 - 3100000);
	assert_string_equal(spans_text(x.spans, s->blame), "hog[7] had that CPU for 2.5 ms of it");
	release(&x, &t);
}

/*
 * Sent at 100000; the server is woken at 101000, runs at 103000, and reads at 103500.  From 104000 it waits in epoll_wait for
 * nobody, until a timer ends that at 106000; it runs at 106100 and answers at 106990.
 */
static void time_until_it_runs(void **state)
{
	const struct span *client, *server;
	struct talk t = { 0 };
	struct result x;

	(void)state;
	link_up(&t, 0, CLIENT, SERVER, 80);
	event(&t, "0/9/9 timer *1 @99990");
	ask(&t, CLIENT, 0, "/a", "");
	event(&t, SERVER " ran since_ns=90000 off_ns=91000 wake_ns=101000 what=2 @103000");
	event(&t, "0/9/9 timer *1 @103480");
	hear(&t, SERVER, 0, true);
	event(&t, "0/9/9 timer target_start_ns=1 target_tgid=2 target_tid=2 @106000");
	event(&t, SERVER " ran since_ns=103000 off_ns=104000 wake_ns=106000 what=2 @106100");
	event(&t, "0/9/9 timer *1 @106980");
	answer(&t, SERVER, 0);
	event(&t, SERVER " ran since_ns=106100 off_ns=108000 wake_ns=109000 what=2 @109000");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	client = &x.spans->rows[0];
	server = &x.spans->rows[1];
	assert_int_equal(server->begin_ns, 103500);
	assert_int_equal(server->end_ns, 106990);
	assert_int_equal(server->time_ns[TIME_SLEEP], 2000);
	assert_int_equal(server->time_ns[TIME_CPU_WAIT], 100);
	assert_int_equal(server->time_ns[TIME_RUNNING], 500 + 890);
	assert_int_equal(client->begin_ns, 100000);
	assert_int_equal(client->time_ns[TIME_CPU_WAIT], 2000);
	assert_int_equal(client->time_ns[TIME_RECEIVE_QUEUE], 500);
	assert_int_equal(client->time_ns[TIME_FLIGHT], 1000 + client->end_ns - 106990);
	release(&x, &t);
}

/*
 * The server answers at 101000, and waits in that call until 107000, when the client begins to read: it ran until 101500.  The
 * client's own call waited from 99000 on, until there was room at 100000.
 */
static void time_without_room(void **state)
{
	const struct span *client, *server;
	struct talk t = { 0 };
	struct result x;

	(void)state;
	link_up(&t, 0, CLIENT, SERVER, 80);
	event(&t, CLIENT " send sock=10 offset=0 bytes=28 begin_ns=99000 @100000");
	event(&t, CLIENT " payload sock=10 offset=0 bytes=28 kept=28 flags=1 \"GET~/a~HTTP/1.1^Host:~h^^");
	t.offset[0][1] = 28;
	(void)snprintf(t.said[0][1], sizeof(t.said[0][1]), "GET~/a~HTTP/1.1^Host:~h^^");
	event(&t, "0/9/9 timer *1 @100480");
	hear(&t, SERVER, 0, true); /* at 100490, 100500 */
	event(&t, SERVER " send sock=20 offset=0 bytes=38 begin_ns=101000 @107000");
	event(&t, SERVER " payload sock=20 offset=0 bytes=38 kept=38 flags=1 \"HTTP/1.1~200~OK^Content-Length:~0^^");
	t.offset[0][0] = 38;
	(void)snprintf(t.said[0][0], sizeof(t.said[0][0]), "HTTP/1.1~200~OK^Content-Length:~0^^");
	event(&t, SERVER " ran since_ns=100450 off_ns=101500 wake_ns=106900 what=8 @106950");
	event(&t, SERVER " ran since_ns=106950 @110000");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	client = &x.spans->rows[0];
	server = &x.spans->rows[1];
	assert_int_equal(server->begin_ns, 100500);
	assert_int_equal(server->end_ns, 107000);
	assert_int_equal(server->time_ns[TIME_SEND_QUEUE], 106900 - 101500);
	assert_int_equal(server->time_ns[TIME_CPU_WAIT], 50);
	assert_int_equal(server->time_ns[TIME_RUNNING], 1000 + 50);
	assert_int_equal(client->begin_ns, 99000);
	assert_int_equal(client->time_ns[TIME_SEND_QUEUE], 1000);
	assert_int_equal(client->time_ns[TIME_CHILD], 6500);
	release(&x, &t);
}

/* The two ends of a connection, recorded apart, give ids of which the other knows nothing and that fit together. */
static void ids_of_ends(void **state)
{
	uint64_t id[2];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct talk t = { 0 };
		struct result x;

		if (i)
			event(&t, "0/7/7 timer *1 @777");
		link_up(&t, 0, CLIENT, SERVER, 80);
		ask(&t, CLIENT, 0, "/a", "");
		leaf(&t, SERVER, 0);
		hear(&t, CLIENT, 0, false);
		x = build(&t, NULL);
		assert_int_equal(x.spans->count, 2);
		id[i] = x.spans->rows[0].trace[0];
		release(&x, &t);
	}
	assert_true(id[0] == id[1] && id[0]);
}

/* --- what programs say of themselves --- */

static const char *name_of(const struct spans *s, uint32_t row)
{
	return s->rows[row].kind == SPAN_INTERNAL ? spans_text(s, s->rows[row].operation)
						  : spans_text(s, s->rows[row].resource);
}

/* Each but the outermost, by when it began: `NAME<PARENT BEGIN-END WORDS`, an end that was not said in brackets. */
static void said(const struct spans *s, struct buf *out)
{
	struct span_attribute a;
	uint32_t i;

	for (i = 1; i < s->count; i++) {
		const struct span *row = &s->rows[i];
		const char *at = spans_text(s, row->attributes);
		bool open = row->flags & SPAN_UNANSWERED;

		buf_printf(out, "%s%s%s<%s%s %u-%s%u%s", i > 1 ? "; " : "", row->kind == SPAN_CLIENT ? "client " : "",
			   name_of(s, i), s->rows[row->parent].kind == SPAN_CLIENT ? "client " : "",
			   name_of(s, row->parent), (unsigned int)(row->begin_ns % 100000), open ? "(" : "",
			   (unsigned int)(row->end_ns % 100000), open ? ")" : "");
		while (span_attribute_next(&at, &a))
			buf_printf(out, " %.*s%s%.*s", (int)a.key_len, a.key, a.number ? ":" : "=", (int)a.text_len,
				   a.text);
	}
}

static void check_said(const char *what, const char *script, const char *expected)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct talk t = { 0 };
	struct result x;

	link_up(&t, 0, CLIENT, SERVER, 80);
	event(&t, SERVER " note span=90 what=1 \"before");
	event(&t, "0/9/9 timer *1 @99980");
	ask(&t, CLIENT, 0, "/a", ""); /* at 99990, 100000 */
	event(&t, "0/9/9 timer *1 @100490");
	hear(&t, SERVER, 0, true); /* at 100500, 100510 */
	event(&t, script);
	event(&t, "0/9/9 timer *1 @108990");
	answer(&t, SERVER, 0); /* at 109000 */
	event(&t, SERVER " note span=90 what=2 @109500");
	event(&t, SERVER " note span=91 what=1 \"after");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	said(x.spans, &out);
	if (strcmp(out.data, expected))
		fail_msg("%s:\n got %s\nwant %s", what, out.data, expected);
	release(&x, &t);
}

#define SERVED "/a<client /a 510-9000"
#define BACK "0/20/99"

static void notes(void **state)
{
	static const struct {
		const char *what, *script, *expected;
	} cases[] = {
		{ "two, one in the other, with words",
		  SERVER " note span=1 what=1 \"outer @101000;" SERVER " note span=2 what=1 \"inner @102000;" SERVER
			 " note what=4 number=-7 \"n @102500;" SERVER " note what=3 \"k \"v @102600;" SERVER
			 " note what=4 number=8 \"n @102700;" SERVER " note span=2 what=2 @103000;" SERVER
			 " note what=3 \"colour \"blue @103500;" SERVER " note span=1 what=2 @104000;" SERVER
			 " note what=4 number=3 \"of_request @105000",
		  SERVED " of_request:3; outer</a 1000-4000 colour=blue; inner<outer 2000-3000 k=v n:8" },
		{ "no end: that of the request", SERVER " note span=1 what=1 \"open @101000",
		  SERVED "; open</a 1000-(9000)" },
		{ "no end within another: that of the other",
		  SERVER " note span=1 what=1 \"outer @101000;" SERVER " note span=2 what=1 \"open @102000;" SERVER
			 " note span=1 what=2 @104000;" SERVER " note what=3 \"whose \"request @104500;" SERVER
			 " note span=3 what=1 \"next @105000;" SERVER " note span=3 what=2 @106000",
		  SERVED " whose=request; outer</a 1000-4000; open<outer 2000-(4000); next</a 5000-6000" },
		{ "one outlasts that in which it began",
		  SERVER " note span=1 what=1 \"outer @101000;" SERVER " note span=2 what=1 \"late @102000;" SERVER
			 " note span=1 what=2 @104000;" SERVER " note span=2 what=2 @105000",
		  SERVED "; outer</a 1000-4000; late</a 2000-5000" },
		{ "an end without a beginning", SERVER " note span=7 what=2 @101000", SERVED },
		{ "an end by another thread, twice",
		  SERVER " note span=1 what=1 \"handed @101000;" OTHER " note span=1 what=2 @102000;" SERVER
			 " note span=1 what=2 @103000",
		  SERVED "; handed</a 1000-2000" },
		{ "by a thread that works for nobody",
		  OTHER " note span=1 what=1 \"nobody's @101000;" OTHER " note span=1 what=2 @102000", SERVED },
		{ "by the client, which is no request's",
		  CLIENT " note span=1 what=1 \"client's @101000;" CLIENT " note span=1 what=2 @102000", SERVED },
		{ "an end after the answer is cut", SERVER " note span=90 what=1 \"long @101000",
		  SERVED "; long</a 1000-9000" },
		{ "while events were lost",
		  SERVER
		  " note span=1 what=1 \"touched @101000; 0/9/9 loss count=1 from_ns=101500 to_ns=101600 *4 @101700",
		  SERVED "; touched</a 1000-(9000)" },
		{ "the thread ends", SERVER " note span=1 what=1 \"gone @101000;" SERVER " exit @101900 \"x",
		  SERVED "; gone</a 1000-(1900)" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		check_said(cases[i].what, cases[i].script, cases[i].expected);
}

/* What it asks others within a note is the note's; the times of the two ends add up to what they would be without. */
static void notes_and_calls(void **state)
{
	const struct span *server, *note, *child;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct talk t = { 0 };
	struct result x;

	(void)state;
	link_up(&t, 0, CLIENT, SERVER, 80);
	link_up(&t, 1, SERVER, BACK, 81);
	event(&t, SERVER " ran since_ns=90000 off_ns=91000 wake_ns=99000 what=2 @99500");
	event(&t, "0/9/9 timer *1 @99980");
	ask(&t, CLIENT, 0, "/a", "");
	event(&t, "0/9/9 timer *1 @100490");
	hear(&t, SERVER, 0, true);
	event(&t, SERVER " note span=1 what=1 \"asks @101000");
	event(&t, "0/9/9 timer *1 @101990");
	ask(&t, SERVER, 1, "/b", "");
	event(&t, "0/9/9 timer *1 @102490");
	leaf(&t, BACK, 1);
	event(&t, "0/9/9 timer *1 @103980");
	event(&t, SERVER " ran since_ns=99500 off_ns=102100 wake_ns=103900 what=8 @103950");
	hear(&t, SERVER, 1, false); /* at 103970 */
	event(&t, SERVER " note span=1 what=2 @105000");
	event(&t, "0/9/9 timer *1 @108990");
	answer(&t, SERVER, 0);
	event(&t, SERVER " ran since_ns=103950 @110000");
	hear(&t, CLIENT, 0, false);
	x = build(&t, NULL);
	invariants(x.spans);
	said(x.spans, &out);
	assert_string_equal(out.data, "/a<client /a 510-9000; asks</a 1000-5000; client /b<asks 2000-3970; "
				      "/b<client /b 2510-2520");
	server = &x.spans->rows[1];
	note = &x.spans->rows[2];
	child = &x.spans->rows[3];
	assert_string_equal(spans_text(x.spans, note->service), spans_text(x.spans, server->service));
	assert_int_equal(server->time_ns[TIME_CHILD], 4000);
	assert_int_equal(server->time_ns[TIME_RUNNING], 8490 - 4000);
	assert_int_equal(note->time_ns[TIME_RUNNING], 1100 + 1050);
	assert_int_equal(note->time_ns[TIME_CHILD], 103950 - 102100);
	assert_int_equal(note->time_ns[TIME_CPU_WAIT],
			 0); /* it waited for the answer, so this is told there, and once */
	assert_int_equal(child->time_ns[TIME_CPU_WAIT], 50);
	assert_int_equal(child->parent, 2);
	release(&x, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_per_request),
		cmocka_unit_test(event_loop),
		cmocka_unit_test(pool_with_wake),
		cmocka_unit_test(pool_that_is_busy),
		cmocka_unit_test(goroutines),
		cmocka_unit_test(ids),
		cmocka_unit_test(answered_before),
		cmocka_unit_test(loss),
		cmocka_unit_test(shed),
		cmocka_unit_test(clocks),
		cmocka_unit_test(time_and_blame),
		cmocka_unit_test(who_had_the_cpu),
		cmocka_unit_test(time_until_it_runs),
		cmocka_unit_test(time_without_room),
		cmocka_unit_test(ids_of_ends),
		cmocka_unit_test(notes),
		cmocka_unit_test(notes_and_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
