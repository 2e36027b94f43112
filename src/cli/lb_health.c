/* SPDX-License-Identifier: Apache-2.0 */
/* lb_health - what the agent knows of backends, and what it did: for `saker lb show` and `saker lb actions`. */
#include "cli/lb_health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"

/* ---- what there is ---- */

void lb_health_open(struct lb_health *h, struct balancer *b)
{
	struct err err = ERR_INIT;
	int r;

	*h = (struct lb_health) { .runs = health_doc_agent_runs() };
	balancer_overlay(b, &h->overlay);
	r = health_doc_read(b, &h->doc, &err);
	if (r < 0 && r != -ENOENT)
		(void)fprintf(stderr, "saker lb: %s\n", err.text);
	if (h->doc && !health_doc_same_boot(h->doc)) {
		json_decref(h->doc);
		h->doc = NULL;
	}
}

void lb_health_close(struct lb_health *h)
{
	json_decref(h->doc);
	overlay_fini(&h->overlay);
}

static const char *ago(uint64_t boot_ns, char out[32])
{
	uint64_t now = clock_boot_ns();
	double s = (double)(now > boot_ns ? now - boot_ns : boot_ns - now) / 1e9;

	if (s < 120)
		(void)snprintf(out, 32, "%.1f s", s);
	else
		(void)snprintf(out, 32, "%.0f min", s / 60);
	return out;
}

/* ---- show ---- */

void lb_health_head(struct buf *out, const struct lb_health *h)
{
	const json_t *agent = json_object_get(h->doc, "agent");
	char text[32];

	if (h->runs || (!h->doc && !h->overlay.count))
		return;
	buf_str(out, "  no agent runs");
	if (agent)
		buf_printf(out, ": what is said of health was known %s ago",
			   ago(health_doc_u64(agent, "written_boot_ns"), text));
	if (h->overlay.count)
		buf_printf(out, "%s what it did about %zu backend%s holds", agent ? ";" : ":", h->overlay.count,
			   h->overlay.count == 1 ? "" : "s");
	buf_char(out, '\n');
}

static void put_row(struct buf *out, const struct overlay_row *row)
{
	char text[32];
	uint64_t now = clock_boot_ns();

	buf_printf(out, "; %s%u of 1000 of its weight since %s by action %" PRIu64,
		   row->share ? "" : "taken out: ", row->share, ago(row->since_ns, text), row->action);
	if (row->until_ns > now)
		buf_printf(out, ", for %s more at least", ago(row->until_ns, text));
	else if (row->until_ns)
		buf_str(out, ", its time is over: the next change or start of an agent takes it back");
}

void lb_health_backend(struct buf *out, const struct lb_health *h, const struct lb_wish_vip *vip,
		       const struct lb_addr *addr)
{
	char vip_text[WISH_VIP_TEXT], text[LB_ADDR_TEXT], since[32];
	const json_t *b =
		h->doc ? health_doc_backend(h->doc, wish_vip_text(vip, vip_text), lb_addr_text(addr, text)) : NULL;
	const struct overlay_row *row = overlay_find(&h->overlay, vip, addr);
	const char *state = health_doc_text(b, "state");
	bool shadow = json_is_true(json_object_get(b, "shadow"));

	if (!b && !row)
		return;
	buf_printf(out, "        %s", b ? state : "out");
	if (b)
		buf_printf(out, " since %s", ago(health_doc_u64(b, "since_boot_ns"), since));
	if (shadow && !row)
		buf_str(out, " (only said)");
	if (*health_doc_text(b, "why")) {
		buf_str(out, ": ");
		buf_text(out, health_doc_text(b, "why"), strlen(health_doc_text(b, "why")));
	}
	if (json_is_true(json_object_get(b, "drained")))
		buf_str(out, "; none is left: its last connection is gone, or silent for `udp-idle` at least");
	if (row)
		put_row(out, row);
	buf_char(out, '\n');
}

void lb_health_json(struct buf *out, const struct lb_health *h)
{
	char vip[WISH_VIP_TEXT], addr[LB_ADDR_TEXT], *doc = h->doc ? json_dumps(h->doc, JSON_COMPACT) : NULL;
	size_t i;

	buf_printf(out, ",\"agent\":%s,\"overlay\":[", h->runs ? "true" : "false");
	for (i = 0; i < h->overlay.count; i++) {
		const struct overlay_row *r = &h->overlay.rows[i];

		buf_printf(out,
			   "%s{\"vip\":\"%s\",\"backend\":\"%s\",\"share\":%u,\"down\":%s,\"weight\":%u,\"action\":"
			   "%" PRIu64 ",\"until_boot_ns\":%" PRIu64 ",\"since_boot_ns\":%" PRIu64 "}",
			   i ? "," : "", wish_vip_text(&r->vip, vip), lb_addr_text(&r->backend, addr), r->share,
			   r->down ? "true" : "false", r->weight, r->action, r->until_ns, r->since_ns);
	}
	buf_printf(out, "],\"health\":%s", doc ? doc : "null");
	free(doc);
}

