/* SPDX-License-Identifier: Apache-2.0 */
/* otlp - spans as OpenTelemetry's protocol has them (otlp.proto), put together by protobuf-c in an arena that goes at once. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "export/otlp.pb-c.h"
#include "export/spans.h"

#define ARENA_BYTES (64 << 10)
#define FLAGS_SAMPLED 0x001
#define FLAGS_KNOWS_REMOTE 0x100 /* that the next bit is meant */
#define FLAGS_REMOTE 0x200	 /* the parent is in another process */
#define ID_BYTES 8
#define TRACE_BYTES 16

struct arena {
	struct arena *before;
	size_t used, size;
	_Alignas(16) char data[];
};

struct batch {
	const struct export_spans *x;
	struct arena *arena;
	Saker__Otlp__ResourceSpans **resources;
	const struct span **owners; /* a span of each resource */
	size_t nresources;
	struct buf name;
	bool failed; /* out of memory */
};

/* Zeroed; NULL: out of memory, and the batch says so. */
static void *room(struct batch *b, size_t size)
{
	size_t need = (size + 15) & ~(size_t)15;
	struct arena *a = b->arena;
	void *at;

	if (!a || a->size - a->used < need) {
		size_t bytes = need > ARENA_BYTES ? need : ARENA_BYTES;

		a = malloc(sizeof(*a) + bytes);
		if (!a) {
			b->failed = true;
			return NULL;
		}
		*a = (struct arena) { .before = b->arena, .size = bytes };
		b->arena = a;
	}
	at = a->data + a->used;
	a->used += need;
	return memset(at, 0, size);
}

static char *text_of(struct batch *b, const char *text)
{
	size_t len = strlen(text) + 1, n, i;
	char *copy = room(b, len);

	if (!copy)
		return NULL;
	/* A string of protobuf is UTF-8, or the whole batch is refused. */
	for (i = 0; i < len - 1; i += n) {
		n = buf_utf8_len((const unsigned char *)text + i, len - 1 - i);
		if (n)
			memcpy(copy + i, text + i, n);
		else
			copy[i] = '?';
		n = n ? n : 1;
	}
	return copy;
}

static void id_of(struct batch *b, const uint64_t *words, size_t n, ProtobufCBinaryData *ret)
{
	uint64_t *at = room(b, n * sizeof(*at));
	size_t i;

	for (i = 0; at && i < n; i++)
		at[i] = htobe64(words[i]);
	ret->data = (uint8_t *)at;
	ret->len = at ? n * sizeof(*at) : 0;
}

/* A list that grows in the arena: doubled, the old one is left behind. */
static void **more(struct batch *b, void **list, size_t count)
{
	void **grown;

	if (count & (count - 1))
		return list;
	grown = room(b, (count ? 2 * count : 1) * sizeof(*grown));
	if (grown && count)
		memcpy(grown, list, count * sizeof(*grown));
	return grown;
}

/* --- attributes --- */

struct attributes {
	struct batch *b;
	Saker__Otlp__Attribute ***list;
	size_t *count;
};

static int put_attribute(void *arg, const struct attribute *a)
{
	struct attributes *to = arg;
	Saker__Otlp__Attribute *row = room(to->b, sizeof(*row));
	Saker__Otlp__Value *v = room(to->b, sizeof(*v));
	void **list = more(to->b, (void **)*to->list, *to->count);

	if (!row || !v || !list)
		return -ENOMEM;
	saker__otlp__attribute__init(row);
	saker__otlp__value__init(v);
	row->key = text_of(to->b, a->key);
	row->value = v;
	if (a->type == ATTRIBUTE_TEXT) {
		v->value_case = SAKER__OTLP__VALUE__VALUE_STRING_VALUE;
		v->string_value = text_of(to->b, a->text);
	} else if (a->type == ATTRIBUTE_NUMBER) {
		v->value_case = SAKER__OTLP__VALUE__VALUE_INT_VALUE;
		v->int_value = a->number;
	} else {
		v->value_case = SAKER__OTLP__VALUE__VALUE_BOOL_VALUE;
		v->bool_value = true;
	}
	list[(*to->count)++] = row;
	*to->list = (Saker__Otlp__Attribute **)list;
	return to->b->failed ? -ENOMEM : 0;
}

/* --- spans --- */

static Saker__Otlp__Kind kind_of(const struct span *s)
{
	return s->kind == SPAN_SERVER	? SAKER__OTLP__KIND__SERVER
	       : s->kind == SPAN_CLIENT ? SAKER__OTLP__KIND__CLIENT
					: SAKER__OTLP__KIND__INTERNAL;
}

static void put_status(struct batch *b, const struct span *s, Saker__Otlp__Span *ret)
{
	Saker__Otlp__Status *status = span_error(b->x->s, s) ? room(b, sizeof(*status)) : NULL;

	if (!status)
		return;
	saker__otlp__status__init(status);
	status->code = SAKER__OTLP__CODE__ERROR;
	status->message = text_of(b, spans_text(b->x->s, s->error));
	ret->status = status;
}

static void put_link(struct batch *b, const struct span *to, const struct span *s, Saker__Otlp__Span *ret)
{
	Saker__Otlp__Link *link = room(b, sizeof(*link)), **list = room(b, sizeof(Saker__Otlp__Link *));
	struct attribute evidence = { "saker.evidence", ATTRIBUTE_TEXT,
				      span_evidence_name((enum span_evidence)s->evidence), 0 };

	if (!link || !list)
		return;
	saker__otlp__link__init(link);
	id_of(b, to->trace, 2, &link->trace_id);
	id_of(b, &to->id, 1, &link->span_id);
	(void)put_attribute(&(struct attributes) { b, &link->attributes, &link->n_attributes }, &evidence);
	list[0] = link;
	ret->links = list;
	ret->n_links = 1;
}

