/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/kernel.h"

#include <inttypes.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/inside.h"
#include "kernel/ladder.h"
#include "kernel/ring.h"

#define OBJECTS_MAX 16
#define LINKS_MAX 128
#define RING_BYTES_DEFAULT (16U << 20)
#define RING_BYTES_MIN (64U << 10)
#define LOG_RING_SHARE 4 /* of a ring, for log lines within a window of time; two are drained in each */
#define LOG_WINDOW_BYTES (512U << 10)

struct loaded {
	const struct kernel_object *obj;
	struct bpf_object *bpf;
	int rungs[KERNEL_LADDERS]; /* by ladder: index of the rung that serves, -1: none */
};

struct kernel {
	struct kernel_cfg cfg;
	struct common_maps maps;
	struct kernel_control *control; /* mapped */
	uint64_t *selected;		/* mapped: a bit per process id */
	struct loaded objects[OBJECTS_MAX];
	size_t nobjects;
	struct bpf_link *links[LINKS_MAX];
	struct bpf_program *attached[LINKS_MAX];
	const struct kernel_ladder *of[LINKS_MAX]; /* the ladder that a link belongs to */
	size_t nlinks;
	struct ring rings[RINGS_MAX];
	unsigned int nrings;
	int ncpus;
	bool later_done, no_messages, calls_on, calls_were_on;
};

enum attach_when { ATTACH_START, ATTACH_LATER, ATTACH_MESSAGES, ATTACH_CALLS };

/* --- rings --- */

static uint64_t ring_size(uint64_t total, unsigned int n)
{
	uint64_t size = RING_BYTES_MIN;

	while (size * 2 * n <= total)
		size *= 2;
	return size;
}

