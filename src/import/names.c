/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - the hosts, threads and sockets of an import.
 *
 * A thread whose name is no number of the kernel's gets one above the highest that Linux gives (PID_MAX_LIMIT, 2^22 on
 * 64 bit, include/linux/threads.h), so that the two never meet; in the order of the names, so that the same threads get
 * the same numbers whatever the files' order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "import/internal.h"

#define NAMED_TID_FIRST 4194305U
#define NAME_MAX_LEN 255
#define NAMES_MAX (1U << 24)

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		h = map_hash(h + p[i]);
	return h;
}

/* The host's name is the name of a folder later. */
static int check_host(const char *name, struct err *err)
{
	if (!name[0] || strlen(name) > NAME_MAX_LEN)
		return err_set(err, EBADMSG, "the host's name has %zu bytes", strlen(name));
	if (name[0] == '.' || strchr(name, '/'))
		return err_set(err, EBADMSG, "the host's name begins with a point or has a slash in it");
	return 0;
}

static int host_get(struct import *imp, const char *name, struct err *err)
{
	struct import_host *hosts;
	uint32_t i;
	int r = check_host(name, err);

	for (i = 0; r >= 0 && i < imp->nhosts; i++)
		if (!strcmp(imp->hosts[i].name, name))
			return (int)i;
	if (r < 0)
		return r;
	if (imp->nhosts == IMPORT_HOSTS_MAX)
		return err_set(err, E2BIG, "more than %d hosts", IMPORT_HOSTS_MAX);
	hosts = array_grown(imp->hosts, imp->nhosts, sizeof(*hosts));
	if (!hosts)
		return err_set(err, ENOMEM, "out of memory for %u hosts", imp->nhosts);
	imp->hosts = hosts;
	hosts[imp->nhosts] = (struct import_host) { .name = strdup(name) };
	if (!hosts[imp->nhosts].name)
		return err_set(err, ENOMEM, "out of memory for %u hosts", imp->nhosts);
	return (int)imp->nhosts++;
}

static int thread_push(struct import *imp, uint32_t host, const char *name, uint64_t key, struct err *err)
{
	struct import_thread *all = array_grown(imp->threads, imp->nthreads, sizeof(*all)), *t;
	const uint64_t *first = map_get(&imp->thread_map, key);
	uint64_t tid;

	if (imp->nthreads == NAMES_MAX)
		return err_set(err, E2BIG, "more than %u threads", NAMES_MAX);
	if (!all)
		return err_set(err, ENOMEM, "out of memory for %u threads", imp->nthreads);
	imp->threads = all;
	t = &all[imp->nthreads];
	*t = (struct import_thread) {
		.host = host, .leader = imp->nthreads, .next = first ? (uint32_t)*first : 0, .name = strdup(name)
	};
	t->named = parse_number(name, &tid) < 0 || !tid || tid >= NAMED_TID_FIRST;
	t->tid = t->named ? 0 : (uint32_t)tid;
	if (!t->name || map_set(&imp->thread_map, key, imp->nthreads + 1) < 0) {
		free(t->name);
		return err_set(err, ENOMEM, "out of memory for %u threads", imp->nthreads);
	}
	return (int)imp->nthreads++;
}

int import_thread_get(struct import *imp, const char *thread, struct err *err)
{
	CLEANUP_FREE char *name = strdup(thread);
	char *at = name ? strrchr(name, '@') : NULL;
	const uint64_t *first;
	uint64_t key;
	uint32_t i;
	int host;

	if (!name)
		return err_set(err, ENOMEM, "out of memory for thread '%s'", thread);
	if (!at || at == name || at - name > NAME_MAX_LEN)
		return err_set(err, EBADMSG, "'%.80s' is no thread (like 4711@host)", thread);
	*at = 0;
	host = host_get(imp, at + 1, err);
	if (host < 0)
		return host;
	key = hash_bytes((uint64_t)host, name, strlen(name));
	first = map_get(&imp->thread_map, key);
	for (i = first ? (uint32_t)*first : 0; i; i = imp->threads[i - 1].next)
		if (imp->threads[i - 1].host == (uint32_t)host && !strcmp(imp->threads[i - 1].name, name))
			return (int)i - 1;
	return thread_push(imp, (uint32_t)host, name, key, err);
}

