/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/verdicts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "net/chain.h"
#include "net/lb/look.h"
#include "net/samples.h"
#include "packet/wire.h"

struct verdicts {
	struct balancer b;
	struct samples *samples;
	verdicts_fn each;
	void *arg;
	int lock;
	uint64_t lost;	  /* counted so far */
	uint64_t told_ns; /* when that was read last */
};

static uint64_t lost_count(const struct verdicts *v)
{
	struct chain_count n = { 0 };

	(void)chain_counted(v->b.chain, CHAIN_SAMPLE_LOST, &n);
	return n.packets;
}

static void addr_put(uint8_t out[16], const __be32 addr[4], uint8_t family)
{
	if (family == 6) {
		memcpy(out, addr, 16);
	} else if (family == 4) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, addr, 4);
	}
}

/* More is drawn (for net/shadow), and not worth its room in a recording. */
#define HEAD_KEPT 64

static void head_text(const struct chain_sample *s, char out[2 * HEAD_KEPT + 1])
{
	uint32_t i, bytes = MIN(s->bytes, (uint32_t)HEAD_KEPT);

	for (i = 0; i < bytes; i++)
		(void)snprintf(out + 2 * (size_t)i, 3, "%02x", s->head[i]);
	out[2 * bytes] = 0;
}

static int take(void *arg, const struct chain_sample *s)
{
	struct verdicts *v = arg;
	const struct chain_words *words = chain_reason(s->reason);
	struct event_verdict e = {
		.h = { .type = EVENT_VERDICT, .boot_ns = s->boot_ns, .cpu = s->cpu, .context = CONTEXT_SOFTIRQ },
		.action = s->action,
		.reason = s->reason,
		.rule = s->rule,
		.one_in = s->one_in,
		.bytes = s->frame,
		.ifindex = s->ifindex,
		.sport = WIRE16(s->flow.sport),
		.dport = WIRE16(s->flow.dport),
		.protocol = s->flow.proto
	};
	char head[2 * HEAD_KEPT + 1];
	const char *strings[] = { v->b.attach.name,
				  words ? words->stage : "",
				  words ? words->name : "",
				  words ? words->text : "a reason that this build does not know",
				  head,
				  NULL };
	struct lb_real real;
	union {
		struct event_header h;
		char bytes[1024];
	} room;

	addr_put(e.src, s->flow.src, s->flow.family);
	addr_put(e.dst, s->flow.dst, s->flow.family);
	if (s->backend && !lb_look_real(v->b.chain, s->backend, &real))
		addr_put(e.backend, real.addr, real.family);
	head_text(s, head);
	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : v->each(v->arg, &room.h);
}

/* Who holds the lock wrote here who it is. */
static void reader_name(int fd, char *out, size_t size)
{
	ssize_t n = pread(fd, out, size - 1, 0);

	out[MAX(n, 0)] = 0;
	out[strcspn(out, "\n")] = 0;
}

int verdicts_lock(const struct balancer *b, const char *who, int *ret, struct err *err)
{
	char path[PATH_MAX], reader[64];
	int fd;

	balancer_path(b, "verdicts", path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		reader_name(fd, reader, sizeof(reader));
		(void)close(fd);
		return err_set(err, EBUSY, "the verdicts of interface '%s' are read by %s: only one can",
			       b->attach.name, reader[0] ? reader : "somebody else");
	}
	if (!ftruncate(fd, 0))
		(void)dprintf(fd, "%s, process %d\n", who, (int)getpid());
	*ret = fd;
	return 0;
}

int verdicts_open(const char *interface, verdicts_fn each, void *arg, struct verdicts **ret, struct err *err)
{
	struct verdicts *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return err_set(err, ENOMEM, "out of memory");
	v->lock = -1;
	v->each = each;
	v->arg = arg;
	r = balancer_open(&v->b, interface, false, err);
	if (r < 0) {
		free(v);
		return r;
	}
	if (!v->b.chain)
		r = err_set(err, ENOENT, "no packet function of saker runs on interface '%s'", interface);
	if (!r)
		r = verdicts_lock(&v->b, "somebody else (`saker lb watch`, or a recording)", &v->lock, err);
	if (!r)
		r = samples_open(v->b.chain, take, v, &v->samples, err);
	if (r < 0)
		return (void)verdicts_close(v), r;
	v->lost = lost_count(v);
	v->told_ns = clock_boot_ns();
	*ret = v;
	return 0;
}

struct verdicts *verdicts_close(struct verdicts *v)
{
	if (!v)
		return NULL;
	(void)samples_close(v->samples);
	balancer_close(&v->b);
	if (v->lock >= 0)
		(void)close(v->lock);
	free(v);
	return NULL;
}

/* Those that found no room since this was asked last. */
static int tell_lost(struct verdicts *v)
{
	uint64_t lost = lost_count(v), now = clock_boot_ns();
	struct event_loss e = {
		.h = { .type = EVENT_LOSS, .length = sizeof(e), .boot_ns = now, .context = CONTEXT_RECORDER },
		.count = lost - v->lost,
		.from_ns = v->told_ns,
		.to_ns = now,
		.lost_type = EVENT_VERDICT
	};

	v->told_ns = now;
	if (lost == v->lost)
		return 0;
	v->lost = lost;
	return v->each(v->arg, &e.h);
}

int verdicts_turn(struct verdicts *v, int timeout_ms)
{
	int r = samples_turn(v->samples, timeout_ms);

	if (r < 0 && r != -EINTR)
		return r;
	return clock_boot_ns() - v->told_ns > NS_PER_SEC / 2 ? tell_lost(v) : 0;
}

void verdicts_rates(const struct verdicts *v, uint32_t *ret_sample, uint32_t *ret_drops)
{
	chain_watched(v->b.chain, ret_sample, ret_drops);
}
