/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_NOTE_H
#define SAKER_PROBE_NOTE_H
/*
 * note - hooks on the places that packaging/saker.h puts into programs.
 *
 * Threads: one.  Memory: the links.
 */
#include <stddef.h>

struct bpf_link;
struct err;
struct kernel;

#define NOTE_KINDS 4

struct note_hooks {
	struct bpf_link *links[NOTE_KINDS];
	size_t n;
};

/* All places in the file at path.  1: it has some; 0: none; on failure nothing stays. */
int note_attach(struct kernel *k, const char *path, struct note_hooks *ret, struct err *err);
void note_detach(struct note_hooks *h); /* zeroed ok */

#endif
