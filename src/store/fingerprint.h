/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_FINGERPRINT_H
#define SAKER_STORE_FINGERPRINT_H
/* fingerprint - a number for what a recording's files are now: their names, sizes and times of last change. */
#include <stdint.h>

struct err;
struct recording;

/* *sum goes in as it was after the recordings before, and comes out with this one. */
int fingerprint_add(const struct recording *rec, uint64_t *sum, struct err *err);

#endif
