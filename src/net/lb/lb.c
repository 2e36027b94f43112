/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/conns.h"
#include "net/lb/endpoint.h"
#include "packet/wire.h"

#define VIPS_DEFAULT 512
#define CONNS_DEFAULT 65536
#define NATS_DEFAULT 65536
#define SPARE_CONNS 1024

extern const unsigned char bpf_net_lb_data[], bpf_net_decap_data[], bpf_net_health_data[];
extern const size_t bpf_net_lb_size, bpf_net_decap_size, bpf_net_health_size;
extern const unsigned char bpf_net_lb_tc_data[], bpf_net_decap_tc_data[];
extern const size_t bpf_net_lb_tc_size, bpf_net_decap_tc_size;

const struct chain_object lb_objects[LB_OBJECTS] = {
	{ "lb", { { bpf_net_lb_data, &bpf_net_lb_size }, { bpf_net_lb_tc_data, &bpf_net_lb_tc_size } } },
	{ "decap", { { bpf_net_decap_data, &bpf_net_decap_size }, { bpf_net_decap_tc_data, &bpf_net_decap_tc_size } } },
	{ "health", { { bpf_net_health_data, &bpf_net_health_size }, { bpf_net_health_data, &bpf_net_health_size } } },
};

/* ---- addresses ---- */

int lb_addr_parse(const char *text, struct lb_addr *ret)
{
	struct lb_addr a = { 0 };

	if (inet_pton(AF_INET, text, a.addr) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.addr) == 1)
		a.family = 6;
	else
		return -EINVAL;
	*ret = a;
	return 0;
}

const char *lb_addr_text(const struct lb_addr *addr, char out[LB_ADDR_TEXT])
{
	if (!inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->addr, out, LB_ADDR_TEXT))
		(void)snprintf(out, LB_ADDR_TEXT, "?");
	return out;
}

bool lb_is_network(const struct lb_wish_vip *vip)
{
	return vip->bits < (vip->addr.family == 4 ? 32 : 128);
}

const char *lb_vip_text(const struct lb_wish_vip *vip)
{
	static __thread char texts[2][LB_ADDR_TEXT + 24];
	static __thread unsigned turn;
	char addr[LB_ADDR_TEXT], bits[8] = "", *out = texts[turn++ & 1];

	if (lb_is_network(vip))
		(void)snprintf(bits, sizeof(bits), "/%u", vip->bits);
	(void)snprintf(out, sizeof(texts[0]), vip->addr.family == 6 ? "[%s%s]:%u/%s" : "%s%s:%u/%s",
		       lb_addr_text(&vip->addr, addr), bits, vip->port, vip->proto == PROTO_TCP ? "tcp" : "udp");
	return out;
}

void lb_vip_key_fill(const struct lb_wish_vip *vip, struct lb_prefix_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->bits = 32U + vip->bits;
	ret->port = WIRE16(vip->port);
	ret->proto = vip->proto;
	ret->family = vip->addr.family;
	memcpy(ret->addr, vip->addr.addr, sizeof(ret->addr));
}

/* ---- numbers ---- */

static uint64_t key_hash(const struct lb_prefix_key *key)
{
	uint64_t words[sizeof(*key) / 8], h = 0;
	size_t i;

	memcpy(words, key, sizeof(words));
	for (i = 0; i < ARRAY_LEN(words); i++)
		h = map_hash(h ^ words[i]);
	return h;
}

/* Both maps hold numbers under hashes; where two hash alike, the later stands under the next hash that is free. */
uint32_t lb_backend_number(const struct lb *lb, const struct lb_addr *addr)
{
	uint64_t hash = endpoint_hash(addr), *number;

	for (number = map_get(&lb->by_addr, hash); number; number = map_get(&lb->by_addr, ++hash)) {
		if (!memcmp(&lb->addrs[*number], addr, sizeof(*addr)))
			return (uint32_t)*number;
	}
	return 0;
}

