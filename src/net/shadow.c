/* SPDX-License-Identifier: Apache-2.0 */
#include "net/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/lb/conns.h"
#include "net/lb/lb.h"
#include "net/lb/look.h"
#include "net/trial.h"
#include "net/wish_make.h"
#include "packet/parse.h"

/* BPF_PROG_TEST_RUN takes a frame of one page, less what it needs itself (net/bpf/test_run.c: headroom and skb_shared_info). */
#define SHADOW_FRAME 3500
#define SHADOW_OUT (SHADOW_FRAME + 256)
#define SHADOW_TUNNEL 48U /* the most that a tunnel puts before a packet */
#define SHADOW_CONNS 1024
#define SHADOW_VIPS 16385 /* numbers: twice WISH_VIPS, of a room that is a power of two */
/* What programs read of a UDP payload: QUIC's flags, version, length and id (net/lb/server_id.bpf.h) */
#define SHADOW_UDP_HEAD 14
/* The copy has no tables of CPUs: its programs use the one for CPUs without. */
#define CONNS "lb_conns_spare"
#define NATS "lb_nats"

struct shadow {
	const struct chain *running;
	struct chain *c;
	struct lb *lb;
	struct trial trial;
	__be16 gue_port;
	struct lb_conns *cpus; /* the live tables, mapped */
	int ncpus;
	uint32_t generation; /* of which vips are */
	bool looked;
	struct {
		bool no_sport, no_dport;
	} vips[SHADOW_VIPS]; /* by their live number: what is not part of a connection's key */
	uint8_t frame[SHADOW_FRAME], out[SHADOW_OUT];
};

static const struct {
	const char *name, *text;
} kinds[SHADOW_KINDS] = {
	[SHADOW_SAME] = { "same", "as now" },
	[SHADOW_KEPT] = { "kept", "as now, but moves only when new: its connection is known and keeps its backend" },
	[SHADOW_OTHER] = { "other_backend", "to another backend: new, or in no connection table" },
	[SHADOW_BROKEN] = { "other_backend_known", "to another backend, though its connection is known" },
	[SHADOW_SEND] = { "would_send", "would be sent, and is not now" },
	[SHADOW_DROP] = { "would_drop", "would be dropped, and is not now" },
	[SHADOW_PASS] = { "would_pass", "would go to the host, and does not now" },
	[SHADOW_REASON] = { "other_reason", "the same verdict, for another reason" },
	[SHADOW_CUT] = { "cannot_tell_cut", "cannot tell: it hangs on bytes that were not drawn" },
	[SHADOW_STATE] = { "cannot_tell_state", "cannot tell: it hangs on a table or rate of the moment" },
};

const char *shadow_name(enum shadow_kind kind)
{
	return kinds[kind].name;
}

const char *shadow_text(enum shadow_kind kind)
{
	return kinds[kind].text;
}

const struct chain *shadow_chain(const struct shadow *s)
{
	return s->c;
}

/* ---- life cycle ---- */

static int tables_open(struct shadow *s, struct err *err)
{
	int i, n = libbpf_num_possible_cpus();

	s->cpus = calloc((size_t)MAX(n, 1), sizeof(*s->cpus));
	if (!s->cpus)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < n; i++) /* a CPU may have none */
		(void)lb_conns_open(s->running, (uint32_t)i, &s->cpus[i]);
	s->ncpus = MAX(n, 0);
	return 0;
}

int shadow_new(const struct chain *running, unsigned ifindex, const struct wish_made *made, struct shadow **ret,
	       struct err *err)
{
	struct lb_opts opts = { .vips = (uint32_t)MAX(made->wish.nvips, (size_t)1),
				.conns = SHADOW_CONNS,
				.nats = SHADOW_CONNS,
				.no_cpu_tables = true };
	struct shadow *s = calloc(1, sizeof(*s));
	struct chain_plan plan = made->plan;
	struct lb_wish wish = made->wish;
	int r;

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->running = running;
	s->gue_port = WIRE16(plan.gue_port);
	plan.sample = plan.sample_drops = 0;
	wish.config.flood_rate = UINT32_MAX; /* it sees only packets that were drawn, and all on one CPU */
	r = chain_new(chain_hook(running), &s->c, err);
	if (!r)
		r = lb_new(s->c, &opts, &s->lb, err);
	if (!r)
		r = lb_apply(s->lb, &wish, &plan, err);
	if (!r)
		r = tables_open(s, err);
	if (!r)
		r = trial_begin(&s->trial, ifindex, err);
	if (r < 0)
		return (void)shadow_free(s), r;
	*ret = s;
	return 0;
}

