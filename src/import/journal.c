/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - what `journalctl -o export` writes (systemd.io/JOURNAL_EXPORT_FORMATS): entries with a blank line between them, each
 * of fields `NAME=value`, or of NAME, a length of 64 bits little endian, and so many bytes.
 *
 * An entry becomes a log event of its process (_PID) on its host (_HOSTNAME).  Its time counts on the boot's monotonic clock from
 * the boot's first entry on, so that a wall clock that was set does not change the order; what the wall clock said stays in
 * stamp_ns.  Lengths are claims: more than IMPORT_LINE_MAX is refused, the field skipped, the rest read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "import/internal.h"
#include "lines/line.h"

#define BOOTS_MAX 256
#define VALUE_MAX 255			     /* of fields other than the message */
#define STAMP_MAX_US (UINT64_MAX / 4 / 1000) /* what a recording can hold */
#define FIELD_NAME_MAX 64		     /* systemd's journal_field_valid() */

enum field {
	MESSAGE,
	PRIORITY,
	PID,
	SYSLOG_PID,
	COMM,
	IDENTIFIER,
	HOSTNAME,
	BOOT,
	UNIT,
	TRANSPORT,
	REAL,
	MONOTONIC,
	FIELDS
};
static const char *const names[FIELDS] = {
	"MESSAGE",
	"PRIORITY",
	"_PID",
	"SYSLOG_PID",
	"_COMM",
	"SYSLOG_IDENTIFIER",
	"_HOSTNAME",
	"_BOOT_ID",
	"_SYSTEMD_UNIT",
	"_TRANSPORT",
	"__REALTIME_TIMESTAMP",
	"__MONOTONIC_TIMESTAMP",
};

struct boot {
	char id[40];
	uint64_t offset_us; /* wall clock less monotonic, at its first entry */
};

struct journal {
	struct import *imp;
	FILE *f;
	struct buf name, values[FIELDS];
	struct boot boots[BOOTS_MAX];
	size_t nboots;
	uint64_t line, begin; /* of the entry */
	bool any, bad;	      /* the entry has a field; and one that could not be read */
};

static void complain(struct journal *j, uint64_t line, const char *why)
{
	import_complain(j->imp, line, 1, why);
}

/* --- fields --- */

static struct buf *value_of(struct journal *j)
{
	size_t i;

	for (i = 0; i < FIELDS; i++)
		if (!strcmp(names[i], j->name.data ? j->name.data : ""))
			return &j->values[i];
	return NULL;
}

static size_t limit_of(const struct journal *j, const struct buf *value)
{
	return value == &j->values[MESSAGE] ? IMPORT_LINE_MAX : VALUE_MAX;
}

static void put(struct journal *j, struct buf *value, int c)
{
	if (value && value->len < limit_of(j, value)) {
		j->imp->counts.repaired += !c;
		buf_char(value, c ? (char)c : ' ');
	}
}

/* Behind `NAME=`. */
static int text_value(struct journal *j)
{
	struct buf *value = value_of(j);
	uint64_t n = 0;
	int c;

	if (value)
		buf_reset(value);
	while ((c = getc_unlocked(j->f)) != EOF && c != '\n') {
		put(j, value, c);
		n++;
	}
	if (n > IMPORT_LINE_MAX)
		complain(j, j->line, "the field is longer than 1 MiB: its end is cut off");
	return c;
}

/* Behind `NAME\n`. */
static int sized_value(struct journal *j)
{
	struct buf *value = value_of(j);
	unsigned char size[8];
	uint64_t n = 0, i;
	char why[128];
	int c = 0;

	if (fread(size, 1, sizeof(size), j->f) != sizeof(size)) {
		complain(j, j->line, "the file ends where a field's length should be");
		return EOF;
	}
	for (i = 0; i < 8; i++)
		n |= (uint64_t)size[i] << 8 * i;
	if (value)
		buf_reset(value);
	for (i = 0; i < n && (c = getc_unlocked(j->f)) != EOF; i++) {
		j->line += c == '\n';
		put(j, value, c);
	}
	if (i < n || (n > IMPORT_LINE_MAX && value)) {
		(void)snprintf(why, sizeof(why), "the field claims %" PRIu64 " bytes, %s", n,
			       i < n ? "which the file does not have" : "more than 1 MiB: its end is cut off");
		complain(j, j->line, why);
	}
	if (i < n)
		return EOF;
	c = getc_unlocked(j->f);
	if (c != '\n' && c != EOF) {
		complain(j, j->line, "a field does not end where its length says");
		j->bad = true;
		while (c != '\n' && c != EOF)
			c = getc_unlocked(j->f);
	}
	return c;
}

/* --- entries --- */

static const char *text(const struct journal *j, enum field f)
{
	return j->values[f].len ? j->values[f].data : "";
}

static uint8_t priority(const struct journal *j)
{
	uint64_t v;

	return parse_number(text(j, PRIORITY), &v) < 0 ? LEVEL_NONE : level_of_priority(v);
}

static uint16_t where(const struct journal *j)
{
	static const struct {
		const char *name;
		uint16_t where;
	} rows[] = { { "stdout", LOGWHERE_STDOUT }, { "journal", LOGWHERE_JOURNAL }, { "syslog", LOGWHERE_SYSLOG } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(text(j, TRANSPORT), rows[i].name))
			return rows[i].where;
	return LOGWHERE_UNKNOWN;
}

