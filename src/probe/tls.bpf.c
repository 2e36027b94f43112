/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tls - what programs say and hear through TLS, before it is encrypted and after it was decrypted.
 *
 * OpenSSL: SSL_read, SSL_write and their _ex forms, at entry and return.  The library knows a connection as SSL *; which
 * socket that is follows from what the thread did within the call.  A program that moves the bytes itself (memory BIOs: Node,
 * Python's asyncio) uses no socket there: then it is the one from which the thread had just received, the first time
 * that the SSL * is met; SSL_free() ends it.
 *
 * Go: crypto/tls.(*Conn).Write at entry, and Read at entry and each of its returns (return probes move the stack of a
 * goroutine under it, which the runtime does not survive).  The socket is the descriptor in the connection's own structures.
 *
 * Offsets count plaintext, in each direction from the first byte that was seen.
 */
#include <linux/ptrace.h>

#include "probe/tls.bpf.h"

#define STREAMS_MAX 65536
#define CALLS_MAX 16384
#define FLAGS_BELOW_OR_EQUAL 0x41 /* as in go.bpf.c: the stack grows, and the function begins anew */
#define GO_FD_SYSFD 16		  /* internal/poll.FD: fdMutex (8 + 4 + 4), then Sysfd, since 1.9 */
#define READ 0
#define WRITE 1

/* key: a connection as the library knows it; owner: this program; the ones that were not used for longest go */
struct tls_key {
	__u64 conn;
	__u32 tgid, pad;
};

struct tls_stream {
	__u64 sock;
	__u64 offset[2]; /* plaintext, by direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STREAMS_MAX);
	__type(key, struct tls_key);
	__type(value, struct tls_stream);
} tls_streams SEC(".maps");

/* key: a goroutine (its runtime.g) that is in Read; value: the call; goes when it returns */
struct tls_go_call {
	__u64 conn, buf, want;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CALLS_MAX);
	__type(key, struct tls_key);
	__type(value, struct tls_go_call);
} tls_go_calls SEC(".maps");

static __always_inline void piece_send(struct task_struct *me, const struct tls_stream *s, __u32 way, __u64 buf,
				       __u32 bytes)
{
	struct scratch *room = scratch_take(EVENT_PAYLOAD_PIECE);
	struct event_payload_piece *p = (void *)room;
	struct cpu_state *st = cpu_state();
	__u64 now = bpf_ktime_get_boot_ns();
	void *ring = ring_get();
	__u32 kept = bytes, len;

	if (!room)
		return;
	if (!st || !ring)
		goto out;
	if (st->pending[0] | st->pending[1])
		loss_flush();
	if (kept > cfg.payload)
		kept = cfg.payload;
	if (kept > PAYLOAD_MAX)
		kept = PAYLOAD_MAX;
	p->h = (struct event_header) {};
	p->h.boot_ns = now;
	p->h.type = EVENT_PAYLOAD_PIECE;
	p->h.cpu = bpf_get_smp_processor_id();
	p->h.context = CONTEXT_TASK;
	p->h.seq = __sync_fetch_and_add(&st->seq, 1);
	header_task(&p->h, me);
	p->sock = s->sock;
	p->offset = s->offset[way & 1];
	p->bytes = bytes;
	p->flags = PAYLOADFLAGS_DECRYPTED | (way == WRITE ? PAYLOADFLAGS_SENT : PAYLOADFLAGS_RECEIVED);
	__builtin_memset(p->pad0, 0, sizeof(p->pad0));
	barrier_var(kept);
	kept &= 2 * PAYLOAD_MAX - 1;
	if (kept > PAYLOAD_MAX || bpf_probe_read_user((char *)(p + 1), kept, (void *)buf) < 0)
		kept = 0;
	p->kept = kept;
	if (kept < bytes)
		p->flags |= PAYLOADFLAGS_CUT;
	len = (sizeof(*p) + kept + 7) & ~7U;
	p->h.length = len;
	if (len > SCRATCH_BYTES || bpf_ringbuf_output(ring, p, len, BPF_RB_NO_WAKEUP) < 0)
		loss_note(EVENT_PAYLOAD_PIECE, p->h.seq, now);
out:
	scratch_drop(room);
}

/* The connection's row; sock 0: not known now. */
static __always_inline struct tls_stream *stream_get(const struct tls_key *key, __u64 sock)
{
	struct tls_stream *s = bpf_map_lookup_elem(&tls_streams, key), new = { .sock = sock };

	if (s && (!sock || s->sock == sock))
		return s;
	if (!sock)
		return NULL;
	if (bpf_map_update_elem(&tls_streams, key, &new, BPF_ANY) < 0)
		helper_failed();
	return bpf_map_lookup_elem(&tls_streams, key);
}

static __noinline int tls_emit(__u64 conn, __u64 sock, __u64 buf, __u64 bytes, __u32 way)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct tls_key key = { .conn = conn, .tgid = me->tgid };
	struct tls_stream *s = stream_get(&key, sock);

	if (!s || !bytes || bytes > 1U << 30)
		return 0;
	if (!kind_shed(KIND_PAYLOAD))
		piece_send(me, s, way, buf, bytes);
	s->offset[way & 1] += bytes;
	return 0;
}

/* --- OpenSSL --- */

