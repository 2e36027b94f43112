/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PATH_H
#define SAKER_PROBE_PATH_H
/*
 * path - names of files, as they leave the kernel: agent/paths.c puts them together.
 *
 * bpf_d_path() is for a few hooks only, so the way from the file to the root is walked here.  A name is one block:
 *
 *	what the program gave, NUL; then the directory's names from the innermost to the root's, each with NUL; NUL
 *
 * What was opened has no given part: all of it is as the kernel resolved it, seen from the process's root.
 * A call that failed, or that names what is gone now, has the given part and, if that is relative, where it starts.
 */
#include "probe/call.bpf.h"

#define PATH_PARTS 64
#define PART_MAX 256	 /* NAME_MAX and its NUL */
#define GIVEN_MAX 512	 /* of what the program gave */
#define FIRST_LIMIT 1800 /* of the first of two blocks */
#define AT_FDCWD_NR (-100)
#define DIRECTORY_NONE (-1000) /* a name that is seen from nowhere */

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)((__u64)mnt - bpf_core_field_offset(struct mount, mnt));
}

/* Where the walk is */
struct path_step {
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *root;	     /* of the process */
	struct vfsmount *root_mount; /* on which that is */
};

static __always_inline void path_start(struct path_step *s, struct task_struct *me, struct path *at)
{
	struct fs_struct *fs = me->fs;
	struct vfsmount *mnt = NULL;

	s->dentry = NULL;
	bpf_core_read(&s->dentry, sizeof(s->dentry), &at->dentry);
	bpf_core_read(&mnt, sizeof(mnt), &at->mnt);
	s->mount = mount_of(mnt);
	s->root = BPF_CORE_READ(fs, root.dentry);
	s->root_mount = BPF_CORE_READ(fs, root.mnt);
}

/* One step up: 1 with a name, 0 over the edge of a mount, -1 at the end. */
static __always_inline int path_up(struct path_step *s, const unsigned char **name)
{
	struct dentry *dentry = s->dentry, *parent;
	struct mount *mount = s->mount, *above;

	if (!dentry || (dentry == s->root && &mount->mnt == s->root_mount))
		return -1;
	if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount || !above)
			return -1;
		s->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		s->mount = above;
		return 0;
	}
	*name = BPF_CORE_READ(dentry, d_name.name);
	parent = BPF_CORE_READ(dentry, d_parent);
	s->dentry = parent == dentry ? NULL : parent;
	return 1;
}

/* A walk in progress */
struct path_walk {
	struct path_step step;
	struct scratch *room;
	__u32 at, flags;
	__u32 ended, limit; /* at must stay below it */
};

static long path_part(__u32 i, void *data)
{
	struct path_walk *w = data;
	const unsigned char *name;
	__u32 at = w->at;
	long n;
	int up = path_up(&w->step, &name);

	if (up < 0) {
		w->ended = 1;
		return 1;
	}
	if (!up)
		return 0;
	if (at > w->limit || at > SCRATCH_BYTES - 2 * PART_MAX)
		return 1;
	n = bpf_probe_read_kernel_str((char *)w->room + at, PART_MAX, name);
	if (n > 0 && n <= PART_MAX)
		w->at = at + n;
	return 0;
}

/* Appends the names up to the root and the empty one; FILEFLAGS_CUT where there are too many. */
static __noinline __u32 path_walk(struct path_walk *w)
{
	__u32 at;

	w->ended = 0;
	bpf_loop(PATH_PARTS, path_part, w, 0);
	if (!w->ended)
		w->flags |= FILEFLAGS_CUT;
	at = w->at;
	if (at > SCRATCH_BYTES - PART_MAX)
		return at;
	*((char *)w->room + at) = 0;
	return at + 1;
}

static __always_inline __u32 byte_add(struct scratch *room, __u32 at, char c)
{
	if (at > SCRATCH_BYTES - PART_MAX)
		return at;
	*((char *)room + at) = c;
	return at + 1;
}

/* The block of an open file. */
static __always_inline __u32 path_of_file(struct scratch *room, __u32 at, struct task_struct *me, struct file *file,
					  __u32 *flags)
{
	struct path_walk w = { .room = room, .flags = *flags, .limit = SCRATCH_BYTES };

	w.at = byte_add(room, at, 0);
	path_start(&w.step, me, (struct path *)((__u64)file + bpf_core_field_offset(struct file, f_path)));
	at = path_walk(&w);
	*flags = w.flags;
	return at;
}

/* Where relative names begin: a directory that is open, or the current one. */
static __always_inline struct path *path_base(struct task_struct *me, int dir)
{
	if (dir == AT_FDCWD_NR)
		return (struct path *)((__u64)me->fs + bpf_core_field_offset(struct fs_struct, pwd));
	return (struct path *)((__u64)call_file(me, dir) + bpf_core_field_offset(struct file, f_path));
}

/* The block of what a call names, seen from the descriptor of a directory. */
static __noinline __u32 path_given(struct scratch *room, __u32 at, __u64 given, int dir, __u32 *flags)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct path_walk w = { .room = room, .limit = at < FIRST_LIMIT ? FIRST_LIMIT : SCRATCH_BYTES };
	long n = -1;
	char *text;

	if (at > SCRATCH_BYTES - 2 * GIVEN_MAX) {
		*flags |= FILEFLAGS_CUT;
		return at;
	}
	text = (char *)room + at;
	if (given)
		n = bpf_probe_read_user_str(text, GIVEN_MAX, (void *)given);
	if (n <= 0 || n > GIVEN_MAX) {
		*text = 0;
		n = 1;
		*flags |= given ? FILEFLAGS_UNREADABLE : 0;
	}
	if (n == GIVEN_MAX)
		*flags |= FILEFLAGS_CUT;
	at += n;
	if (n <= 1 || *text == '/' || dir == DIRECTORY_NONE)
		return byte_add(room, at, 0);
	path_start(&w.step, me, path_base(me, dir));
	w.at = at;
	at = path_walk(&w);
	*flags |= w.flags;
	return at;
}

#endif
