/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_FACTS_H
#define SAKER_EXPLAIN_FACTS_H
/* facts - what story keeps of the events, and the lines it makes.  Inside of story only. */
#include "explain/cast.h"
#include "explain/story.h"

#define NS_PER_S 1000000000ULL
#define FACTS_MAX 100000 /* of each kind; the rest is counted */

/* A signal, a death by memory, a timer, a log line: one event that may matter. */
struct fact {
	uint64_t boot_ns, id;
	uint64_t until_ns, until_id; /* a stop: when it went on; 0: never */
	uint32_t host;
	uint32_t actor;	 /* who did it */
	uint32_t target; /* to whom */
	uint32_t number; /* signal, errno, tid */
	uint16_t type;	 /* event type */
};

struct facts {
	struct fact *rows;
	size_t count, cap;
	uint64_t refused;
};

/* A message event: enough to tell who and when. */
struct message {
	uint64_t id;
	uint64_t boot_ns;
	uint64_t begin_ns;
	uint64_t sock;
	uint32_t actor;
	uint32_t tid;
	bool sent;
};

struct messages { /* of one host, by id */
	struct message *rows;
	size_t count, cap;
};

#define STORY_HOSTS 64

struct story {
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	struct cast cast;
	struct facts signals, stops, ooms, timers, troubles, logs;
	struct messages messages[STORY_HOSTS];
	struct story_totals totals;
	struct map by_type; /* struct event_type * -> count */
	uint64_t first_ns, last_ns;
	uint64_t bytes, left_out;
	uint32_t victim; /* of the first cause that was told, CAST_NONE: none */
	uint64_t cause_ns;
	struct story_line *lines;
	size_t nlines, lines_cap;
};

int facts_add(struct facts *f, const struct fact *fact);			/* 0 (also when full), -ENOMEM */
const struct message *story_message(const struct story *s, struct order_ref a); /* NULL: none */
struct actor *story_actor(const struct story *s, uint32_t i);			/* CAST_NONE gives a stranger */

/* The name of an actor: `etcd[4600] on node1`; buffers rotate, four at a time. */
const char *actor_text(const struct story *s, uint32_t i);
const char *place_text(const struct story *s, uint32_t i); /* its place, or its name where that is unknown */

/* A new line, or NULL (out of memory: counted). */
struct story_line *line_add(struct story *s, uint64_t boot_ns, uint32_t host, uint32_t weight);
void line_cite(struct story_line *l, uint32_t host, uint64_t id);

/* Notes that a cause befell the actor; the earliest counts. */
void story_victim(struct story *s, uint32_t actor, uint64_t at_ns);

/* Chapters: each adds its lines.  Did actors that spoke with i go on for a while after `at`? */
bool actor_missed(const struct story *s, uint32_t i, uint64_t at);
void tell_deaths(struct story *s);
void tell_silence(struct story *s);
void tell_troubles(struct story *s);

#endif
