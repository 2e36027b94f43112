/* SPDX-License-Identifier: Apache-2.0 */
/* balancer_egress - the program on the way out, there while the wish has checks or marks. */
#include "agent/balancer.h"
#include "base/err.h"
#include "net/attach_tc.h"
#include "net/chain.h"

void balancer_egress(struct balancer *b, const struct wish_if *f)
{
	struct err err = ERR_INIT;
	struct attach_tc t;
	int program = chain_program(b->chain, BALANCER_EGRESS), r;

	attach_tc_open(&t, &b->attach, BALANCER_EGRESS, true);
	if (f->marks.count || wish_if_checks(f))
		r = program < 0 ? err_set(&err, ENOENT, "there is no program '%s'", BALANCER_EGRESS)
				: attach_tc_set(&t, program, &err);
	else
		r = attach_tc_detach(&t, &err);
	if (r < 0)
		buf_printf(&b->said, "packets with marks, checks among them, do not reach backends: %s\n", err.text);
	attach_tc_close(&t);
}
