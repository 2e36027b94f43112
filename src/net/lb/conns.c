/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/conns.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/lb/conn_hash.h"

int lb_conns_open(const struct chain *c, uint32_t cpu, struct lb_conns *ret)
{
	CLEANUP_CLOSE int fd = lb_table_open(c, "lb_conns", cpu);
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info), zero = 0;
	struct lb_conns t = { 0 };

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &bytes) || info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size != sizeof(struct lb_bucket) ||
	    bpf_map_lookup_elem(chain_map(c, "lb_conn_shape"), &zero, &t.shape) || t.shape.buckets != info.max_entries)
		return -ENOENT;
	t.bytes = info.max_entries * sizeof(*t.buckets);
	t.buckets = mmap(NULL, t.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t.buckets == MAP_FAILED)
		return -errno;
	*ret = t;
	return 0;
}

void lb_conns_close(struct lb_conns *t)
{
	if (t->buckets)
		(void)munmap(t->buckets, t->bytes);
	t->buckets = NULL;
}

/* A tag is written first and the flow last: where the tag is not that of the flow, both are not of one connection. */
static bool whole(const struct lb_conns *t, uint32_t tag, const struct packet_flow *flow)
{
	return tag && tag == (uint32_t)lb_conn_hash(flow, t->shape.seed);
}

int lb_conns_each(const struct lb_conns *t, int cpu, lb_conn_fn each, void *arg)
{
	uint32_t i, way;
	int r = 0;

	for (i = 0; i < t->shape.buckets; i++) {
		for (way = 0; way < LB_WAYS && !r; way++) {
			const volatile uint32_t *tag = &t->buckets[i].tag[way];
			struct packet_flow flow;
			struct lb_conn conn;

			if (!*tag)
				continue;
			memcpy(&flow, &t->buckets[i].place[way].key, sizeof(flow));
			memcpy(&conn, &t->buckets[i].place[way].conn, sizeof(conn));
			if (whole(t, *tag, &flow))
				r = each(arg, cpu, &flow, &conn);
		}
		if (r)
			return r;
	}
	return 0;
}

const struct lb_conn *lb_conns_find(const struct lb_conns *t, const struct packet_flow *flow)
{
	uint64_t hash = lb_conn_hash(flow, t->shape.seed);
	const struct lb_bucket *b = &t->buckets[lb_bucket_at(hash, &t->shape)];
	uint32_t way = lb_way_of(b, flow, (uint32_t)hash);

	return way < LB_WAYS ? &b->place[way].conn : NULL;
}

/* ---- for all CPUs ---- */

static int global_make(const struct chain *c, uint32_t entries, struct err *err)
{
	CLEANUP_CLOSE int old = lb_table_open(c, "lb_conns_global", 0);
	int outer = chain_map(c, "lb_conns_global"), r = 0;
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info), zero = 0;

	if (!entries) {
		if (old >= 0 && bpf_map_delete_elem(outer, &zero))
			return err_errno(err, errno, "cannot give up the connection table of all CPUs");
		return 0;
	}
	if (old >= 0 && !bpf_obj_get_info_by_fd(old, &info, &bytes) && info.max_entries == entries)
		return 0;
	CLEANUP_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "lb_conns_all", sizeof(struct packet_flow),
					      sizeof(struct lb_conn), entries, NULL);
	if (fd < 0 || bpf_map_update_elem(outer, &zero, &fd, BPF_ANY))
		r = err_errno(err, errno, "cannot make a connection table of %u entries for all CPUs", entries);
	return r;
}

int lb_conns_cpus(const struct chain *c, uint32_t cpus, uint32_t global, struct err *err)
{
	int fd = chain_map(c, "lb_conn_shape"), r = global_make(c, global, err);
	struct lb_shape shape;
	uint32_t zero = 0;

	if (r < 0)
		return r;
	if (bpf_map_lookup_elem(fd, &zero, &shape))
		return err_errno(err, errno, "cannot read the shape of connection tables");
	shape.cpus = global || cpus > LB_ELSEWHERE ? 0 : cpus;
	if (bpf_map_update_elem(fd, &zero, &shape, BPF_ANY))
		return err_errno(err, errno, "cannot write the shape of connection tables");
	return 0;
}

/* ---- from one chain to another ---- */

struct carry {
	struct lb_conns to;
	uint64_t n;
};

/* Into a free place: what is there came later. */
static int carry_one(void *arg, int cpu, const struct packet_flow *flow, const struct lb_conn *conn)
{
	struct carry *c = arg;
	uint64_t hash = lb_conn_hash(flow, c->to.shape.seed);
	struct lb_bucket *b = &c->to.buckets[lb_bucket_at(hash, &c->to.shape)];
	uint32_t way;

	(void)cpu;
	if (lb_way_of(b, flow, (uint32_t)hash) < LB_WAYS)
		return 0;
	way = lb_way_oldest(b, 0);
	if (way >= LB_WAYS || b->tag[way])
		return 0;
	b->place[way].key = *flow;
	b->place[way].conn = *conn;
	__atomic_store_n(&b->tag[way], (uint32_t)hash, __ATOMIC_RELEASE);
	c->n++;
	return 0;
}

uint64_t lb_conns_carry(const struct chain *from, const struct chain *to)
{
	struct carry carry = { 0 };
	struct lb_conns old;
	uint32_t cpu;

	for (cpu = 0; cpu < LB_CPUS; cpu++) {
		if (lb_conns_open(from, cpu, &old) < 0)
			continue;
		if (!lb_conns_open(to, cpu, &carry.to)) {
			(void)lb_conns_each(&old, (int)cpu, carry_one, &carry);
			lb_conns_close(&carry.to);
		}
		lb_conns_close(&old);
	}
	return carry.n;
}

/* Of a table that the kernel keeps; -1: there is none. */
static void forget_hashed(int fd, const uint8_t *gone)
{
	struct packet_flow key, next;
	struct lb_conn conn;
	int more = fd >= 0 && !bpf_map_get_next_key(fd, NULL, &key);

	while (more) {
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &conn) && conn.real < LB_REALS && gone[conn.real])
			(void)bpf_map_delete_elem(fd, &key);
		key = next;
	}
}

void lb_conns_forget(const struct chain *c, const uint8_t *gone)
{
	CLEANUP_CLOSE int global = lb_table_open(c, "lb_conns_global", 0);
	struct lb_conns t;
	uint32_t cpu, i, way;

	for (cpu = 0; cpu < LB_CPUS; cpu++) {
		if (lb_conns_open(c, cpu, &t) < 0)
			continue;
		for (i = 0; i < t.shape.buckets; i++) {
			for (way = 0; way < LB_WAYS; way++) {
				uint32_t real = t.buckets[i].place[way].conn.real;

				if (t.buckets[i].tag[way] && real < LB_REALS && gone[real])
					t.buckets[i].tag[way] = 0;
			}
		}
		lb_conns_close(&t);
	}
	forget_hashed(chain_map(c, "lb_conns_spare"), gone);
	forget_hashed(global, gone);
}
