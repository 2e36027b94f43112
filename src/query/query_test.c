/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "query/query.h"

#define ROOM 2048

/* A small cast: each event has a letter, and the tables below say which letters a query finds. */
struct scene {
	struct event_types *types;
	struct event ev[8];
	union {
		struct event_header h;
		char bytes[ROOM];
	} room[8];
};

static const struct event_field own_fields[] = {
	{ .name = "cpu_to", .kind = EVENT_S32, .offset = 40, .size = 4 },
	{ .name = "label", .kind = EVENT_CHARS, .offset = 44, .size = 12 },
	{ .name = "pid", .kind = EVENT_U32, .offset = 56, .size = 4 }, /* as sched tracepoints have it */
	{ .name = "port", .kind = EVENT_U32, .offset = 60, .size = 4 },
};
static const struct event_type own_type = {
	.id = 1024, .size = 64, .nfields = 4, .name = "sched_migrate_task", .about = "", .fields = own_fields
};

static void see(struct scene *s, unsigned int i)
{
	s->ev[i] = (struct event) { .id = i + 1,
				    .boot_ns = s->room[i].h.boot_ns,
				    .type = event_types_get(s->types, s->room[i].h.type),
				    .h = &s->room[i].h };
}

static void put(struct scene *s, unsigned int i, const void *fixed, const char *const *strings)
{
	assert_true(event_build(&s->room[i], ROOM, fixed, strings) > 0);
	see(s, i);
}

static struct event_header head(uint16_t type, uint32_t tgid, uint32_t tid)
{
	return (struct event_header) { .type = type, .tgid = tgid, .tid = tid, .cpu = 1, .boot_ns = 5000000000ULL };
}

static void addr_v4(uint8_t out[16], uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	out[12] = a;
	out[13] = b;
	out[14] = c;
	out[15] = d;
}

static void scene_events(struct scene *s)
{
	const char *none[] = { NULL }, *comm[] = { "etcd", NULL }, *line[] = { "Connection refused: 10%*", NULL };
	struct event_send small = { .h = head(EVENT_SEND, 100, 101), .sock = 7, .bytes = 20 };
	struct event_send large = { .h = head(EVENT_SEND, 200, 200), .sock = 8, .bytes = 4096, .flags = MSGFLAGS_MORE };
	struct event_signal sig = { .h = head(EVENT_SIGNAL, 300, 300), .sig = 19, .code = -6, .target_tgid = 100 };
	struct event_connected con = { .h = head(EVENT_CONNECTED, 100, 100),
				       .duration_ns = 20000000,
				       .error = 111,
				       .local_port = 40000,
				       .remote_port = 2379 };
	struct event_log log = { .h = head(EVENT_LOG, 100, 100), .level = LEVEL_ERROR };
	struct {
		struct event_header h;
		int32_t to;
		char label[12];
		uint32_t pid, port;
	} own = { .h = head(1024, 100, 100), .to = -1, .label = "abc", .pid = 77, .port = 4 };

	con.h.context = CONTEXT_SOFTIRQ;
	addr_v4(con.local, 10, 77, 0, 1);
	addr_v4(con.remote, 192, 168, 1, 2);
	put(s, 0, &small, none);
	put(s, 1, &large, none);
	put(s, 2, &sig, comm);
	put(s, 3, &con, none);
	put(s, 4, &log, line);
	own.h.length = sizeof(own);
	memcpy(&s->room[5], &own, sizeof(own));
	see(s, 5);
}

static int setup(void **state)
{
	static struct scene scene;
	struct err err = ERR_INIT;

	scene = (struct scene) { 0 };
	if (event_types_new(&scene.types) < 0 || event_types_add(scene.types, &own_type, &err) < 0)
		return -1;
	scene_events(&scene);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	s->types = event_types_free(s->types);
	return 0;
}

static const char *scope_host(void *arg, const struct event *ev)
{
	(void)arg;
	return ev->id == 1 ? "node1" : ev->id == 2 ? "node2" : NULL;
}