static int rings_open(struct kernel *k, uint64_t total, struct err *err)
{
	uint64_t size = ring_size(total, k->cfg.nrings);

	k->cfg.log_window_bytes =
		(uint32_t)(size / LOG_RING_SHARE < LOG_WINDOW_BYTES ? size / LOG_RING_SHARE : LOG_WINDOW_BYTES);
	for (; k->nrings < k->cfg.nrings; k->nrings++) {
		int r = ring_open(&k->rings[k->nrings], size, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int rings_publish(struct kernel *k, struct err *err)
{
	uint32_t i;

	for (i = 0; i < k->nrings; i++)
		if (bpf_map_update_elem(k->maps.rings, &i, &k->rings[i].fd, BPF_ANY) < 0)
			return err_errno(err, errno, "cannot hand ring buffer %u to the BPF programs", i);
	return 0;
}

/* --- life cycle --- */

/* What tells whose wait a timer ends (probe/timer.bpf.h), and what a file is (probe/wait.bpf.h). */
static void find_symbols(struct kernel_cfg *cfg)
{
	struct kernel_symbol symbols[] = {
		{ "hrtimer_wakeup", &cfg->hrtimer_wakeup },
		{ "timerfd_tmrproc", &cfg->timerfd_tmrproc },
		{ "pollwake", &cfg->pollwake },
		{ "ep_poll_callback", &cfg->ep_poll_callback },
		{ "eventfd_release", &cfg->eventfd_release },
		{ "timerfd_release", &cfg->timerfd_release },
		{ "signalfd_release", &cfg->signalfd_release },
		{ "inotify_release", &cfg->inotify_release },
	};

	kernel_symbols(symbols, ARRAY_LEN(symbols));
}

int kernel_new(const struct kernel_opts *opts, struct kernel **ret, struct err *err)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(err, ENOMEM, "out of memory");
	k->cfg = opts->cfg;
	k->maps = (struct common_maps)COMMON_MAPS_INIT;
	k->ncpus = libbpf_num_possible_cpus();
	k->cfg.nrings = k->ncpus > RINGS_MAX ? RINGS_MAX : k->ncpus > 0 ? (uint32_t)k->ncpus : 1;
	find_symbols(&k->cfg);
	r = rings_open(k, opts->ring_bytes ? opts->ring_bytes : RING_BYTES_DEFAULT, err);
	if (r < 0) {
		if (r == -EPERM)
			r = err_set(err, EPERM,
				    "cannot use BPF: CAP_BPF and CAP_PERFMON are missing (run it with sudo)");
		(void)kernel_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void kernel_detach(struct kernel *k)
{
	while (k->nlinks)
		(void)bpf_link__destroy(k->links[--k->nlinks]);
}

/* A program that was running when it was detached ends within an RCU grace period: membarrier(2), GLOBAL, is one. */
void kernel_quiesce(void)
{
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

struct kernel *kernel_free(struct kernel *k)
{
	size_t i;

	if (!k)
		return NULL;
	kernel_detach(k);
	for (i = 0; i < k->nobjects; i++)
		bpf_object__close(k->objects[i].bpf);
	if (k->control)
		(void)munmap(k->control, (size_t)sysconf(_SC_PAGESIZE));
	if (k->selected)
		(void)munmap(k->selected, SELECTED_WORDS * sizeof(*k->selected));
	for (i = 0; i < k->nrings; i++)
		ring_close(&k->rings[i]);
	for (i = 0; i < sizeof(k->maps) / sizeof(int); i++)
		if (((int *)&k->maps)[i] >= 0)
			(void)close(((int *)&k->maps)[i]);
	free(k);
	return NULL;
}

/* --- loading: the first rung of each ladder, and lower ones for those that fail --- */

static bool rung_wanted(void *arg, const char *program)
{
	const struct loaded *l = arg;
	size_t i;

	for (i = 0; i < l->obj->nladders; i++)
		if (l->rungs[i] >= 0 && rung_has(&l->obj->ladders[i].rungs[l->rungs[i]], program))
			return true;
	return false;
}

static int map_shared(int fd, size_t bytes, void *ret, struct err *err)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_errno(err, errno, "cannot map what is shared with the BPF programs");
	*(void **)ret = p;
	return 0;
}

static int control_map(struct kernel *k, struct err *err)
{
	int r;

	if (k->control)
		return 0;
	r = map_shared(k->maps.selected, SELECTED_WORDS * sizeof(*k->selected), &k->selected, err);
	if (r >= 0)
		r = map_shared(k->maps.control, (size_t)sysconf(_SC_PAGESIZE), &k->control, err);
	if (r < 0)
		return r;
	k->control->stream_share = 256;
	return rings_publish(k, err);
}

static uint32_t ladder_kinds(const struct kernel_object *obj, const struct kernel_ladder *ladder)
{
	return ladder->kinds ? ladder->kinds : obj->kinds;
}

static bool ladder_wanted(const struct kernel *k, const struct kernel_object *obj, const struct kernel_ladder *ladder)
{
	uint32_t kinds = ladder_kinds(obj, ladder);

	return !kinds || (kinds & k->cfg.observe);
}

static bool object_wanted(const struct kernel *k, const struct kernel_object *obj)
{
	size_t i;

	for (i = 0; i < obj->nladders; i++)
		if (ladder_wanted(k, obj, &obj->ladders[i]))
			return true;
	return false;
}

/* What is guessed, less what is not wanted. */
static void rungs_guess(const struct kernel *k, struct loaded *l)
{
	size_t i;

	ladders_guess(l->obj, l->rungs);
	for (i = 0; i < l->obj->nladders; i++)
		if (!ladder_wanted(k, l->obj, &l->obj->ladders[i]))
			l->rungs[i] = -1;
}

/* By trying each that is wanted; false: none loads. */
static bool rungs_find(const struct kernel *k, struct loaded *l)
{
	bool served = false;
	size_t i;

	for (i = 0; i < l->obj->nladders; i++) {
		const struct kernel_ladder *ladder = &l->obj->ladders[i];

		l->rungs[i] = ladder_wanted(k, l->obj, ladder) ? ladder_find(l->obj, ladder) : -1;
		served |= l->rungs[i] >= 0;
	}
	return served;
}

int kernel_load(struct kernel *k, const struct kernel_object *obj, struct err *err)
{
	struct loaded *l = &k->objects[k->nobjects];
	struct err first = ERR_INIT;
	int r;

	if (!object_wanted(k, obj))
		return 0;
	if (k->nobjects == OBJECTS_MAX || obj->nladders > ARRAY_LEN(l->rungs))
		return err_set(err, E2BIG, "too many BPF objects");
	*l = (struct loaded) { .obj = obj };
	object_quiet();
	rungs_guess(k, l);
	r = object_load(obj, &k->cfg, &k->maps, rung_wanted, l, &l->bpf, &first);
	if (r < 0) {
		bool served = rungs_find(k, l);

		if (!served && r == -EPERM)
			return err_set(
				err, EPERM,
				"cannot load BPF programs: CAP_BPF and CAP_PERFMON are missing (run it with sudo)");
		r = object_load(obj, &k->cfg, &k->maps, rung_wanted, l, &l->bpf, err);
	}
	if (r < 0)
		return r;
	k->nobjects++;
	return control_map(k, err);
}

/* --- attaching --- */

static int program_attach(struct kernel *k, struct bpf_program *p, const struct kernel_ladder *of, struct err *err)
{
	struct bpf_link *link;

	if (k->nlinks == LINKS_MAX)
		return err_set(err, E2BIG, "too many BPF programs");
	link = object_attach(p);
	if (!link)
		return err_errno(err, errno, "cannot attach the BPF program '%s'", bpf_program__name(p));
	k->attached[k->nlinks] = p;
	k->of[k->nlinks] = of;
	k->links[k->nlinks++] = link;
	return 0;
}

/* The programs of the rung that serves one ladder. */
static int ladder_attach(struct kernel *k, const struct loaded *l, size_t ladder, struct err *err)
{
	struct bpf_program *p;
	int r;

	if (l->rungs[ladder] < 0)
		return 0;
	bpf_object__for_each_program(p, l->bpf)
	{
		if (!rung_has(&l->obj->ladders[ladder].rungs[l->rungs[ladder]], bpf_program__name(p)))
			continue;
		r = program_attach(k, p, &l->obj->ladders[ladder], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool attach_now(const struct kernel *k, const struct kernel_ladder *l, enum attach_when when)
{
	if (l->iterator)
		return false;
	if (l->calls || when == ATTACH_CALLS)
		return l->calls && when == ATTACH_CALLS;
	if (when == ATTACH_MESSAGES)
		return l->messages && (!l->later || k->later_done);
	return l->later == (when == ATTACH_LATER) && !(l->messages && k->no_messages);
}

static int attach_which(struct kernel *k, enum attach_when when, struct err *err)
{
	size_t i, j;
	int r;

	for (i = 0; i < k->nobjects; i++) {
		struct loaded *l = &k->objects[i];
		const struct kernel_object *obj = l->obj;

		for (j = 0; j < obj->nladders; j++) {
			if (!attach_now(k, &obj->ladders[j], when))
				continue;
			r = ladder_attach(k, l, j, err);
			if (r < 0 && !obj->ladders[j].later && !obj->ladders[j].spare)
				return r;
			if (r < 0)
				l->rungs[j] = -1;
		}
	}
	return 0;
}

int kernel_attach(struct kernel *k, struct err *err)
{
	return attach_which(k, ATTACH_START, err);
}

int kernel_attach_later(struct kernel *k, struct err *err)
{
	int r = k->later_done ? 0 : attach_which(k, ATTACH_LATER, err);

	k->later_done = true;
	if (r >= 0)
		k->control->dgram_live = 1;
	return r;
}

static bool of_messages(const struct kernel_ladder *l)
{
	return l->messages;
}

static bool of_calls(const struct kernel_ladder *l)
{
	return l->calls;
}

static void detach_which(struct kernel *k, bool (*which)(const struct kernel_ladder *l))
{
	size_t i, kept = 0;

	for (i = 0; i < k->nlinks; i++) {
		if (which(k->of[i])) {
			(void)bpf_link__destroy(k->links[i]);
			continue;
		}
		k->links[kept] = k->links[i];
		k->attached[kept] = k->attached[i];
		k->of[kept++] = k->of[i];
	}
	k->nlinks = kept;
}

int kernel_messages(struct kernel *k, bool wanted, struct err *err)
{
	if (wanted != k->no_messages)
		return 0;
	k->no_messages = !wanted;
	if (!wanted) {
		detach_which(k, of_messages);
		return 0;
	}
	k->control->generation++; /* what was counted before has a gap now */
	return attach_which(k, ATTACH_MESSAGES, err);
}

int kernel_calls(struct kernel *k, bool wanted, struct err *err)
{
	if (wanted == k->calls_on)
		return 0;
	k->calls_on = wanted;
	if (!wanted) {
		detach_which(k, of_calls);
		return 0;
	}
	k->control->call_generation += k->calls_were_on; /* what was counted before has a gap now */
	k->calls_were_on = true;
	return attach_which(k, ATTACH_CALLS, err);
}

const struct kernel_rung *kernel_served(const struct kernel *k, const struct kernel_ladder *ladder)
{
	size_t i, j;

	for (i = 0; i < k->nobjects; i++)
		for (j = 0; j < k->objects[i].obj->nladders; j++)
			if (&k->objects[i].obj->ladders[j] == ladder)
				return k->objects[i].rungs[j] < 0 ? NULL : &ladder->rungs[k->objects[i].rungs[j]];
	return NULL;
}

uint32_t kernel_observed(const struct kernel *k)
{
	uint32_t served = OBSERVE_PROCESS;
	size_t i, j;

	for (i = 0; i < k->nobjects; i++)
		for (j = 0; j < k->objects[i].obj->nladders; j++)
			if (k->objects[i].rungs[j] >= 0 && !k->objects[i].obj->ladders[j].iterator &&
			    !k->objects[i].obj->ladders[j].spare)
				served |= ladder_kinds(k->objects[i].obj, &k->objects[i].obj->ladders[j]);
	return served & k->cfg.observe;
}

int kernel_iterate(struct kernel *k, const char *program, struct err *err)
{
	struct bpf_program *p = NULL;
	struct bpf_link *link;
	char sink[4096];
	int fd, total = 0;
	ssize_t n;
	size_t i;

	for (i = 0; i < k->nobjects && !p; i++)
		p = bpf_object__find_program_by_name(k->objects[i].bpf, program);
	if (!p || bpf_program__fd(p) < 0)
		return 0; /* this kernel refuses it: what ran before stays unknown, as doctor says */
	link = bpf_program__attach_iter(p, NULL);
	if (!link)
		return err_errno(err, errno, "cannot attach the iterator '%s'", program);
	fd = bpf_iter_create(bpf_link__fd(link));
	while (fd >= 0 && (n = read(fd, sink, sizeof(sink))) != 0) {
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			break;
		total += (int)n;
	}
	if (fd >= 0)
		(void)close(fd);
	(void)bpf_link__destroy(link);
	return fd < 0 ? err_errno(err, errno, "cannot run the iterator '%s'", program) : total;
}

/* --- selection, rings, counters --- */

bool kernel_own(const struct kernel *k, uint32_t tgid)
{
	return tgid && (tgid == k->cfg.own_tgid || tgid == k->cfg.page_tgid);
}

int kernel_select(struct kernel *k, uint32_t tgid, struct err *err)
{
	if (tgid / 64 >= SELECTED_WORDS)
		return err_set(err, ERANGE, "cannot select process %u: no process id is that large", tgid);
	__atomic_fetch_or(&k->selected[tgid / 64], 1ULL << (tgid & 63), __ATOMIC_RELAXED);
	return 0;
}

void kernel_unselect(struct kernel *k, uint32_t tgid)
{
	if (tgid / 64 < SELECTED_WORDS)
		__atomic_fetch_and(&k->selected[tgid / 64], ~(1ULL << (tgid & 63)), __ATOMIC_RELAXED);
}

struct kernel_control *kernel_control(struct kernel *k)
{
	return k->control;
}

int64_t kernel_drain(struct kernel *k, kernel_event_fn *fn, void *arg)
{
	int64_t total = 0, n;
	unsigned int i;

	for (i = 0; i < k->nrings; i++) {
		n = ring_drain(&k->rings[i], fn, arg);
		if (n < 0)
			return n;
		total += n;
	}
	return total;
}

static void count_programs(struct kernel *k, struct kernel_counts *c)
{
	struct bpf_program *p;
	size_t i;

	for (i = 0; i < k->nobjects; i++) {
		bpf_object__for_each_program(p, k->objects[i].bpf)
		{
			struct bpf_prog_info info = { 0 };
			uint32_t len = sizeof(info);

			if (bpf_program__fd(p) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len) < 0)
				continue;
			c->programs++;
			c->missed += info.recursion_misses;
			c->run_ns += info.run_time_ns;
			c->runs += info.run_cnt;
		}
	}
}

void kernel_counts(struct kernel *k, struct kernel_counts *ret)
{
	struct cpu_state states[1024] = { 0 };
	uint32_t zero = 0;
	int i;

	*ret = (struct kernel_counts) { .ring_bytes = k->nrings * k->rings[0].size };
	if (k->ncpus <= (int)ARRAY_LEN(states) && bpf_map_lookup_elem(k->maps.cpu_states, &zero, states) >= 0) {
		for (i = 0; i < k->ncpus; i++) {
			ret->produced += states[i].seq;
			ret->helper_failed += states[i].helper_failed;
		}
	}
	count_programs(k, ret);
}

const struct common_maps *kernel_maps(const struct kernel *k)
{
	return &k->maps;
}

struct bpf_object *kernel_bpf(struct kernel *k, const struct kernel_object *obj)
{
	size_t i;

	for (i = 0; i < k->nobjects; i++)
		if (k->objects[i].obj == obj)
			return k->objects[i].bpf;
	return NULL;
}
