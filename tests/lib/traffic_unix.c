/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX streams, the same names in two namespaces, and one port pair used again and again. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <netinet/in.h>
#include <unistd.h>

static void unix_plan(const struct scenario *sc, struct plan *p, const char *name, const char *path)
{
	struct addr a = addr_unix(path);

	plan_init(p, sc, &a);
	p->name = name;
	p->kind = KIND_UNIX_STREAM;
	plan_start(p);
}

static void run_unix_stream(const struct scenario *sc)
{
	struct plan named, abstract;
	char path[2][64];

	snprintf(path[0], sizeof(path[0]), "/tmp/traffic.%d.stream", getpid());
	snprintf(path[1], sizeof(path[1]), "@traffic.%d.stream", getpid());
	unix_plan(sc, &named, "unix_stream/named", path[0]);
	unix_plan(sc, &abstract, "unix_stream/abstract", path[1]);
	reap();
	unlink(path[0]);
}

static void pair_crowd(const struct scenario *sc, const char *name, struct crowd c)
{
	struct conn *conn = conn_new(KIND_UNIX_STREAM, 0, "%s/%s", sc->name, name);
	int fd[2];

	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), "cannot make a socket pair");
	for (int i = 0; i < 2; i++)
		c.ep[i] = ep_open(conn, i, fd[i]);
	c.tx = tx_find("write");
	c.rx = rx_find("read");
	crowd_start(&c);
	reap();
}

static void run_unix_pair(const struct scenario *sc)
{
	pair_crowd(
		sc, "duplex",
		(struct crowd) { .writers = { 1, 1 }, .readers = { 1, 1 }, .blocks = 100, .size = 3000, .step = 1001 });
	pair_crowd(sc, "4x1k",
		   (struct crowd) { .writers = { 4 }, .readers = { 1 }, .blocks = 200, .size = 1000, .step = 777 });
	pair_crowd(
		sc, "2x512k",
		(struct crowd) { .writers = { 2 }, .readers = { 1 }, .blocks = 4, .size = 512u << 10, .step = 100003 });
}

const struct scenario unix_scenarios[] = {
	{ .name = "unix_stream",
	  .run = run_unix_stream,
	  .connections = 4,
	  .messages = 20,
	  .size = 20000,
	  .concurrency = 4,
	  .about = "requests and responses, named and abstract" },
	{ .name = "unix_pair",
	  .run = run_unix_pair,
	  .about = "socket pairs over a fork: both ways, 4 x 1 kB and 2 x 512 kB writers" },
	{ 0 }
};

/* Both namespaces have 127.0.0.1:7001 talking to 127.0.0.1:7000, at the same time */
static void run_samename(const struct scenario *sc)
{
	static const char *const names[2] = { "samename/a", "samename/b" };
	struct addr listen_at = addr_ip(AF_INET, NULL, 7000), from = addr_ip(AF_INET, NULL, 7001);
	struct opts *o = &world->o;
	struct plan p[2];

	for (int i = 0; i < 2; i++) {
		int ns = ns_new(), home = ns_home();

		ns_enter(ns);
		plan_init(&p[i], sc, &listen_at);
		ns_enter(home);
		p[i].name = names[i];
		p[i].client_ns = p[i].server_ns = ns;
		p[i].bind = from;
		p[i].has_bind = p[i].middle = true;
		p[i].connections = p[i].concurrency = 1;
		plan_start(&p[i]);
	}
	if (p[0].messages < 2 || o->client_netns)
		die("2 or more messages are needed, and the namespaces are made here");
	for (int i = 0; i < 2; i++)
		sem_take(&world->reached);
	for (int i = 0; i < 2; i++) {
		sem_post(&world->go);
		close(p[i].client_ns);
	}
	reap();
}

/* The server ends each connection first: its TIME_WAIT accepts the same pair of ports again */
static void run_reuse(const struct scenario *sc)
{
	struct addr a = addr_ip(AF_INET, NULL, 0);
	struct plan p;
	int probe;

	plan_init(&p, sc, &a);
	probe = sock_bound(AF_INET, SOCK_STREAM, &a, -1);
	p.bind = addr_local(probe);
	close(probe);
	p.has_bind = p.server_first = true;
	p.concurrency = 1;
	plan_start(&p);
	reap();
}

const struct scenario net_scenarios[] = { { .name = "samename",
					    .run = run_samename,
					    .messages = 20,
					    .size = 5000,
					    .connections = 1,
					    .concurrency = 1,
					    .about = "one 4-tuple in two network namespaces at once" },
					  { .name = "reuse",
					    .run = run_reuse,
					    .connections = 20,
					    .messages = 4,
					    .size = 2000,
					    .concurrency = 1,
					    .about = "one pair of ports, many connections one after the other" },
					  { 0 } };
