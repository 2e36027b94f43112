/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"

static union {
	struct event_header h;
	char bytes[EVENT_LENGTH_MAX];
} room;

static struct event build_exec(const char *args)
{
	struct event_exec fixed = { .h = { .type = EVENT_EXEC, .boot_ns = 5, .tgid = 42, .tid = 42 },
				    .ppid = 1,
				    .uid = 1000 };
	const char *strings[] = { "sh", "/bin/sh", args, NULL };

	assert_true(event_build(&room, sizeof(room), &fixed, strings) > 0);
	return (struct event) { .id = 9, .boot_ns = 5, .type = event_static_type(EVENT_EXEC), .h = &room.h };
}

static void test_about(void **state)
{
	const struct event_timer timer = { .target_tgid = 3, .target_tid = 4, .target_start_ns = 5 };
	const struct event_block_done done = { .owner_tgid = 6, .owner_tid = 7, .owner_start_ns = 8 };
	const struct event_block_wake wake = {
		.owner_tgid = 6, .target_tgid = 9, .target_tid = 10, .target_start_ns = 11
	};
	const struct event_wake other = { .target_tgid = 12 };
	const struct {
		const struct event_header *h;
		uint16_t type;
		struct event_thread about; /* tgid 0: nobody */
	} cases[] = {
		{ &timer.h, EVENT_TIMER, { 5, 3, 4 } },
		{ &done.h, EVENT_BLOCK_DONE, { 8, 6, 7 } },
		{ &wake.h, EVENT_BLOCK_WAKE, { 11, 9, 10 } },
		{ &other.h, EVENT_WAKE, { 0, 0, 0 } }, /* a thread did that */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct event ev = { .type = event_static_type(cases[i].type), .h = cases[i].h };
		struct event_thread about = { 0 };

		assert_int_equal(event_about(&ev, &about), cases[i].about.tgid != 0);
		assert_int_equal(about.tgid, cases[i].about.tgid);
		assert_int_equal(about.tid, cases[i].about.tid);
		assert_int_equal(about.start_ns, cases[i].about.start_ns);
	}
}

static void test_strings(void **state)
{
	struct event ev = build_exec("sh -c true");

	(void)state;
	assert_int_equal(room.h.length % 8, 0);
	assert_int_equal(event_check(ev.type, &room, room.h.length, NULL), 0);
	assert_string_equal(event_string(&ev, 0), "sh");
	assert_string_equal(event_string(&ev, 1), "/bin/sh");
	assert_string_equal(event_string(&ev, 2), "sh -c true");
	assert_string_equal(event_string(&ev, 3), "");
}

/* An independent JSON reader must get back what was put in. */
static void test_json(void **state)
{
	struct event ev = build_exec("a\"b\x01\xff");
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	json_t *root;

	(void)state;
	event_json(&b, &ev, "h1");
	root = json_loads(b.data, 0, NULL);
	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "id")), 9);
	assert_int_equal(json_integer_value(json_object_get(root, "uid")), 1000);
	assert_string_equal(json_string_value(json_object_get(root, "host")), "h1");
	assert_string_equal(json_string_value(json_object_get(root, "args")), "a\"b\x01\xef\xbf\xbd");
	json_decref(root);
}

/* A run-time type may call its fields what it likes: the line stays JSON, and the header's names keep their meaning. */
static void test_json_names(void **state)
{
	static const struct event_field fields[] = { { "type", EVENT_U32, EVENT_FMT_DEC, NULL, 40, 4, "" },
						     { "a\"b", EVENT_U32, EVENT_FMT_DEC, NULL, 44, 4, "" } };
	static const struct event_type type = { 1024, 48, 2, "uprobe:/\"x\\y", "", fields };
	struct {
		struct event_header h;
		uint32_t values[2];
	} bytes = { .h = { .length = 48, .type = 1024, .cpu = 3 }, .values = { 5, 6 } };
	struct event ev = { .id = 9, .type = &type, .h = &bytes.h };
	struct buf b = BUF_INIT;
	json_t *root;

	(void)state;
	event_json(&b, &ev, NULL);
	root = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "type")), "uprobe:/\"x\\y");
	assert_int_equal(json_integer_value(json_object_get(root, "type_")), 5);
	assert_int_equal(json_integer_value(json_object_get(root, "a\"b")), 6);
	json_decref(root);
	buf_fini(&b);
}

