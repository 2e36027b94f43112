/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluating a compiled query. */
#include <ctype.h>
#include <string.h>

#include "event/event.h"
#include "query/internal.h"

static bool compare(wide a, enum query_op op, wide b)
{
	switch (op) {
	case OP_LESS:
		return a < b;
	case OP_LESS_OR_IS:
		return a <= b;
	case OP_MORE:
		return a > b;
	case OP_MORE_OR_IS:
		return a >= b;
	default:
		return a == b;
	}
}

/* ASCII letters alike; the text is not terminated. */
static bool contains(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word), i;

	for (i = 0; i + n <= len; i++)
		if (strncasecmp(text + i, word, n) == 0)
			return true;
	return false;
}

static bool text_matches(const char *text, size_t len, enum query_op op, const struct query_word *w)
{
	if (op == OP_CONTAINS)
		return contains(text, len, w->text);
	if (w->glob)
		return query_glob(text, len, w->text);
	return strlen(w->text) == len && !memcmp(text, w->text, len);
}

static bool addr_matches(const uint8_t *addr, const struct query_value *v)
{
	uint8_t whole = v->prefix / 8, rest = v->prefix % 8;

	if (memcmp(addr, v->addr, whole) != 0)
		return false;
	return !rest || !((addr[whole] ^ v->addr[whole]) >> (8 - rest));
}

static wide number_of(const struct event_value *v)
{
	return v->kind == EVENT_S32 || v->kind == EVENT_S64 ? (wide)v->s64 : (wide)v->u64;
}

static bool value_matches(const struct event_value *have, const struct query_test *t, const struct query_value *want,
			  const struct query_word *w)
{
	switch (want->how) {
	case HOW_NUMBER:
		return compare(number_of(have), t->op, want->number);
	case HOW_BITS:
		if (t->op != OP_IS)
			return compare(number_of(have), t->op, want->number);
		return have->u64 & (uint64_t)want->number;
	case HOW_ERRNO:
		return compare(number_of(have) < 0 ? -number_of(have) : number_of(have), t->op, want->number);
	case HOW_TEXT:
		return text_matches(have->str, have->len, t->op, w);
	case HOW_ADDR:
		return addr_matches(have->addr, want);
	default:
		return false;
	}
}

/* `name` alone: the field is there and neither 0 nor empty. */
static bool value_there(const struct event_value *v)
{
	static const uint8_t zero[16];

	if (v->kind == EVENT_STR || v->kind == EVENT_CHARS)
		return v->len > 0;
	if (v->kind == EVENT_ADDR)
		return memcmp(v->addr, zero, sizeof(zero)) != 0;
	return v->u64 != 0;
}

static bool bind_matches(const struct query_test *t, const struct query_bind *b, const struct event *ev)
{
	struct event_value v;
	uint32_t i;

	event_field_get(ev, &ev->type->fields[b->field], &v);
	if (t->op == OP_THERE)
		return value_there(&v);
	for (i = 0; i < t->nwords; i++)
		if (value_matches(&v, t, &t->values[b->first_value + i], &t->words[i]))
			return true;
	return false;
}

/* != and !~ want the field to be there and none of its values to match. */
static bool fields_match(const struct query_test *t, const struct event *ev)
{
	bool there = false, found = false;
	uint32_t i;

	for (i = 0; i < t->nbinds && !found; i++) {
		if (t->binds[i].type != ev->type->id)
			continue;
		there = true;
		found = bind_matches(t, &t->binds[i], ev);
	}
	return there && found != t->negated;
}

/* other: another name of the same; NULL: it has none. */
static bool text_test(const struct query_test *t, const char *text, const char *other)
{
	bool found = t->op == OP_THERE && text && *text;
	uint32_t i;

	if (!text)
		return false;
	for (i = 0; i < t->nwords && !found; i++)
		found = text_matches(text, strlen(text), t->op, &t->words[i]) ||
			(other && text_matches(other, strlen(other), t->op, &t->words[i]));
	return found != t->negated;
}

