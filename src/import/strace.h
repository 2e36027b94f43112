/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_STRACE_H
#define SAKER_IMPORT_STRACE_H
/*
 * strace - what the files of the strace format share: a call that has ended, and what is known of its thread and sockets.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "import/internal.h"
#include "import/strace_line.h"

/* What is known of a thread, by its index in the import. */
struct strace_thread {
	char *pending;		  /* a call that has begun; NULL: none */
	uint64_t entry_ns;	  /* its */
	uint64_t caught, ignored; /* signals, a bit each; of the leader only */
};

/* By its index among the import's sockets. */
struct strace_stream {
	uint64_t sent, received; /* bytes since it was opened */
	bool opened;		 /* its begin was seen, and all that moved bytes since is understood */
};

struct strace_connect {
	uint32_t thread;
	uint64_t ns, seq;
	bool broken; /* bytes were moved before the addresses were known */
};

/* A pipe whose making was seen: bytes so far. */
struct strace_pipe {
	uint64_t written, read;
};

struct strace {
	struct import *imp;
	const char *host;
	bool whole; /* all threads are in one file, in the order of their calls */
	struct strace_thread *threads;
	size_t nthreads;
	struct strace_stream *streams;
	size_t nstreams;
	struct map connecting; /* leader << 32 | descriptor -> connects' index */
	struct strace_connect *connects;
	size_t nconnects;
	struct strace_pipe *pipes;
	size_t npipes;
	struct map pipe_map; /* inode -> its place in pipes */
	struct buf shown;    /* the arguments as they stood in the line */
};

/* A call that has returned. */
struct strace_done {
	struct strace *s;
	struct strace_call call;
	struct import_add add; /* its end */
	uint64_t entry_ns;
};

/* The event, at the call's end or at that moment. */
int strace_put(const struct strace_done *d, uint64_t ns, uint16_t type, void *fixed, const char *const *strings,
	       struct err *err);

/* strace_sock.c: 1: the call is told by events of its own; 0: it is not; below 0: failure */
int strace_sock_take(struct strace_done *d, struct err *err);
void strace_sock_fini(struct strace *s);

/* strace_pipe.c: likewise. made: pipe, pipe2.  moved: the call's value went through the descriptor. */
int strace_pipe_made(struct strace_done *d, struct err *err);
int strace_pipe_moved(struct strace_done *d, int fd, const char *what, bool wrote, struct err *err);
void strace_pipe_fini(struct strace *s);

#endif
