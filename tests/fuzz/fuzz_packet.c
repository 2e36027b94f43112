/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_packet - any bytes as a frame, to the parser that the chain's programs have, too.
 *
 * Input: a byte (1: GUE has a port), then the frame.  True of any: the same frame gives the same answer wherever it lies in
 * memory; bytes behind what IP tells of change nothing but the frame's length; what is told without a fault lies within the
 * frame; a later fragment has no ports.
 */
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "packet/fault.h"
#include "packet/hash.h"
#include "packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct packet_meta *m, size_t size)
{
	MUST(m->frame == size);
	MUST(m->l3 <= size && m->vlans <= PACKET_VLANS_MAX);
	MUST(m->fault < PACKET_FAULTS);
	MUST(*packet_fault_text(m->fault));
	MUST(!(m->flags & PACKET_LATER) || m->flags & PACKET_FRAGMENT);
	MUST(!(m->flags & PACKET_LATER) || (!m->flow.sport && !m->flow.dport));
	if (m->fault || !m->family)
		return;
	MUST(m->l4 > m->l3);
	if (m->flags & PACKET_LATER)
		return;
	if (m->proto == PROTO_TCP)
		MUST(m->l4 + sizeof(struct wire_tcp) <= size && m->payload >= m->l4 + 20);
	if (m->proto == PROTO_UDP)
		MUST(m->l4 + sizeof(struct wire_udp) <= size && m->payload == m->l4 + 8);
	if (m->flags & (PACKET_IPIP | PACKET_GUE | PACKET_ICMP_ERROR))
		MUST(m->inner >= m->l4);
	if (m->flags & PACKET_ICMP_ERROR)
		MUST(m->inner + sizeof(struct wire_ipv4) <= size);
}

/* Once more with bytes behind it, at an odd address. */
static void check_padded(const uint8_t *data, size_t size, __be16 port, const struct packet_meta *m)
{
	uint8_t *copy = malloc(size + 17);
	struct packet_meta again;

	MUST(copy);
	memcpy(copy + 1, data, size);
	memset(copy + 1 + size, 0x45, 16);
	(void)packet_parse(copy + 1, copy + 1 + size, port, &again);
	MUST(!memcmp(m, &again, sizeof(again)));
	if (!m->fault && m->family && !(m->flags & PACKET_CUT)) {
		(void)packet_parse(copy + 1, copy + 17 + size, port, &again);
		again.frame = m->frame;
		/* a tunnel's first bytes may lie behind what was there */
		if (!(m->flags & PACKET_GUE) && !(again.flags & PACKET_GUE))
			MUST(!memcmp(m, &again, sizeof(again)));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_meta m;
	__be16 port;
	int r;

	if (!size || size > 4096)
		return 0;
	port = data[0] & 1 ? WIRE16(6080) : 0;
	data++;
	size--;
	r = packet_parse(data, data + size, port, &m);
	MUST((r < 0) == (m.fault != PACKET_WHOLE));
	check_places(&m, size);
	check_padded(data, size, port, &m);
	(void)hash_flow(&m.flow);
	return 0;
}
