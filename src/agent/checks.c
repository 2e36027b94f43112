/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/checks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/lb/look.h"

/* check_target.tag: the wish, the VIP in it, the backend in that */
#define TAG(wish, vip, backend) ((uint64_t)(wish) << 32 | (uint64_t)(vip) << 16 | (backend))

/* ---- numbers of backends ---- */

struct numbered {
	struct lb_addr addr;
	uint32_t number;
};

struct numbers {
	struct numbered *rows; /* LB_REALS; sorted */
	size_t count;
};

static int number_add(void *arg, uint32_t number, const struct lb_real *real)
{
	struct numbers *n = arg;
	struct numbered *row = &n->rows[n->count++];

	memcpy(row->addr.addr, real->addr, sizeof(row->addr.addr));
	row->addr.family = real->family;
	row->number = number;
	return 0;
}

static int addr_compare(const void *a, const void *b)
{
	return memcmp(&((const struct numbered *)a)->addr, &((const struct numbered *)b)->addr, sizeof(struct lb_addr));
}

static int numbers_read(struct numbers *n, const struct chain *chain)
{
	n->rows = calloc(LB_REALS, sizeof(*n->rows));
	if (!n->rows)
		return -ENOMEM;
	if (chain)
		(void)lb_look_reals(chain, number_add, n);
	qsort(n->rows, n->count, sizeof(*n->rows), addr_compare);
	return 0;
}

static uint32_t number_of(const struct numbers *n, const struct lb_addr *addr)
{
	struct numbered key = { .addr = *addr };
	const struct numbered *row = bsearch(&key, n->rows, n->count, sizeof(key), addr_compare);

	return row ? row->number : 0;
}

/* ---- one VIP ---- */

static struct sign_addr sign_addr_of(const struct lb_addr *a)
{
	struct sign_addr s;

	memset(&s, 0, sizeof(s));
	s.family = a->family == 4 ? AF_INET : AF_INET6;
	memcpy(s.bytes, a->addr, a->family == 4 ? 4 : 16);
	return s;
}

/* The address itself, or the first one of a network that a host may have. */
static struct sign_addr vip_host(const struct lb_wish_vip *vip)
{
	struct sign_addr s = sign_addr_of(&vip->addr);
	unsigned bytes = s.family == AF_INET ? 4 : 16;

	if (vip->bits < 8 * bytes - 1)
		s.bytes[bytes - 1] |= 1;
	return s;
}

/* Text, or 0x and bytes in hex. */
static uint32_t payload(const char *text, uint8_t out[CHECK_ASK_TEXT])
{
	size_t len = strlen(text), i;
	unsigned byte;

	if (len < 4 || len % 2 || strncmp(text, "0x", 2) != 0 ||
	    strspn(text + 2, "0123456789abcdefABCDEF") != len - 2) {
		memcpy(out, text, len);
		return (uint32_t)len;
	}
	for (i = 2; i < len; i += 2) {
		(void)sscanf(text + i, "%2x", &byte);
		out[i / 2 - 1] = (uint8_t)byte;
	}
	return (uint32_t)(len / 2 - 1);
}

static void ask_fill(struct check_ask *a, const struct wish_if *f, const struct wish_vip *v,
		     const struct wish_health *h)
{
	static const enum check_kind kinds[] = { [WISH_CHECK_TCP] = CHECK_TCP,
						 [WISH_CHECK_HTTP] = CHECK_HTTP,
						 [WISH_CHECK_HTTPS] = CHECK_HTTPS,
						 [WISH_CHECK_TLS] = CHECK_TLS,
						 [WISH_CHECK_UDP] = CHECK_UDP };
	bool nat = v->vip.flags & LB_VIP_NAT;

	/* compared as bytes later, padding and all */
	memset(a, 0, sizeof(*a));
	a->kind = kinds[h->kind];
	a->interval_ms = h->interval_ms;
	a->timeout_ms = h->timeout_ms;
	a->rise = h->rise;
	a->fall = h->fall;
	a->status_from = (uint16_t)(h->status >> 16);
	a->status_to = (uint16_t)h->status;
	a->verify = h->verify == WISH_SWITCH_ON;
	(void)snprintf(a->interface, sizeof(a->interface), "%s", f->name);
	memcpy(a->host, h->host, sizeof(a->host));
	memcpy(a->path, h->path, sizeof(a->path));
	memcpy(a->text, h->text, sizeof(a->text));
	a->send_bytes = payload(h->send, a->send);
	a->answer_bytes = payload(h->answer, a->answer);
	a->vip = sign_addr_of(&v->vip.addr);
	a->vip_port = nat && v->vip.nat_port ? v->vip.nat_port : v->vip.port;
	a->vip_proto = v->vip.proto;
}

