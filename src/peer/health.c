/* SPDX-License-Identifier: Apache-2.0 */
/* health - signs in: what is known of each backend; what is told of it.  What follows is in health_turn.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "peer/health_internal.h"

/* ---- life cycle ---- */

struct health *health_new(void)
{
	return calloc(1, sizeof(struct health));
}

struct health *health_free(struct health *h)
{
	if (!h)
		return NULL;
	free(h->rows);
	map_fini(&h->by_addr);
	free(h);
	return NULL;
}

static bool same_addr(const struct sign_addr *a, const struct sign_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static uint64_t addr_hash(const struct sign_addr *a)
{
	uint64_t words[2];

	_Static_assert(sizeof(a->bytes) == sizeof(words), "an address is two words");
	memcpy(words, a->bytes, sizeof(words));
	return map_hash(map_hash(words[0] ^ a->family) ^ words[1]);
}

int health_find(const struct health *h, const struct sign_addr *addr)
{
	const uint64_t *at = map_get(&h->by_addr, addr_hash(addr));
	size_t i;

	if (!at)
		return -ENOENT;
	if (same_addr(&h->rows[*at].wish.addr, addr))
		return (int)*at;
	/* two with one hash */
	for (i = 0; i < h->n; i++) {
		if (same_addr(&h->rows[i].wish.addr, addr))
			return (int)i;
	}
	return -ENOENT;
}

/* The first of each address. */
static int index_make(struct map *m, const struct health_wish *rows, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && !r; i++) {
		uint64_t hash = addr_hash(&rows[i].addr);

		r = map_get(m, hash) ? 0 : map_set(m, hash, i);
	}
	return r;
}

int health_wish(struct health *h, const struct health_rules *rules, const struct health_wish *rows, size_t n,
		uint64_t now_ns)
{
	struct backend *next = calloc(n ? n : 1, sizeof(*next));
	struct map by_addr = MAP_INIT;
	bool same = rules->window_ns == h->rules.window_ns && rules->effect_ns == h->rules.effect_ns;
	size_t i;

	if (!next || index_make(&by_addr, rows, n)) {
		free(next);
		map_fini(&by_addr);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		int had = health_find(h, &rows[i].addr);

		next[i].share = next[i].applied = HEALTH_WHOLE;
		next[i].since_ns = now_ns;
		if (had >= 0)
			next[i] = h->rows[had];
		next[i].wish = rows[i];
		if (!same) { /* slots of another length */
			memset(next[i].rolls, 0, sizeof(next[i].rolls));
			memset(next[i].figures, 0, sizeof(next[i].figures));
		}
	}
	if (!same)
		h->fresh = (struct roll) { 0 };
	free(h->rows);
	map_fini(&h->by_addr);
	h->by_addr = by_addr;
	h->rows = next;
	h->n = n;
	h->rules = *rules;
	return 0;
}

/* ---- signs ---- */

bool health_about(const struct health *h, const struct sign *s)
{
	if (s->port && h->rules.port && s->port != h->rules.port)
		return false;
	if (s->proto && h->rules.proto && s->proto != h->rules.proto)
		return false;
	return health_find(h, &s->backend) >= 0;
}

static void proof_add(struct proof *p, const struct sign_event *e, uint64_t now_ns)
{
	unsigned i;

	if (!e->seq && !e->boot_ns)
		return;
	for (i = 0; i < HEALTH_EVIDENCE; i++) {
		if (p->at_ns[i] && p->rows[i].host == e->host && p->rows[i].seq == e->seq && p->rows[i].cpu == e->cpu) {
			p->at_ns[i] = now_ns; /* it still holds */
			return;
		}
	}
	p->rows[p->next] = *e;
	p->at_ns[p->next] = now_ns;
	p->next = (p->next + 1) % HEALTH_EVIDENCE;
}

static void count(struct health *h, struct backend *b, enum roll_kind roll, enum figure figure, uint64_t n,
		  uint64_t now_ns)
{
	roll_add(&b->rolls[roll], now_ns, h->rules.window_ns, n);
	roll_add(&b->figures[figure], now_ns, h->rules.effect_ns, n);
}

