/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/tls.h"

#include <errno.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kernel.h"
#include "probe/goprogram.h"
#include "probe/probe.h"

extern const unsigned char bpf_tls_data[];
extern const size_t bpf_tls_size;

static const struct kernel_ladder tls_ladders[] = {
	{ .observation = "TLS of OpenSSL",
	  .about = "what programs say through OpenSSL, before it is encrypted and after it was decrypted",
	  .later = true,
	  .without = "requests inside of TLS",
	  .rungs = { { "tls_ssl_read tls_ssl_write tls_ssl_read_ex tls_ssl_write_ex tls_ssl_handshake tls_ssl_free "
		       "tls_ssl_return",
		       "uprobe:SSL_read,SSL_write", "5.15" } } },
	{ .observation = "TLS of Go",
	  .about = "what Go programs say through crypto/tls",
	  .later = true,
	  .without = "requests inside of TLS",
	  .rungs = { { "tls_go_read tls_go_read_return tls_go_write", "uprobe:crypto/tls.(*Conn)", "5.15" } } },
};

const struct kernel_object probe_tls = {
	.name = "tls",
	.data = bpf_tls_data,
	.size = &bpf_tls_size,
	.ladders = tls_ladders,
	.nladders = ARRAY_LEN(tls_ladders),
	.kinds = OBSERVE_TLS,
};

static const struct {
	const char *function, *entry;
	bool ends; /* its return is hooked as well */
	bool needed;
} functions[] = {
	{ "SSL_read", "tls_ssl_read", true, true },
	{ "SSL_write", "tls_ssl_write", true, true },
	{ "SSL_read_ex", "tls_ssl_read_ex", true, false },
	{ "SSL_write_ex", "tls_ssl_write_ex", true, false },
	{ "SSL_do_handshake", "tls_ssl_handshake", true, false },
	{ "SSL_free", "tls_ssl_free", false, false },
};

static int object_ready(struct kernel *k, struct err *err)
{
	int r = kernel_bpf(k, &probe_tls) ? 0 : kernel_load(k, &probe_tls, err);

	if (r >= 0)
		__atomic_store_n(&kernel_control(k)->tls, 1, __ATOMIC_RELEASE);
	return r;
}

/* One hook, by the function's name or (NULL) at a place of the file. */
static int hook(struct kernel *k, struct tls_hooks *h, const char *program, const char *path, const char *function,
		uint64_t place, bool at_return)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .func_name = function, .retprobe = at_return);
	struct bpf_program *p = bpf_object__find_program_by_name(kernel_bpf(k, &probe_tls), program);
	struct bpf_link *link;

	if (!p || h->n == TLS_LINKS)
		return p ? -E2BIG : -ENOENT;
	link = bpf_program__attach_uprobe_opts(p, -1, path, place, &opts);
	if (!link)
		return -errno;
	h->links[h->n++] = link;
	return 0;
}

static int failed(struct tls_hooks *h, int r, const char *what, const char *path, struct err *err)
{
	tls_detach(h);
	return err_errno(err, -r, "cannot hook %s of '%s'", what, path);
}

int tls_openssl_attach(struct kernel *k, const char *path, struct tls_hooks *ret, struct err *err)
{
	struct tls_hooks h = { 0 };
	int r = object_ready(k, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; i < ARRAY_LEN(functions); i++) {
		/* the return first: a call that is entered unseen leaves nothing, one whose end is unseen does */
		r = functions[i].ends ? hook(k, &h, "tls_ssl_return", path, functions[i].function, 0, true) : 0;
		if (r >= 0)
			r = hook(k, &h, functions[i].entry, path, functions[i].function, 0, false);
		if (r < 0 && (functions[i].needed || r != -ENOENT))
			return failed(&h, r, functions[i].function, path, err);
	}
	*ret = h;
	return 0;
}

int tls_go_attach(struct kernel *k, const char *path, const struct gotls *go, struct tls_hooks *ret, struct err *err)
{
	struct tls_hooks h = { 0 };
	int r = object_ready(k, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; r >= 0 && i < go->nreturns; i++)
		r = hook(k, &h, "tls_go_read_return", path, NULL, go->returns[i], false);
	if (r >= 0)
		r = hook(k, &h, "tls_go_read", path, NULL, go->read, false);
	if (r >= 0)
		r = hook(k, &h, "tls_go_write", path, NULL, go->write, false);
	if (r < 0)
		return failed(&h, r, "crypto/tls", path, err);
	*ret = h;
	return 0;
}

void tls_detach(struct tls_hooks *h)
{
	while (h->n)
		(void)bpf_link__destroy(h->links[--h->n]);
}
