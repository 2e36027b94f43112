/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/payloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mask_payload.h"
#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "event/payload.h"

struct queued {
	uint64_t sock, offset, boot_ns;
	size_t at; /* in the queue */
	bool sent;
};

struct stream {
	uint64_t sock;
	struct mask_conn *conn; /* NULL: free */
	bool touched;
};

struct closed {
	uint64_t sock, boot_ns;
};

struct payloads {
	struct mask_words words;
	kernel_event_fn *emit;
	void *arg;
	struct map by_sock; /* socket -> index of its stream */
	struct stream *streams;
	size_t nstreams, hand;
	size_t vacant; /* the first free one, counted from 1; its sock is the next; 0: none */
	struct buf queue;
	struct queued *refs;
	size_t nrefs;
	struct closed *closed;
	size_t nclosed;
};

/* --- connections --- */

static void stream_drop(struct payloads *p, struct stream *s)
{
	if (!s->conn)
		return;
	(void)map_del(&p->by_sock, s->sock);
	s->conn = mask_conn_free(s->conn);
	s->sock = p->vacant;
	p->vacant = (size_t)(s - p->streams) + 1;
}

/* Gives up one that was silent since the hand went by last. */
static void stream_give_up(struct payloads *p)
{
	struct stream *s;

	for (;;) {
		s = &p->streams[p->hand];
		p->hand = (p->hand + 1) % p->nstreams;
		if (!s->touched)
			break;
		s->touched = false;
	}
	stream_drop(p, s);
}

static struct stream *stream_place(struct payloads *p)
{
	struct stream *s;

	if (!p->vacant && p->nstreams == PAYLOADS_STREAMS_MAX)
		stream_give_up(p);
	if (p->vacant) {
		s = &p->streams[p->vacant - 1];
		p->vacant = (size_t)s->sock;
		return s;
	}
	s = array_grown(p->streams, p->nstreams, sizeof(*s));
	if (!s)
		return NULL;
	p->streams = s;
	s = &p->streams[p->nstreams++];
	*s = (struct stream) { 0 };
	return s;
}

static struct mask_conn *conn_of(struct payloads *p, uint64_t sock, bool make)
{
	uint64_t *found = map_get(&p->by_sock, sock);
	struct mask_conn *c = NULL;
	struct stream *s;

	if (found) {
		p->streams[*found].touched = true;
		return p->streams[*found].conn;
	}
	if (!make || mask_conn_new(&p->words, &c) < 0)
		return NULL;
	s = stream_place(p);
	if (!s || map_set(&p->by_sock, sock, (uint64_t)(s - p->streams)) < 0)
		return mask_conn_free(c); /* the place stays empty, until the end */
	*s = (struct stream) { .sock = sock, .conn = c, .touched = true };
	return c;
}

/* What TLS carries is a stream of its own beside that of its records; sockets are counted up from 1. */
static uint64_t stream_key(const struct event_payload_piece *piece)
{
	return piece->flags & PAYLOADFLAGS_DECRYPTED ? ~piece->sock : piece->sock;
}

/* --- events --- */

static int emit_payload(struct payloads *p, const struct event_payload_piece *piece, const uint8_t *data, uint32_t kept)
{
	struct event_payload e = { .h = piece->h,
				   .sock = piece->sock,
				   .offset = piece->offset,
				   .bytes = piece->bytes,
				   .flags = piece->flags };
	union {
		struct event_header h;
		char bytes[sizeof(e) + 2 * MASK_PIECE_MAX + 16];
	} room;
	size_t taken, len;

	len = payload_escape(data, kept, room.bytes + sizeof(e), 2 * MASK_PIECE_MAX + 1, &taken);
	e.kept = (uint32_t)taken;
	len += sizeof(e) + 1;
	e.h.type = EVENT_PAYLOAD;
	e.h.length = (uint16_t)((len + 7) & ~7U);
	memset(room.bytes + len, 0, e.h.length - len);
	memcpy(&room, &e, sizeof(e));
	return p->emit(p->arg, &room.h);
}

static int one_piece(struct payloads *p, const struct event_payload_piece *piece)
{
	uint8_t data[MASK_PIECE_MAX];
	struct mask_piece m = { .offset = piece->offset,
				.bytes = piece->bytes,
				.kept = MIN(piece->kept, MASK_PIECE_MAX),
				.sent = piece->flags & PAYLOADFLAGS_SENT,
				.data = data };
	struct mask_conn *c;

	memcpy(data, (const char *)piece + sizeof(*piece), m.kept);
	if (piece->flags & PAYLOADFLAGS_DATAGRAM)
		return emit_payload(p, piece, data, m.kept);
	c = conn_of(p, stream_key(piece), true);
	if (!c)
		return emit_payload(p, piece, data, 0);
	mask_payload(c, &m);
	return emit_payload(p, piece, data, m.kept);
}

/* --- the queue --- */

