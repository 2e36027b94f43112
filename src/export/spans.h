/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPORT_SPANS_H
#define SAKER_EXPORT_SPANS_H
/*
 * spans - requests in the formats of tools that show traces: OTLP, Jaeger.
 *
 * What a span says is told in the words of OpenTelemetry's semantic conventions (https://opentelemetry.io/docs/specs/semconv/)
 * as far as they have one, else under saker.*: how sure its parent is and what says so, where its time went, what loss touched.
 *
 * Threads: any, each with its own output.  Memory: that of a batch; Jaeger: 4 bytes a trace.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "explain/span.h"

struct buf;
struct err;

#define SPAN_ADDRESS 46 /* INET6_ADDRSTRLEN */

/* What is known of a span besides its row; no member is NULL; empty or 0: not known. */
struct span_facts {
	char here[SPAN_ADDRESS], there[SPAN_ADDRESS]; /* addresses of its own end of the connection and of the other */
	uint16_t here_port, there_port;
	const char *type, *transport;		/* "ipv4", "ipv6"; "tcp", "udp", "unix" */
	const char *container, *container_name; /* id, name; borrowed */
	bool tls;				/* what is told was said inside of TLS */
};

struct export_spans {
	const struct spans *s;
	const uint32_t *rows;				    /* those to write, NULL: all of s */
	size_t count;					    /* how many */
	uint64_t epoch_ns;				    /* Unix time of 0 on the clock of its times */
	const char *(*host_name)(void *arg, uint32_t host); /* NULL, or NULL back: not known */
	void (*facts)(void *arg, const struct span *span, struct span_facts *ret); /* NULL: nothing is known */
	void *arg;
};

static inline uint32_t export_span(const struct export_spans *x, size_t nth)
{
	return x->rows ? x->rows[nth] : (uint32_t)nth;
}

/* --- what is said of a span (attributes.c) --- */

enum attribute_type { ATTRIBUTE_TEXT, ATTRIBUTE_NUMBER, ATTRIBUTE_TRUE };

struct attribute {
	const char *key;
	enum attribute_type type;
	const char *text; /* valid until the function returns */
	int64_t number;
};

typedef int attribute_fn(void *arg, const struct attribute *a); /* below 0: ends it, and is returned */

/* Of who made the span: service.name, host.name, container.id, process.pid. */
int span_resource(const struct export_spans *x, const struct span *span, attribute_fn *each, void *arg);
/* Of the span itself. */
int span_attributes(const struct export_spans *x, const struct span *span, attribute_fn *each, void *arg);
/* Its name, as the conventions want it for its protocol. */
void span_name(const struct spans *s, const struct span *span, struct buf *out);
/* Whether it is told as failed; what a client asks wrongly (HTTP 4xx) is an error of its own, not of the server. */
bool span_error(const struct spans *s, const struct span *span);
/* Its parent, if that is of the same trace; else NULL, and *ret_link is the one of another trace, or NULL. */
const struct span *span_parent(const struct spans *s, const struct span *span, const struct span **ret_link);

/* --- formats --- */

struct spans_format {
	const char *name, *about;
	int (*write)(const struct export_spans *x, FILE *out, struct err *err);
	bool sent; /* can be sent to a receiver: otlp_send.h */
};
/* By name, NULL: none; the nth, NULL at the end. */
const struct spans_format *spans_format_find(const char *name);
const struct spans_format *spans_format_nth(unsigned int n);

/*
 * The from-th to write and those behind it, count at most, as an ExportTraceServiceRequest.  Several behind one another are
 * again one, with the spans of all: a file has them so.  -ENOMEM.
 */
int otlp_batch(const struct export_spans *x, size_t from, size_t count, struct buf *out, struct err *err);
int otlp_write(const struct export_spans *x, FILE *out, struct err *err);

/* All as the JSON of Jaeger's API. */
int jaeger_write(const struct export_spans *x, FILE *out, struct err *err);

#define OTLP_BATCH 512

#endif
