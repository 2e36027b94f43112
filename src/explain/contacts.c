/* SPDX-License-Identifier: Apache-2.0 */
/* Who spoke with whom: the matched messages between two processes, kept at both ends. */
#include <errno.h>

#include "explain/facts.h"

struct message *story_message(const struct story *s, struct order_ref a)
{
	const struct messages *m = &s->messages[a.host % STORY_HOSTS];
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->rows[mid].id < a.id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->count && m->rows[low].id == a.id ? &m->rows[low] : NULL;
}

size_t story_message_at(const struct messages *m, uint64_t boot_ns)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->rows[mid].boot_ns < boot_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct contacts_arg {
	struct story *s;
	int r;
};

static int contact_add(struct story *s, const struct message *from, const struct message *to, bool sent)
{
	const struct message *own = sent ? from : to;
	struct contact c = { .boot_ns = to->boot_ns,
			     .said_ns = from->begin_ns,
			     .id = own->id,
			     .other = sent ? to->actor : from->actor,
			     .sock = own->sock,
			     .sent = sent };

	if (s->bytes + sizeof(c) > STORY_BYTES_MAX) {
		s->left_out++;
		return 0;
	}
	s->bytes += sizeof(c);
	return cast_contact(&s->cast.actors[own->actor], &c);
}

static bool contact_edge(void *arg, const struct order_edge *e)
{
	struct contacts_arg *a = arg;
	struct story *s = a->s;
	struct message *from, *to;

	if (e->kind != ORDER_MESSAGE || e->ambiguous)
		return true;
	from = story_message(s, e->from);
	to = story_message(s, e->to);
	if (!from || !to || from->actor == CAST_NONE || to->actor == CAST_NONE)
		return true;
	from->arrived = 1;
	if (from->sock < s->socks.count)
		s->socks.rows[from->sock].peer = to->actor;
	if (to->sock < s->socks.count)
		s->socks.rows[to->sock].peer = from->actor;
	if (from->actor == to->actor)
		return true;
	a->r = contact_add(s, from, to, true);
	if (a->r >= 0)
		a->r = contact_add(s, from, to, false);
	return a->r >= 0;
}

/* The other end of a trouble: who answered there, else who listened there. */
static void find_target(struct story *s, struct fact *f)
{
	const struct service *service;

	if (f->sock >= s->socks.count)
		return;
	f->target = s->socks.rows[f->sock].peer;
	if (f->target != CAST_NONE || s->socks.rows[f->sock].passive)
		return;
	service = socks_service(&s->socks, f->sock, f->boot_ns);
	f->target = service ? service->actor : CAST_NONE;
}

int story_contacts(struct story *s, const struct order *o)
{
	struct contacts_arg arg = { .s = s };
	int r = order_edges(o, false, contact_edge, &arg);
	size_t i;

	if (r < 0 || arg.r < 0)
		return -ENOMEM;
	cast_sort(&s->cast);
	for (i = 0; i < s->troubles.count; i++)
		find_target(s, &s->troubles.rows[i]);
	return 0;
}
