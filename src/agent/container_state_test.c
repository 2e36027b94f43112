/* SPDX-License-Identifier: Apache-2.0 */
/* The texts are in the form that podman 4.3, crun 1.8, runc 1.1, docker 20.10 and nerdctl 1.7 write. */
#include "agent/container_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/containers.h"
#include "base/cleanup.h"

#define ID "9f59e8bdbe871d2c5f3b0a4e6c8d7f1029384756aabbccddeeff001122334455"

static char name[CGROUP_TEXT];

static void test_docker(void **state)
{
	static const char text[] = "{\"ID\":\"" ID "\",\"Name\":\"/web\",\"State\":{\"Running\":true}}";

	(void)state;
	assert_true(container_docker_name(text, strlen(text), name));
	assert_string_equal(name, "web");
	assert_false(container_docker_name(text, strlen(text) - 1, name));
	assert_false(container_docker_name("{\"Name\":\"/\"}", 12, name));
	assert_false(container_docker_name("{\"Name\":7}", 10, name));
	assert_false(container_docker_name("", 0, name));
}

static void test_oci(void **state)
{
	static const char nerdctl[] = "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"nerdctl/name\":\"db-1\"}}";
	static const char cri[] = "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"etcd\","
				  "\"io.kubernetes.cri.sandbox-name\":\"etcd-node1\"}}";

	(void)state;
	assert_true(container_oci_name(nerdctl, strlen(nerdctl), name));
	assert_string_equal(name, "db-1");
	assert_true(container_oci_name(cri, strlen(cri), name));
	assert_string_equal(name, "etcd");
	assert_false(container_oci_name("{\"annotations\":[]}", 18, name));
	assert_false(container_oci_name("{}", 2, name));
}

static void test_storage(void **state)
{
	static const char text[] =
		"[{\"id\":\"00\",\"names\":[\"other\"]},{\"id\":\"" ID "\",\"names\":[\"web\",\"alias\"]},"
		"{\"id\":\"02\"}]";

	(void)state;
	assert_true(container_storage_name(text, strlen(text), ID, name));
	assert_string_equal(name, "web");
	assert_false(container_storage_name(text, strlen(text), "02", name));
	assert_false(container_storage_name(text, strlen(text), "03", name));
	assert_false(container_storage_name("{}", 2, ID, name));
}

static void test_monitor(void **state)
{
	static const char args[] =
		"/usr/bin/conmon\0--api-version\0001\0-c\0" ID "\0-u\0" ID "\0-r\0/usr/bin/crun\0-n\0web\0-s";
	static const char cut[] = "/usr/bin/conmon\0-c\0" ID "\0-n";

	(void)state;
	assert_true(container_monitor_name(args, sizeof(args), ID, name));
	assert_string_equal(name, "web");
	assert_false(container_monitor_name(args, sizeof(args), "another", name));
	assert_false(container_monitor_name(args, sizeof(args) - 1, ID, name)); /* not whole */
	assert_false(container_monitor_name(cut, sizeof(cut), ID, name));
	assert_false(container_monitor_name("", 0, ID, name));
}

static void test_state(void **state)
{
	static const char crun[] = "{\"pid\": 7141,\"cgroup-path\": \"/db\",\"rootfs\": \"/srv\"}";
	static const char runc[] = "{\"id\":\"db\",\"cgroup_paths\":{\"memory\":\"/sys/fs/cgroup/memory/db\","
				   "\"\":\"/sys/fs/cgroup/unified/db\"}}";

	(void)state;
	assert_true(container_lives_in(crun, strlen(crun), "/db"));
	assert_false(container_lives_in(crun, strlen(crun), "/d"));
	assert_true(container_lives_in(runc, strlen(runc), "/db"));
	assert_false(container_lives_in(runc, strlen(runc), "/dbase"));
	assert_false(container_lives_in("{\"cgroup-path\":\"/\"}", 19, "/"));
	assert_false(container_lives_in("7", 1, "/db"));
}

static void test_called(void **state)
{
	struct cgroup_container c = { .id = ID, .name = "web" }, named = { .id = "a-long-name-of-mine", .name = "" };

	(void)state;
	assert_true(containers_called(&c, "web"));
	assert_true(containers_called(&c, ID));
	assert_true(containers_called(&c, "9f59e8bdbe87"));
	assert_true(containers_called(&c, "9f59e8bdbe871d2c"));
	assert_false(containers_called(&c, "9f59e8bdbe871d2d"));
	assert_false(containers_called(&c, ID "0"));
	assert_false(containers_called(&c, "9f59e8"));
	assert_false(containers_called(&named, "a-long-name-"));
	assert_false(containers_called(&c, "we"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),	cmocka_unit_test(test_oci),   cmocka_unit_test(test_storage),
		cmocka_unit_test(test_monitor), cmocka_unit_test(test_state), cmocka_unit_test(test_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
