/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_GOPROGRAM_H
#define SAKER_PROBE_GOPROGRAM_H
/*
 * goprogram - what an executable file says of itself as a Go program: its version, and where the id of the running
 * goroutine is to be found in its memory.
 *
 * The file is foreign: every offset and length is checked, and no more than GOPROGRAM_TABLE_MAX bytes of it are held at a
 * time.  Threads: any.  Failure: what is no ELF file of this machine, or no Go program, is simply none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/bpf/shared.bpf.h"

#define GOPROGRAM_TABLE_MAX (256U << 20)

#define GOTLS_RETURNS 32

/* Where crypto/tls takes in and gives out plaintext: places in the file. */
struct gotls {
	bool present; /* the program has it */
	uint64_t read, write;
	uint64_t returns[GOTLS_RETURNS]; /* of read */
	size_t nreturns;		 /* 0: it cannot be hooked, see why */
	char why[96];
};

struct goprogram {
	char version[64]; /* as the program says: go1.19.8 */
	bool tracked;
	struct go_layout layout; /* where tracked */
	char why[128];		 /* where not */
	uint64_t ready;		 /* place in the file of an instruction behind the entry of runtime.runqput, 0: none */
	char why_not_ready[128]; /* where 0 */
	struct gotls tls;
};

/* Where the bytes come from.  read: as pread(2), but all that are asked for or false. */
struct goprogram_file {
	bool (*read)(void *arg, uint64_t at, void *to, size_t n);
	void *arg;
};

/* Is it a Go program?  ret is filled then. */
bool goprogram_read(const struct goprogram_file *f, struct goprogram *ret);
bool goprogram_read_fd(int fd, struct goprogram *ret);

#endif
