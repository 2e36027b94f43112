/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPORT_OTLP_SEND_H
#define SAKER_EXPORT_OTLP_SEND_H
/*
 * otlp_send - spans to a receiver of OTLP over HTTP, in batches, as OpenTelemetry's protocol and its environment variables
 * want it (https://opentelemetry.io/docs/specs/otlp/, https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
 *
 * A batch that the receiver has no time for (429, 502, 503, 504), or whose answer never came, is sent again after as long as it
 * says, else after 1, 2, 4 ... s, a little more by chance, OTLP_TRIES times in all.  Any other refusal ends it.
 *
 * Threads: one.  Memory: a batch, twice.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/spans.h"

struct err;

#define OTLP_ENDPOINT "http://localhost:4318"
#define OTLP_PATH "v1/traces"
#define OTLP_TRIES 6
#define OTLP_TIMEOUT_MS 10000
#define OTLP_HEADERS_MAX 64

/* Where to, and how: from the environment, and what was said on the command line before that. */
struct otlp_target {
	char *url;
	char *headers[OTLP_HEADERS_MAX]; /* "Name: value" */
	size_t nheaders;
	long timeout_ms;
	bool gzip;
	const char *ca_file, *cert, *key; /* borrowed from the environment */
};

/* getenv-like: NULL: not set. */
typedef const char *otlp_env_fn(const char *name);
/* endpoint NULL: that of the environment, else OTLP_ENDPOINT.  -EINVAL: a variable has no meaning, named in the sentence. */
int otlp_target_init(const char *endpoint, otlp_env_fn *env, struct otlp_target *ret, struct err *err);
void otlp_target_fini(struct otlp_target *t);

struct otlp_send_opts {
	const struct otlp_target *target;
	void (*progress)(void *arg, size_t sent, size_t all); /* after each batch; may be NULL */
	void (*told)(void *arg,
		     const char *sentence); /* that it waits, or what the receiver complains of; may be NULL */
	void *arg;
};

struct otlp_sent {
	uint64_t spans, rejected, batches, retries; /* rejected: by the receiver, of those that were sent */
};

int otlp_send(const struct otlp_send_opts *opts, const struct export_spans *x, struct otlp_sent *ret, struct err *err);

#endif