int lb_backend_place(struct lb *lb, uint32_t number, const struct lb_addr *addr)
{
	uint64_t hash = endpoint_hash(addr);

	while (map_get(&lb->by_addr, hash))
		hash++;
	if (map_set(&lb->by_addr, hash, number))
		return -ENOMEM;
	lb->addrs[number] = *addr;
	return 0;
}

/* The counters of a number that another had begin at 0. */
static void count_anew(struct lb *lb, const char *map, uint32_t number)
{
	int cpus = libbpf_num_possible_cpus();
	CLEANUP_FREE struct chain_count *none = calloc((size_t)MAX(cpus, 1), sizeof(*none));

	if (none)
		(void)bpf_map_update_elem(chain_map(lb->chain, map), &number, none, BPF_ANY);
}

static void backend_count_anew(struct lb *lb, uint32_t number)
{
	uint64_t none = 0;

	count_anew(lb, "lb_real_counts", number);
	(void)bpf_map_update_elem(chain_map(lb->chain, "lb_syns_again"), &number, &none, BPF_ANY);
}

/* A number that was never given, or one that numbers_free() has taken back. */
static uint32_t backend_add(struct lb *lb, const struct lb_addr *addr, struct err *err)
{
	uint32_t number = lb->nreals;

	if (number == LB_REALS) {
		for (number = 1; number < LB_REALS && lb->addrs[number].family; number++)
			;
	}
	if (number == LB_REALS) {
		(void)err_set(err, ENOSPC,
			      "there is no room for more than %u backends, those that still run among them: leave out "
			      "some that are to go with a wish before this one",
			      LB_REALS - 1);
		return 0;
	}
	if (lb_backend_place(lb, number, addr)) {
		(void)err_set(err, ENOMEM, "out of memory");
		return 0;
	}
	lb_name_write(lb, number);
	if (number < lb->nreals)
		backend_count_anew(lb, number);
	else
		lb->nreals++;
	return number;
}

static int number_used(void *arg, uint32_t number, const struct lb_real *real)
{
	uint8_t *gone = arg;

	(void)real;
	gone[number] = 0;
	return 0;
}

static size_t numbers_wished(const struct lb *lb, const struct lb_wish *wish, uint8_t *gone)
{
	size_t i, k, n = wish->nids + wish->nroutes;

	for (i = 0; i < wish->nvips; i++) {
		for (k = 0; k < wish->vips[i].nbackends; k++)
			gone[lb_backend_number(lb, &wish->vips[i].backends[k].addr)] = 0;
		n += k;
	}
	for (i = 0; i < wish->nids; i++)
		gone[lb_backend_number(lb, &wish->ids[i].to.addr)] = 0;
	for (i = 0; i < wish->nroutes; i++)
		gone[lb_backend_number(lb, &wish->routes[i].to.addr)] = 0;
	return n;
}

/*
 * When numbers may run out: those are taken back that neither the wish nor what runs has.  Their connections are taken out
 * of the tables before, so none leads to a stranger.
 */
static int numbers_free(struct lb *lb, const struct lb_wish *wish)
{
	uint8_t gone[LB_REALS];
	uint32_t i;

	memset(gone, 0, sizeof(gone));
	memset(gone + 1, 1, lb->nreals - 1);
	if (numbers_wished(lb, wish, gone) + lb->nreals <= LB_REALS)
		return 0;
	gone[0] = 0;
	(void)lb_look_reals(lb->chain, number_used, gone);
	lb_conns_forget(lb->chain, gone);
	map_fini(&lb->by_addr);
	lb->by_addr = (struct map)MAP_INIT;
	for (i = 1; i < lb->nreals; i++) {
		struct lb_addr addr = lb->addrs[i];

		memset(&lb->addrs[i], 0, sizeof(addr));
		if (gone[i])
			lb_name_write(lb, i);
		else if (addr.family && lb_backend_place(lb, i, &addr))
			return -ENOMEM;
	}
	lb->nreals = LB_REALS;
	return 0;
}

