/* SPDX-License-Identifier: Apache-2.0 */
/*
 * goroutine - the goroutine as the unit of program order.
 *
 * Events are added by thread.  Before they get their slots, the events of threads that ran goroutines are dealt out anew:
 * each stretch of a thread, from one `goroutine` event to the next, goes to a unit of that goroutine.  A goroutine runs on
 * one thread at a time and all threads of a process share a clock, so the times of its events are its order.
 *
 * To the thread itself remain what it does with no goroutine, and what happens to the thread and not to the goroutine that
 * runs there just then: its exit, exec, signals that reach it, threads it makes.
 *
 * A program is recognised a while after it began, or after the recording did.  Until the first of its threads has told which
 * goroutine it runs, two events of one thread may be two goroutines': they are in nobody's program order, after the exec and
 * before the thread's exit.  From then on who tells nothing runs none.
 *
 * A go_ready by the scheduler is in nobody's program order: it follows from a timer alone, the kernel's that ended the
 * thread's wait right before.
 *
 * Edges: exec -> the first event of each goroutine of that program; the last event of a goroutine on a thread -> the exit
 * of that thread; go_ready -> the next event of the other goroutine; and the last event of that one before -> go_ready,
 * for it was found waiting (src/runtime/proc.go, ready(): anything else is a fatal error there).
 */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "event/event.h"

/* Marks of rows; below them: index of what it says about goroutines */
#define PLAIN UINT32_MAX	/* nothing */
#define ASIDE (UINT32_MAX - 1)	/* it is the thread's whatever runs there */
#define EXECED (UINT32_MAX - 2) /* so is this, and another program begins */
#define UNTOLD (UINT32_MAX - 3) /* of some goroutine or of none */
#define MARKS UNTOLD

#define ANY UINT64_MAX /* in place of the time of an exec */

/* --- programs --- */

