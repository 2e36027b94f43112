/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_query - the filter language: an input is a query, behind 256 bytes of an event where it is longer than that.
 *
 * Every text compiles or is refused with a sentence and a column within it; what compiles is asked of events of every
 * type, well-formed by event_check() or made of the input's bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void ask(const struct query *q, const struct event_types *types, const uint8_t *data, size_t size)
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
		(void)query_match(q, &ev, &scope);
		(void)query_match(q, &ev, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t head = size < EVENT_BYTES ? 0 : EVENT_BYTES, len = size - head;
	char text[QUERY_TEXT_MAX + 2];
	struct event_types *types;
	struct query *q = NULL;
	struct err err = ERR_INIT;
	unsigned int column = 0;

	if (len > QUERY_TEXT_MAX + 1)
		len = QUERY_TEXT_MAX + 1;
	memcpy(text, data + head, len);
	text[len] = 0;
	if (event_types_new(&types) < 0)
		abort();
	if (query_compile(text, types, &q, &column, &err) >= 0)
		ask(q, types, data, head);
	else if (!err.text[0] || !column || column > strlen(text) + 1)
		abort();
	(void)query_pid(q);
	(void)query_needs_scope(q);
	(void)query_free(q);
	(void)event_types_free(types);
	return 0;
}
