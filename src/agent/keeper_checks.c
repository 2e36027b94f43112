/* SPDX-License-Identifier: Apache-2.0 */
/* keeper_checks - the part of the agent that checks backends. */
#include <errno.h>
#include <stdlib.h>

#include "agent/checks.h"
#include "agent/checks_doc.h"
#include "agent/keeper.h"
#include "base/clock.h"
#include "base/err.h"

struct part {
	struct keeper *k;
	struct checks *checks;
	struct check_list list;
	uint64_t written_ns;
	bool stale, failing; /* failing: the file cannot be written, which was said */
	bool unsent;	     /* a check of the target with this tag was not sent, which was said */
	uint64_t tag;
};

#define WRITE_NS (2 * NS_PER_SEC)

static void part_sign(void *arg, const struct sign *s)
{
	struct part *p = arg;

	keeper_sign(p->k, s);
}

/* A check that was not sent is no sign; why is told once, until one of that target is sent. */
static void part_done(void *arg, const struct check_target *t, const struct check_state *s)
{
	struct part *p = arg;
	const struct wish_backend *b;
	const struct wish_vip *v;
	const struct wish_if *f = check_list_wish(&p->list, t, &v, &b);
	char vip[WISH_VIP_TEXT];

	p->stale = true;
	if (s->outcome != CHECK_NOT_SENT) {
		p->unsent = p->unsent && p->tag != t->tag;
		return;
	}
	if (p->unsent)
		return;
	p->unsent = true;
	p->tag = t->tag;
	keeper_say(p->k, "interface '%s': a check of VIP %s could not be sent: %s", f->name,
		   wish_vip_text(&v->vip, vip), s->text);
}

/* Larger files are written more seldom: a thousand targets a second. */
static void docs_write(struct part *p, uint64_t now_ns)
{
	uint64_t pause_ns = WRITE_NS + checks_count(p->checks) * NS_PER_MS;
	struct err err = ERR_INIT;
	size_t i;
	int r = 0;

	if (!p->stale || now_ns < p->written_ns + pause_ns)
		return;
	p->written_ns = now_ns;
	p->stale = false;
	for (i = 0; i < p->list.nwishes && r >= 0; i++)
		r = checks_doc_write(p->checks, &p->list, i, &err);
	if (r < 0 && !p->failing)
		keeper_say(p->k, "%s", err.text);
	p->failing = r < 0;
}

static uint64_t part_left(void *arg, const struct check_target *t)
{
	return check_list_left(&((const struct part *)arg)->list, t);
}

static void part_close(void *part)
{
	struct part *p = part;

	(void)checks_free(p->checks);
	check_list_fini(&p->list);
	free(p);
}

static int part_open(struct keeper *k, void **ret, struct err *err)
{
	struct part *p = calloc(1, sizeof(*p));
	struct checks_opts opts = { .sign = part_sign, .left = part_left, .done = part_done, .arg = p };
	int r;

	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->k = k;
	r = checks_new(&opts, &p->checks, err);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static int part_fd(void *part)
{
	return checks_fd(((struct part *)part)->checks);
}

static int part_turn(void *part, uint64_t now_ns)
{
	struct part *p = part;
	int r = checks_turn(p->checks, now_ns);

	docs_write(p, now_ns);
	return r;
}

static int wish_one(void *arg, const struct wish_if *wish, const struct chain *chain)
{
	struct part *p = arg;
	struct err err = ERR_INIT;

	if (check_list_add(&p->list, wish, chain, &err) < 0)
		keeper_say(p->k, "the backends of interface '%s' are not checked: %s", wish->name, err.text);
	return 0;
}

static void part_wished(void *part)
{
	struct part *p = part;
	struct err err = ERR_INIT;

	p->unsent = false;
	check_list_fini(&p->list);
	(void)keeper_each(p->k, wish_one, p);
	if (checks_set(p->checks, p->list.asks, p->list.nasks, p->list.targets, p->list.ntargets, &err) >= 0)
		return;
	/* those of before speak of wishes that are no more */
	(void)checks_set(p->checks, NULL, 0, NULL, 0, &err);
	keeper_say(p->k, "backends are not checked: %s", err.text);
}

const struct keeper_part keeper_checks = {
	.name = "checks",
	.open = part_open,
	.fd = part_fd,
	.turn = part_turn,
	.wished = part_wished,
	.close = part_close,
};
