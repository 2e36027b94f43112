/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_INTERNAL_H
#define SAKER_IMPORT_INTERNAL_H
/*
 * internal - what the files of import/ share; nobody else includes it.
 *
 * A format reads its files (scan.c cuts them into objects and lines), names hosts and threads and sockets (names.c),
 * and hands over finished events (import_add), in any order.  place.c then finds each event's place.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "import/import.h"

#define NONE UINT32_MAX

/* What the formats implement. */
struct import_format {
	const char *name, *about;
	const char *note;					  /* what holds for all its events; may be NULL */
	int (*types)(struct event_types *types, struct err *err); /* run-time types; may be NULL */
	int (*read)(struct import *imp, FILE *f, const char *name, struct err *err);
	int (*read_path)(struct import *imp, const char *path, struct err *err); /* in place of read: directories */
};

enum import_rank { RANK_FIRST, RANK_ANY, RANK_LAST }; /* in its thread */

/* One event, in the spool. */
struct import_entry {
	uint64_t own_ns;   /* its time, as the file says it */
	uint64_t place_ns; /* never decreases in a thread */
	uint64_t seq;	   /* among equal times */
	uint64_t at;	   /* in the spool */
	uint32_t thread;   /* NONE: a mark */
	uint32_t host;
	uint32_t index; /* settles what is still equal */
	uint8_t rank, pad[3];
};

struct import_host {
	char *name;
	uint64_t events;
	size_t first, count; /* entries */
};

struct import_thread {
	char *name;		  /* without its host */
	char *comm;		  /* of the program, NULL: not known */
	uint32_t host, tid, next; /* tid: known once all files are read, if named */
	uint32_t leader;	  /* of its process, an index; its own by default */
	bool named, described;	  /* named: the tid is ours, not the system's */
};

struct import_sock {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t host, next;
	uint32_t cookie; /* 0: not met in the host's source yet */
	uint8_t protocol;
};

struct import_complaint {
	char *text; /* file:line: why */
	uint64_t line, ns;
	uint32_t host; /* NONE: not known yet */
};

struct import {
	const struct import_opts *opts;
	struct event_types *types;
	struct import_counts counts;
	struct import_host *hosts;
	struct import_thread *threads;
	struct import_sock *socks;
	struct import_entry *entries;
	uint32_t nhosts, nthreads, nsocks;
	size_t nentries;
	uint64_t objects;		 /* read so far: the events' seq */
	struct map thread_map, sock_map; /* hash -> first + 1, then .next */
	struct import_complaint complaints[IMPORT_COMPLAINTS_MAX];
	uint32_t ncomplaints;
	/* the spool */
	FILE *spool;
	uint64_t spooled;
	const uint8_t *map;
	uint64_t base_ns;
	uint16_t next_type; /* for formats that make types while they read; 0: none yet */
	/* the file that is being read */
	const char *file;
	unsigned int nth_file;
	const char *note; /* the format's */
	uint32_t last_host;
	uint64_t last_ns;
};

/*
 * lines.c: the next line of a text file into *line, which grows to at most IMPORT_LINE_MAX, without its end; counted.
 * 1: a line; 0: the end of the file.  A longer one is complained of and skipped.
 */
struct import_lines {
	FILE *f;
	char *text;
	size_t cap;
	uint64_t line;
};
int import_line_next(struct import *imp, struct import_lines *l, struct err *err);
void import_lines_fini(struct import_lines *l);

struct import_add {
	uint32_t thread;
	uint64_t ns, seq;
	enum import_rank rank;
};

/* import.c: the host whose file is being read, or `otherwise` if nobody said. */
const char *import_file_host(const struct import *imp, const char *otherwise);

/*
 * text.c: a log event, in several if it is too long; log is copied.  The text's secrets are masked in place.
 */
struct buf;
int import_add_text(struct import *imp, const struct import_add *a, const struct event_log *log, struct buf *text,
		    const char *name, struct err *err);

/* names.c: indexes, or -E2BIG, -ENOMEM.  thread: "name@host". */
int import_thread_get(struct import *imp, const char *thread, struct err *err);
int import_thread_comm(struct import *imp, uint32_t thread, const char *comm);	/* the first that is said stays */
int import_sock_find(const struct import *imp, const struct import_sock *like); /* -ENOENT */
int import_sock_get(struct import *imp, const struct import_sock *like, struct err *err);
int import_names_number(struct import *imp, struct err *err); /* gives named threads their tids */
void import_names_fini(struct import *imp);

/*
 * import.c.  The event is copied; its header's context, flags and ids are filled in.  Until all names are known it names
 * threads (child_tid) and sockets (sock) by their index; source.c puts the numbers there.
 */
int import_add(struct import *imp, const struct import_add *a, const struct event_type *type, void *fixed,
	       const char *const *strings, struct err *err);
/* Lines [line, line + count) of the current file are useless. */
void import_complain(struct import *imp, uint64_t line, uint64_t count, const char *why);

/* place.c: sorts the entries by host and place, and finds each host's. */
void import_place(struct import *imp);

/* source.c */
int import_source(struct import *imp, unsigned int host, struct event_source **ret, struct err *err);

#endif
