/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apply_shadow.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer_shadow.h"
#include "agent/balancer_why.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "net/chain.h"

#define TURN_MS 200

static volatile sig_atomic_t shadow_stop;

static void on_shadow_stop(int sig)
{
	shadow_stop = sig;
}

static uint64_t drawn(const struct shadow_report *r)
{
	uint64_t n = 0;
	int k;

	for (k = 0; k < SHADOW_KINDS; k++)
		n += r->counts[k].drawn;
	return n;
}

static double seconds(const struct shadow_report *r)
{
	return (double)(r->now_ns - r->began_ns) / 1e9;
}

/* ---- words ---- */

static void put_counts(struct buf *out, const struct shadow_count counts[SHADOW_KINDS])
{
	uint64_t sum = 0;
	int k;

	for (k = 0; k < SHADOW_KINDS; k++)
		sum += counts[k].drawn;
	for (k = 0; k < SHADOW_KINDS; k++) {
		const struct shadow_count *n = &counts[k];

		if (!n->drawn)
			continue;
		buf_printf(out, "  %8" PRIu64 "  %5.1f %%  %s", n->drawn, 100 * (double)n->drawn / (double)sum,
			   shadow_text((enum shadow_kind)k));
		buf_printf(out, n->syns ? " (%" PRIu64 " of them first packets of connections)\n" : "\n", n->syns);
	}
}

static void put_side(struct buf *out, int action, const struct lb_addr *to, uint32_t reason)
{
	const struct chain_words *w = chain_reason(reason);
	char text[LB_ADDR_TEXT];

	buf_str(out, action < 0 ? "unknown" : balancer_action_text(action));
	if (to->family)
		buf_printf(out, ", backend %s", lb_addr_text(to, text));
	if (w)
		buf_printf(out, ": %s (%s)", w->text, w->name);
	buf_char(out, '\n');
}

static void put_examples(struct buf *out, const struct shadow_report *r, enum shadow_kind kind)
{
	size_t i;

	if (kind == SHADOW_SAME || !r->nexamples[kind])
		return;
	buf_printf(out, "\nfor example, %s:\n", shadow_text(kind));
	for (i = 0; i < r->nexamples[kind]; i++) {
		const struct shadow_example *e = &r->examples[kind][i];

		buf_str(out, "  ");
		balancer_put_flow(out, &e->flow);
		buf_str(out, "\n    now    ");
		put_side(out, e->from_action, &e->from, e->from_reason);
		buf_str(out, "    would  ");
		put_side(out, e->to_action, &e->to, e->to_reason);
	}
}

static void report_text(struct buf *out, const struct wish_if *f, const struct apply_shadow *a,
			const struct shadow_report *r)
{
	size_t i;
	int k;

	buf_printf(out,
		   "interface '%s': %" PRIu64 " packets seen in %.1f s, of each CPU's 1 in %u; nothing was changed\n",
		   f->name, drawn(r), seconds(r), a->one_in);
	if (r->lost)
		buf_printf(out,
			   "%" PRIu64 " more were drawn and lost: they came faster than they were compared, a larger "
			   "--one-in helps\n",
			   r->lost);
	if (r->changes)
		buf_printf(out,
			   "the wish that runs was changed %" PRIu64 " times meanwhile: what is compared is before and "
			   "after, and what the agent does about backends is as it was at the beginning\n",
			   r->changes);
	put_counts(out, r->counts);
	for (i = 0; i < r->nvips; i++) {
		buf_printf(out, "\n%s%s:\n", r->vips[i].vip[0] ? "VIP " : "of no VIP", r->vips[i].vip);
		put_counts(out, r->vips[i].counts);
	}
	for (k = 0; k < SHADOW_KINDS; k++)
		put_examples(out, r, (enum shadow_kind)k);
}

/* ---- data ---- */

static void json_counts(struct buf *out, const struct shadow_count counts[SHADOW_KINDS])
{
	int k;

	buf_str(out, "{");
	for (k = 0; k < SHADOW_KINDS; k++)
		buf_printf(out, "%s\"%s\":{\"drawn\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"first\":%" PRIu64 "}",
			   k ? "," : "", shadow_name((enum shadow_kind)k), counts[k].drawn, counts[k].packets,
			   counts[k].syns);
	buf_str(out, "}");
}

