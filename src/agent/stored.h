/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_STORED_H
#define SAKER_AGENT_STORED_H
/*
 * stored - the requests of recordings that were derived before (explain/spans_db), as far as they still fit.
 *
 * They are kept for one recording, or one folder of recordings, that nobody is writing into, as they are derived without special
 * wishes. Where the folder cannot be written they are derived each time. A damaged file is said, and made anew.
 *
 * Threads: one.
 */
#include "agent/analyse.h"
#include "store/store.h"

struct err;
struct spans_db;

#define STORED_KEY_MAX (STORE_FINGERPRINT_MAX + 16)

/* 1: *ret has them. 0: there are none that fit; key is what to store them under, "": not at all. */
int stored_open(struct store_reader *reader, const struct analysis_opts *opts, char key[STORED_KEY_MAX],
		struct spans_db **ret, struct err *err);
/* What could not be read although it fits: damaged. */
void stored_complain(const struct analysis_opts *opts, const struct err *why);
/* What was analysed, if the recording is still what it was when key was made. */
void stored_write(const struct analysis *a, const struct analysis_opts *opts, const char *key);

#endif
