/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "agent/balancer_why.h"
#include "agent/verdicts.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/samples.h"
#include "net/wish_make.h"
#include "packet/wire.h"

#define NUMBERS (4 * WISH_VIPS + 1) /* of VIPs: twice as many as there is room for, which is a power of two */

#define TURN_NS (200 * NS_PER_MS)

struct balancer_shadow {
	struct balancer b;
	struct shadow *shadow;
	struct samples *samples;
	int lock;
	uint32_t one_in;
	bool watching;
	uint32_t sample, sample_drops; /* the wish's */
	uint32_t generation;
	uint64_t lost;
	struct shadow_vip *vips;
	/* rows of VIPs by their numbers, and one more; 0: not looked up yet */
	uint32_t live[NUMBERS], copy[NUMBERS];
	struct shadow_report report;
	uint64_t turn_ends_ns; /* packets may come faster than they are compared */
	struct err err;
	int r;
};

/* ---- whose it is ---- */

static uint32_t row_of(struct balancer_shadow *s, const char *vip)
{
	struct shadow_vip *grown;
	uint32_t i;

	for (i = 0; i < s->report.nvips; i++) {
		if (!strcmp(s->vips[i].vip, vip))
			return i + 1;
	}
	grown = array_grown(s->vips, s->report.nvips, sizeof(*grown));
	if (!grown)
		return 0;
	s->vips = grown;
	s->report.vips = grown;
	grown[i] = (struct shadow_vip) { 0 };
	memcpy(grown[i].vip, vip, strlen(vip) + 1);
	s->report.nvips++;
	return i + 1;
}

static uint32_t row_by_number(struct balancer_shadow *s, uint32_t rows[NUMBERS], const struct chain *c, uint32_t number)
{
	char vip[WISH_VIP_TEXT] = "";

	if (number >= NUMBERS)
		number = 0;
	if (!rows[number]) {
		(void)balancer_vip_text(c, number, vip);
		rows[number] = row_of(s, vip);
	}
	return rows[number];
}

/* The VIP of the live verdict, or, where that had none, of the copy's. */
static struct shadow_vip *vip_of(struct balancer_shadow *s, const struct chain_sample *sample,
				 const struct shadow_answer *a)
{
	uint32_t row = sample->rule || !a->meta.rule ? row_by_number(s, s->live, s->b.chain, sample->rule)
						     : row_by_number(s, s->copy, shadow_chain(s->shadow), a->meta.rule);

	return row ? &s->vips[row - 1] : NULL;
}

/* ---- counting ---- */

