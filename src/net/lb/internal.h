/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_INTERNAL_H
#define SAKER_NET_LB_INTERNAL_H
/* internal - what lb.c (numbers and rings) and tables.c (the kernel's tables) share. */
#include "base/map.h"
#include "net/lb/lb.h"
#include "net/lb/maglev.h"

#define LB_NO_RING UINT32_MAX

/* A VIP as one generation has it. */
struct lb_vip_side {
	struct maglev_node *nodes; /* what the ring is to be made of */
	size_t nnodes;
	uint64_t made_of; /* a hash of the nodes and the ring's size */
	uint32_t ring;	  /* LB_NO_RING: no backend has a weight */
	bool wished;
	bool moved; /* the ring was another one before: LB_VIP_MOVED */
};

struct lb_vip_state {
	struct lb_prefix_key key;
	struct lb_vip_side sides[2];
};

struct lb {
	struct chain *chain;
	struct lb_opts opts;
	struct lb_real *reals; /* LB_REALS, by number; as the wish at hand has them */
	struct lb_addr *addrs; /* LB_REALS, by number */
	uint32_t nreals;       /* numbers given, 0 among them */
	bool carried;	       /* the tables have connections of another chain */
	struct map by_addr;
	struct lb_vip_state *vips; /* by number, 1 first */
	uint32_t nvips;		   /* numbers: all VIPs may be others in the next wish */
	struct map by_key;
	struct lb_ring *rings; /* mapped */
	uint32_t nrings;
	uint32_t ring_places; /* of the rings that are there */
};

/* A VIP's key in the tables. */
void lb_vip_key_fill(const struct lb_wish_vip *vip, struct lb_prefix_key *ret);
bool lb_is_network(const struct lb_wish_vip *vip);
/* Text for messages: 10.0.0.1:80/tcp, in a buffer of the thread that the second next call overwrites. */
const char *lb_vip_text(const struct lb_wish_vip *vip);

/* The backend's number, given now if it has none; 0: *err is set. */
uint32_t lb_number_backend(struct lb *lb, const struct lb_wish_backend *b, struct err *err);

/* lb_names: the address of each number; lb_made: of what each ring is made.  -1 in what no other process shall know. */
int lb_names_make(struct lb *lb, struct err *err);
void lb_name_write(struct lb *lb, uint32_t number);
void lb_made_write(struct lb *lb, uint32_t ring, uint64_t made_of);
/* Numbers and rings of what runs, read back from the maps; nothing where nothing runs. */
int lb_take_over(struct lb *lb, struct err *err);
/* Puts the address under the number, in lb's memory alone. */
int lb_backend_place(struct lb *lb, uint32_t number, const struct lb_addr *addr);
int lb_vips_index(struct lb *lb); /* -ENOMEM */

/* Makes and fills all tables of the hidden side; numbers and rings are done. */
int lb_tables_write(struct lb *lb, const struct lb_wish *wish, struct err *err);

#endif
