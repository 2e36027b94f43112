/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"
#include "lines/lines.h"

#define MS 1000000ULL

/* What came out: `tid@ms:level:flags:text|` of each record. */
static struct buf out;
static struct lines *l;

static int record(void *arg, const struct lines_record *r)
{
	size_t i;

	(void)arg;
	assert_int_equal(strlen(r->text), r->len);
	buf_printf(&out, "%u@%llu:%u:%u:", r->who->h.tid, r->who->h.boot_ns / MS, r->level, r->flags);
	for (i = 0; i < r->len; i++)
		buf_char(&out, r->text[i] == '\n' ? '~' : r->text[i]);
	buf_char(&out, '|');
	return 0;
}

static int begin(void **state)
{
	const struct lines_opts opts = { .record = record };

	(void)state;
	buf_reset(&out);
	return lines_new(&opts, &l);
}

static int end(void **state)
{
	(void)state;
	l = lines_free(l);
	return 0;
}

/* A whole call of thread tid at that moment. */
static void put(uint32_t tid, uint64_t ms, const char *text)
{
	struct lines_piece p = { .who = { .h = { .tid = tid, .tgid = 1, .boot_ns = ms * MS }, .file = 7 },
				 .data = text,
				 .len = strlen(text),
				 .written = strlen(text),
				 .first = true,
				 .last = true };

	assert_int_equal(lines_put(l, &p, 0), 0);
}

static void expect(const char *want)
{
	assert_int_equal(lines_end(l, 0, 0), 0);
	assert_string_equal(out.data ? out.data : "", want);
}

static void test_cuts(void **state)
{
	(void)state;
	put(1, 1, "one\ntwo\nth");
	put(2, 2, "other\n");
	put(1, 3, "ree\n\n\r\nfour\r\n");
	put(1, 4, "no end");
	assert_int_equal(lines_oldest(l), 2 * MS);
	expect("1@1:0:0:one|1@1:0:0:two|1@3:0:0:three|2@2:0:0:other|1@3:0:0:four|1@4:0:1:no end|");
	assert_true(lines_oldest(l) == UINT64_MAX);
}

/* As the interpreters print them: in many writes. */
static void test_folds(void **state)
{
	(void)state;
	put(1, 1, "2026-11-25 00:44:51,489 ERROR app - it broke\n");
	put(1, 2, "java.lang.RuntimeException: inner\n");
	put(1, 3, "\tat L.main(L.java:2)\n");
	put(1, 4, "Caused by: java.io.IOException: gone\n");
	put(1, 5, "\t... 8 more\n");
	put(1, 6, "2026-11-25 00:44:52,489 INFO app - next\n");
	put(2, 1, "Traceback (most recent call last):\n");
	put(2, 2, "  File \"x\", line 1, in <module>\n");
	put(2, 3, "KeyError: 'k'\n");
	put(2, 4, "\n");
	put(2, 5, "The above exception was the direct cause of the following exception:\n\n");
	put(2, 6, "Traceback (most recent call last):\n  File \"y\"\nRuntimeError: chained\n");
	put(2, 7, "after\n");
	put(3, 1, "panic: out of luck\n\ngoroutine 1 [running]:\nmain.work(...)\n\t/l.go:3\n");
	put(3, 2, "exit status 2\nnext\n");
	put(4, 1, "Nov 25, 2026 12:44:51 AM L main\n");
	put(4, 2, "SEVERE: it broke\n");
	put(4, 3, "java.io.IOException: gone\n\tat L.main(L.java:2)\nnext\n");
	expect("1@1:4:0:2026-11-25 00:44:51,489 ERROR app - it broke~java.lang.RuntimeException: inner~\tat "
	       "L.main(L.java:2)~Caused by: java.io.IOException: gone~\t... 8 more|"
	       "2@1:4:0:Traceback (most recent call last):~  File \"x\", line 1, in <module>~KeyError: 'k'~The above "
	       "exception was the direct cause of the following exception:~~Traceback (most recent call last):~  File "
	       "\"y\"~RuntimeError: chained|"
	       "3@1:5:0:panic: out of luck~~goroutine 1 [running]:~main.work(...)~\t/l.go:3~exit status 2|"
	       "4@1:4:0:Nov 25, 2026 12:44:51 AM L main~SEVERE: it broke~java.io.IOException: gone~\tat "
	       "L.main(L.java:2)|"
	       "4@3:0:0:next|3@2:0:0:next|2@7:0:0:after|1@6:2:0:2026-11-25 00:44:52,489 INFO app - next|");
}

