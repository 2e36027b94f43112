/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_TESTS_LB_MODEL_H
#define SAKER_TESTS_LB_MODEL_H
/*
 * lb_model - what the chain of decap_stage and lb_stage does with a packet, in plain C over bytes.
 *
 * It shares no parser, checksum or table with the programs; the ring and the hash of flows it takes from net/lb and packet/,
 * which are compared with Katran's values elsewhere.  It knows no time: UDP flows never age, no flood is one, NAT forgets
 * nothing; and no routes of the host.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/lb.h"

#define MODEL_FRAME 4096
#define MODEL_RENAMED 64
#define MODEL_FLOWS (1U << 20) /* open addressing: a power of two */

struct model_conn {
	struct packet_flow key;
	const struct lb_wish_backend *to;
	bool used;
};

/* The key is the flow of the backend's packets; what it speaks for. */
struct model_nat {
	struct packet_flow key;
	uint32_t addr[4];
	uint16_t port;
	uint16_t other; /* the client's own port, if it is not the key's */
	bool used;
};

struct model {
	const struct lb_wish *wish;
	uint16_t gue_port;
	uint16_t *rings; /* LB_RING for each VIP: index of the backend, from 1 */
	struct model_conn *conns;
	struct model_nat *nats;
	struct packet_flow renamed[MODEL_RENAMED]; /* the last keys that do not have the client's own port */
	uint32_t nrenamed;
};

int model_init(struct model *m, const struct lb_wish *wish, uint16_t gue_port);
/* The wish's weights have changed; connections stay. */
int model_rings(struct model *m);
void model_fini(struct model *m);

enum model_verdict { MODEL_DROP = 1, MODEL_PASS = 2, MODEL_TX = 3 }; /* as XDP has them */

/* Changes frame (room for MODEL_FRAME bytes, *bytes used) to what leaves. */
enum model_verdict model_run(struct model *m, uint8_t *frame, size_t *bytes);

#endif
