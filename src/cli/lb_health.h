/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_LB_HEALTH_H
#define SAKER_CLI_LB_HEALTH_H
/* lb_health - parts of `saker lb show` that the agent has to say. */
#include "agent/health_doc.h"
#include "net/overlay.h"

struct buf;

struct lb_health {
	json_t *doc; /* NULL: there is none, or of another boot */
	struct overlay overlay;
	bool runs; /* an agent */
};

void lb_health_open(struct lb_health *h, struct balancer *b);
void lb_health_close(struct lb_health *h);
void lb_health_head(struct buf *out, const struct lb_health *h);
void lb_health_backend(struct buf *out, const struct lb_health *h, const struct lb_wish_vip *vip,
		       const struct lb_addr *addr);
void lb_health_json(struct buf *out, const struct lb_health *h);

#endif
