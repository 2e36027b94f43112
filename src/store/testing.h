/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_TESTING_H
#define SAKER_STORE_TESTING_H
/* testing - what the store's tests share: a scratch directory, small events, shell commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/store.h"

#define MINE __attribute__((unused)) static

struct scratch {
	char dir[256];
	char rec[300]; /* a recording in it, not there yet */
	struct event_types *types;
	struct err err;
};

/* Must succeed; else the sentence is shown. */
#define OK(s, call)                                               \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (s)->err.text); \
	} while (0)

MINE int shell(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* The number that a command prints first; -1: none. */
MINE long shell_number(const char *fmt, ...)
{
	char cmd[2048];
	long n = -1;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	f = popen(cmd, "r");
	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		(void)pclose(f);
	return n;
}

MINE int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(s->dir, sizeof(s->dir), "%s/saker-store-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(s->dir) || event_types_new(&s->types) < 0)
		return -1;
	(void)snprintf(s->rec, sizeof(s->rec), "%s/rec", s->dir);
	*state = s;
	return 0;
}

MINE int scratch_teardown(void **state)
{
	struct scratch *s = *state;

	(void)shell("rm -rf '%s'", s->dir);
	event_types_free(s->types);
	free(s);
	return 0;
}

/* No boot id: then the checkpoints carry no clock event, and ids are exactly those of what was appended. */
MINE struct store_opts scratch_opts(const struct scratch *s)
{
	return (struct store_opts) { .dir = s->rec,
				     .uid = UINT32_MAX,
				     .gid = UINT32_MAX,
				     .hostname = "node1",
				     .boot_id = "",
				     .types = s->types };
}

MINE struct event_send small_send(uint64_t boot_ns, uint16_t cpu, uint64_t seq, uint32_t tgid)
{
	struct event_send e = { .h = { .boot_ns = boot_ns,
				       .type = EVENT_SEND,
				       .length = sizeof(e),
				       .cpu = cpu,
				       .seq = seq,
				       .start_ns = 1,
				       .tgid = tgid,
				       .tid = tgid },
				.sock = 7,
				.offset = seq * 100,
				.begin_ns = boot_ns,
				.bytes = 100 };

	return e;
}

/* Appends sends of times first, first + step, ... */
MINE void append_sends(struct scratch *s, struct store_writer *w, uint64_t first, uint64_t step, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct event_send e = small_send(first + i * step, 0, i, 42);

		OK(s, store_append(w, &e.h, &s->err));
	}
}

struct seen {
	uint64_t events, late, damage, first_id, last_id, last_ns;
	bool ordered;		 /* places in the stream and ids never go back */
	char text[ERR_TEXT_MAX]; /* of the last damage */
	char all[2048];		 /* all of them, as far as they fit */
};

MINE void count_damage(void *arg, const char *sentence)
{
	struct seen *seen = arg;

	size_t at = strlen(seen->all);

	seen->damage++;
	(void)snprintf(seen->all + at, sizeof(seen->all) - at, "%s\n", sentence);
	(void)snprintf(seen->text, sizeof(seen->text), "%s", sentence);
}

/* Reads all that is there. */
MINE struct seen read_all(struct scratch *s, const char *path)
{
	struct seen seen = { .ordered = true };
	struct store_read_opts opts = { .damage = count_damage, .arg = &seen };
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	const struct event *ev;

	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_read(r, &opts, &src, &s->err));
	while (event_source_next(src, &ev, &s->err) > 0) {
		seen.ordered = seen.ordered && ev->id > seen.last_id && ev->h->boot_ns >= seen.last_ns;
		seen.first_id = seen.first_id ? seen.first_id : ev->id;
		seen.last_id = ev->id;
		seen.last_ns = ev->h->boot_ns;
		seen.late += !!(ev->h->flags & EVENT_F_LATE);
		seen.events++;
	}
	event_source_close(src);
	store_reader_free(r);
	return seen;
}

/* What babeltrace2 prints, in lines; -1 when it says anything on stderr, -2 when it is missing. */
MINE long babeltrace_lines(const struct scratch *s, const char *path)
{
	if (shell("command -v babeltrace2 >/dev/null 2>&1"))
		return -2;
	if (shell("babeltrace2 '%s' >'%s/bt.out' 2>'%s/bt.err'", path, s->dir, s->dir) ||
	    shell("test ! -s '%s/bt.err' || { head -c 600 '%s/bt.err' >&2; false; }", s->dir, s->dir))
		return -1;
	return shell_number("wc -l <'%s/bt.out'", s->dir);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

#endif
