/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_otlp - what a receiver of spans answers, and what the environment says of it.
 *
 * The first byte says which. Any answer is understood or passed over: what it says comes to the user as one line that a
 * terminal may show, and no more spans are rejected than it says. Any values of the variables give a target or a sentence;
 * a header is one line.
 */
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "explain/jaeger.h"
#include "export/otlp_send.h"
#include "export/post.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char one_span[] = "{\"data\":[{\"traceID\":\"1\",\"spans\":[{\"traceID\":\"1\",\"spanID\":\"2\","
			       "\"operationName\":\"GET\",\"startTime\":1,\"duration\":5,\"processID\":\"p\"}],"
			       "\"processes\":{\"p\":{\"serviceName\":\"web\"}}}]}";

/* --- answers: instead of a server --- */

static struct {
	const uint8_t *data;
	size_t size;
	long status;
} answer;

int post_open(const struct post_opts *opts, struct post **ret, struct err *err)
{
	(void)opts;
	(void)err;
	*ret = NULL;
	return 0;
}

struct post *post_close(struct post *p)
{
	return p;
}

int post_send(struct post *p, const void *body, size_t len, struct post_answer *ret, struct err *err)
{
	(void)p;
	(void)err;
	MUST(body && len);
	buf_reset(&ret->body);
	buf_add(&ret->body, answer.data, answer.size);
	ret->status = answer.status;
	return ret->body.failed ? -ENOMEM : 0;
}

static void one_line(const char *text)
{
	for (; *text; text++)
		MUST((unsigned char)*text >= ' ' && *text != 127);
}

static void told(void *arg, const char *sentence)
{
	(void)arg;
	one_line(sentence);
}

static void answered(const struct spans *s)
{
	static char url[] = "http://there";
	struct otlp_target target = { .url = url };
	struct otlp_send_opts opts = { .target = &target, .told = told };
	struct export_spans x = { .s = s, .count = s->count };
	struct err err = ERR_INIT;
	struct otlp_sent sent;
	int r = otlp_send(&opts, &x, &sent, &err);

	MUST((r >= 0) == (answer.status == 200));
	if (r < 0)
		one_line(err.text);
	else
		MUST(sent.batches == 1 && sent.spans == 1 && sent.retries == 0);
}

/* --- the environment: values of up to eight variables, a NUL behind each --- */

static const char *const names[] = {
	"OTEL_EXPORTER_OTLP_ENDPOINT",	  "OTEL_EXPORTER_OTLP_HEADERS",		"OTEL_EXPORTER_OTLP_TIMEOUT",
	"OTEL_EXPORTER_OTLP_PROTOCOL",	  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
	"OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static char values[NAMES][256];

static const char *env(const char *name)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		if (!strcmp(names[i], name) && *values[i])
			return values[i];
	return NULL;
}

static void environment(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct otlp_target t;
	size_t i;

	memset(values, 0, sizeof(values));
	for (i = 0; i < NAMES && size; i++) {
		size_t n = strnlen((const char *)data, size),
		       kept = n < sizeof(values[i]) - 1 ? n : sizeof(values[i]) - 1;

		memcpy(values[i], data, kept);
		data += n < size ? n + 1 : n;
		size -= n < size ? n + 1 : n;
	}
	if (otlp_target_init(NULL, env, &t, &err) < 0) {
		MUST(err.text[0]);
		return;
	}
	MUST(t.url && *t.url && t.timeout_ms > 0 && t.nheaders <= OTLP_HEADERS_MAX);
	for (i = 0; i < t.nheaders; i++)
		MUST(strstr(t.headers[i], ": ") && !strpbrk(t.headers[i], "\r\n"));
	otlp_target_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spans one;
	struct err err = ERR_INIT;

	if (!one.count)
		MUST(jaeger_read(one_span, sizeof(one_span) - 1, &one, NULL, &err) >= 0 && one.count == 1);
	if (!size)
		return 0;
	if (data[0] & 2) {
		environment(data + 1, size - 1);
		return 0;
	}
	answer.status = data[0] & 1 ? 200 : 400;
	answer.data = data + 1;
	answer.size = size - 1;
	answered(&one);
	return 0;
}
