/* SPDX-License-Identifier: Apache-2.0 */
/* loss - where a host's recording is not whole. */
#include "order/internal.h"

#include <stdlib.h>

#include "event/event.h"

#define LOSSES_MAX 65536 /* then the last one grows */

static enum order_loss_class class_of(uint16_t type)
{
	switch (type) {
	case EVENT_SEND:
	case EVENT_PIPE_WRITE:
		return LOSS_SEND;
	case EVENT_RECV:
	case EVENT_PIPE_READ:
		return LOSS_RECV;
	case EVENT_DGRAM_SEND:
		return LOSS_DGRAM_SEND;
	case EVENT_DGRAM_RECV:
		return LOSS_DGRAM_RECV;
	case EVENT_SIGNAL:
	case EVENT_DELIVER:
		return LOSS_SIGNAL;
	default:
		return LOSS_OTHER;
	}
}

static void class_add(struct order *o, struct big *losses, uint64_t from_ns, uint64_t to_ns)
{
	size_t count = BIG_COUNT(losses, struct order_loss);
	struct order_loss *l = BIG_AT(losses, struct order_loss);

	if (count >= LOSSES_MAX) {
		l += count - 1;
		l->from_ns = l->from_ns < from_ns ? l->from_ns : from_ns;
		l->to_ns = l->to_ns > to_ns ? l->to_ns : to_ns;
		return;
	}
	l = BIG_PUSH(&o->memory, losses, struct order_loss);
	if (l)
		*l = (struct order_loss) { from_ns, to_ns };
}

void order_loss_add(struct order *o, uint32_t host, uint16_t type, uint64_t from_ns, uint64_t to_ns)
{
	struct order_host *h = &HOSTS(o)[host];
	int i;

	if (type) {
		class_add(o, &h->losses[class_of(type)], from_ns, to_ns);
		return;
	}
	for (i = 0; i < LOSS_CLASSES; i++)
		class_add(o, &h->losses[i], from_ns, to_ns);
}

static int loss_compare(const void *pa, const void *pb)
{
	const struct order_loss *a = pa, *b = pb;

	return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

static void class_sort(struct big *losses)
{
	struct order_loss *l = BIG_AT(losses, struct order_loss);
	size_t count = BIG_COUNT(losses, struct order_loss), i;

	if (count)
		qsort(l, count, sizeof(*l), loss_compare);
	for (i = 1; i < count; i++)
		l[i].to_ns = l[i].to_ns > l[i - 1].to_ns ? l[i].to_ns : l[i - 1].to_ns;
}

void order_losses_sort(struct order *o)
{
	uint32_t i;
	int k;

	for (i = 0; i < NHOSTS(o); i++) {
		struct order_host *h = &HOSTS(o)[i];

		if (h->shed)
			order_loss_add(o, i, 0, h->shed_ns, UINT64_MAX);
		for (k = 0; k < LOSS_CLASSES; k++) {
			class_sort(&h->losses[k]);
			o->lost_any[k] |= h->losses[k].len != 0;
		}
	}
}

bool order_lost(const struct order *o, uint32_t host, enum order_loss_class what, uint64_t from_ns, uint64_t to_ns)
{
	const struct big *losses = &HOSTS(o)[host].losses[what];
	const struct order_loss *l = BIG_AT(losses, struct order_loss);
	size_t low = 0, high = BIG_COUNT(losses, struct order_loss), middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (l[middle].from_ns <= to_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low && l[low - 1].to_ns >= from_ns;
}