static const char *scope_process(void *arg, const struct event *ev)
{
	(void)arg;
	return ev->h->tgid == 100 ? "etcd" : "bash";
}

static uint64_t scope_since(void *arg, const struct event *ev)
{
	(void)arg;
	return ev->id * 1000000000ULL;
}

/* small large signal connected log own = a b c d e f */
static const struct {
	const char *query, *found;
} matches[] = {
	{ "type=send", "ab" },
	{ "type == send|signal", "abc" },
	{ "type!=send", "cdef" },
	{ "type=s*", "abcf" },
	{ "not type=s*", "de" },
	{ "type~NECT", "d" },
	{ "bytes>20", "b" },
	{ "bytes>=20", "ab" },
	{ "bytes<4k", "a" },
	{ "bytes<=4k", "ab" },
	{ "bytes=4K", "b" },
	{ "bytes!=20", "b" },
	{ "bytes=0x14", "a" },
	{ "bytes=0.01953125k", "a" },
	{ "bytes<18446744073709551615", "ab" },
	{ "bytes>-1", "ab" },
	{ "type=send and bytes>1000", "b" },
	{ "type=send and not bytes>1000", "a" },
	{ "type=log or type=send and bytes>1000", "be" },
	{ "(type=log or type=send) and bytes>1000", "b" },
	{ "type=log OR (type=signal AND NOT sig=SIGKILL)", "ce" },
	{ "not not type=log", "e" },
	{ "sig=SIGSTOP", "c" },
	{ "sig=stop", "c" },
	{ "sig=19", "c" },
	{ "sig=KILL|STOP", "c" },
	{ "sig!=STOP", "" },
	{ "code=-6", "c" },
	{ "code<0", "c" },
	{ "code<-6", "" },
	{ "cpu_to=-1", "f" },
	{ "cpu_to<0", "f" },
	{ "label=abc", "f" },
	{ "label=ab", "" },
	{ "label=a?c", "f" },
	{ "label=[a-c]*", "" },
	{ "pid_=77", "f" },
	{ "port=4", "f" },
	{ "error=ECONNREFUSED", "d" },
	{ "error=econnrefused", "d" },
	{ "error", "d" },
	{ "not error", "abcef" },
	{ "duration_ns=20ms", "d" },
	{ "duration_ns>19ms and duration_ns<0.021s", "d" },
	{ "duration_ns=20000000", "d" },
	{ "port=2379", "d" },
	{ "port=40000", "d" },
	{ "port!=40000", "f" },
	{ "port!=1", "df" },
	{ "remote_port=40000", "" },
	{ "addr=10.77.0.1", "d" },
	{ "addr=10.0.0.0/8", "d" },
	{ "addr=10.77.0.0/23", "d" },
	{ "addr=10.78.0.0/15", "" },
	{ "remote=192.168.0.0/16", "d" },
	{ "local=192.168.0.0/16", "" },
	{ "addr=::ffff:10.77.0.1", "d" },
	{ "addr=fe80::/10", "" },
	{ "flags=more", "b" },
	{ "flags!=more", "ace" },
	{ "level=error", "e" },
	{ "level>=warning", "e" },
	{ "level<error", "" },
	{ "text~refused", "e" },
	{ "text~\"connection refused\"", "e" },
	{ "text=\"*\"", "" },
	{ "text='Connection refused: 10%*'", "e" },
	{ "text=*refused*", "e" },
	{ "text!~refused", "cf" },
	{ "target_comm=et?d", "c" },
	{ "target_comm", "c" },
	{ "context=softirq", "d" },
	{ "pid=100", "adef" },
	{ "pid=100|300", "acdef" },
	{ "tid=101", "a" },
	{ "tgid>100", "bc" },
	{ "cpu=1", "abcdef" },
	{ "id<=2", "ab" },
	{ "host=node*", "ab" },
	{ "host!=node1", "b" },
	{ "process=etcd", "adef" },
	{ "process~BAS", "bc" },
	{ "boot_ns=5s", "abcdef" },
	{ "boot_ns>5000000000", "" },
	{ "start_ns", "" },
	{ "time<2.5s", "ab" },
	{ "time<2.5", "ab" },
	{ "time>=+6s", "f" },
};

