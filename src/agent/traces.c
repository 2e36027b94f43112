/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/traces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/stored.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "explain/jaeger.h"
#include "explain/requests.h"
#include "store/store.h"

#define FILE_MAX_BYTES (1LL << 30)

/* --- files of Jaeger --- */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int read_text(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "cannot open '%s'", path);
	if (st.st_size > FILE_MAX_BYTES)
		return err_set(err, EFBIG, "'%s' is larger than 1 GiB", path);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, ENOMEM, "out of memory for '%s'", path);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n < 0)
			return err_errno(err, errno, "cannot read '%s'", path);
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret = TAKE(text);
	*ret_len = len;
	return 0;
}

static int open_file(const struct analysis_opts *opts, struct traces *t, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	struct jaeger_stats stats;
	size_t len = 0;
	int r;

	if (opts->npaths != 1)
		return err_set(err, EINVAL, "'%s' is no recording: a file of traces is read alone", opts->paths[0]);
	r = read_text(opts->paths[0], &text, &len, err);
	if (r < 0)
		return r;
	r = jaeger_read(text, len, &t->own, &stats, err);
	if (r < 0)
		return err_prefix(err, "cannot read '%s'", opts->paths[0]);
	t->s = &t->own;
	t->left_out = stats.left_out;
	t->orphans = stats.orphans;
	return 0;
}

/* --- recordings --- */

#define HEAD_DIGITS 16 /* of an id, by which the stored ones are looked up */
#define ID_DIGITS 32

/* Of a list that shall be of one id. */
struct only {
	const char *digits; /* with which it begins; NULL: any */
	uint64_t trace[2];
	unsigned int count;
};

static int take_row(void *arg, const struct spans_db_row *row)
{
	struct only *o = arg;
	char id[ID_DIGITS + 1];

	(void)snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, row->trace[0], row->trace[1]);
	if (o->digits && strncasecmp(id, o->digits, strlen(o->digits)) != 0)
		return 0;
	if (o->count && o->trace[0] == row->trace[0] && o->trace[1] == row->trace[1])
		return 0;
	o->trace[0] = row->trace[0];
	o->trace[1] = row->trace[1];
	return o->count++ ? -EEXIST : 0;
}

/* Without what is written between them; false: too many. */
static bool digits_of(const char *id, char out[ID_DIGITS + 1])
{
	size_t n = 0;

	for (; *id; id++) {
		if (*id == '-')
			continue;
		if (n == ID_DIGITS)
			return false;
		out[n++] = *id;
	}
	out[n] = 0;
	return true;
}

/* 1: the only one with such an id, or the slowest, was read; 0: all are needed to tell. */
static int read_one(struct spans_db *db, const char *id, struct traces *t, struct err *err)
{
	char digits[ID_DIGITS + 1], head[HEAD_DIGITS + 1];
	struct spans_db_filter f = { .sort = SPANS_BY_DURATION, .descending = true, .limit = 1 };
	struct only only = { 0 };
	struct err why = ERR_INIT;
	int r;

	if (id) {
		if (!digits_of(id, digits))
			return 0;
		(void)snprintf(head, sizeof(head), "%.*s", HEAD_DIGITS, digits);
		f = (struct spans_db_filter) { .sort = SPANS_BY_BEGIN, .id = head };
		only.digits = digits;
	}
	r = spans_db_list(db, &f, take_row, &only, &why);
	if (r == -EINVAL || r == -EEXIST || (r >= 0 && only.count != 1))
		return 0;
	if (r < 0)
		return err_set(err, -r, "%s", why.text);
	r = spans_db_trace(db, only.trace, &t->own, &t->logs, err);
	return r < 0 ? r : 1;
}

static int read_stored(struct spans_db *db, bool one, const char *id, struct traces *t, struct err *err)
{
	int r = one ? read_one(db, id, t, err) : 0;

	if (!r)
		r = spans_db_all(db, &t->own, &t->logs, err);
	t->left_out = spans_db_left_out(db);
	return r < 0 ? r : 0;
}

static int derive(const struct analysis_opts *opts, const char *key, struct traces *t, struct err *err)
{
	struct analysis_opts ao = *opts;
	int r;

	ao.requests = true;
	r = analysis_open(&ao, &t->a, err);
	if (r < 0)
		return r;
	t->s = requests_spans(t->a.requests);
	t->left_out = requests_left_out(t->a.requests);
	stored_write(&t->a, opts, key);
	return 0;
}

static int open_recordings(const struct analysis_opts *opts, bool one, const char *id, struct traces *t,
			   struct err *err)
{
	struct spans_db *db = NULL;
	struct err why = ERR_INIT;
	char key[STORED_KEY_MAX];
	/* of one request a few events are wanted, if any */
	int r = (one ? store_open_late : store_open)(opts->paths, opts->npaths, &t->a.reader, err);

