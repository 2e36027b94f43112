/* SPDX-License-Identifier: Apache-2.0 */
/* lb_wish_nat - connections through NAT: whose they are, and how long they are good. */
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include <bpf/bpf.h>

#include "net/chain.h"
#include "packet/wire.h"
#include "lb_wish.h"

#define BACKEND 10, 0, 0, 1, 0, 80
#define CLIENT_PORT 1

/* An end of a packet, as bytes: address and port. */
struct end {
	uint8_t bytes[6];
};

struct way {
	struct end src, dst;
};

static struct end vip_end(unsigned vip)
{
	return (struct end) { { 10, 200, 1, (uint8_t)vip, 0, 80 } };
}

static struct end client_end(unsigned port)
{
	return (struct end) { { 192, 168, 0, 1, (uint8_t)(port >> 8), (uint8_t)port } };
}

static const struct end backend_end = { { BACKEND } };

static unsigned port_of(struct end e)
{
	return (unsigned)e.bytes[4] << 8 | e.bytes[5];
}

static bool same_way(struct way a, struct way b)
{
	return !memcmp(&a, &b, sizeof(a));
}

static void put_way(uint8_t *ip, struct way w)
{
	memcpy(ip + 12, w.src.bytes, 4);
	memcpy(ip + 16, w.dst.bytes, 4);
	memcpy(ip + 20, w.src.bytes + 4, 2);
	memcpy(ip + 22, w.dst.bytes + 4, 2);
}

static struct way get_way(const uint8_t *ip)
{
	struct way w;

	memcpy(w.src.bytes, ip + 12, 4);
	memcpy(w.dst.bytes, ip + 16, 4);
	memcpy(w.src.bytes + 4, ip + 20, 2);
	memcpy(w.dst.bytes + 4, ip + 22, 2);
	return w;
}

static const uint8_t header[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6 };

/* A packet, and how it leaves; all 0: it does not, *ret_verdict says why. */
static struct way pass(struct way w, uint8_t flags, uint32_t *ret_verdict)
{
	uint8_t frame[64] = { 0 }, out[256] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 54, .data_out = out,
		    .data_size_out = sizeof(out));

	memcpy(frame, header, sizeof(header));
	put_way(frame + 14, w);
	frame[46] = 0x50;
	frame[47] = flags;
	as_protocol(frame);
	*ret_verdict = bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts) ? ~0U : opts.retval;
	return *ret_verdict == XDP_TX ? get_way(out + 14) : (struct way) { 0 };
}

/* RFC 1071 */
static unsigned sum_of_bytes(const uint8_t *p, size_t n)
{
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (unsigned)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* `Host unreachable` about a packet, with 8 bytes of its TCP header (RFC 792), and how it leaves: *ret_about is the packet in it then. */
static bool pass_error(struct end src, struct end dst, struct way about, struct way *ret, struct way *ret_about)
{
	uint8_t frame[70] = { 0 }, out[256] = { 0 }, *icmp = frame + 34;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .data_out = out,
		    .data_size_out = sizeof(out));
	unsigned sum;

	memcpy(frame, header, sizeof(header));
	frame[17] = 56;
	frame[23] = PROTO_ICMP;
	put_way(frame + 14, (struct way) { src, dst });
	memset(icmp, 0, 8);
	icmp[0] = 3;
	icmp[1] = 1;
	memcpy(icmp + 8, header + 14, sizeof(header) - 14);
	put_way(icmp + 8, about);
	sum = ~sum_of_bytes(icmp, 36);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	if (bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts) || opts.retval != XDP_TX)
		return false;
	*ret = get_way(out + 14);
	*ret_about = get_way(out + 42);
	return sum_of_bytes(out + 34, 36) == 0xffff;
}

static struct packet_flow key_of(unsigned port)
{
	struct packet_flow key = { .proto = protocol, .family = 4, .sport = WIRE16(80), .dport = WIRE16(port) };

