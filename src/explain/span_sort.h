/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPAN_SORT_H
#define SAKER_EXPLAIN_SPAN_SORT_H
/*
 * span_sort - in which order requests are listed: `time`, `duration`, `status`, `service` or the key of a time class
 * (`lock`, `disk`, ...); with a `-` before it the largest come first.  Equal ones stay in order of time.
 *
 * Threads: any.  Memory: none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spans;

bool span_sort_key(const char *key); /* whether it is one */
void span_sort(const struct spans *s, const char *key, uint32_t *rows, size_t n);

#endif
