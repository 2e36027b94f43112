/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payload that describes itself.
 *
 * What one writer (a thread) sends on one stream is a sequence of records of 16 bytes. Each byte:
 *
 *	bits 7..5  the writer, 0..7	so a send that the kernel cut anywhere by another
 *					writer's bytes is taken apart exactly, byte by byte
 *	bit 4      1 in the first byte of a record
 *	bits 3..0  four of the record's 64 bits, highest first
 *
 * The 64 bits: stream id (16), number of the record (32), a hash of both, the writer and the seed
 * (16). So byte k of writer w of stream s is a function of (s, w, k), and the receiver compares
 * everything that it gets with it.
 *
 * A stream with many readers has one writer; a reader finds its place from any whole record. Fewer
 * than 31 bytes may hold none: they are kept and placed by the join, in what the others left.
 *
 * A sparse stream carries a record at every 64 KiB only, the rest is the byte 0xee, not compared.
 *
 * A datagram begins with one record {magic, stream, number}, in plain bytes.
 */
#define _GNU_SOURCE 1
#include "traffic.h"

#include <endian.h>
#include <string.h>

#define DGRAM_MAGIC 0x53616b44u
#define NIBBLES 0x0f0f0f0f0f0f0f0full

struct dgram_head {
	uint32_t magic, stream, seq, hash;
};

static uint64_t record_bits(const struct stream *st, unsigned w, uint64_t seq)
{
	uint64_t id = (uint64_t)st->id << 48 | (seq & UINT32_MAX) << 16;

	return id | (mix(id, w, seq >> 32) & 0xffff);
}

static uint64_t spread(uint32_t half)
{
	uint64_t x = half;

	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = (x | x << 4) & NIBBLES;
	return htobe64(x);
}

static void record_make(const struct stream *st, unsigned w, uint64_t seq, char out[RECORD])
{
	uint64_t bits = record_bits(st, w, seq), pattern = 0x0101010101010101ull * (w << 5), half;

	half = spread(bits >> 32) | pattern;
	memcpy(out, &half, 8);
	half = spread((uint32_t)bits) | pattern;
	memcpy(out + 8, &half, 8);
	out[0] |= 0x10;
}

/* The part of record seq that lies in [k, k + n), to its place in buf, which begins at k */
static void record_put(const struct stream *st, unsigned w, uint64_t seq, uint64_t start, uint64_t k, char *buf,
		       size_t n)
{
	uint64_t from = start > k ? start : k, to = start + RECORD < k + n ? start + RECORD : k + n;
	char rec[RECORD];

	record_make(st, w, seq, rec);
	memcpy(buf + (from - k), rec + (from - start), to - from);
}

static void fill_sparse(const struct stream *st, uint64_t k, char *buf, size_t n)
{
	uint64_t seq = k / SPARSE_STEP;

	memset(buf, 0xee, n);
	for (; seq * SPARSE_STEP < k + n; seq++)
		if (seq * SPARSE_STEP + RECORD > k)
			record_put(st, 0, seq, seq * SPARSE_STEP, k, buf, n);
}

void bytes_fill(struct stream *st, unsigned w, uint64_t k, char *buf, size_t n)
{
	size_t at = 0;

	if (st->sparse) {
		fill_sparse(st, k, buf, n);
		return;
	}
	while (at < n) {
		uint64_t seq = (k + at) / RECORD;
		size_t skip = (k + at) % RECORD;

		if (!skip && n - at >= RECORD)
			record_make(st, w, seq, buf + at);
		else
			record_put(st, w, seq, seq * RECORD, k, buf, n);
		at += RECORD - skip;
	}
}

