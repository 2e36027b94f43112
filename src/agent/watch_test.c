/* SPDX-License-Identifier: Apache-2.0 */
/* From events and counts to signs: tables of what happens, ms by ms, and of what is said, written by hand. */
#include "agent/watch.h"

#include <setjmp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "event/event.h"

#define HOST 7
#define PORT 80

static const struct listeners_port watched = { PORT, IPPROTO_TCP };

struct said {
	char text[2048];
	struct sign last;
};

static void on_sign(void *arg, const struct sign *s)
{
	struct said *said = arg;
	size_t len = strlen(said->text);

	assert_int_equal(s->port, s->kind == SIGN_LOAD ? 0 : PORT);
	(void)snprintf(said->text + len, sizeof(said->text) - len, "%s%s/%d/%d", len ? " " : "", sign_name(s->kind),
		       (int)s->value, (int)s->evidence.seq);
	said->last = *s;
}

/* What happens.  seq: of an event. */
enum what { END, EXIT, KILLED, CLOSE, LISTEN, ACCEPT, RESET, GONE_RESET, LIST, TICK, LEAVE, STAY, AGAIN };

struct step {
	enum what what;
	uint64_t ms;
	uint32_t a, b; /* EXIT, KILLED, CLOSE, LISTEN: process, socket; LIST: sockets, drops */
	uint64_t seq;
};

struct story {
	const char *what;
	struct step steps[16];
	const char *said; /* SIGN/VALUE/SEQ of the evidence */
};

static const struct story stories[] = {
	{ "a server is there from the beginning, and is killed",
	  { { LIST, 0, 1, 0, 0 }, { KILLED, 500, 11, 0, 41 }, { CLOSE, 501, 11, 100, 42 }, { LIST, 502, 0, 0, 0 } },
	  "listening/1/0 exit/0/41" },
	{ "nothing is there", { { LIST, 0, 0, 0, 0 }, { LIST, 100, 0, 0, 0 } }, "exit/0/0" },
	{ "a worker ends, the socket is still open",
	  { { LIST, 0, 1, 0, 0 }, { KILLED, 500, 12, 0, 41 }, { LIST, 502, 1, 0, 0 }, { LIST, 900, 1, 0, 0 } },
	  "listening/1/0" },
	{ "of several that end, the one that closed the socket is the reason",
	  { { LIST, 0, 1, 0, 0 },
	    { EXIT, 500, 12, 0, 41 },
	    { KILLED, 501, 11, 0, 42 },
	    { CLOSE, 502, 11, 100, 43 },
	    { EXIT, 503, 99, 0, 44 },
	    { LIST, 504, 0, 0, 0 } },
	  "listening/1/0 exit/0/42" },
	{ "no close was seen: who ended last",
	  { { LIST, 0, 1, 0, 0 }, { EXIT, 500, 12, 0, 41 }, { EXIT, 501, 11, 0, 42 }, { LIST, 504, 0, 0, 0 } },
	  "listening/1/0 exit/0/42" },
	{ "it closes its socket and runs on",
	  { { LIST, 0, 1, 0, 0 }, { CLOSE, 501, 11, 100, 43 }, { LIST, 504, 0, 0, 0 } },
	  "listening/1/0 exit/0/43" },
	{ "another socket is closed",
	  { { LIST, 0, 1, 0, 0 }, { CLOSE, 501, 11, 555, 43 }, { LIST, 504, 1, 0, 0 } },
	  "listening/1/0" },
	{ "the list was faster than the event",
	  { { LIST, 0, 1, 0, 0 }, { LIST, 500, 0, 0, 0 }, { KILLED, 501, 11, 0, 41 }, { LIST, 510, 0, 0, 0 } },
	  "listening/1/0 exit/0/41" },
	{ "no event comes: it is said without",
	  { { LIST, 0, 1, 0, 0 }, { LIST, 500, 0, 0, 0 }, { LIST, 549, 0, 0, 0 }, { LIST, 550, 0, 0, 0 } },
	  "listening/1/0 exit/0/0" },
	{ "one of three listens no more",
	  { { LIST, 0, 3, 0, 0 }, { KILLED, 500, 11, 0, 41 }, { CLOSE, 501, 11, 102, 42 }, { LIST, 502, 2, 0, 0 } },
	  "listening/3/0 exit/2/41" },
	{ "what ended long ago is no reason",
	  { { LIST, 0, 1, 0, 0 }, { EXIT, 500, 12, 0, 41 }, { LIST, 2500, 0, 0, 0 }, { LIST, 2560, 0, 0, 0 } },
	  "listening/1/0 exit/0/0" },
	{ "a new server",
	  { { LIST, 0, 0, 0, 0 }, { LISTEN, 500, 11, 100, 41 }, { LIST, 502, 1, 0, 0 } },
	  "exit/0/0 listening/1/41" },
	{ "resets are told as a sum",
	  { { RESET, 500, 0, 0, 41 },
	    { TICK, 550, 0, 0, 0 },
	    { RESET, 560, 0, 0, 42 },
	    { TICK, 600, 0, 0, 0 },
	    { TICK, 800, 0, 0, 0 } },
	  "resets/2/42" },
	{ "of a socket that has no port any more: by its number",
	  { { ACCEPT, 0, PORT, 300, 1 },
	    { ACCEPT, 1, 443, 301, 2 },
	    { ACCEPT, 2, PORT, 302, 3 },
	    { GONE_RESET, 10, 0, 301, 41 },
	    { GONE_RESET, 11, 0, 300, 42 },
	    { CLOSE, 12, 11, 302, 43 },
	    { GONE_RESET, 13, 0, 302, 44 },
	    { TICK, 200, 0, 0, 0 } },
	  "resets/1/42" },
	{ "connections are turned away",
	  { { LIST, 0, 1, 5, 0 }, { LIST, 100, 1, 5, 0 }, { LIST, 200, 1, 9, 0 } },
	  "listening/1/0 overflow/4/0" },
	{ "of other sockets the sum says nothing", { { LIST, 0, 1, 5, 0 }, { LIST, 100, 2, 9, 0 } }, "listening/1/0" },
	{ "it leaves, once; who comes later is told all of it",
	  { { LIST, 0, 1, 0, 0 }, { LEAVE, 10, 0, 0, 0 }, { LEAVE, 20, 0, 0, 0 }, { AGAIN, 30, 0, 0, 0 } },
	  "listening/1/0 leaving/0/0 listening/1/0 leaving/0/0" },
	{ "it leaves, and stays after all",
	  { { LIST, 0, 1, 0, 0 },
	    { STAY, 5, 0, 0, 0 },
	    { LEAVE, 10, 0, 0, 0 },
	    { STAY, 20, 0, 0, 0 },
	    { AGAIN, 30, 0, 0, 0 } },
	  "listening/1/0 leaving/0/0 listening/1/0 listening/1/0" },
	{ "who comes later is told the evidence, too",
	  { { LIST, 0, 1, 0, 0 }, { KILLED, 500, 11, 0, 41 }, { LIST, 502, 0, 0, 0 }, { AGAIN, 900, 0, 0, 0 } },
	  "listening/1/0 exit/0/41 exit/0/41" },
};