	memcpy(key.src, (uint8_t[]) { 10, 0, 0, 1 }, 4);
	memcpy(key.dst, (uint8_t[]) { 192, 168, 0, 1 }, 4);
	return key;
}

/* As if the connection with this port at the backend had been silent for so long. */
static bool silent_at(unsigned port, uint32_t seconds)
{
	int fd = chain_map(chain, "lb_nats");
	struct packet_flow key = key_of(port);
	struct lb_nat e;

	if (bpf_map_lookup_elem(fd, &key, &e))
		return false;
	e.seen_s -= seconds;
	return !bpf_map_update_elem(fd, &key, &e, BPF_EXIST);
}

static bool silent(uint32_t seconds)
{
	return silent_at(CLIENT_PORT, seconds);
}

/* A reply to this port: is it the VIP's, to the client's port? */
static bool reply_to(unsigned port, uint8_t flags, unsigned vip)
{
	struct way want = { vip_end(vip), client_end(CLIENT_PORT) };
	uint32_t verdict;

	return same_way(pass((struct way) { backend_end, client_end(port) }, flags, &verdict), want);
}

static bool from_vip(uint8_t flags, unsigned vip)
{
	return reply_to(CLIENT_PORT, flags, vip);
}

static bool is_hosts(uint8_t flags)
{
	uint32_t verdict;

	(void)pass((struct way) { backend_end, client_end(CLIENT_PORT) }, flags, &verdict);
	return verdict == XDP_PASS;
}

/* The source port at the backend of a packet to a VIP, from the client's port; 0: it was not sent there. */
static unsigned port_by(unsigned vip, unsigned port, uint8_t flags)
{
	uint32_t verdict;
	struct way out = pass((struct way) { client_end(port), vip_end(vip) }, flags, &verdict);

	return !memcmp(&out.dst, &backend_end, sizeof(backend_end)) && !memcmp(&out.src, client_end(port).bytes, 4)
		       ? port_of(out.src)
		       : 0;
}

static void forget_all(void)
{
	struct packet_flow key;

	while (!bpf_map_get_next_key(chain_map(chain, "lb_nats"), NULL, &key))
		(void)bpf_map_delete_elem(chain_map(chain, "lb_nats"), &key);
}

/* VIPs with one backend: an entry is good for 10 s before the answer and after the end, for 100 s between. */
static void apply_nat(struct world *w, unsigned vips)
{
	unsigned i;

	fill(w, vips, 0, 0);
	for (i = 0; i < vips; i++) {
		w->vips[i].flags = LB_VIP_NAT;
		w->vips[i].nbackends = 1;
	}
	w->wish.config.nat_short_s = 10;
	w->wish.config.nat_idle_s = 100;
	check("VIPs with NAT are applied", apply(w));
}

void test_nat(void)
{
	static struct world w;

	apply_nat(&w, 2);
	check("a reply of no connection is the host's", is_hosts(TCP_ACK));
	check("a connection is sent", send_flags(1, 1, 1, TCP_SYN).verdict == XDP_TX);
	check("its reply is the VIP's", from_vip(TCP_SYN | TCP_ACK, 1));
	check("after 50 s of silence it is still there", silent(50) && from_vip(TCP_ACK, 1));
	check("another CPU's clock may be ahead", silent(-2U) && from_vip(TCP_ACK, 1) && silent(0));
	check("after 110 s it is not", silent(110) && is_hosts(TCP_ACK) && count_of(CHAIN_LB_NAT_AGED));
	check("and the other VIP may have its ports", port_by(2, CLIENT_PORT, TCP_SYN) == CLIENT_PORT);
	check("without an answer it is over after 15 s", silent(15) && is_hosts(TCP_ACK));
	check("it goes on when its client does", send_one(2, 1, 1).verdict == XDP_TX && from_vip(TCP_ACK, 2));
	check("FIN of one side does not end it", from_vip(TCP_FIN | TCP_ACK, 2) && silent(15) && from_vip(TCP_ACK, 2));
	check("FIN of both does",
	      send_flags(2, 1, 1, TCP_FIN | TCP_ACK).verdict == XDP_TX && silent(15) && is_hosts(TCP_ACK));
}

