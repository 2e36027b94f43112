/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * socket - connections and messages with their byte ranges.
 *
 * TCP ranges are taken under the socket lock: a send at each turn of tcp_sendmsg_locked()'s loop, a
 * receive at tcp_rcv_space_adjust(), which runs after every movement of copied_seq (recvmsg, splice,
 * zero-copy alike; MSG_PEEK moves nothing).  The length of a send's last range is known at the call's
 * return; so the event is emitted there and carries its begin.
 */
#include "probe/socket.bpf.h"
#include "probe/tls.bpf.h"

/* After a while without message hooks it is not known where the last reader stopped, nor how much went by. */
static __always_inline void gap_check(struct sock_info *si)
{
	struct kernel_control *c = control_get();

	if (likely(!c || si->generation == c->generation))
		return;
	si->generation = c->generation;
	si->flags = (si->flags & ~(SOCK_RX_KNOWN | SOCK_COUNTED)) | SOCK_MIDSTREAM | SOCK_GAP;
}

static __always_inline bool sock_has_storage(struct sock *sk)
{
	return KERNEL_PLAIN(sk, struct sock)->sk_bpf_storage != NULL;
}

/* NULL for a socket that Saker has not met: a plain load says so on the way of everyone who is not recorded. */
static __always_inline struct sock_info *sock_find(struct sock *sk)
{
	struct sock_info *si = sock_has_storage(sk) ? bpf_sk_storage_get(&sock_infos, sk, NULL, 0) : NULL;

	if (si)
		gap_check(si);
	return si;
}

static __always_inline struct sock_info *sock_get(struct sock *sk)
{
	struct sock_info *si = bpf_sk_storage_get(&sock_infos, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	struct kernel_control *c = control_get();

	if (!si) {
		helper_failed();
	} else if (!si->cookie) {
		si->cookie = bpf_get_socket_cookie(sk);
		si->generation = c ? c->generation : 0;
	} else {
		gap_check(si);
	}
	return si;
}

static __always_inline struct call_info *call_get(struct task_struct *me)
{
	struct call_info *ci = bpf_task_storage_get(&call_infos, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!ci)
		helper_failed();
	return ci;
}

static __always_inline struct call_info *call_find(struct task_struct *me)
{
	return bpf_task_storage_get(&call_infos, me, NULL, 0);
}

static __always_inline void owner_set(struct sock_info *si)
{
	struct task_struct *task = bpf_get_current_task_btf();

	si->owner_start_ns = task->start_boottime;
	si->owner_tgid = task->tgid;
	si->owner_tid = task->pid;
}

static __always_inline void header_owner(struct event_header *h, struct sock_info *si)
{
	h->start_ns = si->owner_start_ns;
	h->tgid = si->owner_tgid;
	h->tid = si->owner_tid;
}

static __always_inline void share_set(struct sock *sk, struct sock_info *si)
{
	__u32 ports = sk->__sk_common.skc_num ^ __builtin_bswap16(sk->__sk_common.skc_dport);

	si->share = sk->__sk_common.skc_family == AF_UNIX_NR ? 0 : ports * 2654435769U >> 24;
}

static __always_inline bool is_tcp(struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP_NR && sk->__sk_common.skc_family != AF_UNIX_NR;
}

static __always_inline __u64 sock_netns(struct sock *sk)
{
	return KERNEL_PLAIN(sk, struct sock)->__sk_common.skc_net.net->net_cookie;
}

/* --- describing --- */

/* Cookie of the AF_UNIX peer, made now if it has none yet; 0: no peer. */
static __always_inline __u64 unix_peer_cookie(struct sock *sk)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);
	struct sock *peer = u ? u->peer : NULL;

	return peer ? bpf_get_socket_cookie(peer) : 0;
}

