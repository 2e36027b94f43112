/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strace_sock - connections and messages out of calls.
 *
 * strace gives sizes, not offsets: they are counted from connect and accept on, in the order in which the calls ended. Two calls
 * that strace shows one after the other really ran one after the other (the second could not begin before strace had seen
 * the end of the first); those that it shows interleaved may have moved their bytes in either order: order/ knows that of
 * counted offsets, since each says when its call began. A connection whose begin was not seen has no offsets at all, nor has
 * one whose calls lie in several files (strace -ff): their order is not known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "import/strace.h"

#define CONNECTS_MAX (1U << 20)

enum direction_flags { SENDS = 1, RECEIVES = 2, MANY = 4 /* msg_len= tells the sizes */ };

static const struct {
	const char *name;
	unsigned int fd; /* argument */
	int flags;
} movers[] = {
	{ "write", 0, SENDS },
	{ "writev", 0, SENDS },
	{ "send", 0, SENDS },
	{ "sendto", 0, SENDS },
	{ "sendmsg", 0, SENDS },
	{ "sendfile", 0, SENDS },
	{ "sendfile64", 0, SENDS },
	{ "splice", 2, SENDS },
	{ "sendmmsg", 0, SENDS | MANY },
	{ "read", 0, RECEIVES },
	{ "readv", 0, RECEIVES },
	{ "recv", 0, RECEIVES },
	{ "recvfrom", 0, RECEIVES },
	{ "recvmsg", 0, RECEIVES },
	{ "splice", 0, RECEIVES },
	{ "recvmmsg", 0, RECEIVES | MANY },
	{ "vmsplice", 0, SENDS },
	{ "tee", 1, SENDS },
};

static uint32_t leader(const struct strace_done *d)
{
	return d->s->imp->threads[d->add.thread].leader;
}

static uint8_t family(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) ? SOCKFAMILY_INET6 : SOCKFAMILY_INET;
}

