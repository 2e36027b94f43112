/* SPDX-License-Identifier: Apache-2.0 */
/* The spool of events, the complaints, and the way from files to sources. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "import/internal.h"

static const struct import_format *const formats[] = {
	&import_falcon, &import_strace, &import_log, &import_journal,
#ifdef SAKER_WITH_BABELTRACE
	&import_ctf,
#endif
};

const struct import_format *import_format_nth(unsigned int n)
{
	return n < ARRAY_LEN(formats) ? formats[n] : NULL;
}

const struct import_format *import_format_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

const char *import_format_name(const struct import_format *f)
{
	return f->name;
}

const char *import_format_note(const struct import_format *f)
{
	return f->note;
}

const char *import_format_about(const struct import_format *f)
{
	return f->about;
}

/* Unlinked: nothing stays behind, however we end. */
static FILE *spool_open(void)
{
	const char *dir = getenv("TMPDIR");
	char name[4096];
	int fd = -1;
	FILE *f;

	if (snprintf(name, sizeof(name), "%s/saker-import-XXXXXX", dir && dir[0] ? dir : "/tmp") < (int)sizeof(name))
		fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	(void)unlink(name);
	f = fdopen(fd, "w+");
	if (!f)
		(void)close(fd);
	return f;
}

static int entry_push(struct import *imp, const struct import_entry *e, struct err *err)
{
	struct import_entry *grown =
		imp->nentries < NONE ? array_grown(imp->entries, imp->nentries, sizeof(*grown)) : NULL;

	if (!grown)
		return err_set(err, ENOMEM, "out of memory for %zu events", imp->nentries);
	imp->entries = grown;
	imp->entries[imp->nentries++] = *e;
	return 0;
}

static int spool(struct import *imp, struct import_entry *e, const void *event, size_t len, struct err *err)
{
	if (fwrite(event, 1, len, imp->spool) != len)
		return err_errno(err, errno, "cannot keep the events in a file in $TMPDIR");
	e->at = imp->spooled;
	imp->spooled += len;
	return entry_push(imp, e, err);
}

int import_add(struct import *imp, const struct import_add *a, const struct event_type *type, void *fixed,
	       const char *const *strings, struct err *err)
{
	const struct import_thread *t = &imp->threads[a->thread];
	struct import_entry e = {
		.own_ns = a->ns, .seq = a->seq, .thread = a->thread, .host = t->host, .rank = (uint8_t)a->rank
	};
	struct event_header *h = fixed;
	uint64_t room[EVENT_LENGTH_MAX / 8];
	int r;

	h->type = type->id;
	h->context = CONTEXT_TASK;
	h->flags = EVENT_F_IMPORTED;
	r = event_build_as(type, room, sizeof(room), fixed, strings);
	if (r < 0)
		return err_set(err, EBADMSG, "the event is longer than %d bytes", EVENT_LENGTH_MAX);
	r = spool(imp, &e, room, (size_t)r, err);
	if (r < 0)
		return r;
	imp->counts.events++;
	imp->hosts[t->host].events++;
	imp->last_host = t->host;
	imp->last_ns = a->ns;
	return 0;
}

void import_complain(struct import *imp, uint64_t line, uint64_t count, const char *why)
{
	struct import_complaint *c = &imp->complaints[imp->ncomplaints];

	imp->counts.malformed += count;
	if (imp->ncomplaints == IMPORT_COMPLAINTS_MAX)
		return;
	if (imp->opts->complain)
		imp->opts->complain(imp->opts->arg, imp->file, line, why);
	if (asprintf(&c->text, "%s:%" PRIu64 ": %s", imp->file, line, why) < 0)
		return;
	c->line = line;
	c->host = imp->last_host;
	c->ns = imp->last_ns;
	imp->ncomplaints++;
}

/* Kept where they were met: at the event before, or at the very beginning. */
static int mark_complaints(struct import *imp, struct err *err)
{
	uint32_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < imp->ncomplaints; i++) {
		const struct import_complaint *c = &imp->complaints[i];
		struct event_mark e = {
			.h = { .type = EVENT_MARK, .context = CONTEXT_RECORDER, .flags = EVENT_F_IMPORTED },
			.value = c->line
		};
		struct import_entry entry = { .own_ns = c->ns, .seq = UINT64_MAX, .thread = NONE, .host = c->host };
		char text[1024];
		uint64_t room[256];
		int len;

		if (c->host == NONE) {
			entry.host = imp->entries[0].host;
			entry.own_ns = imp->entries[0].own_ns;
		}
		(void)snprintf(text, sizeof(text), "%s", c->text);
		len = event_build(room, sizeof(room), &e, (const char *[]) { text, NULL });
		if (len >= 0)
			r = spool(imp, &entry, room, (size_t)len, err);
	}
	return r;
}