/* The AF_UNIX name (of sk, or of the peer when sk has none) at the end of the event. */
static __always_inline __u32 unix_path(struct sock *sk, void *base, __u32 at)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	struct unix_address *addr = BPF_CORE_READ(u, addr);
	__u32 len, n = 0;

	if (!addr) {
		u = (struct unix_sock *)BPF_CORE_READ(u, peer);
		addr = u ? BPF_CORE_READ(u, addr) : NULL;
	}
	len = addr ? BPF_CORE_READ(addr, len) : 0;
	if (len > 2 && len <= 110) {
		char first = 0;

		bpf_core_read(&first, 1, &addr->name[0].sun_path);
		/* abstract names are counted, not terminated (unix(7)): the NUL in front is shown as @ */
		n = (len - 2) & 127;
		if (bpf_probe_read_kernel((char *)base + at, n, (char *)&addr->name[0].sun_path) < 0)
			n = 0;
		else if (!first)
			*((char *)base + at) = '@';
		*((char *)base + at + n) = 0;
		n += first ? 0 : 1;
	}
	if (n <= 1) {
		*((char *)base + at) = 0;
		n = 1;
	}
	return at + n;
}

static __always_inline void socket_fill(struct event_socket *e, struct sock *sk, struct sock_info *si)
{
	struct sock_common *c = &sk->__sk_common;

	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	e->peer = 0;
	e->tx_offset = 0;
	e->rx_offset = 0;
	e->isn = 0;
	e->peer_isn = 0;
	sock_addrs(sk, e->local, e->remote);
	e->family = c->skc_family;
	e->local_port = e->family == AF_UNIX_NR ? 0 : c->skc_num;
	e->remote_port = e->family == AF_UNIX_NR ? 0 : be16_to_host(c->skc_dport);
	e->socktype = sk->sk_type;
	e->protocol = e->family == AF_UNIX_NR ? 0 : sk->sk_protocol;
	e->state = c->skc_state;
	e->flags = (si->flags & SOCK_PASSIVE ? SOCKFLAGS_PASSIVE : 0) |
		   (si->flags & SOCK_MIDSTREAM ? SOCKFLAGS_MIDSTREAM : 0);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	if (e->protocol == IPPROTO_TCP_NR && e->state != STATE_LISTEN) {
		struct tcp_sock *tp = tcp_of(sk);

		if (tp) {
			e->tx_offset = tcp_tx_offset(tp, si);
			e->rx_offset = tcp_rx_offset(tp);
			e->isn = tp->write_seq - (__u32)e->tx_offset;
			e->peer_isn = tp->copied_seq - (__u32)e->rx_offset;
		}
	}
}

/* Is a socket that is met now one that did not exist before its process was recorded? */
static __always_inline bool sock_born(void)
{
	struct kernel_control *c = control_get();

	return c && c->settled && !cfg.port;
}

static __noinline int socket_describe(struct sock *sk, __u8 context, __u32 flags)
{
	struct sock_info *si = sock_get(sk);
	struct scratch *s = si ? scratch_take(EVENT_SOCKET) : NULL;
	struct event_socket *e = (void *)s;
	__u32 at = sizeof(*e);

	if (!s || !si)
		return 0;
	e->h.type = EVENT_SOCKET;
	e->h.context = CONTEXT_RECORDER;
	e->h.flags = 0;
	header_task(&e->h, bpf_get_current_task_btf());
	barrier_var(si); /* or clang makes one load of two kinds of pointers, which the verifier refuses */
	if (flags & SOCKFLAGS_SNAPSHOT) /* the recorder is the current task then */
		header_owner(&e->h, si);
	socket_fill(e, sk, si);
	e->flags |= flags;
	if (e->family == AF_UNIX_NR) {
		e->peer = unix_peer_cookie(sk);
		at = unix_path(sk, e, at);
	} else {
		*((char *)e + at) = 0;
		at++;
	}
	if (event_output(s, at) && !(si->flags & SOCK_LISTENER))
		si->flags |= SOCK_DESCRIBED;
	return 0;
}

