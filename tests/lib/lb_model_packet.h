/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_TESTS_LB_MODEL_PACKET_H
#define SAKER_TESTS_LB_MODEL_PACKET_H
/* lb_model_packet - a packet as the model of the balancer sees it; inside of the model only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb_model.h"
#include "packet/meta.h"

/* The packet, as bytes; offsets from the frame's first. */
struct packet {
	uint8_t *at;
	size_t bytes;
	size_t link, l4, payload, inner;
	size_t told; /* of IP, from link on */
	int family, proto;
	uint8_t tos, tcp_flags;
	bool broken, options, fragment, later, extensions, echo, error, tunnel, gue;
	struct packet_flow flow; /* family 0: none */
	uint8_t vip[16];	 /* the address at which a VIP is looked for */
};

static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline bool fits(const struct packet *p, size_t offset, size_t n)
{
	return offset + n <= p->bytes;
}

/* RFC 1624, equation 3 */
unsigned model_sum_changed(unsigned sum, unsigned from, unsigned to);

/* NAT: to the backend, and what comes from one. */
enum model_verdict model_nat_send(struct model *m, struct packet *p, const struct lb_wish_vip *v,
				  const struct lb_wish_backend *to);
enum model_verdict model_nat_reply(struct model *m, struct packet *p);
bool model_nat_knows(struct model *m, const struct packet *p);

/* A frame of at least 14 bytes; gue_port 0: none. */
void model_parse(struct packet *p, uint8_t *frame, size_t bytes, unsigned gue_port);

#endif
