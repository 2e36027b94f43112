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

static __always_inline void path_start(struct path_step *s, struct task_struct *me, const struct path *at)
{
	struct fs_struct *fs = me->fs;

	s->dentry = KERNEL_READ(at, struct path, dentry);
	s->mount = mount_of(KERNEL_READ(at, struct path, mnt));
	s->root = KERNEL_READ(fs, struct fs_struct, root.dentry);
	s->root_mount = KERNEL_READ(fs, struct fs_struct, root.mnt);
}

/* One step up: 1 with a name, 0 over the edge of a mount, -1 at the end. */
static __always_inline int path_up(struct path_step *s, const unsigned char **name)
{
	struct dentry *dentry = s->dentry, *parent;
	struct mount *mount = s->mount, *above;

	if (!dentry || (dentry == s->root && &mount->mnt == s->root_mount))
		return -1;
	if (dentry == KERNEL_READ(mount, struct mount, mnt.mnt_root)) {
		above = KERNEL_READ(mount, struct mount, mnt_parent);
		if (above == mount || !above)
			return -1;
		s->dentry = KERNEL_READ(mount, struct mount, mnt_mountpoint);
		s->mount = above;
		return 0;
	}
	*name = KERNEL_READ(dentry, struct dentry, d_name.name);
	parent = KERNEL_READ(dentry, struct dentry, d_parent);
	s->dentry = parent == dentry ? NULL : parent;
	return 1;
}

/* A walk in progress */
struct path_walk {
	struct path_step step;
	struct scratch *room;
	__u32 at, limit; /* at must stay below it */
	__u32 ended, pad;
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

static __always_inline struct scratch *room_get(__u32 room)
{
	return bpf_map_lookup_elem(&scratches, &room);
}

/*
 * The functions below build in the scratch of that number, from at on, and return where they stopped, with PATH_CUT if
 * there was more.  They are global and take numbers only, so that the verifier looks at each of them once.
 */
#define PATH_CUT (1U << 31)
#define PATH_UNREADABLE (1U << 30)
#define PATH_AT (PATH_UNREADABLE - 1)

/* Appends the names up to the root and the empty one; path: address of a struct path of the kernel, or one of these. */
#define PATH_OF_CWD 0
#define PATH_OF_NOTHING 1

__noinline __u32 path_walk(__u32 room, __u32 at, __u64 path)
{
	struct path_walk w = { .room = room_get(room), .at = at };
	struct task_struct *me = bpf_get_current_task_btf();
	__u32 end;

	if (!w.room)
		return at;
	w.limit = at < FIRST_LIMIT ? FIRST_LIMIT : SCRATCH_BYTES;
	if (path == PATH_OF_CWD)
		path_start(&w.step, me, (struct path *)((__u64)me->fs + bpf_core_field_offset(struct fs_struct, pwd)));
	else
		path_start(&w.step, me, (struct path *)path);
	bpf_loop(PATH_PARTS, path_part, &w, 0);
	end = w.at;
	if (end > SCRATCH_BYTES - PART_MAX)
		return PATH_CUT | at;
	*((char *)w.room + end) = 0;
	return (end + 1) | (w.ended ? 0 : PATH_CUT);
}

static __always_inline __u64 file_path(struct file *file)
{
	return file ? (__u64)file + bpf_core_field_offset(struct file, f_path) : PATH_OF_NOTHING;
}

/* Where relative names begin: a directory that is open, or the current one. */
static __always_inline __u64 path_base(struct task_struct *me, int dir)
{
	if (dir == AT_FDCWD_NR)
		return PATH_OF_CWD;
	return file_path(call_file(dir));
}

/* What the program gave, with its NUL: absent, too long and unreadable it is empty. */
static __always_inline __u32 given_add(struct scratch *room, __u32 at, __u64 given)
{
	char *text = (char *)room + at;
	long n = given ? bpf_probe_read_user_str(text, GIVEN_MAX, (void *)given) : 0;

	if (n <= 0 || n > GIVEN_MAX) {
		*text = 0;
		return (at + 1) | (given ? PATH_UNREADABLE : 0);
	}
	return (at + (__u32)n) | (n == GIVEN_MAX ? PATH_CUT : 0);
}

/* The block of what a call names, seen from the descriptor of a directory. */
__noinline __u32 path_given(__u32 room, __u32 at, __u64 given, int dir)
{
	struct scratch *s = room_get(room);
	__u32 end, flags;

	if (!s || at > SCRATCH_BYTES - 2 * GIVEN_MAX)
		return at | PATH_CUT;
	end = given_add(s, at, given);
	flags = end & ~PATH_AT;
	end &= PATH_AT;
	if (end > at + 1 && *((char *)s + at) != '/' && dir != DIRECTORY_NONE)
		return path_walk(room, end, path_base(bpf_get_current_task_btf(), dir)) | flags;
	if (end > SCRATCH_BYTES - 1)
		return at | PATH_CUT;
	*((char *)s + end) = 0;
	return (end + 1) | flags;
}

/* The block of an open file. */
__noinline __u32 path_opened(__u32 room, __u32 at, __u64 path)
{
	struct scratch *s = room_get(room);

	if (!s || at > SCRATCH_BYTES - PART_MAX)
		return at | PATH_CUT;
	*((char *)s + at) = 0;
	return path_walk(room, at + 1, path);
}

/* What those say of the path. */
static __always_inline __u32 path_flags(__u32 end)
{
	return (end & PATH_CUT ? FILEFLAGS_CUT : 0) | (end & PATH_UNREADABLE ? FILEFLAGS_UNREADABLE : 0);
}

#endif