static void json_side(struct buf *out, int action, const struct lb_addr *to, uint32_t reason)
{
	const struct chain_words *w = chain_reason(reason);
	char text[LB_ADDR_TEXT];

	buf_str(out, "{\"action\":");
	buf_printf(out, action < 0 ? "null" : "\"%s\"", balancer_action_text(action));
	buf_printf(out, w ? ",\"reason\":\"%s\"" : ",\"reason\":null", w ? w->name : "");
	buf_printf(out, to->family ? ",\"backend\":\"%s\"}" : ",\"backend\":null}",
		   to->family ? lb_addr_text(to, text) : "");
}

static void json_examples(struct buf *out, const struct shadow_report *r)
{
	const char *comma = "";
	size_t i;
	int k;

	for (k = 0; k < SHADOW_KINDS; k++) {
		for (i = 0; i < r->nexamples[k]; i++) {
			const struct shadow_example *e = &r->examples[k][i];

			buf_printf(out, "%s{\"kind\":\"%s\",\"vip\":", comma, shadow_name((enum shadow_kind)k));
			buf_json(out, e->vip, strlen(e->vip));
			buf_str(out, ",\"flow\":\"");
			balancer_put_flow(out, &e->flow);
			buf_str(out, "\",\"now\":");
			json_side(out, e->from_action, &e->from, e->from_reason);
			buf_str(out, ",\"would\":");
			json_side(out, e->to_action, &e->to, e->to_reason);
			buf_char(out, '}');
			comma = ",";
		}
	}
}

static void report_json(struct buf *out, const struct wish_if *f, const struct apply_shadow *a,
			const struct shadow_report *r)
{
	size_t i;

	buf_str(out, "{\"interface\":");
	buf_json(out, f->name, strlen(f->name));
	buf_printf(out,
		   ",\"seconds\":%.3f,\"one_in\":%u,\"drawn\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"changes\":%" PRIu64
		   ",\"counts\":",
		   seconds(r), a->one_in, drawn(r), r->lost, r->changes);
	json_counts(out, r->counts);
	buf_str(out, ",\"vips\":[");
	for (i = 0; i < r->nvips; i++) {
		buf_str(out, i ? ",{\"vip\":" : "{\"vip\":");
		if (r->vips[i].vip[0])
			buf_json(out, r->vips[i].vip, strlen(r->vips[i].vip));
		else
			buf_str(out, "null");
		buf_str(out, ",\"counts\":");
		json_counts(out, r->vips[i].counts);
		buf_char(out, '}');
	}
	buf_str(out, "],\"examples\":[");
	json_examples(out, r);
	buf_str(out, "]}\n");
}

/* ---- the command ---- */

static void progress(const struct shadow_report *r)
{
	uint64_t n = drawn(r), same = r->counts[SHADOW_SAME].drawn + r->counts[SHADOW_KEPT].drawn;

	(void)fprintf(stderr, "\r%.0f s: %" PRIu64 " packets seen, %" PRIu64 " as now, %" PRIu64 " lost ", seconds(r),
		      n, same, r->lost);
}

static int look(struct balancer_shadow *s, const struct apply_shadow *a, struct err *err)
{
	uint64_t end = a->for_ns ? clock_boot_ns() + a->for_ns : UINT64_MAX, now;
	bool terminal = isatty(STDERR_FILENO);
	int r = 0;

	while (!shadow_stop && r >= 0 && (now = clock_boot_ns()) < end) {
		r = balancer_shadow_turn(
			s, end - now < TURN_MS * NS_PER_MS ? (int)((end - now) / NS_PER_MS) + 1 : TURN_MS, err);
		if (terminal)
			progress(balancer_shadow_report(s));
	}
	if (terminal)
		(void)fputc('\n', stderr);
	return r;
}

int apply_shadow(const struct wish_if *f, const struct apply_shadow *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct sigaction sa = { .sa_handler = on_shadow_stop };
	struct balancer_shadow *s = NULL;
	int r;

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
	r = balancer_shadow_open(f, a->one_in, &s, err);
	if (r < 0)
		return r;
	(void)fprintf(stderr, "interface '%s': 1 in %u packets is compared%s; nothing is changed\n", f->name, a->one_in,
		      a->for_ns ? "" : ", until you end it");
	r = look(s, a, err);
	if (!r)
		(a->json ? report_json : report_text)(&out, f, a, balancer_shadow_report(s));
	(void)balancer_shadow_close(s);
	return r < 0 ? r : cli_put(&out, err);
}
