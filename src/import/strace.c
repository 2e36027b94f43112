/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strace - the output of `strace -f -ttt -yy` (strace_line.c has its form): processes, signals, TCP, UDP and pipes as events of their
 * own; every other call as an event `syscall`, a type of the recording's own.
 *
 * A fork and a signal happened at the latest when the call began to be shown; a wait, an accept and a receive when it ended. A
 * call that strace shows whole is both at its time stamp: no other traced thread did anything in between.
 */
#include "import/strace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define SYSCALL_TYPE EVENT_DYNAMIC_MIN
#define TEXT_MAX 3072		   /* of a call's arguments */
#define STRACE_TIDS_MAX (1U << 22) /* PID_MAX_LIMIT, include/linux/threads.h */

struct event_strace_call {
	struct event_header h;
	__s64 value;
	__u64 duration_ns;
};

int strace_put(const struct strace_done *d, uint64_t ns, uint16_t type, void *fixed, const char *const *strings,
	       struct err *err)
{
	struct import_add add = d->add;

	add.ns = ns;
	return import_add(d->s->imp, &add, event_types_get(d->s->imp->types, type), fixed, strings, err);
}

/* Threads */
static int thread_get(struct strace *s, uint64_t tid, struct err *err)
{
	char name[512];
	struct strace_thread *grown;
	size_t n;
	int r;

	(void)snprintf(name, sizeof(name), "%llu@%s", (unsigned long long)tid, s->host);
	r = import_thread_get(s->imp, name, err);
	if (r < 0 || (size_t)r < s->nthreads)
		return r;
	n = 2 * ((size_t)r + 1);
	grown = realloc(s->threads, n * sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory for %d threads", r);
	memset(grown + s->nthreads, 0, (n - s->nthreads) * sizeof(*grown));
	s->threads = grown;
	s->nthreads = n;
	return r;
}

static bool is_tid(int64_t v)
{
	return v > 0 && v < STRACE_TIDS_MAX;
}

static struct strace_thread *leader_of(struct strace *s, uint32_t thread)
{
	return &s->threads[s->imp->threads[thread].leader];
}

static bool says(const struct strace_done *d, const char *word)
{
	return d->s->shown.data && strstr(d->s->shown.data, word);
}

static int take_fork(struct strace_done *d, struct err *err)
{
	struct event_fork e = { .child_start_ns = 0 };
	struct strace *s = d->s;
	int child, r;

	if (d->call.error || !is_tid(d->call.value))
		return 0;
	child = thread_get(s, (uint64_t)d->call.value, err);
	if (child < 0)
		return child;
	e.child_tid = (uint32_t)child;
	if (says(d, "CLONE_THREAD")) {
		e.flags = PROCFLAGS_THREAD;
		s->imp->threads[child].leader = s->imp->threads[d->add.thread].leader;
	} else {
		s->threads[child].caught = leader_of(s, d->add.thread)->caught;
		s->threads[child].ignored = leader_of(s, d->add.thread)->ignored;
	}
	r = strace_put(d, d->entry_ns, EVENT_FORK, &e, (const char *[]) { "", NULL }, err);
	return r < 0 ? r : 1;
}

/* `["sh", "-c", ...]` as words with blanks between them */
static void words_of(const char *list, char *out, size_t cap)
{
	const char *p = strchr(list, '"');
	size_t n = 0;
	bool whole;

	while (p && n + 2 < cap) {
		int len = strace_string(p, out + n, (int)(cap - n - 2), &whole);

		n += (size_t)len;
		out[n++] = ' ';
		for (p++; *p && *p != '"'; p++)
			if (*p == '\\' && p[1])
				p++;
		p = *p ? strchr(p + 1, '"') : NULL;
	}
	out[n ? n - 1 : 0] = 0;
}

static int take_exec(struct strace_done *d, struct err *err)
{
	unsigned int at = !strcmp(d->call.name, "execveat");
	struct event_exec e = { .flags = 0 };
	struct strace_thread *leader = leader_of(d->s, d->add.thread);
	char path[1024], words[2048] = "", comm[16];
	const char *base;
	bool whole;
	int n, r;

	if (d->call.error || !d->call.returned || d->call.argc < at + 2)
		return 0;
	n = strace_string(d->call.argv[at], path, sizeof(path) - 1, &whole);
	if (n < 0)
		return 0;
	path[n] = 0;
	words_of(d->call.argv[at + 1], words, sizeof(words));
	if (d->s->imp->opts->mask)
		d->s->imp->opts->mask(words, strlen(words));
	base = strrchr(path, '/');
	(void)snprintf(comm, sizeof(comm), "%.15s", base ? base + 1 : path); /* TASK_COMM_LEN */
	leader->caught = 0; /* execve(2): handlers are reset, ignored signals stay ignored */
	r = strace_put(d, d->add.ns, EVENT_EXEC, &e, (const char *[]) { comm, path, words, NULL }, err);
	return r < 0 ? r : 1;
}

/* Who ended: the value of wait4, the si_pid of waitid. */
static int64_t ended_child(const struct strace_done *d)
{
	const char *p;

	if (says(d, "WIFSTOPPED") || says(d, "WIFCONTINUED") || says(d, "CLD_STOPPED") || says(d, "CLD_CONTINUED"))
		return 0;
	if (strcmp(d->call.name, "waitid"))
		return d->call.value;
	p = d->call.value == 0 && d->s->shown.data ? strstr(d->s->shown.data, "si_pid=") : NULL;
	return p ? strtoll(p + strlen("si_pid="), NULL, 10) : 0;
}

static int take_wait(struct strace_done *d, struct err *err)
{
	struct event_join e = { .child_start_ns = 0 };
	int64_t tid = d->call.returned && !d->call.error ? ended_child(d) : 0;
	int child, r;

	if (!is_tid(tid))
		return 0;
	child = thread_get(d->s, (uint64_t)tid, err);
	if (child < 0)
		return child;
	e.child_tid = (uint32_t)child;
	r = strace_put(d, d->add.ns, EVENT_JOIN, &e, NULL, err);
	return r < 0 ? r : 1;
}

/* "SIGTERM", "SIGRT_3": its number, 0: none */
static unsigned int signal_number(const char *text)
{
	size_t len = strcspn(text, " ,{");
	unsigned int i;

	if (!strncmp(text, "SIGRT_", 6))
		i = 32 + (unsigned int)strtoul(text + 6, NULL, 10);
	else
		for (i = 1; i < 64; i++) {
			const char *name = event_signal_name(i);

			if (name && strlen(name) == len && !strncmp(name, text, len))
				break;
		}
	return i < 65 ? i % 65 : 0;
}

static int take_kill(struct strace_done *d, struct err *err)
{
	unsigned int to = !strcmp(d->call.name, "tgkill"), at = to + 1;
	struct event_signal e = { .flags = 0 };
	int64_t tid;
	int target, r;

	if (d->call.error || d->call.argc <= at)
		return 0;
	e.sig = signal_number(d->call.argv[at]);
	tid = strtoll(d->call.argv[to], NULL, 10);
	if (!e.sig || !is_tid(tid))
		return 0;
	target = thread_get(d->s, (uint64_t)tid, err);
	if (target < 0)
		return target;
	e.target_tid = (uint32_t)target;
	e.flags = strcmp(d->call.name, "kill") ? 0 : SIGNALFLAGS_GROUP;
	e.code = strcmp(d->call.name, "kill") ? SI_TKILL : SI_USER;
	r = strace_put(d, d->entry_ns, EVENT_SIGNAL, &e, (const char *[]) { "", NULL }, err);
	return r < 0 ? r : 1;
}

/* Whether a signal has a handler is known from here; told as a call like any other. */
static int take_action(struct strace_done *d, struct err *err)
{
	struct strace_thread *leader = leader_of(d->s, d->add.thread);
	unsigned int sig = d->call.argc ? signal_number(d->call.argv[0]) : 0;
	const char *action = d->call.argc > 1 ? d->call.argv[1] : "";

	(void)err;
	if (!sig || sig > 63 || d->call.error || !strncmp(action, "NULL", 4))
		return 0;
	leader->caught &= ~(1ULL << sig);
	leader->ignored &= ~(1ULL << sig);
	if (strstr(action, "sa_handler=SIG_IGN"))
		leader->ignored |= 1ULL << sig;
	else if (!strstr(action, "sa_handler=SIG_DFL"))
		leader->caught |= 1ULL << sig;
	return 0;
}

static int take_other(struct strace_done *d, struct err *err)
{
	struct event_strace_call e = { .value = d->call.returned ? d->call.value : -1,
				       .duration_ns = d->add.ns - d->entry_ns };
	const char *error = d->call.error ? d->call.error : d->call.returned ? "" : "?";
	char *args = d->s->shown.data;
	int r;

	if (args && d->s->shown.len > TEXT_MAX) {
		args[TEXT_MAX] = 0;
		d->s->imp->counts.split++;
	}
	if (args && d->s->imp->opts->mask)
		d->s->imp->opts->mask(args, strlen(args));
	r = strace_put(d, d->add.ns, SYSCALL_TYPE, &e, (const char *[]) { d->call.name, args ? args : "", error, NULL },
		       err);
	return r;
}

static const struct {
	const char *name;
	int (*take)(struct strace_done *d, struct err *err);
} calls[] = {
	{ "clone", take_fork },		 { "clone3", take_fork },      { "fork", take_fork },
	{ "vfork", take_fork },		 { "execve", take_exec },      { "execveat", take_exec },
	{ "wait4", take_wait },		 { "waitpid", take_wait },     { "waitid", take_wait },
	{ "kill", take_kill },		 { "tkill", take_kill },       { "tgkill", take_kill },
	{ "rt_sigaction", take_action }, { "pipe", strace_pipe_made }, { "pipe2", strace_pipe_made },
};

static int take_call(struct strace_done *d, struct err *err)
{
	size_t i;
	int r = -ENOENT;

	for (i = 0; i < ARRAY_LEN(calls) && r == -ENOENT; i++)
		if (!strcmp(d->call.name, calls[i].name))
			r = calls[i].take(d, err);
	if (r == -ENOENT)
		r = strace_sock_take(d, err);
	return r ? r : take_other(d, err);
}

/* Lines */
static int call_done(struct strace *s, char *text, struct import_add *add, uint64_t entry_ns, struct err *err)
{
	struct strace_done d = { .s = s, .add = *add, .entry_ns = entry_ns };
	CLEANUP_FREE char *whole = strdup(text);

	if (!whole)
		return err_set(err, ENOMEM, "out of memory for a line");
	if (strace_call_parse(text, &d.call, err) < 0)
		return -EBADMSG;
	buf_reset(&s->shown);
	buf_add(&s->shown, whole + d.call.args_at, d.call.args_len);
	if (entry_ns == add->ns)
		d.add.ns += d.call.spent_ns;
	return take_call(&d, err);
}

static int call_resumed(struct strace *s, struct strace_thread *t, const struct strace_line *l, struct import_add *add,
			struct err *err)
{
	CLEANUP_FREE char *head = t->pending, *text = NULL;
	size_t len = strlen(l->name);

	t->pending = NULL;
	if (!head)
		return err_set(err, EBADMSG, "the call '%.40s' is resumed but never began", l->name);
	if (strncmp(head, l->name, len) || head[len] != '(')
		return err_set(err, EBADMSG, "the call '%.40s' is resumed within '%.40s'", l->name, head);
	if (asprintf(&text, "%s%s", head, l->text) < 0)
		return err_set(err, ENOMEM, "out of memory for a line");
	return call_done(s, text, add, t->entry_ns, err);
}

static int call_began(struct strace_thread *t, const struct strace_line *l, struct err *err)
{
	free(t->pending);
	t->pending = strdup(l->text);
	t->entry_ns = l->ns;
	return t->pending ? 0 : err_set(err, ENOMEM, "out of memory for a line");
}

static int number_after(const char *text, const char *word, int64_t *ret)
{
	const char *p = strstr(text, word);

	if (!p)
		return -ENOENT;
	*ret = strtoll(p + strlen(word), NULL, 10);
	return 0;
}

/* <asm-generic/siginfo.h> */
static int signal_code(const char *text)
{
	static const struct {
		const char *name;
		int code;
	} names[] = { { "SI_USER", SI_USER },	      { "SI_KERNEL", SI_KERNEL },
		      { "SI_QUEUE", SI_QUEUE },	      { "SI_TIMER", SI_TIMER },
		      { "SI_TKILL", SI_TKILL },	      { "CLD_EXITED", CLD_EXITED },
		      { "CLD_KILLED", CLD_KILLED },   { "CLD_DUMPED", CLD_DUMPED },
		      { "CLD_STOPPED", CLD_STOPPED }, { "CLD_CONTINUED", CLD_CONTINUED } };
	const char *p = strstr(text, "si_code=");
	size_t i;

	for (i = 0; p && i < ARRAY_LEN(names); i++)
		if (!strncmp(p + strlen("si_code="), names[i].name, strlen(names[i].name)))
			return names[i].code;
	return 0;
}

static int take_signal(struct strace_done *d, const struct strace_line *l, struct err *err)
{
	const struct strace_thread *leader = leader_of(d->s, d->add.thread);
	struct event_deliver e = { .sig = signal_number(l->text), .code = signal_code(l->text) };
	int64_t sender = 0;

	if (!e.sig)
		return err_set(err, EBADMSG, "the signal '%.20s' is unknown", l->text);
	if (l->kind == STRACE_STOPPED)
		return strace_put(d, l->ns, EVENT_STOP, &e, NULL, err);
	(void)number_after(l->text, "si_pid=", &sender);
	e.sender = is_tid(sender) ? (uint32_t)sender : 0;
	if (e.sig < 64)
		e.action = leader->caught >> e.sig & 1	  ? DISPOSITION_HANDLER
			   : leader->ignored >> e.sig & 1 ? DISPOSITION_IGNORE
							  : DISPOSITION_DEFAULT;
	return strace_put(d, l->ns, e.sig == SIGCONT ? EVENT_CONT : EVENT_DELIVER, &e, NULL, err);
}

static int take_exit(struct strace_done *d, const struct strace_line *l, struct err *err)
{
	struct event_exit e = { .code = l->code };

	if (l->kind == STRACE_KILLED) {
		e.sig = signal_number(l->text);
		e.flags = l->core ? EXITFLAGS_CORE_DUMPED : 0;
		if (!e.sig)
			return err_set(err, EBADMSG, "the signal '%.20s' is unknown", l->text);
	}
	if (d->s->imp->threads[d->add.thread].leader == d->add.thread)
		e.flags |= EXITFLAGS_LAST_THREAD;
	free(d->s->threads[d->add.thread].pending);
	d->s->threads[d->add.thread].pending = NULL;
	return strace_put(d, l->ns, EVENT_EXIT, &e, (const char *[]) { "", NULL }, err);
}

static int take_line(struct strace *s, char *text, uint32_t only_tid, struct err *err)
{
	struct strace_done d = { .s = s, .add = { .seq = ++s->imp->objects, .rank = RANK_ANY } };
	struct strace_line l;
	struct strace_thread *t;
	int r = strace_line_parse(text, &l, err);

	if (r < 0)
		return r;
	r = thread_get(s, l.tid ? l.tid : only_tid, err);
	if (r < 0)
		return r;
	t = &s->threads[r];
	d.add.thread = (uint32_t)r;
	d.add.ns = d.entry_ns = l.ns;
	switch (l.kind) {
	case STRACE_CALL:
		return call_done(s, l.text, &d.add, l.ns, err);
	case STRACE_UNFINISHED:
		return call_began(t, &l, err);
	case STRACE_RESUMED:
		return call_resumed(s, t, &l, &d.add, err);
	case STRACE_SIGNAL:
	case STRACE_STOPPED:
		return take_signal(&d, &l, err);
	default:
		return take_exit(&d, &l, err);
	}
}

/* strace -ff writes a file for each thread, `name.4711`; a file of one thread without ids: 1. */
static uint32_t tid_of_name(const char *name)
{
	const char *point = strrchr(name, '.');
	char *end;
	unsigned long v = point ? strtoul(point + 1, &end, 10) : 0;

	return point && point[1] && !*end && is_tid((int64_t)v) ? (uint32_t)v : 1;
}

static int read_lines(struct strace *s, struct import_lines *lines, uint32_t only_tid, struct err *err)
{
	int r;

	while ((r = import_line_next(s->imp, lines, err)) > 0) {
		struct err local = ERR_INIT;

		if (!lines->text[0] || !strncmp(lines->text, "strace: ", 8)) /* its own words, on the terminal */
			continue;
		r = take_line(s, lines->text, only_tid, &local);
		if (r == -EBADMSG) {
			import_complain(s->imp, lines->line, 1, local.text);
		} else if (r < 0) {
			*err = local;
			return r;
		}
	}
	return r;
}

static void strace_fini(struct strace *s)
{
	size_t i;

	for (i = 0; i < s->nthreads; i++)
		free(s->threads[i].pending);
	free(s->threads);
	buf_fini(&s->shown);
	strace_sock_fini(s);
	strace_pipe_fini(s);
}

static int strace_read(struct import *imp, FILE *f, const char *name, struct err *err)
{
	struct strace s = { .imp = imp,
			    .host = imp->opts->host ? imp->opts->host : "strace",
			    .whole = imp->opts->nfiles == 1 };
	struct import_lines lines = { .f = f };
	int r = read_lines(&s, &lines, tid_of_name(name), err);

	import_lines_fini(&lines);
	strace_fini(&s);
	return r;
}

static int strace_types(struct event_types *types, struct err *err)
{
	static const struct event_field fields[] = {
		{ .name = "value",
		  .kind = EVENT_S64,
		  .format = EVENT_FMT_DEC,
		  .size = 8,
		  .about = "what it returned",
		  .offset = offsetof(struct event_strace_call, value) },
		{ .name = "duration_ns",
		  .kind = EVENT_U64,
		  .format = EVENT_FMT_NS,
		  .size = 8,
		  .about = "from its begin to its end, as far as strace shows it",
		  .offset = offsetof(struct event_strace_call, duration_ns) },
		{ .name = "name", .kind = EVENT_STR, .format = EVENT_FMT_CHAR, .about = "which" },
		{ .name = "args", .kind = EVENT_STR, .format = EVENT_FMT_CHAR, .about = "as strace shows them" },
		{ .name = "error",
		  .kind = EVENT_STR,
		  .format = EVENT_FMT_CHAR,
		  .about = "ENOENT; ?: it did not return" },
	};
	const struct event_type type = { .id = SYSCALL_TYPE,
					 .size = sizeof(struct event_strace_call),
					 .nfields = ARRAY_LEN(fields),
					 .name = "syscall",
					 .about = "a system call, as strace shows it",
					 .fields = fields };

	return event_types_add(types, &type, err);
}

const struct import_format import_strace = {
	.name = "strace",
	.about = "output of strace -f -ttt -yy (-o FILE, or -ff)",
	.types = strace_types,
	.read = strace_read,
};