static void test_matches(void **state)
{
	const struct query_scope scope = { .host = scope_host, .process = scope_process, .since_ns = scope_since };
	struct scene *s = *state;
	size_t i, k;

	for (i = 0; i < ARRAY_LEN(matches); i++) {
		char found[8], *at = found;
		struct err err = ERR_INIT;
		struct query *q;

		if (query_compile(matches[i].query, s->types, &q, NULL, &err) < 0)
			fail_msg("%s: %s", matches[i].query, err.text);
		for (k = 0; k < 6; k++)
			if (query_match(q, &s->ev[k], &scope))
				*at++ = (char)('a' + k);
		*at = 0;
		(void)query_free(q);
		if (strcmp(found, matches[i].found) != 0)
			fail_msg("%s: found '%s', not '%s'", matches[i].query, found, matches[i].found);
	}
	assert_true(query_match(NULL, &s->ev[0], NULL));
}

static const struct {
	const char *query;
	unsigned int column;
	const char *words;
} refusals[] = {
	{ "", 1, "a name is expected" },
	{ "  ", 3, "a name is expected" },
	{ "type=", 6, "a value is missing" },
	{ "type=send byts>3", 11, "'and' or 'or'" },
	{ "type=send and byts>3", 15, "did you mean 'bytes'" },
	{ "type=sendd", 6, "no event type 'sendd'" },
	{ "type=conect", 6, "did you mean 'connect'" },
	{ "type=zz*", 6, "no event type" },
	{ "bytes>many", 7, "'many' is no value" },
	{ "bytes>10parsecs", 7, "is no value" },
	{ "bytes>1.5", 7, "is no value" },
	{ "bytes>1e3", 7, "is no value" },
	{ "bytes>0x", 7, "is no value" },
	{ "bytes>5.", 7, "is no value" },
	{ "bytes>18446744073709551616", 7, "is no value" },
	{ "duration_ns>1.5", 13, "is no value" },
	{ "level=eror", 7, "debug, info, warning, error, fatal" },
	{ "sig=SIGNOPE", 5, "is no value" },
	{ "flags=nothing", 7, "is no value" },
	{ "addr=10.0.0.0/33", 6, "is no value" },
	{ "addr<10.0.0.1", 6, "is no value" },
	{ "comm>a", 6, "is no value" },
	{ "bytes~3", 7, "is no value" },
	{ "type>send", 6, "is no value" },
	{ "(type=send", 1, "not closed" },
	{ "type=send)", 10, "'and' or 'or'" },
	{ "type=send and", 14, "a name is expected" },
	{ "not", 4, "a name is expected" },
	{ "text=\"abc", 6, "the quote" },
	{ "text='a\\'", 6, "the quote" },
	{ "=3", 1, "not '='" },
	{ "nosuchnameatall", 1, "no event has a field" },
};

static void test_refusals(void **state)
{
	struct scene *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(refusals); i++) {
		struct err err = ERR_INIT;
		unsigned int column = 0;
		struct query *q = NULL;

		if (query_compile(refusals[i].query, s->types, &q, &column, &err) >= 0)
			fail_msg("'%s' was taken", refusals[i].query);
		if (column != refusals[i].column || !strstr(err.text, refusals[i].words))
			fail_msg("'%s': column %u, %s", refusals[i].query, column, err.text);
	}
}

