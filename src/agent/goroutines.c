/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/goroutines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mapped.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "probe/go.h"
#include "probe/goprogram.h"

#define FILES_MAX 65536
#define NOT_HOOKED UINT64_MAX
#define READY_MAX 10000 /* a second, of one program: about 2 % of a CPU */

/* A program whose run queue is hooked. */
struct hooked {
	struct bpf_link *link; /* NULL: no longer */
	struct stat st;
	struct goprogram program;
	char exe[512];
	uint64_t since_ns, count; /* in this second */
};

struct goroutines {
	struct kernel *kernel;
	enum goroutines_how how;
	goroutines_emit_fn *emit;
	void *arg;
	struct map seen; /* files by number, device and change time -> index of hooked, NOT_HOOKED */
	struct map runs; /* process -> index of hooked */
	struct hooked *hooked[GO_PROGRAMS_MAX];
	size_t nhooked;
};

int goroutines_new(struct kernel *k, enum goroutines_how how, goroutines_emit_fn *emit, void *arg,
		   struct goroutines **ret)
{
	struct goroutines *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->kernel = k;
	g->how = how;
	g->emit = emit;
	g->arg = arg;
	*ret = g;
	return 0;
}

void goroutines_detach(struct goroutines *g)
{
	size_t i;

	for (i = 0; g && i < g->nhooked; i++)
		go_ready_detach(TAKE(g->hooked[i]->link));
}

struct goroutines *goroutines_free(struct goroutines *g)
{
	goroutines_detach(g);
	if (!g)
		return NULL;
	while (g->nhooked)
		free(g->hooked[--g->nhooked]);
	map_fini(&g->seen);
	map_fini(&g->runs);
	free(g);
	return NULL;
}

static int tell(struct goroutines *g, const struct stat *st, const char *exe, const struct goprogram *p)
{
	struct event_go_program e = {
		.h = { .type = EVENT_GO_PROGRAM, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
		.inode = st->st_ino,
		.tracked = p->tracked
	};
	const char *strings[] = { exe, p->version, p->tracked ? p->why_not_ready : p->why, NULL };
	union {
		struct event_header h;
		char bytes[4096];
	} room;

	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : g->emit(g->arg, &room.h);
}

/* Hooks the run queue; what keeps it from that becomes the reason that is told. */
static void hook(struct goroutines *g, const struct stat *st, int fd, const char *exe, struct goprogram *p)
{
	struct hooked *h = g->nhooked < ARRAY_LEN(g->hooked) ? calloc(1, sizeof(*h)) : NULL;
	struct err err = ERR_INIT;
	char path[64]; /* the process may be gone by now, and its /proc/PID/exe with it */

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!h)
		(void)err_set(&err, ENOMEM, "too many Go programs");
	else if ((h->link = go_ready_attach(g->kernel, path, p->ready, &err)))
		g->hooked[g->nhooked++] = h;
	if (!h || !h->link) {
		(void)snprintf(p->why_not_ready, sizeof(p->why_not_ready), "%.120s", err.text);
		free(h);
		return;
	}
	h->st = *st;
	h->program = *p;
	(void)snprintf(h->exe, sizeof(h->exe), "%.510s", exe);
}

/* Returns the index of hooked. */
static uint64_t track(struct goroutines *g, const struct stat *st, int fd, const char *exe, struct goprogram *p)
{
	struct go_file file = { .inode = st->st_ino, .size = (uint64_t)st->st_size };
	struct err err = ERR_INIT;
	size_t before = g->nhooked;

	if (go_program_add(g->kernel, &file, &p->layout, &err) < 0) {
		p->tracked = false;
		(void)snprintf(p->why, sizeof(p->why), "%.120s", err.text);
		return NOT_HOOKED;
	}
	if (p->ready && g->how < GOROUTINES_READY)
		(void)snprintf(p->why_not_ready, sizeof(p->why_not_ready), "--goroutines=ids");
	else if (p->ready)
		hook(g, st, fd, exe, p);
	return g->nhooked > before ? before : NOT_HOOKED;
}

/* The file is met the first time. */
static int meet(struct goroutines *g, const struct stat *st, int fd, const char *exe, uint64_t key)
{
	uint64_t index = NOT_HOOKED;
	struct goprogram p;
	bool go = goprogram_read_fd(fd, &p);

	if (go && p.tracked)
		index = track(g, st, fd, exe, &p);
	if (map_set(&g->seen, key, index) < 0)
		return -ENOMEM;
	return go ? tell(g, st, exe, &p) : 0;
}

/* path leads to the file; exe is what it is called; pid runs it, 0: nobody yet. */
static int see(struct goroutines *g, const char *path, const char *exe, uint32_t pid)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const uint64_t *index;
	struct stat st;
	uint64_t key;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	key = map_hash(map_hash(map_hash(st.st_ino) + st.st_dev) + (uint64_t)st.st_size) +
	      (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	if (!map_get(&g->seen, key) && g->seen.count < FILES_MAX)
		r = meet(g, &st, fd, exe, key);
	index = map_get(&g->seen, key);
	if (r < 0 || !pid || !index)
		return r;
	if (*index == NOT_HOOKED)
		(void)map_del(&g->runs, pid);
	else if (map_set(&g->runs, pid, *index) < 0)
		return -ENOMEM;
	return 0;
}

int goroutines_count(struct goroutines *g, const struct event_header *h)
{
	const uint64_t *index = g ? map_get(&g->runs, h->tgid) : NULL;
	struct hooked *at = index ? g->hooked[*index] : NULL;

	if (!at || !at->link)
		return 0;
	if (h->boot_ns > at->since_ns + NS_PER_SEC) {
		at->since_ns = h->boot_ns;
		at->count = 0;
	}
	if (++at->count <= READY_MAX)
		return 0;
	go_ready_detach(TAKE(at->link));
	(void)snprintf(at->program.why_not_ready, sizeof(at->program.why_not_ready),
		       "it does that more than %d times a second: no longer told", READY_MAX);
	return tell(g, &at->st, at->exe, &at->program);
}

int goroutines_see(struct goroutines *g, uint32_t pid)
{
	char path[64], exe[1024];
	ssize_t n;

	if (!g || g->how == GOROUTINES_OFF)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = 0;
	return n < 0 ? 0 : see(g, path, exe, pid);
}

int goroutines_see_command(struct goroutines *g, const char *command)
{
	char path[1024];

	if (!g || g->how == GOROUTINES_OFF || !mapped_command(command, path, sizeof(path)))
		return 0;
	return see(g, path, path, 0);
}
