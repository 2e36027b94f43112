/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_GROUPS_H
#define SAKER_EXPLAIN_GROUPS_H
/*
 * groups - two groups of requests side by side: where the time of each goes, what differs most (dominant.h), and which attributes
 * the one has more often than the other.
 *
 * An attribute is something said of a span, with its service: that it takes part, its operation, resource, status, error,
 * host, process, who asked it or which backend it asked, whose doing its largest wait was, and the words of its program (saker.h).  A request has it if one of its
 * spans has.  It is more frequent in one group if Fisher's exact test (two-sided) of how many have it gives less than 0.01
 * divided by the number of attributes that were tested (Bonferroni): those that at least GROUPS_LEAST requests of both groups
 * together have, and not all; so what is tested does not depend on which group has it.  Of attributes that exactly the same requests
 * have only the first is told of, the others are `also`.
 *
 * Threads: any.  Memory: that of dominant.h, and 64 bytes an attribute, GROUPS_ATTRIBUTES_MAX at most; others are counted.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/dominant.h"
#include "explain/span.h"

struct buf;
struct err;

#define GROUPS_LEAST 3
#define GROUPS_ATTRIBUTES_MAX 200000
#define GROUPS_EXAMPLES 3

/* In the order in which they are told of, where the same requests have several. */
enum group_attribute_key {
	ATTRIBUTE_WORD, /* of the program: key and value */
	ATTRIBUTE_RESOURCE,
	ATTRIBUTE_OPERATION,
	ATTRIBUTE_BACKEND,
	ATTRIBUTE_STATUS,
	ATTRIBUTE_ERROR,
	ATTRIBUTE_BLAME,
	ATTRIBUTE_HOST,
	ATTRIBUTE_CALLER,
	ATTRIBUTE_PROCESS,
	ATTRIBUTE_SERVICE,
	ATTRIBUTE_KEYS,
};

struct group_attribute {
	uint32_t service;		    /* spans_text() */
	uint32_t value;			    /* spans_text(); of status, host and process a number */
	uint32_t one, other;		    /* requests that have it */
	uint32_t last;			    /* trace that was counted last */
	uint32_t examples[GROUPS_EXAMPLES]; /* traces of the one group, the slowest first */
	uint32_t nexamples;
	uint8_t key;   /* enum group_attribute_key */
	bool repeated; /* the same requests as the one before */
	uint64_t set;  /* a sum of hashes of the requests that have it */
	double p;
};

struct group {
	uint32_t *traces;	  /* by duration */
	uint32_t count, left_out; /* left out: without a beginning or an end in the recording */
	uint64_t min_ns, p50_ns, max_ns;
	double mean_ns;
};

struct groups {
	const struct spans *s;
	struct group one, other;
	uint32_t
		percent; /* one is the slowest of all, other those between the quartiles; 0: somebody has chosen them */
	struct dominant d;		    /* `slow` is the one */
	struct group_attribute *attributes; /* more frequent in the one, largest difference of shares first */
	size_t nattributes;
	uint32_t tested, left_out; /* attributes */
};

/* Traces are indexes of s->traces; the groups have none in common.  kept: parts_kept.h; NULL ok.  *ret: the caller has groups_fini() it. */
int groups_between(const struct spans *s, const uint32_t *one, size_t none, const uint32_t *other, size_t nother,
		   struct parts_kept *kept, struct groups *ret, struct err *err);
/* The slowest of these traces beside the normal ones, see dominant.h. */
int groups_slow(const struct spans *s, const uint32_t *traces, size_t n, struct parts_kept *kept, struct groups *ret,
		struct err *err);
void groups_fini(struct groups *g);

/* In one sentence how much longer the one takes than the other, and because of what.  Returns whether a test carries that. */
bool groups_sentence(struct buf *b, const struct groups *g);
/* One object.  host_name: NULL, one host. */
void groups_json(struct buf *b, const struct groups *g, const char *(*host_name)(void *arg, uint32_t host), void *arg);

/* groups_attributes.c: fills in attributes; -ENOMEM */
int groups_attributes(struct groups *g);
const char *group_attribute_name(uint8_t key);
/* What a word says; false: it is none. */
bool group_word(const struct spans *s, const struct group_attribute *a, struct span_attribute *ret);

#endif
