/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_SCRIPT_H
#define SAKER_ORDER_SCRIPT_H
/*
 * script - for the tests of order/: events written as text, and what came of them as text.
 *
 *	[NAME:] HOST/TGID/TID[/START] TYPE [FIELD=VALUE]... ["STRING]... [@TIME] [*CONTEXT] [#CPU:SEQ] [!]
 *
 * one statement to a line or ';'.  Any event type and field of events.def; addresses as dotted quads (IPv4 mapped);
 * "STRING, without blanks, is the next of its strings; without @TIME ten ns after the statement before; *1 softirq, *2 hardirq, *4 recorder; ! imported.
 * script_result() gives, sorted and separated by blanks: FROM>TO for exact edges (messages: FROM>TO:BYTES), FROM?TO for
 * ambiguous ones, and NAME!REASON for messages that are not matched in full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "event/event.h"
#include "order/order.h"

#define SCRIPT_EVENTS 400
#define SCRIPT_HOSTS 4

struct script {
	struct order *order;
	void (*also)(void *arg, const struct event *ev); /* told each event, NULL ok */
	void *arg;
	uint64_t now, ids[SCRIPT_HOSTS];
	char names[SCRIPT_HOSTS][SCRIPT_EVENTS][16];
	char result[4096];
	char parts[512][48];
	size_t nparts;
};

static inline const struct event_type *script_type(const char *name)
{
	size_t i;

	for (i = 0; i < event_static_count; i++) {
		if (!strcmp(event_static_types[i].name, name))
			return &event_static_types[i];
	}
	fail_msg("no event type %s", name);
	return NULL;
}

static inline void script_addr(uint8_t out[16], const char *text)
{
	unsigned int a, b, c, d;

	memset(out, 0, 16);
	if (!strcmp(text, "0"))
		return;
	assert_int_equal(sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d), 4);
	out[10] = out[11] = 0xff;
	out[12] = (uint8_t)a;
	out[13] = (uint8_t)b;
	out[14] = (uint8_t)c;
	out[15] = (uint8_t)d;
}

static inline void script_field(const struct event_type *type, uint8_t *event, char *word)
{
	char *value = strchr(word, '=');
	const struct event_field *f;
	uint64_t v;
	int i;

	*value++ = 0;
	i = event_field_find(type, word);
	if (i < 0)
		fail_msg("%s has no field %s", type->name, word);
	f = &type->fields[i];
	if (f->kind == EVENT_ADDR) {
		script_addr(event + f->offset, value);
		return;
	}
	v = strtoull(value, NULL, 0);
	memcpy(event + f->offset, &v, f->size);
}

static inline void script_thread(struct event *ev, struct event_header *h, const char *word)
{
	unsigned int host, tgid, tid;
	unsigned long long start = 0;

	assert_true(sscanf(word, "%u/%u/%u/%llu", &host, &tgid, &tid, &start) >= 3);
	assert_true(host < SCRIPT_HOSTS);
	ev->host = host;
	h->tgid = tgid;
	h->tid = tid;
	h->start_ns = start ? start : 1;
}

static inline void script_string(struct event_header *h, const char *text)
{
	size_t len = strlen(text) + 1;

	assert_true(h->length + len <= EVENT_LENGTH_MAX / 8);
	memcpy((char *)h + h->length, text, len);
	h->length = (uint16_t)(h->length + len);
}

static inline void script_word(struct script *s, const struct event_type *type, struct event_header *h, char *word)
{
	if (word[0] == '@')
		s->now = strtoull(word + 1, NULL, 0);
	else if (word[0] == '*')
		h->context = (uint8_t)atoi(word + 1);
	else if (word[0] == '#')
		assert_int_equal(sscanf(word, "#%hu:%llu", &h->cpu, &h->seq), 2);
	else if (word[0] == '"')
		script_string(h, word + 1);
	else if (word[0] == '!')
		h->flags |= EVENT_F_IMPORTED;
	else
		script_field(type, (uint8_t *)h, word);
}

