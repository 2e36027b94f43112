/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_IMPORT_H
#define SAKER_AGENT_IMPORT_H
/*
 * import - what others recorded becomes ordinary recordings: a directory with one for each host, named after it,
 * which store_open() takes as a whole.  Clocks of hosts differ, so they are not thrown together.
 *
 * All files are read before anything is made; an existing directory must be empty.  Log lines are masked as those
 * that Saker records.  Threads: one.  Memory: import/, and one writer.
 */
#include "import/import.h"

struct err;

/* dir: mode 0700, owned by the invoking user. */
int import_run(const struct import_opts *opts, const char *dir, struct import **ret, struct err *err);

#endif
