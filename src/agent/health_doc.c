/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/health_doc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/diary.h"
#include "agent/keeper_internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

/* The words are those of events, which are never given to something else. */
static const struct event_labels *labels_of(const char *field)
{
	bool effect = !strcmp(field, "verdict") || !strcmp(field, "decided");
	const struct event_type *t = event_static_type(effect ? EVENT_EFFECT : EVENT_ACTION);

	return t->fields[event_field_find(t, field)].labels;
}

const char *health_doc_word(const char *field, uint32_t value)
{
	const struct event_labels *l = labels_of(field);
	size_t i;

	for (i = 0; i < l->count; i++) {
		if (l->rows[i].value == value)
			return l->rows[i].name;
	}
	return "unknown";
}

uint32_t health_doc_value(const char *field, const char *word)
{
	const struct event_labels *l = labels_of(field);
	size_t i;

	for (i = 0; i < l->count; i++) {
		if (word && !strcmp(l->rows[i].name, word))
			return (uint32_t)l->rows[i].value;
	}
	return 0;
}

/* ---- writing ---- */

static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\":", key);
	buf_json(out, text, strlen(text));
}

static void put_addr(struct buf *out, const struct sign_addr *a)
{
	struct lb_addr addr = lb_addr_of(a);
	char text[LB_ADDR_TEXT];

	put_text(out, "backend", lb_addr_text(&addr, text));
}

static void put_backend(struct buf *out, const struct group *g, size_t k, uint64_t now_ns, uint64_t unix_ns)
{
	struct health_view v;

	health_view(g->health, k, now_ns, &v);
	buf_str(out, k ? ",\n   {" : "\n   {");
	put_addr(out, &v.addr);
	buf_printf(out,
		   ",\"weight\":%u,\"share\":%u,\"state\":\"%s\",\"shadow\":%s,\"since_boot_ns\":%" PRIu64
		   ",\"since_unix_ns\":%" PRIu64 ",\"until_boot_ns\":%" PRIu64 ",\"ejections\":%u,\"silent\":%s,",
		   v.weight, v.share, health_doc_word("state", v.state), v.shadow ? "true" : "false", v.since_ns,
		   unix_ns - (now_ns - v.since_ns), v.until_ns, v.ejections, v.silent ? "true" : "false");
	put_text(out, "why", v.why);
	buf_printf(out, ",\"check\":\"%s\",\"check_in_row\":%u,\"check_ns\":%" PRIu64 ",",
		   v.passes || v.passing  ? "passes"
		   : v.fails || v.failing ? "fails"
					  : "none",
		   v.passes ? v.passes : v.fails, v.check_ns);
	put_text(out, "check_text", v.check_text);
	buf_printf(out,
		   ",\"again\":%" PRIu64 ",\"resets\":%" PRIu64 ",\"overflow\":%" PRIu64 ",\"failed\":%" PRIu64
		   ",\"packets\":%" PRIu64 ",\"load\":%" PRIu64 ",\"rtt_us\":%" PRIu64 ",\"drained\":%s}",
		   v.again, v.resets, v.overflow, v.failed, v.packets, v.load, v.rtt_us,
		   g->counts[k].drained ? "true" : "false");
}

static void put_group(struct buf *out, const struct group *g, uint64_t now_ns, uint64_t unix_ns)
{
	const struct health_rules *r = health_rules(g->health);
	size_t k;

	buf_char(out, '{');
	put_text(out, "vip", g->text);
	buf_printf(out, ",\"mode\":\"%s\",\"eject_max\":%u,\"out\":%u,\"backends\":[",
		   g->off			? "off"
		   : r->mode == ACTIONMODE_LIVE ? "live"
						: "shadow",
		   r->eject_max, health_out(g->health));
	for (k = 0; k < health_count(g->health); k++)
		put_backend(out, g, k, now_ns, unix_ns);
	buf_str(out, "]}");
}

static void put_event(struct buf *out, const struct sign_event *e)
{
	buf_printf(out, "{\"host\":\"%016" PRIx64 "\",\"boot_ns\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"cpu\":%u}", e->host,
		   e->boot_ns, e->seq, e->cpu);
}