/* What comes too late is a record of its own, and says so; nothing waits for long. */
static void test_holds(void **state)
{
	(void)state;
	put(1, 1000, "head\n");
	put(2, 1000, "> ");
	assert_int_equal(lines_tick(l, 1000 * MS + LINES_HOLD_NS), 0);
	assert_null(out.data && out.len ? out.data : NULL);
	assert_int_equal(lines_tick(l, 1000 * MS + LINES_HOLD_NS + 1), 0);
	assert_string_equal(out.data, "1@1000:0:0:head|");
	put(1, 1100, "\tlate\n");
	assert_int_equal(lines_oldest(l), 1000 * MS);
	assert_int_equal(lines_tick(l, 1000 * MS + LINES_PARTIAL_NS + 1), 0);
	assert_int_equal(lines_tick(l, 1000 * MS + LINES_PARTIAL_NS + 1), 0);
	put(2, 2000, "answer\n");
	expect("1@1000:0:0:head|2@1000:0:1:>|1@1100:0:8:\tlate|2@2000:0:8:answer|");
}

/* A full buffer of stdio that another thread flushes: the line goes on there. */
static void test_blocks(void **state)
{
	char block[1025];
	size_t i;

	(void)state;
	for (i = 0; i < 1024; i++)
		block[i] = i % 64 == 63 ? '\n' : 'x';
	memcpy(block + 1020, "\nhal", 4);
	block[1024] = 0;
	put(1, 1, block);
	assert_int_equal(lines_tick(l, 10000 * MS), 0);
	buf_reset(&out);
	put(2, 2, "f of it\nmine\n");
	expect("2@2:0:0:half of it|2@2:0:0:mine|");
}

static void test_long(void **state)
{
	static char text[3 * LINES_TEXT_MAX + 2];
	size_t i, n = 0;

	(void)state;
	/* characters of two bytes: none may be cut in two */
	text[0] = 'a';
	for (i = 1; i < 2 * LINES_TEXT_MAX; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[i] = '\n';
	put(1, 1, text);
	assert_int_equal(lines_end(l, 0, 0), 0);
	assert_non_null(strstr(out.data, "1@1:0:16:a"));
	assert_non_null(strstr(out.data, "1@1:0:24:\xc3"));
	for (i = 0; i < out.len; i++)
		n += out.data[i] == '|';
	assert_int_equal(n, 3);
}

static void test_loss(void **state)
{
	struct lines_piece p = { .who = { .h = { .tid = 1, .boot_ns = 5 * MS }, .file = 7 },
				 .first = true,
				 .last = true };

	(void)state;
	put(1, 1, "whole\nbroken ");
	p.data = " tail\nwhole\n";
	p.len = p.written = strlen(p.data);
	p.lost = 10;
	assert_int_equal(lines_put(l, &p, 0), 0);
	p.lost = 0;
	p.data = "of many bytes";
	p.len = 13;
	p.left = 1000;
	assert_int_equal(lines_put(l, &p, 0), 0);
	expect("1@1:0:0:whole|1@1:0:4:broken|1@5:0:4: tail|1@5:0:0:whole|1@5:0:2:of many bytes|");
}

static void test_binary(void **state)
{
	struct lines_piece p = { .who = { .h = { .tid = 1, .boot_ns = 5 * MS }, .file = 7 },
				 .data = "\0\1\2\n\3",
				 .len = 5,
				 .written = 5,
				 .first = true,
				 .last = true };

	(void)state;
	put(1, 1, "text\n");
	assert_int_equal(lines_put(l, &p, 0), 0);
	put(1, 6, "\033[1;31mERROR\033[0m red\033[K\r\n");
	expect("1@1:0:0:text|1@5:0:32:(binary data)|1@6:4:0:ERROR red|");
}

/* More threads than there are streams: the oldest come out. */
static void test_many(void **state)
{
	size_t i, n = 0;

	(void)state;
	for (i = 1; i <= LINES_STREAMS + 10; i++)
		put((uint32_t)i, i, "x\n");
	assert_non_null(strstr(out.data, "10@10:0:0:x|"));
	assert_null(strstr(out.data, "11@11"));
	assert_int_equal(lines_end(l, 0, 0), 0);
	for (i = 0; i < out.len; i++)
		n += out.data[i] == '|';
	assert_int_equal(n, LINES_STREAMS + 10);
}

/* What was written before the moment that the store has settled gets that moment. */
static void test_settled(void **state)
{
	(void)state;
	put(1, 1, "prompt: ");
	lines_settled(l, 9 * MS);
	expect("1@9:0:1:prompt:|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cuts, begin, end),
		cmocka_unit_test_setup_teardown(test_folds, begin, end),
		cmocka_unit_test_setup_teardown(test_holds, begin, end),
		cmocka_unit_test_setup_teardown(test_blocks, begin, end),
		cmocka_unit_test_setup_teardown(test_long, begin, end),
		cmocka_unit_test_setup_teardown(test_loss, begin, end),
		cmocka_unit_test_setup_teardown(test_binary, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
		cmocka_unit_test_setup_teardown(test_settled, begin, end),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_fini(&out);
	return failed;
}
