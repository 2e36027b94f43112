/* SPDX-License-Identifier: Apache-2.0 */
/* The variables OTEL_EXPORTER_OTLP_*: those with TRACES in their name before the others, what is empty as if not set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "export/otlp_send.h"

#define NAME_MAX_LEN 64

static const char *one(otlp_env_fn *env, const char *name)
{
	const char *v = env(name);

	return v && *v ? v : NULL;
}

/* ret_name: of the variable that was taken, for sentences. */
static const char *of_traces(otlp_env_fn *env, const char *what, char ret_name[NAME_MAX_LEN])
{
	const char *v;

	(void)snprintf(ret_name, NAME_MAX_LEN, "OTEL_EXPORTER_OTLP_TRACES_%s", what);
	v = one(env, ret_name);
	if (v)
		return v;
	(void)snprintf(ret_name, NAME_MAX_LEN, "OTEL_EXPORTER_OTLP_%s", what);
	return one(env, ret_name);
}

static bool is_http(const char *url)
{
	size_t n = !strncasecmp(url, "http://", 7) ? 7 : !strncasecmp(url, "https://", 8) ? 8 : 0;

	return n && url[n] && url[n] != '/';
}

/* Without a path behind the host, the root. */
static bool has_path(const char *url)
{
	return strchr(strstr(url, "://") + 3, '/');
}

/* base: the path of traces comes behind it. */
static int set_url(struct otlp_target *t, const char *url, bool base, const char *name, struct err *err)
{
	size_t n = strlen(url), path = strlen(OTLP_PATH);

	if (!is_http(url))
		return err_set(err, EINVAL, "%s '%s' is no address: it begins with http:// or https://", name, url);
	if (base && n > path && url[n - path - 1] == '/' && !strcmp(url + n - path, OTLP_PATH))
		base = false;
	if (asprintf(&t->url, "%s%s%s", url, !has_path(url) || (base && url[n - 1] != '/') ? "/" : "",
		     base ? OTLP_PATH : "") < 0) {
		t->url = NULL;
		return err_set(err, ENOMEM, "out of memory for '%s'", url);
	}
	return 0;
}

static int find_url(struct otlp_target *t, const char *endpoint, otlp_env_fn *env, struct err *err)
{
	static const char traces[] = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", all[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
	const char *v;

	if (endpoint)
		return set_url(t, endpoint, true, "--endpoint", err);
	v = one(env, traces);
	if (v)
		return set_url(t, v, false, traces, err);
	v = one(env, all);
	return set_url(t, v ? v : OTLP_ENDPOINT, true, all, err);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Values are percent-encoded, as those of W3C Baggage. */
static void decode(struct buf *b, const char *from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (from[i] == '%' && i + 2 < len && digit(from[i + 1]) >= 0 && digit(from[i + 2]) >= 0) {
			buf_char(b, (char)(digit(from[i + 1]) << 4 | digit(from[i + 2])));
			i += 2;
		} else {
			buf_char(b, from[i]);
		}
	}
}

static int add_header(struct otlp_target *t, const char *at, size_t len, const char *name, struct err *err)
{
	const char *equals = memchr(at, '=', len);
	struct buf b = BUF_INIT;
	size_t key = equals ? (size_t)(equals - at) : 0, i;

	while (key && at[key - 1] == ' ')
		key--;
	for (i = 0; i < key && (unsigned char)at[i] > ' ' && (unsigned char)at[i] < 0x7f && at[i] != ':'; i++)
		;
	if (!key || i < key)
		return err_set(err, EINVAL, "%s has '%.*s', which is no NAME=VALUE", name, (int)len, at);
	if (t->nheaders == OTLP_HEADERS_MAX)
		return err_set(err, EINVAL, "%s has more than %d headers", name, OTLP_HEADERS_MAX);
	for (equals++; equals < at + len && *equals == ' ';)
		equals++;
	buf_printf(&b, "%.*s: ", (int)key, at);
	decode(&b, equals, (size_t)(at + len - equals));
	if (!b.failed && (strlen(b.data) != b.len || strpbrk(b.data, "\r\n"))) {
		buf_fini(&b);
		return err_set(err, EINVAL, "%s has a header with the end of a line in it", name);
	}
	t->headers[t->nheaders] = buf_take(&b);
	if (!t->headers[t->nheaders])
		return err_set(err, ENOMEM, "out of memory for %s", name);
	t->nheaders++;
	return 0;
}

static int find_headers(struct otlp_target *t, otlp_env_fn *env, struct err *err)
{
	char name[NAME_MAX_LEN];
	const char *at = of_traces(env, "HEADERS", name);
	int r = 0;

	while (at && *at && r >= 0) {
		size_t len = strcspn(at, ","), all = len;
		const char *begin = at;

		for (; len && *begin == ' '; len--)
			begin++;
		while (len && begin[len - 1] == ' ')
			len--;
		if (len)
			r = add_header(t, begin, len, name, err);
		at += all + (at[all] == ',');
	}
	return r;
}

static int find_rest(struct otlp_target *t, otlp_env_fn *env, struct err *err)
{
	char name[NAME_MAX_LEN];
	const char *v = of_traces(env, "TIMEOUT", name);
	uint64_t ms = OTLP_TIMEOUT_MS;

	if (v && (parse_number(v, &ms) < 0 || !ms || ms > INT32_MAX))
		return err_set(err, EINVAL, "%s '%s' is no number of milliseconds", name, v);
	t->timeout_ms = (long)ms;
	v = of_traces(env, "COMPRESSION", name);
	if (v && strcmp(v, "none") != 0 && strcmp(v, "gzip") != 0)
		return err_set(err, EINVAL, "%s '%s' is neither gzip nor none", name, v);
	t->gzip = v && !strcmp(v, "gzip");
	v = of_traces(env, "PROTOCOL", name);
	if (v && strcmp(v, "http/protobuf") != 0)
		return err_set(err, EINVAL, "%s '%s' is not what saker speaks: http/protobuf", name, v);
	t->ca_file = of_traces(env, "CERTIFICATE", name);
	t->cert = of_traces(env, "CLIENT_CERTIFICATE", name);
	t->key = of_traces(env, "CLIENT_KEY", name);
	return 0;
}

int otlp_target_init(const char *endpoint, otlp_env_fn *env, struct otlp_target *ret, struct err *err)
{
	struct otlp_target t = { 0 };
	int r = find_url(&t, endpoint, env, err);

	if (r >= 0)
		r = find_headers(&t, env, err);
	if (r >= 0)
		r = find_rest(&t, env, err);
	if (r < 0)
		otlp_target_fini(&t);
	else
		*ret = t;
	return r;
}

void otlp_target_fini(struct otlp_target *t)
{
	size_t i;

	for (i = 0; i < t->nheaders; i++)
		free(t->headers[i]);
	free(t->url);
	*t = (struct otlp_target) { 0 };
}
