/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_proto - any pieces in both directions, with bytes that were not kept, lost, or come twice, to all protocols.
 *
 * Input: a byte of options (1: datagrams; 2, 4: client is 0, 1; 8: joined in the middle), then pieces: two bytes how many
 * bytes are kept, one of how many sixteens more were not, one of bits (1: sent; 2, 4, 8: so many eights are lost before;
 * 16: the piece repeats three bytes), and the kept bytes (tests/fuzz/pack_proto.py writes such).
 *
 * True of any: each exchange has a message; its messages lie within what was fed, and the tags are those of the pieces
 * with their first and last bytes; texts end; no two exchanges of one protocol have a request at the same place; after
 * the end nothing is told.
 */
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES 4096
#define TRUSTED 24 /* pieces of one message, up to which the tags are exact */

struct world {
	struct proto_piece pieces[PIECES];
	size_t n;
	uint64_t at[2], begin[2], end[2];
	uint64_t asked[PIECES];
	size_t nasked;
	bool datagram, ended;
};

static struct world w;

static void check_text(const char *text, size_t size)
{
	MUST(memchr(text, 0, size));
}

static bool within(uint64_t tag, uint64_t offset)
{
	const struct proto_piece *p = &w.pieces[tag - 1];

	return p->offset <= offset && offset < p->offset + p->bytes;
}

static void check_mark(const struct proto_mark *m, bool sent)
{
	if (!m->known)
		return;
	MUST(m->offset <= m->end);
	MUST(m->first_tag >= 1 && m->first_tag <= w.n && m->last_tag >= 1 && m->last_tag <= w.n);
	MUST(m->first_tag <= m->last_tag && m->first_ns <= m->last_ns);
	MUST(w.pieces[m->first_tag - 1].sent == sent && w.pieces[m->last_tag - 1].sent == sent);
	if (w.datagram) {
		MUST(m->offset == 0 && m->end <= w.pieces[m->first_tag - 1].bytes);
		return;
	}
	MUST(m->offset >= w.begin[sent] && m->end <= w.end[sent]);
	if (m->end > m->offset && m->last_tag - m->first_tag < TRUSTED && w.n < TRUSTED)
		MUST(within(m->first_tag, m->offset) || m->offset < w.pieces[m->first_tag - 1].offset);
}

static void told(void *arg, const struct proto_exchange *x)
{
	const bool client = x->flags & PROTO_CLIENT;

	(void)arg;
	MUST(!w.ended);
	MUST(x->protocol && *x->protocol);
	MUST(x->request.known || x->response.known);
	MUST(!(x->flags & PROTO_UNASKED) || !x->request.known);
	MUST(!(x->flags & PROTO_UNANSWERED) || !x->response.known);
	check_text(x->operation, sizeof(x->operation));
	check_text(x->resource, sizeof(x->resource));
	check_text(x->error, sizeof(x->error));
	check_text(x->peer, sizeof(x->peer));
	check_text(x->ids.request_id, sizeof(x->ids.request_id));
	check_mark(&x->request, client);
	check_mark(&x->response, !client);
	if (!x->request.known || w.datagram || w.nasked == PIECES)
		return;
	for (size_t i = 0; i < w.nasked; i++)
		MUST(w.asked[i] != (x->request.offset << 1 | client));
	w.asked[w.nasked++] = x->request.offset << 1 | client;
}

/* The next piece of the input; false: there is none. */
static bool next_piece(const uint8_t **data, size_t *size, struct proto_piece *p)
{
	const uint8_t *s = *data;
	size_t have;
	uint8_t bits;

	if (*size < 4 || w.n == PIECES)
		return false;
	have = (size_t)s[0] | (size_t)s[1] << 8;
	bits = s[3];
	if (have > *size - 4)
		have = *size - 4;
	memset(p, 0, sizeof(*p));
	p->sent = bits & 1;
	if (!w.datagram) {
		w.at[p->sent] += (bits >> 1 & 7) * 8;
		if (bits & 16 && w.at[p->sent] >= w.begin[p->sent] + 3)
			w.at[p->sent] -= 3;
		p->offset = w.at[p->sent];
	}
	p->boot_ns = p->begin_ns = w.n * 10;
	p->have = (uint32_t)have;
	p->bytes = p->have + s[2] * 16u;
	p->tag = w.n + 1;
	p->data = s + 4;
	*data += 4 + have;
	*size -= 4 + have;
	return true;
}

static void feed(struct proto_conn *c, struct proto_piece *p)
{
	uint8_t *copy = malloc(p->have + 1); /* its bounds are guarded */

	MUST(copy);
	memcpy(copy, p->data, p->have);
	p->data = p->have ? copy + 1 : copy;
	memmove(copy + 1, copy, p->have);
	w.pieces[w.n++] = *p;
	w.at[p->sent] += w.datagram ? 0 : p->bytes;
	if (p->offset + p->bytes > w.end[p->sent])
		w.end[p->sent] = p->offset + p->bytes;
	proto_conn_feed(c, p);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_conn_opts opts = { .exchange = told };
	struct proto_conn *c = NULL;
	struct proto_piece p;

	if (!size)
		return 0;
	w.n = w.nasked = 0;
	w.ended = false;
	w.datagram = opts.datagram = *data & 1;
	opts.client = (int8_t)(*data >> 1 & 3 ? (*data >> 2 & 1) : -1);
	w.begin[0] = w.at[0] = w.begin[1] = w.at[1] = *data & 8 && !w.datagram ? 1000 : 0;
	w.end[0] = w.end[1] = 0;
	data++;
	size--;
	MUST(!proto_conn_new(&opts, &c));
	while (next_piece(&data, &size, &p))
		feed(c, &p);
	proto_conn_end(c, w.n * 10);
	MUST(proto_conn_name(c));
	w.ended = true;
	MUST(!proto_conn_free(c));
	return 0;
}