/* The import's socket with these ends, as an index, and its stream. */
static int sock_get(struct strace_done *d, const struct strace_sock *k, struct err *err)
{
	struct import_sock like = { .host = d->s->imp->threads[d->add.thread].host,
				    .protocol = k->protocol,
				    .local_port = k->local_port,
				    .remote_port = k->remote_port };
	struct strace_stream *grown;
	int r;

	memcpy(like.local, k->local, sizeof(like.local));
	memcpy(like.remote, k->remote, sizeof(like.remote));
	r = import_sock_get(d->s->imp, &like, err);
	if (r < 0 || (size_t)r < d->s->nstreams)
		return r;
	grown = realloc(d->s->streams, 2 * ((size_t)r + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory for %d sockets", r);
	memset(grown + d->s->nstreams, 0, (2 * ((size_t)r + 1) - d->s->nstreams) * sizeof(*grown));
	d->s->streams = grown;
	d->s->nstreams = 2 * ((size_t)r + 1);
	return r;
}

/* A connect whose own address strace does not know yet waits for the first call that shows it. */
static int connect_wait(struct strace_done *d, int fd, bool broken, struct err *err)
{
	struct strace *s = d->s;
	struct strace_connect *grown;

	if (s->nconnects == CONNECTS_MAX)
		return err_set(err, E2BIG, "more than %u connects", CONNECTS_MAX);
	grown = array_grown(s->connects, s->nconnects, sizeof(*grown));
	if (grown)
		s->connects = grown;
	if (!grown || map_set(&s->connecting, (uint64_t)leader(d) << 32 | (uint32_t)fd, s->nconnects) < 0)
		return err_set(err, ENOMEM, "out of memory for %zu connects", s->nconnects);
	grown[s->nconnects++] = (struct strace_connect) { d->add.thread, d->entry_ns, d->add.seq, broken };
	return 0;
}

static int put_connect(struct strace_done *d, const struct strace_connect *c, const struct strace_sock *k, int sock,
		       struct err *err)
{
	struct event_connect e = { .sock = (uint64_t)sock, .remote_port = k->remote_port, .protocol = k->protocol };
	struct import_add add = { .thread = c->thread, .ns = c->ns, .seq = c->seq, .rank = RANK_ANY };
	struct import *imp = d->s->imp;

	memcpy(e.remote, k->remote, sizeof(e.remote));
	e.family = family(k->remote);
	d->s->streams[sock] = (struct strace_stream) { .opened = !c->broken && d->s->whole };
	return import_add(imp, &add, event_types_get(imp->types, EVENT_CONNECT), &e, NULL, err);
}

/* The socket of a connected descriptor; its connect is told now if it waited for that.  -ENOENT: none that we follow. */
static int sock_of(struct strace_done *d, int fd, const struct strace_sock *k, struct err *err)
{
	uint64_t key = (uint64_t)leader(d) << 32 | (uint32_t)fd;
	const uint64_t *waiting = map_get(&d->s->connecting, key);
	int sock = sock_get(d, k, err), r;

	if (sock < 0 || !waiting || k->protocol != PROTOCOL_TCP)
		return sock;
	r = put_connect(d, &d->s->connects[*waiting], k, sock, err);
	map_del(&d->s->connecting, key);
	return r < 0 ? r : sock;
}

static int take_connect(struct strace_done *d, struct err *err)
{
	bool begun = d->call.returned && (!d->call.error || !strcmp(d->call.error, "EINPROGRESS"));
	struct strace_sock k;
	char *what;
	int fd = d->call.argc >= 2 ? strace_fd(d->call.argv[0], &what) : -1, r;

	if (fd < 0 || !what || !begun || !strace_sock_parse(what, &k) || k.protocol != PROTOCOL_TCP || k.connected)
		return 0;
	r = connect_wait(d, fd, false, err);
	return r < 0 ? r : 1;
}

static int take_accept(struct strace_done *d, struct err *err)
{
	struct event_accept e = { .sock = 0 };
	struct strace_sock k;
	int sock;

	if (!d->call.returned || d->call.error || !d->call.value_fd || !strace_sock_parse(d->call.value_fd, &k) ||
	    !k.connected)
		return 0;
	map_del(&d->s->connecting, (uint64_t)leader(d) << 32 | (uint32_t)d->call.value);
	sock = sock_get(d, &k, err);
	if (sock < 0)
		return sock;
	d->s->streams[sock] = (struct strace_stream) { .opened = d->s->whole };
	e.sock = (uint64_t)sock;
	memcpy(e.local, k.local, sizeof(e.local));
	memcpy(e.remote, k.remote, sizeof(e.remote));
	e.local_port = k.local_port;
	e.remote_port = k.remote_port;
	e.family = family(k.remote);
	e.protocol = k.protocol;
	sock = strace_put(d, d->add.ns, EVENT_ACCEPT, &e, NULL, err);
	return sock < 0 ? sock : 1;
}

/* The bytes that the call moved: its value, or for several messages what each says.  UINT64_MAX: not told. */
static uint64_t moved(const struct strace_done *d, int flags)
{
	const char *p = d->s->shown.data;
	uint64_t sum = 0;
	int64_t i;

	if (!(flags & MANY))
		return (uint64_t)d->call.value;
	for (i = 0; p && i < d->call.value; i++) {
		p = strstr(p, "msg_len=");
		if (p)
			sum += strtoull(p += strlen("msg_len="), NULL, 10);
	}
	return p ? sum : UINT64_MAX;
}

static int put_stream(struct strace_done *d, int sock, int flags, uint64_t bytes, struct err *err)
{
	struct strace_stream *stream = &d->s->streams[sock];
	uint32_t how = stream->opened ? MSGFLAGS_COUNTED : MSGFLAGS_OFFSET_UNKNOWN | MSGFLAGS_AFTER_LOSS;
	struct event_send out = { .sock = (uint64_t)sock,
				  .offset = stream->sent,
				  .begin_ns = d->entry_ns,
				  .bytes = (uint32_t)bytes,
				  .flags = how };
	struct event_recv in = { .sock = (uint64_t)sock,
				 .offset = stream->received,
				 .bytes = (uint32_t)bytes,
				 .flags = how | (bytes ? 0 : MSGFLAGS_EOF) };

	if (flags & SENDS) {
		stream->sent += bytes;
		return bytes ? strace_put(d, d->add.ns, EVENT_SEND, &out, NULL, err) : 0;
	}
	stream->received += bytes;
	return strace_put(d, d->add.ns, EVENT_RECV, &in, NULL, err);
}

/* A datagram's identity: what strace shows of it, which is the same at both ends. */
static uint64_t payload_hash(const struct strace_done *d, uint64_t bytes)
{
	char room[512];
	bool whole;
	int n = d->call.argc > 1 ? strace_string(d->call.argv[1], room, sizeof(room), &whole) : -1, i;
	uint64_t h = bytes + 1;

	for (i = 0; i < n; i++)
		h = map_hash(h + (unsigned char)room[i]);
	return n < 0 ? 0 : h ? h : 1;
}

static int put_dgram(struct strace_done *d, const struct strace_sock *k, int sock, int flags, uint64_t bytes,
		     struct err *err)
{
	struct event_dgram_send e = { .sock = (uint64_t)sock,
				      .hash = payload_hash(d, bytes),
				      .bytes = (uint32_t)bytes,
				      .local_port = k->local_port,
				      .remote_port = k->remote_port,
				      .family = family(k->remote),
				      .protocol = k->protocol };

	memcpy(e.local, k->local, sizeof(e.local));
	memcpy(e.remote, k->remote, sizeof(e.remote));
	return strace_put(d, d->add.ns, flags & SENDS ? EVENT_DGRAM_SEND : EVENT_DGRAM_RECV, &e, NULL, err);
}

/* sendto and recvfrom name the other end of a socket that is not connected. */
static bool other_end(const struct strace_done *d, struct strace_sock *k)
{
	if (k->connected || k->protocol != PROTOCOL_UDP || !k->bound || d->call.argc < 5)
		return k->connected;
	return strace_addr_parse(d->call.argv[4], k->remote, &k->remote_port);
}

static bool has_word(const struct strace_done *d, const char *word)
{
	return d->s->shown.data && strstr(d->s->shown.data, word);
}

static int take_moved(struct strace_done *d, unsigned int arg, int flags, struct err *err)
{
	struct strace_sock k;
	char *what = NULL;
	int fd = d->call.argc > arg ? strace_fd(d->call.argv[arg], &what) : -1, sock;
	uint64_t bytes;

	if (fd < 0 || !what || !d->call.returned || d->call.error || d->call.value < 0)
		return 0;
	if (!strncmp(what, "pipe:[", 6))
		return strace_pipe_moved(d, fd, what, flags & SENDS, err);
	if (!strace_sock_parse(what, &k) || has_word(d, "MSG_PEEK") || has_word(d, "MSG_ERRQUEUE"))
		return 0;
	if (!other_end(d, &k)) /* MSG_FASTOPEN */
		return k.protocol == PROTOCOL_TCP && d->call.value ? connect_wait(d, fd, true, err) : 0;
	sock = sock_of(d, fd, &k, err);
	if (sock < 0)
		return sock;
	bytes = moved(d, flags);
	if (bytes > UINT32_MAX || has_word(d, "MSG_OOB")) {
		d->s->streams[sock].opened = false;
		return 0;
	}
	if (k.protocol == PROTOCOL_UDP)
		sock = flags & MANY ? 0 : put_dgram(d, &k, sock, flags, bytes, err);
	else
		sock = put_stream(d, sock, flags, bytes, err);
	return sock < 0 ? sock : 1;
}

static int take_shutdown(struct strace_done *d, struct err *err)
{
	struct event_shutdown e = { .sock = 0 };
	struct strace_sock k;
	char *what;
	int fd = d->call.argc ? strace_fd(d->call.argv[0], &what) : -1, r;

	if (fd < 0 || !what || d->call.error || !strace_sock_parse(what, &k) || !k.connected)
		return 0;
	r = sock_of(d, fd, &k, err);
	if (r < 0)
		return r;
	e.sock = (uint64_t)r;
	e.tx_offset = d->s->streams[r].sent;
	e.rx_offset = d->s->streams[r].received;
	r = strace_put(d, d->add.ns, EVENT_SHUTDOWN, &e, NULL, err);
	return r < 0 ? r : 1;
}

/* Any call may be the first that shows the addresses of a connection; close is the last that can. */
static int take_sight(struct strace_done *d, struct err *err)
{
	struct strace_sock k;
	char *what = NULL;
	int fd = d->call.argc ? strace_fd(d->call.argv[0], &what) : -1, r = 0;

	if (fd >= 0 && what && strace_sock_parse(what, &k) && k.connected && k.protocol == PROTOCOL_TCP)
		r = sock_of(d, fd, &k, err);
	if (r >= 0 && fd >= 0 && !strcmp(d->call.name, "close"))
		map_del(&d->s->connecting, (uint64_t)leader(d) << 32 | (uint32_t)fd);
	return r < 0 ? r : 0;
}

int strace_sock_take(struct strace_done *d, struct err *err)
{
	const char *name = d->call.name;
	int told = 0, r = 0;
	size_t i;

	if (!strcmp(name, "connect"))
		return take_connect(d, err);
	if (!strcmp(name, "accept") || !strcmp(name, "accept4"))
		return take_accept(d, err);
	if (!strcmp(name, "shutdown"))
		return take_shutdown(d, err);
	for (i = 0; r >= 0 && i < ARRAY_LEN(movers); i++) {
		if (strcmp(name, movers[i].name))
			continue;
		r = take_moved(d, movers[i].fd, movers[i].flags, err);
		told |= r > 0;
	}
	if (r < 0 || told)
		return r < 0 ? r : 1;
	return take_sight(d, err);
}

void strace_sock_fini(struct strace *s)
{
	free(s->streams);
	free(s->connects);
	map_fini(&s->connecting);
}