/* ---- actions ---- */

static void put_words(struct buf *out, const char *what, const char *text)
{
	if (!*text)
		return;
	buf_printf(out, "    %s: ", what);
	buf_text(out, text, strlen(text));
	buf_char(out, '\n');
}

static void put_evidence(struct buf *out, const json_t *a)
{
	const json_t *rows = json_object_get(a, "evidence");
	size_t i;

	for (i = 0; i < json_array_size(rows); i++) {
		const json_t *e = json_array_get(rows, i);

		buf_printf(out, "%s%s:%" PRIu64, i ? ", " : "    evidence: ", health_doc_text(e, "host"),
			   health_doc_u64(e, "seq"));
	}
	if (i)
		buf_char(out, '\n');
}

/* ` 0.4 ms (mean of 20)`; what was not seen is said. */
static void put_took(struct buf *out, const json_t *figures, const char *count, const char *mean, double in_ms)
{
	uint64_t n = health_doc_u64(figures, count);

	if (n)
		buf_printf(out, " %.3g ms (mean of %" PRIu64 ")", (double)health_doc_u64(figures, mean) / in_ms, n);
	else
		buf_str(out, " none seen");
}

static void put_both(struct buf *out, const json_t *before, const json_t *after, const char *words, const char *key)
{
	buf_printf(out, "%s %" PRIu64 " -> %" PRIu64, words, health_doc_u64(before, key), health_doc_u64(after, key));
}

/* What was measured before it and after it, of the VIP. */
static void put_figures(struct buf *out, const json_t *effect)
{
	const json_t *b = json_object_get(effect, "before"), *f = json_object_get(effect, "after");
	uint64_t window_ns = health_doc_u64(effect, "window_ns");

	if (!window_ns || !json_is_object(b) || !json_is_object(f))
		return;
	buf_printf(out, "    within %g s before -> after:", (double)window_ns / 1e9);
	put_both(out, b, f, " new connections", "new");
	put_both(out, b, f, ", SYNs again", "again");
	put_both(out, b, f, ", RSTs", "resets");
	put_both(out, b, f, ", failed checks", "failed");
	buf_str(out, "\n    checks took");
	put_took(out, b, "checks", "check_ns", 1e6);
	buf_str(out, " ->");
	put_took(out, f, "checks", "check_ns", 1e6);
	buf_str(out, "; round trips that hosts told");
	put_took(out, b, "rtts", "rtt_us", 1e3);
	buf_str(out, " ->");
	put_took(out, f, "rtts", "rtt_us", 1e3);
	buf_char(out, '\n');
}

static void put_action(struct buf *out, const json_t *a)
{
	const json_t *effect = json_object_get(a, "effect");
	uint64_t expiry = health_doc_u64(a, "expiry_boot_ns"), now = clock_boot_ns();
	char text[32];

	buf_printf(out, "%-4" PRIu64 " %8s ago  %-6s %-8s %s of %s: %" PRIu64 " -> %" PRIu64 " of 1000 of its weight",
		   health_doc_u64(a, "number"), ago(health_doc_u64(a, "at_boot_ns"), text), health_doc_text(a, "mode"),
		   health_doc_text(a, "what"), health_doc_text(a, "backend"), health_doc_text(a, "vip"),
		   health_doc_u64(a, "share_before"), health_doc_u64(a, "share_after"));
	if (json_is_true(json_object_get(a, "running")))
		buf_str(out, "; holds");
	if (json_is_true(json_object_get(a, "running")) && expiry > now)
		buf_printf(out, " for %s more", ago(expiry, text));
	buf_char(out, '\n');
	put_words(out, "because", health_doc_text(a, "why"));
	put_evidence(out, a);
	if (!json_is_object(effect)) {
		buf_str(out, "    effect: not measured yet\n");
		return;
	}
	put_words(out, health_doc_text(effect, "verdict"), health_doc_text(effect, "why"));
	put_figures(out, effect);
}

int lb_actions(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct lb_health h;
	struct balancer b;
	const json_t *rows;
	char *text;
	size_t i;
	int r = balancer_open(&b, a->on, false, err);

	if (r < 0)
		return r;
	lb_health_open(&h, &b);
	rows = json_object_get(h.doc, "actions");
	if (a->json) {
		text = rows ? json_dumps(rows, JSON_COMPACT) : NULL;
		buf_printf(&out, "{\"interface\":\"%s\",\"agent\":%s,\"actions\":%s,\"left_out\":%" PRIu64 "}\n", a->on,
			   h.runs ? "true" : "false", text ? text : "[]", health_doc_u64(h.doc, "left_out"));
		free(text);
	} else {
		lb_health_head(&out, &h);
		for (i = 0; i < json_array_size(rows); i++)
			put_action(&out, json_array_get(rows, i));
		if (!i)
			(void)fprintf(stderr, "no action is known of interface '%s'%s\n", a->on,
				      h.runs ? "" : ": no agent runs (saker agent)");
	}
	lb_health_close(&h);
	balancer_close(&b);
	return cli_put(&out, err);
}
