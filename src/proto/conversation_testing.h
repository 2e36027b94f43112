/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_CONVERSATION_TESTING_H
#define SAKER_PROTO_CONVERSATION_TESTING_H
/*
 * conversation_testing - tables of conversations, piece by piece, and what is to be told of them; and the same conversations
 * with every byte of theirs made another one in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proto/proto.h"

#define MINE __attribute__((unused)) static
#define MAX_PIECES 16
#define PIECE_BYTES 1024
#define BYTES(s) .data = (s), .len = sizeof(s) - 1

struct say {
	char who;	  /* '>': this end, '<': the other; 'i', 'o': likewise, but it is lost */
	const char *data; /* kept */
	uint32_t more;	  /* bytes behind it that were not */
	uint32_t len;	  /* of data with NUL in it */
	const char *hex;  /* instead of data: digits, blanks, and words in '' */
};

struct case_ {
	const char *what;
	struct opening {
		int8_t not_client; /* 0: this end is the client; 1: the server; -1: not known */
		bool datagram;
		uint32_t joined; /* bytes of each direction that were said before */
	} opening;
	struct say says[MAX_PIECES];
	const char *
		told; /* lines: protocol operation resource status flags 'error' (peer) [id] request@tags response@tags */
};

struct log {
	char text[4096];
};

/* A byte of a piece that is made another one. */
struct spoil {
	uint32_t piece, byte;
	uint8_t with;
};

static void note(void *arg, const struct proto_exchange *x)
{
	static const char letters[] = "FTUAMOCE"; /* by bit of enum proto_flags */
	struct log *log = arg;
	size_t n = strlen(log->text), size = sizeof(log->text) - n;
	char flags[16] = "", *to = log->text + n;

	for (int i = 0; i < 8; i++)
		if (x->flags >> i & 1)
			strncat(flags, &letters[i], 1);
	n = snprintf(to, size, "%s %s %s %d %s", x->protocol, x->operation, x->resource, x->status, flags);
	if (*x->error && n < size)
		n += snprintf(to + n, size - n, " '%s'", x->error);
	if (*x->peer && strcmp(x->peer, "a") != 0 && n < size)
		n += snprintf(to + n, size - n, " (%s)", x->peer);
	if (*x->ids.request_id && n < size)
		n += snprintf(to + n, size - n, " [%s]", x->ids.request_id);
	for (int i = 0; i < 2; i++) {
		const struct proto_mark *m = i ? &x->response : &x->request;

		if (m->known && n < size)
			n += snprintf(to + n, size - n, " %llu-%llu@%llu-%llu", (unsigned long long)m->offset,
				      (unsigned long long)m->end, (unsigned long long)m->first_tag,
				      (unsigned long long)m->last_tag);
	}
	if (n < size)
		snprintf(to + n, size - n, "\n");
}

/* The bytes of a piece; how many. */
static uint32_t piece_bytes(const struct say *s, uint8_t out[PIECE_BYTES])
{
	uint32_t n = 0;
	bool word = false;

	if (!s->hex) {
		n = s->len ? s->len : (uint32_t)strlen(s->data);
		assert_true(n <= PIECE_BYTES);
		memcpy(out, s->data, n);
		return n;
	}
	for (const char *h = s->hex; *h; h++) {
		assert_true(n < PIECE_BYTES);
		if (*h == '\'') {
			word = !word;
		} else if (word) {
			out[n++] = (uint8_t)*h;
		} else if (*h != ' ') {
			out[n++] = (uint8_t)strtoul((char[]) { h[0], h[1], 0 }, NULL, 16);
			h++;
		}
	}
	return n;
}

/* spoil: NULL ok.  The piece is copied, so that a sanitizer sees what is read beyond it. */
static void say(struct proto_conn *c, const struct case_ *cs, uint32_t i, uint64_t at[2], const struct spoil *spoil)
{
	const struct say *s = &cs->says[i];
	const bool sent = s->who == '>' || s->who == 'i';
	uint8_t bytes[PIECE_BYTES], *copy;
	struct proto_piece p = { .offset = at[sent], .boot_ns = i, .begin_ns = i, .tag = i + 1, .sent = sent };

	p.have = piece_bytes(s, bytes);
	p.bytes = p.have + s->more;
	copy = malloc(p.have ? p.have : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, p.have);
	if (spoil && spoil->piece == i && spoil->byte < p.have)
		copy[spoil->byte] = spoil->with;
	p.data = copy;
	if (!cs->opening.datagram)
		at[sent] += p.bytes;
	if (s->who == '>' || s->who == '<')
		proto_conn_feed(c, &p);
	free(copy);
}

static void run(const struct case_ *cs, const struct spoil *spoil, proto_exchange_fn *told, void *arg)
{
	struct proto_conn_opts opts = { .exchange = told, .arg = arg, .datagram = cs->opening.datagram };
	struct proto_conn *c = NULL;
	uint64_t at[2] = { cs->opening.joined, cs->opening.joined };

	opts.client = (int8_t)(cs->opening.not_client < 0 ? -1 : !cs->opening.not_client);
	assert_int_equal(proto_conn_new(&opts, &c), 0);
	for (uint32_t i = 0; i < MAX_PIECES && cs->says[i].who; i++)
		say(c, cs, i, at, spoil);
	proto_conn_end(c, 0);
	proto_conn_free(c);
}

MINE void run_all(const struct case_ *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct log log = { "" };

		run(&cases[i], NULL, note, &log);
		if (strcmp(log.text, cases[i].told))
			fail_msg("%s: told\n%sinstead of\n%s", cases[i].what, log.text, cases[i].told);
	}
}

/* What holds of every exchange, whatever was said. */
static void check_bounds(void *arg, const struct proto_exchange *x)
{
	const uint64_t most = *(const uint64_t *)arg;

	assert_true(x->protocol && *x->protocol && !(x->flags >> 8));
	assert_true(memchr(x->operation, 0, sizeof(x->operation)) && memchr(x->resource, 0, sizeof(x->resource)));
	assert_true(memchr(x->error, 0, sizeof(x->error)) && memchr(x->peer, 0, sizeof(x->peer)));
	assert_true(x->request.known || x->response.known);
	assert_true(x->request.offset <= x->request.end && x->request.end <= most);
	assert_true(x->response.offset <= x->response.end && x->response.end <= most);
}

/* Every byte that is kept becomes 0, 255, and one with another lowest and highest bit. */
MINE void run_spoiled(const struct case_ *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t most = cases[i].opening.joined;
		uint8_t bytes[PIECE_BYTES];

		for (uint32_t k = 0; k < MAX_PIECES && cases[i].says[k].who; k++)
			most += piece_bytes(&cases[i].says[k], bytes) + cases[i].says[k].more;
		for (uint32_t k = 0; k < MAX_PIECES && cases[i].says[k].who; k++) {
			const uint32_t len = piece_bytes(&cases[i].says[k], bytes);

			for (uint32_t b = 0; b < len; b++) {
				const uint8_t with[] = { 0, 255, bytes[b] ^ 1, bytes[b] ^ 128 };

				for (uint32_t w = 0; w < sizeof(with); w++)
					run(&cases[i], &(struct spoil) { k, b, with[w] }, check_bounds, &most);
			}
		}
	}
}

#endif
