/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctf - traces in the Common Trace Format that others wrote (LTTng, barectf, perf), as ctf_reader tells them.
 *
 * Each event class becomes a type of the recording's own. The thread is what the contexts call vtid or tid, its process vpid or
 * pid, its name procname (lttng-add-context(1)); a trace without them has a thread for each of its streams. The host is what the
 * trace's environment says.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "import/ctf_field.h"
#include "import/ctf_reader.h"
#include "import/internal.h"

#define TYPES_MAX 4096
#define NS_MAX (UINT64_MAX / 4) /* what a recording can hold */
#define FOLDERS_OPEN 32
#define SECONDS_MIN 5		 /* of CPU that the reader may use, and one more for each so many bytes: */
#define BYTES_A_SECOND (1 << 17) /* (it reads 50 MB/s here) */

struct ctf_kind {
	uint16_t type;
	uint16_t numbers, texts;
};

struct ctf {
	struct import *imp;
	struct ctf_kind *kinds;
	uint32_t nkinds;
	struct map named; /* thread's index: its process was described */
	uint64_t read;	  /* events */
	uint64_t bytes;	  /* of the trace's files: an event has at least one bit */
	char why[1024];	  /* it could not be read further; "": it could */
	bool ended;
};

/* A frame's bytes from here on. */
struct cursor {
	const char *p, *end;
};

static bool take(struct cursor *c, void *out, size_t len)
{
	if ((size_t)(c->end - c->p) < len)
		return false;
	memcpy(out, c->p, len);
	c->p += len;
	return true;
}

static const char *take_text(struct cursor *c)
{
	const char *text = c->p, *nul = memchr(c->p, 0, (size_t)(c->end - c->p));

	if (!nul)
		return NULL;
	c->p = nul + 1;
	return text;
}

static int garbled(struct err *err)
{
	return err_set(err, EPROTO, "the reader of CTF traces told something that makes no sense");
}

/* Types */
static void identifier(char *name)
{
	for (; *name; name++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *name))
			*name = '_';
}

/* Under a name that no other type has; a type of that name with the very same fields is taken again. */
static int type_register(struct import *imp, struct event_type *type, const char *wanted, struct err *err)
{
	uint16_t next = imp->next_type ? imp->next_type : EVENT_DYNAMIC_MIN;
	char name[128];
	unsigned int i;

	type->name = name;
	for (i = 0; i < TYPES_MAX; i++) {
		struct err local = ERR_INIT;
		const struct event_type *old;

		(void)snprintf(name, sizeof(name), i ? "%.100s_%u" : "%.100s", wanted, i);
		identifier(name);
		old = event_types_find(imp->types, name);
		type->id = old ? old->id : next;
		if (event_types_add(imp->types, type, &local) >= 0) {
			imp->next_type = old ? next : next + 1;
			return 0;
		}
		if (!old)
			return err_set(err, local.code, "%s", local.text);
	}
	return err_set(err, E2BIG, "too many event types called '%s'", wanted);
}

static bool field_take(struct cursor *c, struct event_field *f, uint32_t n, uint32_t numbers)
{
	uint8_t kind;

	if (!take(c, &kind, 1))
		return false;
	*f = (struct event_field) {
		.kind = kind, .format = EVENT_FMT_DEC, .size = 8, .about = "", .name = take_text(c)
	};
	f->offset = (uint16_t)(sizeof(struct event_header) + 8 * n);
	if (n >= numbers) {
		f->format = EVENT_FMT_CHAR;
		f->size = 0;
		f->offset = (uint16_t)(n - numbers);
	}
	return f->name && (kind == EVENT_STR) == (n >= numbers) &&
	       (kind == EVENT_STR || kind == EVENT_U64 || kind == EVENT_S64);
}

