/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_SOCKET_H
#define SAKER_PROBE_SOCKET_H
/*
 * What is known of a socket and of a call in progress, and the byte offsets of a TCP stream.
 *
 * Offset 0 is the first byte after the handshake, 64 bits wide.  Both offsets follow from the
 * kernel's own counters at any moment, also for a connection that is met in the middle:
 *	received and read:  bytes_received - (rcv_nxt - copied_seq)
 *	written:            bytes_acked + (write_seq - snd_una), less 1 at the active end, whose SYN
 *	                    is counted in bytes_acked (tcp_ack() of the SYN-ACK, RFC 4898 counters)
 * Which end is the active one follows from bytes_sent - bytes_retrans + (write_seq - snd_nxt), which
 * counts payload only and must equal one of the two.
 */
#include "kernel/bpf/join.bpf.h"

#define AF_UNIX_NR 1
#define AF_INET_NR 2
#define AF_INET6_NR 10
#define IPPROTO_TCP_NR 6
#define IPPROTO_UDP_NR 17
#define SOCK_STREAM_NR 1
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT 2
#define STATE_FIN_WAIT1 4
#define STATE_TIME_WAIT 6
#define STATE_CLOSE 7
#define STATE_CLOSE_WAIT 8
#define STATE_LAST_ACK 9
#define STATE_LISTEN 10
#define STATE_NEW_SYN_RECV 12
#define MSG_PEEK_NR 2

enum sock_flags {
	SOCK_DESCRIBED = 1, /* a `socket`, `connected` or `accept` event told its addresses */
	SOCK_RX_KNOWN = 2,  /* rx_next is where the last reader stopped */
	SOCK_PASSIVE = 4,
	SOCK_ACTIVE_KNOWN = 8,
	SOCK_ACTIVE = 16, /* bytes_acked counts the SYN */
	SOCK_LISTENER = 32,
	SOCK_ACCEPTED = 64,
	SOCK_MIDSTREAM = 128,
	SOCK_COUNTED = 256, /* AF_UNIX: counters run since the socket's first byte */
	SOCK_TX_ENDED = 1024,
	SOCK_GAP = 512, /* and this is no longer so: for a while nothing was counted */
};

/*
 * One per socket that a selected process used; lives and dies with the socket.  In order of who writes: the kernel lets it begin
 * 8 bytes behind the beginning of a cache line (struct bpf_local_storage_data), and whoever sends over loopback runs the other
 * end's arrival on its own CPU.
 */
struct sock_info {
	/* rarely written */
	__u64 cookie;
	__u32 flags;	  /* enum sock_flags */
	__u32 share;	  /* 0..255: kept while below control.stream_share */
	__u64 generation; /* control.generation when its counters began */
	__u64 listener;	  /* cookie, on a passive socket */
	__u64 connect_ns;
	__u64 owner_start_ns; /* thread that connected or accepted */
	__u32 owner_tgid, owner_tid;
	/* where segments arrive */
	__u64 arrived_ns, arrived_last_ns; /* of what lies in the receive queue, 0: nothing; see arrived.bpf.h */
	__u64 tx_end;			   /* bytes before the FIN, with SOCK_TX_ENDED */
	__u64 unix_tx, unix_rx;		   /* AF_UNIX: bytes or messages so far */
	__u64 rest_of_line[3];
	/* by who uses it */
	__u64 rx_next; /* stream offset that is read next */
	__u64 rx_run;  /* from here on thread rx_tid alone has read */
	__u64 rx_ns,
		rx_away; /* time of the last movement's event, 0: it has none; how often its thread had left the CPU */
	__u32 rx_tid;
	__u16 heard[2]; /* messages looked at for their protocol, by payload_wanted(): received, sent */
	__u8 proto;	/* enum recognised, or PAYLOAD_SEALED */
	__u8 pad[7];
};

/* value: struct sock_info; owner: this program; freed by the kernel with the socket; a child of a
 * listening socket begins as a copy of it (BPF_F_CLONE) */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_info);
} sock_infos SEC(".maps");

/* A send in progress in one thread: the range [start, start + bytes) of sk so far. */
struct call_info {
	__u64 sk;     /* address, only to compare; 0: none */
	__u64 cookie; /* of the socket, and its share, as in sock_info */
	__u32 share;
	__u32 pad;
	__u64 start, begin_ns;
	__u64 away;  /* how often the thread had left the CPU then */
	__u64 left;  /* bytes of the call not yet taken, at the last turn */
	__u64 bytes; /* of the range */
	__u64 told;  /* bytes of the call already emitted in earlier ranges */
	__u64 ended; /* address of the socket whose send is told already (older.bpf.h) */
	/* a datagram seen on its way, waiting for the call's return */
	__u64 dgram_sk;	  /* address, only to compare */
	__u64 unix_other; /* cookie of the AF_UNIX socket that it goes to or comes from */
	__u64 hash;
	__u8 local[16], remote[16];
	__u32 dgram_bytes;
	__u16 local_port, remote_port;
	__u64 many_at; /* sendmmsg, recvmmsg: their vector */
	__u64 many;    /* and how many of it went by */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call_info);
} call_infos SEC(".maps");

static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	return (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
}

/* Something between the program and TCP (kTLS): the bytes of calls are not those of the stream, and are moved in softirqs. */
static __always_inline bool tcp_layered(struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_ulp_ops;
}

static __always_inline __u64 tcp_rx_offset(struct tcp_sock *tp)
{
	return tp->bytes_received - (__u32)(tp->rcv_nxt - tp->copied_seq);
}

static __always_inline __u64 tcp_tx_offset(struct tcp_sock *tp, struct sock_info *si)
{
	__u32 write_seq = tp->write_seq;
	__u64 acked = tp->bytes_acked + (__u32)(write_seq - tp->snd_una);

	if (!(si->flags & SOCK_ACTIVE_KNOWN)) {
		__u64 sent = tp->bytes_sent - tp->bytes_retrans + (__u32)(write_seq - tp->snd_nxt);

		if (sent == acked)
			si->flags |= SOCK_ACTIVE_KNOWN;
		else if (sent + 1 == acked)
			si->flags |= SOCK_ACTIVE_KNOWN | SOCK_ACTIVE;
	}
	return si->flags & SOCK_ACTIVE ? acked - 1 : acked;
}

/* How often the thread has left its CPU. */
static __always_inline __u64 times_away(struct task_struct *me)
{
	return me->nvcsw + me->nivcsw;
}

static __always_inline void addr_v4(__u8 *to, __be32 v4)
{
	__u64 *words = (__u64 *)to;

	words[0] = 0;
	words[1] = (__u64)v4 << 32 | 0xffff0000ULL;
}

/* Both addresses of sk; AF_UNIX: zeros. */
static __always_inline void sock_addrs(struct sock *sk, __u8 *local, __u8 *remote)
{
	struct sock_common *c = &sk->__sk_common;
	__u16 family = c->skc_family;

	if (family == AF_INET_NR) {
		addr_v4(local, c->skc_rcv_saddr);
		addr_v4(remote, c->skc_daddr);
	} else if (family == AF_INET6_NR) {
		bpf_core_read(local, 16, &c->skc_v6_rcv_saddr);
		bpf_core_read(remote, 16, &c->skc_v6_daddr);
	} else {
		__builtin_memset(local, 0, 16);
		__builtin_memset(remote, 0, 16);
	}
}

static __always_inline __u16 be16_to_host(__be16 x)
{
	return __builtin_bswap16(x);
}

#endif
