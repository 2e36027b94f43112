/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_ATTACH_TC_H
#define SAKER_NET_ATTACH_TC_H
/*
 * attach_tc - a program on an interface's hook of traffic control, beside whatever others have there; it outlives its process.
 *
 * Where the kernel has them (6.6) by a link (TCX), pinned as `NAME` in the interface's folder (net/attach.h); else by a filter of a
 * fixed priority and handle under the qdisc clsact.  Only a filter whose program has the very name that is asked for is taken for
 * ours; those of others are neither replaced nor removed, and clsact goes only if we made it and nobody else has a filter there.
 *
 * Threads: one.  Memory: this struct and a file descriptor.  Failure: the hook stays as it was.
 */
#include <stdbool.h>
#include <stdint.h>

struct attach;
struct err;

enum attach_tc_how { ATTACH_TC_NONE, ATTACH_TC_LINK, ATTACH_TC_FILTER };

struct attach_tc {
	const struct attach *a; /* borrowed */
	const char *name;	/* of the program, and of the pin */
	bool egress;
	enum attach_tc_how how;
	int link;	  /* -1: none */
	uint32_t program; /* id; 0: ours is not there */
};

/* Life cycle.  Looks what is there; name is borrowed. */
void attach_tc_open(struct attach_tc *t, const struct attach *a, const char *name, bool egress);
void attach_tc_close(struct attach_tc *t);

/* Puts the program there, or in the place of ours without a packet between. */
int attach_tc_set(struct attach_tc *t, int program, struct err *err);
/* Takes ours off; 0 where there is none. */
int attach_tc_detach(struct attach_tc *t, struct err *err);

const char *attach_tc_how_name(enum attach_tc_how how); /* "none", "link", "filter" */
/* How that program is there now. */
enum attach_tc_how attach_tc_look(const struct attach *a, const char *name, bool egress);

#endif
