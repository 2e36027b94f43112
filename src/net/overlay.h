/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_OVERLAY_H
#define SAKER_NET_OVERLAY_H
/*
 * overlay - what the agent has laid over a person's wish: shares of backends, each until its time.
 *
 * The wish that is kept stays a person's.  Whoever makes it run lays the overlay over a copy (overlay_lay()), which drops what does not
 * hold any more: a line whose time is over, whose backend is gone, or whose wished weight is another one than when it was laid, since
 * then a person has changed it.  As text: docs/formats/health.md.
 *
 * Threads: any, one for each.  Memory: OVERLAY_ROWS.  Failure: what is no overlay, or of another boot, is refused as a whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wish.h"

#define OVERLAY_ROWS 65536
#define OVERLAY_WHOLE 1000

struct overlay_row {
	struct lb_wish_vip vip; /* what names it: addr, bits, port, proto */
	struct lb_addr backend;
	uint32_t share; /* of the wished weight, in 1/OVERLAY_WHOLE */
	bool down;
	uint32_t weight; /* that was wished when it was laid */
	uint64_t action;
	uint64_t until_ns, since_ns; /* CLOCK_BOOTTIME; until 0: without end */
};

struct overlay {
	struct overlay_row *rows;
	size_t count;
};

void overlay_fini(struct overlay *o); /* NULL ok */

/* -EINVAL: it is none; -ESTALE: it is of another boot.  *ret is empty then. */
int overlay_read(const char *text, size_t len, const char *boot_id, struct overlay *ret, struct err *err);
void overlay_text(const struct overlay *o, const char *boot_id, struct buf *out);

struct overlay_row *overlay_find(const struct overlay *o, const struct lb_wish_vip *vip, const struct lb_addr *backend);
/* Puts it in the place of one for the same backend.  -ENOMEM; -ENOSPC. */
int overlay_put(struct overlay *o, const struct overlay_row *row);
bool overlay_drop(struct overlay *o, const struct lb_wish_vip *vip, const struct lb_addr *backend); /* was there one? */

/*
 * Changes the wish's weights.  Where a VIP has parts of weights, all its weights are multiplied: rings do not care.  Returns how many
 * rows were dropped from the overlay because they do not hold any more.
 */
size_t overlay_lay(struct overlay *o, struct wish_if *f, uint64_t now_ns);

#endif
