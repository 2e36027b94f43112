/* SPDX-License-Identifier: Apache-2.0 */
/* The model's parser: bytes and offsets, nothing of packet/. */
#include "lb_model_packet.h"

#include <string.h>

static void flow_addresses(struct packet *p, const uint8_t *ip, bool turned)
{
	bool four = ip[0] >> 4 == 4;
	const uint8_t *src = ip + (four ? 12 : 8), *dst = src + (four ? 4 : 16);
	size_t n = four ? 4 : 16;

	memset(&p->flow, 0, sizeof(p->flow));
	p->flow.family = four ? 4 : 6;
	memcpy(p->flow.src, turned ? dst : src, n);
	memcpy(p->flow.dst, turned ? src : dst, n);
	memset(p->vip, 0, sizeof(p->vip));
	memcpy(p->vip, p->flow.dst, n);
}

/* What an ICMP error is about. */
static void parse_about(struct packet *p)
{
	const uint8_t *ip = p->at + p->payload;
	size_t header = p->family == 4 ? 20 : 40, ports;
	int proto;

	p->inner = p->payload;
	p->flow.family = 0;
	if (!fits(p, p->payload, header) || ip[0] >> 4 != p->family || (p->family == 4 && (ip[0] & 15) < 5)) {
		p->broken = true;
		return;
	}
	if (p->family == 4 && get16(ip + 6) & 0x1fff)
		return;
	if (p->family == 4)
		header = (ip[0] & 15) * 4U;
	proto = p->family == 4 ? ip[9] : ip[6];
	ports = p->payload + header;
	flow_addresses(p, ip, true);
	p->flow.proto = (uint8_t)proto;
	if ((proto != 6 && proto != 17) || !fits(p, ports, 4)) {
		p->broken = proto == 6 || proto == 17;
		p->flow.family = 0;
		return;
	}
	memcpy(&p->flow.sport, p->at + ports + 2, 2);
	memcpy(&p->flow.dport, p->at + ports, 2);
}

static void parse_icmp(struct packet *p)
{
	const uint8_t *icmp = p->at + p->l4;

	if (p->proto != (p->family == 4 ? 1 : 58))
		return;
	if (!fits(p, p->l4, 8)) {
		p->broken = true;
		return;
	}
	p->payload = p->l4 + 8;
	p->echo = icmp[0] == (p->family == 4 ? 8 : 128);
	p->error = p->family == 4 ? icmp[0] == 3 || icmp[0] == 11 || icmp[0] == 12 : icmp[0] >= 1 && icmp[0] <= 4;
	if (p->error)
		parse_about(p);
}

static void parse_gue(struct packet *p, unsigned port)
{
	const uint8_t *head = p->at + p->payload;

	if (get16(p->at + p->l4 + 2) != port || !port || !fits(p, p->payload, 4))
		return;
	if (head[0] >> 6 == 1)
		p->inner = p->payload;
	else if (head[0] >> 5 == 0 && (head[1] == 4 || head[1] == 41))
		p->inner = p->payload + 4 + (head[0] & 31) * 4U;
	p->gue = p->inner;
}

static void parse_transport(struct packet *p, unsigned gue_port)
{
	const uint8_t *t = p->at + p->l4;
	size_t need = p->proto == 6 ? 20 : 8;

	if (p->proto == 4 || p->proto == 41) {
		p->tunnel = true;
		p->inner = p->l4;
	}
	if (p->proto == 1 || p->proto == 58)
		parse_icmp(p);
	if (p->proto != 6 && p->proto != 17)
		return;
	if (!fits(p, p->l4, need)) {
		p->broken = true;
		return;
	}
	memcpy(&p->flow.sport, t, 2);
	memcpy(&p->flow.dport, t + 2, 2);
	if (p->proto == 17) {
		p->payload = p->l4 + 8;
		parse_gue(p, gue_port);
		return;
	}
	p->tcp_flags = t[13];
	p->payload = p->l4 + (t[12] >> 4) * 4U;
	p->broken = t[12] >> 4 < 5;
}

static bool parse_ipv4(struct packet *p)
{
	const uint8_t *ip = p->at + p->link;
	size_t header;

	if (!fits(p, p->link, 20) || ip[0] >> 4 != 4)
		return false;
	p->family = 4;
	p->proto = ip[9];
	p->tos = ip[1];
	p->told = get16(ip + 2);
	flow_addresses(p, ip, false);
	header = (ip[0] & 15) * 4U;
	p->broken = header < 20 || p->told < header;
	if (p->broken)
		return true;
	p->options = header > 20;
	p->fragment = get16(ip + 6) & 0x3fff;
	p->later = get16(ip + 6) & 0x1fff;
	p->l4 = p->link + header;
	return true;
}

static bool parse_ipv6(struct packet *p)
{
	const uint8_t *ip = p->at + p->link, *x;
	int n;

	if (!fits(p, p->link, 40) || ip[0] >> 4 != 6)
		return false;
	p->family = 6;
	p->proto = ip[6];
	p->tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	flow_addresses(p, ip, false);
	p->told = get16(ip + 4) + 40U;
	p->broken = p->told > 0xffff;
	p->l4 = p->link + 40;
	for (n = 0; !p->broken && !p->later; n++) {
		if (p->proto != 0 && p->proto != 43 && p->proto != 44 && p->proto != 60)
			break;
		p->broken = n == 6 || !fits(p, p->l4, 8);
		if (p->broken)
			break;
		x = p->at + p->l4;
		p->extensions = true;
		if (p->proto == 44) {
			p->fragment = p->fragment || get16(x + 2) & 0xfff9;
			p->later = get16(x + 2) & 0xfff8;
		}
		p->l4 += p->proto == 44 ? 8 : (x[1] + 1U) * 8;
		p->proto = x[0];
	}
	return true;
}

void model_parse(struct packet *p, uint8_t *frame, size_t bytes, unsigned gue_port)
{
	unsigned type;
	bool ip = false;

	memset(p, 0, sizeof(*p));
	p->at = frame;
	p->bytes = bytes;
	p->link = 14;
	type = get16(frame + 12);
	while ((type == 0x8100 || type == 0x88a8) && p->link < 22) {
		if (!fits(p, p->link, 4))
			return;
		type = get16(frame + p->link + 2);
		p->link += 4;
	}
	if (type == 0x0800)
		ip = parse_ipv4(p);
	else if (type == 0x86dd)
		ip = parse_ipv6(p);
	if (!ip)
		return;
	p->flow.proto = (uint8_t)p->proto;
	if (p->broken || p->later)
		return;
	parse_transport(p, gue_port);
}