/* The entry's moment: on the boot's own clock where that is known. */
static uint64_t moment_us(struct journal *j, uint64_t real_us)
{
	uint64_t monotonic;
	size_t i;

	if (!j->values[BOOT].len || parse_number(text(j, MONOTONIC), &monotonic) < 0 || monotonic > real_us)
		return real_us;
	for (i = 0; i < j->nboots && strncmp(j->boots[i].id, text(j, BOOT), sizeof(j->boots[i].id) - 1) != 0; i++)
		;
	if (i == BOOTS_MAX)
		return real_us;
	if (i == j->nboots) {
		(void)snprintf(j->boots[i].id, sizeof(j->boots[i].id), "%.39s", text(j, BOOT));
		j->boots[i].offset_us = real_us - monotonic;
		j->nboots++;
	}
	return monotonic + j->boots[i].offset_us;
}

static int thread_of(struct journal *j, struct err *err)
{
	const char *host = j->values[HOSTNAME].len ? text(j, HOSTNAME) : import_file_host(j->imp, "journal");
	const char *comm = j->values[COMM].len ? text(j, COMM) : text(j, IDENTIFIER);
	const char *pid = j->values[PID].len ? text(j, PID) : text(j, SYSLOG_PID);
	char name[600];
	int r;

	if (!pid[0])
		pid = comm[0] ? comm : "unknown";
	(void)snprintf(name, sizeof(name), "%.255s@%.300s", pid, host);
	r = import_thread_get(j->imp, name, err);
	if (r >= 0 && comm[0] && import_thread_comm(j->imp, (uint32_t)r, comm) < 0)
		return err_set(err, ENOMEM, "out of memory for the name of '%s'", comm);
	return r;
}

static int entry_add(struct journal *j, uint64_t real_us, struct err *err)
{
	struct event_log e = { .stamp_ns = real_us * 1000, .level = priority(j), .where = where(j) };
	struct import_add add = { .ns = moment_us(j, real_us) * 1000, .seq = ++j->imp->objects, .rank = RANK_ANY };
	struct buf *message = &j->values[MESSAGE];
	struct err local = ERR_INIT;
	size_t i;
	int thread = thread_of(j, &local);

	if (thread == -EBADMSG) {
		complain(j, j->begin, local.text);
		return 0;
	}
	if (thread < 0) {
		*err = local;
		return thread;
	}
	add.thread = (uint32_t)thread;
	message->len = message->data ? line_clean(message->data, message->len) : 0;
	if (message->data)
		message->data[message->len] = 0;
	for (i = 0, e.lines = 1; i < message->len; i++)
		e.lines += message->data[i] == '\n';
	j->imp->counts.folded += e.lines - 1;
	return import_add_text(j->imp, &add, &e, message, text(j, UNIT), err);
}

static int entry_end(struct journal *j, struct err *err)
{
	uint64_t real_us = 0;
	size_t i;
	int r = 0;

	if (!j->any)
		return 0;
	if (parse_number(text(j, REAL), &real_us) < 0 || !real_us || real_us > STAMP_MAX_US)
		complain(j, j->begin, "the entry has no __REALTIME_TIMESTAMP");
	else if (j->bad)
		complain(j, j->begin, "the entry is not whole");
	else if (!j->values[MESSAGE].data || !j->values[MESSAGE].len)
		complain(j, j->begin, "the entry has no MESSAGE");
	else
		r = entry_add(j, real_us, err);
	for (i = 0; i < FIELDS; i++)
		buf_reset(&j->values[i]);
	j->any = j->bad = false;
	return r;
}

/* The name up to = or the line's end; returns the character behind it. */
static int name_read(struct journal *j)
{
	int c;

	buf_reset(&j->name);
	while ((c = getc_unlocked(j->f)) != EOF && c != '\n' && c != '=')
		if (j->name.len <= FIELD_NAME_MAX)
			buf_char(&j->name, (char)c);
	return c;
}

/* One field, or the blank line between entries; returns EOF at the end. */
static int field_read(struct journal *j, struct err *err)
{
	int c = name_read(j), r = 0;

	j->line++;
	if (!j->name.len && c != '=') {
		r = entry_end(j, err);
		j->imp->counts.blank += c == '\n';
		return r < 0 ? r : c == EOF ? 1 : 0;
	}
	if (!j->any)
		j->begin = j->line;
	j->any = true;
	if (j->name.len > FIELD_NAME_MAX) {
		complain(j, j->line, "a field's name is longer than 64 characters");
		j->bad = true;
		while (c != EOF && c != '\n')
			c = getc_unlocked(j->f);
	} else if (c == EOF) {
		complain(j, j->line, "the file ends within a field's name");
		j->bad = true;
	} else {
		c = c == '=' ? text_value(j) : sized_value(j);
	}
	if (c == EOF)
		r = entry_end(j, err);
	return r < 0 ? r : c == EOF;
}

static int journal_read(struct import *imp, FILE *f, const char *name, struct err *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	size_t i;
	int r = 0;

	if (!j)
		return err_set(err, ENOMEM, "out of memory for '%s'", name);
	j->imp = imp;
	j->f = f;
	while (!r)
		r = field_read(j, err);
	imp->counts.lines += j->line;
	if (r > 0 && ferror(f))
		r = err_errno(err, errno, "cannot read '%s'", name);
	for (i = 0; i < FIELDS; i++)
		buf_fini(&j->values[i]);
	buf_fini(&j->name);
	free(j);
	return r < 0 ? r : 0;
}

const struct import_format import_journal = {
	.name = "journal",
	.about = "the journal of systemd, as journalctl -o export writes it",
	.note = "times are those of each host's own clock",
	.read = journal_read,
};
