/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - text files whose lines begin with a time: each a thread of its host, each line with a time an event at that time,
 * on that host's clock.  Lines without one belong to the line before.
 *
 * The forms of time are those of lines/, or a person's pattern (lines/stamp.h).  A year that is not there is the one that
 * brings the line closest to the file's last change.  The file's order is the thread's: a line whose time lies a little
 * before that of the line above it takes that one's moment (what it states stays in stamp_ns).
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "import/internal.h"
#include "lines/line.h"

#define BACK_NS (10 * NS_PER_SEC)     /* further back is no disorder between threads, but a clock that was set */
#define STAMP_MAX_NS (UINT64_MAX / 4) /* what a recording can hold */
#define TEXT_LIMIT ((size_t)IMPORT_LINE_MAX)

struct log {
	struct import *imp;
	struct stamp_opts stamps;
	struct import_add add; /* of the event that may still grow */
	struct buf text;
	uint64_t last_ns;
	bool pending;
	struct event_log event; /* the last, as it has a tail */
};

static int flush(struct log *l, struct err *err)
{
	bool pending = l->pending;

	l->pending = false;
	return pending ? import_add_text(l->imp, &l->add, &l->event, &l->text, l->imp->file, err) : 0;
}

/* By the person's pattern alone, if there is one. */
static void recognise(struct log *l, const char *text, size_t len, struct line_info *ret)
{
	const char *pattern = l->imp->opts->pattern;
	struct stamp s;

	if (!pattern) {
		line_recognise(text, len, NULL, &l->stamps, ret);
		return;
	}
	*ret = (struct line_info) { .stamped = stamp_match(pattern, text, len, &l->stamps, &s) };
	if (!ret->stamped)
		return;
	ret->unix_ns = s.unix_ns;
	ret->level = level_find(text + s.end, len - s.end, true);
}

static void begin(struct log *l, const char *text, size_t len, const struct line_info *info)
{
	uint64_t ns = info->unix_ns;

	if (ns < l->last_ns && l->last_ns - ns < BACK_NS) {
		ns = l->last_ns;
		l->imp->counts.moved++;
	}
	l->last_ns = ns;
	l->add.ns = ns;
	l->add.seq = ++l->imp->objects;
	l->event = (struct event_log) {
		.stamp_ns = info->unix_ns, .level = info->level, .lines = 1, .where = LOGWHERE_FILE
	};
	buf_reset(&l->text);
	buf_add(&l->text, text, len);
	l->pending = true;
}

static void go_on(struct log *l, const char *text, size_t len, uint64_t line)
{
	struct line_info info;

	if (!l->pending || l->text.len + len >= TEXT_LIMIT) {
		import_complain(l->imp, line, 1,
				l->pending ? "the log event grows over 1 MiB"
					   : "no known form of time (see --pattern), and no line before it");
		return;
	}
	buf_char(&l->text, '\n');
	buf_add(&l->text, text, len);
	l->event.lines++;
	l->imp->counts.folded++;
	if (l->event.level != LEVEL_NONE)
		return;
	/* java.util.logging has the level on the second line */
	line_recognise(text, len, NULL, &l->stamps, &info);
	l->event.level = info.level;
}

static int one_line(struct log *l, char *text, uint64_t line, struct err *err)
{
	size_t len = line_clean(text, strlen(text));
	struct line_info info;
	int r = 0;

	if (!len)
		return 0;
	recognise(l, text, len, &info);
	if (info.stamped && info.unix_ns < STAMP_MAX_NS) {
		r = flush(l, err);
		if (r >= 0)
			begin(l, text, len, &info);
	} else {
		go_on(l, text, len, line);
	}
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* The thread's name: that of the file, or its path where another file has the same. */
static const char *thread_name(const struct import *imp)
{
	const char *name = base_name(imp->file);
	unsigned int i, same = 0;

	for (i = 0; i < imp->opts->nfiles; i++)
		same += !strcmp(base_name(imp->opts->files[i]), name);
	return same > 1 ? imp->file : name;
}

static int thread_get(struct import *imp, struct err *err)
{
	const char *host = import_file_host(imp, "log"), *name = thread_name(imp);
	char text[600];

	if (strchr(host, '@'))
		return err_set(err, EINVAL, "the host's name '%.80s' has an @ in it", host);
	while (strlen(name) > 200)
		name++;
	(void)snprintf(text, sizeof(text), "%.255s@%.300s", name, host);
	return import_thread_get(imp, text, err);
}

static int log_read(struct import *imp, FILE *f, const char *name, struct err *err)
{
	struct log l = { .imp = imp, .stamps = imp->opts->stamps };
	struct import_lines lines = { .f = f };
	struct stat st;
	int r = thread_get(imp, err);

	(void)name;
	if (r < 0)
		return r;
	l.add = (struct import_add) { .thread = (uint32_t)r, .rank = RANK_ANY };
	l.stamps.near_ns = clock_ns(CLOCK_REALTIME);
	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode))
		l.stamps.near_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC;
	while ((r = import_line_next(imp, &lines, err)) > 0) {
		r = one_line(&l, lines.text, lines.line, err);
		if (r < 0)
			break;
	}
	if (r >= 0)
		r = flush(&l, err);
	buf_fini(&l.text);
	import_lines_fini(&lines);
	return r;
}

const struct import_format import_log = {
	.name = "log",
	.about = "log files whose lines begin with a time",
	.note = "times are what the lines state, on each host's own clock",
	.read = log_read,
};
