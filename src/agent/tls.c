/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/mapped.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "probe/elffile.h"
#include "probe/goprogram.h"
#include "probe/tls.h"

#define WAITING_MAX 256
#define PATIENCE_NS (2 * NS_PER_SEC) /* a library that is loaded only for the first connection */
#define NOTHING UINT64_MAX	     /* instead of an index of files */

/* Libraries that Saker does not see through, by the beginning of the file's name. */
static const struct {
	const char *prefix, *name;
} others[] = {
	{ "libgnutls.", "GnuTLS" },   { "libnss3.so", "NSS" }, { "libmbedtls.", "Mbed TLS" },
	{ "libwolfssl.", "wolfSSL" }, { "libs2n.", "s2n" },    { "libjvm.so", "Java's own TLS" },
	{ "libbotan", "Botan" },      { "libssl3.so", "NSS" },
};

struct tls_file {
	struct tls_hooks hooks;
	uint64_t inode;
	char path[512], kind[16], why[128];
	bool hooked;
};

/* A process that speaks TLS and of which nothing is hooked yet. */
struct waiting {
	uint32_t pid; /* 0: free */
	uint64_t since_ns;
	const struct tls_file *refused; /* a file of a kind that Saker knows, but without what it needs */
	const char *other;		/* another library: its name and */
	char path[256];			/* path */
};

struct tls {
	struct kernel *kernel;
	tls_emit_fn *emit;
	void *arg;
	struct map seen;   /* key of a file -> index of files, NOTHING */
	struct map told;   /* process -> index of the hooked file that was told, NOTHING: told that nothing is seen */
	struct map hellos; /* processes that were seen to begin TLS */
	struct tls_file *files[TLS_FILES_MAX];
	size_t nfiles;
	struct waiting waiting[WAITING_MAX];
};

int tls_new(struct kernel *k, tls_emit_fn *emit, void *arg, struct tls **ret)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->kernel = k;
	t->emit = emit;
	t->arg = arg;
	*ret = t;
	return 0;
}

void tls_unhook(struct tls *t)
{
	size_t i;

	for (i = 0; t && i < t->nfiles; i++)
		tls_detach(&t->files[i]->hooks);
}

struct tls *tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	tls_unhook(t);
	while (t->nfiles)
		free(t->files[--t->nfiles]);
	map_fini(&t->seen);
	map_fini(&t->told);
	map_fini(&t->hellos);
	free(t);
	return NULL;
}

static int tell(struct tls *t, uint32_t pid, const struct tls_file *f)
{
	struct event_tls_program e = { .h = { .type = EVENT_TLS_PROGRAM,
					      .boot_ns = clock_boot_ns(),
					      .context = CONTEXT_RECORDER,
					      .tgid = pid,
					      .tid = pid },
				       .inode = f->inode,
				       .seen = f->hooked };
	const char *strings[] = { f->path, f->kind, f->why, NULL };
	union {
		struct event_header h;
		char bytes[2048];
	} room;

	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : t->emit(t->arg, &room.h);
}

/* --- files --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool maybe_openssl(const char *path)
{
	return !strncmp(base_name(path), "libssl.so", 9) || !strncmp(base_name(path), "libssl-", 7);
}

static void hook(struct tls *t, struct tls_file *f, int fd, const struct goprogram *go)
{
	struct err err = ERR_INIT;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (go && !go->tls.nreturns) {
		(void)snprintf(f->why, sizeof(f->why), "%s", go->tls.why);
		return;
	}
	r = go ? tls_go_attach(t->kernel, path, &go->tls, &f->hooks, &err)
	       : tls_openssl_attach(t->kernel, path, &f->hooks, &err);
	f->hooked = r >= 0;
	if (r < 0)
		(void)snprintf(f->why, sizeof(f->why), "%.120s", err.text);
}

/* A file that is met the first time: index of files, NOTHING: it has no TLS of a kind that Saker knows. */
static uint64_t meet(struct tls *t, int fd, uint64_t inode, const char *path, bool program)
{
	struct goprogram p;
	bool is_go = program && goprogram_read_fd(fd, &p), go = is_go && p.tls.present;
	bool openssl = !is_go && elffile_function(fd, "SSL_read") && elffile_function(fd, "SSL_write");
	struct tls_file *f;

	if ((program && !go && !openssl) || t->nfiles == TLS_FILES_MAX || !(f = calloc(1, sizeof(*f))))
		return NOTHING;
	f->inode = inode;
	(void)snprintf(f->path, sizeof(f->path), "%.510s", path);
	(void)snprintf(f->kind, sizeof(f->kind), "%s", go ? "Go" : "OpenSSL");
	if (go || openssl)
		hook(t, f, fd, go ? &p : NULL);
	else
		(void)snprintf(f->why, sizeof(f->why), "it has no symbols that say where its functions are");
	t->files[t->nfiles] = f;
	return t->nfiles++;
}

