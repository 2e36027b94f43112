/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_PIN_H
#define SAKER_NET_PIN_H
/*
 * pin - a chain that outlives its process: its maps and programs as files of the BPF file system.
 *
 * A folder has `maps/NAME` and `programs/NAME`.  Whoever opens it has the same chain; there may be several at once, and they
 * agree by a lock of their own on who may write (agent/balancer.h).
 *
 * Threads: one.  Memory: a file descriptor for each map and program.
 * Failure: complete sentences; a folder that is half written is removed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "net/chain.h"

struct chain;
struct err;

/* What a pinned chain is made of; kept with it. */
struct pin_about {
	uint64_t layout;   /* a hash of all maps' shapes: with another one the maps cannot be taken over */
	uint64_t programs; /* a hash of the compiled programs: with another one there is something to upgrade */
	uint32_t vips, conns;
};

/* The maps that this build would make: sizes count. */
int pin_about_build(enum chain_hook hook, uint32_t vips, uint32_t conns, struct pin_about *ret, struct err *err);
int pin_about_read(const struct chain *c, struct pin_about *ret, struct err *err);

/* Writes all of the chain into the folder, which is made; what is there under the same names is replaced, file by file. */
int pin_chain(struct chain *c, const char *dir, const struct pin_about *about, struct err *err);
int pin_folder(const char *path, struct err *err); /* made, if it is not there */
/* -ENOENT: there is no such folder. */
int pin_open(const char *dir, struct chain **ret, struct err *err);
/* Removes the folder with all files in it; what is attached goes on. */
int pin_remove(const char *dir, struct err *err);

#endif