static void put_took(struct buf *out, const char *key, const char *unit, const struct health_took *t)
{
	buf_printf(out, ",\"%ss\":%" PRIu64 ",\"%s_%s\":%" PRIu64, key, t->count, key, unit, t->mean);
}

static void put_figures(struct buf *out, const char *key, const struct health_figures *f)
{
	buf_printf(out,
		   ",\"%s\":{\"new\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"others\":%" PRIu64 ",\"again\":%" PRIu64
		   ",\"resets\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"own_bad\":%" PRIu64,
		   key, f->fresh, f->packets, f->others, f->again, f->resets, f->failed, f->own_bad);
	put_took(out, "check", "ns", &f->checks);
	put_took(out, "rtt", "us", &f->rtts);
	put_took(out, "others_check", "ns", &f->others_checks);
	put_took(out, "others_rtt", "us", &f->others_rtts);
	buf_char(out, '}');
}

static void put_decided(struct buf *out, uint32_t decided)
{
	const struct event_labels *l = labels_of("decided");
	const char *comma = "";
	size_t i;

	buf_str(out, ",\"decided\":[");
	for (i = 0; i < l->count; i++) {
		if (!(decided & l->rows[i].value))
			continue;
		buf_printf(out, "%s\"%s\"", comma, l->rows[i].name);
		comma = ",";
	}
	buf_char(out, ']');
}

static void put_action(struct buf *out, const struct action *a)
{
	const struct health_change *c = &a->c;
	unsigned i;

	buf_printf(out, "{\"number\":%" PRIu64 ",\"what\":\"%s\",\"mode\":\"%s\",\"running\":%s,", a->number,
		   health_doc_word("what", c->what), c->mode == ACTIONMODE_LIVE ? "live" : "shadow",
		   a->running ? "true" : "false");
	put_text(out, "vip", a->vip);
	buf_char(out, ',');
	put_addr(out, &c->addr);
	buf_printf(out,
		   ",\"state\":\"%s\",\"sign\":\"%s\",\"share_before\":%u,\"share_after\":%u,\"weight\":%u,"
		   "\"ejections\":%u,\"at_boot_ns\":%" PRIu64 ",\"at_unix_ns\":%" PRIu64 ",\"expiry_boot_ns\":%" PRIu64
		   ",",
		   health_doc_word("state", c->state), health_doc_word("sign", c->sign), c->share_before,
		   c->share_after, c->weight, c->ejections, a->at_ns, a->at_unix_ns, c->expiry_ns);
	put_text(out, "why", c->why);
	buf_str(out, ",\"event\":");
	put_event(out, &a->event);
	buf_str(out, ",\"evidence\":[");
	for (i = 0; i < c->nevidence; i++) {
		buf_str(out, i ? "," : "");
		put_event(out, &c->evidence[i]);
	}
	buf_str(out, "],\"effect\":");
	if (a->verdict == VERDICT_OPEN) {
		buf_str(out, "null}");
		return;
	}
	buf_printf(out, "{\"verdict\":\"%s\",\"window_ns\":%" PRIu64 ",", health_doc_word("verdict", a->verdict),
		   a->window_ns);
	put_text(out, "why", a->verdict_why);
	put_decided(out, a->decided);
	put_figures(out, "before", &a->before);
	put_figures(out, "after", &a->after);
	buf_str(out, "}}");
}

static void put_doc(struct buf *out, const struct kept *i, uint64_t now_ns)
{
	uint64_t unix_ns = clock_ns(CLOCK_REALTIME);
	char boot_id[64];
	size_t k;

	balancer_boot_id(boot_id);
	buf_str(out, "{\"format\":\"" HEALTH_DOC_FORMAT "\",");
	put_text(out, "interface", i->name);
	buf_printf(out, ",\"agent\":{\"id\":\"%016" PRIx64 "\",\"pid\":%d,", diary_id(i->keeper->diary), (int)getpid());
	put_text(out, "boot_id", boot_id);
	buf_printf(out,
		   ",\"written_boot_ns\":%" PRIu64 ",\"written_unix_ns\":%" PRIu64 ",\"next\":%" PRIu64
		   "},\n\"vips\":[",
		   now_ns, unix_ns, i->actions.next ? i->actions.next : 1);
	for (k = 0; k < i->ngroups; k++) {
		buf_str(out, k ? ",\n  " : "\n  ");
		put_group(out, i->groups[k], now_ns, unix_ns);
	}
	buf_str(out, "],\n\"actions\":[");
	for (k = 0; k < i->actions.count; k++) {
		buf_str(out, k ? ",\n  " : "\n  ");
		put_action(out, &i->actions.rows[k]);
	}
	buf_printf(out, "],\n\"left_out\":%" PRIu64 "}\n", i->actions.left_out);
}