struct shadow *shadow_free(struct shadow *s)
{
	if (!s)
		return NULL;
	trial_end(&s->trial);
	while (s->ncpus)
		lb_conns_close(&s->cpus[--s->ncpus]);
	free(s->cpus);
	(void)lb_free(s->lb);
	(void)chain_free(s->c);
	free(s);
	return NULL;
}

/* ---- are there enough bytes? ---- */

static uint32_t bytes_read(const struct packet_meta *m)
{
	if (m->proto == PROTO_UDP && m->payload)
		return m->payload + SHADOW_UDP_HEAD;
	return m->payload;
}

/* The packet in a tunnel as a frame, as it is when it was taken out. */
static uint32_t inner_frame(const uint8_t *head, uint32_t bytes, uint32_t inner, uint8_t out[ETHER_BYTES + CHAIN_HEAD])
{
	struct wire_ether ether = { 0 };
	uint32_t n = bytes > inner ? MIN(bytes - inner, (uint32_t)CHAIN_HEAD) : 0;

	if (!n)
		return 0;
	ether.type = head[inner] >> 4 == 6 ? WIRE16(ETHER_IPV6) : WIRE16(ETHER_IPV4);
	memcpy(out, &ether, sizeof(ether));
	memcpy(out + ETHER_BYTES, head + inner, n);
	return ETHER_BYTES + n;
}

/* What is behind the known bytes is not looked at: a fault of length there says that it would have been. */
static bool enough(const uint8_t *head, uint32_t bytes, uint32_t frame, __be16 gue_port, struct packet_meta *m)
{
	(void)packet_parse(head, head + bytes, gue_port, m);
	if (bytes >= frame)
		return true;
	switch (m->fault) {
	case PACKET_SHORT_LINK:
	case PACKET_SHORT_IP:
	case PACKET_SHORT_EXTENSION:
	case PACKET_SHORT_TRANSPORT:
	case PACKET_SHORT_INNER:
		return false;
	default:
		return bytes_read(m) <= bytes;
	}
}

bool shadow_enough(const uint8_t *head, uint32_t bytes, uint32_t frame, __be16 gue_port)
{
	uint8_t inner[ETHER_BYTES + CHAIN_HEAD];
	struct packet_meta m;
	uint32_t n;

	if (!enough(head, bytes, frame, gue_port, &m))
		return false;
	if (bytes >= frame || !(m.flags & (PACKET_IPIP | PACKET_GUE)))
		return true;
	n = inner_frame(head, bytes, m.inner, inner);
	return n && enough(inner, n, n + 1, 0, &m);
}

/* ---- many segments ---- */

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* The length that IP says, of a packet that begins at `ip` and ends with the frame. */
static void length_set(uint8_t *head, uint32_t bytes, uint32_t ip, uint32_t frame)
{
	if (ip + sizeof(struct wire_ipv4) > bytes || frame < ip + sizeof(struct wire_ipv6))
		return;
	if (head[ip] >> 4 == 4)
		put16(head + ip + offsetof(struct wire_ipv4, bytes), frame - ip);
	else
		put16(head + ip + offsetof(struct wire_ipv6, bytes), frame - ip - (uint32_t)sizeof(struct wire_ipv6));
}

uint32_t shadow_segment(uint8_t *head, uint32_t bytes, uint32_t payload, __be16 gue_port)
{
	uint8_t inner[ETHER_BYTES + CHAIN_HEAD];
	struct packet_meta m, in;
	uint32_t frame, n;

	(void)packet_parse(head, head + bytes, gue_port, &m);
	frame = m.payload + payload;
	if (m.flags & (PACKET_IPIP | PACKET_GUE)) {
		n = inner_frame(head, bytes, m.inner, inner);
		(void)packet_parse(inner, inner + n, 0, &in);
		frame = m.inner - ETHER_BYTES + in.payload + payload;
		length_set(head, bytes, m.inner, frame);
	}
	if (m.proto == PROTO_UDP && m.l4 && m.l4 + sizeof(struct wire_udp) <= bytes)
		put16(head + m.l4 + offsetof(struct wire_udp, bytes), frame - m.l4);
	if (m.l3)
		length_set(head, bytes, m.l3, frame);
	return frame;
}

static bool is_too_big(uint32_t reason)
{
	return reason == CHAIN_LB_TOO_BIG || reason == CHAIN_LB_TOO_BIG_TOLD;
}

