/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_NAME_H
#define SAKER_PROBE_NAME_H
/* name - calls that open files, and that make, change or remove their names (file.bpf.h). */
#include "probe/file.bpf.h"

/*
 * Which arguments of a call name files: 1 to 4, 0: none; and the directories from which a relative name is seen, 0: the
 * current one.  The target of a symbolic link is a text: it is seen from where the link is, whenever it is followed.
 */
struct name_call {
	__u8 op; /* fileop, 0: an open */
	__u8 path, dir, to, to_dir;
};

static const struct name_call name_calls[CALLS_KNOWN] = {
	[__NR_open] = { .path = 1 },
	[__NR_creat] = { .path = 1 },
	[__NR_openat] = { .path = 2, .dir = 1 },
	[__NR_openat2] = { .path = 2, .dir = 1 },
	[__NR_rename] = { FILEOP_RENAME, 1, 0, 2, 0 },
	[__NR_renameat] = { FILEOP_RENAME, 2, 1, 4, 3 },
	[__NR_renameat2] = { FILEOP_RENAME, 2, 1, 4, 3 },
	[__NR_link] = { FILEOP_LINK, 1, 0, 2, 0 },
	[__NR_linkat] = { FILEOP_LINK, 2, 1, 4, 3 },
	[__NR_symlink] = { FILEOP_SYMLINK, 2, 0, 1, 0 },
	[__NR_symlinkat] = { FILEOP_SYMLINK, 3, 2, 1, 0 },
	[__NR_unlink] = { FILEOP_UNLINK, 1, 0, 0, 0 },
	[__NR_unlinkat] = { FILEOP_UNLINK, 2, 1, 0, 0 },
	[__NR_rmdir] = { FILEOP_RMDIR, 1, 0, 0, 0 },
	[__NR_mkdir] = { FILEOP_MKDIR, 1, 0, 0, 0 },
	[__NR_mkdirat] = { FILEOP_MKDIR, 2, 1, 0, 0 },
	[__NR_truncate] = { FILEOP_TRUNCATE, 1, 0, 0, 0 },
};

static __always_inline __u64 call_argument(struct pt_regs *regs, __u8 which)
{
	switch (which) {
	case 1:
		return regs->di;
	case 2:
		return regs->si;
	case 3:
		return regs->dx;
	case 4:
		return regs->r10;
	default:
		return 0;
	}
}

static __always_inline int directory_argument(struct pt_regs *regs, __u8 which)
{
	return which ? (int)call_argument(regs, which) : AT_FDCWD_NR;
}

/* What has no path of its own: failed to open, renamed, gone. */
static __noinline int file_given(struct call *c, const struct name_call *n, __u32 how)
{
	struct scratch *room = file_begin(c, n->op ? EVENT_FILE_NAME : EVENT_FILE_OPEN);
	struct event_file_open *e = (void *)room;
	struct pt_regs *regs = c->regs;
	__u32 end;
	int to_dir;

	if (!room)
		return 0;
	e->how = how;
	e->fd = -1;
	e->bytes = 0;
	end = path_given(room->number, sizeof(*e), call_argument(regs, n->path), directory_argument(regs, n->dir));
	e->flags |= path_flags(end);
	to_dir = n->op == FILEOP_SYMLINK ? DIRECTORY_NONE : directory_argument(regs, n->to_dir);
	file_send(room, path_given(room->number, end & PATH_AT, call_argument(regs, n->to), to_dir));
	return 0;
}

static __always_inline __u32 open_flags(struct call *c)
{
	__u64 how = 0;

	switch (c->nr) {
	case __NR_open:
		return c->regs->si;
	case __NR_creat:
		return 01101; /* O_CREAT | O_WRONLY | O_TRUNC */
	case __NR_openat:
		return c->regs->dx;
	default: /* openat2: the first field of struct open_how */
		bpf_probe_read_user(&how, sizeof(how), (void *)c->regs->dx);
		return how;
	}
}

static __always_inline void file_opened(struct call *c)
{
	struct scratch *room = file_begin(c, EVENT_FILE_OPEN);
	struct event_file_open *e = (void *)room;

	if (!room)
		return;
	e->how = open_flags(c);
	e->bytes = 0;
	file_end(c, room);
}

/* Calls that make, change or remove names; of an open c->file is what was opened. */
static __noinline int file_named(struct call *c)
{
	struct name_call n;
	__u32 nr = c->nr;

	if (nr >= CALLS_KNOWN)
		return 0;
	n = name_calls[nr];
	if (!n.path)
		return 0;
	if (!n.op && c->ret >= 0 && c->file)
		file_opened(c);
	else
		file_given(c, &n,
			   n.op == FILEOP_UNLINK && nr == __NR_unlinkat && c->regs->dx & AT_REMOVEDIR_BIT ? FILEOP_RMDIR
			   : n.op									  ? n.op
				  : open_flags(c));
	return 0;
}

#endif