static __always_inline void accept_tell(struct sock *sk, struct sock_info *si, __u32 flags)
{
	struct event_accept *e;
	struct tcp_sock *tp = tcp_of(sk);

	si->flags |= SOCK_ACCEPTED;
	owner_set(si);
	e = event_begin(EVENT_ACCEPT, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return; /* the next use describes it */
	si->flags |= SOCK_DESCRIBED;
	e->sock = si->cookie;
	e->listener = si->listener;
	e->netns = sock_netns(sk);
	sock_addrs(sk, e->local, e->remote);
	e->isn = 0;
	e->peer_isn = 0;
	if (tp) {
		e->isn = tp->write_seq - (__u32)tcp_tx_offset(tp, si);
		e->peer_isn = tp->copied_seq - (__u32)tcp_rx_offset(tp);
	}
	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
	e->family = sk->__sk_common.skc_family;
	e->protocol = IPPROTO_TCP_NR;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	e->flags = flags;
	__builtin_memset(e->pad1, 0, sizeof(e->pad1));
	event_end(e);
}

/*
 * A child of a selected listener begins with a copy of its sock_info: make it its own.  Mostly when the connection is
 * established; at the first use if that hook was skipped (recursion) or bytes came with the SYN.
 */
static __always_inline void passive_begin(struct sock *sk, struct sock_info *si)
{
	__u64 cookie;

	if (!si || !(si->flags & SOCK_LISTENER))
		return;
	cookie = bpf_get_socket_cookie(sk);
	if (cookie == si->cookie)
		return;
	si->listener = si->cookie;
	si->cookie = cookie;
	si->flags = SOCK_PASSIVE | SOCK_RX_KNOWN | SOCK_ACTIVE_KNOWN;
	si->rx_next = 0;
}

/* The first use of a socket by a selected thread. */
static __noinline int sock_meet(struct sock *sk)
{
	struct sock_info *si = sock_get(sk);

	if (!si || (si->flags & SOCK_DESCRIBED))
		return 0;
	passive_begin(sk, si);
	share_set(sk, si);
	if ((si->flags & SOCK_PASSIVE) && !(si->flags & SOCK_ACCEPTED)) {
		accept_tell(sk, si, MSGFLAGS_IMPLIED);
		return 0;
	}
	/* a passive one whose accept was lost is whole as well; other TCP was handed over */
	if (!(si->flags & (SOCK_PASSIVE | SOCK_COUNTED | SOCK_MIDSTREAM | SOCK_RX_KNOWN)))
		si->flags |= !is_tcp(sk) && sock_born() ? SOCK_COUNTED : SOCK_MIDSTREAM;
	socket_describe(sk, CONTEXT_TASK, 0);
	return 0;
}

/* A socket that a selected thread uses: described once, accepted once. */
static __always_inline struct sock_info *sock_used(struct sock *sk)
{
	struct sock_info *si = sock_find(sk);

	if (likely(si && (si->flags & SOCK_DESCRIBED)))
		return si;
	sock_meet(sk);
	return sock_find(sk);
}

/* --port N and --netns NAME: whoever uses the port, or a socket of the namespace, becomes selected */
static __always_inline bool sock_selected(struct sock *sk, struct task_struct *me)
{
	__u32 tgid = me->tgid;
	bool wanted;

	if (tgid_selected(tgid))
		return true;
	if ((!cfg.port && !cfg.netns) || !tgid || tgid_own(tgid))
		return false;
	wanted = cfg.netns && sock_netns(sk) == cfg.netns;
	if (cfg.port && sk->__sk_common.skc_family != AF_UNIX_NR)
		wanted |= sk->__sk_common.skc_num == cfg.port || be16_to_host(sk->__sk_common.skc_dport) == cfg.port;
	if (!wanted)
		return false;
	tgid_select(tgid);
	return true;
}

#include "probe/payload_tell.bpf.h"

/* --- TCP --- */

/* Sheds whole connections, the same at both ends: chosen by the pair of ports. */
static __always_inline bool stream_shed(__u32 share)
{
	struct kernel_control *c = control_get();

	if (!c || (c->shed >> KIND_STREAM & 1))
		return true;
	return share >= c->stream_share;
}

/*
 * A range of a send, at its end, and its first bytes.  A call in which the thread never left the CPU ended when it began, but for the
 * copying: the clock, which is a third of an event's cost, is then read only once.
 */
static __always_inline void send_emit(struct sock *sk, struct task_struct *me, struct call_info *ci, __u32 bytes,
				      __u32 flags)
{
	struct event_send *e;
	__u64 now;

	if (!bytes || stream_shed(ci->share))
		return;
	now = ci->begin_ns && ci->away == times_away(me) ? ci->begin_ns : bpf_ktime_get_boot_ns();
	if (!event_ready(me, EVENT_SEND, &now) ||
	    (cfg.payload && payload_sent(sk, sock_find(sk), ci, bytes, flags, now)))
		return;
	e = event_reserve_at(EVENT_SEND, sizeof(*e), CONTEXT_TASK, now);
	if (!e)
		return;
	header_task(&e->h, me);
	send_fill(e, ci->cookie, ci->start, ci->begin_ns, bytes, flags);
	event_end(e);
}

static __always_inline void range_start(struct task_struct *me, struct sock_info *si, struct call_info *ci,
					__u64 offset)
{
	join_check(); /* its time comes before the range's */
	ci->cookie = si->cookie;
	ci->share = si->share;
	ci->bytes = 0;
	ci->start = offset;
	ci->begin_ns = bpf_ktime_get_boot_ns();
	ci->away = times_away(me);
}

/* One turn of the loop in tcp_sendmsg_locked(), socket lock held (tracepoint since 6.13). */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(socket_send_turn, struct sock *sk, struct msghdr *msg)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct sock_info *si;
	struct call_info *ci;
	struct tcp_sock *tp;
	__u64 offset, left;

	if (!sock_selected(sk, me))
		return 0;
	si = sock_used(sk);
	ci = call_get(me);
	tp = tcp_of(sk);
	if (!si || !ci || !tp || tcp_layered(tp))
		return 0;
	tls_used(me, si->cookie);
	offset = tcp_tx_offset(tp, si);
	left = msg->msg_iter.count;
	if (ci->sk == (__u64)sk && left <= ci->left) {
		ci->bytes += ci->left - left;
		ci->left = left;
		if (offset == ci->start + ci->bytes)
			return 0;
		/* the lock was given up in between and another thread wrote */
		send_emit(sk, me, ci, ci->bytes, MSGFLAGS_MORE);
		ci->told += ci->bytes;
	} else {
		ci->sk = (__u64)sk;
		ci->told = 0;
		ci->left = left;
	}
	range_start(me, si, ci, offset);
	return 0;
}

