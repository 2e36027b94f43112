/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_container - what container runtimes and whoever makes control groups wrote: an input is a text, as JSON of each
 * runtime, arguments of a monitor, and the path of a control group, and arguments of java.
 *
 * A name that is found is not empty, ends within its room, and stands in the text (JSON may have it with escapes, and
 * systemd's paths too, so there only its length is asked).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/container_state.h"
#include "explain/title.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool so)
{
	if (!so)
		abort();
}

static void name_check(bool found, const char *name)
{
	if (found)
		require(name[0] && strnlen(name, CGROUP_TEXT) < CGROUP_TEXT);
}

static void files(const char *text, size_t len)
{
	char name[CGROUP_TEXT];

	name_check(container_docker_name(text, len, name), name);
	name_check(container_oci_name(text, len, name), name);
	name_check(container_storage_name(text, len, "web", name), name);
	if (container_monitor_name(text, len, "web", name)) {
		name_check(true, name);
		require(memmem(text, len, name, strlen(name) + 1));
	}
	require(!container_lives_in(text, len, "/"));
	(void)container_lives_in(text, len, "/web");
}

static void paths(const char *path)
{
	struct cgroup_container c;
	char name[CGROUP_TEXT];

	if (cgroup_unit(path, name)) {
		name_check(true, name);
		require(strstr(path, name));
	}
	if (!cgroup_container(path, &c))
		return;
	name_check(true, c.id);
	require(c.runtime && strnlen(c.name, CGROUP_TEXT) < CGROUP_TEXT);
	cgroup_short_id(c.id, name);
	require(!strncmp(c.id, name, strlen(name)));
}

static void titles(const char *args)
{
	char title[TITLE_TEXT];

	title_of("java", args, title, sizeof(title));
	require(title[0] && strnlen(title, TITLE_TEXT) < TITLE_TEXT);
	require(strstr(args, title) || !strcmp(title, "java"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text);
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	files(text, size);
	files(text, size + 1);
	paths(text);
	titles(text);
	free(text);
	return 0;
}