static int take_type(struct ctf *c, struct cursor cur, struct err *err)
{
	struct event_field fields[CTF_FIELDS_MAX];
	struct event_type type = { .about = "an event of a CTF trace", .fields = fields };
	struct ctf_kind *grown;
	uint32_t head[3], i;
	const char *name;
	int r;

	if (!take(&cur, head, sizeof(head)) || head[0] > CTF_FIELDS_MAX || head[1] > CTF_FIELDS_MAX - head[0] ||
	    !(name = take_text(&cur)))
		return garbled(err);
	for (i = 0; i < head[0] + head[1]; i++)
		if (!field_take(&cur, &fields[i], i, head[0]))
			return garbled(err);
	if (head[2])
		import_complain(c->imp, c->read, 0, "an event has more than 64 fields: the rest is left out");
	if (c->nkinds == TYPES_MAX)
		return err_set(err, E2BIG, "the trace has more than %d types of events", TYPES_MAX);
	grown = array_grown(c->kinds, c->nkinds, sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory for an event type");
	c->kinds = grown;
	type.nfields = (uint16_t)(head[0] + head[1]);
	type.size = (uint16_t)(sizeof(struct event_header) + 8 * head[0]);
	r = type_register(c->imp, &type, name, err);
	if (r >= 0)
		c->kinds[c->nkinds++] = (struct ctf_kind) { type.id, (uint16_t)head[0], (uint16_t)head[1] };
	return r;
}

/* Threads */
static int thread_get(struct ctf *c, uint64_t tid, const char *stream, const char *host, struct err *err)
{
	char name[600];

	if (!host[0] || host[0] == '.' || strpbrk(host, "/@"))
		host = c->imp->opts->host ? c->imp->opts->host : "ctf";
	if (tid)
		(void)snprintf(name, sizeof(name), "%llu@%s", (unsigned long long)tid, host);
	else
		(void)snprintf(name, sizeof(name), "%s@%s", stream[0] ? stream : "stream", host);
	return import_thread_get(c->imp, name, err);
}

static int thread_of(struct ctf *c, const struct ctf_event *e, const char *host, const char *stream, struct err *err)
{
	int thread = thread_get(c, e->tid, stream, host, err), leader;

	if (thread < 0 || !e->tid || !e->pid || e->pid == e->tid)
		return thread;
	leader = thread_get(c, e->pid, stream, host, err);
	if (leader < 0)
		return leader;
	c->imp->threads[thread].leader = (uint32_t)leader;
	return thread;
}

/* Who the thread is, once. */
static int describe(struct ctf *c, const struct import_add *add, const char *name, struct err *err)
{
	struct event_process e = { .flags = PROCFLAGS_SNAPSHOT };

	if (!name[0] || map_get(&c->named, add->thread))
		return 0;
	if (map_set(&c->named, add->thread, 1) < 0)
		return err_set(err, ENOMEM, "out of memory for a thread");
	return import_add(c->imp, add, event_types_get(c->imp->types, EVENT_PROCESS), &e,
			  (const char *[]) { name, "", "", NULL }, err);
}

/* Events */
static int put(struct ctf *c, const struct import_add *add, const struct ctf_kind *k, struct cursor *cur,
	       struct err *err)
{
	struct {
		struct event_header h;
		uint64_t numbers[CTF_FIELDS_MAX];
	} fixed = { .h = { 0 } };
	const char *strings[CTF_FIELDS_MAX + 1] = { NULL };
	uint32_t i;

	if (!take(cur, fixed.numbers, k->numbers * sizeof(fixed.numbers[0])))
		return garbled(err);
	for (i = 0; i < k->texts; i++) {
		strings[i] = take_text(cur);
		if (!strings[i])
			return garbled(err);
		if (c->imp->opts->mask)
			c->imp->opts->mask((char *)(uintptr_t)strings[i], strlen(strings[i]));
	}
	return import_add(c->imp, add, event_types_get(c->imp->types, k->type), &fixed, strings, err);
}

static int take_event(struct ctf *c, struct cursor cur, struct err *err)
{
	struct import_add add = { .seq = ++c->imp->objects, .rank = RANK_ANY };
	const char *host, *stream, *process;
	struct ctf_event e;
	int r;

	if (c->read / 8 > c->bytes)
		return err_set(err, EBADMSG, "the trace has more events than bits");
	c->read++;
	c->imp->counts.lines++;
	if (!take(&cur, &e, sizeof(e)) || e.type >= c->nkinds || !(host = take_text(&cur)) ||
	    !(stream = take_text(&cur)) || !(process = take_text(&cur)))
		return garbled(err);
	if (e.ns > NS_MAX) {
		import_complain(c->imp, c->read, 1, "the event's time is beyond what a recording can hold");
		return 0;
	}
	r = thread_of(c, &e, host, stream, err);
	if (r < 0)
		return r;
	add.thread = (uint32_t)r;
	add.ns = e.ns;
	c->imp->counts.split += e.cut;
	r = describe(c, &add, process, err);
	return r < 0 ? r : put(c, &add, &c->kinds[e.type], &cur, err);
}

static int take_frame(struct ctf *c, uint32_t kind, struct cursor cur, struct err *err)
{
	const char *text;

	switch (kind) {
	case CTF_TYPE:
		return take_type(c, cur, err);
	case CTF_EVENT:
		return take_event(c, cur, err);
	case CTF_END:
		c->ended = true;
		return 0;
	default:
		text = take_text(&cur);
		if (!text)
			return garbled(err);
		if (kind == CTF_FAILED)
			(void)snprintf(c->why, sizeof(c->why), "%s", text);
		else
			import_complain(c->imp, c->read + 1, 0, text);
		return 0;
	}
}

static int take_frames(struct ctf *c, FILE *in, struct err *err)
{
	CLEANUP_FREE char *room = malloc(CTF_FRAME_MAX);
	struct ctf_frame f;
	int r = 0;

	if (!room)
		return err_set(err, ENOMEM, "out of memory for reading a trace");
	while (r >= 0 && fread(&f, sizeof(f), 1, in) == 1) {
		if (f.length > CTF_FRAME_MAX)
			return garbled(err);
		if (f.length && fread(room, f.length, 1, in) != 1)
			break;
		r = take_frame(c, f.kind, (struct cursor) { room, room + f.length }, err);
	}
	return r;
}

/* nftw() has no argument for its function. */
static uint64_t bytes_seen;

static int see_size(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path;
	(void)where;
	bytes_seen += type == FTW_F ? (uint64_t)st->st_size : 0;
	return 0;
}

static uint64_t bytes_below(const char *path)
{
	bytes_seen = 0;
	(void)nftw(path, see_size, FOLDERS_OPEN, FTW_PHYS);
	return bytes_seen;
}

/* The process that reads: it may crash or loop, without a core and without a word. */
static _Noreturn void reader_process(const char *path, int fd, uint64_t bytes)
{
	rlim_t seconds = SECONDS_MIN + bytes / BYTES_A_SECOND;
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE, SIGINT, SIGTERM };
	FILE *out = fdopen(fd, "w");
	size_t i;

	for (i = 0; i < ARRAY_LEN(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
	(void)setrlimit(RLIMIT_CPU, &(struct rlimit) { seconds, seconds });
	if (!freopen("/dev/null", "w", stderr))
		_exit(1);
	if (out)
		ctf_reader_run(path, out);
	_exit(0);
}

/* Its process id, and where it tells. */
static int reader_start(const char *path, uint64_t bytes, pid_t *ret_pid, FILE **ret_in, struct err *err)
{
	int fds[2];
	pid_t pid = 0;

	if (pipe2(fds, O_CLOEXEC))
		return err_errno(err, errno, "cannot make a pipe");
	pid = fork();
	if (!pid) {
		(void)close(fds[0]);
		reader_process(path, fds[1], bytes);
	}
	(void)close(fds[1]);
	*ret_in = pid > 0 ? fdopen(fds[0], "r") : NULL;
	if (!*ret_in) {
		(void)close(fds[0]);
		return err_errno(err, errno, "cannot start the reader of CTF traces");
	}
	*ret_pid = pid;
	return 0;
}

/* What was read is kept: a torn last packet must not cost the rest. */
static int settle(struct ctf *c, int status, const char *path, struct err *err)
{
	if (WIFSIGNALED(status))
		(void)snprintf(c->why, sizeof(c->why),
			       "cannot read the trace '%.400s': libbabeltrace2 died of signal %d (%s)", path,
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (!c->ended && !c->why[0])
		(void)snprintf(c->why, sizeof(c->why), "cannot read the trace '%.400s' to its end", path);
	if (!c->why[0])
		return 0;
	if (!c->read)
		return err_set(err, EBADMSG, "%s", c->why);
	import_complain(c->imp, c->read, 1, c->why);
	return 0;
}

static int ctf_read(struct import *imp, const char *path, struct err *err)
{
	struct ctf c = { .imp = imp, .bytes = bytes_below(path) };
	FILE *in;
	pid_t pid = 0;
	int r = reader_start(path, c.bytes, &pid, &in, err), status = 0;

	if (r < 0)
		return r;
	r = take_frames(&c, in, err);
	(void)fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r >= 0)
		r = settle(&c, status, path, err);
	map_fini(&c.named);
	free(c.kinds);
	return r;
}

const struct import_format import_ctf = {
	.name = "ctf",
	.about = "directories of CTF traces (LTTng, barectf), through libbabeltrace2",
	.read_path = ctf_read,
};