static Saker__Otlp__Span *make_span(struct batch *b, const struct span *s)
{
	Saker__Otlp__Span *ret = room(b, sizeof(*ret));
	const struct span *link, *parent = span_parent(b->x->s, s, &link);

	if (!ret)
		return NULL;
	saker__otlp__span__init(ret);
	id_of(b, s->trace, 2, &ret->trace_id);
	id_of(b, &s->id, 1, &ret->span_id);
	if (parent)
		id_of(b, &parent->id, 1, &ret->parent_span_id);
	if (link)
		put_link(b, link, s, ret);
	buf_reset(&b->name);
	span_name(b->x->s, s, &b->name);
	b->failed |= b->name.failed;
	ret->name = b->failed ? NULL : text_of(b, b->name.data);
	ret->kind = kind_of(s);
	ret->start_time_unix_nano = s->begin_ns + b->x->epoch_ns;
	ret->end_time_unix_nano = s->end_ns + b->x->epoch_ns;
	ret->flags = FLAGS_SAMPLED | FLAGS_KNOWS_REMOTE | (parent && parent->tgid != s->tgid ? FLAGS_REMOTE : 0);
	(void)span_attributes(b->x, s, put_attribute, &(struct attributes) { b, &ret->attributes, &ret->n_attributes });
	put_status(b, s, ret);
	return b->failed ? NULL : ret;
}

/* --- who made them --- */

static bool same_owner(const struct span *a, const struct span *b)
{
	return a->host == b->host && a->tgid == b->tgid && a->service == b->service;
}

static Saker__Otlp__ResourceSpans *make_resource(struct batch *b, const struct span *s)
{
	Saker__Otlp__ResourceSpans *ret = room(b, sizeof(*ret));
	Saker__Otlp__ScopeSpans *spans = room(b, sizeof(*spans)), **list = room(b, sizeof(Saker__Otlp__ScopeSpans *));
	Saker__Otlp__Resource *resource = room(b, sizeof(*resource));
	Saker__Otlp__Scope *scope = room(b, sizeof(*scope));

	if (!ret || !spans || !list || !resource || !scope)
		return NULL;
	saker__otlp__resource_spans__init(ret);
	saker__otlp__scope_spans__init(spans);
	saker__otlp__resource__init(resource);
	saker__otlp__scope__init(scope);
	scope->name = text_of(b, "saker");
	scope->version = text_of(b, SAKER_VERSION);
	(void)span_resource(b->x, s, put_attribute,
			    &(struct attributes) { b, &resource->attributes, &resource->n_attributes });
	spans->scope = scope;
	list[0] = spans;
	ret->resource = resource;
	ret->scope_spans = list;
	ret->n_scope_spans = 1;
	return b->failed ? NULL : ret;
}

static Saker__Otlp__ScopeSpans *owner_of(struct batch *b, const struct span *s)
{
	void **resources, **owners;
	size_t i;

	for (i = 0; i < b->nresources; i++)
		if (same_owner(b->owners[i], s))
			return b->resources[i]->scope_spans[0];
	resources = more(b, (void **)b->resources, i);
	owners = more(b, (void **)b->owners, i);
	if (!resources || !owners)
		return NULL;
	b->resources = (Saker__Otlp__ResourceSpans **)resources;
	b->owners = (const struct span **)owners;
	b->resources[i] = make_resource(b, s);
	b->owners[i] = s;
	if (!b->resources[i])
		return NULL;
	b->nresources++;
	return b->resources[i]->scope_spans[0];
}

static int put_span(struct batch *b, const struct span *s)
{
	Saker__Otlp__ScopeSpans *owner = owner_of(b, s);
	Saker__Otlp__Span *span = owner ? make_span(b, s) : NULL;
	void **list = span ? more(b, (void **)owner->spans, owner->n_spans) : NULL;

	if (!list)
		return -ENOMEM;
	owner->spans = (Saker__Otlp__Span **)list;
	owner->spans[owner->n_spans++] = span;
	return 0;
}

int otlp_batch(const struct export_spans *x, size_t from, size_t count, struct buf *out, struct err *err)
{
	Saker__Otlp__Request request = SAKER__OTLP__REQUEST__INIT;
	struct batch b = { .x = x };
	struct arena *before;
	size_t i;
	int r = 0;

	for (i = from; r >= 0 && i < from + count && i < x->count; i++)
		r = put_span(&b, &x->s->rows[export_span(x, i)]);
	if (r >= 0) {
		void *at;

		request.resource_spans = b.resources;
		request.n_resource_spans = b.nresources;
		at = buf_room(out, saker__otlp__request__get_packed_size(&request));
		if (at)
			(void)saker__otlp__request__pack(&request, at);
	}
	for (; b.arena; b.arena = before) {
		before = b.arena->before;
		free(b.arena);
	}
	buf_fini(&b.name);
	return r < 0 || out->failed ? err_set(err, ENOMEM, "out of memory for a batch of %zu spans", count) : 0;
}

int otlp_write(const struct export_spans *x, FILE *out, struct err *err)
{
	struct buf b = BUF_INIT;
	size_t from;
	int r = 0;

	for (from = 0; r >= 0 && from < x->count; from += OTLP_BATCH) {
		buf_reset(&b);
		r = otlp_batch(x, from, OTLP_BATCH, &b, err);
		if (r >= 0 && fwrite(b.data, 1, b.len, out) != b.len)
			r = err_errno(err, errno, "cannot write the export");
	}
	buf_fini(&b);
	if (r >= 0 && fflush(out))
		r = err_errno(err, errno, "cannot write the export");
	return r;
}
