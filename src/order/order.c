/* SPDX-License-Identifier: Apache-2.0 */
#include "order/order.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "order/internal.h"

int order_new(const struct order_opts *opts, struct order **ret, struct err *err)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return err_set(err, ENOMEM, "no memory to order events");
	o->memory.limit = opts ? opts->memory_bytes : 0;
	if (!o->memory.limit)
		o->memory.limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
	*ret = o;
	return 0;
}

static void free_hosts(struct order *o)
{
	uint32_t i;
	int k;

	for (i = 0; i < NHOSTS(o); i++) {
		big_fini(&o->memory, &HOSTS(o)[i].ids);
		for (k = 0; k < LOSS_CLASSES; k++)
			big_fini(&o->memory, &HOSTS(o)[i].losses[k]);
	}
}

/* Only matching needs these. */
static void free_added(struct order *o)
{
	struct big *all[] = { &o->arrival, &o->messages, &o->dgrams,	 &o->tasks, &o->socks, &o->flows,
			      &o->raw,	   &o->remap,	 &o->goroutines, &o->stays, &o->late,  &o->evidence };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		big_fini(&o->memory, all[i]);
	table_fini(&o->sock_table);
	table_fini(&o->program_table);
	table_fini(&o->goroutine_table);
	table_fini(&o->go_begun);
	big_fini(&o->memory, &o->go_known);
	table_fini(&o->thread_table);
	map_fini(&o->flow_map);
	map_fini(&o->tid_map);
}

struct order *order_free(struct order *o)
{
	struct big *all[11];
	size_t i, n = 0;

	if (!o)
		return NULL;
	free_added(o);
	free_hosts(o);
	order_offset_fini(o);
	all[n++] = &o->hosts;
	all[n++] = &o->threads;
	all[n++] = &o->time;
	all[n++] = &o->id;
	all[n++] = &o->hint;
	all[n++] = &o->clock;
	all[n++] = &o->cycle;
	all[n++] = &o->rows;
	all[n++] = &o->unmatched;
	all[n++] = &o->starts;
	all[n++] = &o->slot_of;
	for (i = 0; i < n; i++)
		big_fini(&o->memory, all[i]);
	big_fini(&o->memory, &o->exact.from);
	big_fini(&o->memory, &o->exact.offset);
	big_fini(&o->memory, &o->exact.bytes);
	big_fini(&o->memory, &o->exact.kind);
	big_fini(&o->memory, &o->in_first);
	big_fini(&o->memory, &o->out_first);
	big_fini(&o->memory, &o->out);
	big_fini(&o->memory, &o->raw_ambiguous);
	big_fini(&o->memory, &o->ambiguous_out);
	big_release(&o->memory);
	free(o);
	return NULL;
}

static void count_stats(struct order *o)
{
	const uint8_t *kind = BIG_AT(&o->exact.kind, uint8_t);
	struct order_stats *s = &o->stats;
	uint64_t unmatched = 0;
	uint32_t i;

	for (i = 0; i < o->exact.count; i++)
		s->edges[kind[i] & 15] += !(kind[i] >> 4 & EDGE_HIDDEN);
	for (i = 0; i < NTHREADS(o); i++) {
		const struct order_thread *t = &THREADS(o)[i];

		if (t->flags & THREAD_LOOSE)
			continue;
		s->threads += !(t->flags & THREAD_GOROUTINE);
		s->goroutines += t->flags & THREAD_GOROUTINE && t->count;
		s->edges[ORDER_PROGRAM] += t->count ? t->count - 1 : 0;
	}
	for (i = 0; i < ORDER_REASONS; i++)
		unmatched += s->unmatched[i];
	s->events = o->count;
	s->hosts = NHOSTS(o);
	for (i = 0; i < BIG_COUNT(&o->raw_ambiguous, struct order_raw); i++) {
		const struct order_raw *r = &BIG_AT(&o->raw_ambiguous, struct order_raw)[i];

		s->ambiguous += !(r->flags & EDGE_EARLY);
		s->edges[r->kind] += !!(r->flags & EDGE_EARLY);
	}
	s->matched = s->messages - unmatched;
	s->cycle = BIG_COUNT(&o->cycle, struct order_ref);
}

static void match_all(struct order *o)
{
	/* room for about as many edges as there will be, in what was freed before */
	if (big_sized(&o->memory, &o->raw, o->stats.messages * 5 / 8 * sizeof(struct order_raw)))
		o->raw.len = 0;
	order_losses_sort(o);
	order_pair(o);
	order_match_tasks(o);
	order_match_signals(o);
	order_match_wakes(o);
	order_match_goroutines(o);
	order_match_evidence(o);
	big_fini(&o->memory, &o->tasks);
	order_match_streams(o);
	order_match_dgrams(o);
	order_match_pipes(o);
	order_late_settle(o);
	order_offset_solve(o);
}

static int solve_all(struct order *o)
{
	int r = order_number(o);

	if (r < 0)
		return r;
	match_all(o);
	if (o->memory.failed)
		return -o->memory.failed;
	r = order_edges_sort(o);
	if (r == 0)
		r = order_clocks(o);
	if (r == 0)
		r = order_index(o);
	return r;
}

int order_solve(struct order *o, struct err *err)
{
	int r;

	if (o->solved)
		return err_set(err, EINVAL, "the order was solved already");
	o->solved = true;
	r = solve_all(o);
	if (r == -ELOOP)
		return err_set(err, ELOOP, "the events contradict each other: too many cycles");
	if (r < 0)
		return err_errno(err, -r, "cannot order %u events", o->count);
	count_stats(o);
	free_added(o);
	big_release(&o->memory);
	big_trim(&o->memory, &o->raw_ambiguous);
	big_trim(&o->memory, &o->unmatched);
	o->stats.bytes_of_memory = o->memory.total + sizeof(*o);
	return 0;
}

