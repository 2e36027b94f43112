/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the variables of the environment mean (https://opentelemetry.io/docs/specs/otel/protocol/exporter/), what is said of a span
 * (https://opentelemetry.io/docs/specs/semconv/), and Jaeger's JSON read back. OTLP's bytes: tests/e2e/export_spans.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/jaeger.h"
#include "explain/spans_testing.h"
#include "export/otlp_send.h"

#define P "OTEL_EXPORTER_OTLP_"

/* --- the environment: "NAME=VALUE" --- */

static const char *const *environment;

static const char *env(const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; environment[i]; i++)
		if (!strncmp(environment[i], name, n) && environment[i][n] == '=')
			return environment[i] + n + 1;
	return NULL;
}

static void test_target(void **state)
{
	static const struct {
		const char *what, *endpoint, *env[4];
		const char *url, *headers; /* headers: joined with | */
		long timeout_ms;
		bool gzip;
	} cases[] = {
		{ "nothing", NULL, { 0 }, "http://localhost:4318/v1/traces", "", 10000, false },
		{ "a base", NULL, { P "ENDPOINT=http://c:4318" }, "http://c:4318/v1/traces", "", 10000, false },
		{ "with a path", NULL, { P "ENDPOINT=https://c/x" }, "https://c/x/v1/traces", "", 10000, false },
		{ "and a slash", NULL, { P "ENDPOINT=https://c/x/" }, "https://c/x/v1/traces", "", 10000, false },
		{ "traces",
		  NULL,
		  { P "TRACES_ENDPOINT=http://c/x", P "ENDPOINT=http://d" },
		  "http://c/x",
		  "",
		  10000,
		  false },
		{ "traces, no path", NULL, { P "TRACES_ENDPOINT=http://c:1" }, "http://c:1/", "", 10000, false },
		{ "empty",
		  NULL,
		  { P "TRACES_ENDPOINT=", P "ENDPOINT=" },
		  "http://localhost:4318/v1/traces",
		  "",
		  10000,
		  false },
		{ "given", "http://a", { P "TRACES_ENDPOINT=http://c/x" }, "http://a/v1/traces", "", 10000, false },
		{ "given whole", "http://a/v1/traces", { 0 }, "http://a/v1/traces", "", 10000, false },
		{ "headers",
		  "http://a",
		  { P "HEADERS=a=1, b = x%3D%2c" },
		  "http://a/v1/traces",
		  "a: 1|b: x=,|",
		  10000,
		  false },
		{ "headers of traces",
		  "http://a",
		  { P "HEADERS=a=1", P "TRACES_HEADERS=c=3" },
		  "http://a/v1/traces",
		  "c: 3|",
		  10000,
		  false },
		{ "odd percents",
		  "http://a",
		  { P "HEADERS=a=1%,b=%zz,c=%4" },
		  "http://a/v1/traces",
		  "a: 1%|b: %zz|c: %4|",
		  10000,
		  false },
		{ "timeout", "http://a", { P "TIMEOUT=5", P "TRACES_TIMEOUT=7" }, "http://a/v1/traces", "", 7, false },
		{ "gzip",
		  "http://a",
		  { P "COMPRESSION=gzip", P "PROTOCOL=http/protobuf" },
		  "http://a/v1/traces",
		  "",
		  10000,
		  true },
		{ "not gzip",
		  "http://a",
		  { P "COMPRESSION=gzip", P "TRACES_COMPRESSION=none" },
		  "http://a/v1/traces",
		  "",
		  10000,
		  false },
	};
	struct err err = ERR_INIT;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf headers = BUF_INIT;
		struct otlp_target t;

		environment = cases[i].env;
		if (otlp_target_init(cases[i].endpoint, env, &t, &err) < 0)
			fail_msg("%s: %s", cases[i].what, err.text);
		buf_str(&headers, "");
		for (k = 0; k < t.nheaders; k++)
			buf_printf(&headers, "%s|", t.headers[k]);
		if (strcmp(t.url, cases[i].url) || strcmp(headers.data ? headers.data : "", cases[i].headers) ||
		    t.timeout_ms != cases[i].timeout_ms || t.gzip != cases[i].gzip)
			fail_msg("%s: %s, %s, %ld ms, gzip %d", cases[i].what, t.url, headers.data, t.timeout_ms,
				 t.gzip);
		buf_fini(&headers);
		otlp_target_fini(&t);
	}
}