	if (r >= 0)
		r = stored_open(t->a.reader, opts, key, &db, err);
	if (r > 0) {
		r = read_stored(db, one, id, t, &why);
		spans_db_close(db);
		if (r >= 0)
			return 1;
		stored_complain(opts, &why);
		r = 0;
	}
	t->a.reader = store_reader_free(t->a.reader);
	return r < 0 ? r : derive(opts, key, t, err);
}

static int open_any(const struct analysis_opts *opts, bool one, const char *id, struct traces *ret, struct err *err)
{
	struct traces t = { 0 };
	unsigned int i, files = 0;
	int r;

	for (i = 0; i < opts->npaths; i++)
		files += is_file(opts->paths[i]);
	r = files ? open_file(opts, &t, err) : open_recordings(opts, one, id, &t, err);
	if (r < 0) {
		traces_close(&t);
		return r;
	}
	*ret = t;
	if (files || !t.a.requests)
		ret->s = &ret->own;
	return 0;
}

int traces_open(const struct analysis_opts *opts, struct traces *ret, struct err *err)
{
	return open_any(opts, false, NULL, ret, err);
}

int traces_open_one(const struct analysis_opts *opts, const char *id, struct traces *ret, struct err *err)
{
	return open_any(opts, true, id, ret, err);
}

void traces_close(struct traces *t)
{
	spans_fini(&t->own);
	span_logs_fini(&t->logs);
	analysis_close(&t->a);
	t->s = NULL;
}

/* --- what is missing, what was sent again --- */

void traces_complain(const struct traces *t, void (*say)(void *arg, const char *sentence), void *arg)
{
	char text[128];

	if (t->left_out) {
		(void)snprintf(text, sizeof(text), "%llu %s", (unsigned long long)t->left_out,
			       t->a.reader ? "facts had no room: requests may be missing, or told of in part"
					   : "spans could not be understood, and are left out");
		say(arg, text);
	}
	if (t->orphans) {
		(void)snprintf(text, sizeof(text), "the parents of %llu spans are not there",
			       (unsigned long long)t->orphans);
		say(arg, text);
	}
}

int traces_retransmits(struct traces *t, void (*each)(void *arg, uint32_t host, uint64_t sock), void *arg,
		       struct err *err)
{
	struct store_read_opts ro = { 0 };
	struct event_source *source;
	const struct event *ev;
	int r = t->a.reader ? store_read(t->a.reader, &ro, &source, err) : 0;

	if (r < 0 || !t->a.reader)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0)
		if (ev->type->id == EVENT_RETRANSMIT)
			each(arg, ev->host, EVENT_AS(retransmit, ev)->sock);
	event_source_close(source);
	return r;
}

/* --- what a view asks --- */

static const char *host_name(void *arg, uint32_t host)
{
	const struct traces *t = arg;
	const char *name = store_host_name(t->a.reader, host);

	return name ? name : "";
}

size_t traces_logs(const struct traces *t, uint32_t row, const struct order_ref **ret)
{
	return t->a.requests ? requests_logs(t->a.requests, row, ret) : span_logs_of(&t->logs, row, ret);
}

/* What to add to times of the span's host so that they are on the clock of the first: seen at the event of its begin. */
static uint64_t shift_of(const struct traces *t, const struct span *row)
{
	uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)];
	struct event ev;

	if (!row->host || store_fetch(t->a.reader, row->begin.host, row->begin.id, room, sizeof(room), &ev, NULL) < 0)
		return 0;
	return row->begin_ns - ev.boot_ns;
}

/* The lines that threads wrote while they worked for the span, from the recording itself. */
static void logs(void *arg, uint32_t row, path_log_fn *each, void *each_arg)
{
	const struct traces *t = arg;
	uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)];
	const struct order_ref *refs;
	size_t i, n = traces_logs(t, row, &refs);
	uint64_t shift_ns = n ? shift_of(t, &t->s->rows[row]) : 0;

	for (i = 0; i < n; i++) {
		struct event ev;
		const char *text;

		if (store_fetch(t->a.reader, refs[i].host, refs[i].id, room, sizeof(room), &ev, NULL) < 0 ||
		    ev.type->id != EVENT_LOG)
			continue;
		text = event_string(&ev, 0);
		each(each_arg, refs[i], ev.boot_ns + shift_ns, text, strlen(text));
	}
}

void traces_view(struct traces *t, struct path_view *v)
{
	v->s = t->s;
	v->arg = t;
	if (!t->a.reader)
		return;
	v->logs = logs;
	if (store_hosts(t->a.reader) > 1)
		v->host_name = host_name;
}