static __always_inline int ssl_enter(struct pt_regs *ctx, __u32 way, __u64 done)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct tls_thread *t;

	if (!tgid_selected(me->tgid))
		return 0;
	t = bpf_task_storage_get(&tls_threads, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		helper_failed();
		return 0;
	}
	t->conn = PT_REGS_PARM1(ctx);
	t->buf = PT_REGS_PARM2(ctx);
	t->done = done;
	t->way = way;
	t->sock = 0;
	return 0;
}

/* How many bytes the call moved, by its return value; the _ex forms return 1 and say it at *done. */
static __always_inline __u64 ssl_moved(struct tls_thread *t, __s32 ret)
{
	__u64 n = 0;

	if (ret <= 0)
		return 0;
	if (!t->done)
		return ret;
	return bpf_probe_read_user(&n, sizeof(n), (void *)t->done) < 0 ? 0 : n;
}

SEC("uretprobe")
int tls_ssl_return(struct pt_regs *ctx)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct tls_thread *t = bpf_task_storage_get(&tls_threads, me, NULL, 0);
	struct tls_key key = { .tgid = me->tgid };
	__u64 sock, moved;

	if (!t || !t->conn)
		return 0;
	key.conn = t->conn;
	sock = t->sock;
	if (!sock && !bpf_map_lookup_elem(&tls_streams, &key))
		sock = t->fresh;
	t->fresh = 0;
	moved = t->way == TLS_HANDSHAKE ? 0 : ssl_moved(t, PT_REGS_RC(ctx));
	if (moved)
		tls_emit(t->conn, sock, t->buf, moved, t->way);
	else
		stream_get(&key, sock);
	t->conn = 0;
	return 0;
}

SEC("uprobe")
int tls_ssl_read(struct pt_regs *ctx)
{
	return ssl_enter(ctx, READ, 0);
}

SEC("uprobe")
int tls_ssl_write(struct pt_regs *ctx)
{
	return ssl_enter(ctx, WRITE, 0);
}

SEC("uprobe")
int tls_ssl_read_ex(struct pt_regs *ctx)
{
	return ssl_enter(ctx, READ, PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int tls_ssl_write_ex(struct pt_regs *ctx)
{
	return ssl_enter(ctx, WRITE, PT_REGS_PARM4(ctx));
}

/* It moves no plaintext, but tells which socket it is. */
SEC("uprobe")
int tls_ssl_handshake(struct pt_regs *ctx)
{
	return ssl_enter(ctx, TLS_HANDSHAKE, 0);
}

SEC("uprobe")
int tls_ssl_free(struct pt_regs *ctx)
{
	struct tls_key key = { .conn = PT_REGS_PARM1(ctx), .tgid = bpf_get_current_pid_tgid() >> 32 };

	bpf_map_delete_elem(&tls_streams, &key);
	return 0;
}

/* --- Go --- */

static __always_inline bool go_word(__u64 at, __u64 *to)
{
	return at && bpf_probe_read_user(to, 8, (void *)at) == 0 && *to;
}

/* Cookie of the socket under a tls.Conn: its conn is a *net.TCPConn, whose first word is *netFD, which begins with poll.FD. */
static __always_inline __u64 go_sock(struct task_struct *me, __u64 conn)
{
	struct file **table = NULL, *file = NULL;
	struct socket *socket;
	__u64 tcp = 0, net_fd = 0;
	__u32 fd = 0;

	if (!go_word(conn + 8, &tcp) || !go_word(tcp, &net_fd) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (void *)(net_fd + GO_FD_SYSFD)) < 0)
		return 0;
	if (fd >= BPF_CORE_READ(me, files, fdt, max_fds))
		return 0;
	table = BPF_CORE_READ(me, files, fdt, fd);
	if (!table || bpf_probe_read_kernel(&file, sizeof(file), &table[fd]) < 0 || !file)
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & 0170000) != 0140000)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk, __sk_common.skc_cookie.counter);
}

/* Go's own calling convention: rax the connection, rbx, rcx the slice; r14 the running g. */
SEC("uprobe")
int tls_go_write(struct pt_regs *ctx)
{
	struct task_struct *me = bpf_get_current_task_btf();

	if (!tgid_selected(me->tgid) || (ctx->eflags & FLAGS_BELOW_OR_EQUAL))
		return 0;
	tls_emit(ctx->rax, go_sock(me, ctx->rax), ctx->rbx, ctx->rcx, WRITE);
	return 0;
}

SEC("uprobe")
int tls_go_read(struct pt_regs *ctx)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct tls_key key = { .conn = ctx->r14, .tgid = me->tgid };
	struct tls_go_call call = { .conn = ctx->rax, .buf = ctx->rbx, .want = ctx->rcx };

	if (!tgid_selected(me->tgid) || (ctx->eflags & FLAGS_BELOW_OR_EQUAL))
		return 0;
	if (bpf_map_update_elem(&tls_go_calls, &key, &call, BPF_ANY) < 0)
		helper_failed();
	return 0;
}

/* At each `ret` of Read: rax is how many bytes. */
SEC("uprobe")
int tls_go_read_return(struct pt_regs *ctx)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct tls_key key = { .conn = ctx->r14, .tgid = me->tgid };
	struct tls_go_call *call, copy;

	call = bpf_map_lookup_elem(&tls_go_calls, &key);
	if (!call)
		return 0;
	copy = *call;
	bpf_map_delete_elem(&tls_go_calls, &key);
	if (ctx->rax && ctx->rax <= copy.want)
		tls_emit(copy.conn, go_sock(me, copy.conn), copy.buf, ctx->rax, READ);
	return 0;
}
