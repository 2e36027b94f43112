/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/payloads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/mask_payload.h"
#include "base/err.h"
#include "event/event.h"

#define SOCK 77

struct seen {
	char text[4096];
	int events;
	uint64_t last_ns;
};

static int on_event(void *arg, const struct event_header *h)
{
	const struct event_payload *e = (const void *)h;
	struct seen *s = arg;
	size_t n = strlen(s->text);
	struct err err = ERR_INIT;

	assert_int_equal(h->type, EVENT_PAYLOAD);
	assert_int_equal(event_check(event_static_type(h->type), h, h->length, &err), 0);
	(void)snprintf(s->text + n, sizeof(s->text) - n, "%d:%u/%u:%s;", (int)e->offset, e->kept, e->bytes, e->tail);
	s->events++;
	s->last_ns = h->boot_ns;
	return 0;
}

static struct payloads *begin(struct seen *s)
{
	struct payloads *p = NULL;
	struct err err = ERR_INIT;

	memset(s, 0, sizeof(*s));
	assert_int_equal(payloads_new(NULL, 0, on_event, s, &p, &err), 0);
	return p;
}

static void give(struct payloads *p, uint64_t sock, uint64_t offset, uint64_t now, const char *text, size_t len)
{
	union {
		struct event_payload_piece e;
		char bytes[sizeof(struct event_payload_piece) + 2048];
	} room = { .e = { .h = { .type = EVENT_PAYLOAD_PIECE, .boot_ns = now, .seq = now },
			  .sock = sock,
			  .offset = offset,
			  .bytes = (uint32_t)len,
			  .kept = (uint32_t)len,
			  .flags = PAYLOADFLAGS_SENT } };

	room.e.h.length = (uint16_t)((sizeof(room.e) + len + 7) & ~7U);
	memcpy(room.bytes + sizeof(room.e), text, len);
	assert_int_equal(payloads_take(p, &room.e.h), 0);
}

static void give_text(struct payloads *p, uint64_t offset, uint64_t now, const char *text)
{
	give(p, SOCK, offset, now, text, strlen(text));
}

static void test_in_order(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);

	(void)state;
	give_text(p, 0, 10, "GET /?token=ab");
	assert_int_equal(s.events, 1); /* at once, so that it has its place among the others of its ring */
	give_text(p, 14, 11, "c HTTP/1.1\r\n\r\n");
	assert_string_equal(s.text, "0:14/14:GET /?token=**;14:14/14:* HTTP/1.1\r\n\r\n;");
	payloads_free(p);
}

/* The second piece comes first, by the ring of another CPU. */
static void test_out_of_order(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);

	(void)state;
	give_text(p, 14, 11, "c HTTP/1.1\r\n\r\n");
	give_text(p, 28, 12, "GET /b HTTP/1.1\r\n\r\n");
	assert_int_equal(s.events, 0);
	give_text(p, 0, 10, "GET /?token=ab");
	assert_int_equal(s.events, 1);
	assert_int_equal(payloads_tick(p, 12), 0);
	assert_int_equal(s.events, 2);
	assert_int_equal(payloads_tick(p, 13), 0);
	assert_string_equal(s.text,
			    "0:14/14:GET /?token=**;14:14/14:* HTTP/1.1\r\n\r\n;28:19/19:GET /b HTTP/1.1\r\n\r\n;");
	assert_int_equal(s.last_ns, 12);
	payloads_free(p);
}

static void test_lost(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);

	(void)state;
	give_text(p, 0, 10, "POST / HTTP/1.1\r\n\r\n{\"password\":\"");
	give_text(p, 100, 12, "secret\"}");
	assert_int_equal(payloads_tick(p, UINT64_MAX), 0);
	assert_string_equal(s.text, "0:32/32:POST / HTTP/1.1\r\n\r\n{\"password\":\";100:8/8:******\"};");
	payloads_free(p);
}

static void test_bytes(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);
	struct event_payload_piece bad = { .h = { .type = EVENT_PAYLOAD_PIECE, .length = sizeof(bad) }, .kept = 8 };

	(void)state;
	give(p, SOCK, 0, 10, "a\0b\\c", 5);
	assert_string_equal(s.text, "0:5/5:a\\0b\\\\c;");
	assert_int_equal(payloads_take(p, &bad.h), 0); /* more than there is */
	assert_int_equal(s.events, 1);
	payloads_free(p);
}

/* A closed socket is forgotten once all of its time has come, and not before. */
static void test_close(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);
	struct event_close e = { .h = { .type = EVENT_CLOSE, .length = sizeof(e), .boot_ns = 20 }, .sock = SOCK };

	(void)state;
	give_text(p, 0, 10, "GET /?token=ab");
	assert_int_equal(payloads_take(p, &e.h), 0);
	assert_int_equal(payloads_tick(p, 20), 0);
	give_text(p, 14, 19, "c");
	assert_int_equal(payloads_tick(p, 21), 0);
	give_text(p, 15, 22, "d");
	assert_int_equal(payloads_tick(p, UINT64_MAX), 0);
	assert_string_equal(s.text, "0:14/14:GET /?token=**;14:1/1:*;15:1/1:*;");
	payloads_free(p);
}

static void test_many(void **state)
{
	struct seen s;
	struct payloads *p = begin(&s);
	uint64_t i;

	(void)state;
	for (i = 1; i < 3 * PAYLOADS_STREAMS_MAX; i++) {
		give(p, i, 0, i, "x", 1);
		s.text[0] = 0;
	}
	assert_int_equal(s.events, 3 * PAYLOADS_STREAMS_MAX - 1);
	payloads_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order), cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_lost),
		cmocka_unit_test(test_bytes),	 cmocka_unit_test(test_close),	      cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("payloads", tests, NULL, NULL);
}