static inline void script_statement(struct script *s, char *text)
{
	uint64_t room[EVENT_LENGTH_MAX / 8 / 8] = { 0 };
	struct event_header *h = (struct event_header *)room;
	struct event ev = { .h = h };
	const char *name = "";
	struct err err = ERR_INIT;
	char *save, *word = strtok_r(text, " \t", &save);

	if (!word)
		return;
	if (word[strlen(word) - 1] == ':') {
		word[strlen(word) - 1] = 0;
		name = word;
		word = strtok_r(NULL, " \t", &save);
	}
	script_thread(&ev, h, word);
	ev.type = script_type(strtok_r(NULL, " \t", &save));
	h->type = ev.type->id;
	h->length = ev.type->size;
	s->now += 10;
	while ((word = strtok_r(NULL, " \t", &save)) != NULL)
		script_word(s, ev.type, h, word);
	if (h->flags & EVENT_F_IMPORTED)
		h->start_ns = 0;
	h->boot_ns = ev.boot_ns = s->now;
	ev.id = ++s->ids[ev.host];
	assert_true(ev.id < SCRIPT_EVENTS);
	(void)snprintf(s->names[ev.host][ev.id], sizeof(s->names[0][0]), "%s", name);
	if (order_add(s->order, &ev, &err) < 0)
		fail_msg("%s", err.text);
	if (s->also)
		s->also(s->arg, &ev);
}

static inline void script_run(struct script *s, const char *text)
{
	char *copy = strdup(text), *save, *statement;

	for (statement = strtok_r(copy, ";\n", &save); statement; statement = strtok_r(NULL, ";\n", &save))
		script_statement(s, statement);
	free(copy);
}

static inline const char *script_name(const struct script *s, struct order_ref a)
{
	static char number[4][16];
	static int turn;

	if (s->names[a.host][a.id][0])
		return s->names[a.host][a.id];
	turn = (turn + 1) % 4;
	(void)snprintf(number[turn], sizeof(number[0]), "#%u.%u", a.host, (unsigned int)a.id);
	return number[turn];
}

static inline bool script_edge(void *arg, const struct order_edge *e)
{
	struct script *s = arg;
	char *part = s->parts[s->nparts++];

	assert_true(s->nparts < 512);
	if (e->kind == ORDER_MESSAGE && !e->ambiguous)
		(void)snprintf(part, sizeof(s->parts[0]), "%s>%s:%u", script_name(s, e->from), script_name(s, e->to),
			       e->bytes);
	else
		(void)snprintf(part, sizeof(s->parts[0]), "%s%c%s", script_name(s, e->from), e->ambiguous ? '?' : '>',
			       script_name(s, e->to));
	return true;
}

static inline bool script_unmatched(void *arg, struct order_ref a, enum order_reason reason, uint64_t bytes)
{
	static const char *const words[ORDER_REASONS] = { "peer", "unknown",   "before", "after",
							  "lost", "ambiguous", "offset" };
	struct script *s = arg;

	assert_true(bytes > 0 && s->nparts < 511);
	(void)snprintf(s->parts[s->nparts++], sizeof(s->parts[0]), "%s!%s", script_name(s, a), words[reason]);
	return true;
}

static inline int script_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline const char *script_result(struct script *s)
{
	struct err err = ERR_INIT;
	size_t i, len = 0;

	if (order_solve(s->order, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(order_edges(s->order, false, script_edge, s), 0);
	order_unmatched(s->order, script_unmatched, s);
	qsort(s->parts, s->nparts, sizeof(s->parts[0]), script_compare);
	s->result[0] = 0;
	for (i = 0; i < s->nparts; i++)
		len += (size_t)snprintf(s->result + len, sizeof(s->result) - len, "%s%s", i ? " " : "", s->parts[i]);
	return s->result;
}

/* One row of a table: what it shows, the events, and the sorted result. */
struct script_case {
	const char *what, *events, *expected;
};

static inline void script_check(const struct script_case *c)
{
	struct script *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;

	assert_non_null(s);
	assert_int_equal(order_new(NULL, &s->order, &err), 0);
	script_run(s, c->events);
	if (strcmp(script_result(s), c->expected))
		fail_msg("%s:\n  expected: %s\n  found:    %s", c->what, c->expected, s->result);
	order_free(s->order);
	free(s);
}

#endif
