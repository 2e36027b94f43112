/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/balancer.h"
#include "agent/balancer_said.h"
#include "agent/balancer_seen.h"
#include "agent/balancer_tables.h"
#include "agent/balancer_why.h"
#include "agent/checks_doc.h"
#include "agent/checks_seen.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/lb/look.h"
#include "net/why.h"
#include "serve/serve.h"

#define INTERFACES_MAX 16
#define OPEN_MAX 64 /* VIPs whose backends are asked for at once */

struct balancer_tell {
	char names[INTERFACES_MAX][16];
	size_t nnames;
	/* the wish that was read last, and of which file */
	char wish_of[16];
	struct stat wish_file;
	struct wish wish;
	struct said said;
	struct checks_seen checks;
};

struct telling_vips {
	const struct said *said;
	struct checks_seen *checks;
	const struct seen *seen;	   /* NULL: nothing runs */
	struct lb_wish_vip open[OPEN_MAX]; /* whose backends are told, too */
	size_t nopen;
};

struct balancer_tell *balancer_tell_new(void)
{
	return calloc(1, sizeof(struct balancer_tell));
}

struct balancer_tell *balancer_tell_free(struct balancer_tell *t)
{
	if (t) {
		wish_fini(&t->wish);
		said_fini(&t->said);
		checks_seen_fini(&t->checks);
	}
	free(t);
	return NULL;
}

/* ---- which interface ---- */

static int name_add(void *arg, const char *interface)
{
	struct balancer_tell *t = arg;

	if (t->nnames < INTERFACES_MAX)
		(void)strncpy(t->names[t->nnames++], interface, sizeof(t->names[0]) - 1);
	return 0;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names_read(struct balancer_tell *t)
{
	memset(t->names, 0, sizeof(t->names));
	t->nnames = 0;
	(void)balancer_each(name_add, t);
	qsort(t->names, t->nnames, sizeof(t->names[0]), name_compare);
}

/* The one that is asked for, else the first; NULL: none is. */
static const char *name_of(const struct balancer_tell *t, const char *asked)
{
	size_t i;

	for (i = 0; i < t->nnames; i++)
		if (!asked[0] || !strcmp(asked, t->names[i]))
			return t->names[i];
	return NULL;
}

static void names_json(struct buf *out, const struct balancer_tell *t)
{
	size_t i;

	buf_str(out, "{\"interfaces\":[");
	for (i = 0; i < t->nnames; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, t->names[i], strlen(t->names[i]));
	}
	buf_char(out, ']');
}

/* ---- the wish ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* *ret NULL: there is none.  A document of many VIPs takes a while to read, and seldom changes. */
static int wish_of(struct balancer_tell *t, const struct balancer *b, const struct wish_if **ret, struct err *err)
{
	struct stat st = { 0 };
	char path[PATH_MAX];
	int r = 0;

	balancer_path(b, "yaml", path, sizeof(path));
	if (stat(path, &st) < 0 || strcmp(t->wish_of, b->attach.name) != 0 || !same_file(&st, &t->wish_file)) {
		wish_fini(&t->wish);
		memset(&t->wish, 0, sizeof(t->wish));
		t->wish_of[0] = 0;
		r = balancer_wish(b, &t->wish, err);
	}
	if (r < 0)
		return r;
	t->wish_file = st;
	memcpy(t->wish_of, b->attach.name, sizeof(t->wish_of));
	*ret = t->wish.nifs ? &t->wish.ifs[0] : NULL;
	return 0;
}

/* ---- VIPs ---- */

static bool is_open(const struct telling_vips *v, const struct lb_wish_vip *vip)
{
	size_t i;

	for (i = 0; i < v->nopen; i++) {
		const struct lb_wish_vip *o = &v->open[i];

		if (!memcmp(&o->addr, &vip->addr, sizeof(o->addr)) && o->bits == vip->bits && o->port == vip->port &&
		    o->proto == vip->proto)
			return true;
	}
	return false;
}

