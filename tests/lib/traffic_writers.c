/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads on one connection. Large blocks of two writers are really cut by the kernel: a
 * sender that waits for buffer space lets go of the socket lock.
 */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <netinet/in.h>
#include <unistd.h>

struct side {
	struct crowd *c;
	unsigned end;
};

static void write_blocks(struct crowd *c, unsigned end)
{
	struct ep *ep = &c->ep[end];

	for (unsigned i = 0; i < c->blocks; i++)
		tx_all(ep, c->tx, c->size);
	if (atomic_fetch_add(&c->done[end], 1) + 1 == c->writers[end])
		check(!shutdown(ep->fd, SHUT_WR), "cannot shut down");
}

static void read_blocks(struct crowd *c, unsigned end)
{
	struct ep *ep = &c->ep[end];
	uint64_t all = (uint64_t)c->writers[!end] * c->blocks * c->size;
	ssize_t r;

	if (c->readers[!end] == 1) {
		rx_all(ep, c->rx, all, c->step);
		rx_eof(ep);
		return;
	}
	while ((r = c->rx->recv(ep, scratch(), c->step)) > 0)
		;
	if (r < 0)
		die("%s: a reader failed with error %zd", ep->conn->name, -r);
}

static void side_worker(void *arg, unsigned idx)
{
	struct side *s = arg;

	if (idx < s->c->writers[s->end])
		write_blocks(s->c, s->end);
	else
		read_blocks(s->c, s->end);
}

static void side_run(struct crowd *c, unsigned end)
{
	struct side s = { .c = c, .end = end };

	ep_close(&c->ep[!end]);
	workers_run(c->writers[end] + c->readers[!end], false, side_worker, &s);
}

static void side_a(void *arg)
{
	side_run(arg, 0);
}

static void side_b(void *arg)
{
	side_run(arg, 1);
}

void crowd_start(const struct crowd *c)
{
	struct crowd own = *c;

	for (unsigned i = 0; i < 2; i++)
		c->ep[0].conn->way[i].many_readers = c->readers[i] > 1;
	spawn(side_a, &own);
	spawn(side_b, &own);
	ep_close(&own.ep[0]);
	ep_close(&own.ep[1]);
}

static void run_crowd(const struct scenario *sc, const char *name, struct crowd c)
{
	struct addr a = addr_ip(AF_INET, NULL, 0);

	ep_pair(&a, conn_new(KIND_TCP, 0, "%s/%s", sc->name, name), c.ep);
	c.tx = tx_find(sc->tx);
	c.rx = rx_find(sc->rx);
	c.blocks = given(world->o.messages, c.blocks);
	c.size = given(world->o.size, c.size);
	crowd_start(&c);
	reap();
}

static void run_writers(const struct scenario *sc)
{
	run_crowd(sc, "4x1k",
		  (struct crowd) { .writers = { 4 }, .readers = { 1 }, .blocks = 400, .size = 1000, .step = 777 });
	run_crowd(sc, "2x8M",
		  (struct crowd) { .writers = { 2 }, .readers = { 1 }, .blocks = 2, .size = 8u << 20, .step = 200003 });
}

static void run_readers(const struct scenario *sc)
{
	run_crowd(sc, "2",
		  (struct crowd) { .writers = { 1 }, .readers = { 2 }, .blocks = 800, .size = 1000, .step = 4096 });
	run_crowd(sc, "2-tiny",
		  (struct crowd) { /* too short to name themselves: placed by the join */
				   .writers = { 1 },
				   .readers = { 2 },
				   .blocks = 300,
				   .size = 99,
				   .step = 40 });
	run_crowd(sc, "4-large",
		  (struct crowd) { .writers = { 1 }, .readers = { 4 }, .blocks = 4, .size = 2u << 20, .step = 20000 });
}

static void run_duplex(const struct scenario *sc)
{
	run_crowd(sc, "2",
		  (struct crowd) {
			  .writers = { 1, 1 }, .readers = { 1, 1 }, .blocks = 200, .size = 5000, .step = 0x3001 });
}

const struct scenario writer_scenarios[] = {
	{ .name = "writers",
	  .run = run_writers,
	  .tx = "send",
	  .rx = "recv",
	  .about = "4 threads x 1 kB and 2 threads x 8 MB on one socket, one reader" },
	{ .name = "readers",
	  .run = run_readers,
	  .tx = "send",
	  .rx = "recv",
	  .about = "2 and 4 threads read one socket" },
	{ .name = "twothreads",
	  .run = run_duplex,
	  .tx = "send",
	  .rx = "recv",
	  .about = "one thread sends and another receives on the same socket, both ends" },
	{ 0 }
};
