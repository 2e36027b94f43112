/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_PATHS_H
#define SAKER_AGENT_PATHS_H
/*
 * paths - names of files, put together from the parts in which they leave the kernel (probe/path.bpf.h).
 *
 * Threads: any.  Memory: none.  Failure: what does not have that form ends where it stops having it.
 */
#include <stddef.h>

/*
 * Joins n blocks of parts in in[0..len), each the part that the program gave and the directories from the innermost one
 * outwards, to n strings with a NUL each, secrets masked.  Returns their length; out takes PATHS_MAX(len) bytes.
 */
#define PATHS_MAX(len) ((len) + 16)
size_t paths_join(const char *in, size_t len, int n, char *out);

#endif