static void well(struct backend *b)
{
	b->ended = b->presumed = false;
	b->hands_off_ns = 0;
}

static void checked(struct health *h, struct backend *b, const struct sign *s, uint64_t now_ns)
{
	(void)snprintf(b->check_text, sizeof(b->check_text), "%s", s->text);
	if (s->kind == SIGN_CHECK_PASSED) {
		b->fails = 0;
		b->passes++;
		b->took_ns = s->value * 1000;
		roll_add(&b->figures[FIGURE_PASSED], now_ns, h->rules.effect_ns, 1);
		roll_add(&b->figures[FIGURE_TOOK_US], now_ns, h->rules.effect_ns, s->value);
		if (b->passes < h->rules.rise)
			return;
		b->passing = true;
		b->failing = false;
		well(b);
		return;
	}
	b->passes = 0;
	b->fails++;
	count(h, b, ROLL_FAILED, FIGURE_FAILED, 1, now_ns);
	if (b->fails < h->rules.fall)
		return;
	b->failing = true;
	b->passing = false;
}

static void ended(struct backend *b, const struct sign *s)
{
	if (s->value)
		return; /* others listen there */
	b->ended = true;
	b->presumed = b->passing = false;
	b->passes = 0; /* those of before do not speak for it */
	(void)snprintf(b->end_text, sizeof(b->end_text), "%s", s->text);
}

static void heard(struct health *h, struct backend *b, const struct sign *s, uint64_t now_ns)
{
	switch (s->kind) {
	case SIGN_CHECK_PASSED:
	case SIGN_CHECK_FAILED:
		checked(h, b, s, now_ns);
		return;
	case SIGN_LISTENING:
		b->leaving = false;
		well(b);
		break;
	case SIGN_EXIT:
		ended(b, s);
		break;
	case SIGN_RESETS:
		count(h, b, ROLL_RESETS, FIGURE_RESETS, s->value, now_ns);
		break;
	case SIGN_OVERFLOW:
		count(h, b, ROLL_OVERFLOW, FIGURE_TOLD, s->value, now_ns);
		break;
	case SIGN_SLOW:
		b->rtt_us = s->value;
		count(h, b, ROLL_RTT, FIGURE_TOLD, 1, now_ns);
		break;
	case SIGN_RTT:
		b->rtt_us = s->value;
		roll_add(&b->figures[FIGURE_RTTS], now_ns, h->rules.effect_ns, 1);
		roll_add(&b->figures[FIGURE_RTT_US], now_ns, h->rules.effect_ns, s->value);
		break;
	case SIGN_SYN_AGAIN:
		count(h, b, ROLL_AGAIN, FIGURE_AGAIN, s->value, now_ns);
		return; /* that is the balancer's own: nothing of the host */
	case SIGN_SILENT:
		b->silent = true;
		b->host_known = false;
		return;
	case SIGN_LEAVING:
		b->leaving = true;
		break;
	case SIGN_LOAD:
		b->load = s->value;
		b->load_known = true;
		break;
	default:
		break;
	}
	b->silent = false;
	b->host_known = true;
}

static bool is_good(enum sign_kind kind)
{
	return kind == SIGN_CHECK_PASSED || kind == SIGN_LISTENING || kind == SIGN_HEARD || kind == SIGN_LOAD;
}

void health_sign(struct health *h, const struct sign *s, uint64_t now_ns)
{
	int i = health_find(h, &s->backend);

	if (i < 0 || !health_about(h, s))
		return;
	if (s->kind != SIGN_LOAD && s->kind != SIGN_RTT)
		proof_add(is_good(s->kind) ? &h->rows[i].good : &h->rows[i].bad, &s->evidence, now_ns);
	heard(h, &h->rows[i], s, now_ns);
}

void health_packets(struct health *h, size_t backend, uint32_t packets, uint64_t now_ns)
{
	if (backend < h->n)
		count(h, &h->rows[backend], ROLL_PACKETS, FIGURE_PACKETS, packets, now_ns);
}

void health_fresh(struct health *h, uint64_t connections, uint64_t now_ns)
{
	roll_add(&h->fresh, now_ns, h->rules.effect_ns, connections);
}

