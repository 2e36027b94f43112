/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/checks_seen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/balancer_said.h"
#include "agent/checks_doc.h"
#include "agent/health_doc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

static void forget(struct checks_seen *s)
{
	json_decref(s->doc);
	s->doc = NULL;
	s->of[0] = s->trouble[0] = 0;
	s->vip = s->backend = 0;
}

void checks_seen_fini(struct checks_seen *s)
{
	forget(s);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void checks_seen_refresh(struct checks_seen *s, const struct balancer *b)
{
	struct err err = ERR_INIT;
	struct stat st = { 0 };
	char path[PATH_MAX];
	int r;

	balancer_path(b, "checks", path, sizeof(path));
	(void)stat(path, &st);
	if (!strcmp(s->of, path) && same_file(&st, &s->file))
		return;
	forget(s);
	r = checks_doc_read(b, &s->doc, &err);
	if (r < 0 && r != -ENOENT)
		(void)snprintf(s->trouble, sizeof(s->trouble), "%s", err.text);
	(void)snprintf(s->of, sizeof(s->of), "%s", path);
	s->file = st;
}

/* The element of that name; *at: where it is looked for first, and afterwards the place behind it. */
static const json_t *find(const json_t *array, const char *key, const char *name, size_t *at)
{
	size_t i, n = json_array_size(array);

	for (i = 0; i < n; i++) {
		size_t place = (*at + i) % n;
		const json_t *one = json_array_get(array, place);

		if (strcmp(health_doc_text(one, key), name) != 0)
			continue;
		*at = place + 1;
		return one;
	}
	return NULL;
}

const json_t *checks_seen_vip(struct checks_seen *s, const char *vip)
{
	s->backend = 0;
	return find(json_object_get(s->doc, "vips"), "vip", vip, &s->vip);
}

const json_t *checks_seen_backend(struct checks_seen *s, const json_t *vip, const char *backend)
{
	return find(json_object_get(vip, "backends"), "backend", backend, &s->backend);
}

void checks_seen_vip_json(struct buf *out, const json_t *vip)
{
	static const char *const keys[] = { "kind", "interval_ms", "took_us" };
	const json_t *rows = json_object_get(vip, "backends");
	size_t i, good = 0, bad = 0;

	if (!vip)
		return;
	for (i = 0; i < json_array_size(rows); i++) {
		const char *health = health_doc_text(json_array_get(rows, i), "health");

		good += !strcmp(health, "good");
		bad += !strcmp(health, "bad");
	}
	buf_printf(out, ",\"check\":{\"good\":%zu,\"bad\":%zu", good, bad);
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		buf_printf(out, ",\"%s\":", keys[i]);
		said_json(out, json_object_get(vip, keys[i]));
	}
	buf_char(out, '}');
}

void checks_seen_backend_json(struct buf *out, const json_t *backend)
{
	buf_str(out, ",\"check\":");
	said_json(out, backend);
}
