/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_why.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/lb/look.h"
#include "net/why.h"
#include "net/wish.h"
#include "packet/parse.h"

const char *balancer_action_text(int action)
{
	static const char *const names[] = { "aborted",
					     "dropped",
					     "to the host",
					     "sent out where it came in",
					     "sent out by another interface",
					     [WHY_SENT] = "sent out" };

	return action >= 0 && action < (int)ARRAY_LEN(names) ? names[action] : "unknown";
}

void balancer_put_flow(struct buf *out, const struct packet_flow *f)
{
	char src[INET6_ADDRSTRLEN] = "?", dst[INET6_ADDRSTRLEN] = "?";
	int family = f->family == 4 ? AF_INET : AF_INET6;

	if (!f->family) {
		buf_str(out, "no flow");
		return;
	}
	(void)inet_ntop(family, f->src, src, sizeof(src));
	(void)inet_ntop(family, f->dst, dst, sizeof(dst));
	buf_printf(out, f->family == 4 ? "%s:%u > %s:%u" : "[%s]:%u > [%s]:%u", src, WIRE16(f->sport), dst,
		   WIRE16(f->dport));
	if (f->proto == PROTO_TCP || f->proto == PROTO_UDP)
		buf_str(out, f->proto == PROTO_TCP ? "/tcp" : "/udp");
	else
		buf_printf(out, "/%u", f->proto);
}

struct vip_search {
	uint32_t number;
	char text[WISH_VIP_TEXT];
};

static int find_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct vip_search *s = arg;
	struct lb_wish_vip v = { .bits = (uint8_t)(key->bits - 32), .port = WIRE16(key->port), .proto = key->proto };

	if (vip->number != s->number)
		return 0;
	memcpy(v.addr.addr, key->addr, sizeof(key->addr));
	v.addr.family = key->family;
	(void)wish_vip_text(&v, s->text);
	return 1;
}

bool balancer_vip_text(const struct chain *c, uint32_t number, char out[WISH_VIP_TEXT])
{
	struct vip_search vip = { .number = number };

	if (!number || lb_look_vips(c, find_vip, &vip) <= 0)
		return false;
	memcpy(out, vip.text, WISH_VIP_TEXT);
	return true;
}

static const char *real_text(const struct why_answer *a, char out[LB_ADDR_TEXT])
{
	struct lb_addr addr = { .family = a->to.family };

	memcpy(addr.addr, a->to.addr, sizeof(addr.addr));
	return lb_addr_text(&addr, out);
}

static void put_known(struct buf *out, const struct why_answer *a)
{
	size_t i;

	if (!a->ncpus) {
		buf_str(out, "  connection  no table has it\n");
		return;
	}
	buf_str(out, "  connection  known in the table of");
	for (i = 0; i < a->ncpus; i++)
		buf_printf(out, "%s CPU %d", i ? "," : "", a->cpus[i]);
	buf_str(out, "; a packet on another CPU would be a new one there\n");
}

static void why_text(struct buf *out, const struct chain *c, const struct packet_meta *in, const struct why_answer *a)
{
	const struct chain_words *w = chain_reason(a->meta.reason);
	struct vip_search vip = { .number = a->meta.rule };
	char text[LB_ADDR_TEXT];
	size_t i;

	balancer_put_flow(out, &in->flow);
	if (in->flow.proto == PROTO_TCP)
		buf_printf(out, "%s", in->tcp_flags & TCP_SYN ? " SYN" : "");
	buf_printf(out, ": %s\n", balancer_action_text(a->action));
	if (w)
		buf_printf(out, "  stage       %s: %s (%s)\n", w->stage, w->text, w->name);
	if (a->meta.rule && lb_look_vips(c, find_vip, &vip) > 0)
		buf_printf(out, "  entry       VIP %s (%u)\n", vip.text, vip.number);
	if (a->real)
		buf_printf(out, "  backend     %s (%u)\n", real_text(a, text), a->real);
	if (a->meta.rule)
		put_known(out, a);
	for (i = 0; i < a->nnotes; i++)
		buf_printf(out, "  on the way  %s: %s\n", chain_reason(a->notes[i])->stage,
			   chain_reason(a->notes[i])->text);
	if (a->action == XDP_TX || a->action == XDP_REDIRECT || a->action == WHY_SENT)
		buf_printf(out, "  leaves      with %u bytes, %d more than it came\n", a->out_len,
			   (int)a->out_len - (int)in->frame);
}

static void why_json(struct buf *out, const struct chain *c, const struct packet_meta *in, const struct why_answer *a)
{
	const struct chain_words *w = chain_reason(a->meta.reason);
	struct vip_search vip = { .number = a->meta.rule };
	char text[LB_ADDR_TEXT];
	size_t i;

	buf_str(out, "{\"packet\":\"");
	balancer_put_flow(out, &in->flow);
	buf_printf(out, "\",\"action\":\"%s\",\"stage\":\"%s\",\"reason\":\"%s\",\"rule\":%u,\"vip\":",
		   balancer_action_text(a->action), w ? w->stage : "", w ? w->name : "", a->meta.rule);
	if (a->meta.rule && lb_look_vips(c, find_vip, &vip) > 0)
		buf_json(out, vip.text, strlen(vip.text));
	else
		buf_str(out, "null");
	if (a->real)
		buf_printf(out, ",\"backend\":\"%s\"", real_text(a, text));
	buf_str(out, ",\"cpus\":[");
	for (i = 0; i < a->ncpus; i++)
		buf_printf(out, "%s%d", i ? "," : "", a->cpus[i]);
	buf_str(out, "],\"notes\":[");
	for (i = 0; i < a->nnotes; i++)
		buf_printf(out, "%s\"%s\"", i ? "," : "", chain_reason(a->notes[i])->name);
	buf_printf(out, "],\"bytes\":%u,\"bytes_out\":%u}\n", in->frame, a->out_len);
}

int balancer_why_packet(const struct chain *c, struct why *w, const uint8_t *frame, size_t len, bool json,
			struct buf *out, struct err *err)
{
	CLEANUP_FREE struct why_answer *answer = calloc(1, sizeof(*answer));
	struct packet_meta in;
	int r;

	if (!answer)
		return err_set(err, ENOMEM, "out of memory");
	r = why_packet(w, frame, len, answer, err);
	if (r < 0)
		return r;
	(void)packet_parse(frame, frame + len, 0, &in);
	(json ? why_json : why_text)(out, c, &in, answer);
	return (int)answer->ncpus;
}

int balancer_why_tuple(const struct chain *c, struct why *w, const char *tuple, bool json, struct buf *out,
		       struct err *err)
{
	size_t len = 0;
	uint8_t frame[128];
	int r = why_frame(tuple, TCP_ACK, frame, &len, err);

	if (!r)
		r = balancer_why_packet(c, w, frame, len, json, out, err);
	if (r)
		return r < 0 ? r : 0;
	buf_reset(out);
	r = why_frame(tuple, TCP_SYN, frame, &len, err);
	return r < 0 ? r : balancer_why_packet(c, w, frame, len, json, out, err) < 0 ? -err->code : 0;
}