static void step_event(struct watch *w, const struct step *s, uint64_t ns)
{
	struct event_header h = { .boot_ns = ns, .seq = s->seq, .cpu = 3, .tgid = s->a, .tid = s->a };
	union {
		struct event_exit exit;
		struct event_shutdown close;
		struct event_listen listen;
		struct event_reset reset;
		struct event_accept accept;
		char room[256];
	} e = { .room = { 0 } };

	switch (s->what) {
	case EXIT:
	case KILLED:
		e.exit = (struct event_exit) { .h = h,
					       .sig = s->what == KILLED ? 9 : 0,
					       .flags = EXITFLAGS_LAST_THREAD };
		e.exit.h.type = EVENT_EXIT;
		memcpy(e.room + sizeof(e.exit), "nginx", 6);
		break;
	case CLOSE:
		e.close = (struct event_shutdown) { .h = h, .sock = s->b };
		e.close.h.type = EVENT_CLOSE;
		break;
	case LISTEN:
		e.listen = (struct event_listen) { .h = h, .sock = s->b, .local_port = PORT };
		e.listen.h.type = EVENT_LISTEN;
		break;
	case ACCEPT:
		e.accept = (struct event_accept) { .h = h, .sock = s->b, .local_port = (uint16_t)s->a };
		e.accept.h.type = EVENT_ACCEPT;
		break;
	default:
		e.reset = (struct event_reset) { .h = h, .sock = s->b, .direction = DIRECTION_SENT };
		e.reset.local_port = s->what == RESET ? PORT : 0;
		e.reset.h.type = EVENT_RESET;
		break;
	}
	watch_event(w, (void *)&e, HOST);
}

static void step_list(struct watch *w, const struct step *s, uint64_t ns)
{
	struct listeners l = { .count = s->a, .drops = s->b, .waiting = 5, .room = 4 };
	uint32_t i;

	for (i = 0; i < s->a; i++)
		l.cookies[i] = 100 + i;
	watch_listeners(w, &l, ns);
}

