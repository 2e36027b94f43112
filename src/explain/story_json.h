/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_STORY_JSON_H
#define SAKER_EXPLAIN_STORY_JSON_H
/*
 * story_json - the story, its totals and counts as one JSON object: of `saker story --json`, and of the page.
 *
 * Threads: any.  Memory: a few kB into b, whose `failed` says whether there was none.
 */
#include <stdint.h>

struct buf;
struct order;
struct story;

/* After story_tell(); host_name as in story_new(), but not NULL. */
void story_json(struct buf *b, const struct story *s, const struct order *o,
		const char *(*host_name)(void *arg, uint32_t host), void *arg);

#endif
