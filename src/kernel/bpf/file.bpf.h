/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_FILE_H
#define SAKER_KERNEL_FILE_H
/* The kernel's structures of descriptors, files and pipes; kernel.bpf.h says how they are meant. */
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	unsigned int len;
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct fs_struct {
	struct path root, pwd;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct pipe_buffer {
	unsigned int len;
};

struct pipe_inode_info {
	unsigned int head, tail, ring_size;
	struct pipe_buffer *bufs;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	unsigned int i_flags;
	__u32 i_generation;
	__s64 i_size;
	__u32 i_rdev;
	struct super_block *i_sb;
	struct pipe_inode_info *i_pipe;
};

struct file_operations {
	void *release;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
};

#pragma clang attribute pop

#endif