/* A send of which no turn was seen: all of it went with the SYN (RFC 7413), or its offset is not known. */
static __always_inline void tcp_send_untold(struct sock *sk, struct task_struct *me, struct call_info *ci, __u32 bytes)
{
	struct sock_info *si = sock_used(sk);
	struct tcp_sock *tp = si ? tcp_of(sk) : NULL;
	struct call_info whole = {};

	if (ci && ci->ended == (__u64)sk) {
		ci->ended = 0;
		return;
	}
	if (!tp)
		return;
	whole.cookie = si->cookie;
	whole.share = si->share;
	whole.begin_ns = bpf_ktime_get_boot_ns();
	send_emit(sk, me, &whole, bytes,
		  !tcp_layered(tp) && tcp_tx_offset(tp, si) == bytes ? 0 : MSGFLAGS_OFFSET_UNKNOWN);
}

/* What is more than was left at the last turn went before the first one: with the SYN, or before the hook was there. */
static __always_inline void tcp_send_last(struct sock *sk, struct task_struct *me, struct call_info *ci, __u64 bytes)
{
	__u64 most = ci->bytes + ci->left;

	if (bytes > most) {
		if (ci->start == bytes - most)
			ci->start = 0;
		else
			bytes = most;
	}
	send_emit(sk, me, ci, bytes, 0);
}

