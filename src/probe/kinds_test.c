/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of observation as the command line names them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "probe/probe.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint32_t bits; /* 0: refused */
		const char *words;
	} cases[] = {
		{ "process", 1, NULL },
		{ "wake,block", 4 | 64, NULL },
		{ "block,wake,block", 4 | 64, NULL },
		{ "all", OBSERVE_ALL, NULL },
		{ "pipe,all", OBSERVE_ALL, NULL },
		{ "", 0, "'' is no kind" },
		{ "wake,", 0, "'' is no kind" },
		{ ",wake", 0, "'' is no kind" },
		{ "wak", 0, "'wak' is no kind" },
		{ "wakes", 0, "'wakes' is no kind" },
		{ "Wake", 0, "'Wake' is no kind" },
		{ "wake block", 0, "process,socket,wake,log,pipe,file,block,tls,note,sched, and all" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;
		uint32_t bits = 0;

		assert_int_equal(probe_kinds_parse(cases[i].text, &bits, &err), cases[i].words ? -EINVAL : 0);
		assert_int_equal(bits, cases[i].bits);
		if (cases[i].words && !strstr(err.text, cases[i].words))
			fail_msg("'%s' says: %s", cases[i].text, err.text);
	}
}

static void test_names(void **state)
{
	char names[64], small[9];

	(void)state;
	probe_kinds_names(1 | 4 | 64, names, sizeof(names));
	assert_string_equal(names, "process,wake,block");
	probe_kinds_names(0, names, sizeof(names));
	assert_string_equal(names, "");
	probe_kinds_names(127, small, sizeof(small));
	assert_string_equal(small, "process,");
	probe_kinds_names(probe_kinds_default(), names, sizeof(names));
	assert_string_equal(names, "process,socket,wake,log,tls,note");
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_names) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
