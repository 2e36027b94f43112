/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_KERNEL_KERNEL_H
#define SAKER_KERNEL_KERNEL_H
/*
 * kernel - meeting the kernel: objects, ladders of hooks, attaching, the rings.
 *
 * An observation (`send ranges`) is served by the best rung of its ladder that loads on this host; every
 * program loads by itself and may fail alone.  Life: kernel_new -> kernel_load (each object) ->
 * kernel_attach -> drain -> kernel_free.  Links are file descriptors: with the process, also by kill -9,
 * every program is gone.
 *
 * A ladder of kinds that opts.cfg.observe does not have is neither loaded nor attached: it costs nothing.
 *
 * Threads: one.  Memory: rings of opts.ring_bytes in all, allocated by the kernel.
 * Failure: an observation without a rung that loads is no error (kernel_served() tells); -EPERM names the
 * capability that is missing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/bpf/shared.bpf.h"

struct err;
struct event_header;
struct kernel;

/* What can serve an observation; tried in order. */
struct kernel_rung {
	const char *programs; /* names in the object, with spaces between them: all are needed */
	const char *hook;     /* as a person reads it: tp_btf:sched_process_fork */
	const char *since;    /* kernels that have the hook, and what is lost on this rung, if anything */
};

#define KERNEL_RUNGS 4
#define KERNEL_LADDERS 32 /* of an object, at most */

struct kernel_ladder {
	const char *observation;
	const char *about;
	const char *without; /* what a person does not see if no rung loads */
	bool later;	     /* attached only when wanted: kernel_attach_later() */
	bool spare;	     /* a refusal to attach it is no failure; it serves nothing alone */
	bool cheaper;	     /* than what serves without it: where it is not there, nothing is missed */
	bool iterator;	     /* run on demand by kernel_iterate() */
	bool messages;	     /* attached only while messages are wanted: kernel_messages() */
	uint32_t kinds;	     /* as of the object, for this ladder alone; 0: the object's */
	bool calls;	     /* attached only while calls are watched: kernel_calls() */
	struct kernel_rung rungs[KERNEL_RUNGS]; /* ends with NULL programs */
};

struct kernel_object {
	const char *name;
	const unsigned char *data; /* the compiled BPF object */
	const size_t *size;
	const struct kernel_ladder *ladders;
	size_t nladders;
	uint32_t kinds;	    /* bits OBSERVE_*: loaded if any of these is wanted; 0: always */
	const char *module; /* of the kernel, that may have hooks which itself has not; NULL: none */
};

struct kernel_opts {
	struct kernel_cfg cfg;
	uint64_t ring_bytes; /* all rings together; 0: 16 MiB */
};

/* Life cycle */
int kernel_new(const struct kernel_opts *opts, struct kernel **ret, struct err *err);
int kernel_load(struct kernel *k, const struct kernel_object *obj, struct err *err);
int kernel_attach(struct kernel *k, struct err *err);
struct kernel *kernel_free(struct kernel *k); /* NULL ok; returns NULL */

/* Which rung serves (NULL: none), for what was loaded. */
const struct kernel_rung *kernel_served(const struct kernel *k, const struct kernel_ladder *ladder);
uint32_t kernel_observed(const struct kernel *k);	    /* bits OBSERVE_*: wanted, and served by a rung at least */
int kernel_attach_later(struct kernel *k, struct err *err); /* the `later` ladders, once */
/* Takes the `messages` ladders off their hooks, or puts them there again: what nobody wants shall cost nothing. */
int kernel_messages(struct kernel *k, bool wanted, struct err *err);
/* The same for the `calls` ladders, which are not attached at first. */
int kernel_calls(struct kernel *k, bool wanted, struct err *err);

/* Runs an iterator program; returns how many bytes it wrote, 0 where the kernel does not have it. */
int kernel_iterate(struct kernel *k, const char *program, struct err *err);

/* Selecting processes */
bool kernel_own(const struct kernel *k, uint32_t tgid); /* Saker itself, which is not to be selected */
int kernel_select(struct kernel *k, uint32_t tgid, struct err *err);
void kernel_unselect(struct kernel *k, uint32_t tgid);
struct kernel_control *kernel_control(struct kernel *k); /* shared with the programs */

/*
 * Draining: hands each event that was complete when the call began to fn, CPU by CPU in the order of the ring;
 * the event is valid during the call.  fn returns 0, or -errno to stop.  Returns the number of events.
 */
typedef int kernel_event_fn(void *arg, const struct event_header *h);
int64_t kernel_drain(struct kernel *k, kernel_event_fn *fn, void *arg);

struct kernel_counts {
	uint64_t produced; /* sequence numbers given, all CPUs */
	uint64_t helper_failed;
	uint64_t missed;       /* program runs that the kernel skipped (recursion) */
	uint64_t run_ns, runs; /* only while statistics are on */
	uint64_t ring_bytes;   /* memory of the rings */
	unsigned int programs;
};
void kernel_counts(struct kernel *k, struct kernel_counts *ret);
/* Losses not yet told by a `loss` event: given to fn as such events (context recorder).  After detaching. */
int kernel_last_losses(struct kernel *k, kernel_event_fn *fn, void *arg);
void kernel_detach(struct kernel *k); /* rings stay readable */
void kernel_quiesce(void);	      /* after detaching: returns when no program runs any more */

/* The loaded object itself, for probes that attach by their own means; borrowed; NULL: not loaded. */
struct bpf_object;
struct bpf_object *kernel_bpf(struct kernel *k, const struct kernel_object *obj);

/* For doctor: loads one rung alone.  0, or -errno with the hook that is missing or the verifier's last words. */
int kernel_try(const struct kernel_object *obj, const struct kernel_rung *rung, struct err *err);
/* By ladder: the rungs (bits) whose hooks this kernel has. */
void kernel_rungs_there(const struct kernel_object *obj, uint32_t rungs[]);
/* Loads all these rungs at once, which is quicker than one after the other.  0: each of them serves; else -errno. */
int kernel_try_all(const struct kernel_object *obj, const uint32_t rungs[], struct err *err);
/* Addresses of kernel symbols, in one pass; they keep their 0 where they are unknown. */
struct kernel_symbol {
	const char *name;
	__u64 *addr;
};
void kernel_symbols(struct kernel_symbol *symbols, size_t n);

#endif