/*
 * The frame that is run.  TCP's segments are made smaller where a tunnel's headers are put before them (net/hook_tc.bpf.h): one that was not
 * too big must not be so for want of that.
 */
static uint32_t frame_make(struct shadow *s, const struct chain_sample *sample, uint32_t bytes)
{
	uint32_t segment = sample->segment, frame = sample->frame;

	memset(s->frame, 0, sizeof(s->frame));
	memcpy(s->frame, sample->head, bytes);
	if (segment && sample->flow.proto == PROTO_TCP && !is_too_big(sample->reason))
		segment -= MIN(segment, SHADOW_TUNNEL);
	return sample->segment ? MIN(frame, shadow_segment(s->frame, bytes, segment, s->gue_port)) : frame;
}

/* A run of traffic control takes no frame whose IP header is cut off. */
static bool runs(const struct shadow *s, uint32_t frame)
{
	uint32_t least = ETHER_BYTES;

	if (chain_hook(s->c) == CHAIN_ON_TC && frame >= ETHER_BYTES)
		least += s->frame[12] == 0x86 && s->frame[13] == 0xdd ? sizeof(struct wire_ipv6)
								      : sizeof(struct wire_ipv4);
	return frame >= least && frame <= SHADOW_FRAME;
}

/* ---- what the live chain knew of the flow ---- */

static void empty(int map)
{
	struct packet_flow key;

	while (!bpf_map_get_next_key(map, NULL, &key) && !bpf_map_delete_elem(map, &key))
		;
}

static uint32_t number_in_copy(const struct shadow *s, uint32_t live, struct lb_addr *ret)
{
	struct lb_real real;

	*ret = (struct lb_addr) { 0 };
	if (!live || lb_look_real(s->running, live, &real))
		return 0;
	ret->family = real.family;
	memcpy(ret->addr, real.addr, sizeof(ret->addr));
	return lb_backend_number(s->lb, ret);
}

static void conn_put(struct shadow *s, const struct packet_flow *key, uint32_t live)
{
	struct timespec now;
	struct lb_addr addr;
	struct lb_conn conn = { .real = number_in_copy(s, live, &addr) };

	if (!conn.real)
		return; /* after an apply its number would lead nowhere: chosen anew */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	conn.seen_s = (uint32_t)now.tv_sec;
	(void)bpf_map_update_elem(chain_map(s->c, CONNS), key, &conn, BPF_ANY);
}

static int see_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct shadow *s = arg;
	bool any = !key->port || key->bits - 32 < (key->family == 4 ? 32U : 128U);

	if (vip->number >= SHADOW_VIPS)
		return 0;
	/* as lb_flow() makes the key of a connection */
	s->vips[vip->number].no_dport = any && !(vip->flags & (LB_VIP_DPORT_HASH | LB_VIP_BOTH_PORTS));
	s->vips[vip->number].no_sport = vip->flags & LB_VIP_NO_SRC_PORT;
	return 0;
}

static void conn_key(struct shadow *s, const struct chain_sample *sample, struct packet_flow *ret)
{
	uint32_t generation = chain_generation(s->running), rule = sample->rule < SHADOW_VIPS ? sample->rule : 0;

	if (generation != s->generation || !s->looked) {
		(void)lb_look_vips(s->running, see_vip, s);
		s->generation = generation;
		s->looked = true;
	}
	*ret = sample->flow;
	if (s->vips[rule].no_dport)
		ret->dport = 0;
	if (s->vips[rule].no_sport)
		ret->sport = 0;
}

/* The backend of the flow's connection in the live tables, or 0. */
static uint32_t conn_known(const struct shadow *s, const struct packet_flow *key)
{
	const struct lb_conn *found = NULL;
	struct lb_conn conn;
	int i;

	for (i = 0; i < s->ncpus && !found; i++)
		found = s->cpus[i].buckets ? lb_conns_find(&s->cpus[i], key) : NULL;
	if (found)
		return found->real;
	return bpf_map_lookup_elem(chain_map(s->running, CONNS), key, &conn) ? 0 : conn.real;
}

/*
 * A packet whose backend came from the ring was in no table, and is in one by now: nothing is carried.  Of one whose backend came from
 * the table, the sample says which.  Others may have an entry that the live wish did not ask and the other one would.
 */
static void conns_carry(struct shadow *s, const struct chain_sample *sample)
{
	struct packet_flow key;

	empty(chain_map(s->c, CONNS));
	if (sample->reason == CHAIN_LB_HASH || !sample->flow.family)
		return;
	conn_key(s, sample, &key);
	conn_put(s, &key, sample->reason == CHAIN_LB_TABLE ? sample->backend : conn_known(s, &key));
}

