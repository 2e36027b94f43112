/* SPDX-License-Identifier: Apache-2.0 */
/* keeper_checks - the part of the agent that checks backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/checks.h"
#include "agent/keeper.h"
#include "base/err.h"

struct part {
	struct keeper *k;
	struct checks *checks;
	struct check_list list;
};

static void part_sign(void *arg, const struct sign *s)
{
	struct part *p = arg;

	keeper_sign(p->k, s);
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
	struct checks_opts opts = { .sign = part_sign, .left = part_left, .arg = p };
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
	return checks_turn(((struct part *)part)->checks, now_ns);
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

	check_list_fini(&p->list);
	(void)keeper_each(p->k, wish_one, p);
	if (checks_set(p->checks, p->list.asks, p->list.nasks, p->list.targets, p->list.ntargets, &err) < 0)
		keeper_say(p->k, "backends are checked as before: %s", err.text);
}

const struct keeper_part keeper_checks = {
	.name = "checks",
	.open = part_open,
	.fd = part_fd,
	.turn = part_turn,
	.wished = part_wished,
	.close = part_close,
};
