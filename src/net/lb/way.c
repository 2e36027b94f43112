/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/way.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/err.h"
#include "net/chain.h"
#include "net/lb/shared.bpf.h"

static void way_copy(struct lb_config *to, const struct lb_config *from)
{
	memcpy(to->router_mac, from->router_mac, sizeof(to->router_mac));
	memcpy(to->own_mac, from->own_mac, sizeof(to->own_mac));
	to->frame_max = from->frame_max;
	to->gue_src4 = from->gue_src4;
	memcpy(to->gue_src6, from->gue_src6, sizeof(to->gue_src6));
}

bool lb_way_equal(const struct lb_config *a, const struct lb_config *b)
{
	struct lb_config copy = *a;

	way_copy(&copy, b);
	return !memcmp(&copy, a, sizeof(copy));
}

int lb_way_set(struct chain *c, const struct lb_config *from, struct err *err)
{
	int fd = chain_map(c, "lb_config");
	uint32_t i, side;

	for (i = 0; i < 2; i++) {
		struct lb_config config;

		side = i ? chain_hidden(c) : !chain_hidden(c);
		if (bpf_map_lookup_elem(fd, &side, &config))
			return err_errno(err, errno, "cannot read the balancer's configuration");
		way_copy(&config, from);
		if (bpf_map_update_elem(fd, &side, &config, BPF_ANY))
			return err_errno(err, errno, "cannot write the balancer's configuration");
	}
	return 0;
}