static bool number_test(const struct query_test *t, wide number)
{
	bool found = t->op == OP_THERE && number;
	uint32_t i;

	for (i = 0; i < t->nwords && !found; i++)
		found = compare(number, t->op, t->values[i].number);
	return found != t->negated;
}

static bool scope_test(const struct query_test *t, const struct event *ev, const struct query_scope *s)
{
	const char *(*get)(void *arg, const struct event *ev) = NULL, *other = NULL;

	if (!s)
		return false;
	if (t->subject == SUBJECT_GOROUTINE)
		return s->goroutine && number_test(t, s->goroutine(s->arg, ev));
	if (t->subject == SUBJECT_SINCE)
		return s->since_ns && number_test(t, s->since_ns(s->time_arg, ev));
	switch (t->subject) {
	case SUBJECT_HOST:
		get = s->host;
		break;
	case SUBJECT_PROCESS:
		get = s->process;
		other = s->title ? s->title(s->arg, ev) : NULL;
		break;
	case SUBJECT_CONTAINER:
		get = s->container;
		break;
	case SUBJECT_UNIT:
		get = s->unit;
		break;
	default:
		get = s->cgroup;
	}
	return get && text_test(t, get(s->arg, ev), other);
}

static bool test_matches(const struct query_test *t, const struct event *ev, const struct query_scope *scope)
{
	switch (t->subject) {
	case SUBJECT_FIELD:
		return fields_match(t, ev);
	case SUBJECT_TYPE:
		return text_test(t, ev->type->name, NULL);
	case SUBJECT_ID:
		return number_test(t, ev->id);
	case SUBJECT_TGID:
		return number_test(t, ev->h->tgid);
	case SUBJECT_TID:
		return number_test(t, ev->h->tid);
	case SUBJECT_CPU:
		return number_test(t, ev->h->cpu);
	case SUBJECT_SEQ:
		return number_test(t, ev->h->seq);
	case SUBJECT_CONTEXT:
		return number_test(t, ev->h->context);
	case SUBJECT_BOOT:
		return number_test(t, ev->boot_ns);
	case SUBJECT_START:
		return number_test(t, ev->h->start_ns);
	default:
		return scope_test(t, ev, scope);
	}
}

/* The parser bounds the depth: QUERY_DEPTH_MAX, and as many links of a chain as fit into QUERY_TEXT_MAX. */
static bool node_matches(const struct query *q, uint32_t i, const struct event *ev, const struct query_scope *scope)
{
	const struct query_node *n = &q->nodes[i];

	switch (n->kind) {
	case NODE_TEST:
		return test_matches(&q->tests[n->left], ev, scope);
	case NODE_NOT:
		return !node_matches(q, n->left, ev, scope);
	case NODE_AND:
		return node_matches(q, n->left, ev, scope) && node_matches(q, n->right, ev, scope);
	default:
		return node_matches(q, n->left, ev, scope) || node_matches(q, n->right, ev, scope);
	}
}

bool query_match(const struct query *q, const struct event *ev, const struct query_scope *scope)
{
	return !q || node_matches(q, q->root, ev, scope);
}

/* The one process that the test admits, 0: several. */
static uint32_t test_pid(const struct query_test *t)
{
	wide pid;

	if (t->subject != SUBJECT_TGID || t->op != OP_IS || t->negated || t->nwords != 1)
		return 0;
	pid = t->values[0].number;
	return pid > 0 && pid <= UINT32_MAX ? (uint32_t)pid : 0;
}

static uint32_t node_pid(const struct query *q, uint32_t i)
{
	const struct query_node *n = &q->nodes[i];
	uint32_t pid;

	if (n->kind == NODE_TEST)
		return test_pid(&q->tests[n->left]);
	if (n->kind != NODE_AND)
		return 0;
	pid = node_pid(q, n->left);
	return pid ? pid : node_pid(q, n->right);
}

uint32_t query_pid(const struct query *q)
{
	return q ? node_pid(q, q->root) : 0;
}

bool query_needs_scope(const struct query *q)
{
	uint32_t i;

	for (i = 0; q && i < q->ntests; i++)
		if (q->tests[i].subject >= SUBJECT_HOST)
			return true;
	return false;
}
