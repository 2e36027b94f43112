/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container_state.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static json_t *load(const char *json, size_t len)
{
	return json_loadb(json, len, 0, NULL);
}

static bool keep(const char *name, char ret[CGROUP_TEXT])
{
	if (!name || !*name || strlen(name) >= CGROUP_TEXT)
		return false;
	(void)snprintf(ret, CGROUP_TEXT, "%s", name);
	return true;
}

bool container_docker_name(const char *json, size_t len, char ret[CGROUP_TEXT])
{
	json_t *root = load(json, len);
	const char *name = json_string_value(json_object_get(root, "Name"));
	bool found = keep(name && *name == '/' ? name + 1 : name, ret);

	json_decref(root);
	return found;
}

bool container_oci_name(const char *json, size_t len, char ret[CGROUP_TEXT])
{
	static const char *const names[] = { "nerdctl/name", "io.kubernetes.cri.container-name",
					     "io.kubernetes.container.name" };
	json_t *root = load(json, len), *notes = json_object_get(root, "annotations");
	bool found = false;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names) && !found; i++)
		found = keep(json_string_value(json_object_get(notes, names[i])), ret);
	json_decref(root);
	return found;
}

bool container_storage_name(const char *json, size_t len, const char *id, char ret[CGROUP_TEXT])
{
	json_t *root = load(json, len), *one;
	bool found = false;
	size_t i;

	json_array_foreach(root, i, one)
	{
		const char *its = json_string_value(json_object_get(one, "id"));

		if (its && !strcmp(its, id))
			found = keep(json_string_value(json_array_get(json_object_get(one, "names"), 0)), ret);
	}
	json_decref(root);
	return found;
}

bool container_monitor_name(const char *args, size_t len, const char *id, char ret[CGROUP_TEXT])
{
	const char *name = NULL, *before = "", *end = args + len, *at;
	bool its = false;

	if (!len || args[len - 1])
		return false;
	for (at = args; at < end; at += strlen(at) + 1) {
		its = its || ((!strcmp(before, "-c") || !strcmp(before, "--cid")) && !strcmp(at, id));
		if (!strcmp(before, "-n") || !strcmp(before, "--name"))
			name = at;
		before = at;
	}
	return its && keep(name, ret);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = text ? strlen(text) : 0, m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

bool container_lives_in(const char *json, size_t len, const char *cgroup_path)
{
	json_t *root = load(json, len), *value;
	const char *own = json_string_value(json_object_get(root, "cgroup-path")), *key;
	bool found = own && !strcmp(own, cgroup_path);

	/* runc: the directory in each hierarchy; all end with the path */
	json_object_foreach(json_object_get(root, "cgroup_paths"), key, value) found =
		found || ends_with(json_string_value(value), cgroup_path);
	json_decref(root);
	return found && strcmp(cgroup_path, "/") != 0;
}