/* VIPs between spaces; what is none, and what is beyond OPEN_MAX, is not open. */
static void open_parse(struct telling_vips *v, const char *text)
{
	char word[WISH_VIP_TEXT];
	struct err err = ERR_INIT;

	while (*text && v->nopen < OPEN_MAX) {
		size_t len = strcspn(text, " ");

		if (len && len < sizeof(word)) {
			memcpy(word, text, len);
			word[len] = 0;
			v->nopen += wish_vip_parse(word, &v->open[v->nopen], &err) >= 0;
		}
		text += len + (text[len] == ' ');
	}
}

static const char *const states[] = { "healthy", "suspect", "ejected", "slow_start", "draining", "down", "unknown" };

/* A person's word goes before the agent's; without either nothing is known. */
static const char *state_of(const struct wish_backend *b, const json_t *said)
{
	const char *told = said_text(said, "state");

	if (b->down || !b->weight)
		return b->down ? "down" : "draining";
	return told[0] ? told : "unknown";
}

static const json_t *said_of(const struct telling_vips *t, const char *vip, const struct wish_backend *b)
{
	char text[LB_ADDR_TEXT];

	return t->said->doc ? said_backend(t->said, vip, lb_addr_text(&b->addr, text)) : NULL;
}

static void backend_json(struct buf *out, const char *vip, const struct wish_backend *b, const struct telling_vips *t,
			 const json_t *checked)
{
	const struct seen_real *r = seen_real(t->seen, &b->addr);
	const json_t *said = said_of(t, vip, b);
	char text[LB_ADDR_TEXT];

	buf_printf(out, "{\"backend\":\"%s\",", lb_addr_text(&b->addr, text));
	if (b->name[0]) {
		buf_str(out, "\"name\":");
		buf_json(out, b->name, strlen(b->name));
		buf_char(out, ',');
	}
	buf_printf(out, "\"mode\":\"%s\",\"weight\":%u,\"state\":", wish_mode_name(b->mode), b->weight);
	buf_json(out, state_of(b, said), strlen(state_of(b, said)));
	if (r)
		buf_printf(out,
			   ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"connections\":%" PRIu64
			   ",\"syns_again\":%" PRIu64,
			   r->sent.packets, r->sent.bytes, r->conns, r->again);
	buf_str(out, ",\"health\":");
	said_json(out, said);
	checks_seen_backend_json(out, checks_seen_backend(t->checks, checked, text));
	buf_char(out, '}');
}

static void states_json(struct buf *out, const char *name, const struct wish_vip *v, const struct telling_vips *t)
{
	uint64_t weight = 0;
	size_t count[ARRAY_LEN(states)] = { 0 }, i, k;
	const char *sep = "";

	for (i = 0; i < v->nbackends; i++) {
		const char *state = state_of(&v->backends[i], said_of(t, name, &v->backends[i]));

		weight += v->backends[i].weight;
		for (k = 0; k < ARRAY_LEN(states) - 1 && strcmp(states[k], state) != 0; k++)
			;
		count[k]++;
	}
	buf_printf(out, ",\"weight\":%" PRIu64 ",\"backends\":%zu,\"states\":{", weight, v->nbackends);
	for (k = 0; k < ARRAY_LEN(states); k++) {
		if (!count[k])
			continue;
		buf_printf(out, "%s\"%s\":%zu", sep, states[k], count[k]);
		sep = ",";
	}
	buf_char(out, '}');
}

/* What the agent may do with the VIP's backends, and what of their weight is out. */
static void vip_said_json(struct buf *out, const json_t *said)
{
	static const char *const keys[] = { "mode", "out", "eject_max" };
	size_t i;

	if (!said)
		return;
	buf_str(out, ",\"health\":{");
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "", keys[i]);
		said_json(out, json_object_get(said, keys[i]));
	}
	buf_char(out, '}');
}