uint32_t order_clock(const struct order *o, struct order_ref a)
{
	uint32_t slot = order_slot(o, a);

	return slot == NONE ? 0 : CLOCK(o)[slot];
}

/* Walking: by clock, and within a clock by corrected time, host, id */
struct step {
	double time;
	uint64_t id;
	uint32_t host, slot;
};

static int step_compare(const void *pa, const void *pb)
{
	const struct step *a = pa, *b = pb;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static struct step step_of(const struct order *o, uint32_t slot)
{
	struct order_ref a = order_slot_ref(o, slot);

	return (struct step) { (double)TIME(o)[slot] - HOSTS(o)[a.host].shift_ns, a.id, a.host, slot };
}

/* Slots with the same clock; false: the callback had enough. */
static bool walk_level(const struct order *o, const uint32_t *slots, uint32_t n, struct step *room, order_ref_fn *cb,
		       void *arg)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		room[i] = step_of(o, slots[i]);
	qsort(room, n, sizeof(*room), step_compare);
	for (i = 0; i < n; i++) {
		if (!cb(arg, (struct order_ref) { room[i].host, room[i].id }, CLOCK(o)[room[i].slot]))
			return false;
	}
	return true;
}

/* first[c]: where the slots with clock c begin in slots; returns the size of the largest level. */
static uint32_t levels(const struct order *o, uint32_t *first, uint32_t *slots)
{
	uint32_t slot, i, sum = 0, most = 0, count;

	for (slot = 0; slot < o->count; slot++)
		first[CLOCK(o)[slot]]++;
	for (i = 0; i <= o->stats.max_clock + 1; i++) {
		count = first[i];
		most = count > most ? count : most;
		first[i] = sum;
		sum += count;
	}
	for (slot = 0; slot < o->count; slot++)
		slots[first[CLOCK(o)[slot]]++] = slot;
	return most;
}

int order_walk(const struct order *o, order_ref_fn *cb, void *arg)
{
	size_t clocks = (size_t)o->stats.max_clock + 2;
	uint32_t *first = calloc(clocks, sizeof(*first)), *slots = malloc(((size_t)o->count + 1) * sizeof(*slots));
	struct step *room = NULL;
	uint32_t most, i, begin = 0;
	int r = -ENOMEM;

	if (!first || !slots)
		goto out;
	most = levels(o, first, slots);
	room = malloc(((size_t)most + 1) * sizeof(*room));
	if (!room)
		goto out;
	r = 0;
	/* filling moved first[c] to the end of c */
	for (i = 1; i <= o->stats.max_clock; i++) {
		if (!walk_level(o, slots + begin, first[i] - begin, room, cb, arg))
			break;
		begin = first[i];
	}
out:
	free(first);
	free(slots);
	free(room);
	return r;
}

void order_causal(const struct order *o, order_ref_fn *cb, void *arg)
{
	const uint32_t *slot_of = SLOT_OF(o);
	uint32_t i;

	for (i = 0; i < o->count; i++) {
		if (!cb(arg, order_slot_ref(o, slot_of[i]), CLOCK(o)[slot_of[i]]))
			return;
	}
}

static const char *const reason_texts[ORDER_REASONS] = {
	[ORDER_PEER_NOT_RECORDED] = "peer not recorded",
	[ORDER_PEER_UNKNOWN] = "socket not described",
	[ORDER_BEFORE_RECORDING] = "sent before the recording began",
	[ORDER_AFTER_RECORDING] = "not received when the recording or the connection ended",
	[ORDER_LOST] = "events were lost there",
	[ORDER_AMBIGUOUS] = "several candidates",
	[ORDER_NO_OFFSET] = "its place in the stream is not known",
};

static const char *const kind_names[ORDER_KINDS] = {
	[ORDER_PROGRAM] = "program", [ORDER_CREATE] = "create",	      [ORDER_JOIN] = "join",
	[ORDER_SIGNAL] = "signal",   [ORDER_CONNECT] = "connect",     [ORDER_MESSAGE] = "message",
	[ORDER_TIMER] = "timer",     [ORDER_WAKE] = "wake",	      [ORDER_LOCK] = "lock",
	[ORDER_DISK] = "disk",	     [ORDER_GOROUTINE] = "goroutine", [ORDER_EVIDENCE] = "evidence",
	[ORDER_REPORT] = "report",
};

const char *order_reason_text(enum order_reason reason)
{
	return reason < ORDER_REASONS ? reason_texts[reason] : "unknown";
}

const char *order_kind_name(enum order_kind kind)
{
	return kind < ORDER_KINDS ? kind_names[kind] : "unknown";
}

void order_unmatched(const struct order *o, order_unmatched_fn *cb, void *arg)
{
	const struct order_unmatched *u = BIG_AT(&o->unmatched, struct order_unmatched);
	size_t n = BIG_COUNT(&o->unmatched, struct order_unmatched), i;

	for (i = 0; i < n; i++) {
		if (!cb(arg, order_slot_ref(o, u[i].slot), u[i].reason, u[i].bytes))
			return;
	}
}

void order_get_stats(const struct order *o, struct order_stats *ret)
{
	*ret = o->stats;
}

const struct order_ref *order_cycle(const struct order *o, size_t *ret_len)
{
	*ret_len = o->stats.cycle;
	return BIG_AT(&o->cycle, struct order_ref);
}