/* Index of the file, NOTHING; -ENOMEM. */
static int file_index(struct tls *t, const char *at, const char *path, bool program, uint64_t *ret)
{
	uint64_t inode, key;
	CLEANUP_CLOSE int fd = mapped_open(at, &inode, &key);
	const uint64_t *index;

	*ret = NOTHING;
	if (fd < 0)
		return 0;
	if (!map_get(&t->seen, key) && map_set(&t->seen, key, meet(t, fd, inode, path, program)) < 0)
		return -ENOMEM;
	index = map_get(&t->seen, key);
	*ret = index ? *index : NOTHING;
	return 0;
}

int tls_see_file(void *tls, const struct mapped_file *f)
{
	struct tls *t = tls;
	const uint64_t *before;
	uint64_t index;
	int r;

	if (!t || (!f->program && !maybe_openssl(f->path)))
		return 0;
	r = file_index(t, f->at, f->path, f->program, &index);
	if (r < 0 || !f->pid || index == NOTHING || !t->files[index]->hooked)
		return r;
	before = map_get(&t->told, f->pid);
	if (before && *before == index)
		return 0;
	return map_set(&t->told, f->pid, index) < 0 ? -ENOMEM : tell(t, f->pid, t->files[index]);
}

int tls_see_system(struct tls *t)
{
	static const char *const places[] = {
		"/usr/lib/x86_64-linux-gnu/libssl.so.3",
		"/usr/lib/x86_64-linux-gnu/libssl.so.1.1",
		"/usr/lib64/libssl.so.3",
		"/usr/lib64/libssl.so.1.1",
		"/usr/lib/libssl.so.3",
	};
	uint64_t index;
	size_t i;
	int r = 0;

	for (i = 0; t && r >= 0 && i < ARRAY_LEN(places); i++)
		r = file_index(t, places[i], places[i], false, &index);
	return r;
}

/* --- processes that are not seen through --- */

int tls_exec(struct tls *t, uint32_t pid)
{
	if (!t)
		return 0;
	(void)map_del(&t->told, pid);
	(void)map_del(&t->hellos, pid);
	return 0;
}

/* A look at what a process has of TLS libraries. */
struct look {
	struct tls *t;
	struct waiting *w;
};

static int look_at(void *arg, const struct mapped_file *f)
{
	struct look *l = arg;
	uint64_t index = NOTHING;
	int r = tls_see_file(l->t, f);
	size_t i;

	if (r >= 0 && (f->program || maybe_openssl(f->path)))
		r = file_index(l->t, f->at, f->path, f->program, &index);
	if (r >= 0 && index != NOTHING && !l->t->files[index]->hooked)
		l->w->refused = l->t->files[index];
	for (i = 0; i < ARRAY_LEN(others); i++) {
		if (strncmp(base_name(f->path), others[i].prefix, strlen(others[i].prefix)) != 0)
			continue;
		l->w->other = others[i].name;
		(void)snprintf(l->w->path, sizeof(l->w->path), "%.250s", f->path);
	}
	return r;
}

static int say_blind(struct tls *t, const struct waiting *w)
{
	struct tls_file found = { .kind = "unknown",
				  .why = "no library that is known, and no symbols of one in the program" };

	if (w->refused) {
		found = *w->refused;
	} else if (w->other) {
		(void)snprintf(found.path, sizeof(found.path), "%s", w->path);
		(void)snprintf(found.kind, sizeof(found.kind), "%.15s", w->other);
		(void)snprintf(found.why, sizeof(found.why), "Saker sees through OpenSSL and Go's crypto/tls only");
	}
	return map_set(&t->told, w->pid, NOTHING) < 0 ? -ENOMEM : tell(t, w->pid, &found);
}

int tls_hello(struct tls *t, uint32_t pid)
{
	struct look l = { .t = t };
	size_t i;

	if (!t || map_get(&t->hellos, pid))
		return 0;
	for (i = 0; i < WAITING_MAX && t->waiting[i].pid; i++)
		;
	if (i == WAITING_MAX)
		return 0; /* with its next hello */
	if (map_set(&t->hellos, pid, 1) < 0)
		return -ENOMEM;
	l.w = &t->waiting[i];
	*l.w = (struct waiting) { .pid = pid, .since_ns = clock_boot_ns() };
	return mapped_each(pid, look_at, &l);
}

int tls_tick(struct tls *t, uint64_t now)
{
	size_t i;
	int r = 0;

	for (i = 0; t && r >= 0 && i < WAITING_MAX; i++) {
		struct waiting *w = &t->waiting[i];
		struct look l = { t, w };

		if (!w->pid || (!map_get(&t->told, w->pid) && now < w->since_ns + PATIENCE_NS))
			continue;
		if (!map_get(&t->told, w->pid))
			r = mapped_each(w->pid, look_at, &l);
		if (r >= 0 && !map_get(&t->told, w->pid))
			r = say_blind(t, w);
		w->pid = 0;
	}
	return r;
}
