/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_TASK_H
#define SAKER_KERNEL_TASK_H
/* The kernel's structures of tasks, control groups and signals; kernel.bpf.h says how they are meant. */
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* the first: as the host sees it */
};

struct net {
	__u64 net_cookie;
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct nsproxy {
	struct net *net_ns;
};

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* as many as the kernel has controllers */
	struct cgroup *dfl_cgrp;
};

enum cgroup_subsys_id {
	memory_cgrp_id = 1, /* the kernel's own value is put in at load time */
	CGROUP_SUBSYS_COUNT = 2,
};

struct cred {
	struct {
		__u32 val;
	} uid, gid;
};

typedef struct {
	unsigned long sig[1];
} sigset_t;

struct sigpending {
	sigset_t signal;
};

/* of x86-64; the name of the build's own headers is taken */
struct pt_regs___x86 {
	unsigned long di, si, orig_ax;
};

struct signal_struct {
	struct sigpending shared_pending;
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
};

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct file;

struct mm_struct {
	unsigned long arg_start, arg_end, total_vm;
	struct file *exe_file;
};

struct thread_struct {
	unsigned long fsbase;
};

struct thread_info {
	__u32 status;
};

struct sched_entity {
	__u64 exec_start, sum_exec_runtime, prev_sum_exec_runtime;
};

struct files_struct;
struct fs_struct;

/* with CONFIG_TASK_IO_ACCOUNTING */
struct task_io_accounting {
	__u64 syscw; /* writing calls that have ended (inc_syscw()) */
};

struct task_struct {
	struct thread_info thread_info;
	struct task_io_accounting ioac;
	unsigned int __state; /* since 5.14 (2f064a59a11f) */
	unsigned int flags;
	unsigned in_iowait : 1;
	struct sched_entity se;
	int prio;
	__u32 pid, tgid; /* pid_t in the kernel: never negative here */
	int exit_code, exit_state;
	__u64 start_boottime, self_exec_id;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	char comm[16];
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	struct list_head children, sibling;
	struct mm_struct *mm;
	struct files_struct *files;
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	const struct cred *cred;
	struct sigpending pending;
	sigset_t blocked;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	struct thread_struct thread;
};

struct linux_binprm {
	const char *filename;
};

struct kernel_siginfo {
	int si_signo, si_errno, si_code;
	union {
		struct {
			int _pid;
		} _kill;
	} _sifields;
};

struct hrtimer {
	void *function;
};

struct hrtimer_sleeper {
	struct hrtimer timer;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
