/* SPDX-License-Identifier: Apache-2.0 */
/* The paths are from the documents of the runtimes and of systemd, and from machines that ran them. */
#include "explain/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define ID "9f59e8bdbe871d2c5f3b0a4e6c8d7f1029384756aabbccddeeff001122334455"

static void test_units(void **state)
{
	static const struct {
		const char *path, *unit;
	} cases[] = {
		{ "/", NULL },
		{ "", NULL },
		{ "/system.slice", NULL },
		{ "/system.slice/nginx.service", "nginx.service" },
		{ "/system.slice/nginx.service/", "nginx.service" },
		{ "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service" },
		{ "/system.slice/docker.service/below/it", "docker.service" },
		{ "/system.slice/_cgroup.service", "cgroup.service" },
		{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope" },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-editor.service", "app-editor.service" },
		{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope" },
		{ "/system.slice/cups.socket", "cups.socket" },
		{ "/.service", NULL },
		{ "/nginx.services", NULL },
		{ "/docker/" ID, NULL },
	};
	char unit[CGROUP_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].path);
		assert_int_equal(cgroup_unit(cases[i].path, unit), cases[i].unit != NULL);
		if (cases[i].unit)
			assert_string_equal(unit, cases[i].unit);
	}
}

static void test_containers(void **state)
{
	static const struct {
		const char *path, *runtime, *id, *name;
	} cases[] = {
		{ "/", NULL, NULL, NULL },
		{ "/system.slice/nginx.service", NULL, NULL, NULL },
		{ "/libpod_parent/libpod-" ID, "podman", ID, "" },
		{ "/machine.slice/libpod-" ID ".scope/container", "podman", ID, "" },
		{ "/machine.slice/libpod-conmon-" ID ".scope", NULL, NULL, NULL },
		{ "/libpod_parent/conmon", NULL, NULL, NULL },
		{ "/docker/" ID, "docker", ID, "" },
		{ "/system.slice/docker-" ID ".scope", "docker", ID, "" },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-" ID
		  ".scope",
		  "containerd", ID, "" },
		{ "/kubepods/burstable/pod9c1ae0b4-0b6e-11ee-be56-0242ac120002/" ID, "", ID, "" },
		{ "/kubepods.slice/crio-" ID ".scope/container", "cri-o", ID, "" },
		{ "/lxc.payload.web/init.scope", "lxc", "web", "web" },
		{ "/lxc.monitor.web", NULL, NULL, NULL },
		{ "/machine.slice/machine-web\\x2d1.scope/payload", "nspawn", "web-1", "web-1" },
		{ "/machine.slice/systemd-nspawn@db.service/payload", "nspawn", "db", "db" },
		{ "/machine.slice/machine-.scope", NULL, NULL, NULL },
		{ "/docker/" ID "0", NULL, NULL, NULL },
		/* a container in a container: the inner one */
		{ "/docker/" ID "/libpod-0000000000000000000000000000000000000000000000000000000000000000", "podman",
		  "0000000000000000000000000000000000000000000000000000000000000000", "" },
	};
	struct cgroup_container c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].path);
		assert_int_equal(cgroup_container(cases[i].path, &c), cases[i].id != NULL);
		if (!cases[i].id)
			continue;
		assert_string_equal(c.runtime, cases[i].runtime);
		assert_string_equal(c.id, cases[i].id);
		assert_string_equal(c.name, cases[i].name);
	}
}

static void test_too_long(void **state)
{
	char path[CGROUP_TEXT * 2 + 16], unit[CGROUP_TEXT];
	struct cgroup_container c;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	strcpy(path + sizeof(path) - 9, ".service");
	assert_false(cgroup_unit(path, unit));
	memcpy(path, "/lxc.payload.", 13);
	assert_false(cgroup_container(path, &c));
}

static void test_short_ids(void **state)
{
	char text[CGROUP_TEXT];

	(void)state;
	cgroup_short_id(ID, text);
	assert_string_equal(text, "9f59e8bdbe87");
	cgroup_short_id("web", text);
	assert_string_equal(text, "web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_short_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