static void test_no_target(void **state)
{
	static const struct {
		const char *env[2], *says;
	} cases[] = {
		{ { P "ENDPOINT=collector:4318" }, P "ENDPOINT 'collector:4318'" },
		{ { P "ENDPOINT=http://" }, P "ENDPOINT 'http://'" },
		{ { P "TRACES_ENDPOINT=unix:/x" }, P "TRACES_ENDPOINT 'unix:/x'" },
		{ { P "HEADERS=abc" }, P "HEADERS has 'abc'" },
		{ { P "HEADERS==b" }, P "HEADERS has '=b'" },
		{ { P "HEADERS=a:b=c" }, P "HEADERS has 'a:b=c'" },
		{ { P "HEADERS=a=%0d%0aX: y" }, "the end of a line" },
		{ { P "HEADERS=a=%00" }, "the end of a line" },
		{ { P "TIMEOUT=soon" }, P "TIMEOUT 'soon'" },
		{ { P "TIMEOUT=0" }, P "TIMEOUT '0'" },
		{ { P "COMPRESSION=zstd" }, P "COMPRESSION 'zstd'" },
		{ { P "TRACES_PROTOCOL=grpc" }, P "TRACES_PROTOCOL 'grpc'" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;
		struct otlp_target t;

		environment = cases[i].env;
		assert_int_equal(otlp_target_init(NULL, env, &t, &err), -EINVAL);
		if (!strstr(err.text, cases[i].says))
			fail_msg("%s: %s", cases[i].env[0], err.text);
	}
}

/* --- what is said of a span --- */

static int put(void *arg, const struct attribute *a)
{
	struct buf *b = arg;

	if (!strncmp(a->key, "saker.", 6) && strcmp(a->key, "saker.operation") && strcmp(a->key, "saker.resource"))
		return 0;
	buf_printf(b, "%s=", a->key);
	if (a->type == ATTRIBUTE_TEXT)
		buf_str(b, a->text);
	else
		buf_printf(b, "%lld", (long long)a->number);
	buf_char(b, ';');
	return 0;
}

static void facts(void *arg, const struct span *span, struct span_facts *ret)
{
	(void)arg;
	*ret = (struct span_facts) {
		.here = "10.0.0.2",
		.there = "2001:db8::7",
		.here_port = span->kind == SPAN_CLIENT ? 40000 : 80,
		.there_port = span->kind == SPAN_CLIENT ? 80 : 40000,
		.type = "ipv6",
		.transport = "tcp",
		.container = "0123abcd",
		.container_name = "web",
		.tls = span->status == 200,
	};
}

/* Whose address is whose: the server's is the other end's of a client, the own one of a server. */
static void test_facts(void **state)
{
	static const struct {
		uint8_t kind;
		int32_t status;
		const char *attributes;
	} cases[] = {
		{ SPAN_CLIENT, 200,
		  "network.protocol.name=http;url.scheme=https;http.request.method=GET;http.response.status_code=200;"
		  "server.address=2001:db8::7;server.port=80;network.peer.address=2001:db8::7;network.peer.port=80;"
		  "network.local.address=10.0.0.2;network.local.port=40000;network.transport=tcp;network.type=ipv6;" },
		{ SPAN_SERVER, 204,
		  "network.protocol.name=http;url.scheme=http;http.request.method=GET;http.response.status_code=204;"
		  "server.address=10.0.0.2;server.port=80;client.address=2001:db8::7;client.port=40000;"
		  "network.peer.address=2001:db8::7;network.peer.port=40000;network.local.address=10.0.0.2;"
		  "network.local.port=80;network.transport=tcp;network.type=ipv6;" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct made m = { 0 };
		struct export_spans x = { .s = &m.s, .count = 1, .facts = facts };
		struct buf said = BUF_INIT;
		struct span *s = made_span(&m);

		s->protocol = made_protocol(&m, "http");
		s->operation = made_text(&m, "GET");
		s->service = made_text(&m, "a");
		s->status = cases[i].status;
		s->kind = cases[i].kind;
		assert_int_equal(span_attributes(&x, s, put, &said), 0);
		assert_string_equal(said.data, cases[i].attributes);
		buf_reset(&said);
		assert_int_equal(span_resource(&x, s, put, &said), 0);
		assert_string_equal(said.data, "service.name=a;container.id=0123abcd;container.name=web;");
		buf_fini(&said);
		spans_fini(&m.s);
	}
}

static void test_attributes(void **state)
{
	static const struct {
		const char *protocol, *operation, *resource, *error;
		int32_t status;
		uint8_t kind;
		uint32_t flags;
		const char *name, *attributes;
		bool failed;
	} cases[] = {
		{ "http", "GET", "/a/{n}", "", 200, SPAN_SERVER, 0, "GET /a/{n}",
		  "network.protocol.name=http;http.request.method=GET;http.response.status_code=200;url.template=/a/"
		  "{n};",
		  false },
		{ "http2", "POST", "/a", "", 404, SPAN_CLIENT, 0, "POST /a",
		  "network.protocol.name=http;network.protocol.version=2;http.request.method=POST;http.response.status_"
		  "code=404;"
		  "url.path=/a;peer.service=there;error.type=404;",
		  true },
		{ "http", "GET", "/a", "", 404, SPAN_SERVER, SPAN_FAILED, "GET /a",
		  "network.protocol.name=http;http.request.method=GET;http.response.status_code=404;url.path=/a;",
		  false },
		{ "http", "GET", "/a", "", 0, SPAN_SERVER, SPAN_UNANSWERED, "GET /a",
		  "network.protocol.name=http;http.request.method=GET;url.path=/a;", false },
		{ "grpc", "POST", "/shop.Cart/Add", "", 13, SPAN_CLIENT, SPAN_FAILED, "shop.Cart/Add",
		  "rpc.system=grpc;rpc.service=shop.Cart;rpc.method=Add;rpc.grpc.status_code=13;peer.service=there;"
		  "error.type=13;",
		  true },
		{ "postgresql", "SELECT", "select a, b from \"Items\" where id = ?", "42P01 no such table", 0,
		  SPAN_CLIENT, SPAN_FAILED, "SELECT Items",
		  "db.system.name=postgresql;db.operation.name=SELECT;db.collection.name=Items;db.query.text=select a, "
		  "b from \"Items\" where "
		  "id = ?;"
		  "db.query.summary=SELECT Items;peer.service=there;error.type=42P01;db.response.status_code=42P01;",
		  true },
		{ "mysql", "INSERT", "insert into shop.cart values (?)", "", 0, SPAN_SERVER, 0, "INSERT shop.cart",
		  "db.system.name=mysql;db.operation.name=INSERT;db.collection.name=shop.cart;db.query.text=insert "
		  "into shop.cart values (?);"
		  "db.query.summary=INSERT shop.cart;",
		  false },
		{ "mysql", "SELECT", "select * from a join b on a.id = b.id", "42S02 no such table", 1146, SPAN_CLIENT,
		  SPAN_FAILED, "SELECT a",
		  "db.system.name=mysql;db.operation.name=SELECT;db.query.text=select * from a join b on a.id = b.id;"
		  "db.query.summary=SELECT a;peer.service=there;error.type=1146;db.response.status_code=1146;",
		  true },
		{ "grpc", "POST", "/shop.Cart/Add", "", 5, SPAN_SERVER, SPAN_FAILED, "shop.Cart/Add",
		  "rpc.system=grpc;rpc.service=shop.Cart;rpc.method=Add;rpc.grpc.status_code=5;", false },
		{ "http", "BREW", "/pot", "", 418, SPAN_CLIENT, 0, "HTTP /pot",
		  "network.protocol.name=http;http.request.method=_OTHER;http.request.method_original=BREW;"
		  "http.response.status_code=418;url.path=/pot;peer.service=there;error.type=418;",
		  true },
		{ "postgresql", "BEGIN", "begin", "", 0, SPAN_CLIENT, 0, "BEGIN",
		  "db.system.name=postgresql;db.operation.name=BEGIN;db.query.text=begin;db.query.summary=BEGIN;"
		  "peer.service=there;",
		  false },
		{ "redis", "GET", "cart:{n}", "'ERR", 0, SPAN_CLIENT, SPAN_FAILED, "GET",
		  "db.system.name=redis;db.operation.name=GET;db.query.summary=GET cart:{n};peer.service=there;"
		  "error.type=_OTHER;",
		  true },
		{ "dns", "A", "example.org", "", 3, SPAN_CLIENT, SPAN_FAILED, "A example.org",
		  "network.protocol.name=dns;dns.question.name=example.org;saker.operation=A;peer.service=there;error."
		  "type=3;",
		  true },
		{ "tcp", "", "", "", 0, SPAN_SERVER, SPAN_TIMING, "tcp", "network.protocol.name=tcp;", false },
		{ "", "", "", "", 0, SPAN_INTERNAL, 0, "request", "", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct made m = { 0 };
		struct export_spans x = { .s = &m.s, .count = 1 };
		struct buf name = BUF_INIT, said = BUF_INIT;
		struct span *s = made_span(&m);

		s->protocol = made_protocol(&m, cases[i].protocol);
		s->operation = made_text(&m, cases[i].operation);
		s->resource = made_text(&m, cases[i].resource);
		s->error = made_text(&m, cases[i].error);
		s->peer = made_text(&m, "there");
		s->status = cases[i].status;
		s->kind = cases[i].kind;
		s->flags = cases[i].flags;
		span_name(&m.s, s, &name);
		buf_str(&said, "");
		assert_int_equal(span_attributes(&x, s, put, &said), 0);
		assert_string_equal(name.data, cases[i].name);
		assert_string_equal(said.data ? said.data : "", cases[i].attributes);
		assert_int_equal(span_error(&m.s, s), cases[i].failed);
		buf_fini(&name);
		buf_fini(&said);
		spans_fini(&m.s);
	}
}

/* --- parents of another trace --- */

static void test_links(void **state)
{
	struct span rows[2] = { { .trace = { 1, 2 }, .id = 3, .parent = SPAN_NONE },
				{ .trace = { 1, 2 }, .id = 4, .parent = 0 } };
	struct spans s = { .rows = rows, .count = 2 };
	const struct span *link;

	(void)state;
	assert_null(span_parent(&s, &rows[0], &link));
	assert_null(link);
	assert_ptr_equal(span_parent(&s, &rows[1], &link), &rows[0]);
	assert_null(link);
	rows[1].trace[1] = 9; /* an id in the messages says so */
	assert_null(span_parent(&s, &rows[1], &link));
	assert_ptr_equal(link, &rows[0]);
	rows[1].parent = 7;
	assert_null(span_parent(&s, &rows[1], &link));
	assert_null(link);
}

/* --- Jaeger --- */

static void test_jaeger(void **state)
{
	struct export_spans x = { .epoch_ns = 1700000000000000000ULL };
	struct err err = ERR_INIT;
	struct jaeger_stats stats;
	struct spans got;
	struct made m;
	char *text = NULL;
	size_t len = 0, i, k;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	made_requests(&m, 40, 7);
	x.s = &m.s;
	x.count = m.s.count;
	assert_int_equal(jaeger_write(&x, f, &err), 0);
	(void)fclose(f);
	if (jaeger_read(text, len, &got, &stats, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(stats.left_out + stats.orphans, 0);
	assert_int_equal(got.count, m.s.count);
	for (i = 0; i < m.s.count; i++) {
		const struct span *a = &m.s.rows[i], *b = NULL;

		for (k = 0; k < got.count; k++)
			if (got.rows[k].id == a->id)
				b = &got.rows[k];
		assert_non_null(b);
		assert_true(a->trace[0] == b->trace[0] && a->trace[1] == b->trace[1] && a->kind == b->kind);
		assert_true(a->begin_ns / 1000 == (b->begin_ns - x.epoch_ns) / 1000);
		assert_true(a->end_ns / 1000 == (b->end_ns - x.epoch_ns) / 1000);
		assert_string_equal(spans_text(&m.s, a->service), spans_text(&got, b->service));
		assert_int_equal(a->parent == SPAN_NONE, b->parent == SPAN_NONE);
		if (a->parent != SPAN_NONE)
			assert_true(m.s.rows[a->parent].id == got.rows[b->parent].id);
		assert_int_equal(a->flags & SPAN_FAILED && a->kind == SPAN_CLIENT,
				 b->flags & SPAN_FAILED && b->kind == SPAN_CLIENT);
	}
	spans_fini(&got);
	spans_fini(&m.s);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target), cmocka_unit_test(test_no_target), cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_facts),  cmocka_unit_test(test_links),	 cmocka_unit_test(test_jaeger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
