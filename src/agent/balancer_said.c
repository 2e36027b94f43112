/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_said.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/health_doc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = map_hash(h ^ (unsigned char)*text);
	return map_hash(h + 1);
}

static uint64_t key_of(const char *vip, const char *backend)
{
	return hash_text(hash_text(1, vip), backend);
}

static bool is(const json_t *object, const char *key, const char *text)
{
	return !strcmp(said_text(object, key), text);
}

const char *said_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Those of one hash stand behind one another. */
static int row_add(struct said *s, uint64_t key, const json_t *row)
{
	while (map_get(&s->rows, key))
		key++;
	return map_set(&s->rows, key, (uintptr_t)row);
}

static int index_vip(struct said *s, const json_t *vip)
{
	const json_t *backends = json_object_get(vip, "backends"), *b;
	const char *name = said_text(vip, "vip");
	size_t i;
	int r = row_add(s, key_of(name, ""), vip);

	json_array_foreach(backends, i, b)
	{
		if (r >= 0)
			r = row_add(s, key_of(name, said_text(b, "backend")), b);
	}
	return r;
}

static void forget(struct said *s)
{
	map_fini(&s->rows);
	s->rows = (struct map)MAP_INIT;
	json_decref(s->doc);
	s->doc = NULL;
	s->of[0] = s->trouble[0] = 0;
}

void said_fini(struct said *s)
{
	forget(s);
}

static int read_doc(struct said *s, const struct balancer *b)
{
	struct err err = ERR_INIT;
	const json_t *vip;
	size_t i;
	int r = health_doc_read(b, &s->doc, &err);

	if (r < 0 && r != -ENOENT)
		(void)snprintf(s->trouble, sizeof(s->trouble), "%s", err.text);
	r = 0;
	json_array_foreach(json_object_get(s->doc, "vips"), i, vip)
	{
		if (r >= 0)
			r = index_vip(s, vip);
	}
	return r;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int said_refresh(struct said *s, const struct balancer *b)
{
	struct stat st = { 0 };
	char path[PATH_MAX];
	int r;

	balancer_path(b, "health", path, sizeof(path));
	(void)stat(path, &st);
	s->runs = health_doc_agent_runs();
	if (!strcmp(s->of, path) && same_file(&st, &s->file))
		return 0;
	forget(s);
	r = read_doc(s, b);
	if (r < 0)
		return r;
	(void)snprintf(s->of, sizeof(s->of), "%s", path);
	s->file = st;
	return 0;
}

static const json_t *find(const struct said *s, uint64_t key, const char *field, const char *name)
{
	const uint64_t *at;

	for (; (at = map_get(&s->rows, key)); key++) {
		const json_t *row = (const json_t *)(uintptr_t)*at;

		if (is(row, field, name))
			return row;
	}
	return NULL;
}

const json_t *said_vip(const struct said *s, const char *vip)
{
	return find(s, key_of(vip, ""), "vip", vip);
}

const json_t *said_backend(const struct said *s, const char *vip, const char *backend)
{
	return find(s, key_of(vip, backend), "backend", backend);
}

static int put(const char *data, size_t size, void *arg)
{
	buf_add(arg, data, size);
	return 0;
}

void said_json(struct buf *out, const json_t *value)
{
	if (!value || json_dump_callback(value, put, out, JSON_COMPACT | JSON_ENCODE_ANY))
		buf_str(out, "null");
}

/* ---- for Prometheus ---- */

static void label(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	buf_label(out, value);
	buf_char(out, '"');
}

/* saker_lb_NAME{interface=,vip=,backend= without its end. */
static void backend_labels(struct buf *out, const char *name, const char *on, const json_t *vip, const json_t *backend)
{
	buf_printf(out, "saker_lb_%s{", name);
	label(out, "interface", on);
	label(out, ",vip", said_text(vip, "vip"));
	label(out, ",backend", said_text(backend, "backend"));
}

static void put_state(struct buf *out, const char *on, const json_t *vip, const json_t *backend)
{
	backend_labels(out, "backend_state", on, vip, backend);
	label(out, ",state", said_text(backend, "state"));
	buf_str(out, "} 1\n");
}

/* In shadow it is as if it were healthy, and the document says so. */
static void put_share(struct buf *out, const char *on, const json_t *vip, const json_t *backend)
{
	uint64_t share = health_doc_u64(backend, "share");

	backend_labels(out, "backend_share", on, vip, backend);
	buf_printf(out, "} %" PRIu64 ".%03" PRIu64 "\n", share / 1000, share % 1000);
}

static void each_backend(struct buf *out, const struct said *s, const char *on,
			 void (*put_one)(struct buf *out, const char *on, const json_t *vip, const json_t *backend))
{
	const json_t *vip, *backend;
	size_t i, k;

	json_array_foreach(json_object_get(s->doc, "vips"), i, vip)
	{
		if (is(vip, "mode", "off"))
			continue;
		json_array_foreach(json_object_get(vip, "backends"), k, backend) put_one(out, on, vip, backend);
	}
}

void said_prometheus(struct buf *out, const struct said *s, const char *on)
{
	buf_str(out, "# HELP saker_lb_agent_running Whether an agent looks after the backends.\n# TYPE "
		     "saker_lb_agent_running gauge\n");
	buf_printf(out, "saker_lb_agent_running %d\n", s->runs);
	if (!s->doc)
		return;
	buf_str(out, "# HELP saker_lb_backend_state In which state the agent takes a backend to be.\n"
		     "# TYPE saker_lb_backend_state gauge\n");
	each_backend(out, s, on, put_state);
	buf_str(out, "# HELP saker_lb_backend_share What a backend has of its wished weight, 0 to 1.\n"
		     "# TYPE saker_lb_backend_share gauge\n");
	each_backend(out, s, on, put_share);
}
