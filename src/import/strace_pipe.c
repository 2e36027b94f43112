/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strace_pipe - what went into pipes and came out of them, for pipes whose making is in the file: their bytes are counted from the
 * first. Other pipes, and those with O_DIRECT, stay calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "import/strace.h"

#define PIPES_MAX (1U << 20)
#define LEFT_UNKNOWN UINT32_MAX

/* `pipe:[4711]`: 0: no pipe */
static uint64_t inode_of(const char *what)
{
	return strncmp(what, "pipe:[", 6) ? 0 : strtoull(what + 6, NULL, 10);
}

static int pipe_new(struct strace *s, uint64_t inode, struct err *err)
{
	struct strace_pipe *grown;

	if (s->npipes == PIPES_MAX)
		return err_set(err, E2BIG, "more than %u pipes", PIPES_MAX);
	grown = array_grown(s->pipes, s->npipes, sizeof(*grown));
	if (grown)
		s->pipes = grown;
	if (!grown || map_set(&s->pipe_map, inode, s->npipes) < 0)
		return err_set(err, ENOMEM, "out of memory for %zu pipes", s->npipes);
	grown[s->npipes++] = (struct strace_pipe) { 0 };
	return 0;
}

int strace_pipe_made(struct strace_done *d, struct err *err)
{
	const char *what = d->s->shown.data ? strstr(d->s->shown.data, "<pipe:[") : NULL;
	uint64_t inode = what ? inode_of(what + 1) : 0;
	struct event_pipe e = { .inode = inode };
	int r;

	if (d->call.error || !inode || !d->s->whole)
		return 0;
	map_del(&d->s->pipe_map, inode); /* the number of one that is gone */
	if (strstr(d->s->shown.data, "O_DIRECT"))
		return 0;
	r = pipe_new(d->s, inode, err);
	e.stream = d->s->npipes;
	if (r >= 0)
		r = strace_put(d, d->add.ns, EVENT_PIPE, &e, (const char *[]) { "", NULL }, err);
	return r < 0 ? r : 1;
}

int strace_pipe_moved(struct strace_done *d, int fd, const char *what, bool wrote, struct err *err)
{
	const uint64_t *at = map_get(&d->s->pipe_map, inode_of(what));
	struct event_pipe_write e = { .inode = inode_of(what),
				      .begin_ns = d->entry_ns,
				      .bytes = (uint32_t)d->call.value,
				      .left = LEFT_UNKNOWN,
				      .fd = fd };
	struct strace_pipe *p;
	int r;

	if (!at || d->call.value > INT32_MAX || (wrote && !d->call.value))
		return 0;
	p = &d->s->pipes[*at];
	e.stream = *at + 1;
	e.offset = wrote ? p->written : p->read;
	e.flags = wrote || d->call.value ? 0 : MSGFLAGS_EOF;
	*(wrote ? &p->written : &p->read) += (uint64_t)d->call.value;
	e.other = wrote ? p->read : p->written;
	r = strace_put(d, d->add.ns, wrote ? EVENT_PIPE_WRITE : EVENT_PIPE_READ, &e, NULL, err);
	return r < 0 ? r : 1;
}

void strace_pipe_fini(struct strace *s)
{
	free(s->pipes);
	map_fini(&s->pipe_map);
}
