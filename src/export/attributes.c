/* SPDX-License-Identifier: Apache-2.0 */
/* attributes - what is said of a span, protocol by protocol, in the names of OpenTelemetry's semantic conventions 1.2x. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "export/spans.h"

#define WORD_MAX 64
#define SUMMARY_MAX 255 /* the conventions' limit of db.query.summary */

#define TOLD_MAX 64

struct telling {
	const struct spans *s;
	const struct span *span;
	const char *protocol, *operation, *resource, *error;
	attribute_fn *each;
	void *arg;
	int r;
	uint32_t told[TOLD_MAX]; /* hashes of the keys so far */
	unsigned int ntold;
};

static uint32_t key_hash(const char *key)
{
	uint32_t h = 2166136261U;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619U;
	return h;
}

static void tell(struct telling *t, const char *key, enum attribute_type type, const char *text, int64_t number)
{
	struct attribute a = { key, type, text, number };

	if (t->ntold < TOLD_MAX)
		t->told[t->ntold++] = key_hash(key);
	if (t->r >= 0)
		t->r = t->each(t->arg, &a);
}

static void tell_text(struct telling *t, const char *key, const char *text)
{
	if (*text)
		tell(t, key, ATTRIBUTE_TEXT, text, 0);
}

static void tell_number(struct telling *t, const char *key, int64_t number)
{
	tell(t, key, ATTRIBUTE_NUMBER, "", number);
}

static void tell_true(struct telling *t, const char *key, bool so)
{
	if (so)
		tell(t, key, ATTRIBUTE_TRUE, "", 1);
}

/* --- protocols --- */

static void tell_http(struct telling *t, const char *version)
{
	tell_text(t, "network.protocol.name", "http");
	tell_text(t, "network.protocol.version", version);
	tell_text(t, "http.request.method", t->operation);
	if (t->span->status)
		tell_number(t, "http.response.status_code", t->span->status);
	/* What stood in place of {n} is not kept: then it is a template. */
	tell_text(t, strchr(t->resource, '{') ? "url.template" : "url.path", t->resource);
}

static void tell_http1(struct telling *t)
{
	tell_http(t, "");
}

static void tell_http2(struct telling *t)
{
	tell_http(t, "2");
}

/* /package.Service/Method */
static void tell_grpc(struct telling *t)
{
	const char *service = t->resource + (t->resource[0] == '/'), *slash = strrchr(service, '/');
	char name[256];

	tell_text(t, "rpc.system", "grpc");
	if (slash && (size_t)(slash - service) < sizeof(name)) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)(slash - service), service);
		tell_text(t, "rpc.service", name);
		tell_text(t, "rpc.method", slash + 1);
	}
	tell_number(t, "rpc.grpc.status_code", t->span->status);
}

/* The next word of a query; "" at its end. */
static const char *next_word(const char *at, char word[WORD_MAX])
{
	size_t n = 0;

	while (*at && !isalnum((unsigned char)*at) && !strchr("_\"`", *at))
		at++;
	for (; *at && (isalnum((unsigned char)*at) || strchr("_.\"`$", *at)); at++)
		if (*at != '"' && *at != '`' && n + 1 < WORD_MAX)
			word[n++] = *at;
	word[n] = 0;
	return at;
}

/* SELECT items: the operation, and the first table that a query names. */
static void summary_of(const struct telling *t, char out[SUMMARY_MAX + 1])
{
	const char *at = t->resource;
	char word[WORD_MAX], table[WORD_MAX] = "";

	while (*(at = next_word(at, word)) || *word) {
		if (!*word)
			break;
		if (strcasecmp(word, "from") && strcasecmp(word, "into") && strcasecmp(word, "update") &&
		    strcasecmp(word, "join"))
			continue;
		(void)next_word(at, table);
		break;
	}
	(void)snprintf(out, SUMMARY_MAX + 1, "%s%s%s", t->operation, *table ? " " : "", table);
}

static void tell_sql(struct telling *t)
{
	char summary[SUMMARY_MAX + 1];

	summary_of(t, summary);
	tell_text(t, "db.system.name", t->protocol);
	tell_text(t, "db.operation.name", t->operation);
	tell_text(t, "db.query.text", t->resource);
	tell_text(t, "db.query.summary", summary);
}

