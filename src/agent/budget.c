/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/budget.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"

#define SPAN_NS NS_PER_SEC
#define CHECK_NS (100 * NS_PER_MS)
#define SHARE_ALL 256
#define GROSS 2				/* times the budget: acted on after TRUSTED_NS already, else after a second */
#define TRUSTED_NS (3 * CHECK_NS)	/* a stretch after a change that says how it is now */
#define PATIENCE_NS (10 * NS_PER_SEC)	/* so long below half of the limit before something is taken up again */
#define PATIENCE_MAX (320 * NS_PER_SEC) /* doubled each time that this was too early */
#define RELAPSE_NS (5 * NS_PER_SEC)

#define BUDGET_PAYLOADS (1U << 31) /* beside OBSERVE_* */

#define SCHED (1 << KIND_SCHED)
#define TIMERS (SCHED | 1 << KIND_TIMER)
#define PAYLOADS (TIMERS | 1 << KIND_PAYLOAD)
#define LOGS (PAYLOADS | 1 << KIND_LOG)
#define DATAGRAMS (LOGS | 1 << KIND_DGRAM)
#define UNIX (DATAGRAMS | 1 << KIND_UNIX)

/* What each level leaves out, on top of the ones before it. */
static const struct {
	const char *what;
	uint64_t shed;	/* bits of enum kernel_kind */
	uint64_t share; /* of 256: connections that are kept */
	uint32_t kinds; /* bits OBSERVE_*, BUDGET_PAYLOADS: passed over where this is not observed; 0: never */
} levels[] = {
	{ "nothing", 0, SHARE_ALL, 0 },
	{ EVENT_SHED_SCHED, SCHED, SHARE_ALL, OBSERVE_SCHED },
	{ "timers", TIMERS, SHARE_ALL, 0 },
	{ EVENT_SHED_PAYLOADS, PAYLOADS, SHARE_ALL, BUDGET_PAYLOADS },
	{ "log lines", LOGS, SHARE_ALL, 0 },
	{ "datagrams", DATAGRAMS, SHARE_ALL, 0 },
	{ "AF_UNIX messages", UNIX, SHARE_ALL, 0 },
	{ "messages of every second connection", UNIX, 128, 0 },
	{ "messages of 7 in 8 connections", UNIX, 32, 0 },
	{ "messages of 31 in 32 connections", UNIX, 8, 0 },
	{ "all messages", UNIX | 1 << KIND_STREAM, 0, 0 },
};

static bool level_idle(const struct budget *b, struct kernel *k, unsigned int level)
{
	uint32_t there = kernel_observed(k) | (b->payloads ? BUDGET_PAYLOADS : 0);

	return levels[level].kinds && !(there & levels[level].kinds);
}