/* An ICMP error about each direction of the connection by VIP 2, which has another port at the backend. */
static void test_nat_port_errors(unsigned port)
{
	const struct end router = { { 10, 9, 0, 1, 0, 0 } };
	struct way out, about;

	check("an error about what the backend got is translated",
	      pass_error(router, client_end(0), (struct way) { client_end(port), backend_end }, &out, &about));
	check("as one about what the client sent",
	      same_way(about, (struct way) { client_end(CLIENT_PORT), vip_end(2) }));
	check("from the VIP", !memcmp(out.src.bytes, vip_end(2).bytes, 4));
	check("an error about what the client got is translated",
	      pass_error(router, vip_end(2), (struct way) { vip_end(2), client_end(CLIENT_PORT) }, &out, &about));
	check("as one about what the backend sent", same_way(about, (struct way) { backend_end, client_end(port) }));
	check("to the backend", !memcmp(out.dst.bytes, backend_end.bytes, 4));
}

/* One after another of the ports that a flow may have becomes that of a stranger. */
static void test_nat_ports_taken(void)
{
	struct packet_flow key;
	unsigned port, tries = 0;
	struct lb_nat e;
	uint64_t clashes = count_of(CHAIN_LB_NAT_CLASH);

	while ((port = port_by(2, CLIENT_PORT, TCP_ACK)) && tries < 20) {
		key = key_of(port);
		if (bpf_map_lookup_elem(chain_map(chain, "lb_nats"), &key, &e))
			break;
		e.vip.port = WIRE16(81);
		(void)bpf_map_update_elem(chain_map(chain, "lb_nats"), &key, &e, BPF_EXIST);
		tries++;
	}
	check("eight other ports are tried", tries == 8);
	check("then it is dropped, with its reason", !port && count_of(CHAIN_LB_NAT_CLASH) == clashes + 1);
}

/* Two connections of one client's port with one backend. */
void test_nat_ports(void)
{
	static struct world w;
	uint64_t renamed = count_of(CHAIN_LB_NAT_RENAMED), fresh = count_of(CHAIN_LB_NAT_NEW);
	unsigned port;

	forget_all();
	apply_nat(&w, 3);
	check("the first has the client's port", port_by(1, CLIENT_PORT, TCP_SYN) == CLIENT_PORT);
	port = port_by(2, CLIENT_PORT, TCP_SYN);
	check("the second another one, which is not root's either", port >= 600 && port < 1024);
	check("each later packet has the same", port_by(2, CLIENT_PORT, TCP_ACK) == port);
	check("it is counted once",
	      count_of(CHAIN_LB_NAT_RENAMED) == renamed + 1 && count_of(CHAIN_LB_NAT_NEW) == fresh + 2);
	check("replies to one are the first VIP's", reply_to(CLIENT_PORT, TCP_SYN | TCP_ACK, 1));
	check("to the other the second's, to the client's port", reply_to(port, TCP_SYN | TCP_ACK, 2));
	test_nat_port_errors(port);
	check("a third VIP: a third port", port_by(3, CLIENT_PORT, TCP_SYN) != port);
	check("who has the given port for its own gets another",
	      port_by(1, port, TCP_SYN) != port && port_by(2, port, TCP_SYN) != port);
	check("the first is silent for too long: the second keeps its port",
	      silent(110) && port_by(2, CLIENT_PORT, TCP_ACK) == port);
	check("so it does when the first goes on",
	      port_by(1, CLIENT_PORT, TCP_ACK) == CLIENT_PORT && port_by(2, CLIENT_PORT, TCP_ACK) == port);
	check("silent itself for too long it has it again",
	      silent_at(port, 110) && !reply_to(port, TCP_ACK, 2) && port_by(2, CLIENT_PORT, TCP_ACK) == port);
	check("RST is sent on", port_by(2, CLIENT_PORT, TCP_RST) == port);
	test_nat_ports_taken();
	check("a client's port above 1023 gets one of these",
	      port_by(1, 50000, TCP_SYN) == 50000 && port_by(2, 50000, TCP_SYN) >= 1024);
}

