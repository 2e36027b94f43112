/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_ROLL_H
#define SAKER_PEER_ROLL_H
/*
 * roll - how much came within the last stretch of time: ROLL_SLOTS counters that are used in turn.  A sum is of the whole stretch, less what
 * of the current slot has not passed yet.
 */
#include <stdint.h>

#define ROLL_SLOTS 8

struct roll {
	uint64_t slot; /* number of the one in use */
	uint32_t at[ROLL_SLOTS];
};

static inline uint64_t roll_slot(uint64_t now_ns, uint64_t stretch_ns)
{
	return now_ns / (stretch_ns / ROLL_SLOTS ? stretch_ns / ROLL_SLOTS : 1);
}

static inline void roll_add(struct roll *r, uint64_t now_ns, uint64_t stretch_ns, uint64_t n)
{
	uint64_t slot = roll_slot(now_ns, stretch_ns), sum;
	unsigned i;

	for (i = 0; r->slot < slot && i < ROLL_SLOTS; i++)
		r->at[++r->slot % ROLL_SLOTS] = 0;
	r->slot = slot;
	sum = r->at[slot % ROLL_SLOTS] + n;
	r->at[slot % ROLL_SLOTS] = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static inline uint64_t roll_sum(const struct roll *r, uint64_t now_ns, uint64_t stretch_ns)
{
	uint64_t slot = roll_slot(now_ns, stretch_ns), s, sum = 0;

	for (s = slot >= ROLL_SLOTS - 1 ? slot - (ROLL_SLOTS - 1) : 0; s <= slot && s <= r->slot; s++) {
		if (s + ROLL_SLOTS > r->slot)
			sum += r->at[s % ROLL_SLOTS];
	}
	return sum;
}

#endif