static void story_run(const struct story *story)
{
	const uint64_t begin = 1000 * NS_PER_SEC;
	struct said said = { .text = "" };
	struct watch w;
	size_t i;

	watch_init(&w, &watched, true, on_sign, &said);
	for (i = 0; i < ARRAY_LEN(story->steps) && story->steps[i].what != END; i++) {
		const struct step *s = &story->steps[i];
		uint64_t ns = begin + s->ms * NS_PER_MS;

		if (s->what == LIST)
			step_list(&w, s, ns);
		else if (s->what == TICK)
			watch_tick(&w, ns);
		else if (s->what == LEAVE)
			watch_leave(&w, ns);
		else if (s->what == STAY)
			watch_stay(&w, ns);
		else if (s->what == AGAIN)
			watch_again(&w, ns);
		else
			step_event(&w, s, ns);
	}
	watch_fini(&w);
	if (strcmp(said.text, story->said))
		fail_msg("%s:\n  expected: %s\n  said:     %s", story->what, story->said, said.text);
}

static void test_stories(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(stories); i++)
		story_run(&stories[i]);
}

static void test_words(void **state)
{
	struct said said = { .text = "" };
	struct step killed = { KILLED, 0, 4711, 0, 41 };
	struct watch w;

	(void)state;
	watch_init(&w, &watched, true, on_sign, &said);
	step_list(&w, &(struct step) { LIST, 0, 1, 0, 0 }, NS_PER_SEC);
	step_event(&w, &killed, NS_PER_SEC + 1);
	assert_true(watch_wants_listeners(&w, NS_PER_SEC + 2)); /* at once, and not when it is time */
	step_list(&w, &(struct step) { LIST, 0, 0, 0, 0 }, NS_PER_SEC + 3);
	assert_string_equal(said.last.text, "process 4711 (nginx) was killed by SIGKILL");
	assert_int_equal(said.last.evidence.host, HOST);
	assert_int_equal(said.last.evidence.cpu, 3);
	assert_int_equal(said.last.evidence.boot_ns, NS_PER_SEC + 1);
}

/* Round trips: 200 us are usual; four times as long is slow, but not below 2 ms. */
static void test_slow(void **state)
{
	static const struct {
		uint32_t connections, median_us;
		bool slow;
	} looks[] = { { 10, 200, false }, { 10, 210, false }, { 10, 1900, false }, { 3, 9000, false },
		      { 10, 9000, true }, { 10, 9000, true }, { 10, 300, false } };
	struct said said = { .text = "" };
	struct watch w;
	size_t i;

	(void)state;
	watch_init(&w, &watched, true, on_sign, &said);
	for (i = 0; i < ARRAY_LEN(looks); i++) {
		struct listeners_rtt rtt = { looks[i].connections, looks[i].median_us, 0 };

		said.text[0] = 0;
		watch_slow(&w, &rtt, 100, NS_PER_SEC * (i + 1));
		assert_int_equal(!!strstr(said.text, "slow"), looks[i].slow);
	}
}

/* What they take is told when it changes by more than a quarter, and every 2 s; of few connections nothing is. */
static void test_rtt(void **state)
{
	static const struct listeners_rtt looks[] = { { 4, 1000, 0 }, { 4, 1250, 0 }, { 4, 1251, 0 }, { 4, 1600, 0 },
						      { 3, 9000, 0 }, { 4, 1600, 0 }, { 4, 1600, 0 } };
	struct said said = { .text = "" };
	struct watch w;
	size_t i;

	(void)state;
	watch_init(&w, &watched, true, on_sign, &said);
	w.load_ns = 1000 * NS_PER_SEC; /* nothing of it */
	for (i = 0; i < ARRAY_LEN(looks); i++)
		watch_slow(&w, &looks[i], 0, NS_PER_SEC * (i + 1));
	assert_string_equal(said.text, "rtt/1000/0 rtt/1251/0 rtt/1600/0 rtt/1600/0");
}

/* Load is told when it changes by 5 %, and every 5 s. */
static void test_load(void **state)
{
	static const uint32_t loads[] = { 100, 120, 160, 150, 140, 140, 140, 140, 140 };
	struct said said = { .text = "" };
	struct listeners_rtt rtt = { 0 };
	struct watch w;
	size_t i;

	(void)state;
	watch_init(&w, &watched, true, on_sign, &said);
	for (i = 0; i < ARRAY_LEN(loads); i++)
		watch_slow(&w, &rtt, loads[i], NS_PER_SEC * (i + 1));
	assert_string_equal(said.text, "load/100/0 load/160/0 load/140/0");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stories), cmocka_unit_test(test_words),
					    cmocka_unit_test(test_slow), cmocka_unit_test(test_rtt),
					    cmocka_unit_test(test_load) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
