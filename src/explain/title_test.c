/* SPDX-License-Identifier: Apache-2.0 */
/* What is expected is what jps(1) prints for such processes (without -l). */
#include "explain/title.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_titles(void **state)
{
	static const struct {
		const char *comm, *args, *title;
	} cases[] = {
		{ "etcd", "etcd --name node1", "etcd" },
		{ "java",
		  "java -Xmx64m -cp /usr/share/java/a.jar:/b org.apache.zookeeper.server.quorum.QuorumPeerMain z.cfg",
		  "QuorumPeerMain" },
		{ "java", "/usr/bin/java -server -Dx=y -jar /opt/app/server.jar --port 80", "server" },
		{ "java", "java -jar server", "server" },
		{ "java",
		  "java --add-opens java.base/java.lang=ALL-UNNAMED -p mods -m com.greetings/com.greetings.Main",
		  "Main" },
		{ "java", "java -m com.greetings", "greetings" },
		{ "java", "java Main", "Main" },
		{ "java", "java @options Main", "Main" },
		{ "java", "java -version", "java" },
		{ "java", "java -jar", "java" },
		{ "java", "java -cp", "java" },
		{ "java", "", "java" },
		{ "java", "java com.example.", "example." },
		{ "java", "java com.example.AClassWithANameThatIsMuchTooLongToBeShown",
		  "AClassWithANameThatIsMuchTooLon" },
		{ "javac", "javac Main.java", "javac" },
		{ "", "", "" },
	};
	char title[TITLE_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		title_of(cases[i].comm, cases[i].args, title, sizeof(title));
		assert_string_equal(title, cases[i].title);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_titles) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