static void flags_json(struct buf *out, uint32_t flags)
{
	const char *sep = "";
	uint32_t bit;

	buf_str(out, ",\"flags\":[");
	for (bit = 1; bit; bit <<= 1) {
		if (!(flags & bit) || !wish_flag_name(bit))
			continue;
		buf_printf(out, "%s\"%s\"", sep, wish_flag_name(bit));
		sep = ",";
	}
	buf_char(out, ']');
}

/* Of a VIP whose backends have a mode of their own: that of the first. */
static const char *mode_of(const struct wish_vip *v)
{
	enum wish_mode mode = wish_vip_mode(&v->vip);

	return wish_mode_name(mode == WISH_IPIP && v->nbackends ? v->backends[0].mode : mode);
}

static void vip_json(struct buf *out, const struct wish_vip *v, const struct telling_vips *t)
{
	const struct seen_vip *seen = seen_vip(t->seen, &v->vip);
	const json_t *checked;
	char text[WISH_VIP_TEXT];
	size_t i;

	buf_printf(out, "{\"vip\":\"%s\",\"mode\":\"%s\"", wish_vip_text(&v->vip, text), mode_of(v));
	checked = checks_seen_vip(t->checks, text);
	flags_json(out, v->vip.flags);
	states_json(out, text, v, t);
	vip_said_json(out, said_vip(t->said, text));
	checks_seen_vip_json(out, checked);
	if (seen)
		buf_printf(out, ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64, seen->sent.packets, seen->sent.bytes);
	if (is_open(t, &v->vip)) {
		buf_str(out, ",\"open\":[");
		for (i = 0; i < v->nbackends; i++) {
			buf_str(out, i ? "," : "");
			backend_json(out, text, &v->backends[i], t, checked);
		}
		buf_char(out, ']');
	}
	buf_char(out, '}');
}

/* ---- the whole ---- */

static void attach_json(struct buf *out, const struct balancer *b)
{
	buf_str(out, ",\"interface\":");
	buf_json(out, b->attach.name, strlen(b->attach.name));
	buf_printf(out, ",\"attached\":%s,\"mode\":\"%s\",\"program\":%u,\"unconfirmed\":%s,\"boot_ms\":%" PRIu64,
		   attach_ours(&b->attach) ? "true" : "false", attach_mode_name(b->attach.mode), b->attach.program,
		   b->guarded ? "true" : "false", (uint64_t)(clock_boot_ns() / NS_PER_MS));
}

/* What the agent did, and whether one runs; null: none ever kept the interface. */
static void agent_json(struct buf *out, const struct said *said)
{
	buf_printf(out, ",\"agent_runs\":%s,\"agent\":", said->runs ? "true" : "false");
	said_json(out, json_object_get(said->doc, "agent"));
	buf_str(out, ",\"actions\":");
	said_json(out, json_object_get(said->doc, "actions"));
	buf_str(out, ",\"actions_left_out\":");
	said_json(out, json_object_get(said->doc, "left_out"));
	if (said->trouble[0]) {
		buf_str(out, ",\"agent_trouble\":");
		buf_json(out, said->trouble, strlen(said->trouble));
	}
}

static void checks_json(struct buf *out, const struct checks_seen *checks)
{
	if (!checks->trouble[0])
		return;
	buf_str(out, ",\"checks_trouble\":");
	buf_json(out, checks->trouble, strlen(checks->trouble));
}

static int state_json(struct balancer_tell *t, const struct balancer *b, const char *open, struct buf *out,
		      struct err *err)
{
	CLEANUP(seen_freep) struct seen *s = b->chain ? seen_new(b->chain) : NULL;
	CLEANUP_FREE struct telling_vips *v = calloc(1, sizeof(*v));
	const struct wish_if *f = NULL;
	size_t i;
	int r = wish_of(t, b, &f, err);