static void tell_cache(struct telling *t)
{
	char summary[SUMMARY_MAX + 1];

	(void)snprintf(summary, sizeof(summary), "%s%s%s", t->operation, *t->resource ? " " : "", t->resource);
	tell_text(t, "db.system.name", t->protocol);
	tell_text(t, "db.operation.name", t->operation);
	tell_text(t, "db.query.summary", summary);
}

static void tell_dns(struct telling *t)
{
	tell_text(t, "network.protocol.name", "dns");
	tell_text(t, "dns.question.name", t->resource);
	tell_text(t, "saker.operation", t->operation);
	tell_number(t, "saker.dns.response_code", t->span->status);
}

static void tell_other(struct telling *t)
{
	tell_text(t, "network.protocol.name", t->protocol);
	tell_text(t, "saker.operation", t->operation);
	tell_text(t, "saker.resource", t->resource);
}

enum naming { NAME_RESOURCE, NAME_METHOD, NAME_SUMMARY, NAME_OPERATION };

static const struct protocol_words {
	const char *name;
	void (*tell)(struct telling *t);
	enum naming naming;
	bool status_error; /* its status is what error.type says */
} protocols[] = {
	{ "http", tell_http1, NAME_RESOURCE, true },	    { "http2", tell_http2, NAME_RESOURCE, true },
	{ "grpc", tell_grpc, NAME_METHOD, true },	    { "postgresql", tell_sql, NAME_SUMMARY, false },
	{ "mysql", tell_sql, NAME_SUMMARY, false },	    { "redis", tell_cache, NAME_OPERATION, false },
	{ "memcached", tell_cache, NAME_OPERATION, false }, { "dns", tell_dns, NAME_RESOURCE, true },
};

static const struct protocol_words *words_of(const char *protocol)
{
	static const struct protocol_words other = { "", tell_other, NAME_RESOURCE, false };
	size_t i;

	for (i = 0; i < ARRAY_LEN(protocols); i++)
		if (!strcmp(protocols[i].name, protocol))
			return &protocols[i];
	return &other;
}

static struct telling telling_of(const struct spans *s, const struct span *span, attribute_fn *each, void *arg)
{
	return (struct telling) {
		.s = s,
		.span = span,
		.protocol = spans_protocol(s, span),
		.operation = spans_text(s, span->operation),
		.resource = spans_text(s, span->resource),
		.error = spans_text(s, span->error),
		.each = each,
		.arg = arg,
	};
}

/* --- what all have --- */

/* Few values: a status, or the first word of what the server said. */
static void tell_error(struct telling *t)
{
	char word[WORD_MAX];
	size_t n = strspn(t->error, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (!span_error(t->s, t->span))
		return;
	if (words_of(t->protocol)->status_error && t->span->status)
		(void)snprintf(word, sizeof(word), "%d", t->span->status);
	else if (n && n < sizeof(word))
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, t->error);
	else
		(void)snprintf(word, sizeof(word), "_OTHER");
	tell_text(t, "error.type", word);
}

static void tell_times(struct telling *t)
{
	char key[64];
	int i;

	for (i = 0; i < TIME_KINDS; i++) {
		if (!t->span->time_ns[i])
			continue;
		(void)snprintf(key, sizeof(key), "saker.time.%s_ns", span_time_key((enum span_time)i));
		tell_number(t, key, (int64_t)t->span->time_ns[i]);
	}
}

static void tell_flags(struct telling *t)
{
	uint32_t flags = t->span->flags;

	tell_true(t, "saker.failed", flags & SPAN_FAILED);
	tell_true(t, "saker.incomplete", flags & SPAN_INCOMPLETE);
	tell_true(t, "saker.timing", flags & SPAN_TIMING);
	tell_true(t, "saker.unanswered", flags & SPAN_UNANSWERED);
	tell_true(t, "saker.unasked", flags & SPAN_UNASKED);
	tell_true(t, "saker.encrypted", flags & SPAN_ENCRYPTED);
	tell_true(t, "saker.ambiguous", flags & SPAN_AMBIGUOUS);
	tell_true(t, "saker.one_way", flags & SPAN_ONE_WAY);
}