bool health_doc_due(const struct kept *i, uint64_t now_ns)
{
	return i->open && now_ns >= i->write_ns;
}

void health_doc_write(struct kept *i, uint64_t now_ns)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	put_doc(&text, i, now_ns);
	i->write_ns = now_ns + text.len * NS_PER_SEC / HEALTH_DOC_RATE;
	if (text.len > HEALTH_DOC_BYTES ? err_set(&err, E2BIG, "it is too much")
					: balancer_file_replace(&i->b, "health", &text, &err)) {
		if (!i->unwritten)
			keeper_say(i->keeper, "interface '%s': what is known of its backends cannot be written: %s",
				   i->name, err.text);
		i->unwritten = true;
	}
}

/* ---- reading ---- */

int health_doc_open(const struct balancer *b, const char *suffix, const char *format, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	json_error_t why;
	json_t *doc;
	int r = balancer_file_read_most(b, suffix, HEALTH_DOC_BYTES, &text, err);

	if (r < 0)
		return r;
	doc = json_loadb(text.data ? text.data : "", text.len, 0, &why);
	if (doc && !strcmp(health_doc_text(doc, "format"), format)) {
		*ret = doc;
		return 0;
	}
	r = doc ? err_set(err, EINVAL, "'%s.%s' is of another version of saker", b->attach.key, suffix)
		: err_set(err, EINVAL, "'%s.%s' is damaged: %s", b->attach.key, suffix, why.text);
	json_decref(doc);
	return r;
}

int health_doc_read(const struct balancer *b, json_t **ret, struct err *err)
{
	return health_doc_open(b, "health", HEALTH_DOC_FORMAT, ret, err);
}

const json_t *health_doc_backend(const json_t *doc, const char *vip, const char *backend)
{
	const json_t *vips = json_object_get(doc, "vips");
	size_t i, k;

	for (i = 0; i < json_array_size(vips); i++) {
		const json_t *v = json_array_get(vips, i), *rows = json_object_get(v, "backends");

		if (strcmp(health_doc_text(v, "vip"), vip) != 0)
			continue;
		for (k = 0; k < json_array_size(rows); k++) {
			const json_t *b = json_array_get(rows, k);

			if (!strcmp(health_doc_text(b, "backend"), backend))
				return b;
		}
	}
	return NULL;
}

uint64_t health_doc_u64(const json_t *object, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(object, key));

	return v > 0 ? (uint64_t)v : 0;
}

uint64_t health_doc_hex(const json_t *object, const char *key)
{
	return strtoull(health_doc_text(object, key), NULL, 16);
}

const char *health_doc_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool health_doc_same_boot(const json_t *doc)
{
	char boot_id[64];

	balancer_boot_id(boot_id);
	return !strcmp(health_doc_text(json_object_get(doc, "agent"), "boot_id"), boot_id);
}

/* ---- the agent ---- */

void health_doc_lock_path(char *out, size_t size)
{
	char dir[512];
	uint64_t ns = attach_namespace();

	balancer_folder(dir, sizeof(dir));
	if (ns)
		(void)snprintf(out, size, "%s/agent@%" PRIu64 ".lock", dir, ns);
	else
		(void)snprintf(out, size, "%s/agent.lock", dir);
}

bool health_doc_agent_runs(void)
{
	char path[600];
	CLEANUP_CLOSE int fd = -1;

	health_doc_lock_path(path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}
