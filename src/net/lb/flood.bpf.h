/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_FLOOD_H
#define SAKER_NET_LB_FLOOD_H
/* flood - new connections of this second and CPU: above lb_config.flood_rate none is remembered. */
#include "net/lb/maps.bpf.h"

/* Counts a new connection; 1: there are too many of them in this second. */
PACKET_INLINE int lb_flood(const struct lb_config *config, __u64 now)
{
	__u64 second = now / 1000000000;
	__u32 zero = 0;
	struct lb_rate *rate = bpf_map_lookup_elem(&lb_rates, &zero);

	if (!rate)
		return 0;
	if (rate->second != second) {
		rate->ended = rate->second;
		rate->before = rate->fresh;
		rate->second = second;
		rate->fresh = 0;
	}
	return ++rate->fresh > config->flood_rate;
}

/* Are there already too many in this second? */
PACKET_INLINE int lb_flooded(const struct lb_config *config, __u64 now)
{
	__u32 zero = 0;
	const struct lb_rate *rate = bpf_map_lookup_elem(&lb_rates, &zero);

	return rate && rate->second == now / 1000000000 && rate->fresh > config->flood_rate;
}

#endif
