/* SPDX-License-Identifier: Apache-2.0 */
/*
 * turn - the fall-back for connections that no parser knows: who spoke until the other one did.
 *
 * All that one side says until the other side speaks is one message.  That is right for protocols of question and answer,
 * and only the timing is told.
 */
#include "proto/conn.h"

static bool turn_begins(void *state, const struct proto_view *v)
{
	(void)state;
	(void)v;
	return true;
}

static int64_t turn_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct proto_exchange *x = NULL;

	(void)state;
	if (v->asks ? !proto_asking(c, 0) : !proto_answering(c, 0))
		x = v->asks ? proto_ask(c, 0, v->offset) : proto_answer(c, 0, v->offset);
	if (x)
		x->flags |= PROTO_TIMING;
	if (!v->datagram)
		return PROTO_REST;
	if (x && v->asks)
		proto_ask_end(c, x, v->fed);
	else if (x)
		proto_answer_end(c, x, v->fed);
	return (int64_t)v->fed;
}

const struct proto_ops proto_turn = {
	.name = "tcp",
	.stream = true,
	.datagram = true,
	.begins = turn_begins,
	.read = turn_read,
};