/* Deep and long queries are refused or work; they never overflow. */
static void test_limits(void **state)
{
	struct scene *s = *state;
	struct err err = ERR_INIT;
	char text[QUERY_TEXT_MAX + 2];
	struct query *q = NULL;
	unsigned int column = 0;
	size_t n;

	memset(text, '(', QUERY_TEXT_MAX);
	text[QUERY_TEXT_MAX] = 0;
	assert_true(query_compile(text, s->types, &q, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "levels deep"));
	text[QUERY_TEXT_MAX] = '(';
	text[QUERY_TEXT_MAX + 1] = 0;
	assert_true(query_compile(text, s->types, &q, &column, &err) < 0);
	assert_non_null(strstr(err.text, "longer than"));
	assert_int_equal(column, QUERY_TEXT_MAX + 1);
	for (n = 0; n + 13 < QUERY_TEXT_MAX; n += 9)
		memcpy(text + n, "cpu=1 or ", 9);
	memcpy(text + n, "cpu=1", 6);
	assert_int_equal(query_compile(text, s->types, &q, NULL, &err), 0);
	assert_true(query_match(q, &s->ev[0], NULL));
	(void)query_free(q);
}

static bool one_matches(const char *query, const struct event_types *types, const struct event *ev)
{
	struct query *q = NULL;
	bool found;

	assert_int_equal(query_compile(query, types, &q, NULL, NULL), 0);
	found = query_match(q, ev, NULL);
	(void)query_free(q);
	return found;
}

/* Errors have either sign in the kernel's events; their names mean both, numbers only what they say. */
static void test_errors(void **state)
{
	struct scene *s = *state;
	struct event_sockerr e = { .h = head(EVENT_SOCKERR, 100, 100), .error = -111 };
	const char *none[] = { NULL };

	put(s, 6, &e, none);
	assert_true(one_matches("error=ECONNREFUSED", s->types, &s->ev[6]));
	assert_false(one_matches("error!=ECONNREFUSED", s->types, &s->ev[6]));
	assert_true(one_matches("error=-111", s->types, &s->ev[6]));
	assert_false(one_matches("error=111", s->types, &s->ev[6]));
}

/* Wildcards see texts whole, and characters, not bytes. */
static void test_globs(void **state)
{
	static const struct {
		const char *text, *pattern;
		bool found;
	} rows[] = {
		{ "", "*", true },	  { "", "?", false },	       { "abc", "*c", true },
		{ "abc", "*b", false },	  { "abcbd", "a*b?", true },   { "aaab", "*aab", true },
		{ "abc", "a**c", true },  { "abc", "abc?", false },    { "abc", "?*?*?", true },
		{ "ab", "?*?*?", false }, { "\303\244x", "?x", true }, { "\303\244x", "??x", false },
		{ "\377x", "?x", true },
	};
	struct event_log log = { .h = head(EVENT_LOG, 1, 1) };
	const char *strings[2] = { NULL, NULL };
	struct scene *s = *state;
	char text[ROOM - sizeof(log) - 8], query[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		strings[0] = rows[i].text;
		put(s, 7, &log, strings);
		(void)snprintf(query, sizeof(query), "text=%s", rows[i].pattern);
		if (one_matches(query, s->types, &s->ev[7]) != rows[i].found)
			fail_msg("'%s' '%s'", rows[i].text, rows[i].pattern);
	}
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 4, "end", 4);
	strings[0] = text;
	put(s, 7, &log, strings);
	assert_true(one_matches("text=a*end", s->types, &s->ev[7]));
}

static void test_pid(void **state)
{
	static const struct {
		const char *query;
		uint32_t pid;
	} rows[] = {
		{ "pid=100", 100 },
		{ "type=send and pid=100", 100 },
		{ "pid=100|200", 0 },
		{ "pid!=100", 0 },
		{ "pid=100 or type=send", 0 },
		{ "not pid=100", 0 },
		{ "pid>100", 0 },
		{ "(pid=7 and type=send) and bytes>3", 7 },
	};
	struct scene *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct query *q = NULL;

		assert_int_equal(query_compile(rows[i].query, s->types, &q, NULL, NULL), 0);
		if (query_pid(q) != rows[i].pid)
			fail_msg("%s: %u", rows[i].query, query_pid(q));
		(void)query_free(q);
	}
	assert_int_equal(query_pid(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_matches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_globs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