static void test_refuses(void **state)
{
	struct event ev = build_exec("x");
	uint16_t good = room.h.length;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(event_check(ev.type, &room, good - 1, &err), -EBADMSG);
	room.h.length = good + 8;
	assert_int_equal(event_check(ev.type, &room, sizeof(room), &err), -EBADMSG);
	room.h.length = ev.type->size;
	assert_int_equal(event_check(ev.type, &room, sizeof(room), &err), -EBADMSG);
	room.h.length = good;
	memset(room.bytes + ev.type->size, 'x', good - ev.type->size);
	assert_int_equal(event_check(ev.type, &room, good, &err), -EBADMSG);
	assert_int_equal(event_check(ev.type, &room, 12, &err), -EBADMSG);
}

static void test_runtime_types(void **state)
{
	static const struct event_field fields[] = {
		{ "comm", EVENT_CHARS, EVENT_FMT_CHAR, NULL, 40, 16, "" },
		{ "cpu_to", EVENT_S32, EVENT_FMT_DEC, NULL, 56, 4, "" },
	};
	static const struct event_field overlap[] = {
		{ "a", EVENT_U64, EVENT_FMT_DEC, NULL, 40, 8, "" },
		{ "b", EVENT_U32, EVENT_FMT_DEC, NULL, 44, 4, "" },
	};
	struct event_type type = { 1024, 64, 2, "migrate", "", fields };
	struct event_types *types;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(event_types_new(&types), 0);
	assert_int_equal(event_types_add(types, &type, &err), 0);
	assert_int_equal(event_types_add(types, &type, &err), 0);
	assert_ptr_equal(event_types_get(types, 1024), event_types_find(types, "migrate"));
	type.size = 72;
	assert_int_equal(event_types_add(types, &type, &err), -EEXIST);
	type = (struct event_type) { 1025, 48, 2, "bad", "", overlap };
	assert_int_equal(event_types_add(types, &type, &err), -EINVAL);
	type = (struct event_type) { 37, 64, 2, "low", "", fields };
	assert_int_equal(event_types_add(types, &type, &err), -EINVAL);
	event_types_free(types);
}

/* Names from signal(7), errno(3), RFC 5952 section 4 and RFC 4291 section 2.5.5.2. */
static void test_values(void **state)
{
	struct event_reset fixed = {
		.h = { .type = EVENT_RESET }, .family = SOCKFAMILY_INET, .direction = 2, .remote_port = 443
	};
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 10, 0, 0, 7 }, v6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
	struct event ev = { .type = event_static_type(EVENT_RESET), .h = &room.h };
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	static const char *const want[] = { "10.0.0.7", "2001:db8::1", "443", "inet", "received" };
	static const char *const names[] = { "local", "remote", "remote_port", "family", "direction" };
	struct event_value v;
	size_t i;

	(void)state;
	memcpy(fixed.local, v4, 16);
	memcpy(fixed.remote, v6, 16);
	assert_true(event_build(&room, sizeof(room), &fixed, NULL) > 0);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		const struct event_field *f = &ev.type->fields[event_field_find(ev.type, names[i])];

		buf_reset(&b);
		event_field_get(&ev, f, &v);
		event_value_text(&b, f, &v);
		assert_string_equal(b.data, want[i]);
	}
	assert_string_equal(event_signal_name(19), "SIGSTOP");
	assert_string_equal(event_errno_name(111), "ECONNREFUSED");
	assert_null(event_signal_name(63));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_about),	   cmocka_unit_test(test_strings), cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_names), cmocka_unit_test(test_refuses), cmocka_unit_test(test_runtime_types),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