#define RACES 1000
#define RACE_S 3600 /* no machine is so slow */

static struct racer {
	pthread_t thread;
	int cpu;
	unsigned vip, port[RACES];
} racers[2];

static atomic_uint arrived;

/* The same ports as the other thread, at the same time, by another VIP. */
static void *race(void *arg)
{
	struct racer *r = arg;
	cpu_set_t cpu;
	unsigned i;

	CPU_ZERO(&cpu);
	CPU_SET(r->cpu, &cpu);
	(void)sched_setaffinity(0, sizeof(cpu), &cpu);
	for (i = 0; i < RACES; i++) {
		atomic_fetch_add(&arrived, 1);
		while (atomic_load(&arrived) < 2 * (i + 1))
			(void)sched_yield();
		r->port[i] = port_by(r->vip, 2000 + i, TCP_SYN);
	}
	return NULL;
}

/* That neither has its own port can be: where another connection was given that one. */
static bool race_lost(void)
{
	unsigned i, lost = 0, neither = 0;

	for (i = 0; i < RACES; i++) {
		unsigned one = racers[0].port[i], two = racers[1].port[i];

		neither += one != 2000 + i && two != 2000 + i;
		lost += !one || !two || one == two || port_by(1, 2000 + i, TCP_ACK) != one ||
			port_by(2, 2000 + i, TCP_ACK) != two;
	}
	return lost || neither > RACES / 10;
}

/* All CPUs share the table: of two that want one port at the same time one gets it, be it free or good no more. */
void test_nat_cpus(void)
{
	static struct world w;
	unsigned i, turn;

	forget_all();
	apply_nat(&w, 3);
	w.wish.config.nat_short_s = RACE_S;
	check("for long", apply(&w));
	for (i = 0; i < 2; i++) {
		racers[i].cpu = (int)i; /* where there is no second one, they take turns */
		racers[i].vip = i + 1;
	}
	for (turn = 0; turn < 2; turn++) {
		atomic_store(&arrived, 0);
		for (i = 0; i < 2; i++)
			(void)pthread_create(&racers[i].thread, NULL, race, &racers[i]);
		for (i = 0; i < 2; i++)
			(void)pthread_join(racers[i].thread, NULL);
		check(turn ? "nor of a port that is good no more" : "no two connections get one port at once",
		      !race_lost());
		forget_all();
		for (i = 0; i < RACES && !turn; i++)
			(void)(port_by(3, 2000 + i, TCP_SYN) && silent_at(2000 + i, RACE_S + 10));
	}
}

/* UDP through NAT has a limit of its own, 100 s; flows are remembered for 10 s. */
void test_nat_udp(void)
{
	static struct world w;

	forget_all();
	fill(&w, 1, 0, 0);
	protocol = w.vips[0].proto = PROTO_UDP;
	w.vips[0].flags = LB_VIP_NAT;
	w.vips[0].nbackends = 1;
	w.wish.config.udp_idle_s = 10;
	w.wish.config.nat_udp_idle_s = 100;
	check("a UDP VIP with NAT is applied", apply(&w));
	check("a flow is sent, and its reply is the VIP's", send_flags(1, 1, 1, 0).verdict == XDP_TX && from_vip(0, 1));
	check("it is good for longer than it is remembered", silent(50) && from_vip(0, 1));
	check("and not for longer than its limit", silent(110) && is_hosts(0));
	w.wish.config.nat_udp_idle_s = 0;
	check("without a limit of its own", apply(&w) && send_flags(1, 1, 1, 0).verdict == XDP_TX && from_vip(0, 1));
	check("it is that of flows", silent(15) && is_hosts(0));
	protocol = PROTO_TCP;
}
