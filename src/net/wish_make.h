/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_WISH_MAKE_H
#define SAKER_NET_WISH_MAKE_H
/* wish_make - from a person's wish to what the balancer takes (net/lb/lb.h). */
#include "net/hop.h"
#include "net/wish.h"

struct wish_made {
	struct lb_wish wish; /* borrows the arrays */
	struct chain_plan plan;
	struct lb_wish_vip *vips;
	struct lb_wish_backend *backends;
	struct lb_wish_id *ids, *marks;
	struct lb_wish_route *routes;
};

/* -ENOMEM.  f is borrowed until wish_made_fini(). */
int wish_make(const struct wish_if *f, const struct hop *hop, struct wish_made *ret, struct err *err);
void wish_made_fini(struct wish_made *m); /* NULL ok */

#endif