static int exec_compare(const void *pa, const void *pb)
{
	const struct order_task *a = *(const struct order_task *const *)pa, *b = *(const struct order_task *const *)pb;

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

/* The last exec of that process up to that time. */
static const struct order_task *exec_before(const struct order_task *const *execs, size_t n, uint32_t host,
					    uint32_t tgid, uint64_t ns)
{
	const struct order_task key = { .host = host, .tgid = tgid, .boot_ns = ns }, *wanted = &key;
	size_t low = 0, high = n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (exec_compare(&execs[middle], &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && execs[low - 1]->host == host && execs[low - 1]->tgid == tgid ? execs[low - 1] : NULL;
}

/* All execs by process and time; NULL: no memory. */
static const struct order_task **execs_sorted(struct order *o, size_t *ret_n)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task), **execs;
	size_t count = BIG_COUNT(&o->tasks, struct order_task), n = 0, i;

	execs = malloc((count + 1) * sizeof(*execs));
	if (!execs) {
		o->memory.failed = ENOMEM;
		return NULL;
	}
	for (i = 0; i < count; i++)
		if (t[i].type == EVENT_EXEC)
			execs[n++] = &t[i];
	qsort(execs, n, sizeof(*execs), exec_compare);
	*ret_n = n;
	return execs;
}

/* When the program that the process ran at that time began; 0: before anything was recorded of it. */
static uint64_t program_began(const struct order_task *const *execs, size_t n, const struct order_thread *t,
			      uint64_t ns)
{
	const struct order_task *exec = exec_before(execs, n, t->host, t->tgid, ns);

	return exec ? exec->boot_ns : 0;
}

/* A goroutine event or the like: that program of the process is known from that time on. */
static void known_since(struct order *o, const struct order_thread *t, uint64_t began, uint64_t ns)
{
	uint32_t i = table_get(&o->go_begun, t->host, t->tgid, began);
	uint64_t *known;

	if (i != NONE) {
		known = &BIG_AT(&o->go_known, uint64_t)[i];
		*known = ns < *known ? ns : *known;
		return;
	}
	known = BIG_PUSH(&o->memory, &o->go_known, uint64_t);
	if (!known)
		return;
	*known = ns;
	if (table_set(&o->go_begun, t->host, t->tgid, began, (uint32_t)BIG_COUNT(&o->go_known, uint64_t) - 1) < 0)
		o->memory.failed = ENOMEM;
}

void order_goroutines_begin(struct order *o)
{
	const struct order_goroutine *g = BIG_AT(&o->goroutines, struct order_goroutine);
	const struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	size_t count = BIG_COUNT(&o->goroutines, struct order_goroutine), n, i;
	const struct order_task **execs = execs_sorted(o, &n);

	for (i = 0; execs && i < count; i++) {
		const struct order_thread *t = &THREADS(o)[a[g[i].node].thread];

		known_since(o, t, program_began(execs, n, t, g[i].boot_ns), g[i].boot_ns);
		known_since(o, t, ANY, 0);
	}
	for (i = 0; i < NTHREADS(o); i++) {
		struct order_thread *t = &THREADS(o)[i];

		if (t->tgid && table_get(&o->go_begun, t->host, t->tgid, ANY) != NONE)
			t->flags |= THREAD_GO_PROCESS;
	}
	free(execs);
}

/* --- units --- */

static uint32_t unit_new(struct order *o, const struct order_thread *of, uint64_t goid)
{
	uint32_t i = NTHREADS(o);
	struct order_thread t = { .host = of->host, .tgid = of->tgid, .start_ns = goid, .flags = THREAD_GOROUTINE };
	struct order_thread *at = i < MESSAGE_THREAD ? BIG_PUSH(&o->memory, &o->threads, struct order_thread) : NULL;

	if (!at) {
		o->memory.failed = o->memory.failed ? o->memory.failed : EOVERFLOW;
		return NONE;
	}
	t.exit = t.column = t.same_tid = NONE;
	*at = t;
	return i;
}

/* Programs are numbered. */
static uint32_t program_get(struct order *o, uint32_t host, uint32_t tgid, uint64_t program)
{
	uint32_t i = table_get(&o->program_table, host, tgid, program);

	if (i == NONE) {
		i = o->program_table.count;
		if (table_set(&o->program_table, host, tgid, program, i) < 0)
			o->memory.failed = ENOMEM;
	}
	return i;
}

static uint32_t unit_get(struct order *o, uint32_t thread, uint32_t program, uint64_t goid)
{
	const struct order_thread of = THREADS(o)[thread];
	uint32_t i = table_get(&o->goroutine_table, of.host, program, goid);

	if (i != NONE)
		return i;
	i = unit_new(o, &of, goid);
	if (i != NONE && table_set(&o->goroutine_table, of.host, program, goid, i) < 0)
		o->memory.failed = ENOMEM;
	return o->memory.failed ? thread : i;
}

/* --- dealing out --- */

/* Is it the thread's own, not the goroutine's? */
static bool task_aside(const struct order *o, const struct order_task *t)
{
	const struct order_arrival *a = &BIG_AT(&o->arrival, struct order_arrival)[t->node];

	switch (t->type) {
	case EVENT_FORK:
		return t->tgid == THREADS(o)[a->thread].tgid;
	case EVENT_EXEC:
	case EVENT_EXIT:
	case EVENT_JOIN:
	case EVENT_DELIVER:
	case EVENT_STOP:
	case EVENT_CONT:
	case EVENT_START:
	case EVENT_RAN:
	case EVENT_HELD:
		return true;
	default:
		return false;
	}
}

/* What each row says; rows, tasks and goroutine events are by arrival. */
static void mark_rows(const struct order *o, struct order_row *rows, size_t count)
{
	const struct order_goroutine *g = BIG_AT(&o->goroutines, struct order_goroutine);
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t ng = BIG_COUNT(&o->goroutines, struct order_goroutine), nt = BIG_COUNT(&o->tasks, struct order_task);
	size_t i, k = 0, j = 0;

	for (i = 0; i < count; i++) {
		rows[i].mark = PLAIN;
		while (k < ng && g[k].node < rows[i].n)
			k++;
		while (j < nt && t[j].node < rows[i].n)
			j++;
		if (k < ng && g[k].node == rows[i].n)
			rows[i].mark = (uint32_t)k;
		else if (j < nt && t[j].node == rows[i].n && task_aside(o, &t[j]))
			rows[i].mark = t[j].type == EVENT_EXEC ? EXECED : ASIDE;
	}
}

/* The unit of one that says something; *now: of the thread's stretch. */
static uint32_t deal_mark(struct order *o, struct order_goroutine *g, uint32_t thread, uint32_t *now)
{
	uint32_t loose;

	g->thread = thread;
	g->number = program_get(o, THREADS(o)[thread].host, THREADS(o)[thread].tgid, g->program);
	if (g->type != EVENT_GO_READY)
		return *now = g->goid ? unit_get(o, thread, g->number, g->goid) : thread;
	if (g->by)
		return unit_get(o, thread, g->number, g->by);
	loose = order_loose(o, THREADS(o)[thread].host);
	return loose == NONE ? thread : loose;
}

/* What is dealt out, and what is known of all threads. */
struct dealing {
	struct order *o;
	struct order_row *rows;
	const struct order_task *const *execs;
	size_t nexecs;
};

/* Of a thread that has not told whom it runs; now: whose it is if that is no Go program, or known to be none's. */
static uint32_t deal_untold(const struct dealing *d, struct order_row *row, uint32_t now)
{
	struct order *o = d->o;
	const struct order_thread *t = &THREADS(o)[row->thread];
	uint64_t began = program_began(d->execs, d->nexecs, t, row->boot_ns);
	uint32_t program = table_get(&o->go_begun, t->host, t->tgid, began), loose;

	if (program == NONE)
		return now;
	if (row->boot_ns >= BIG_AT(&o->go_known, uint64_t)[program])
		return row->thread;
	loose = order_loose(o, t->host);
	if (loose == NONE)
		return now;
	row->mark = UNTOLD;
	return loose;
}

/* One thread's rows in the order of time. */
static void deal_thread(const struct dealing *d, struct order_row *rows, size_t count)
{
	struct order *o = d->o;
	uint32_t thread = rows[0].thread, now = thread;
	uint64_t since_ns = 0;
	bool told = false;
	size_t i;

	if (!(THREADS(o)[thread].flags & (THREAD_GO | THREAD_GO_PROCESS)))
		return;
	for (i = 0; i < count && !o->memory.failed; i++) {
		struct order_row *r = &rows[i];
		struct order_goroutine *g =
			r->mark < MARKS ? &BIG_AT(&o->goroutines, struct order_goroutine)[r->mark] : NULL;

		if (r->mark == EXECED || (g && g->type == EVENT_GOROUTINE))
			told = r->mark != EXECED;
		if (g)
			r->unit = deal_mark(o, g, thread, &now);
		else if (r->mark == PLAIN)
			r->unit = told ? now : deal_untold(d, r, now);
		if (g && g->type == EVENT_GO_READY && !g->by)
			g->since_ns = since_ns;
		else
			since_ns = r->boot_ns;
	}
}

/* rows by thread and time; each gets its unit, which counts it. */
static void deal(const struct dealing *d, size_t count)
{
	struct order *o = d->o;
	struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	struct order_row *rows = d->rows;
	size_t i, first = 0;

	for (i = 0; i < count; i++) {
		if (i + 1 < count && rows[i + 1].thread == rows[first].thread)
			continue;
		deal_thread(d, rows + first, i + 1 - first);
		first = i + 1;
	}
	for (i = 0; i < count; i++) {
		a[rows[i].n].thread = rows[i].unit;
		THREADS(o)[rows[i].thread].count--;
		THREADS(o)[rows[i].unit].count++;
	}
}

void order_goroutines_deal(struct order *o, struct order_row *rows, size_t count)
{
	struct dealing d = { .o = o, .rows = rows };
	const struct order_task **execs = execs_sorted(o, &d.nexecs);

	mark_rows(o, rows, count);
	d.execs = execs;
	if (execs && order_rows_group(o, rows, count, false))
		deal(&d, count);
	free(execs);
	table_fini(&o->program_table);
	table_fini(&o->go_begun);
	big_fini(&o->memory, &o->go_known);
}

static void stay_add(struct order *o, uint32_t slot, uint32_t thread)
{
	uint64_t *stay = BIG_PUSH(&o->memory, &o->stays, uint64_t);

	if (stay)
		*stay = (uint64_t)slot << 32 | thread;
}

/* Where a goroutine was last on each thread, and all that is in nobody's order; rows by unit and time, with slots. */
void order_goroutines_stays(struct order *o, const struct order_row *rows, size_t count)
{
	struct map last = MAP_INIT;
	const struct map_slot *s;
	size_t i, at = 0;

	for (i = 0; i < count && !o->memory.failed; i++) {
		const struct order_thread *t = &THREADS(o)[rows[i].thread];

		if (rows[i].mark == UNTOLD)
			stay_add(o, rows[i].slot, rows[i].thread);
		if (rows[i].mark == UNTOLD || rows[i].unit == rows[i].thread || t->exit == NONE)
			continue;
		if (map_set(&last, (uint64_t)rows[i].unit << 32 | rows[i].thread, rows[i].slot) < 0)
			o->memory.failed = ENOMEM;
	}
	while ((s = map_each(&last, &at)))
		stay_add(o, (uint32_t)s->value, (uint32_t)s->key);
	map_fini(&last);
}

/* --- edges --- */

static void edge(struct order *o, uint32_t from, uint32_t to)
{
	struct order_raw e = { 0, from, to, 0, ORDER_GOROUTINE, 0, { 0 } };

	if (from != NONE && to != NONE && from != to)
		order_edge_add(o, &e, 0);
}

/* The first slot of the unit after that time; its end if there is none. */
static uint32_t slot_after(const struct order *o, const struct order_thread *t, uint64_t ns)
{
	uint32_t low = t->base, high = t->base + t->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (TIME(o)[middle] <= ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The other one was found waiting, or made. */
static void match_ready(struct order *o, const struct order_goroutine *g)
{
	uint32_t ready = SLOT_OF(o)[g->node], other, at;
	const struct order_thread *t;

	other = table_get(&o->goroutine_table, THREADS(o)[g->thread].host, g->number, g->goid);
	if (other == NONE)
		return;
	t = &THREADS(o)[other];
	at = slot_after(o, t, g->boot_ns);
	if (at > t->base)
		edge(o, at - 1, ready);
	if (at < t->base + t->count)
		edge(o, ready, at);
}

struct due {
	uint64_t boot_ns;
	uint32_t thread, slot;
};

static int due_compare(const void *pa, const void *pb)
{
	const struct due *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

/* The timers that ended waits of threads that run goroutines. */
static void collect_dues(struct order *o, struct big *dues)
{
	const struct order_task *t = BIG_AT(&o->tasks, struct order_task);
	size_t n = BIG_COUNT(&o->tasks, struct order_task), i;

	for (i = 0; i < n; i++) {
		uint32_t thread =
			t[i].type == EVENT_TIMER ? order_thread_find(o, t[i].host, t[i].tid, t[i].start_ns) : NONE;
		struct due *due = thread != NONE && THREADS(o)[thread].flags & THREAD_GO
					  ? BIG_PUSH(&o->memory, dues, struct due)
					  : NULL;

		if (due)
			*due = (struct due) { t[i].boot_ns, thread, t[i].node };
	}
	if (dues->len)
		qsort(dues->data, BIG_COUNT(dues, struct due), sizeof(struct due), due_compare);
}

/* The last timer before the scheduler made another one run, if the thread did nothing else in between. */
static void match_due(struct order *o, const struct order_goroutine *g, const struct big *dues)
{
	const struct due *d = BIG_AT(dues, struct due), key = { .boot_ns = g->boot_ns, .thread = g->thread };
	size_t low = 0, high = BIG_COUNT(dues, struct due), middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (due_compare(&d[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && d[low - 1].thread == g->thread && d[low - 1].boot_ns > g->since_ns)
		edge(o, d[low - 1].slot, SLOT_OF(o)[g->node]);
}

static void match_readies(struct order *o)
{
	const struct order_goroutine *g = BIG_AT(&o->goroutines, struct order_goroutine);
	size_t n = BIG_COUNT(&o->goroutines, struct order_goroutine), i;
	struct big dues = { 0 };

	collect_dues(o, &dues);
	for (i = 0; i < n; i++) {
		if (g[i].type != EVENT_GO_READY)
			continue;
		match_ready(o, &g[i]);
		if (!g[i].by)
			match_due(o, &g[i], &dues);
	}
	big_fini(&o->memory, &dues);
}

static void match_execs(struct order *o, const struct order_task *const *execs, size_t n)
{
	const struct order_task *exec;
	uint32_t unit;

	for (unit = 0; unit < NTHREADS(o); unit++) {
		const struct order_thread *g = &THREADS(o)[unit];

		if (!(g->flags & THREAD_GOROUTINE) || !g->count)
			continue;
		exec = exec_before(execs, n, g->host, g->tgid, TIME(o)[g->base]);
		if (exec)
			edge(o, exec->node, g->base);
	}
}

/* What was last on a thread, or in nobody's order -> the thread's exit; the exec -> what is in nobody's order. */
static void match_stays(struct order *o, const struct order_task *const *execs, size_t n)
{
	const uint64_t *stays = BIG_AT(&o->stays, uint64_t);
	size_t i;

	for (i = 0; i < BIG_COUNT(&o->stays, uint64_t); i++) {
		uint32_t slot = (uint32_t)(stays[i] >> 32);
		const struct order_thread *t = &THREADS(o)[(uint32_t)stays[i]];
		const struct order_task *exec;

		if (t->exit != NONE && TIME(o)[slot] <= TIME(o)[t->exit]) /* sockets are closed after it */
			edge(o, slot, t->exit);
		if (!(THREADS(o)[order_thread_of(o, slot)].flags & THREAD_LOOSE))
			continue;
		exec = exec_before(execs, n, t->host, t->tgid, TIME(o)[slot]);
		if (exec)
			edge(o, exec->node, slot);
	}
}

void order_match_goroutines(struct order *o)
{
	const struct order_task **execs;
	size_t n;

	if (!o->goroutines.len)
		return;
	match_readies(o);
	execs = execs_sorted(o, &n);
	if (execs) {
		match_stays(o, execs, n);
		match_execs(o, execs, n);
	}
	free(execs);
	big_fini(&o->memory, &o->stays);
	big_fini(&o->memory, &o->goroutines);
	table_fini(&o->goroutine_table);
}