static void target_fill(struct check_target *t, const struct wish_vip *v, const struct wish_backend *b,
			const struct wish_health *h, const struct numbers *n)
{
	bool nat = v->vip.flags & LB_VIP_NAT;
	uint16_t usual = nat && v->vip.nat_port ? v->vip.nat_port : v->vip.port;

	memset(t, 0, sizeof(*t));
	t->backend = sign_addr_of(&b->addr);
	t->to = nat ? t->backend : vip_host(&v->vip);
	t->port = (uint16_t)(h->port ? h->port : usual);
	if (!nat && !b->local)
		t->mark = (v->vip.flags & LB_VIP_L2 ? LB_CHECK_MARKS_L2 : LB_CHECK_MARKS) + number_of(n, &b->addr);
}

static int room_for(struct check_list *l, size_t more)
{
	size_t room = MAX(2 * l->room, l->ntargets + more);
	void *grown;

	if (l->ntargets + more <= l->room)
		return 0;
	grown = realloc(l->targets, room * sizeof(*l->targets));
	if (!grown)
		return -ENOMEM;
	l->targets = grown;
	l->room = room;
	return 0;
}

static int vip_add(struct check_list *l, const struct wish_if *f, size_t vip, const struct wish_health *h,
		   const struct numbers *n)
{
	const struct wish_vip *v = &f->vips[vip];
	struct check_ask *grown = array_grown(l->asks, l->nasks, sizeof(*grown));
	size_t i;

	if (!grown || room_for(l, v->nbackends))
		return -ENOMEM;
	l->asks = grown;
	for (i = 0; i < v->nbackends; i++) {
		struct check_target *t = &l->targets[l->ntargets++];

		target_fill(t, v, &v->backends[i], h, n);
		t->ask = (uint32_t)l->nasks;
		t->tag = TAG(l->nwishes, vip, i);
	}
	ask_fill(&l->asks[l->nasks++], f, v, h);
	return 0;
}

/* ---- all ---- */

void check_list_fini(struct check_list *l)
{
	if (!l)
		return;
	free(l->asks);
	free(l->targets);
	free(l->wishes);
	free(l->chains);
	memset(l, 0, sizeof(*l));
}

static int wish_add_to(struct check_list *l, const struct wish_if *f, const struct chain *chain)
{
	const struct wish_if **wishes = array_grown(l->wishes, l->nwishes, sizeof(*wishes));
	const struct chain **chains;

	if (!wishes)
		return -ENOMEM;
	l->wishes = wishes;
	chains = array_grown(l->chains, l->nwishes, sizeof(*chains));
	if (!chains)
		return -ENOMEM;
	l->chains = chains;
	wishes[l->nwishes] = f;
	chains[l->nwishes] = chain;
	return 0;
}

int check_list_add(struct check_list *l, const struct wish_if *f, const struct chain *chain, struct err *err)
{
	struct numbers n = { 0 };
	struct wish_health h;
	size_t i;
	int r = wish_add_to(l, f, chain) || numbers_read(&n, chain) ? -ENOMEM : 0;

	for (i = 0; i < f->nvips && !r; i++) {
		if (wish_health_checks(f, &f->vips[i], &h))
			r = vip_add(l, f, i, &h, &n);
	}
	free(n.rows);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	l->nwishes++;
	return 0;
}

const struct wish_if *check_list_wish(const struct check_list *l, const struct check_target *t,
				      const struct wish_vip **ret_vip, const struct wish_backend **ret_backend)
{
	const struct wish_if *f = l->wishes[t->tag >> 32];
	const struct wish_vip *v = &f->vips[t->tag >> 16 & 0xffff];

	*ret_vip = v;
	*ret_backend = &v->backends[t->tag & 0xffff];
	return f;
}

uint64_t check_list_left(const struct check_list *l, const struct check_target *t)
{
	const struct chain *c = l->chains[t->tag >> 32];
	uint32_t number = (t->mark - LB_CHECK_MARKS) % LB_REALS;
	static uint64_t unknown;
	struct chain_count n = { 0 };

	if (!c || !number)
		return 0;
	/* of another build, which counted none: always another number */
	return lb_look_count(c, "lb_check_counts", number, &n) < 0 ? ++unknown : n.packets;
}
