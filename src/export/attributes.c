/* SPDX-License-Identifier: Apache-2.0 */
/* attributes - what is said of a span, protocol by protocol, in the names of OpenTelemetry's semantic conventions 1.3x. */
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
	struct span_facts facts;
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

/* Few values: what the standards do not know is told beside it. */
static bool is_method(const char *text)
{
	static const char *const methods[] = { "CONNECT", "DELETE", "GET", "HEAD",  "OPTIONS",
					       "PATCH",	  "POST",   "PUT", "QUERY", "TRACE" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(methods); i++)
		if (!strcmp(methods[i], text))
			return true;
	return false;
}

static void tell_method(struct telling *t)
{
	bool known = is_method(t->operation);

	if (!*t->operation)
		return;
	tell_text(t, "http.request.method", known ? t->operation : "_OTHER");
	if (!known)
		tell_text(t, "http.request.method_original", t->operation);
}

static void tell_http(struct telling *t, const char *version)
{
	tell_text(t, "network.protocol.name", "http");
	tell_text(t, "network.protocol.version", version);
	if (*t->facts.transport)
		tell_text(t, "url.scheme", t->facts.tls ? "https" : "http");
	tell_method(t);
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

/* The first table that a query names, "": none; how many places name one. */
static unsigned int table_of(const char *at, char table[WORD_MAX])
{
	char word[WORD_MAX], other[WORD_MAX];
	unsigned int n = 0;

	*table = 0;
	while (*(at = next_word(at, word)) || *word) {
		if (!*word)
			break;
		if (strcasecmp(word, "from") && strcasecmp(word, "into") && strcasecmp(word, "update") &&
		    strcasecmp(word, "join"))
			continue;
		at = next_word(at, n++ ? other : table);
	}
	return n;
}

/* SELECT items: the operation, and the first table. */
static void summary_of(const struct telling *t, char out[SUMMARY_MAX + 1])
{
	char table[WORD_MAX];

	(void)table_of(t->resource, table);
	(void)snprintf(out, SUMMARY_MAX + 1, "%s%s%s", t->operation, *table ? " " : "", table);
}

static void tell_sql(struct telling *t)
{
	char summary[SUMMARY_MAX + 1], table[WORD_MAX];

	summary_of(t, summary);
	tell_text(t, "db.system.name", t->protocol);
	tell_text(t, "db.operation.name", t->operation);
	if (table_of(t->resource, table) == 1) /* of several the conventions want none */
		tell_text(t, "db.collection.name", table);
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
	{ "mysql", tell_sql, NAME_SUMMARY, true },	    { "redis", tell_cache, NAME_OPERATION, false },
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

static const struct span_facts no_facts = { .type = "", .transport = "", .container = "", .container_name = "" };

static struct telling telling_of(const struct spans *s, const struct span *span, attribute_fn *each, void *arg)
{
	return (struct telling) {
		.s = s,
		.span = span,
		.facts = no_facts,
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
	if (!strncmp(t->protocol, "postgresql", 10) || !strcmp(t->protocol, "mysql") || !strcmp(t->protocol, "redis"))
		tell_text(t, "db.response.status_code", strcmp(word, "_OTHER") ? word : "");
}

static void tell_end(struct telling *t, const char *address_key, const char *port_key, const char *address,
		     uint16_t port)
{
	tell_text(t, address_key, address);
	if (*address && port)
		tell_number(t, port_key, port);
}

/*
 * Whom the client asked is the server's own address, as its socket has it: names that stood in the messages are not kept, and what
 * is between two networks may have another.
 */
static void tell_network(struct telling *t)
{
	const struct span_facts *f = &t->facts;
	bool client = t->span->kind == SPAN_CLIENT;

	tell_end(t, "server.address", "server.port", client ? f->there : f->here,
		 client ? f->there_port : f->here_port);
	if (!client)
		tell_end(t, "client.address", "client.port", f->there, f->there_port);
	tell_end(t, "network.peer.address", "network.peer.port", f->there, f->there_port);
	tell_end(t, "network.local.address", "network.local.port", f->here, f->here_port);
	tell_text(t, "network.transport", f->transport);
	tell_text(t, "network.type", f->type);
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

	if (x->facts)
		x->facts(x->arg, span, &t.facts);
	if (span->kind != SPAN_INTERNAL || *t.protocol)
		words_of(t.protocol)->tell(&t);
	if (span->kind == SPAN_CLIENT)
		tell_text(&t, "peer.service", spans_text(x->s, span->peer));
	if (span->kind != SPAN_INTERNAL)
		tell_network(&t);
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
	if (x->facts)
		x->facts(x->arg, span, &t.facts);
	tell_text(&t, "container.id", t.facts.container);
	tell_text(&t, "container.name", t.facts.container_name);
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
		buf_str(out, strncmp(t.protocol, "http", 4) || is_method(t.operation) ? t.operation : "HTTP");
		if (words->naming == NAME_RESOURCE && *t.resource)
			buf_printf(out, " %s", t.resource);
	} else {
		buf_str(out, *t.protocol ? t.protocol : "request");
	}
}

/* What a server answers to wrong questions is no error of its own: only these are, as the conventions for gRPC say. */
static bool rpc_server_fault(int32_t status)
{
	enum {
		UNKNOWN = 2,
		DEADLINE_EXCEEDED = 4,
		UNIMPLEMENTED = 12,
		INTERNAL = 13,
		UNAVAILABLE = 14,
		DATA_LOSS = 15
	};

	return status == UNKNOWN || status == DEADLINE_EXCEEDED || status == UNIMPLEMENTED || status == INTERNAL ||
	       status == UNAVAILABLE || status == DATA_LOSS;
}

bool span_error(const struct spans *s, const struct span *span)
{
	const char *protocol = spans_protocol(s, span);
	bool http = !strncmp(protocol, "http", 4);

	if (!strcmp(protocol, "grpc") && span->kind == SPAN_SERVER && span->status)
		return rpc_server_fault(span->status);
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
