/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_CHAIN_H
#define SAKER_NET_CHAIN_H
/*
 * chain - the programs of packet functions in the kernel, and the transactions by which their tables change.
 *
 * Objects are loaded one after another; maps of the same name are one map in all of them.  Everything that is configured
 * exists twice, and packets look at one side.  A transaction writes the hidden side: tables by chain_table(), the
 * functions' own maps at index chain_hidden(), and then chain_commit() turns the sides round.  Before that no packet
 * sees anything of it; after that no packet sees anything older.
 *
 * Threads: one.  Memory: the kernel's, as large as the tables are made.
 * Failure: until chain_commit() returns 0 the running configuration is untouched.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/shared.bpf.h"

struct chain;
struct err;

/* Where the programs stand: before a packet is made of the frame, or after (net/hook_tc.bpf.h). */
enum chain_hook { CHAIN_ON_XDP, CHAIN_ON_TC, CHAIN_HOOKS };

/* A compiled object, embedded by the build, for each hook; a function's programs have the same names in both. */
struct chain_object {
	const char *name;
	struct {
		const unsigned char *data;
		const size_t *size;
	} on[CHAIN_HOOKS];
};

/* How many entries a map gets, if not as many as its declaration says. */
struct chain_size {
	const char *map;
	uint32_t entries;
};

struct chain_plan {
	const char *stages[CHAIN_STAGES]; /* names of programs, in their order; ends with NULL */
	uint16_t gue_port;		  /* host byte order; 0: none */
	uint32_t sample, sample_drops;	  /* struct chain_control */
};

/* Life cycle.  Programs and maps are gone with the chain, unless they are pinned (net/pin.h) or attached (net/attach.h). */
int chain_new(enum chain_hook hook, struct chain **ret, struct err *err);
/*
 * With the maps of another chain, which may be closed afterwards: new programs for what runs.  The hook is then to be that chain's.
 * NULL: chain_new().
 */
int chain_new_with(const struct chain *maps, enum chain_hook hook, struct chain **ret, struct err *err);
/* One without programs, to be given maps by chain_keep(). */
int chain_new_shell(struct chain **ret, struct err *err);
struct chain *chain_free(struct chain *c); /* NULL ok; returns NULL */
int chain_load(struct chain *c, const struct chain_object *object, const struct chain_size *sizes, size_t nsizes,
	       struct err *err);

enum chain_hook chain_hook(const struct chain *c);
/* File descriptors, owned by the chain; -1: there is none of this name. */
int chain_program(const struct chain *c, const char *name); /* `chain_entry` is what an interface gets */
int chain_map(const struct chain *c, const char *name);
/* Maps that only user space knows; the chain owns the file descriptor.  -ENOMEM: it was closed. */
int chain_keep(struct chain *c, const char *name, int map);
/* Calls each(arg, name, fd) for everything until it returns other than 0, and returns that. */
typedef int (*chain_each_fn)(void *arg, const char *name, int fd);
int chain_each_map(const struct chain *c, chain_each_fn each, void *arg);
int chain_each_program(const struct chain *c, chain_each_fn each, void *arg);

/* Transactions */
uint32_t chain_hidden(const struct chain *c);	  /* 0 or 1 */
uint32_t chain_generation(const struct chain *c); /* one more with every commit, whoever made it */
/* Makes `table` (kept by the kernel, the caller closes it) the hidden side's table in the map of maps `name`. */
int chain_table(struct chain *c, const char *name, int table, struct err *err);
/* The hidden side is what packets see; returns when no packet sees the other one any more. */
int chain_commit(struct chain *c, const struct chain_plan *plan, struct err *err);

/* Which verdicts are told (net/samples.h); of an instant, for both generations. */
void chain_watch(struct chain *c, uint32_t sample, uint32_t sample_drops);
void chain_watched(const struct chain *c, uint32_t *ret_sample, uint32_t *ret_drops);

/* Reasons */
int chain_counted(const struct chain *c, enum chain_reason reason, struct chain_count *ret); /* of all CPUs */
/* Words of a reason: "lb", "drop", "its VIP has no backend"; NULL: no such reason. */
struct chain_words {
	const char *name, *stage, *kind, *text;
};
const struct chain_words *chain_reason(uint32_t reason);

#endif
