/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/diary.h"
#include "agent/health_doc.h"
#include "agent/keeper_internal.h"
#include "agent/loop.h"
#include "agent/page.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define TICK_NS (100 * NS_PER_MS)

/* ---- for parts ---- */

const struct keeper_opts *keeper_options(const struct keeper *k)
{
	return k->opts;
}

struct diary *keeper_diary(struct keeper *k)
{
	return k->diary;
}

struct loop *keeper_loop(struct keeper *k)
{
	return k->loop;
}

void keeper_say(struct keeper *k, const char *fmt, ...)
{
	va_list ap;

	(void)k;
	(void)fputs("saker agent: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

int keeper_each(const struct keeper *k, keeper_fn each, void *arg)
{
	size_t i;
	int r = 0;

	for (i = 0; i < k->nkept && !r; i++) {
		if (k->kept[i]->wish.nifs)
			r = each(arg, &k->kept[i]->wish.ifs[0], k->kept[i]->open ? k->kept[i]->b.chain : NULL);
	}
	return r;
}

void keeper_sign(void *keeper, const struct sign *seen)
{
	struct keeper *k = keeper;
	struct sign s = *seen;
	uint64_t now_ns = clock_boot_ns();
	size_t i;

	if (s.kind == SIGN_CHECK_PASSED || s.kind == SIGN_CHECK_FAILED)
		kept_check(k, &s);
	for (i = 0; i < k->nkept; i++)
		kept_sign(k->kept[i], &s, now_ns);
}

/* ---- interfaces ---- */

static struct kept *kept_free(struct kept *i)
{
	if (!i)
		return NULL;
	if (i->open)
		balancer_close(&i->b);
	wish_fini(&i->wish);
	kept_end(i);
	free(i);
	return NULL;
}

static struct kept *kept_find(struct keeper *k, const char *name)
{
	struct kept **grown;
	size_t i;

	for (i = 0; i < k->nkept; i++) {
		if (!strcmp(k->kept[i]->name, name))
			return k->kept[i];
	}
	grown = array_grown(k->kept, k->nkept, sizeof(struct kept *));
	if (!grown)
		return NULL;
	k->kept = grown;
	grown[k->nkept] = calloc(1, sizeof(**grown));
	if (!grown[k->nkept])
		return NULL;
	grown[k->nkept]->keeper = k;
	(void)snprintf(grown[k->nkept]->name, sizeof(grown[k->nkept]->name), "%s", name);
	return grown[k->nkept++];
}

static int keep_one(void *arg, const char *interface)
{
	struct keeper *k = arg;
	struct kept *i = kept_find(k, interface);
	struct err err = ERR_INIT;
	int r;

	if (!i)
		return -ENOMEM;
	if (i->open)
		balancer_close(&i->b);
	wish_fini(&i->wish);
	i->seen = true;
	r = balancer_open(&i->b, interface, false, &err);
	i->open = r >= 0;
	if (r >= 0)
		r = balancer_wish(&i->b, &i->wish, &err);
	if (r < 0)
		keeper_say(k, "interface '%s': %s", interface, err.text);
	else
		kept_wished(i, clock_boot_ns());
	return 0;
}

/* Takes the wishes as they are now. */
static int keep_all(struct keeper *k)
{
	size_t i, n = 0;
	int r;

	for (i = 0; i < k->nkept; i++)
		k->kept[i]->seen = false;
	r = balancer_each(keep_one, k);
	for (i = 0; i < k->nkept; i++) {
		if (k->kept[i]->seen)
			k->kept[n++] = k->kept[i];
		else
			(void)kept_free(k->kept[i]);
	}
	k->nkept = n;
	for (i = 0; keeper_parts[i]; i++) {
		if (k->parts[i] && keeper_parts[i]->wished)
			keeper_parts[i]->wished(k->parts[i]);
	}
	return r;
}

static bool is_wish(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".yaml");
}

/* Somebody changed a wish. */
static int watch_turn(void *arg, uint64_t now_ns)
{
	struct keeper *k = arg;
	union {
		struct inotify_event e;
		char bytes[4096];
	} room;
	bool wished = false;
	ssize_t n, at;

	(void)now_ns;
	while ((n = read(k->watch, &room, sizeof(room))) > 0) {
		for (at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)(room.bytes + at);

			wished = wished || (e->len && is_wish(e->name));
			at += (ssize_t)sizeof(*e) + e->len;
		}
	}
	return wished ? keep_all(k) : 0;
}

static int tick_turn(void *arg, uint64_t now_ns)
{
	struct keeper *k = arg;
	size_t i;

	for (i = 0; i < k->nkept; i++)
		kept_turn(k->kept[i], now_ns);
	return 0;
}

