/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_LB_H
#define SAKER_CLI_LB_H
/* lb - what the files of `saker lb` share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wish.h"

#define LB_WORDS 8

struct err;

struct lb_args {
	const char *words[LB_WORDS];
	size_t nwords;
	char on[16]; /* the interface */
	bool on_said, json, prometheus, weight_said, down, up, apply;
	uint32_t weight, flags;
	uint64_t number;
	enum wish_mode mode;
	bool mode_said;
};

/* Each: 0, or -errno with *err set. */
int lb_show(const struct lb_args *a, struct err *err);
int lb_stats(const struct lb_args *a, struct err *err);
int lb_flows(const struct lb_args *a, struct err *err);
int lb_why(const struct lb_args *a, struct err *err);
int lb_import(const struct lb_args *a, struct err *err);

#endif