static void count(struct shadow_count *n, const struct chain_sample *sample, const struct shadow_answer *a)
{
	uint8_t flags = a->meta.packet.tcp_flags;

	n->drawn++;
	n->packets += MAX(sample->one_in, 1U);
	n->syns += (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static void keep_example(struct balancer_shadow *s, const struct chain_sample *sample, const struct shadow_answer *a,
			 const char *vip)
{
	struct shadow_example *rows = s->report.examples[a->kind], *e;
	size_t *n = &s->report.nexamples[a->kind], i;

	for (i = 0; i < *n; i++) {
		if (!memcmp(&rows[i].flow, &sample->flow, sizeof(sample->flow)))
			return;
	}
	if (*n == SHADOW_EXAMPLES)
		return;
	e = &rows[(*n)++];
	*e = (struct shadow_example) { .flow = sample->flow,
				       .from = a->from,
				       .to = a->to,
				       .from_action = (int)sample->action,
				       .to_action = a->kind == SHADOW_CUT ? -1 : a->action,
				       .from_reason = sample->reason,
				       .to_reason = a->meta.reason };
	memcpy(e->vip, vip, strlen(vip) + 1);
}

static int take(void *arg, const struct chain_sample *sample)
{
	struct balancer_shadow *s = arg;
	struct shadow_answer a;
	struct shadow_vip *vip;

	s->r = shadow_sample(s->shadow, sample, &a, &s->err);
	if (s->r < 0)
		return s->r;
	vip = vip_of(s, sample, &a);
	if (!vip) {
		s->r = err_set(&s->err, ENOMEM, "out of memory");
		return s->r;
	}
	count(&s->report.counts[a.kind], sample, &a);
	count(&vip->counts[a.kind], sample, &a);
	keep_example(s, sample, &a, vip->vip);
	return clock_boot_ns() < s->turn_ends_ns ? 0 : -EAGAIN;
}

/* ---- life cycle ---- */

static uint64_t lost_count(const struct balancer_shadow *s)
{
	struct chain_count n = { 0 };

	(void)chain_counted(s->b.chain, CHAIN_SAMPLE_LOST, &n);
	return n.packets;
}

static int copy_make(struct balancer_shadow *s, const struct wish_if *f, struct err *err)
{
	CLEANUP(wish_made_fini) struct wish_made made = { 0 };
	struct wish_if laid;
	struct overlay o;
	int r = 0;

	s->b.next = HOP_ASK;
	balancer_overlay(&s->b, &o);
	if (!wish_if_copy(&laid, f))
		r = err_set(err, ENOMEM, "out of memory");
	if (!r) {
		(void)overlay_lay(&o, &laid, clock_boot_ns());
		r = balancer_make(&s->b, &laid, &made, err);
	}
	if (!r)
		r = shadow_new(s->b.chain, s->b.attach.ifindex, &made, &s->shadow, err);
	wish_if_fini(&laid);
	overlay_fini(&o);
	return r;
}

/* Draws at our rate; who changed the wish meanwhile has set another one, to which it then goes back. */
static void watch(struct balancer_shadow *s)
{
	uint32_t sample, drops, generation = chain_generation(s->b.chain);

	if (s->watching && generation != s->generation) {
		s->report.changes += generation - s->generation;
		memset(s->live, 0, sizeof(s->live));
	}
	s->generation = generation;
	chain_watched(s->b.chain, &sample, &drops);
	if (s->watching && sample == s->one_in && !drops)
		return;
	s->sample = sample;
	s->sample_drops = drops;
	s->watching = true;
	chain_watch(s->b.chain, s->one_in, 0);
}

int balancer_shadow_open(const struct wish_if *f, uint32_t one_in, struct balancer_shadow **ret, struct err *err)
{
	struct balancer_shadow *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->lock = -1;
	s->one_in = one_in;
	r = balancer_open(&s->b, f->name, false, err);
	if (r < 0) {
		free(s);
		return r;
	}
	if (!s->b.chain)
		r = err_set(
			err, ENOENT,
			"no packet function of saker runs on interface '%s', and a shadow needs one whose packets it "
			"can see: `saker apply` a document with the interface alone makes a chain that lets all pass",
			f->name);
	if (!r)
		r = verdicts_lock(&s->b, "`saker apply --shadow`", &s->lock, err);
	if (!r)
		r = copy_make(s, f, err);
	if (!r)
		r = samples_open(s->b.chain, take, s, &s->samples, err);
	if (r < 0)
		return (void)balancer_shadow_close(s), r;
	s->lost = lost_count(s);
	s->report.began_ns = clock_boot_ns();
	watch(s);
	*ret = s;
	return 0;
}

struct balancer_shadow *balancer_shadow_close(struct balancer_shadow *s)
{
	if (!s)
		return NULL;
	if (s->watching) {
		watch(s);
		chain_watch(s->b.chain, s->sample, s->sample_drops);
	}
	(void)samples_close(s->samples);
	(void)shadow_free(s->shadow);
	balancer_close(&s->b);
	if (s->lock >= 0)
		(void)close(s->lock);
	free(s->vips);
	free(s);
	return NULL;
}

int balancer_shadow_turn(struct balancer_shadow *s, int timeout_ms, struct err *err)
{
	int r;

	s->turn_ends_ns = clock_boot_ns() + TURN_NS;
	r = samples_turn(s->samples, timeout_ms);
	watch(s);
	if (s->r < 0)
		return err_set(err, -s->r, "%s", s->err.text);
	return r < 0 && r != -EINTR && r != -EAGAIN
		       ? err_errno(err, -r, "cannot read the verdicts of interface '%s'", s->b.attach.name)
		       : 0;
}

const struct shadow_report *balancer_shadow_report(struct balancer_shadow *s)
{
	s->report.lost = lost_count(s) - s->lost;
	s->report.now_ns = clock_boot_ns();
	return &s->report;
}
