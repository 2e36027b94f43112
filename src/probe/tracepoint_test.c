/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "event/event.h"
#include "probe/tracepoint.h"

/* In the form of the kernel's Documentation/trace/events.rst, section 2.2 (event formats). */
static const char migrate[] = "name: sched_migrate_task\nID: 300\nformat:\n"
			      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
			      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
			      "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
			      "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
			      "\tfield:int dest_cpu;\toffset:28;\tsize:4;\tsigned:1;\n"
			      "\tfield:__data_loc char[] where;\toffset:32;\tsize:4;\tsigned:0;\n"
			      "\tfield:void * p;\toffset:40;\tsize:8;\tsigned:0;\n"
			      "\nprint fmt: \"comm=%s\", REC->comm\n";

static void test_fields(void **state)
{
	struct event_types *types;
	struct tracepoint tp;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(tracepoint_parse("sched_migrate_task", migrate, &tp, &err), 0);
	assert_int_equal(tp.type.nfields, 5);
	assert_string_equal(tp.fields[0].name, "comm");
	assert_int_equal(tp.fields[0].kind, EVENT_CHARS);
	assert_int_equal(tp.fields[0].offset, 40);
	assert_string_equal(tp.fields[2].name, "dest_cpu");
	assert_int_equal(tp.fields[2].offset, 60);
	assert_int_equal(tp.fields[3].format, EVENT_FMT_HEX);
	assert_string_equal(tp.fields[4].name, "where");
	assert_int_equal(tp.fields[4].kind, EVENT_STR);
	assert_int_equal(tp.wire.bytes, 40);
	assert_int_equal(tp.wire.nstrings, 1);
	assert_int_equal(tp.wire.strings[0], 32);
	tp.type.id = EVENT_DYNAMIC_MIN;
	assert_int_equal(event_types_new(&types), 0);
	assert_int_equal(event_types_add(types, &tp.type, &err), 0);
	event_types_free(types);
}

static void test_hostile(void **state)
{
	static const char *const texts[] = { "", "field:", "\tfield:int x;\toffset:8;\tsize:0;\tsigned:1;\n",
					     "\tfield:long y[99];\toffset:8;\tsize:4000000000;\tsigned:1;\n",
					     "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n" };
	struct tracepoint tp;
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(tracepoint_parse("x", texts[i], &tp, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_fields), cmocka_unit_test(test_hostile) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
