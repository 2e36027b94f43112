/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/checks_doc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/checks.h"
#include "agent/health_doc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

/* ---- writing ---- */

static const char *const healths[] = { "unknown", "good", "bad" };

static void put_vip(struct buf *out, const struct checks *c, const struct check_target *t, const struct wish_vip *v)
{
	const struct check_ask *a = checks_ask(c, t->ask);
	const struct hist *h = checks_took(c, t->ask);
	char text[WISH_VIP_TEXT];

	buf_printf(out,
		   "{\"vip\":\"%s\",\"kind\":\"%s\",\"interval_ms\":%u,\"took_us\":{\"count\":%" PRIu64
		   ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64 "},\"backends\":[",
		   wish_vip_text(&v->vip, text), check_kind_name(a->kind), a->interval_ms, h->total,
		   hist_quantile(h, 0.5), hist_quantile(h, 0.99), h->total ? h->max : 0);
}

static void put_backend(struct buf *out, const struct check_state *s, const struct wish_backend *b)
{
	char text[LB_ADDR_TEXT];
	bool first = true;
	unsigned i;

	buf_printf(
		out,
		"\n   {\"backend\":\"%s\",\"health\":\"%s\",\"last\":\"%s\",\"in_row\":%u,\"checked_boot_ns\":%" PRIu64
		",\"took_us\":%" PRIu64 ",\"late\":%" PRIu64 ",\"counts\":{",
		lb_addr_text(&b->addr, text), healths[s->health],
		s->checked_ns ? check_outcome_name(s->outcome) : "none", s->in_row, s->checked_ns, s->took_ns / 1000,
		s->late);
	for (i = 0; i < CHECK_OUTCOMES; i++) {
		if (!s->counts[i])
			continue;
		buf_printf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", check_outcome_name((enum check_outcome)i),
			   s->counts[i]);
		first = false;
	}
	buf_str(out, "},\"text\":");
	buf_json(out, s->text, strlen(s->text));
	buf_char(out, '}');
}

static void put_doc(struct buf *out, const struct checks *c, const struct check_list *l, size_t wish)
{
	const struct wish_vip *before = NULL;
	char boot_id[64];
	size_t i;

	balancer_boot_id(boot_id);
	buf_str(out, "{\"format\":\"" CHECKS_DOC_FORMAT "\",\"interface\":");
	buf_json(out, l->wishes[wish]->name, strlen(l->wishes[wish]->name));
	buf_printf(out, ",\"agent\":{\"boot_id\":\"%s\",\"written_boot_ns\":%" PRIu64 "},\"vips\":[", boot_id,
		   clock_boot_ns());
	for (i = 0; i < checks_count(c); i++) {
		const struct check_state *s;
		const struct check_target *t = checks_target(c, i, &s);
		const struct wish_backend *b;
		const struct wish_vip *v;

		if (check_list_wish(l, t, &v, &b) != l->wishes[wish])
			continue;
		if (v != before) {
			buf_str(out, before ? "]},\n  " : "\n  ");
			put_vip(out, c, t, v);
		}
		buf_str(out, v == before ? "," : "");
		put_backend(out, s, b);
		before = v;
	}
	buf_str(out, before ? "]}]}\n" : "]}\n");
}

int checks_doc_write(const struct checks *c, const struct check_list *l, size_t wish, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct balancer b = { .lock = -1 };
	int r = attach_place(&b.attach, l->wishes[wish]->name, err);

	if (r < 0)
		return r;
	balancer_folder(b.state, sizeof(b.state));
	put_doc(&text, c, l, wish);
	if (text.failed || text.len > CHECKS_DOC_BYTES)
		return err_set(err, E2BIG, "what its checks found is too much for a file");
	return balancer_file_replace(&b, "checks", &text, err);
}

/* ---- reading ---- */

int checks_doc_read(const struct balancer *b, json_t **ret, struct err *err)
{
	json_t *doc;
	int r = health_doc_open(b, "checks", CHECKS_DOC_FORMAT, &doc, err);

	if (r < 0)
		return r;
	if (!health_doc_same_boot(doc))
		r = err_set(err, ENOENT, "'%s.checks' is from before the host's restart", b->attach.key);
	if (r < 0)
		json_decref(doc);
	else
		*ret = doc;
	return r;
}

typedef void (*each_fn)(struct buf *out, const json_t *vip, const json_t *backend, const char *interface);

static void each_backend(struct buf *out, const json_t *doc, const char *interface, each_fn each)
{
	const json_t *vips = json_object_get(doc, "vips");
	size_t i, k;

	for (i = 0; i < json_array_size(vips); i++) {
		const json_t *v = json_array_get(vips, i), *rows = json_object_get(v, "backends");

		for (k = 0; k < json_array_size(rows); k++)
			each(out, v, json_array_get(rows, k), interface);
	}
}

