/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_IMPORT_H
#define SAKER_IMPORT_IMPORT_H
/*
 * import - events that others recorded, as sources of events: one for each host that the files speak of.
 *
 * import_open() reads all files.  What cannot be read is told with its file and line, counted, and kept as a `mark`
 * in the host's events; it never ends the import.  Each host's source then begins with who it is (host, clock) and
 * a mark that sums up the import; sockets and named threads are described before their first event.  The events of
 * a thread come in program order, threads among each other by time; one whose own time lies before its place is
 * flagged EVENT_F_LATE, as a recording's reader does it.
 *
 * All times are moved by the same amount so that the first is at most a second after boot.
 *
 * Threads: none shared.  Memory: 56 bytes an event, the names of threads and sockets, IMPORT_LINE_MAX for a line; the
 * events themselves lie in an unlinked file in $TMPDIR.
 * Failure: only what concerns a file as a whole, or memory; no event at all is a failure too.
 */
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "lines/stamp.h"

struct err;
struct import;

#define IMPORT_HOSTS_MAX 1024
#define IMPORT_LINE_MAX (1024 * 1024)
#define IMPORT_COMPLAINTS_MAX 100 /* that are told one by one; further ones are counted */

struct import_format;
extern const struct import_format import_ctf, import_falcon, import_strace, import_log, import_journal;
/* By name, NULL: none; the nth, NULL at the end. */
const struct import_format *import_format_find(const char *name);
const struct import_format *import_format_nth(unsigned int n);
const char *import_format_name(const struct import_format *f);
const char *import_format_about(const struct import_format *f);
const char *import_format_note(const struct import_format *f); /* what holds for all its events, NULL: nothing */

struct import_opts {
	const struct import_format *format;
	const char *const *files; /* "-": standard input */
	unsigned int nfiles;
	const char *const *hosts; /* by file, NULL: as host; may be NULL */
	const char *pattern;	  /* of the times in log files (lines/stamp.h); NULL: the known forms */
	struct stamp_opts stamps; /* what those leave open */
	const char *host;	  /* name of the machine where the files do not say it; NULL: the format's name */
	void (*mask)(char *text, size_t len); /* blots secrets out of a log line; may be NULL */
	void (*complain)(void *arg, const char *file, uint64_t line, const char *why); /* may be NULL */
	void *arg;
};

struct import_counts {
	uint64_t lines, blank; /* of all files; and how many of them are empty */
	uint64_t events;       /* that the files tell */
	uint64_t folded;       /* lines that belong to the log event before them */
	uint64_t malformed;    /* lines that say nothing we understand */
	uint64_t split;	       /* further parts of log events that are too long for one event; they count as events */
	uint64_t repaired;     /* bytes that are no UTF-8, replaced */
	uint64_t moved;	       /* events whose time contradicts the order of their thread */
};

/* Life cycle */
int import_open(const struct import_opts *opts, struct import **ret, struct err *err);
struct import *import_free(struct import *imp); /* NULL ok; returns NULL */

/* Reading */
void import_get_counts(const struct import *imp, struct import_counts *ret);
const struct event_types *import_types(const struct import *imp); /* borrowed */
unsigned int import_hosts(const struct import *imp);
const char *import_host_name(const struct import *imp, unsigned int host);
uint64_t import_host_events(const struct import *imp, unsigned int host); /* without what the import adds */
/* One host's events; one source at a time.  Its ids count from 1. */
int import_read(struct import *imp, unsigned int host, struct event_source **ret, struct err *err);

#endif