uint32_t lb_number_backend(struct lb *lb, const struct lb_wish_backend *b, struct err *err)
{
	uint32_t number = lb_backend_number(lb, &b->addr);
	struct lb_real *real;
	char text[LB_ADDR_TEXT];

	if (!number)
		number = backend_add(lb, &b->addr, err);
	if (!number)
		return 0;
	real = &lb->reals[number];
	if (real->family && (real->flags != b->flags || real->ifindex != b->ifindex ||
			     memcmp(real->mac, b->mac, sizeof(real->mac)) != 0)) {
		(void)err_set(err, EINVAL, "backend %s is wished in two ways: with one tunnel and with another",
			      lb_addr_text(&b->addr, text));
		return 0;
	}
	memcpy(real->addr, b->addr.addr, sizeof(real->addr));
	real->family = b->addr.family;
	real->flags = b->flags;
	real->ifindex = b->ifindex;
	memcpy(real->mac, b->mac, sizeof(real->mac));
	return number;
}

uint32_t lb_vip_number(const struct lb *lb, const struct lb_wish_vip *vip)
{
	struct lb_prefix_key key;
	uint64_t hash, *number;

	lb_vip_key_fill(vip, &key);
	hash = key_hash(&key);
	for (number = map_get(&lb->by_key, hash); number; number = map_get(&lb->by_key, ++hash)) {
		if (!memcmp(&lb->vips[*number - 1].key, &key, sizeof(key)))
			return (uint32_t)*number;
	}
	return 0;
}

/* All numbers anew, after one was given or taken. */
int lb_vips_index(struct lb *lb)
{
	uint32_t i;

	map_fini(&lb->by_key);
	lb->by_key = (struct map)MAP_INIT;
	for (i = 0; i < lb->nvips; i++) {
		uint64_t hash = key_hash(&lb->vips[i].key);

		if (!lb->vips[i].key.family)
			continue;
		while (map_get(&lb->by_key, hash))
			hash++;
		if (map_set(&lb->by_key, hash, i + 1))
			return -ENOMEM;
	}
	return 0;
}

/* Gives a number that neither side has; the index is made anew by the caller. */
static uint32_t vip_add(struct lb *lb, const struct lb_wish_vip *vip, uint32_t *from)
{
	for (; *from < lb->nvips; (*from)++) {
		struct lb_vip_state *state = &lb->vips[*from];

		if (state->sides[0].wished || state->sides[1].wished)
			continue;
		count_anew(lb, "lb_vip_counts", *from + 1);
		count_anew(lb, "lb_vip_syns", *from + 1);
		lb_vip_key_fill(vip, &state->key);
		return ++*from;
	}
	return 0;
}

/* ---- rings ---- */

static bool ring_in_use(const struct lb *lb, uint32_t ring)
{
	uint32_t i, side;

	for (i = 0; i < lb->nvips; i++) {
		for (side = 0; side < 2; side++) {
			if (lb->vips[i].sides[side].wished && lb->vips[i].sides[side].ring == ring)
				return true;
		}
	}
	return false;
}

static int ring_make(struct lb *lb, struct lb_vip_side *side, uint32_t *from)
{
	int r;

	while (*from < lb->nrings && ring_in_use(lb, *from))
		(*from)++;
	if (*from == lb->nrings)
		return -ENOSPC; /* cannot be: there are two for each VIP */
	side->ring = (*from)++;
	lb_made_write(lb, side->ring, 0); /* until it is whole */
	r = maglev_fill(lb->rings[side->ring].real, lb->ring_places, side->nodes, side->nnodes);
	if (!r)
		lb_made_write(lb, side->ring, side->made_of);
	return r;
}

/* Not 0, which stands for a ring that nobody knows. */
static uint64_t nodes_hash(const struct lb *lb, const struct lb_vip_side *side)
{
	uint64_t h = map_hash(lb->ring_places);
	size_t i;

	for (i = 0; i < side->nnodes; i++) {
		h = map_hash(h + side->nodes[i].hash);
		h = map_hash(h + ((uint64_t)side->nodes[i].weight << 16 | side->nodes[i].real));
	}
	return h ? h : 1;
}

static int node_compare(const void *a, const void *b)
{
	const struct maglev_node *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (int)x->real - (int)y->real;
}