/* The call's return, lock released: the last range is what the earlier ones left. */
static __always_inline void tcp_send_return(struct sock *sk, struct task_struct *me, int ret)
{
	struct call_info *ci = call_find(me);
	struct sock_info *si;
	struct event_sockerr *e;

	if (ret < 0 && ret != -11 && ret > -512) {
		si = sock_used(sk);
		e = si ? event_begin(EVENT_SOCKERR, sizeof(*e), CONTEXT_TASK) : NULL;
		if (e) {
			e->sock = si->cookie;
			e->error = -ret;
			e->state = sk->__sk_common.skc_state;
			event_end(e);
		}
	}
	if (!ci || ci->sk != (__u64)sk) {
		if (ret > 0)
			tcp_send_untold(sk, me, ci, ret);
		return;
	}
	ci->sk = 0;
	if (ret > 0 && (__u64)ret > ci->told)
		tcp_send_last(sk, me, ci, ret - ci->told);
}

static __always_inline void recv_fill(struct event_recv *e, struct task_struct *me, struct sock_info *si, __u64 offset,
				      __u32 bytes, __u32 flags)
{
	e->sock = si->cookie;
	e->offset = offset;
	e->bytes = bytes;
	e->flags = flags;
	si->rx_ns = e->h.boot_ns;
	si->rx_away = times_away(me);
}

static __always_inline void recv_emit_at(struct task_struct *me, struct sock_info *si, __u64 offset, __u32 bytes,
					 __u32 flags, __u64 now)
{
	struct event_recv *e = event_begin_at(me, EVENT_RECV, sizeof(*e), now);

	if (!e)
		return;
	recv_fill(e, me, si, offset, bytes, flags);
	event_end(e);
}

static __always_inline void recv_emit(struct task_struct *me, struct sock_info *si, __u64 offset, __u32 bytes,
				      __u32 flags)
{
	si->rx_ns = 0;
	if (!stream_shed(si->share))
		recv_emit_at(me, si, offset, bytes, flags, bpf_ktime_get_boot_ns());
}

#include "probe/arrived.bpf.h"

static __always_inline void recv_moved(struct task_struct *me, struct sock_info *si, __u64 offset, __u32 bytes)
{
	__u64 now;

	if (stream_shed(si->share))
		return;
	now = bpf_ktime_get_boot_ns();
	if (arrived_told(si, now))
		arrived_recv_emit(me, si, offset, bytes, now);
	else
		recv_emit_at(me, si, offset, bytes, 0, now);
}

/* After each movement of copied_seq, socket lock held. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(socket_recv_moved, struct sock *sk)
{
	struct task_struct *me = bpf_get_current_task_btf();
	bool wanted = sock_selected(sk, me);
	struct sock_info *si = wanted ? sock_used(sk) : sock_find(sk);
	struct tcp_sock *tp;
	__u64 end, start;

	if (!si)
		return 0;
	tp = tcp_of(sk);
	if (!tp || tcp_layered(tp))
		return 0;
	end = tcp_rx_offset(tp);
	start = si->rx_next;
	if (!(si->flags & SOCK_RX_KNOWN)) {
		si->flags |= SOCK_RX_KNOWN;
		si->rx_tid = 0;
		start = si->flags & SOCK_MIDSTREAM ? end : 0;
	}
	si->rx_next = end;
	si->rx_ns = 0; /* until an event has told of this movement */
	payload_moved(si, me, start);
	if (wanted && end > start) {
		tls_used(me, si->cookie);
		recv_moved(me, si, start, end - start);
	}
	arrived_taken(si, tp);
	return 0;
}

static __always_inline int tcp_recv_payload(struct sock *sk, int ret, int flags)
{
	struct sock_info *si = sock_find(sk);
	struct task_struct *me;

	if (!si || stream_shed(si->share))
		return 0;
	me = bpf_get_current_task_btf();
	if (!sock_selected(sk, me))
		return 0;
	payload_tcp_returned(sk, si, me, ret, flags);
	if (si->proto == RECOGNISED_TLS || si->proto == PAYLOAD_SEALED)
		tls_received(me, si->cookie);
	return 0;
}

