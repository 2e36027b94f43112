/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached_binary - memcached's binary protocol (its doc/protocol-binary.txt): a header of 24 bytes, a body of known length.
 *
 * Responses come in the order of the requests, but quiet requests have none when nothing is worth saying; a response
 * with another opcode or opaque than the oldest request says that this one was quiet.
 */
#include <stdio.h>
#include <string.h>

#include "proto/internal.h"

#define HEADER 24
#define BODY_MAX (1u << 30)
#define STAT 0x10

static const char *const names[] = {
	"GET",	     "SET",	  "ADD",       "REPLACE",   "DELETE",  "INCREMENT",  "DECREMENT",  "QUIT",
	"FLUSH",     "GETQ",	  "NOOP",      "VERSION",   "GETK",    "GETKQ",	     "APPEND",	   "PREPEND",
	"STAT",	     "SETQ",	  "ADDQ",      "REPLACEQ",  "DELETEQ", "INCREMENTQ", "DECREMENTQ", "QUITQ",
	"FLUSHQ",    "APPENDQ",	  "PREPENDQ",  "VERBOSITY", "TOUCH",   "GAT",	     "GATQ",	   NULL,
	"SASL LIST", "SASL AUTH", "SASL STEP", "GATK",	    "GATKQ",
};
#define NNAMES (sizeof(names) / sizeof(names[0]))

static const struct {
	uint16_t status;
	const char *text;
	bool failed;
} statuses[] = {
	{ 1, "key not found", false },
	{ 2, "key exists", false },
	{ 3, "value too large", true },
	{ 4, "invalid arguments", true },
	{ 5, "not stored", false },
	{ 6, "not a number", true },
	{ 0x20, "authentication error", true },
	{ 0x21, "authentication goes on", false },
	{ 0x81, "unknown command", true },
	{ 0x82, "out of memory", true },
	{ 0x83, "not supported", true },
	{ 0x84, "internal error", true },
	{ 0x85, "busy", true },
	{ 0x86, "temporary failure", true },
};

static uint16_t be16(const uint8_t *s)
{
	return (uint16_t)(s[0] << 8 | s[1]);
}

static uint32_t be32(const uint8_t *s)
{
	return (uint32_t)be16(s) << 16 | be16(s + 2);
}

static bool is_header(const struct proto_view *v)
{
	const uint8_t *s = v->data;

	return v->have >= HEADER && s[0] == (v->asks ? 0x80 : 0x81) && s[1] < NNAMES && names[s[1]] && !s[5] &&
	       s[4] <= 24 && be16(s + 2) <= 256 && be32(s + 8) <= BODY_MAX &&
	       be32(s + 8) >= (uint32_t)be16(s + 2) + s[4];
}

static bool quiet(uint8_t opcode)
{
	return names[opcode] && names[opcode][strlen(names[opcode]) - 1] == 'Q';
}

/*
 * The request that it answers.  Those before it were quiet and had no answer, or it was lost; and if it is none that is
 * known, the request was lost.
 */
static struct proto_exchange *answers(struct proto_conn *c, const struct proto_view *v)
{
	const uint64_t id = (uint64_t)v->data[1] << 32 | be32(v->data + 12);
	struct proto_exchange *match = NULL, *x;

	while ((match = proto_next(c, match)) && !(proto_awaits(match) && proto_id(match) == id))
		;
	if (!match)
		return proto_unasked(c, id, v->offset);
	while ((x = proto_awaiting(c, 0)) && x != match) {
		x->flags |= quiet((uint8_t)(proto_id(x) >> 32)) ? PROTO_ONE_WAY : PROTO_UNANSWERED | PROTO_TOUCHED;
		proto_drop(c, x);
	}
	return proto_answer(c, id, v->offset);
}

static void say_status(struct proto_exchange *x, uint16_t status)
{
	x->status = status;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status) {
			proto_text(x->error, sizeof(x->error), statuses[i].text, strlen(statuses[i].text));
			x->flags |= statuses[i].failed ? PROTO_FAILED : 0;
		}
}

static void say_operation(struct proto_exchange *x, uint8_t opcode)
{
	proto_text(x->operation, sizeof(x->operation), names[opcode], strlen(names[opcode]));
}

static int64_t response(struct proto_conn *c, const struct proto_view *v, uint64_t end)
{
	const uint8_t *s = v->data;
	struct proto_exchange *x = s[1] == STAT ? proto_answering(c, 0) : NULL;

	if (!x)
		x = answers(c, v);
	if (!x)
		return PROTO_LOST;
	if (x->flags & PROTO_UNASKED)
		say_operation(x, s[1]);
	say_status(x, be16(s + 6));
	if (s[1] != STAT || !be16(s + 2)) /* statistics end with an empty one */
		proto_answer_end(c, x, end);
	return (int64_t)(end - v->offset);
}

static int64_t request(struct proto_conn *c, const struct proto_view *v, uint64_t end)
{
	const uint8_t *s = v->data;
	const size_t key = HEADER + s[4], len = be16(s + 2);
	struct proto_exchange *x = proto_ask(c, (uint64_t)s[1] << 32 | be32(s + 12), v->offset);

	if (!x)
		return PROTO_LOST;
	say_operation(x, s[1]);
	if (len && key < v->have && strncmp(names[s[1]], "SASL", 4))
		proto_key(x->resource, sizeof(x->resource), s + key, len < v->have - key ? len : v->have - key);
	if (!strcmp(x->operation, "QUITQ"))
		x->flags |= PROTO_ONE_WAY;
	proto_ask_end(c, x, end);
	return (int64_t)(end - v->offset);
}

static int64_t binary_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	uint64_t end;

	(void)state;
	if (v->data[0] != (v->asks ? 0x80 : 0x81))
		return PROTO_NONSENSE;
	if (v->have < HEADER)
		return PROTO_MORE;
	if (!is_header(v))
		return PROTO_NONSENSE;
	if (v->asks && v->have < HEADER + (size_t)v->data[4] + be16(v->data + 2) && !v->cut)
		return PROTO_MORE;
	end = v->offset + HEADER + be32(v->data + 8);
	return v->asks ? request(c, v, end) : response(c, v, end);
}

static int binary_bid(const struct proto_view *v)
{
	if (v->data[0] != (v->asks ? 0x80 : 0x81))
		return PROTO_NEVER;
	return is_header(v) ? PROTO_SURE : v->have < HEADER ? PROTO_MAYBE : PROTO_NEVER;
}

static bool binary_begins(void *state, const struct proto_view *v)
{
	(void)state;
	return is_header(v);
}

const struct proto_ops proto_memcached_binary = {
	.name = "memcached",
	.stream = true,
	.pipelines = true,
	.bid = binary_bid,
	.begins = binary_begins,
	.read = binary_read,
};