static int side_nodes(struct lb *lb, const struct lb_wish_vip *vip, struct lb_vip_side *side, struct err *err)
{
	size_t i;

	free(side->nodes);
	side->nnodes = 0;
	side->nodes = calloc(vip->nbackends ? vip->nbackends : 1, sizeof(*side->nodes));
	if (!side->nodes)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < vip->nbackends; i++) {
		struct maglev_node *node = &side->nodes[i];

		node->real = (uint16_t)lb_number_backend(lb, &vip->backends[i], err);
		if (!node->real)
			return -EINVAL;
		node->hash = endpoint_hash(&vip->backends[i].addr);
		node->weight = vip->backends[i].weight;
	}
	side->nnodes = vip->nbackends;
	qsort(side->nodes, side->nnodes, sizeof(*side->nodes), node_compare);
	for (i = 1; i < side->nnodes; i++) {
		char text[LB_ADDR_TEXT];

		if (side->nodes[i].real == side->nodes[i - 1].real)
			return err_set(err, EEXIST, "VIP %s has backend %s twice", lb_vip_text(vip),
				       lb_addr_text(&lb->addrs[side->nodes[i].real], text));
	}
	side->made_of = nodes_hash(lb, side);
	return 0;
}

/* A VIP's ring on the hidden side: that of the visible side if the backends are the same. */
static int vip_ring(struct lb *lb, struct lb_vip_state *state, bool keep, uint32_t *from)
{
	uint32_t hidden = chain_hidden(lb->chain);
	struct lb_vip_side *side = &state->sides[hidden], *seen = &state->sides[!hidden];
	int r;

	side->wished = true;
	if (keep && seen->wished && side->made_of == seen->made_of) {
		side->ring = seen->ring;
		side->moved = seen->moved;
		return 0;
	}
	side->moved = seen->wished || lb->carried;
	side->ring = LB_NO_RING;
	r = ring_make(lb, side, from);
	if (r == -ENOENT)
		side->ring = LB_NO_RING;
	return r == -ENOENT ? 0 : r;
}

/* ---- a wish ---- */

/* The ways to backends that a VIP may have. */
static int vip_check(const struct lb_wish_vip *vip, struct err *err)
{
	bool nat = vip->flags & LB_VIP_NAT;
	char text[LB_ADDR_TEXT];
	size_t i;

	if (nat && vip->flags & LB_VIP_L2)
		return err_set(err, EINVAL, "VIP %s is wished with NAT and with L2: only one of both can be",
			       lb_vip_text(vip));
	if (vip->nat_port && !nat)
		return err_set(err, EINVAL, "VIP %s has a port of its backends, which only NAT can write",
			       lb_vip_text(vip));
	for (i = 0; nat && i < vip->nbackends; i++) {
		if (vip->backends[i].addr.family != vip->addr.family)
			return err_set(err, EINVAL, "VIP %s cannot reach backend %s by NAT: it is of the other family",
				       lb_vip_text(vip), lb_addr_text(&vip->backends[i].addr, text));
	}
	return 0;
}

static int wish_number_vips(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	uint32_t from = 0;
	size_t i;

	if (wish->nvips > lb->opts.vips)
		return err_set(err, ENOSPC, "%zu VIPs are wished, there is room for %u", wish->nvips, lb->opts.vips);
	for (i = 0; i < wish->nvips; i++) {
		int r = vip_check(&wish->vips[i], err);

		if (r < 0)
			return r;
	}
	/* first those that have a number, so that it is not given away */
	for (i = 0; i < wish->nvips; i++) {
		uint32_t number = lb_vip_number(lb, &wish->vips[i]);
		struct lb_vip_side *side = number ? &lb->vips[number - 1].sides[chain_hidden(lb->chain)] : NULL;

		if (side && side->wished)
			return err_set(err, EEXIST, "VIP %s is wished twice", lb_vip_text(&wish->vips[i]));
		if (side)
			side->wished = true;
	}
	for (i = 0; i < wish->nvips; i++) {
		if (lb_vip_number(lb, &wish->vips[i]))
			continue;
		if (!vip_add(lb, &wish->vips[i], &from))
			return err_set(err, ENOSPC, "there is no room for VIP %s beside those that still run",
				       lb_vip_text(&wish->vips[i]));
		lb->vips[from - 1].sides[chain_hidden(lb->chain)].wished = true;
	}
	return lb_vips_index(lb) ? err_set(err, ENOMEM, "out of memory") : 0;
}

