/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_CRITICAL_TREE_H
#define SAKER_EXPLAIN_CRITICAL_TREE_H
/*
 * critical_tree - what critical.c and its neighbours share: one trace as an array in which parents stand before their
 * children and the children of one parent side by side, so that a loop forwards goes down and one backwards up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spans;
struct err;
struct critical;

#define CRITICAL_ROOT UINT32_MAX

struct critical_node {
	uint64_t begin_ns, end_ns;
	uint64_t duration_ns; /* end - begin, or less: a server that was longer than its client (rule 1) */
	uint64_t exclusive_ns;
	uint64_t saved_ns;   /* what it would take less, were there no failed work below it */
	uint64_t earlier_ns; /* then it began by this earlier, against its parent's begin */
	uint64_t slack_ns;
	uint32_t row, parent;  /* parent: CRITICAL_ROOT of node 0 */
	uint32_t first, count; /* children: nodes [first, first + count) */
	uint32_t call;
	bool failed, on_path, related;
};

struct critical_tree {
	struct critical_node *nodes;
	uint32_t count, cap;
	uint32_t *by_end, *by_begin; /* children of a node at [first, first + count): by end, last first; by begin */
	uint32_t *path, npath;	     /* nodes, last first */
};

/* Rule 1.  The sorted arrays are there, the path is not. */
int critical_tree_build(const struct spans *s, uint32_t root, struct critical_tree *ret, uint64_t *ret_left_out,
			struct err *err);
/* A copy without the spans that failed and all below, the rest where it then were. */
int critical_tree_without(const struct critical_tree *t, struct critical_tree *ret);
void critical_tree_fini(struct critical_tree *t);

/* Rules 2 and 3. */
int critical_tree_walk(struct critical_tree *t);
/* Node a ends before node b begins, children of parent both (rule 2). */
bool critical_tree_before(const struct critical_tree *t, const struct critical_node *parent, uint32_t a, uint32_t b);
int critical_tree_slacks(struct critical_tree *t); /* -> slack_ns of nodes off the path; -ENOMEM */

/* critical_calls.c: sums by call path, and what concerns failures. */
int critical_calls(const struct spans *s, struct critical_tree *t, struct critical *c);
int critical_tree_savings(struct critical_tree *t); /* -> saved_ns, earlier_ns */

/* a + b, at most UINT64_MAX. */
static inline uint64_t critical_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t critical_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif
