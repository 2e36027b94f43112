/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/calls.h"

#include "base/clock.h"
#include "kernel/kernel.h"

#define CALLS_LOOK_NS (5 * NS_PER_SEC)

static int calls_set(struct calls *c, struct kernel *k, bool on, struct err *err)
{
	c->on = on;
	return kernel_calls(k, on, err);
}

/* Looks at all descriptors of selected processes; returns whether one of them is to be watched, or -errno. */
static int calls_look(struct calls *c, struct kernel *k, struct err *err)
{
	int e;

	c->looked_ns = clock_boot_ns();
	kernel_control(k)->call_found = 0;
	e = kernel_iterate(k, "call_snapshot", err);
	return e < 0 ? e : kernel_control(k)->call_found != 0;
}

/* Files are watched from their open on, which nothing but the calls themselves shows. */
static bool calls_always(struct kernel *k)
{
	return kernel_observed(k) & OBSERVE_FILE;
}

int calls_start(struct calls *c, struct kernel *k, bool command, struct err *err)
{
	bool now = command || calls_always(k);
	int e = now ? calls_set(c, k, true, err) : 0;

	if (e >= 0)
		e = calls_look(c, k, err);
	return e > 0 ? calls_set(c, k, true, err) : e;
}

int calls_tick(struct calls *c, struct kernel *k, struct err *err)
{
	int e;

	if (!c->on && kernel_control(k)->call_found)
		return calls_set(c, k, true, err);
	if (calls_always(k) || clock_boot_ns() - c->looked_ns < CALLS_LOOK_NS)
		return 0;
	e = calls_look(c, k, err);
	return e < 0 ? e : calls_set(c, k, e > 0, err);
}