static void wish_begin(struct lb *lb)
{
	uint32_t i;

	for (i = 0; i < lb->nvips; i++) {
		struct lb_vip_side *side = &lb->vips[i].sides[chain_hidden(lb->chain)];

		side->wished = false;
		side->ring = LB_NO_RING;
	}
	memset(lb->reals, 0, LB_REALS * sizeof(*lb->reals));
}

static int wish_rings(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	uint32_t places = wish->config.ring ? wish->config.ring : LB_RING, from = 0;
	bool keep = places == lb->ring_places;
	size_t i;
	int r;

	if (places > LB_RING || places < 2)
		return err_set(err, EINVAL, "a ring has at most %u places, not %u", LB_RING, places);
	lb->ring_places = places;
	for (i = 0; i < wish->nvips; i++) {
		uint32_t number = lb_vip_number(lb, &wish->vips[i]);
		struct lb_vip_state *state = &lb->vips[number - 1];

		r = side_nodes(lb, &wish->vips[i], &state->sides[chain_hidden(lb->chain)], err);
		if (r < 0)
			return r;
		r = vip_ring(lb, state, keep, &from);
		if (r < 0)
			return err_errno(err, -r, "cannot build the ring of VIP %s", lb_vip_text(&wish->vips[i]));
	}
	return 0;
}

int lb_prepare(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	int r;

	wish_begin(lb);
	r = numbers_free(lb, wish) ? err_set(err, ENOMEM, "out of memory") : 0;
	if (!r)
		r = wish_number_vips(lb, wish, err);
	if (!r)
		r = wish_rings(lb, wish, err);
	if (!r)
		r = lb_tables_write(lb, wish, err);
	if (r < 0)
		wish_begin(lb);
	return r;
}

int lb_apply(struct lb *lb, const struct lb_wish *wish, const struct chain_plan *plan, struct err *err)
{
	int r = lb_prepare(lb, wish, err);

	return r < 0 ? r : chain_commit(lb->chain, plan, err);
}

/* ---- life cycle ---- */

static int conns_make_one(const struct lb *lb, uint32_t cpu, uint32_t buckets, struct err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	int outer = chain_map(lb->chain, "lb_conns");
	uint32_t id;

	if (!bpf_map_lookup_elem(outer, &cpu, &id))
		return 0; /* of one who was here before */
	CLEANUP_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lb_conns_cpu", sizeof(uint32_t),
					      sizeof(struct lb_bucket), buckets, &opts);
	if (fd < 0 || bpf_map_update_elem(outer, &cpu, &fd, BPF_ANY))
		return err_errno(err, errno, "cannot make the connection table of CPU %u", cpu);
	return 0;
}

/* The seed stays what it is, should there be one: without it what is in the tables would not be found. */
static int conns_shape(const struct lb *lb, struct lb_shape *shape, struct err *err)
{
	int fd = chain_map(lb->chain, "lb_conn_shape");
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, shape))
		return err_errno(err, errno, "cannot read the shape of connection tables");
	if (shape->seed)
		return 0;
	if (getrandom(&shape->seed, sizeof(shape->seed), 0) != sizeof(shape->seed))
		return err_errno(err, errno, "cannot get random bytes");
	shape->seed |= 1;
	/* twice as many places as connections */
	shape->buckets = MAX(2 * lb->opts.conns / LB_WAYS, 1U);
	if (bpf_map_update_elem(fd, &zero, shape, BPF_ANY))
		return err_errno(err, errno, "cannot write the shape of connection tables");
	return 0;
}

/*
 * Each CPU's connection table is made here: the kernel keeps them for as long as the map that holds them.  A CPU that is not
 * online has none; should it come, it has its part of the spare one.
 */