int import_thread_comm(struct import *imp, uint32_t thread, const char *comm)
{
	struct import_thread *t = &imp->threads[thread];

	if (!t->comm)
		t->comm = strdup(comm);
	return t->comm ? 0 : -ENOMEM;
}

static int name_compare(const void *pa, const void *pb)
{
	const struct import_thread *a = *(struct import_thread *const *)pa, *b = *(struct import_thread *const *)pb;

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	return strcmp(a->name, b->name);
}

int import_names_number(struct import *imp, struct err *err)
{
	CLEANUP_FREE struct import_thread **named = calloc(imp->nthreads + 1, sizeof(*named));
	uint32_t n = 0, i, next = 0;

	if (!named)
		return err_set(err, ENOMEM, "out of memory for %u threads", imp->nthreads);
	for (i = 0; i < imp->nthreads; i++)
		if (imp->threads[i].named)
			named[n++] = &imp->threads[i];
	qsort(named, n, sizeof(*named), name_compare);
	for (i = 0; i < n; i++) {
		next = i && named[i]->host == named[i - 1]->host ? next + 1 : NAMED_TID_FIRST;
		named[i]->tid = next;
	}
	return 0;
}

static bool sock_same(const struct import_sock *a, const struct import_sock *b)
{
	return a->host == b->host && a->protocol == b->protocol && a->local_port == b->local_port &&
	       a->remote_port == b->remote_port && !memcmp(a->local, b->local, sizeof(a->local)) &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote));
}

static uint64_t sock_key(const struct import_sock *s)
{
	uint64_t h = map_hash((uint64_t)s->host << 40 | (uint64_t)s->protocol << 32 | (uint64_t)s->local_port << 16 |
			      s->remote_port);

	h = hash_bytes(h, s->local, sizeof(s->local));
	return hash_bytes(h, s->remote, sizeof(s->remote));
}

int import_sock_find(const struct import *imp, const struct import_sock *like)
{
	const uint64_t *first = map_get(&imp->sock_map, sock_key(like));
	uint32_t i;

	for (i = first ? (uint32_t)*first : 0; i; i = imp->socks[i - 1].next)
		if (sock_same(&imp->socks[i - 1], like))
			return (int)i - 1;
	return -ENOENT;
}

int import_sock_get(struct import *imp, const struct import_sock *like, struct err *err)
{
	int found = import_sock_find(imp, like);
	uint64_t key = sock_key(like);
	const uint64_t *first = map_get(&imp->sock_map, key);
	struct import_sock *all;
	uint32_t next = first ? (uint32_t)*first : 0;

	if (found >= 0)
		return found;
	if (imp->nsocks == NAMES_MAX)
		return err_set(err, E2BIG, "more than %u sockets", NAMES_MAX);
	all = array_grown(imp->socks, imp->nsocks, sizeof(*all));
	if (all)
		imp->socks = all;
	if (!all || map_set(&imp->sock_map, key, imp->nsocks + 1) < 0)
		return err_set(err, ENOMEM, "out of memory for %u sockets", imp->nsocks);
	all[imp->nsocks] = *like;
	all[imp->nsocks].next = next;
	return (int)imp->nsocks++;
}

void import_names_fini(struct import *imp)
{
	uint32_t i;

	for (i = 0; i < imp->nhosts; i++)
		free(imp->hosts[i].name);
	for (i = 0; i < imp->nthreads; i++) {
		free(imp->threads[i].name);
		free(imp->threads[i].comm);
	}
	free(imp->hosts);
	free(imp->threads);
	free(imp->socks);
	map_fini(&imp->thread_map);
	map_fini(&imp->sock_map);
}