static void text_backend(struct buf *out, const json_t *vip, const json_t *backend, const char *interface)
{
	const json_t *counts = json_object_get(backend, "counts");
	uint64_t passed = health_doc_u64(counts, "passed"), not_sent = health_doc_u64(counts, "not_sent"), all = 0;
	const char *name;
	json_t *n;

	(void)interface;
	/* jansson's macro casts const away */
	json_object_foreach((json_t *)(uintptr_t)counts, name, n)
	{
		all += (uint64_t)json_integer_value(n);
	}
	buf_printf(out, "  %-28s %-20s %-5s %-7s %8" PRIu64 " passed %6" PRIu64 " failed", health_doc_text(vip, "vip"),
		   health_doc_text(backend, "backend"), health_doc_text(vip, "kind"),
		   health_doc_text(backend, "health"), passed, all - passed - not_sent);
	if (not_sent)
		buf_printf(out, " %6" PRIu64 " not sent", not_sent);
	if (health_doc_u64(backend, "late"))
		buf_printf(out, " %6" PRIu64 " late", health_doc_u64(backend, "late"));
	buf_str(out, "  ");
	buf_text(out, health_doc_text(backend, "text"), strlen(health_doc_text(backend, "text")));
	buf_char(out, '\n');
}

void checks_doc_text(struct buf *out, const json_t *doc)
{
	if (!json_array_size(json_object_get(doc, "vips")))
		return;
	buf_str(out, "checks, by the agent\n");
	each_backend(out, doc, NULL, text_backend);
}

/* saker_lb_NAME{interface=,vip=,backend= without its end. */
static void labels(struct buf *out, const char *name, const json_t *vip, const json_t *backend, const char *interface)
{
	buf_printf(out, "saker_lb_%s{interface=\"", name);
	buf_label(out, interface);
	buf_printf(out, "\",vip=\"%s\",backend=\"%s\"", health_doc_text(vip, "vip"),
		   health_doc_text(backend, "backend"));
}

static void prometheus_counts(struct buf *out, const json_t *vip, const json_t *backend, const char *interface)
{
	const json_t *counts = json_object_get(backend, "counts");
	const char *name;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)counts, name, n)
	{
		labels(out, "checks_total", vip, backend, interface);
		buf_printf(out, ",outcome=\"%s\"} %" PRIu64 "\n", name, (uint64_t)json_integer_value(n));
	}
}

/* Neither: too few have been made. */
static void prometheus_good(struct buf *out, const json_t *vip, const json_t *backend, const char *interface)
{
	const char *health = health_doc_text(backend, "health");

	if (!strcmp(health, "unknown"))
		return;
	labels(out, "check_good", vip, backend, interface);
	buf_printf(out, "} %d\n", !strcmp(health, "good"));
}

static void prometheus_last(struct buf *out, const json_t *vip, const json_t *backend, const char *interface)
{
	labels(out, "check_last", vip, backend, interface);
	buf_printf(out, ",outcome=\"%s\"} 1\n", health_doc_text(backend, "last"));
}

static void prometheus_age(struct buf *out, const json_t *vip, const json_t *backend, const char *interface)
{
	uint64_t at_ns = health_doc_u64(backend, "checked_boot_ns"), now_ns = clock_boot_ns();

	if (!at_ns)
		return;
	labels(out, "check_age_seconds", vip, backend, interface);
	buf_printf(out, "} %.3f\n", now_ns > at_ns ? (double)(now_ns - at_ns) / 1e9 : 0);
}

static void prometheus_took(struct buf *out, const json_t *vip, const char *interface)
{
	static const struct {
		const char *q, *key;
	} rows[] = { { "0.5", "p50" }, { "0.99", "p99" }, { "1", "max" } };
	const json_t *took = json_object_get(vip, "took_us");
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		buf_str(out, "saker_lb_check_seconds{interface=\"");
		buf_label(out, interface);
		buf_printf(out, "\",vip=\"%s\",quantile=\"%s\"} %.6f\n", health_doc_text(vip, "vip"), rows[i].q,
			   (double)health_doc_u64(took, rows[i].key) / 1e6);
	}
}

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP saker_lb_%s %s\n# TYPE saker_lb_%s %s\n", name, help, name, type);
}

void checks_doc_prometheus(struct buf *out, const json_t *doc, const char *interface, bool open)
{
	const json_t *vips = json_object_get(doc, "vips");
	size_t i;

	/* OpenMetrics has a counter's name without `_total` here */
	family(out, open ? "checks" : "checks_total", "counter", "Checks of backends, by what came of them.");
	each_backend(out, doc, interface, prometheus_counts);
	family(out, "check_good", "gauge", "Whether a backend is good by its checks alone (rise, fall).");
	each_backend(out, doc, interface, prometheus_good);
	family(out, "check_last", "gauge", "What came of the last check that was sent.");
	each_backend(out, doc, interface, prometheus_last);
	family(out, "check_age_seconds", "gauge", "How long ago that was.");
	each_backend(out, doc, interface, prometheus_age);
	family(out, "check_seconds", "gauge", "How long checks took that passed.");
	for (i = 0; i < json_array_size(vips); i++)
		prometheus_took(out, json_array_get(vips, i), interface);
}
