/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: systemd's src/basic/cgroup-util.c (names of units, leading underscores, delegation below a unit), libpod's
 * container_internal_linux.go and crun's cgroup.c (`libpod-ID`, `libpod-ID.scope/container`), moby's daemon/oci_linux.go
 * (`docker-ID.scope`, `/docker/ID`), containerd's and CRI-O's `cri-containerd-ID.scope`, `crio-ID.scope`, LXC's
 * cgroups/cgfsng.c (`lxc.payload.NAME`), systemd's machined (`machine-NAME.scope`).
 */
#include "explain/cgroup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define ID_DIGITS 64
#define ID_SHORT 12

struct part {
	const char *text;
	size_t len;
};

/* The last component before `end`, which then stands at its beginning; false: there is none. */
static bool part_before(const char *path, size_t *end, struct part *ret)
{
	size_t at = *end;

	while (at > 0 && path[at - 1] == '/')
		at--;
	*end = at;
	while (*end > 0 && path[*end - 1] != '/')
		--*end;
	*ret = (struct part) { path + *end, at - *end };
	return ret->len > 0;
}

static bool part_ends(struct part p, const char *end)
{
	size_t n = strlen(end);

	return p.len > n && !memcmp(p.text + p.len - n, end, n);
}

static bool part_begins(struct part p, const char *begin)
{
	size_t n = strlen(begin);

	return p.len > n && !memcmp(p.text, begin, n);
}

static struct part part_without(struct part p, const char *begin, const char *end)
{
	if (part_begins(p, begin)) {
		p.text += strlen(begin);
		p.len -= strlen(begin);
	}
	if (part_ends(p, end))
		p.len -= strlen(end);
	return p;
}

static bool part_copy(struct part p, char ret[CGROUP_TEXT])
{
	if (p.len >= CGROUP_TEXT)
		return false;
	memcpy(ret, p.text, p.len);
	ret[p.len] = 0;
	return true;
}

bool cgroup_unit(const char *path, char ret[CGROUP_TEXT])
{
	static const char *const kinds[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
	size_t end = strlen(path), i;
	struct part p;

	while (part_before(path, &end, &p))
		for (i = 0; i < ARRAY_LEN(kinds); i++)
			if (part_ends(p, kinds[i]))
				return part_copy(part_without(p, "_", ""), ret);
	return false;
}

static bool is_id(struct part p)
{
	size_t i;

	for (i = 0; i < p.len && isxdigit((unsigned char)p.text[i]); i++)
		;
	return i == p.len && p.len == ID_DIGITS;
}

/* `\x2d` is how systemd writes characters that its names cannot have. */
static void unescape(char *text)
{
	char *out = text;
	unsigned int c;

	while (*text) {
		if (text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) &&
		    isxdigit((unsigned char)text[3]) && sscanf(text + 2, "%2x", &c) == 1 && c) {
			*out++ = (char)c;
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = 0;
}

/* A component that is a name instead of an id. */
static bool part_named(struct part p, struct cgroup_container *ret)
{
	static const struct {
		const char *begin, *end, *runtime;
	} forms[] = {
		{ "lxc.payload.", "", "lxc" },
		{ "machine-", ".scope", "nspawn" },
		{ "systemd-nspawn@", ".service", "nspawn" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(forms); i++) {
		if (!part_begins(p, forms[i].begin) || (*forms[i].end && !part_ends(p, forms[i].end)) ||
		    p.len <= strlen(forms[i].begin) + strlen(forms[i].end))
			continue;
		if (!part_copy(part_without(p, forms[i].begin, forms[i].end), ret->name))
			return false;
		unescape(ret->name);
		memcpy(ret->id, ret->name, sizeof(ret->id));
		ret->runtime = forms[i].runtime;
		return ret->name[0];
	}
	return false;
}

/* A component that is an id, perhaps with its runtime before it. */
static bool part_numbered(struct part p, struct part above, struct cgroup_container *ret)
{
	static const char *const runtimes[][2] = {
		{ "libpod-", "podman" },      { "docker-", "docker" }, { "cri-containerd-", "containerd" },
		{ "nerdctl-", "containerd" }, { "crio-", "cri-o" },    { "crun-", "crun" },
		{ "runc-", "runc" },
	};
	size_t i;

	ret->runtime = above.len == 6 && !memcmp(above.text, "docker", 6) ? "docker" : "";
	for (i = 0; i < ARRAY_LEN(runtimes); i++) {
		if (!part_begins(p, runtimes[i][0]))
			continue;
		ret->runtime = runtimes[i][1];
		p = part_without(p, runtimes[i][0], "");
		break;
	}
	p = part_without(p, "", ".scope");
	ret->name[0] = 0;
	return is_id(p) && part_copy(p, ret->id);
}

bool cgroup_container(const char *path, struct cgroup_container *ret)
{
	size_t end = strlen(path);
	struct part p, above;
	bool more = part_before(path, &end, &p);

	while (more) {
		more = part_before(path, &end, &above);
		if (part_named(p, ret) || part_numbered(p, above, ret))
			return true;
		p = above;
	}
	return false;
}

void cgroup_short_id(const char *id, char ret[CGROUP_TEXT])
{
	struct part p = { id, strlen(id) };

	(void)snprintf(ret, CGROUP_TEXT, "%.*s", is_id(p) ? ID_SHORT : CGROUP_TEXT - 1, id);
}
