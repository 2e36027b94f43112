/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer_egress - the programs of traffic control beside the chain: on the way out while the wish has checks or marks, on the way in
 * while it asks for sources of tunnels.
 */
#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/attach_tc.h"
#include "net/chain.h"

static const struct {
	const char *name;
	bool egress;
	const char *without; /* what does not work then */
} programs[] = {
	{ BALANCER_EGRESS, true, "packets with marks, checks among them, do not reach backends" },
	{ BALANCER_INGRESS, false, "packets in tunnels keep their sources" },
};

static void put(struct balancer *b, size_t i, bool wanted)
{
	struct err err = ERR_INIT;
	struct attach_tc t;
	int program = chain_program(b->chain, programs[i].name), r;

	attach_tc_open(&t, &b->attach, programs[i].name, programs[i].egress);
	if (wanted)
		r = program < 0 ? err_set(&err, ENOENT, "there is no program '%s'", programs[i].name)
				: attach_tc_set(&t, program, &err);
	else
		r = attach_tc_detach(&t, &err);
	if (r < 0)
		buf_printf(&b->said, "%s: %s\n", programs[i].without, err.text);
	attach_tc_close(&t);
}

void balancer_beside(struct balancer *b, const struct wish_if *f)
{
	put(b, 0, f->marks.count || wish_if_checks(f));
	put(b, 1, f->decap_source);
}

int balancer_beside_detach(struct balancer *b, struct err *err)
{
	struct attach_tc t;
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_LEN(programs) && !r; i++) {
		attach_tc_open(&t, &b->attach, programs[i].name, programs[i].egress);
		r = attach_tc_detach(&t, err);
		attach_tc_close(&t);
	}
	return r;
}
