/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_CAST_H
#define SAKER_EXPLAIN_CAST_H
/*
 * cast - the processes of a story: who they are, whose children, how long they were there, with whom they spoke.
 * Inside of story.  Memory: ACTORS_MAX processes; contacts by story's own budget.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "explain/title.h"

struct event;

#define CAST_NONE UINT32_MAX

/* One end of a matched message between two processes. */
struct contact {
	uint64_t boot_ns; /* when it was received: a message has passed only then */
	uint64_t said_ns; /* when it was sent */
	uint64_t id;	  /* of the own end */
	uint32_t other;	  /* process */
	uint32_t sock : 31;
	uint32_t sent : 1;
};

struct actor {
	uint32_t host, tgid;
	uint32_t parent;       /* CAST_NONE: unknown */
	char comm[TITLE_TEXT]; /* what people call it */
	uint64_t exe;	       /* hash of the program's path, 0: unknown */
	uint64_t netns, cgroup;
	uint64_t first_ns, last_ns; /* its own events in task context */
	uint64_t exec_ns, exec_id;  /* its last exec */
	uint64_t died_ns;	    /* 0: did not */
	uint64_t died_id;
	int32_t exit_code;
	uint32_t exit_sig;
	uint32_t accepted, connected; /* connections */
	uint32_t last_signal;	      /* index + 1 of the last signal to it in story's list, 0: none */
	uint64_t events;
	uint64_t messages;	  /* sent or received, matched or not */
	struct contact *contacts; /* by story_tell(), sorted by time */
	size_t ncontacts;
};

#define PLACE_MAX 40

struct place {
	char name[PLACE_MAX];
};

struct cast {
	struct map by_netns;  /* (host, cookie) mixed -> index of place */
	struct map by_cgroup; /* the same of containers */
	struct place *places;
	size_t nplaces;
	struct actor *actors;
	size_t count;
	struct map by_tgid; /* (host, tgid) -> latest actor */
};

void cast_fini(struct cast *c);
/* The actor of ev's process, made if need be; CAST_NONE: none, or out of memory. */
uint32_t cast_of(struct cast *c, const struct event *ev);
uint32_t cast_find(const struct cast *c, uint32_t host, uint32_t tgid);
/* Learns from fork, exec, process, exit and netns events. */
void cast_learn(struct cast *c, const struct event *ev);
/* Name of the container or network namespace that the actor lives in, "" where it has none. */
const char *cast_place(const struct cast *c, const struct actor *a);
/* Do they live in the same one? */
bool cast_together(const struct cast *c, const struct actor *a, const struct actor *b);
int cast_contact(struct actor *a, const struct contact *contact); /* -ENOMEM */
void cast_sort(struct cast *c);					  /* everyone's contacts by time */
/* First contact at or after t. */
size_t cast_contact_at(const struct actor *a, uint64_t t);
/* Did a speak with other before its contact number `before`?  Looks at most 2000 contacts back. */
bool cast_spoke(const struct actor *a, size_t before, uint32_t other);
/* Who runs the same program at the same place after the actor has died: CAST_NONE, or the first. */
uint32_t cast_successor(const struct cast *c, uint32_t i);

#endif
