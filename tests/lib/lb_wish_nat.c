/* SPDX-License-Identifier: Apache-2.0 */
/* lb_wish_nat - connections through NAT: whose they are, and how long they are good. */
#include <linux/bpf.h>
#include <string.h>

#include <bpf/bpf.h>

#include "net/chain.h"
#include "packet/wire.h"
#include "lb_wish.h"

/* As if the only connection had been silent for so long. */
static bool silent(uint32_t seconds)
{
	int fd = chain_map(chain, "lb_nats");
	struct packet_flow key;
	struct lb_nat e;

	if (bpf_map_get_next_key(fd, NULL, &key) || bpf_map_lookup_elem(fd, &key, &e))
		return false;
	e.seen_s -= seconds;
	return !bpf_map_update_elem(fd, &key, &e, BPF_EXIST);
}

/* From the backend 10.0.0.1:80 to 192.168.0.1:1; *ret_src: its source as it leaves. */
static uint32_t reply(uint8_t flags, uint8_t ret_src[4])
{
	uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6 };
	uint8_t out[256] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 54, .data_out = out,
		    .data_size_out = sizeof(out));

	memcpy(frame + 26, (uint8_t[]) { 10, 0, 0, 1, 192, 168, 0, 1, 0, 80, 0, 1 }, 12);
	frame[46] = 0x50;
	frame[47] = flags;
	as_protocol(frame);
	if (bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts))
		return ~0U;
	memcpy(ret_src, out + 26, 4);
	return opts.retval;
}

static bool from_vip(uint8_t flags, uint8_t vip)
{
	uint8_t src[4];

	return reply(flags, src) == XDP_TX && src[0] == 10 && src[1] == 200 && src[2] == 1 && src[3] == vip;
}

static bool dropped(unsigned vip, enum chain_reason reason)
{
	uint64_t before = count_of(reason);

	return send_flags(vip, 1, 1, TCP_SYN).verdict == XDP_DROP && count_of(reason) == before + 1;
}

/* Two VIPs with one backend: an entry is good for 10 s before the answer and after the end, for 100 s between. */
void test_nat(void)
{
	static struct world w;
	uint8_t src[4];
	unsigned i;

	fill(&w, 2, 0, 0);
	for (i = 0; i < 2; i++) {
		w.vips[i].flags = LB_VIP_NAT;
		w.vips[i].nbackends = 1;
	}
	w.wish.config.nat_short_s = 10;
	w.wish.config.nat_idle_s = 100;
	check("two VIPs with NAT are applied", apply(&w));
	check("a reply of no connection is the host's", reply(TCP_ACK, src) == XDP_PASS);
	check("a connection is sent", send_flags(1, 1, 1, TCP_SYN).verdict == XDP_TX);
	check("its reply is the VIP's", from_vip(TCP_SYN | TCP_ACK, 1));
	check("the same ports by another VIP are dropped", dropped(2, CHAIN_LB_NAT_CLASH));
	check("after 50 s of silence it is still there", silent(50) && from_vip(TCP_ACK, 1));
	check("another CPU's clock may be ahead", silent(-2U) && from_vip(TCP_ACK, 1) && silent(0));
	check("after 110 s it is not", silent(110) && reply(TCP_ACK, src) == XDP_PASS && count_of(CHAIN_LB_NAT_AGED));
	check("and the other VIP may have its ports", send_flags(2, 1, 1, TCP_SYN).verdict == XDP_TX);
	check("without an answer it is over after 15 s", silent(15) && reply(TCP_ACK, src) == XDP_PASS);
	check("it goes on when its client does", send_one(2, 1, 1).verdict == XDP_TX && from_vip(TCP_ACK, 2));
	check("FIN of one side does not end it", from_vip(TCP_FIN | TCP_ACK, 2) && silent(15) && from_vip(TCP_ACK, 2));
	check("FIN of both does", send_flags(2, 1, 1, TCP_FIN | TCP_ACK).verdict == XDP_TX && silent(15) &&
					  reply(TCP_ACK, src) == XDP_PASS);
}

/* UDP through NAT has a limit of its own, 100 s; flows are remembered for 10 s. */
void test_nat_udp(void)
{
	struct packet_flow key;
	static struct world w;
	uint8_t src[4];

	while (!bpf_map_get_next_key(chain_map(chain, "lb_nats"), NULL, &key))
		(void)bpf_map_delete_elem(chain_map(chain, "lb_nats"), &key);
	fill(&w, 1, 0, 0);
	protocol = w.vips[0].proto = PROTO_UDP;
	w.vips[0].flags = LB_VIP_NAT;
	w.vips[0].nbackends = 1;
	w.wish.config.udp_idle_s = 10;
	w.wish.config.nat_udp_idle_s = 100;
	check("a UDP VIP with NAT is applied", apply(&w));
	check("a flow is sent, and its reply is the VIP's", send_flags(1, 1, 1, 0).verdict == XDP_TX && from_vip(0, 1));
	check("it is good for longer than it is remembered", silent(50) && from_vip(0, 1));
	check("and not for longer than its limit", silent(110) && reply(0, src) == XDP_PASS);
	w.wish.config.nat_udp_idle_s = 0;
	check("without a limit of its own", apply(&w) && send_flags(1, 1, 1, 0).verdict == XDP_TX && from_vip(0, 1));
	check("it is that of flows", silent(15) && reply(0, src) == XDP_PASS);
	protocol = PROTO_TCP;
}
