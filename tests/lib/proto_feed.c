/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_feed - feeds recorded conversations to src/proto, and prints the exchanges as lines of JSON.
 *
 *	proto_feed LOG [prefix=N] [seed=N] [cut=PERCENT] [drop=PERCENT] [skip=N] [client=-1|0|1]
 *
 * LOG (tests/lib/proto_tap.py writes it): records of `u32 connection, u8 kind, u64 ns, u32 bytes`, little-endian, and the
 * bytes.  Kinds: 'c' said by the client, 's' by the server, 'd' 'r' datagrams of these, 'e' the end.
 *
 * prefix: so many bytes of each piece are kept.  cut: so many pieces in a hundred are split at a random place.  drop: so many
 * are lost.  skip: the first N pieces of each connection are not fed (attached in the middle).  client: what the
 * connection is said to be; the pieces of the client are sent ones unless it is 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

#define CONNS 65536

struct feed {
	struct proto_conn *conn;
	uint32_t number;
	uint64_t at[2]; /* [said by the client] */
	uint64_t pieces, dropped;
	bool datagram;
};

struct options {
	uint64_t prefix, seed, cut, drop, skip;
	int client;
};

static struct options opts = { .prefix = UINT64_MAX, .client = 1 };
static struct feed *feeds[CONNS];
static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state += 0x9e3779b97f4a7c15;
	uint64_t z = random_state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void quoted(const char *name, const char *text)
{
	printf(",\"%s\":\"", name);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else
			putchar(*text);
	putchar('"');
}

static void hex(const char *name, const uint8_t *s, size_t len)
{
	printf(",\"%s\":\"", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", s[i]);
	putchar('"');
}

static void mark(const char *name, const struct proto_mark *m)
{
	if (m->known)
		printf(",\"%s\":[%llu,%llu,%llu,%llu,%llu,%llu]", name, (unsigned long long)m->offset,
		       (unsigned long long)m->end, (unsigned long long)m->first_ns, (unsigned long long)m->last_ns,
		       (unsigned long long)m->first_tag, (unsigned long long)m->last_tag);
}

static void print_exchange(void *arg, const struct proto_exchange *x)
{
	static const char *const flags[] = { "failed",	"timing",  "unanswered", "unasked",
					     "touched", "one_way", "client",	 "encrypted" };
	const struct feed *f = arg;

	printf("{\"conn\":%u,\"protocol\":\"%s\",\"status\":%d,\"flags\":[", f->number, x->protocol, x->status);
	for (int i = 0, n = 0; i < 8; i++)
		if (x->flags >> i & 1)
			printf("%s\"%s\"", n++ ? "," : "", flags[i]);
	putchar(']');
	quoted("operation", x->operation);
	quoted("resource", x->resource);
	quoted("error", x->error);
	quoted("peer", x->peer);
	quoted("request_id", x->ids.request_id);
	hex("trace", x->ids.trace, sizeof(x->ids.trace));
	hex("parent", x->ids.parent, sizeof(x->ids.parent));
	mark("request", &x->request);
	mark("response", &x->response);
	printf("}\n");
}

static struct feed *feed_of(uint32_t number, bool datagram)
{
	struct feed *f = feeds[number % CONNS];
	struct proto_conn_opts o = { .datagram = datagram, .client = (int8_t)opts.client, .exchange = print_exchange };

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	o.arg = f;
	if (!f || proto_conn_new(&o, &f->conn))
		abort();
	f->number = number;
	f->datagram = datagram;
	feeds[number % CONNS] = f;
	return f;
}

static void feed_end(struct feed *f)
{
	if (!f)
		return;
	proto_conn_end(f->conn, 0);
	proto_conn_free(f->conn);
	feeds[f->number % CONNS] = NULL;
	free(f);
}

static void feed(struct feed *f, bool client, uint64_t ns, const uint8_t *data, uint32_t bytes, bool lost)
{
	static uint64_t tag;
	struct proto_piece p = {
		.offset = f->datagram ? 0 : f->at[client],
		.boot_ns = ns,
		.begin_ns = ns,
		.tag = ++tag,
		.data = data,
		.have = bytes < opts.prefix ? bytes : (uint32_t)opts.prefix,
		.bytes = bytes,
		.sent = client == (opts.client != 0),
	};
	uint8_t *copy = malloc(p.have ? p.have : 1); /* so that a sanitizer sees what is read beyond */

	f->at[client] += bytes;
	if (!copy)
		abort();
	memcpy(copy, data, p.have);
	p.data = copy;
	if (!lost)
		proto_conn_feed(f->conn, &p);
	free(copy);
}

static void record(uint32_t number, char kind, uint64_t ns, const uint8_t *data, uint32_t bytes)
{
	const bool client = kind == 'c' || kind == 'd', datagram = kind == 'd' || kind == 'r';
	struct feed *f;
	bool lost;

	if (kind == 'e') {
		feed_end(feeds[number % CONNS]);
		return;
	}
	f = feed_of(number, datagram);
	lost = f->pieces++ < opts.skip || random_next() % 100 < opts.drop;
	if (!datagram && bytes > 1 && random_next() % 100 < opts.cut) {
		const uint32_t at = 1 + (uint32_t)(random_next() % (bytes - 1));

		feed(f, client, ns, data, at, lost);
		data += at;
		bytes -= at;
	}
	feed(f, client, ns, data, bytes, lost);
}

static bool option(const char *arg)
{
	struct {
		const char *name;
		uint64_t *value;
	} names[] = { { "prefix=", &opts.prefix },
		      { "seed=", &opts.seed },
		      { "cut=", &opts.cut },
		      { "drop=", &opts.drop },
		      { "skip=", &opts.skip } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(arg, names[i].name, strlen(names[i].name))) {
			*names[i].value = strtoull(arg + strlen(names[i].name), NULL, 10);
			return true;
		}
	if (strncmp(arg, "client=", 7) != 0)
		return false;
	opts.client = (int)strtol(arg + 7, NULL, 10);
	return true;
}

int main(int argc, char **argv)
{
	uint8_t head[17], *data = malloc(1 << 24);
	FILE *in = argc > 1 ? fopen(argv[1], "rb") : NULL;

	for (int i = 2; i < argc; i++)
		if (!option(argv[i])) {
			(void)fprintf(stderr, "proto_feed: unknown option '%s'\n", argv[i]);
			return 2;
		}
	if (!in || !data) {
		(void)fprintf(stderr, "proto_feed: cannot open '%s'\n", argc > 1 ? argv[1] : "");
		return 2;
	}
	random_state = opts.seed;
	while (fread(head, sizeof(head), 1, in) == 1) {
		uint32_t number, bytes;
		uint64_t ns;

		memcpy(&number, head, 4);
		memcpy(&ns, head + 5, 8);
		memcpy(&bytes, head + 13, 4);
		if (bytes > 1 << 24 || (bytes && fread(data, bytes, 1, in) != 1))
			break;
		record(number, (char)head[4], ns, data, bytes);
	}
	for (size_t i = 0; i < CONNS; i++)
		feed_end(feeds[i]);
	(void)fclose(in);
	free(data);
	return 0;
}
