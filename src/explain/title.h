/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_TITLE_H
#define SAKER_EXPLAIN_TITLE_H
/*
 * title - what people call a process: of a program that runs others' code, that code's own name.
 *
 * A host of Java programs is a host of processes called `java`: `jps` calls them by their main classes, and so does this.
 * Threads: any.  Memory: the caller's.
 */
#include <stddef.h>

#define TITLE_TEXT 32 /* longer ones are cut */

/* comm: the command name; args: the arguments as events have them, separated by spaces.  The command name if need be. */
void title_of(const char *comm, const char *args, char *ret, size_t cap);

#endif
