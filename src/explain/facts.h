/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_FACTS_H
#define SAKER_EXPLAIN_FACTS_H
/* facts - what story keeps of the events, the incidents it finds, and the lines it makes.  Inside of story only. */
#include "explain/cast.h"
#include "explain/socks.h"
#include "explain/story.h"

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define WEIGHT_SLOW 800	    /* the line of slow requests, against those of incidents */
#define WEIGHT_SLOW_TOO 300 /* likewise where there is a cause that is no request's */
#define FACTS_MAX 200000    /* of each kind; the rest is counted */

/* A signal, a stop, a death by memory, a trouble, a log line: one event that may matter. */
struct fact {
	uint64_t boot_ns, id;
	uint64_t until_ns, until_id; /* a stop: when it went on; 0: never */
	uint32_t host;
	uint32_t actor;	 /* who did it */
	uint32_t target; /* to whom; of a trouble: the other end */
	uint32_t number; /* signal, errno, direction */
	uint32_t sock;	 /* of a trouble */
	uint32_t during; /* of the kernel's signal: in whose name it was sent, or CAST_NONE */
	uint32_t before; /* of a signal: index + 1 of the one before to the same target */
	uint16_t type;	 /* event type */
	bool told;
};

struct facts {
	struct fact *rows;
	size_t count, cap;
	uint64_t refused;
};

/* A timer that ended a wait. */
struct timer {
	uint64_t boot_ns, id;
	uint32_t host, actor;
};

struct timers {
	struct timer *rows;
	size_t count, cap;
};

/* A message event: enough to tell who and when. */
struct message {
	uint64_t id, boot_ns, begin_ns;
	uint32_t actor;
	uint32_t sock : 30;
	uint32_t sent : 1;
	uint32_t arrived : 1; /* a send of which at least a part was received */
};

struct messages { /* of one host, by id */
	struct message *rows;
	size_t count, cap;
};

/* --- what befell somebody --- */

enum incident_kind { INCIDENT_STOP, INCIDENT_OOM, INCIDENT_SIGNAL, INCIDENT_EXIT, INCIDENT_CUT };

struct incident {
	enum incident_kind kind;
	bool cause;	     /* else it followed from another or is nobody's loss */
	bool both;	     /* a cut: between victim and other, not around the victim */
	uint32_t victim, by; /* by: CAST_NONE: the kernel, or not known */
	uint32_t other;
	uint32_t stranger;	  /* a cut: who had just run in the victim's namespace, CAST_NONE */
	uint32_t healer;	  /* and who when it ended */
	uint32_t number;	  /* signal or status */
	uint32_t times;		  /* how often in a row */
	uint32_t alike;		  /* more victims of the same */
	uint32_t own, theirs;	  /* a cut: segments sent again by the victim, by others to it */
	uint64_t at_ns, until_ns; /* until: it ended, 0: not within the recording */
	uint64_t missed_ns;	  /* a cut: the first segment sent again */
	uint64_t lasted_ns;	  /* in all times */
	uint64_t by_id, id;	  /* events: what was done to it, and that it befell it */
	uint64_t until_by_id, until_id;
	uint32_t until_by, score;
	uint32_t theirs_host; /* a cut: where until_by_id, a segment sent again by another, was recorded */
};

#define INCIDENTS_MAX 4096
#define CAUSES_MAX 3
#define STORY_HOSTS 64

/* Troubles and deaths that no line tells. */
struct besides {
	uint64_t refused, resets, retransmits, exits;
	uint32_t last_exit; /* actor */
	uint64_t causes;    /* more than are told */
	uint64_t acts;	    /* of agents */
};

struct story {
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	const struct order *order;     /* from story_tell() on */
	int64_t shift_ns[STORY_HOSTS]; /* see story_clock() */
	struct cast cast;
	struct socks socks;
	struct facts signals, stops, ooms, troubles, logs;
	char log_text[160]; /* of the first one of logs */
	struct timers timers;
	struct {
		struct act *rows;
		size_t count;
	} acts; /* of agents (acts.c) */
	struct messages messages[STORY_HOSTS];
	struct story_totals totals;
	struct map by_type; /* struct event_type * -> count */
	uint64_t first_ns, last_ns;
	uint64_t shutdown_ns; /* from here on all were ended politely; UINT64_MAX: never */
	uint64_t bytes, left_out;
	struct incident *incidents;
	size_t nincidents;
	struct besides besides;
	char besides_text[256];
	struct story_line slow;	  /* of requests; nrefs 0: nothing is to be told of them */
	struct story_line *lines; /* all that was found */
	size_t nlines, lines_cap;
	struct story_line told[STORY_LINES]; /* those that are told, in order */
	size_t ntold;
};

/* Which of the lines are told, in which order (story.c) */
void story_select(struct story *s);

/* Collecting (collect.c) */
int facts_add(struct facts *f, const struct fact *fact); /* 0 (also when full), -ENOMEM */

/* Messages between processes (contacts.c): fills everyone's contacts; -ENOMEM. */
int story_contacts(struct story *s, const struct order *o);
struct message *story_message(const struct story *s, struct order_ref a); /* NULL: none */
size_t story_message_at(const struct messages *m, uint64_t boot_ns);	  /* first one not before */

/* Who (names.c); texts rotate, eight at a time */
struct actor *story_actor(const struct story *s, uint32_t i); /* CAST_NONE gives a stranger */
const char *actor_text(const struct story *s, uint32_t i);    /* `etcd[4600] on node1` */
const char *doer_text(const struct story *s, uint32_t i);     /* and whose child, where it lived only for this */
const char *place_text(const struct story *s, uint32_t i);    /* its place, or its name where that is unknown */
const char *count_text(uint64_t n);			      /* 9,871 */

/* Lines (names.c): a new one, or NULL (out of memory: counted) */
struct story_line *line_add(struct story *s, uint64_t boot_ns, uint32_t host, uint32_t weight);
void line_cite(struct story_line *l, uint32_t host, uint64_t id);

/* Incidents: each adds what it finds */
struct incident *incident_add(struct story *s, const struct incident *like); /* NULL: too many (counted) */
bool actor_missed(const struct story *s, uint32_t i, uint64_t at); /* did those it spoke with go on for a while? */
const struct fact *signal_before(const struct story *s, uint32_t target, uint32_t sig, uint64_t at);
void find_shutdown(struct story *s);
void find_stops(struct story *s);
void find_deaths(struct story *s);
int find_cuts(struct story *s);	      /* -ENOMEM */
void rank_incidents(struct story *s); /* the causes first */

/* Telling */
void tell_incident(struct story *s, const struct incident *inc);
int tell_effects(struct story *s, const struct incident *inc);	 /* -ENOMEM */
int tell_wait(struct story *s, const struct incident *inc);	 /* -ENOMEM */
int tell_slow(struct story *s);					 /* -ENOMEM */
void tell_troubles(struct story *s, const struct incident *inc); /* NULL: nothing befell anybody */
void tell_requests(struct story *s);
int acts_add(struct story *s, const struct event *ev); /* action, effect; -ENOMEM */
void tell_acts(struct story *s);

/* The last timer that ended a wait of the actor at most `within` before t; NULL: none */
const struct timer *timer_before(const struct story *s, uint32_t actor, uint64_t t, uint64_t within_ns);

#endif