	if (r < 0)
		return r;
	if (!v || (b->chain && !s))
		return err_set(err, ENOMEM, "out of memory");
	if (said_refresh(&t->said, b) < 0)
		return err_set(err, ENOMEM, "out of memory");
	checks_seen_refresh(&t->checks, b);
	v->seen = s;
	v->said = &t->said;
	v->checks = &t->checks;
	open_parse(v, open);
	attach_json(out, b);
	buf_str(out, ",\"vips\":[");
	for (i = 0; f && i < f->nvips; i++) {
		buf_str(out, i ? "," : "");
		vip_json(out, &f->vips[i], v);
	}
	buf_char(out, ']');
	if (s) {
		buf_printf(out, ",\"connections\":{\"all\":%" PRIu64 ",\"fullest\":%" PRIu64 ",\"room\":%u},", s->conns,
			   s->fullest, lb_look_room(b->chain));
		tables_json(out, s);
		buf_char(out, ',');
		seen_reasons_json(out, b->chain, true);
	}
	agent_json(out, &t->said);
	checks_json(out, &t->checks);
	return 0;
}

static int tell_state(struct balancer_tell *t, const struct serve_lb_question *q, struct buf *out, struct err *err)
{
	struct balancer b;
	const char *name;
	int r = 0;

	names_read(t);
	names_json(out, t);
	name = name_of(t, q->on);
	if (!name && q->on[0])
		return err_set(err, ENOENT, "no balancer is kept for interface '%s'", q->on);
	if (name) {
		r = balancer_open(&b, name, false, err);
		if (r < 0)
			return r;
		r = state_json(t, &b, q->text, out, err);
		balancer_close(&b);
	}
	buf_char(out, '}');
	return r;
}

/* The balancer that is asked for, which runs; the caller closes it. */
static int running_open(struct balancer_tell *t, const struct serve_lb_question *q, struct balancer *b,
			const char **ret_name, struct err *err)
{
	int r;

	names_read(t);
	*ret_name = name_of(t, q->on);
	if (!*ret_name)
		return err_set(err, ENOENT, "no interface of this host has a balancer");
	r = balancer_open(b, *ret_name, false, err);
	if (!r && !b->chain) {
		r = err_set(err, ENOENT, "no balancer runs on interface '%s'", *ret_name);
		balancer_close(b);
	}
	return r;
}

/* ---- Prometheus ---- */

static int tell_metrics(struct balancer_tell *t, const struct serve_lb_question *q, struct buf *out, struct err *err)
{
	bool open = q->what == SERVE_LB_OPENMETRICS;
	struct balancer b;
	const char *name;
	struct seen *s;
	int r = running_open(t, q, &b, &name, err);

	if (r < 0)
		return r;
	s = seen_new(b.chain);
	if (s) {
		seen_prometheus(out, s, &b, open);
		r = said_refresh(&t->said, &b) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
		said_prometheus(out, &t->said, name);
		checks_seen_refresh(&t->checks, &b);
		if (t->checks.doc)
			checks_doc_prometheus(out, t->checks.doc, name, open);
	} else {
		r = err_set(err, ENOMEM, "out of memory");
	}
	(void)seen_free(s);
	balancer_close(&b);
	return r;
}

static int tell_why(struct balancer_tell *t, const struct serve_lb_question *q, struct buf *out, struct err *err)
{
	struct why *w = NULL;
	struct balancer b;
	const char *name;
	int r = running_open(t, q, &b, &name, err);

	if (r < 0)
		return r;
	r = why_new(b.chain, b.attach.ifindex, &w, err);
	if (!r)
		r = balancer_why_tuple(b.chain, w, q->text, true, out, err);
	(void)why_free(w);
	balancer_close(&b);
	return r;
}

int balancer_tell(struct balancer_tell *t, const struct serve_lb_question *q, struct buf *out, struct err *err)
{
	switch (q->what) {
	case SERVE_LB_STATE:
		return tell_state(t, q, out, err);
	case SERVE_LB_METRICS:
	case SERVE_LB_OPENMETRICS:
		return tell_metrics(t, q, out, err);
	case SERVE_LB_WHY:
		return tell_why(t, q, out, err);
	default:
		return err_set(err, EINVAL, "there is no such question");
	}
}
