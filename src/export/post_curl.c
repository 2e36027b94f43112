/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "export/post.h"

static const char *const libraries[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

/* What is used of it, as the header declares it. */
struct curl {
	typeof(curl_easy_init) *init;
	typeof(curl_easy_cleanup) *cleanup;
	typeof(curl_easy_setopt) *setopt;
	typeof(curl_easy_perform) *perform;
	typeof(curl_easy_getinfo) *getinfo;
	typeof(curl_easy_strerror) *strerror;
	typeof(curl_slist_append) *append;
	typeof(curl_slist_free_all) *free_all;
};

struct post {
	void *library;
	struct curl f;
	CURL *handle;
	struct curl_slist *headers;
	struct post_answer *answer; /* while it is being read */
	const char *url;
	char text[CURL_ERROR_SIZE];
};

static int load(struct post *p)
{
	static const char *const names[] = { "curl_easy_init",	  "curl_easy_cleanup",	"curl_easy_setopt",
					     "curl_easy_perform", "curl_easy_getinfo",	"curl_easy_strerror",
					     "curl_slist_append", "curl_slist_free_all" };
	void *at[ARRAY_LEN(names)];
	size_t i;

	_Static_assert(sizeof(at) == sizeof(p->f), "a pointer for each");
	for (i = 0; i < ARRAY_LEN(libraries) && !p->library; i++)
		p->library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (!p->library)
		return -ENOSYS;
	for (i = 0; i < ARRAY_LEN(names); i++) {
		at[i] = dlsym(p->library, names[i]);
		if (!at[i])
			return -ENOSYS;
	}
	memcpy(&p->f, at, sizeof(at));
	return 0;
}

static size_t take(char *data, size_t size, size_t count, void *arg)
{
	struct post *p = arg;
	size_t len = size * count, left = POST_ANSWER_MAX - p->answer->body.len;

	buf_add(&p->answer->body, data, len < left ? len : left);
	return len;
}

static void set_options(struct post *p, const struct post_opts *o)
{
	struct curl *f = &p->f;

	(void)f->setopt(p->handle, CURLOPT_URL, o->url);
	(void)f->setopt(p->handle, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)f->setopt(p->handle, CURLOPT_POST, 1L);
	(void)f->setopt(p->handle, CURLOPT_HTTPHEADER, p->headers);
	(void)f->setopt(p->handle, CURLOPT_USERAGENT, "saker/" SAKER_VERSION);
	(void)f->setopt(p->handle, CURLOPT_TIMEOUT_MS, o->timeout_ms);
	(void)f->setopt(p->handle, CURLOPT_NOSIGNAL, 1L);
	(void)f->setopt(p->handle, CURLOPT_FOLLOWLOCATION, 0L); /* a token in a header is for this server only */
	(void)f->setopt(p->handle, CURLOPT_ERRORBUFFER, p->text);
	(void)f->setopt(p->handle, CURLOPT_WRITEFUNCTION, take);
	(void)f->setopt(p->handle, CURLOPT_WRITEDATA, p);
	if (o->ca_file)
		(void)f->setopt(p->handle, CURLOPT_CAINFO, o->ca_file);
	if (o->cert)
		(void)f->setopt(p->handle, CURLOPT_SSLCERT, o->cert);
	if (o->key)
		(void)f->setopt(p->handle, CURLOPT_SSLKEY, o->key);
}

static int add_headers(struct post *p, const struct post_opts *o)
{
	struct curl_slist *list;
	size_t i;

	for (i = 0; i < o->nheaders; i++) {
		list = p->f.append(p->headers, o->headers[i]);
		if (!list)
			return -ENOMEM;
		p->headers = list;
	}
	/* It would wait for a leave to send the body that most receivers never give. */
	list = p->f.append(p->headers, "Expect:");
	if (!list)
		return -ENOMEM;
	p->headers = list;
	return 0;
}

int post_open(const struct post_opts *opts, struct post **ret, struct err *err)
{
	struct post *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, ENOMEM, "out of memory for '%s'", opts->url);
	p->url = opts->url;
	r = load(p);
	if (r < 0) {
		post_close(p);
		return err_set(err, ENOSYS,
			       "cannot send to '%s': libcurl (%s) is not installed; --file FILE needs none", opts->url,
			       libraries[0]);
	}
	p->handle = p->f.init();
	r = p->handle ? add_headers(p, opts) : -ENOMEM;
	if (r < 0) {
		post_close(p);
		return err_set(err, ENOMEM, "out of memory for '%s'", opts->url);
	}
	set_options(p, opts);
	*ret = p;
	return 0;
}

struct post *post_close(struct post *p)
{
	if (!p)
		return NULL;
	if (p->handle)
		p->f.cleanup(p->handle);
	if (p->headers)
		p->f.free_all(p->headers);
	if (p->library)
		(void)dlclose(p->library);
	free(p);
	return NULL;
}

int post_send(struct post *p, const void *body, size_t len, struct post_answer *ret, struct err *err)
{
	curl_off_t after = 0;
	CURLcode code;

	p->answer = ret;
	p->text[0] = 0;
	buf_reset(&ret->body);
	ret->status = 0;
	ret->retry_after_s = 0;
	(void)p->f.setopt(p->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	(void)p->f.setopt(p->handle, CURLOPT_POSTFIELDS, body);
	code = p->f.perform(p->handle);
	if (code != CURLE_OK)
		return err_set(err,
			       code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ? ECONNREFUSED
			       : code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ? EINVAL
			       : code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ? EINVAL
													    : EIO,
			       "cannot send to '%s': %s", p->url, p->text[0] ? p->text : p->f.strerror(code));
	(void)p->f.getinfo(p->handle, CURLINFO_RESPONSE_CODE, &ret->status);
	if (p->f.getinfo(p->handle, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		ret->retry_after_s = (long)after;
	return 0;
}
