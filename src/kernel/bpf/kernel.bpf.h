/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_BPF_H
#define SAKER_KERNEL_BPF_H
/*
 * The kernel's structures, as far as Saker reads them.  Offsets are relocated at load time
 * (CO-RE), so only names matter here; renames between kernels live in fixes.bpf.h.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include "kernel/bpf/task.bpf.h"
#include "kernel/bpf/file.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common {
	union {
		struct {
			__be32 skc_daddr, skc_rcv_saddr;
		};
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct bpf_local_storage;

struct sock {
	struct sock_common __sk_common;
	struct bpf_local_storage *sk_bpf_storage;
	__u16 sk_type, sk_protocol;
	int sk_err, sk_err_soft;
	__u32 sk_max_ack_backlog;
};

struct inet_connection_sock {
	const void *icsk_ulp_ops;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received, bytes_acked, bytes_sent, bytes_retrans;
	__u32 rcv_nxt, copied_seq, snd_una, snd_nxt, write_seq, total_retrans;
};

struct sockaddr_un {
	__u16 sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct sock *peer;
};

struct socket {
	struct sock *sk;
};

struct iov_iter {
	__u64 count;
};

struct msghdr {
	struct iov_iter msg_iter;
	unsigned int msg_flags;
};

struct sk_buff {
	struct sock *sk;
	unsigned int len, data_len;
	__u16 transport_header, network_header;
	__be16 protocol;
	unsigned char *head, *data;
	char cb[48];
};

struct file {
	void *private_data;
	struct inode *f_inode;
	const struct file_operations *f_op;
	unsigned int f_flags, f_mode;
	struct path f_path;
	__s64 f_pos;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct trace_event_raw_sys_exit {
	long id, ret;
};

#pragma clang attribute pop

#endif