/* What its program said of it; a key that has been told already has a meaning, and is left to that. */
static void tell_words(struct telling *t)
{
	const char *at = spans_text(t->s, t->span->attributes);
	char key[256], text[1024];
	struct span_attribute a;
	unsigned int i, n = t->ntold;

	while (span_attribute_next(&at, &a)) {
		(void)snprintf(key, sizeof(key), "%.*s", (int)a.key_len, a.key);
		(void)snprintf(text, sizeof(text), "%.*s", (int)a.text_len, a.text);
		for (i = 0; i < n && t->told[i] != key_hash(key); i++)
			;
		if (i < n || !*key)
			continue;
		if (a.number)
			tell_number(t, key, (int64_t)strtoll(text, NULL, 10));
		else
			tell(t, key, ATTRIBUTE_TEXT, text, 0);
	}
}

int span_attributes(const struct export_spans *x, const struct span *span, attribute_fn *each, void *arg)
{
	struct telling t = telling_of(x->s, span, each, arg);

	if (span->kind != SPAN_INTERNAL || *t.protocol)
		words_of(t.protocol)->tell(&t);
	if (span->kind == SPAN_CLIENT)
		tell_text(&t, "peer.service", spans_text(x->s, span->peer));
	tell_error(&t);
	if (span->tid)
		tell_number(&t, "thread.id", span->tid);
	tell_text(&t, "saker.evidence", span_evidence_name((enum span_evidence)span->evidence));
	tell_number(&t, "saker.confidence", span->confidence);
	tell_flags(&t);
	tell_times(&t);
	tell_text(&t, "saker.blame", spans_text(x->s, span->blame));
	if (span->kind != SPAN_INTERNAL) {
		tell_number(&t, "saker.request_bytes", (int64_t)span->request_bytes);
		tell_number(&t, "saker.response_bytes", (int64_t)span->response_bytes);
	}
	if (span->begin.id || span->end.id) {
		tell_number(&t, "saker.begin_event", (int64_t)span->begin.id);
		tell_number(&t, "saker.end_event", (int64_t)span->end.id);
	}
	tell_words(&t);
	return t.r;
}

int span_resource(const struct export_spans *x, const struct span *span, attribute_fn *each, void *arg)
{
	struct telling t = telling_of(x->s, span, each, arg);
	const char *host = x->host_name ? x->host_name(x->arg, span->host) : NULL;
	const char *service = spans_text(x->s, span->service);

	/* Every resource must have it; unknown_service is OpenTelemetry's word for that. */
	tell_text(&t, "service.name", *service ? service : "unknown_service");
	tell_text(&t, "host.name", host ? host : "");
	if (span->tgid)
		tell_number(&t, "process.pid", span->tgid);
	return t.r;
}

void span_name(const struct spans *s, const struct span *span, struct buf *out)
{
	struct telling t = telling_of(s, span, NULL, NULL);
	const struct protocol_words *words = words_of(t.protocol);
	char summary[SUMMARY_MAX + 1];

	if (words->naming == NAME_METHOD && *t.resource) {
		buf_str(out, t.resource + (t.resource[0] == '/'));
	} else if (words->naming == NAME_SUMMARY && *t.operation) {
		summary_of(&t, summary);
		buf_str(out, summary);
	} else if (*t.operation) {
		buf_str(out, t.operation);
		if (words->naming == NAME_RESOURCE && *t.resource)
			buf_printf(out, " %s", t.resource);
	} else {
		buf_str(out, *t.protocol ? t.protocol : "request");
	}
}

bool span_error(const struct spans *s, const struct span *span)
{
	bool http = !strncmp(spans_protocol(s, span), "http", 4);

	if (http && span->status >= 400 && span->status < 500)
		return span->kind == SPAN_CLIENT;
	return span->flags & SPAN_FAILED;
}

const struct span *span_parent(const struct spans *s, const struct span *span, const struct span **ret_link)
{
	const struct span *parent = span->parent < s->count ? &s->rows[span->parent] : NULL;
	bool same = parent && parent->trace[0] == span->trace[0] && parent->trace[1] == span->trace[1];

	*ret_link = same ? NULL : parent;
	return same ? parent : NULL;
}

/* --- formats --- */

static const struct spans_format formats[] = {
	{ "otlp", "requests as OpenTelemetry's OTLP, sent to a receiver or written", otlp_write, true },
	{ "jaeger", "requests as JSON of Jaeger's API", jaeger_write, false },
};

const struct spans_format *spans_format_nth(unsigned int n)
{
	return n < ARRAY_LEN(formats) ? &formats[n] : NULL;
}

const struct spans_format *spans_format_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}
