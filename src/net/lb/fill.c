/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/chain.h"
#include "net/lb/conns.h"
#include "packet/wire.h"

#define SAMPLED 4096 /* buckets whose ages are looked at */
#define BATCH 512    /* entries of a table of the kernel's, read at once */
#define KEPT_FREE \
	128 /* LOCAL_FREE_TARGET of kernel/bpf/bpf_lru_list.c: a CPU takes so many places out of the table at once */
#define HOUR_S 3600

/* ---- what follows from figures ---- */

/* The last second is what passed of this one, and the rest of the one before. */
uint64_t lb_fill_fresh(const struct lb_rate *rate, uint64_t now_ns)
{
	uint64_t now_s = now_ns / NS_PER_SEC, left_ms = 1000 - now_ns % NS_PER_SEC / NS_PER_MS;

	if (rate->second >= now_s) /* a packet may have come since */
		return rate->fresh + (rate->ended + 1 == rate->second ? rate->before * left_ms / 1000 : 0);
	return rate->second + 1 == now_s ? rate->fresh * left_ms / 1000 : 0;
}

void lb_fill_forecast(struct lb_fill *f, uint64_t age_s)
{
	if (f->entries >= f->room)
		f->full_in_s = 0;
	else
		f->full_in_s = f->fresh ? (f->room - f->entries) / f->fresh : LB_FILL_UNKNOWN;
	f->unused_s =
		age_s == LB_FILL_UNKNOWN || f->full_in_s == LB_FILL_UNKNOWN ? LB_FILL_UNKNOWN : age_s + f->full_in_s;
}

bool lb_fill_urgent(const struct lb_fill *f)
{
	return (f->full_in_s && f->full_in_s <= HOUR_S) || (f->young && f->fresh);
}

/* ---- the tables of CPUs ---- */