static uint64_t user_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static uint64_t rss_bytes(void)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0, resident = 0;

	if (!f || fscanf(f, "%lu %lu", &pages, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

int budget_start(struct budget *b, double percent, bool payloads, struct err *err)
{
	*b = (struct budget) { .percent = percent, .payloads = payloads, .stats_fd = -1, .start_ns = clock_boot_ns() };
	b->last_ns = b->calm_ns = b->start_ns;
	b->patience_ns = PATIENCE_NS;
	b->first_user_ns = b->last_user_ns = user_ns();
	if (percent <= 0)
		return 0;
	b->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (b->stats_fd < 0)
		return err_errno(err, errno, "cannot measure the time in the kernel, so no budget can be kept");
	return 0;
}

void budget_stop(struct budget *b)
{
	if (b->stats_fd > 0)
		(void)close(b->stats_fd);
	b->stats_fd = -1;
}

static int shed_tell(struct budget *b, unsigned int level, bool on, double percent, kernel_event_fn *emit, void *arg)
{
	struct event_shed e = { .h = { .type = EVENT_SHED, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
				.on = on };
	char why[128];
	const char *strings[] = { levels[level].what, why, NULL };
	union {
		struct event_header h;
		char bytes[512];
	} room;

	(void)snprintf(why, sizeof(why), "cost was %.2f %% of one CPU, the budget is %.2f %%", percent, b->percent);
	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : emit(arg, &room.h);
}

static uint64_t spent_ns(struct kernel *k)
{
	struct kernel_counts c;

	kernel_counts(k, &c);
	return user_ns() + c.run_ns;
}

/* Each level that is passed is told, as each is one kind more. */
static int level_set(struct budget *b, struct kernel *k, unsigned int level, double percent, kernel_event_fn *emit,
		     void *arg)
{
	int e = 0;

	for (; e >= 0 && b->level < level; b->level++)
		e = level_idle(b, k, b->level + 1) ? 0 : shed_tell(b, b->level + 1, true, percent, emit, arg);
	for (; e >= 0 && b->level > level; b->level--)
		e = level_idle(b, k, b->level) ? 0 : shed_tell(b, b->level, false, percent, emit, arg);
	if (kernel_control(k)->shed & ~levels[b->level].shed & SCHED)
		kernel_control(k)->sched_ns = clock_boot_ns();
	kernel_control(k)->shed = levels[b->level].shed;
	kernel_control(k)->stream_share = levels[b->level].share;
	/* the hooks alone may cost more than the budget */
	(void)kernel_messages(k, levels[b->level].share != 0, NULL);
	b->nmarks = 0;
	return e;
}

/* Cost in % over the last second, or since the last change; -1: too short to say. */
static double cost_now(struct budget *b, uint64_t now, uint64_t spent)
{
	struct budget_mark *oldest;
	double percent;

	b->marks[b->nmarks++ % BUDGET_MARKS] = (struct budget_mark) { now, spent };
	oldest = &b->marks[b->nmarks > BUDGET_MARKS ? b->nmarks % BUDGET_MARKS : 0];
	if (now - oldest->at_ns < TRUSTED_NS)
		return -1;
	percent = 100.0 * (double)(spent - oldest->spent_ns) / (double)(now - oldest->at_ns);
	return b->nmarks < BUDGET_MARKS && percent < GROSS * b->percent ? -1 : percent;
}

/* Up at once when over the limit, further the more it is; down a level after a calm stretch. */
static unsigned int level_further(const struct budget *b, struct kernel *k, unsigned int more)
{
	unsigned int level = MIN(b->level + more, ARRAY_LEN(levels) - 1);

	return level_idle(b, k, level) ? level + 1 : level;
}

static unsigned int level_back(const struct budget *b, struct kernel *k)
{
	return level_idle(b, k, b->level - 1) ? b->level - 2 : b->level - 1;
}

static int level_adapt(struct budget *b, struct kernel *k, uint64_t now, kernel_event_fn *emit, void *arg)
{
	double percent = cost_now(b, now, spent_ns(k));
	unsigned int top = ARRAY_LEN(levels) - 1, more = 1;

	if (4 * percent > 5 * b->percent)
		more = percent > GROSS * b->percent ? 3 : 2;
	if (percent < 0)
		return 0;
	if (percent >= b->percent / 2)
		b->calm_ns = now;
	if (percent > b->percent && b->level < top) {
		if (b->eased_ns && now - b->eased_ns < RELAPSE_NS)
			b->patience_ns = MIN(2 * b->patience_ns, PATIENCE_MAX);
		return level_set(b, k, level_further(b, k, more), percent, emit, arg);
	}
	if (b->level && now - b->calm_ns > b->patience_ns) {
		b->calm_ns = b->eased_ns = now;
		return level_set(b, k, level_back(b, k), percent, emit, arg);
	}
	return 0;
}

static int cost_tell(struct budget *b, struct kernel *k, uint64_t now, kernel_event_fn *emit, void *arg)
{
	struct kernel_counts c;
	struct event_cost e = {
		.h = { .type = EVENT_COST, .length = sizeof(e), .boot_ns = now, .context = CONTEXT_RECORDER }
	};
	uint64_t user = user_ns();

	kernel_counts(k, &c);
	e.span_ns = now - b->last_ns;
	e.user_ns = user - b->last_user_ns;
	e.kernel_ns = c.run_ns - b->last_run_ns;
	e.rss_bytes = rss_bytes();
	e.rss_bytes -= e.rss_bytes > 2 * c.ring_bytes ? 2 * c.ring_bytes : e.rss_bytes;
	e.events = c.produced - b->last_events;
	b->total_run_ns += e.kernel_ns;
	b->last_ns = now;
	b->last_user_ns = user;
	b->last_run_ns = c.run_ns;
	b->last_events = c.produced;
	return emit(arg, &e.h);
}

int budget_tick(struct budget *b, struct kernel *k, kernel_event_fn *emit, void *arg)
{
	uint64_t now = clock_boot_ns();
	int e = 0;

	if (b->percent > 0 && now - b->checked_ns >= CHECK_NS) {
		b->checked_ns = now;
		e = level_adapt(b, k, now, emit, arg);
	}
	return e < 0 || now - b->last_ns < SPAN_NS ? e : cost_tell(b, k, now, emit, arg);
}

int budget_last(struct budget *b, struct kernel *k, kernel_event_fn *emit, void *arg)
{
	return cost_tell(b, k, clock_boot_ns(), emit, arg);
}

void budget_totals(const struct budget *b, uint64_t *span_ns, uint64_t *user, uint64_t *kernel_ns, uint64_t *rss)
{
	*span_ns = b->last_ns - b->start_ns;
	*user = b->last_user_ns - b->first_user_ns;
	*kernel_ns = b->total_run_ns;
	*rss = rss_bytes();
}
