/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proto/hpack.h"

static char said[2048];

static void say(void *arg, struct hpack_text name, struct hpack_text value)
{
	size_t at = strlen(said);

	(void)arg;
	(void)snprintf(said + at, sizeof(said) - at, "%.*s=%.*s;", name.at ? (int)name.len : 1, name.at ? name.at : "-",
		       value.at ? (int)value.len : 1, value.at ? value.at : "-");
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		out[n++] = (uint8_t)strtoul((char[]) { hex[0], hex[1], 0 }, NULL, 16);
		hex++;
	}
	return n;
}

/* A block in pieces of so many bytes. */
static bool block(struct hpack *h, const char *hex, size_t piece)
{
	uint8_t data[512];
	size_t len = from_hex(hex, data), i;
	bool all = true;

	said[0] = 0;
	for (i = 0; i < len; i += piece)
		all &= hpack_feed(h, data + i, MIN(piece, len - i), say, NULL);
	return hpack_end(h) && all;
}

/* RFC 7541, appendices C.4 and C.6. */
#define REQUEST_1 "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"
#define REQUEST_2 "8286 84be 5886 a8eb 1064 9cbf"
#define REQUEST_3 "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"
#define RESPONSE_1                                                                                  \
	"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e" \
	"919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"
#define RESPONSE_2 "4883 640e ffc1 c0bf"

static void test_standard(void **state)
{
	size_t piece;

	(void)state;
	for (piece = 1; piece < 80; piece += 7) {
		struct hpack *h = NULL;

		assert_int_equal(hpack_new(&h), 0);
		assert_true(block(h, REQUEST_1, piece));
		assert_string_equal(said, ":method=GET;:scheme=http;:path=/;:authority=www.example.com;");
		assert_true(block(h, REQUEST_2, piece));
		assert_string_equal(
			said, ":method=GET;:scheme=http;:path=/;:authority=www.example.com;cache-control=no-cache;");
		assert_true(block(h, REQUEST_3, piece));
		assert_string_equal(said, ":method=GET;:scheme=https;:path=/index.html;:authority=www.example.com;"
					  "custom-key=custom-value;");
		h = hpack_free(h);
		assert_int_equal(hpack_new(&h), 0);
		assert_true(block(h, RESPONSE_1, piece));
		assert_true(block(h, RESPONSE_2, piece));
		assert_string_equal(said, ":status=307;cache-control=private;date=Mon, 21 Oct 2013 20:13:21 GMT;"
					  "location=https://www.example.com;");
		h = hpack_free(h);
	}
}

/* Without the first block: entry 62 is not known in the second; afterwards what came in since is. */
static void test_middle(void **state)
{
	struct hpack *h = NULL;

	(void)state;
	assert_int_equal(hpack_new(&h), 0);
	assert_true(block(h, REQUEST_2, 100));
	assert_string_equal(said, ":method=GET;:scheme=http;:path=/;-=-;cache-control=no-cache;");
	assert_true(block(h, REQUEST_3, 100));
	assert_string_equal(said, ":method=GET;:scheme=https;:path=/index.html;-=-;custom-key=custom-value;");
	assert_true(block(h, "be bf c0", 100));
	assert_string_equal(said, "custom-key=custom-value;cache-control=no-cache;-=-;");
	/* a value under the name of an entry from before (64), added: it takes a place */
	assert_true(block(h, "7f01 03616263 bf be", 1));
	assert_string_equal(said, "-=abc;custom-key=custom-value;?=abc;");
	h = hpack_free(h);
}

static void test_lost(void **state)
{
	struct hpack *h = NULL;

	(void)state;
	assert_int_equal(hpack_new(&h), 0);
	assert_true(block(h, REQUEST_1, 100));
	hpack_lost(h);
	assert_true(block(h, "be 82", 100));
	assert_string_equal(said, "-=-;:method=GET;");
	assert_false(block(h, "8286 84 41", 100)); /* ends within a field */
	assert_string_equal(said, ":method=GET;:scheme=http;:path=/;");
	assert_true(block(h, "82", 100));
	assert_string_equal(said, ":method=GET;");
	assert_false(block(h, "7fffffffffff 00", 1)); /* an index that cannot be */
	assert_true(block(h, "82", 100));
	h = hpack_free(h);
}

/* A Huffman string made unreadable (a mask does that) costs its own field, not the table. */
static void test_unreadable(void **state)
{
	struct hpack *h = NULL;

	(void)state;
	assert_int_equal(hpack_new(&h), 0);
	assert_true(block(h, REQUEST_1, 100));
	assert_false(block(h, "82 4084 2a2a2a2a 84 ffffffff be bf", 100));
	assert_string_equal(said, ":method=GET;-=-;?=?;:authority=www.example.com;");
	h = hpack_free(h);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