static int queued_compare(const void *pa, const void *pb)
{
	const struct queued *a = pa, *b = pb;

	if (a->sock != b->sock)
		return a->sock < b->sock ? -1 : 1;
	if (a->sent != b->sent)
		return a->sent - b->sent;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

static int queue_run(struct payloads *p, uint64_t before)
{
	struct buf kept = BUF_INIT;
	size_t i, n = 0;
	int e = 0;

	qsort(p->refs, p->nrefs, sizeof(*p->refs), queued_compare);
	for (i = 0; i < p->nrefs; i++) {
		const struct event_header *h = (const void *)(p->queue.data + p->refs[i].at);

		if (p->refs[i].boot_ns >= before && !kept.failed) {
			p->refs[n] = p->refs[i];
			p->refs[n++].at = kept.len;
			buf_add(&kept, h, h->length);
		} else if (e >= 0) {
			e = one_piece(p, (const void *)h);
		}
	}
	if (kept.failed)
		n = 0;
	p->nrefs = n;
	buf_fini(&p->queue);
	p->queue = kept;
	p->queue.failed = false;
	return e;
}

static int queue_piece(struct payloads *p, const struct event_payload_piece *piece)
{
	struct queued *grown;
	int e = 0;

	if (p->queue.len > PAYLOADS_QUEUE_MAX)
		e = queue_run(p, UINT64_MAX);
	if (e < 0)
		return e;
	grown = array_grown(p->refs, p->nrefs, sizeof(*grown));
	if (!grown)
		return emit_payload(p, piece, NULL, 0);
	p->refs = grown;
	p->refs[p->nrefs] = (struct queued) { .sock = stream_key(piece),
					      .offset = piece->offset,
					      .boot_ns = piece->h.boot_ns,
					      .at = p->queue.len,
					      .sent = piece->flags & PAYLOADFLAGS_SENT };
	buf_add(&p->queue, piece, piece->h.length);
	if (p->queue.failed) {
		p->queue.failed = false;
		return emit_payload(p, piece, NULL, 0);
	}
	p->nrefs++;
	return 0;
}

static int take_piece(struct payloads *p, const struct event_payload_piece *piece)
{
	struct mask_conn *c;

	if (piece->h.length < sizeof(*piece) || piece->kept > piece->h.length - sizeof(*piece))
		return 0;
	if (piece->flags & PAYLOADFLAGS_DATAGRAM)
		return one_piece(p, piece);
	c = conn_of(p, stream_key(piece), false);
	if (c ? mask_conn_expects(c, piece->flags & PAYLOADFLAGS_SENT, piece->offset) : !piece->offset)
		return one_piece(p, piece);
	return queue_piece(p, piece);
}

static void note_closed(struct payloads *p, uint64_t sock, uint64_t boot_ns)
{
	struct closed *grown = map_get(&p->by_sock, sock) ? array_grown(p->closed, p->nclosed, sizeof(*grown)) : NULL;

	if (!grown)
		return; /* it goes when its place is wanted */
	p->closed = grown;
	p->closed[p->nclosed++] = (struct closed) { .sock = sock, .boot_ns = boot_ns };
}

int payloads_take(struct payloads *p, const struct event_header *h)
{
	const struct event_close *e = (const void *)h;

	if (h->type == EVENT_PAYLOAD_PIECE)
		return take_piece(p, (const void *)h);
	note_closed(p, e->sock, h->boot_ns);
	note_closed(p, ~e->sock, h->boot_ns);
	return 0;
}

static void drop_closed(struct payloads *p, uint64_t settled)
{
	size_t i, n = 0;

	for (i = 0; i < p->nclosed; i++) {
		const uint64_t *at = map_get(&p->by_sock, p->closed[i].sock);

		if (p->closed[i].boot_ns >= settled)
			p->closed[n++] = p->closed[i];
		else if (at)
			stream_drop(p, &p->streams[*at]);
	}
	p->nclosed = n;
}

int payloads_tick(struct payloads *p, uint64_t settled)
{
	int e = p->nrefs ? queue_run(p, settled) : 0;

	drop_closed(p, settled);
	return e;
}

/* --- life --- */

int payloads_new(const char *const *words, size_t nwords, kernel_event_fn *emit, void *arg, struct payloads **ret,
		 struct err *err)
{
	struct payloads *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ENOMEM, "out of memory for payloads");
	p->words = (struct mask_words) { .words = words, .n = nwords };
	p->emit = emit;
	p->arg = arg;
	*ret = p;
	return 0;
}

struct payloads *payloads_free(struct payloads *p)
{
	size_t i;

	if (!p)
		return NULL;
	for (i = 0; i < p->nstreams; i++)
		p->streams[i].conn = mask_conn_free(p->streams[i].conn);
	map_fini(&p->by_sock);
	buf_fini(&p->queue);
	free(p->streams);
	free(p->refs);
	free(p->closed);
	free(p);
	return NULL;
}
