/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_LB_H
#define SAKER_CLI_LB_H
/* lb - what the files of `saker lb` share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wish.h"

#define LB_WORDS 8

struct balancer;
struct buf;
struct err;

struct lb_args {
	const char *words[LB_WORDS];
	size_t nwords;
	char on[16]; /* the interface */
	bool on_said, json, prometheus, weight_said, number_said, down, up, apply;
	uint32_t weight, flags;
	uint64_t number;
	enum wish_mode mode;
	bool mode_said;
	const char *hook; /* "xdp", "tc", "generic"; NULL: not said */
};

/* Each: 0, or -errno with *err set. */
int lb_show(const struct lb_args *a, struct err *err);
int lb_stats(const struct lb_args *a, struct err *err);
int lb_flows(const struct lb_args *a, struct err *err);
int lb_check(const struct lb_args *a, struct err *err);
int lb_actions(const struct lb_args *a, struct err *err);
int lb_why(const struct lb_args *a, struct err *err);
/* Returns when it is ended, or has printed a->number if that was said. */
int lb_watch(const struct lb_args *a, struct err *err);
int lb_import(const struct lb_args *a, struct err *err);
/* A wish, or what becomes one; "-": standard input.  More than WISH_BYTES need not be read to the end. */
int lb_wish_read(const char *file, struct buf *text, struct err *err);
/* What --hook says into the wish; nothing if it was not said. */
void lb_hook_set(const struct lb_args *a, struct wish_if *f);
/* balancer_apply(), and what it has to say on standard error. */
int lb_wish_apply(struct balancer *b, const struct wish_if *f, uint32_t confirm_s, struct err *err);

#endif
