/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_link - what the agents on backends' hosts tell, as signs.
 *
 * Each one becomes an event `told` of the diary, and that is the evidence which is passed on: the event that the host itself names lies in
 * its recording, and the order of both leads there (order/match_evidence.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/diary.h"
#include "agent/hostid.h"
#include "agent/keeper.h"
#include "base/err.h"
#include "event/event.h"
#include "peer/link.h"

struct link_part {
	struct keeper *k;
	struct link *link;
	struct secret secret;
	char name[FRAME_NAME];
};

/* For itself, and for those for whom the command line says that it may. */
static bool may(void *arg, const struct sign_addr *from, const struct sign_addr *backend)
{
	struct link_part *p = arg;
	const struct keeper_opts *o = keeper_options(p->k);
	unsigned int i;

	if (sign_addr_equal(from, backend))
		return true;
	for (i = 0; i < o->npeers; i++)
		if (sign_addr_equal(&o->peers[i].from, from) && sign_addr_equal(&o->peers[i].backend, backend))
			return true;
	return false;
}

static void told(void *arg, const struct link_told *t, struct sign *s)
{
	struct link_part *p = arg;
	struct event_told e = { .h = { .type = EVENT_TOLD, .boot_ns = s->boot_ns },
				.session = t->session,
				.sequence = t->sequence,
				.value = s->value,
				.agent = t->host,
				.host1 = s->evidence.host,
				.ns1 = s->evidence.boot_ns,
				.seq1 = s->evidence.seq,
				.cpu1 = s->evidence.cpu,
				.sign = s->kind,
				.port = s->port,
				.protocol = s->proto };
	struct err err = ERR_INIT;

	sign_addr_event(&s->backend, e.backend);
	sign_addr_event(&t->from, e.peer);
	if (diary_write(keeper_diary(p->k), &e, (const char *[]) { s->text, t->name, NULL }, &s->evidence, &err) < 0)
		s->evidence = (struct sign_event) { 0 };
}

static void sign(void *arg, const struct sign *s)
{
	struct link_part *p = arg;

	keeper_sign(p->k, s);
}

static void refused(void *arg, const struct sign_addr *from, enum session_refusal why)
{
	struct link_part *p = arg;
	char text[SIGN_ADDR_TEXT];

	keeper_say(p->k, "refused an agent at %s: %s", sign_addr_text(from, text), session_refusal_text(why));
}

static int part_open(struct keeper *k, void **ret, struct err *err)
{
	const struct keeper_opts *o = keeper_options(k);
	struct link_part *p;
	struct link_listen_opts lo = { .address = o->listen_address[0] ? o->listen_address : NULL,
				       .port = o->listen_port,
				       .host = hostid_get(),
				       .may = may,
				       .told = told,
				       .sign = sign,
				       .refused = refused };
	int r;

	if (!o->listen_port)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->k = k;
	r = secret_read(o->key, &p->secret, err);
	if (gethostname(p->name, sizeof(p->name) - 1) < 0)
		p->name[0] = '?';
	lo.secret = &p->secret;
	lo.name = p->name;
	lo.arg = p;
	if (r >= 0)
		r = link_listen(&lo, &p->link, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static int part_fd(void *part)
{
	return link_fd(((struct link_part *)part)->link);
}

static int part_turn(void *part, uint64_t now_ns)
{
	link_turn(((struct link_part *)part)->link, now_ns);
	return 0;
}

static void part_close(void *part)
{
	struct link_part *p = part;

	(void)link_free(p->link);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

const struct keeper_part keeper_link = {
	.name = "link", .open = part_open, .fd = part_fd, .turn = part_turn, .close = part_close
};
