/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_NOTES_H
#define SAKER_AGENT_NOTES_H
/*
 * notes - finds the programs that say more of themselves (packaging/saker.h), and hooks them; each file once.
 *
 * Threads: one.  Memory: NOTES_FILES_MAX files with their links, a number for each file that was looked at.
 * Failure: a file that cannot be read has no notes.
 */
#include <stdint.h>

struct event_header;
struct kernel;
struct mapped_file;
struct notes;

#define NOTES_FILES_MAX 1024

int notes_new(struct kernel *k, struct notes **ret); /* -ENOMEM */
void notes_unhook(struct notes *n);		     /* NULL ok */
struct notes *notes_free(struct notes *n);	     /* NULL ok; returns NULL */

int notes_see_file(void *notes, const struct mapped_file *f); /* a mapped_fn; NULL ok */

/* A `note` event with its secrets masked: text like `password=x` in a value, and the value of a key that is such a word. */
void notes_mask(struct event_header *h);

#endif