static void nat_carry(struct shadow *s, const struct packet_flow *flow)
{
	struct lb_nat value;

	empty(chain_map(s->c, NATS));
	if (!bpf_map_lookup_elem(chain_map(s->running, NATS), flow, &value))
		(void)bpf_map_update_elem(chain_map(s->c, NATS), flow, &value, BPF_ANY);
}

/* ---- the comparison ---- */

static bool is_drop(int action)
{
	return action == XDP_DROP || action == XDP_ABORTED;
}

/* Rates, full tables, and entries of lb_nats that are found by the backend only. */
static bool of_the_moment(uint32_t reason)
{
	return reason == CHAIN_LB_NAT_CLASH || reason == CHAIN_LB_NAT_FULL || reason == CHAIN_LB_NAT_STRANGE ||
	       reason == CHAIN_LB_NAT_FLOOD || reason == CHAIN_LB_NO_NEIGHBOUR;
}

static bool is_sent(int action)
{
	return action == XDP_TX || action == XDP_REDIRECT || action == TRIAL_SENT;
}

static bool same_addr(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static int run(struct shadow *s, uint32_t frame, struct shadow_answer *a, struct err *err)
{
	uint32_t out_len = sizeof(s->out);
	struct lb_real real;
	int action;

	action = trial_run(&s->trial, s->c, s->frame, frame, s->out, &out_len, err);
	if (action < 0 || trial_meta(&s->trial, s->c, &a->meta, err) < 0)
		return -err->code;
	a->to = (struct lb_addr) { 0 };
	if (a->meta.backend && !lb_look_real(s->c, a->meta.backend, &real)) {
		a->to.family = real.family;
		memcpy(a->to.addr, real.addr, sizeof(a->to.addr));
	}
	return action;
}

static enum shadow_kind compare(const struct chain_sample *sample, int action, const struct shadow_answer *a)
{
	int live = (int)sample->action;
	bool drop = is_drop(action), sends = is_sent(action);

	if (sample->reason != a->meta.reason && (of_the_moment(sample->reason) || of_the_moment(a->meta.reason)))
		return SHADOW_STATE;
	if (drop)
		return !is_drop(live) ? SHADOW_DROP : sample->reason != a->meta.reason ? SHADOW_REASON : SHADOW_SAME;
	if (sends && !is_sent(live))
		return SHADOW_SEND;
	if (action == XDP_PASS && live != XDP_PASS)
		return SHADOW_PASS;
	if (a->from.family && a->to.family && !same_addr(&a->from, &a->to))
		return sample->reason == CHAIN_LB_TABLE ? SHADOW_BROKEN : SHADOW_OTHER;
	/* of what goes to a backend the reason is how it was found, not what became of it */
	return (a->from.family && a->to.family) || sample->reason == a->meta.reason ? SHADOW_SAME : SHADOW_REASON;
}

/* The same packet without its connection. */
static int when_new(struct shadow *s, uint32_t frame, const struct shadow_answer *known, struct err *err)
{
	struct shadow_answer fresh;
	int action;

	empty(chain_map(s->c, CONNS));
	empty(chain_map(s->c, NATS));
	action = run(s, frame, &fresh, err);
	return action < 0 ? action : !same_addr(&known->to, &fresh.to);
}

int shadow_sample(struct shadow *s, const struct chain_sample *sample, struct shadow_answer *ret, struct err *err)
{
	uint32_t most = MIN(sample->frame, (uint32_t)CHAIN_HEAD), bytes = MIN(sample->bytes, most);
	uint32_t frame;
	int action;

	memset(ret, 0, sizeof(*ret));
	(void)number_in_copy(s, sample->backend, &ret->from);
	frame = frame_make(s, sample, bytes);
	if (!runs(s, frame) || !shadow_enough(sample->head, bytes, sample->frame, s->gue_port)) {
		ret->kind = SHADOW_CUT;
		return 0;
	}
	conns_carry(s, sample);
	nat_carry(s, &sample->flow);
	action = run(s, frame, ret, err);
	if (action < 0)
		return action;
	ret->action = action;
	ret->kind = compare(sample, action, ret);
	if (ret->kind != SHADOW_SAME || ret->meta.reason != CHAIN_LB_TABLE)
		return 0;
	action = when_new(s, frame, ret, err);
	if (action < 0)
		return action;
	if (action)
		ret->kind = SHADOW_KEPT;
	return 0;
}