/* ---- what is told ---- */

size_t health_count(const struct health *h)
{
	return h->n;
}

const struct health_rules *health_rules(const struct health *h)
{
	return &h->rules;
}

static bool is_out(enum healthstate state)
{
	return state == HEALTHSTATE_DOWN || state == HEALTHSTATE_EJECTED;
}

void health_view(const struct health *h, size_t backend, uint64_t now_ns, struct health_view *ret)
{
	const struct backend *b = &h->rows[backend];
	uint64_t window = h->rules.window_ns;

	*ret = (struct health_view) {
		.addr = b->wish.addr,
		.weight = b->wish.weight,
		.share = b->applied,
		.state = b->state,
		.shadow = b->applied != b->share,
		.silent = b->silent,
		.since_ns = b->since_ns,
		.until_ns = is_out(b->state) || b->state == HEALTHSTATE_SLOW_START ? b->until_ns : 0,
		.why = b->why,
		.check_text = b->check_text,
		.ejections = b->ejections,
		.passes = b->passes,
		.fails = b->fails,
		.passing = b->passing,
		.failing = b->failing,
		.check_ns = b->took_ns,
		.again = roll_sum(&b->rolls[ROLL_AGAIN], now_ns, window),
		.resets = roll_sum(&b->rolls[ROLL_RESETS], now_ns, window),
		.overflow = roll_sum(&b->rolls[ROLL_OVERFLOW], now_ns, window),
		.failed = roll_sum(&b->rolls[ROLL_FAILED], now_ns, window),
		.packets = roll_sum(&b->rolls[ROLL_PACKETS], now_ns, window),
		.load = b->load,
		.rtt_us = b->rtt_us,
	};
}

/* mean: their sum, until took_end(). */
static void took_add(struct health_took *t, uint64_t count, uint64_t sum)
{
	t->count += count;
	t->mean += sum;
}

static void took_end(struct health_took *t, uint64_t unit)
{
	t->mean = t->count ? t->mean * unit / t->count : 0;
}

void health_figures(const struct health *h, size_t backend, bool takes, uint64_t now_ns, struct health_figures *ret)
{
	uint64_t sums[FIGURES];
	size_t i, k;

	*ret = (struct health_figures) { .fresh = roll_sum(&h->fresh, now_ns, h->rules.effect_ns) };
	for (i = 0; i < h->n; i++) {
		for (k = 0; k < FIGURES; k++)
			sums[k] = roll_sum(&h->rows[i].figures[k], now_ns, h->rules.effect_ns);
		*(i == backend ? &ret->packets : &ret->others) += sums[FIGURE_PACKETS];
		ret->again += sums[FIGURE_AGAIN];
		ret->resets += sums[FIGURE_RESETS];
		ret->failed += sums[FIGURE_FAILED];
		if (i == backend) {
			ret->own_bad = sums[FIGURE_AGAIN] + sums[FIGURE_RESETS] + sums[FIGURE_FAILED];
			ret->own_told = sums[FIGURE_TOLD];
			ret->passed = sums[FIGURE_PASSED];
		}
		if (i == backend ? !takes : !h->rows[i].applied)
			continue;
		took_add(&ret->checks, sums[FIGURE_PASSED], sums[FIGURE_TOOK_US]);
		took_add(&ret->rtts, sums[FIGURE_RTTS], sums[FIGURE_RTT_US]);
		if (i == backend)
			continue;
		took_add(&ret->others_checks, sums[FIGURE_PASSED], sums[FIGURE_TOOK_US]);
		took_add(&ret->others_rtts, sums[FIGURE_RTTS], sums[FIGURE_RTT_US]);
	}
	took_end(&ret->checks, 1000);
	took_end(&ret->others_checks, 1000);
	took_end(&ret->rtts, 1);
	took_end(&ret->others_rtts, 1);
}

uint32_t health_out(const struct health *h)
{
	uint64_t all = 0, out = 0;
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->rows[i].wish.down)
			continue;
		all += h->rows[i].wish.weight;
		out += h->rows[i].applied ? 0 : h->rows[i].wish.weight;
	}
	return all ? (uint32_t)(out * 100 / all) : 0;
}