static int by_age(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct ages {
	uint32_t age_s[SAMPLED]; /* of the entry that would give way in a bucket */
	size_t count;
};

static uint64_t median(struct ages *a)
{
	if (!a->count)
		return LB_FILL_UNKNOWN;
	qsort(a->age_s, a->count, sizeof(*a->age_s), by_age);
	return a->age_s[a->count / 2];
}

/* How many entries a bucket has, and how long ago the least recently used one was used. */
static unsigned bucket_look(const struct lb_bucket *b, uint32_t stamp, uint32_t *ret_age_s)
{
	unsigned way, n = 0;
	int32_t oldest = 0;

	for (way = 0; way < LB_WAYS; way++) {
		int32_t age = (int32_t)(stamp - b->stamp[way]);

		if (!b->tag[way])
			continue;
		n++;
		oldest = MAX(oldest, age);
	}
	*ret_age_s = (uint32_t)(((uint64_t)oldest << LB_STAMP_SHIFT) / NS_PER_SEC);
	return n;
}

static void table_look(const struct lb_conns *t, uint64_t now_ns, struct lb_fill *f)
{
	CLEANUP_FREE struct ages *ages = calloc(1, sizeof(*ages));
	uint32_t stamp = (uint32_t)(now_ns >> LB_STAMP_SHIFT), step = t->shape.buckets / SAMPLED + 1, i, age_s;
	uint64_t young = 0;

	f->room = (uint64_t)t->shape.buckets * LB_WAYS / 2;
	for (i = 0; i < t->shape.buckets; i++) {
		unsigned n = bucket_look(&t->buckets[i], stamp, &age_s);

		f->entries += n;
		young += n == LB_WAYS && age_s < f->idle_s;
		if (n && ages && i % step == 0)
			ages->age_s[ages->count++] = age_s;
	}
	f->young = (uint32_t)(t->shape.buckets ? young * 1000 / t->shape.buckets : 0);
	lb_fill_forecast(f, ages ? median(ages) : LB_FILL_UNKNOWN);
}

/* That of the CPU which is full first, or is fullest.  Returns new connections of all CPUs. */
static uint64_t cpus_look(const struct chain *c, uint64_t now_ns, uint32_t idle_s, struct lb_fill *ret, uint64_t most)
{
	int cpus = libbpf_num_possible_cpus(), i;
	CLEANUP_FREE struct lb_rate *rates = calloc((size_t)MAX(cpus, 1), sizeof(*rates));
	uint64_t all = 0;
	uint32_t zero = 0;
	struct lb_conns t;

	if (!rates || bpf_map_lookup_elem(chain_map(c, "lb_rates"), &zero, rates))
		return 0;
	for (i = 0; i < cpus; i++) {
		struct lb_fill f = { .table = "connections", .cpu = i, .idle_s = idle_s };

		f.fresh = MIN(lb_fill_fresh(&rates[i], now_ns), most); /* in a flood none is remembered */
		all += f.fresh;
		if (lb_conns_open(c, (uint32_t)i, &t) < 0)
			continue;
		table_look(&t, now_ns, &f);
		lb_conns_close(&t);
		if (!ret->table || f.full_in_s < ret->full_in_s ||
		    (f.full_in_s == ret->full_in_s && f.entries > ret->entries))
			*ret = f;
	}
	return all;
}

/* ---- those that the kernel keeps ---- */

struct kept {
	const struct lb_config *config;
	uint64_t entries;
	uint32_t now_s, oldest_s; /* age of the least recently used */
	bool good;		  /* of which is still good */
};

static void nat_look(struct kept *k, const struct packet_flow *flow, const struct lb_nat *e)
{
	int32_t age = (int32_t)(k->now_s - e->seen_s);

	if (k->entries > 1 && age <= (int32_t)k->oldest_s)
		return;
	k->oldest_s = (uint32_t)MAX(age, 0);
	k->good = k->oldest_s < (flow->proto == PROTO_UDP ? k->config->nat_udp_idle_s : k->config->nat_short_s);
}

/* size: of a value; that of lb_nats is read, of others there is nothing to be known. */
static bool kept_look(int fd, bool nat, struct kept *k)
{
	CLEANUP_FREE struct packet_flow *flows = calloc(BATCH, sizeof(*flows));
	CLEANUP_FREE struct lb_nat *values = calloc(BATCH, sizeof(*values));
	uint32_t at = 0, n, i;
	bool first = true, more = true;

	while (flows && values && more) {
		uint32_t next = 0;

		n = BATCH;
		more = !bpf_map_lookup_batch(fd, first ? NULL : &at, &next, flows, values, &n, NULL);
		if (!more && errno != ENOENT)
			return false;
		for (i = 0; i < n; i++) {
			k->entries++;
			if (nat)
				nat_look(k, &flows[i], &values[i]);
		}
		at = next;
		first = false;
	}
	return flows && values;
}

static size_t kernels_look(int fd, const char *name, const struct lb_config *config, uint64_t fresh,
			   struct lb_fill *ret)
{
	struct kept k = { .config = config, .now_s = (uint32_t)(clock_ns(CLOCK_MONOTONIC) / NS_PER_SEC) };
	bool nat = !strcmp(name, "nat");
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);
	uint64_t free_kept = (uint64_t)KEPT_FREE * (uint64_t)MAX(libbpf_num_possible_cpus(), 1);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &bytes) || !kept_look(fd, nat, &k) || !k.entries)
		return 0;
	*ret = (struct lb_fill) {
		.table = name, .cpu = -1, .entries = k.entries, .room = info.max_entries, .fresh = fresh
	};
	ret->idle_s = config->udp_idle_s;
	lb_fill_forecast(ret, nat ? k.oldest_s : LB_FILL_UNKNOWN);
	if (ret->entries + MIN(free_kept, ret->room / 2) >= ret->room) {
		ret->full_in_s = 0;
		ret->unused_s = nat ? k.oldest_s : LB_FILL_UNKNOWN;
		ret->young = nat && k.good ? 1000 : 0;
	}
	return 1;
}

size_t lb_fill_look(const struct chain *c, struct lb_fill rows[LB_FILL_TABLES])
{
	CLEANUP_CLOSE int global = lb_table_open(c, "lb_conns_global", 0);
	struct lb_config config;
	uint64_t fresh;
	size_t n;

	if (lb_look_config(c, &config))
		return 0;
	rows[0] = (struct lb_fill) { 0 };
	fresh = cpus_look(c, clock_ns(CLOCK_MONOTONIC), config.udp_idle_s, &rows[0], config.flood_rate);
	n = rows[0].table != NULL;
	n += kernels_look(chain_map(c, "lb_conns_spare"), "spare", &config, fresh, &rows[n]);
	n += kernels_look(global, "global", &config, fresh, &rows[n]);
	n += kernels_look(chain_map(c, "lb_nats"), "nat", &config, fresh, &rows[n]);
	return n;
}