static __always_inline void tcp_recv_return(struct sock *sk, struct task_struct *me, int ret)
{
	struct sock_info *si;
	struct tcp_sock *tp;
	struct event_sockerr *e;

	if (ret > 0 || ret == -11 || ret <= -512)
		return;
	si = sock_used(sk);
	if (!si)
		return;
	if (ret == 0) {
		tp = tcp_of(sk);
		recv_emit(me, si, si->flags & SOCK_RX_KNOWN || !tp ? si->rx_next : tcp_rx_offset(tp), 0, MSGFLAGS_EOF);
		return;
	}
	e = event_begin(EVENT_SOCKERR, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	e->sock = si->cookie;
	e->error = -ret;
	e->state = sk->__sk_common.skc_state;
	event_end(e);
}

#include "probe/dgram.bpf.h"
#include "probe/log_message.bpf.h"
#include "probe/unix.bpf.h"

/* --- the call's return, all families (tracepoints since 6.3) --- */

static __always_inline int call_sent(struct sock *sk, int ret)
{
	struct task_struct *me = bpf_get_current_task_btf();
	bool wanted = sock_selected(sk, me);

	if (sk->__sk_common.skc_family == AF_UNIX_NR)
		unix_return(sk, me, ret, true, wanted);
	else if (wanted && sk->sk_protocol == IPPROTO_TCP_NR)
		tcp_send_return(sk, me, ret);
	else if (wanted && sk->sk_protocol == IPPROTO_UDP_NR)
		udp_emit(sk, me, EVENT_DGRAM_SEND, ret);
	return 0;
}

static __always_inline int call_received(struct sock *sk, int ret, int flags)
{
	struct task_struct *me;
	bool wanted;

	/* of TCP only ends and errors are told here, and first bytes: nothing more is asked of the many that are neither */
	if (ret > 0 && is_tcp(sk))
		return cfg.payload ? tcp_recv_payload(sk, ret, flags) : 0;
	me = bpf_get_current_task_btf();
	if (flags & MSG_PEEK_NR) {
		dgram_forget(me);
		return 0;
	}
	wanted = sock_selected(sk, me);
	if (sk->__sk_common.skc_family == AF_UNIX_NR)
		unix_return(sk, me, ret, false, wanted);
	else if (wanted && sk->sk_protocol == IPPROTO_TCP_NR)
		tcp_recv_return(sk, me, ret);
	else if (wanted && sk->sk_protocol == IPPROTO_UDP_NR)
		udp_emit(sk, me, EVENT_DGRAM_RECV, ret);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_send_return, struct sock *sk, int ret, int flags)
{
	return call_sent(sk, ret);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_recv_return, struct sock *sk, int ret, int flags)
{
	return call_received(sk, ret, flags);
}

#include "probe/older.bpf.h"

#include "probe/life.bpf.h"
#include "probe/trouble.bpf.h"

/* --- what is already open --- */

SEC("iter/task_file")
int socket_snapshot(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sock_info *si;
	struct socket *socket;
	struct sock *sk;
	struct tcp_sock *tp;
	__u8 state;

	if (!task || !file || task->pid != task->tgid || !tgid_selected(task->tgid))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	si = sock_get(sk);
	if (!si || (si->flags & (SOCK_DESCRIBED | SOCK_LISTENER)))
		return 0;
	state = sk->__sk_common.skc_state;
	if (is_tcp(sk) && state == STATE_LISTEN)
		si->flags |= SOCK_LISTENER;
	else
		si->flags |= SOCK_MIDSTREAM;
	if (is_tcp(sk) && state != STATE_LISTEN && !(si->flags & SOCK_RX_KNOWN)) {
		tp = tcp_of(sk);
		if (tp) {
			si->rx_next = tcp_rx_offset(tp);
			si->flags |= SOCK_RX_KNOWN;
		}
	}
	si->owner_start_ns = task->start_boottime;
	si->owner_tgid = task->tgid;
	si->owner_tid = task->pid;
	socket_describe(sk, CONTEXT_TASK, SOCKFLAGS_SNAPSHOT);
	return 0;
}
