/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ZooKeeper's protocol, as zookeeper.jute of its sources has it: numbers are big-endian, strings and buffers have their
 * length (4 bytes) before them, and so has each packet.  A session is new with each connection.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "kv.h"

#define SESSION_MS 10000
#define PERMS_ALL 31
#define XID 1 /* one request at a time: it needs no number of its own */

enum { OP_CREATE = 1, OP_GET = 4, OP_SET = 5 };
enum { ERR_NO_NODE = 101, ERR_NODE_EXISTS = 110 }; /* KeeperException.Code, negated */

struct packet {
	char bytes[256];
	size_t len;
};

static void put_bytes(struct packet *p, const void *data, size_t len)
{
	if (len > sizeof(p->bytes) - p->len)
		len = sizeof(p->bytes) - p->len;
	memcpy(p->bytes + p->len, data, len);
	p->len += len;
}

static void put_int(struct packet *p, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	put_bytes(p, &be, sizeof(be));
}

static void put_long(struct packet *p, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	put_bytes(p, &be, sizeof(be));
}

static void put_buffer(struct packet *p, const void *data, size_t len)
{
	put_int(p, (int32_t)len);
	put_bytes(p, data, len);
}

static void put_string(struct packet *p, const char *text)
{
	put_buffer(p, text, strlen(text));
}

static int32_t get_int(const char *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return (int32_t)be32toh(be);
}

/* The packet with its length, in one write; the answer, of at least `least` bytes, lies in c->reply. */
static int exchange(struct kv_client *c, const struct packet *p, size_t least)
{
	char out[sizeof(p->bytes) + 4];
	uint32_t be = htobe32((uint32_t)p->len);
	size_t have = 0, want = 4;
	ssize_t n;
	int r;

	memcpy(out, &be, 4);
	memcpy(out + 4, p->bytes, p->len);
	r = kv_send(c, out, p->len + 4);
	if (r < 0)
		return r;
	while (have < want) {
		n = kv_receive(c, c->reply + have, want - have);
		if (n < 0)
			return (int)n;
		have += (size_t)n;
		if (have == 4)
			want = 4 + (uint32_t)get_int(c->reply);
		if (want > sizeof(c->reply) || (have >= 4 && want < 4 + least))
			return -EPROTO;
	}
	return 0;
}

static int greet(struct kv_client *c)
{
	static const char password[16];
	struct packet p = { 0 };

	put_int(&p, 0);	 /* version */
	put_long(&p, 0); /* the last change seen */
	put_int(&p, SESSION_MS);
	put_long(&p, 0); /* a new session */
	put_buffer(&p, password, sizeof(password));
	return exchange(c, &p, 4 + 4 + 8 + 4);
}

static void put_acl(struct packet *p)
{
	put_int(p, 1);
	put_int(p, PERMS_ALL);
	put_string(p, "world");
	put_string(p, "anyone");
}

/* What the answer's head says went wrong, as a positive number; 0: nothing; or -errno. */
static int call(struct kv_client *c, int32_t op, const char *path, const char *value)
{
	struct packet p = { 0 };
	int r;

	put_int(&p, XID);
	put_int(&p, op);
	put_string(&p, path);
	if (op == OP_GET)
		put_bytes(&p, "", 1); /* no watch */
	else
		put_string(&p, value);
	if (op == OP_SET)
		put_int(&p, -1); /* any version */
	if (op == OP_CREATE) {
		put_acl(&p);
		put_int(&p, 0); /* it stays */
	}
	r = exchange(c, &p, 4 + 8 + 4);
	if (r < 0)
		return r;
	r = get_int(c->reply + 4 + 4 + 8);
	return get_int(c->reply + 4) == XID && r <= 0 && r > -1000 ? -r : -EPROTO;
}

/* A key that is not there yet is made by the first write, and may be read before it. */
static int request(struct kv_client *c, const char *key, const char *value)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/%s", key);
	r = call(c, value ? OP_SET : OP_GET, path, value);
	if (r == ERR_NO_NODE && value)
		r = call(c, OP_CREATE, path, value);
	return r == ERR_NO_NODE || r == ERR_NODE_EXISTS ? 0 : r;
}

const struct kv_protocol kv_zookeeper = {
	.name = "zookeeper", .get = "get", .good = 0, .greet = greet, .request = request
};
