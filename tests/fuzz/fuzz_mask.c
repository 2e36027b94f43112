/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mask - any bytes, in any pieces and both directions, are masked in place: nothing beside a piece is touched, and what
 * is masked stays so.  And a secret that is planted in a message of a known protocol, cut and kept as the
 * input says, comes out nowhere.
 *
 * The first byte says which: see LLVMFuzzerTestOneInput().  A piece of any bytes begins with how it comes: bits 0 to 5 its
 * length in eights, 6 its direction, 7 whether a part of it was not kept.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mask_payload.h"
#include "base/cleanup.h"
#include "must.h"

#define GUARD 16
#define SECRET_PART 6 /* so much of it in a row is a leak */

static const char secret[] = "Zq7Zq8Zq9Zq0Zq1Zq2Zq3Zq4";
static const char *const user_words[] = { "kennwort" };
static const struct mask_words words = { user_words, 1 };

static void mask_one(struct mask_conn *c, bool sent, uint64_t offset, const uint8_t *data, uint32_t kept,
		     uint32_t bytes, uint8_t *out)
{
	uint8_t room[MASK_PIECE_MAX + 2 * GUARD];
	struct mask_piece p = { .offset = offset, .bytes = bytes, .kept = kept, .sent = sent, .data = room + GUARD };
	size_t i;

	MUST(kept <= MASK_PIECE_MAX);
	memset(room, 0x5a, sizeof(room));
	memcpy(room + GUARD, data, kept);
	mask_payload(c, &p);
	for (i = 0; i < GUARD; i++)
		MUST(room[i] == 0x5a && room[GUARD + kept + i] == 0x5a);
	memcpy(out, room + GUARD, kept);
}

/* --- any bytes --- */

static void any(const uint8_t *data, size_t size)
{
	struct mask_conn *c = NULL;
	uint64_t at[2] = { 0 };
	uint8_t out[MASK_PIECE_MAX];

	if (mask_conn_new(&words, &c) < 0)
		return;
	while (size > 1) {
		uint8_t how = data[0];
		uint32_t len = (uint32_t)MIN((size_t)(how & 0x3f) * 8 + 1, size - 1), more = how & 0x80 ? data[1] : 0;

		mask_one(c, how & 0x40, at[how >> 6 & 1], data + 1, len, len + more, out);
		at[how >> 6 & 1] += len + more;
		if (how == 0xff)
			at[1] += 100; /* a loss */
		data += 1 + len;
		size -= 1 + len;
	}
	mask_conn_free(c);
}

/* One piece, whole, masked twice. */
static void twice(const uint8_t *data, size_t size)
{
	uint8_t once[MASK_PIECE_MAX], again[MASK_PIECE_MAX];
	uint32_t len = (uint32_t)MIN(size, (size_t)MASK_PIECE_MAX);
	uint32_t j;
	int i;

	for (i = 0; i < 2; i++) {
		struct mask_conn *c = NULL;

		if (mask_conn_new(&words, &c) < 0)
			return;
		mask_one(c, true, 0, i ? once : data, len, len, i ? again : once);
		mask_conn_free(c);
	}
	/*
	 * That the second pass changes nothing cannot be demanded: stars are written over what ended a word (a quote, a blank, a
	 * length), so what comes behind it may look like a secret now, and more is masked; nor of what HPACK has in its
	 * place, which is no star.  But a star that stands for a byte stays one: a second pass never tells more than the first.
	 */
	for (j = 0; j < len; j++)
		MUST(once[j] == data[j] || again[j] == once[j] || again[j] == '*' || once[j] != '*');
}

/* --- planted --- */

struct plant {
	const char *before, *after;
	size_t nbefore, nafter;
	bool binary; /* its length stands in it: the secret is planted whole */
};

#define PLANT(b, a)                                       \
	{                                                 \
		b, a, sizeof(b) - 1, sizeof(a) - 1, false \
	}

static const struct plant plants[] = {
	PLANT("GET /index.html HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ", "\r\nAccept: */*\r\n\r\n"),
	PLANT("GET /index.html HTTP/1.1\r\nHost: abc\r\ncookie: sid=", "; b=c\r\n\r\n"),
	PLANT("GET /index.html?user=joe&password=", "&n=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
	PLANT("GET http://joe:", "@example.org/index.html HTTP/1.1\r\n\r\n"),
	PLANT("POST /login HTTP/1.1\r\nContent-Length: 70\r\n\r\n{\"user\": \"joe\", \"password\": \"", "\"}"),
	PLANT("POST /login HTTP/1.1\r\nContent-Length: 70\r\n\r\n{\"s\":\"{\\\"api_key\\\": \\\"", "\\\"}\"}"),
	PLANT("POST /login HTTP/1.1\r\nContent-Length: 70\r\n\r\nuser=joe&kennwort=", "&n=1"),
	PLANT("*2\r\n$4\r\nAUTH\r\n$24\r\n", "\r\n*1\r\n$4\r\nPING\r\n"),
	PLANT("*1\r\n$4\r\nPING\r\n*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$24\r\n", "\r\n"),
	PLANT("\0\0\0\x10\0\3\0\0user\0j\0\0p\0\0\0\x1d", "\0Q\0\0\0\x0dSELECT 1\0"),
	PLANT("Q\0\0\0\x38"
	      "ALTER USER joe PASSWORD '",
	      "' \0"),
	PLANT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\x1c\1\4\0\0\0\1\x82\x57\x18", "\x84"),
	PLANT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\x25\1\4\0\0\0\1\x82\x00\x08x-secret\x18", "\x84"),
	PLANT("\x80\x21\0\5\0\0\0\0\0\0\0\x1d\0\0\0\0\0\0\0\0\0\0\0\0PLAIN",
	      "\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
};

static void no_secret(const uint8_t *data, size_t len)
{
	size_t i, k;

	for (i = 0; i + SECRET_PART <= len; i++)
		for (k = 0; k + SECRET_PART < sizeof(secret); k++)
			MUST(memcmp(data + i, secret + k, SECRET_PART) != 0);
}

/*
 * The first piece is long enough for the protocol to be recognised; then the input says where it is cut, and what is kept.
 * What comes before the secret is kept: nobody can know what the name of a value was that was not seen.
 */
static void planted(const uint8_t *how, size_t nhow)
{
	const struct plant *p = &plants[how[0] % ARRAY_LEN(plants)];
	uint8_t text[512], out[512];
	size_t len = p->nbefore + sizeof(secret) - 1 + p->nafter, at = 0, nout = 0, i = 1;
	struct mask_conn *c = NULL;

	memcpy(text, p->before, p->nbefore);
	memcpy(text + p->nbefore, secret, sizeof(secret) - 1);
	memcpy(text + p->nbefore + sizeof(secret) - 1, p->after, p->nafter);
	if (mask_conn_new(&words, &c) < 0)
		return;
	while (at < len) {
		size_t n = i < nhow ? 1 + how[i++] % 64U : len, named = at < p->nbefore ? p->nbefore - at : 0, kept;

		if (!at && n < 32)
			n = 32;
		if (n > len - at)
			n = len - at;
		kept = i < nhow ? how[i++] % (n + 1) : n;
		if (kept < named)
			kept = MIN(n, named);
		mask_one(c, true, at, text + at, (uint32_t)kept, (uint32_t)n, out + nout);
		nout += kept;
		at += n;
	}
	mask_conn_free(c);
	no_secret(out, nout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] % 3 == 0)
		any(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		twice(data + 1, size - 1);
	else
		planted(data + 1, size - 1);
	return 0;
}
