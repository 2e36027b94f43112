/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/span_facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "explain/who.h"
#include "store/store.h"

#define HOSTS_MAX 256

struct span_facts_reader {
	struct store_reader *reader;
	struct who *who;
	struct map tls; /* host, cookie: what TLS carries was seen */
	uint64_t shift_ns[HOSTS_MAX];
	bool shifted[HOSTS_MAX];
};

static uint64_t key_of(uint32_t host, uint64_t cookie)
{
	return map_hash(cookie ^ (uint64_t)host << 48);
}

static int learn(struct span_facts_reader *f, const struct event *ev)
{
	who_learn(f->who, ev);
	if (ev->type->id != EVENT_PAYLOAD || !(EVENT_AS(payload, ev)->flags & PAYLOADFLAGS_DECRYPTED))
		return 0;
	return map_set(&f->tls, key_of(ev->host, EVENT_AS(payload, ev)->sock), 1);
}

static int learn_all(struct span_facts_reader *f, struct err *err)
{
	struct store_read_opts opts = { 0 }; /* what is damaged was said when the spans were derived */
	struct event_source *source;
	const struct event *ev;
	int r = store_read(f->reader, &opts, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0)
		if (learn(f, ev) < 0) {
			r = err_set(err, ENOMEM, "out of memory for the connections of the recording");
			break;
		}
	event_source_close(source);
	return r;
}

int span_facts_open(struct store_reader *reader, struct span_facts_reader **ret, struct err *err)
{
	struct span_facts_reader *f = calloc(1, sizeof(*f));
	int r;

	if (!f || who_new(NULL, NULL, false, &f->who) < 0) {
		free(f);
		return err_set(err, ENOMEM, "out of memory");
	}
	f->reader = reader;
	r = learn_all(f, err);
	if (r < 0)
		span_facts_close(f);
	else
		*ret = f;
	return r;
}

void span_facts_close(struct span_facts_reader *f)
{
	if (!f)
		return;
	(void)who_free(f->who);
	map_fini(&f->tls);
	free(f);
}

/* What to add to times of that host so that they are on the clock of the first: seen at the event of one of its spans. */
static uint64_t shift_of(struct span_facts_reader *f, const struct span *span)
{
	uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)];
	struct event ev;

	if (!span->host || span->host >= HOSTS_MAX)
		return 0;
	if (!f->shifted[span->host] &&
	    store_fetch(f->reader, span->host, span->begin.id, room, sizeof(room), &ev, NULL) >= 0) {
		f->shift_ns[span->host] = span->begin_ns - ev.boot_ns;
		f->shifted[span->host] = true;
	}
	return f->shift_ns[span->host];
}

static void address(char *out, const uint8_t addr[16], bool *four)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*four = !memcmp(addr, mapped, sizeof(mapped));
	if (*four)
		(void)inet_ntop(AF_INET, addr + 12, out, SPAN_ADDRESS);
	else
		(void)inet_ntop(AF_INET6, addr, out, SPAN_ADDRESS);
}

static void set_ends(const struct who_ends *ends, struct span_facts *ret)
{
	bool four = false;

	ret->transport = ends->family == SOCKFAMILY_UNIX  ? "unix"
			 : ends->protocol == PROTOCOL_UDP ? "udp"
			 : ends->protocol == PROTOCOL_TCP ? "tcp"
							  : "";
	if (ends->family == SOCKFAMILY_UNIX)
		return;
	if (ends->remote_port) {
		address(ret->there, ends->remote, &four);
		ret->there_port = ends->remote_port;
		ret->type = four ? "ipv4" : "ipv6";
	}
	if (ends->local_port && ends->remote_port) { /* of a socket that is not connected it may be any */
		address(ret->here, ends->local, &four);
		ret->here_port = ends->local_port;
	}
}

void span_facts_of(struct span_facts_reader *f, const struct span *span, struct span_facts *ret)
{
	struct event_socket e = { .h.tgid = span->tgid, .h.tid = span->tid, .sock = span->sock };
	struct event ev = { .host = span->host,
			    .boot_ns = span->begin_ns - shift_of(f, span),
			    .type = event_static_type(EVENT_SOCKET),
			    .h = &e.h };
	struct who_ends ends;

	*ret = (struct span_facts) { .type = "", .transport = "", .container = "", .container_name = "" };
	if (who_sock(f->who, &ev, &ends))
		set_ends(&ends, ret);
	ret->tls = span->sock && map_get(&f->tls, key_of(span->host, span->sock));
	ret->container = who_container_id(f->who, &ev);
	if (*ret->container)
		ret->container_name = who_container(f->who, &ev);
	if (!strncmp(ret->container_name, ret->container, strlen(ret->container_name)))
		ret->container_name = ""; /* the start of the id, as it has no name */
}