/* How many bytes of buf are what writer w sent from its byte k on */
static size_t match(struct stream *st, unsigned w, uint64_t k, const char *buf, size_t n)
{
	char want[4096];
	size_t at = 0, i;

	while (at < n) {
		size_t part = n - at < sizeof(want) ? n - at : sizeof(want);

		bytes_fill(st, w, k + at, want, part);
		if (memcmp(want, buf + at, part)) {
			for (i = 0; want[i] == buf[at + i]; i++)
				;
			return at + i;
		}
		at += part;
	}
	return n;
}

static void take_sparse(struct call *c, const char *buf)
{
	struct stream *st = c->st;
	uint64_t k = st->pos, seq = k / SPARSE_STEP;
	char want[RECORD];

	for (; seq * SPARSE_STEP < k + c->len; seq++) {
		uint64_t start = seq * SPARSE_STEP;

		if (start < k || start + RECORD > k + c->len)
			continue;
		record_make(st, 0, seq, want);
		if (memcmp(want, buf + (start - k), RECORD))
			die("%s: byte %llu of the stream is not what was sent", st->conn->name,
			    (unsigned long long)start);
	}
	log_run(c, &(struct run) { .off = k, .k = k, .len = c->len });
	st->pos += c->len;
}

static bool record_read(struct stream *st, const unsigned char *p, uint64_t *ret_seq)
{
	uint64_t bits = 0;
	char want[RECORD];

	for (int i = 0; i < RECORD; i++)
		bits = bits << 4 | (p[i] & 15);
	*ret_seq = bits >> 16 & UINT32_MAX;
	record_make(st, 0, *ret_seq, want);
	return !memcmp(want, p, RECORD);
}

static void take_anchored(struct call *c, const char *buf)
{
	struct run run = { .off = NO_OFF, .len = c->len };
	const unsigned char *p = (const unsigned char *)buf;
	uint64_t seq;
	size_t i;

	for (i = 0; i + RECORD <= c->len; i++)
		if (p[i] & 0x10 && record_read(c->st, p + i, &seq))
			break;
	if (i + RECORD <= c->len) {
		run.k = run.off = seq * RECORD - i;
		if (match(c->st, 0, run.k, buf, c->len) != c->len)
			die("%s: one receive call returned bytes that are not contiguous", c->st->conn->name);
	} else {
		run.raw = memcpy(arena_alloc(c->len), buf, c->len);
	}
	log_run(c, &run);
}

void bytes_take(struct call *c, const char *buf)
{
	struct stream *st = c->st;
	size_t at = 0;

	if (st->sparse || st->many_readers) {
		(st->sparse ? take_sparse : take_anchored)(c, buf);
		return;
	}
	while (at < c->len) {
		unsigned w = (unsigned char)buf[at] >> 5;
		size_t n = match(st, w, st->rk[w], buf + at, c->len - at);

		if (!n)
			die("%s: byte %llu of the stream (writer %u, its byte %llu) is not what was sent",
			    st->conn->name, (unsigned long long)st->pos, w, (unsigned long long)st->rk[w]);
		log_run(c, &(struct run) { .off = st->pos, .k = st->rk[w], .len = n, .w = w });
		st->rk[w] += n;
		st->pos += n;
		at += n;
	}
}

void bytes_head(struct stream *st, uint32_t seq, char *buf, size_t n)
{
	struct dgram_head h = {
		.magic = DGRAM_MAGIC,
		.stream = st->id,
		.seq = seq,
		.hash = mix(st->id, seq, 7),
	};

	memset(buf, 'd', n);
	memcpy(buf, &h, n < sizeof(h) ? n : sizeof(h));
}

struct stream *bytes_dgram(const char *buf, size_t n, uint32_t *ret_seq)
{
	struct dgram_head h;

	if (n < sizeof(h))
		return NULL;
	memcpy(&h, buf, sizeof(h));
	if (h.magic != DGRAM_MAGIC || h.stream >= world->n_streams || h.hash != (uint32_t)mix(h.stream, h.seq, 7))
		return NULL;
	*ret_seq = h.seq;
	return world->streams[h.stream];
}