const char *import_file_host(const struct import *imp, const char *otherwise)
{
	const struct import_opts *o = imp->opts;

	if (o->hosts && o->hosts[imp->nth_file])
		return o->hosts[imp->nth_file];
	return o->host ? o->host : otherwise;
}

static int read_file(struct import *imp, const char *path, struct err *err)
{
	bool standard = !strcmp(path, "-");
	bool whole = imp->opts->format->read_path;
	FILE *f = whole ? NULL : standard ? stdin : fopen(path, "re");
	int r;

	imp->last_host = NONE;
	if (whole) {
		imp->file = path;
		return imp->opts->format->read_path(imp, path, err);
	}
	if (!f)
		return err_errno(err, errno, "cannot open '%s'", path);
	imp->file = standard ? "standard input" : path;
	r = imp->opts->format->read(imp, f, imp->file, err);
	if (!standard)
		(void)fclose(f);
	return r;
}

static int spool_map(struct import *imp, struct err *err)
{
	void *p;

	if (fflush(imp->spool))
		return err_errno(err, errno, "cannot keep the events in a file in $TMPDIR");
	p = mmap(NULL, imp->spooled, PROT_READ, MAP_PRIVATE, fileno(imp->spool), 0);
	if (p == MAP_FAILED)
		return err_errno(err, errno, "cannot read the events back from a file in $TMPDIR");
	imp->map = p;
	return 0;
}

static int read_all(struct import *imp, struct err *err)
{
	const struct import_opts *o = imp->opts;
	unsigned int i;
	int r = 0;

	if (o->format->types)
		r = o->format->types(imp->types, err);
	for (i = 0; r >= 0 && i < o->nfiles; i++) {
		imp->nth_file = i;
		r = read_file(imp, o->files[i], err);
	}
	if (r < 0)
		return r;
	if (!imp->nentries)
		return err_set(err, ENODATA, "there is no event in '%s'%s", o->nfiles ? o->files[0] : "",
			       o->nfiles > 1 ? " and the other files" : "");
	r = mark_complaints(imp, err);
	if (r >= 0)
		r = spool_map(imp, err);
	if (r >= 0)
		r = import_names_number(imp, err);
	if (r >= 0)
		import_place(imp);
	return r;
}

int import_open(const struct import_opts *opts, struct import **ret, struct err *err)
{
	struct import *imp = calloc(1, sizeof(*imp));
	int r;

	if (imp) {
		imp->opts = opts;
		imp->note = opts->format->note;
	}
	if (!imp || event_types_new(&imp->types) < 0) {
		import_free(imp);
		return err_set(err, ENOMEM, "out of memory for an import");
	}
	imp->spool = spool_open();
	r = imp->spool ? read_all(imp, err) : err_errno(err, errno, "cannot make a file in $TMPDIR");
	if (r < 0) {
		import_free(imp);
		return r;
	}
	imp->opts = NULL;
	*ret = imp;
	return 0;
}

struct import *import_free(struct import *imp)
{
	uint32_t i;

	if (!imp)
		return NULL;
	for (i = 0; i < imp->ncomplaints; i++)
		free(imp->complaints[i].text);
	if (imp->map)
		(void)munmap((void *)(uintptr_t)imp->map, imp->spooled);
	if (imp->spool)
		(void)fclose(imp->spool);
	import_names_fini(imp);
	free(imp->entries);
	event_types_free(imp->types);
	free(imp);
	return NULL;
}

void import_get_counts(const struct import *imp, struct import_counts *ret)
{
	*ret = imp->counts;
}

const struct event_types *import_types(const struct import *imp)
{
	return imp->types;
}

unsigned int import_hosts(const struct import *imp)
{
	return imp->nhosts;
}

const char *import_host_name(const struct import *imp, unsigned int host)
{
	return host < imp->nhosts ? imp->hosts[host].name : "";
}

uint64_t import_host_events(const struct import *imp, unsigned int host)
{
	return host < imp->nhosts ? imp->hosts[host].events : 0;
}

int import_read(struct import *imp, unsigned int host, struct event_source **ret, struct err *err)
{
	if (host >= imp->nhosts)
		return err_set(err, ENOENT, "there is no host %u: the files have %u", host, imp->nhosts);
	return import_source(imp, host, ret, err);
}