static int conns_make(struct lb *lb, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	struct lb_shape shape = { 0 };
	uint32_t from, to, cpus = 0;
	int r = conns_shape(lb, &shape, err);

	if (r < 0 || lb->opts.no_cpu_tables)
		return r;
	while (f && fscanf(f, "%u", &from) == 1) {
		to = from;
		if (fscanf(f, "-%u", &to) < 0)
			to = from;
		for (; from <= to && from < LB_CPUS; from++) {
			r = conns_make_one(lb, from, shape.buckets, err);
			if (r < 0)
				return r;
			cpus = from + 1;
		}
		if (fgetc(f) != ',')
			break;
	}
	return lb_conns_cpus(lb->chain, cpus, lb->opts.global ? cpus * lb->opts.conns : 0, err);
}

static int rings_map(struct lb *lb, struct err *err)
{
	void *at;

	lb->nrings = 2 * lb->opts.vips;
	at = mmap(NULL, lb->nrings * sizeof(*lb->rings), PROT_READ | PROT_WRITE, MAP_SHARED,
		  chain_map(lb->chain, "lb_rings"), 0);
	if (at == MAP_FAILED)
		return err_errno(err, errno, "cannot map the rings");
	lb->rings = at;
	return 0;
}

static int lb_load(struct lb *lb, struct err *err)
{
	const struct chain_size sizes[] = {
		{ "lb_rings", 2 * lb->opts.vips },
		{ "lb_vip_counts", lb->nvips + 1 },
		{ "lb_vip_syns", lb->nvips + 1 },
		{ "lb_nats", lb->opts.nats },
		{ "lb_conns_spare", lb->opts.no_cpu_tables ? lb->opts.conns : SPARE_CONNS },
	};
	bool loaded = chain_program(lb->chain, "lb_stage") >= 0;
	size_t i;
	int r;

	for (i = 0; i < LB_OBJECTS && !loaded; i++) {
		r = chain_load(lb->chain, &lb_objects[i], sizes, ARRAY_LEN(sizes), err);
		if (r < 0)
			return r;
	}
	r = rings_map(lb, err);
	if (!r)
		r = conns_make(lb, err);
	if (!r)
		r = lb_names_make(lb, err);
	return r < 0 ? r : lb_take_over(lb, err);
}

int lb_new(struct chain *chain, const struct lb_opts *opts, struct lb **ret, struct err *err)
{
	struct lb *lb = calloc(1, sizeof(*lb));
	int r;

	if (!lb)
		return err_set(err, ENOMEM, "out of memory");
	lb->chain = chain;
	lb->opts = *opts;
	lb->opts.vips = opts->vips ? opts->vips : VIPS_DEFAULT;
	lb->nvips = 2 * lb->opts.vips;
	lb->opts.conns = opts->conns ? opts->conns : CONNS_DEFAULT;
	lb->opts.nats = opts->nats ? opts->nats : NATS_DEFAULT;
	lb->nreals = 1;
	lb->reals = calloc(LB_REALS, sizeof(*lb->reals));
	lb->addrs = calloc(LB_REALS, sizeof(*lb->addrs));
	lb->vips = calloc(lb->nvips, sizeof(*lb->vips));
	r = lb->reals && lb->addrs && lb->vips ? lb_load(lb, err) : err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		(void)lb_free(lb);
		return r;
	}
	*ret = lb;
	return 0;
}

struct lb *lb_free(struct lb *lb)
{
	uint32_t i;

	if (!lb)
		return NULL;
	if (lb->rings)
		(void)munmap(lb->rings, lb->nrings * sizeof(*lb->rings));
	for (i = 0; lb->vips && i < lb->nvips; i++) {
		free(lb->vips[i].sides[0].nodes);
		free(lb->vips[i].sides[1].nodes);
	}
	map_fini(&lb->by_addr);
	map_fini(&lb->by_key);
	free(lb->reals);
	free(lb->addrs);
	free(lb->vips);
	free(lb);
	return NULL;
}
