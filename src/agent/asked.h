/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_ASKED_H
#define SAKER_AGENT_ASKED_H
/*
 * asked - how a person's command reaches the agent that watches a port: a word by an abstract AF_UNIX socket, which belongs to the
 * network namespace and goes with the process (unix(7)), so no file is left.
 *
 * Who asks must be root, or the agent's own user.  One word at a time; whoever is slow is not waited for.
 *
 * Threads: one.  Memory: fixed.  Failure: asked_open() when another agent watches the port.
 */
#include <stdint.h>

#include "agent/listeners.h"

struct err;

#define ASKED_WORD 16

int asked_open(const struct listeners_port *port, struct err *err); /* a descriptor */
/* The next word that somebody asked, who is answered with what fn says ("": it is done); 0: nobody did. */
int asked_turn(int fd, const char *(*fn)(void *arg, const char *word), void *arg);

/* The other side: 0, or a sentence. */
int asked_ask(const struct listeners_port *port, const char *word, struct err *err);

#endif
