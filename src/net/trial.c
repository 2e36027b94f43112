/* SPDX-License-Identifier: Apache-2.0 */
#include "net/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"

int trial_begin(struct trial *t, unsigned ifindex, struct err *err)
{
	cpu_set_t one;

	t->ifindex = ifindex;
	t->cpu = sched_getcpu();
	t->cpus = libbpf_num_possible_cpus();
	if (t->cpu < 0 || t->cpus <= t->cpu || sched_getaffinity(0, sizeof(t->was), &t->was))
		return err_set(err, ENODATA, "cannot stay on one CPU");
	CPU_ZERO(&one);
	CPU_SET(t->cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return err_errno(err, errno, "cannot stay on one CPU");
	t->moved = true;
	return 0;
}

void trial_end(struct trial *t)
{
	if (t->moved)
		(void)sched_setaffinity(0, sizeof(t->was), &t->was);
	t->moved = false;
}

static int action_of(enum chain_hook hook, uint32_t said)
{
	if (hook == CHAIN_ON_XDP)
		return (int)said;
	return said == TC_ACT_SHOT ? XDP_DROP : said == TC_ACT_REDIRECT ? TRIAL_SENT : XDP_PASS;
}

int trial_run(const struct trial *t, const struct chain *c, const void *frame, size_t len, void *out, uint32_t *out_len,
	      struct err *err)
{
	struct xdp_md ctx = { .data_end = (uint32_t)len, .ingress_ifindex = t->ifindex };
	struct __sk_buff skb = { .ifindex = t->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len, .data_out = out,
		    .data_size_out = *out_len, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	int program = chain_program(c, "chain_entry");

	if (chain_hook(c) == CHAIN_ON_TC) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(program, &opts)) {
		/* an interface without queues of its own for XDP: the packet comes from nowhere, then */
		opts.ctx_in = NULL;
		opts.ctx_size_in = 0;
		opts.data_size_out = *out_len;
		if (bpf_prog_test_run_opts(program, &opts))
			return err_errno(err, errno, "cannot run the packet through the programs");
	}
	*out_len = opts.data_size_out;
	return action_of(chain_hook(c), opts.retval);
}

int trial_meta(const struct trial *t, const struct chain *c, struct chain_meta *ret, struct err *err)
{
	size_t step = (sizeof(struct chain_meta) + 7) / 8 * 8;
	CLEANUP_FREE uint8_t *all = calloc((size_t)t->cpus, step);
	uint32_t zero = 0;

	if (!all || bpf_map_lookup_elem(chain_map(c, "chain_meta"), &zero, all))
		return err_set(err, EIO, "cannot read the packet's metadata");
	memcpy(ret, all + (size_t)t->cpu * step, sizeof(*ret));
	return 0;
}