static int second_turn(void *arg, uint64_t now_ns)
{
	struct keeper *k = arg;
	struct err err = ERR_INIT;
	size_t i;

	for (i = 0; i < k->nkept; i++) {
		if (health_doc_due(k->kept[i], now_ns))
			health_doc_write(k->kept[i], now_ns);
	}

	if (diary_turn(k->diary, now_ns, &err) < 0 && !k->failing) {
		k->failing = true;
		keeper_say(k, "%s", err.text);
	}
	return 0;
}

/* ---- life cycle ---- */

struct keeper *keeper_free(struct keeper *k)
{
	struct err err = ERR_INIT;
	size_t i;

	if (!k)
		return NULL;
	for (i = 0; keeper_parts[i]; i++) {
		if (!k->parts[i])
			continue;
		loop_remove(k->loop, keeper_parts[i]->fd(k->parts[i]));
		keeper_parts[i]->close(k->parts[i]);
	}
	for (i = 0; i < k->nkept; i++) {
		if (k->kept[i]->open)
			health_doc_write(k->kept[i], clock_boot_ns());
		(void)kept_free(k->kept[i]);
	}
	free(k->kept);
	if (k->watch >= 0)
		(void)close(k->watch);
	if (k->lock >= 0)
		(void)close(k->lock);
	map_fini(&k->checks);
	(void)loop_free(k->loop);
	if (!k->opts->diary && diary_close(k->diary, &err) < 0 && !k->failing)
		(void)fprintf(stderr, "saker agent: %s\n", err.text);
	free(k);
	return NULL;
}

static int open_lock(struct keeper *k, struct err *err)
{
	char path[600];

	health_doc_lock_path(path, sizeof(path));
	k->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->lock < 0)
		return err_errno(err, errno, "cannot open '%s'", path);
	if (flock(k->lock, LOCK_EX | LOCK_NB))
		return err_set(err, EBUSY,
			       "another agent keeps the interfaces of this network namespace ('%s' is locked)", path);
	return 0;
}

static int open_watch(struct keeper *k, struct err *err)
{
	char dir[512];

	balancer_folder(dir, sizeof(dir));
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(err, errno, "cannot make the folder '%s'", dir);
	k->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (k->watch < 0 || inotify_add_watch(k->watch, dir, IN_MOVED_TO | IN_DELETE) < 0)
		return err_errno(err, errno, "cannot watch the folder '%s'", dir);
	return loop_add(k->loop, k->watch, watch_turn, k, err);
}

static int open_parts(struct keeper *k, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; keeper_parts[i] && i < KEEPER_PARTS && r >= 0; i++) {
		r = keeper_parts[i]->open(k, &k->parts[i], err);
		if (r >= 0 && k->parts[i])
			r = loop_add(k->loop, keeper_parts[i]->fd(k->parts[i]), keeper_parts[i]->turn, k->parts[i],
				     err);
	}
	return r;
}

static int open_diary(struct keeper *k, struct err *err)
{
	k->diary = k->opts->diary;
	if (!k->diary)
		return diary_open(k->opts->record_dir, k->opts->max_bytes, &k->diary, err);
	loop_leave_signals(k->loop);
	return 0;
}

int keeper_new(const struct keeper_opts *opts, struct keeper **ret, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(err, ENOMEM, "out of memory");
	k->opts = opts;
	k->watch = k->lock = -1;
	r = balancer_may(true, err);
	if (r >= 0)
		r = loop_new(&k->loop, err);
	if (r >= 0)
		r = open_diary(k, err);
	if (r >= 0)
		r = open_watch(k, err);
	if (r >= 0)
		r = open_lock(k, err);
	if (r >= 0)
		r = open_parts(k, err);
	if (r >= 0)
		r = loop_every(k->loop, TICK_NS, tick_turn, k, err);
	if (r >= 0)
		r = loop_every(k->loop, NS_PER_SEC, second_turn, k, err);
	if (r < 0) {
		(void)keeper_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

int keeper_begin(struct keeper *k, struct err *err)
{
	if (keep_all(k) < 0)
		return err_set(err, ENOMEM, "out of memory");
	keeper_say(k, "keeps %zu interface%s", k->nkept, k->nkept == 1 ? "" : "s");
	return 0;
}

int keeper_step(struct keeper *k, struct err *err)
{
	return loop_step(k->loop, err);
}

int keeper_run(struct keeper *k, struct err *err)
{
	int r = keeper_begin(k, err);

	if (r >= 0 && k->opts->page)
		page_ready(k->opts->page);
	return r < 0 ? r : loop_run(k->loop, err);
}
