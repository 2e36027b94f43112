/* SPDX-License-Identifier: Apache-2.0 */
/* lb_check - each check of a wish once, at once, as the agent makes them. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/checks.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"

struct checking {
	const struct lb_args *a;
	struct check_list list;
	struct buf out;
	size_t made, passed;
};

static uint64_t left(void *arg, const struct check_target *t)
{
	return check_list_left(&((const struct checking *)arg)->list, t);
}

static void done(void *arg, const struct check_target *t, const struct check_state *s)
{
	struct checking *c = arg;
	const struct wish_backend *b;
	const struct wish_vip *v;
	char vip[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	uint32_t kind = c->list.asks[t->ask].kind;

	(void)check_list_wish(&c->list, t, &v, &b);
	(void)wish_vip_text(&v->vip, vip);
	(void)lb_addr_text(&b->addr, addr);
	c->passed += s->outcome == CHECK_PASSED;
	if (!c->a->json) {
		buf_printf(&c->out, "%-28s %-20s %-5s %-13s %s\n", vip, b->name[0] ? b->name : addr,
			   check_kind_name(kind), check_outcome_name(s->outcome), s->text);
	} else {
		buf_printf(
			&c->out,
			"%s{\"vip\":\"%s\",\"backend\":\"%s\",\"kind\":\"%s\",\"outcome\":\"%s\",\"took_us\":%" PRIu64
			",\"text\":",
			c->made ? "," : "", vip, addr, check_kind_name(kind), check_outcome_name(s->outcome),
			s->took_ns / 1000);
		buf_json(&c->out, s->text, strlen(s->text));
		buf_char(&c->out, '}');
	}
	c->made++;
}

/* Leaves those that the words name. */
static int choose(struct checking *c, const struct wish_if *f, struct err *err)
{
	const struct lb_args *a = c->a;
	struct check_list *l = &c->list;
	struct lb_wish_vip vip;
	const struct wish_vip *only = NULL, *v;
	const struct wish_backend *b;
	char addr[LB_ADDR_TEXT];
	struct err why = ERR_INIT;
	size_t i, n = 0;

	if (a->nwords > 1 && wish_vip_parse(a->words[1], &vip, &why) < 0)
		return err_set(err, EINVAL, "'%s' is no VIP: %s", a->words[1], why.text);
	if (a->nwords > 1)
		only = wish_vip_find(f, &vip);
	if (a->nwords > 1 && !only)
		return err_set(err, ENOENT, "interface '%s' has no VIP %s", f->name, a->words[1]);
	for (i = 0; i < l->ntargets; i++) {
		(void)check_list_wish(l, &l->targets[i], &v, &b);
		if ((only && v != only) || (a->nwords > 2 && strcmp(a->words[2], b->name) != 0 &&
					    strcmp(a->words[2], lb_addr_text(&b->addr, addr)) != 0))
			continue;
		l->targets[n++] = l->targets[i];
	}
	l->ntargets = n;
	if (n)
		return 0;
	return err_set(
		err, ENOENT,
		"there is nothing to check: the wish of interface '%s' has no such backend, or no `health: {kind: "
		"...}` for it",
		f->name);
}

static int check_all(struct checking *c, struct err *err)
{
	struct checks_opts opts = { .done = done, .left = left, .arg = c, .once = true };
	struct checks *checks;
	int r = checks_new(&opts, &checks, err);

	if (r < 0)
		return r;
	r = checks_set(checks, c->list.asks, c->list.nasks, c->list.targets, c->list.ntargets, err);
	while (!r && checks_waiting(checks)) {
		struct pollfd p = { .fd = checks_fd(checks), .events = POLLIN };

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			r = err_errno(err, errno, "cannot wait for the checks");
		else
			r = checks_turn(checks, clock_boot_ns());
	}
	(void)checks_free(checks);
	return r;
}

static int check_wish(struct checking *c, const struct balancer *b, const struct wish_if *f, struct err *err)
{
	int r = check_list_add(&c->list, f, b->chain, err);

	if (!r)
		r = choose(c, f, err);
	if (r < 0)
		return r;
	if (c->a->json) {
		buf_str(&c->out, "{\"interface\":");
		buf_json(&c->out, f->name, strlen(f->name));
		buf_str(&c->out, ",\"checks\":[");
	}
	r = check_all(c, err);
	if (c->a->json)
		buf_str(&c->out, "]}\n");
	if (!r)
		r = cli_put(&c->out, err);
	if (!r && c->passed < c->made)
		return err_set(err, EIO, "%zu of %zu checks did not pass", c->made - c->passed, c->made);
	return r;
}

int lb_check(const struct lb_args *a, struct err *err)
{
	CLEANUP(wish_fini) struct wish wish = { 0 };
	struct checking c = { .a = a };
	struct balancer b;
	int r = balancer_open(&b, a->on, false, err);

	if (r < 0)
		return r;
	r = balancer_wish(&b, &wish, err);
	if (!r && (!wish.nifs || !b.chain))
		r = err_set(err, ENOENT, "no balancer runs on interface '%s'", a->on);
	if (!r)
		r = check_wish(&c, &b, &wish.ifs[0], err);
	check_list_fini(&c.list);
	buf_fini(&c.out);
	balancer_close(&b);
	return r;
}
