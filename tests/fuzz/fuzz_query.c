/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_query - the filter language: an input is a query, behind 256 bytes of an event where it is longer than that.
 *
 * Every text compiles or is refused with a sentence and a column within it; what compiles is asked of events of every
 * type, made of the input's bytes and well-formed by event_check().  `not (QUERY)` must find exactly the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "query/query.h"

#define EVENT_BYTES 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *scope_text(void *arg, const struct event *ev)
{
	(void)arg;
	return ev->id % 2 ? "etcd" : NULL;
}

static uint64_t scope_since(void *arg, const struct event *ev)
{
	(void)arg;
	return ev->boot_ns;
}

/* What a recording may declare: names that others have too, and every kind of field. */
static const struct event_field own_fields[] = {
	{ .name = "pid", .kind = EVENT_S32, .offset = 40, .size = 4 },
	{ .name = "label", .kind = EVENT_CHARS, .offset = 44, .size = 12 },
	{ .name = "port", .kind = EVENT_S64, .offset = 56, .size = 8 },
	{ .name = "text", .kind = EVENT_ADDR, .format = EVENT_FMT_IP, .offset = 64, .size = 16 },
	{ .name = "bytes", .kind = EVENT_U8, .format = EVENT_FMT_ERRNO, .offset = 80, .size = 1 },
	{ .name = "flags", .kind = EVENT_STR, .offset = 0, .size = 0 },
};
static const struct event_type own_type = {
	.id = 1024, .size = 88, .nfields = ARRAY_LEN(own_fields), .name = "own", .about = "", .fields = own_fields
};

static void require(bool so)
{
	if (!so)
		abort();
}

static void ask(const struct query *q, const struct query *inverse, const struct event_types *types,
		const uint8_t *data, size_t size)
{
	const struct query_scope scope = {
		.host = scope_text, .process = scope_text, .container = scope_text, .since_ns = scope_since
	};
	const struct event_type *type;
	size_t at = 0;

	while ((type = event_types_each(types, &at))) {
		union {
			struct event_header h;
			char bytes[EVENT_LENGTH_MAX];
		} room = { 0 };
		struct event ev = { .id = at, .type = type, .h = &room.h };

		memcpy(&room, data, size);
		room.h.type = type->id;
		room.h.length = (uint16_t)((type->size + 64 + 7) & ~7);
		room.bytes[room.h.length - 1] = 0;
		if (event_check(type, &room, room.h.length, NULL) < 0)
			continue;
		ev.boot_ns = room.h.boot_ns;
		require(!inverse || query_match(q, &ev, &scope) != query_match(inverse, &ev, &scope));
		require(!inverse || query_match(q, &ev, NULL) != query_match(inverse, &ev, NULL));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t head = size < EVENT_BYTES ? 0 : EVENT_BYTES, len = size - head;
	char text[QUERY_TEXT_MAX + 2], negated[QUERY_TEXT_MAX + 16];
	struct query *q = NULL, *inverse = NULL;
	struct event_types *types;
	struct err err = ERR_INIT;
	unsigned int column = 0;

	if (len > QUERY_TEXT_MAX + 1)
		len = QUERY_TEXT_MAX + 1;
	memcpy(text, data + head, len);
	text[len] = 0;
	(void)snprintf(negated, sizeof(negated), "not (%s)", text);
	require(event_types_new(&types) >= 0 && event_types_add(types, &own_type, NULL) >= 0);
	if (query_compile(text, types, &q, &column, &err) >= 0) {
		(void)query_compile(negated, types, &inverse, NULL, NULL); /* may be too long or too deep */
		ask(q, inverse, types, data, head);
	} else {
		require(err.text[0] && column && column <= strlen(text) + 1);
	}
	(void)query_pid(q);
	(void)query_needs_scope(q);
	(void)query_free(q);
	(void)query_free(inverse);
	(void)event_types_free(types);
	return 0;
}
