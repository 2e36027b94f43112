/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the story: linked into a second saker by --wrap=order_edges, it hides every edge from a send to a
 * receive.  What the story then still finds it does not have from messages.
 */
#include "order/order.h"

int __real_order_edges(const struct order *o, bool with_program, order_edge_fn *cb, void *arg);
int __wrap_order_edges(const struct order *o, bool with_program, order_edge_fn *cb, void *arg);

struct blind {
	order_edge_fn *cb;
	void *arg;
};

static bool pass_on(void *arg, const struct order_edge *e)
{
	const struct blind *b = arg;

	return e->kind == ORDER_MESSAGE || b->cb(b->arg, e);
}

int __wrap_order_edges(const struct order *o, bool with_program, order_edge_fn *cb, void *arg)
{
	struct blind b = { cb, arg };

	return __real_order_edges(o, with_program, pass_on, &b);
}
