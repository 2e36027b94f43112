/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_APPLY_SHADOW_H
#define SAKER_CLI_APPLY_SHADOW_H
/* apply_shadow - `saker apply --shadow`: what a wish would do, beside what runs. */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct wish_if;

#define SHADOW_ONE_IN 100

struct apply_shadow {
	bool on, json;
	uint64_t for_ns; /* 0: until it is ended */
	uint32_t one_in;
};

int apply_shadow(const struct wish_if *f, const struct apply_shadow *a, struct err *err);

#endif
