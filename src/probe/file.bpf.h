/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_FILE_H
#define SAKER_PROBE_FILE_H
/*
 * file - opens, reads, writes, syncs, and changes of names, with path, offset, bytes, duration and error.
 *
 * When the call began is noted at its entry (call.bpf.c); then also where the file stood, so that an offset
 * which another thread moved meanwhile is not told as known.  What is read through mmap(2) is not seen.
 */
#include "probe/path.bpf.h"

#define O_APPEND_BIT 02000
#define AT_REMOVEDIR_BIT 0x200

/* Begins an event of a call on files; NULL: lost. */
static __always_inline struct scratch *file_begin(struct call *c, __u16 type)
{
	struct scratch *room;
	struct event_file_open *e;

	join_check();
	room = scratch_take(type);
	if (!room)
		return NULL;
	e = (void *)room;
	e->h.type = type;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, c->me);
	e->inode = 0;
	e->dev = 0;
	e->begin_ns = c->begin;
	e->duration_ns = c->begin ? bpf_ktime_get_boot_ns() - c->begin : 0;
	e->offset = 0;
	e->bytes = c->ret > 0 ? c->ret : 0;
	e->fd = c->fd;
	e->error = c->ret < 0 ? -c->ret : 0;
	e->how = 0;
	e->flags = c->flags & CALL_UNSURE ? FILEFLAGS_UNSURE : 0;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	return room;
}

static __always_inline void file_identify(struct event_file_open *e, struct inode *inode)
{
	e->inode = KERNEL_READ(inode, struct inode, i_ino);
	e->dev = KERNEL_READ(KERNEL_READ(inode, struct inode, i_sb), struct super_block, s_dev);
}

static __always_inline void file_send(struct scratch *room, __u32 end)
{
	struct event_file_open *e = (void *)room;

	e->flags |= path_flags(end);
	event_output(room, end & PATH_AT);
}

/* Ends it: with the file's own path, and no second one. */
static __always_inline void file_end(struct call *c, struct scratch *room)
{
	struct event_file_open *e = (void *)room;
	__u32 end;

	file_identify(e, c->inode);
	end = path_opened(room->number, sizeof(*e), file_path(c->file));
	e->flags |= path_flags(end);
	file_send(room, path_given(room->number, end & PATH_AT, 0, DIRECTORY_NONE));
}

/* Where the bytes of the call lay. */
static __always_inline void file_offset(struct call *c, struct event_file_open *e)
{
	struct file *file = c->file;
	__s64 pos = KERNEL_READ(file, struct file, f_pos);
	bool append = c->shape & CALL_WRITES && KERNEL_READ(file, struct file, f_flags) & O_APPEND_BIT;
	__u64 own = 0;

	if (append)
		e->flags |= FILEFLAGS_APPEND;
	if (append && c->shape & CALL_AT) { /* it appends all the same (pwrite(2), BUGS) */
		e->flags |= FILEFLAGS_OFFSET_UNKNOWN;
	} else if (c->shape & CALL_AT && c->place != -1) {
		e->offset = c->place;
	} else if (c->place_user) {
		if (bpf_probe_read_user(&own, sizeof(own), (void *)c->place_user) < 0)
			e->flags |= FILEFLAGS_OFFSET_UNKNOWN;
		e->offset = own - e->bytes;
	} else {
		e->offset = pos - e->bytes;
		if (!append && (!c->begin || e->offset != (__u64)c->pos))
			e->flags |= FILEFLAGS_OFFSET_UNKNOWN;
	}
}

/* A read or write of a regular file or disk. */
static __noinline int file_moved(struct call *c)
{
	struct scratch *room = file_begin(c, c->shape & CALL_WRITES ? EVENT_FILE_WRITE : EVENT_FILE_READ);

	if (!room)
		return 0;
	file_offset(c, (void *)room);
	file_end(c, room);
	return 0;
}

/* Calls that wait until something is on the disk, or change a file's size. */
static __noinline int file_synced(struct call *c)
{
	struct pt_regs *regs = c->regs;
	struct scratch *room = file_begin(c, EVENT_FILE_SYNC);
	struct event_file_open *e = (void *)room;

	if (!room)
		return 0;
	e->bytes = 0;
	switch (c->nr) {
	case __NR_fsync:
		e->how = FILESYNC_FSYNC;
		break;
	case __NR_fdatasync:
		e->how = FILESYNC_FDATASYNC;
		break;
	case __NR_syncfs:
		e->how = FILESYNC_SYNCFS;
		break;
	case __NR_sync_file_range:
		e->how = FILESYNC_RANGE;
		e->offset = regs->si;
		e->bytes = regs->dx > ~0U ? ~0U : regs->dx;
		break;
	case __NR_ftruncate:
		e->how = FILESYNC_FTRUNCATE;
		e->offset = regs->si;
		break;
	case __NR_fallocate:
		e->how = FILESYNC_FALLOCATE;
		e->offset = regs->dx;
		e->bytes = regs->r10 > ~0U ? ~0U : regs->r10;
		break;
	}
	file_end(c, room);
	return 0;
}

#endif
