/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_FLOW_H
#define SAKER_EXPLAIN_REQUESTS_FLOW_H
/*
 * requests_flow - for which request each thread worked: inside of requests.
 *
 * Nodes are the spans, then the hand-overs between threads.  A node begins with something that a unit (thread or
 * goroutine) sends, and later activates a unit: a server span the one that receives its request, a client span the one that
 * receives its response, a hand-over the one that was woken or read the pipe.  What a unit sends next is because of
 * something that activated it: `cause` of what was sent, `effect` of what had activated.  Only the owner of a server span
 * is known at once, when it begins and when it is answered.  So each client span and hand-over has two witnesses: the
 * request at the end of its causes, and the one at the end of its effects; they were found independently of each
 * other, by what arrived first and by what was sent last.
 *
 * With several activations pending in one unit (an event loop) there are three ways in which programs go about it; that one
 * is taken under which the two witnesses agree most often in that unit.  A fourth one learns what the program does in which
 * order (requests_steps.c), and is taken where that explains nearly all answers, and more of them than the others do.
 */
#include "explain/requests_in.h"

#define FLOW_PICK_MAX 256 /* entries of a unit that are looked at */
#define FLOW_STEPS_KEPT 4096

enum flow_mode {
	MODE_LAST,  /* each is handled when it has been read */
	MODE_BATCH, /* first what can be read is read, then handled in that order */
	MODE_FIFO,  /* likewise, and some time later */
	MODE_STEPS, /* as it was seen to do: requests_steps.c */
	MODES,
};

struct node {
	uint32_t cause, effect;
	uint32_t forward, backward; /* owners that these lead to: server spans, NONE */
	uint32_t entry;		    /* in a unit's queue, NONE */
	uint32_t unit;		    /* that sent it, NONE */
	uint32_t woke;		    /* that it activated last, NONE */
	uint32_t act;		    /* as in its extent */
	uint32_t whose;		    /* forward, as what came later has corrected it */
	uint32_t tail;		    /* server: node that was sent for it last, NONE */
	uint32_t after;		    /* server: node whose activation it was answered after, NONE */
	uint32_t latest;	    /* server: node that activated somebody for it last */
	/* How well what was sent fits what had activated, 0 to 3; for owners that of the weakest link */
	uint8_t cause_fit, effect_fit, forward_fit, backward_fit;
	uint8_t handed;	 /* a hand-over is among the causes */
	uint8_t single;	 /* 1: no other cause was possible, 2: no other effect */
	uint8_t weak;	 /* nothing had activated the unit since: what it did last */
	uint8_t done;	 /* server: answered */
	uint8_t pending; /* among how many its cause (server: what it was answered after) was picked */
};

/* When a node was, in few bytes: the walks ask for it more often than for anything else. */
struct extent {
	uint64_t at_ns, end_ns;	    /* its act; the end of all of it */
	uint64_t begin_ns, last_ns; /* server: of the span; last_ns UINT64_MAX: it was not answered */
	uint32_t act;
	uint16_t host;
	uint8_t kind; /* enum span_kind; SPAN_KINDS: a hand-over */
};

/* What a node is about: requests_steps.c. */
struct node_kind {
	uint32_t fine, coarse; /* hashes */
	uint32_t conn;	       /* NONE: none */
};

struct step {
	uint64_t key;
	double likelihood;
};

/* An activation that nothing has followed yet. */
struct entry {
	uint32_t node, before, after, unit;
	uint32_t batch; /* number of its batch */
};

struct flow_unit {
	uint32_t head, tail, count;
	uint32_t nbatch;
	uint32_t responses; /* how many entries of the batch are responses */
	uint32_t left;	/* how much it sends until it receives again, this included; without what is answered at once */
	uint32_t batch; /* first entry since it last sent something, NONE */
	uint32_t last;	/* node that it last did something for */
	uint32_t hand;	/* hand-over that it took when it had nothing else */
	uint32_t self;	/* server span that it received itself, NONE */
	uint32_t open;	/* how many of those are not answered */
	uint8_t sent;	/* since the last activation */
	uint8_t idle; /* it waited for messages since the last activation: what was pending needs something else, too */
	uint8_t mode;
	bool steps;  /* with MODE_STEPS more answers fit than with the others */
	uint8_t fit; /* of what was picked last, with MODE_STEPS */
	int32_t score[MODES];
	uint32_t answers, kept[MODES]; /* in the last walk: all, and those that requests_steps.c says fit */
	uint32_t crowded;	       /* so often had it to choose among several */
	uint32_t plain[MODES];	       /* kept in the last walk without hints */
};

struct flow {
	struct requests *r;
	struct node *nodes;
	uint32_t nspans, nnodes;
	struct flow_unit *units;
	ROWS(struct entry) entries;
	uint32_t free_entry;
	uint32_t *hints;	    /* by node: its owner as the walk before found it backward; NULL: no walk yet */
	struct extent *extents;	    /* by node */
	uint32_t *walked, nwalked;  /* acts that a walk has to look at, in their order */
	uint8_t *idle;		    /* by act: its thread had waited for messages before it */
	uint32_t *left;		    /* by act: see struct flow_unit */
	uint32_t *node_of;	    /* by act: hand-over, or the span that it is part of; NONE */
	uint32_t *begins, *answers; /* by act: first span whose request, response begins with it */
	uint32_t *next_begin, *next_answer; /* by span */
	struct node_kind *kinds;	    /* by node */
	struct map steps;		    /* votes; empty: nothing was learned yet */
	struct step *likely;		    /* FLOW_STEPS_KEPT likelihoods that were computed from them */
	struct map objects;		    /* what was waited on -> how often the witnesses agreed << 32 | did not */
	struct map bad;			    /* those that hand over no requests */
	double near;			    /* so much of the likeliest's likelihood has what may be it, too */
	bool several;			    /* somewhere more than one was pending */
};

/* requests_queue.c: the activations of a unit. */
void flow_activate(struct flow *f, uint32_t unit, uint32_t node);
/* The entry that the mode says, of those that may be the cause of what was sent (a server span: that answered it); NONE. */
uint32_t flow_pick(struct flow *f, uint32_t unit, uint32_t sent);
/* May what activated so have made the unit send this? */
bool flow_fits(const struct flow *f, uint32_t entry, uint32_t sent);
void flow_remove(struct flow *f, uint32_t entry);
uint8_t flow_fit(const struct flow *f, uint32_t entry); /* how likely it is the cause of what is sent now */

/* requests_walk.c: one walk over all acts. */
uint64_t flow_object(const struct flow *f, const struct act *wake); /* key of what was waited on */
void flow_walk(struct flow *f);
/* Is it the first that is sent on a connection that its thread made?  Then that is its cause. */
bool flow_opens(const struct flow *f, uint32_t act);
/* Did the node's whole time, or only its beginning, lie within that of the server span? */
bool flow_within(const struct flow *f, uint32_t node, uint32_t server);
bool flow_open_then(const struct flow *f, uint32_t node, uint32_t server);
uint32_t flow_owner(const struct flow *f, uint32_t node); /* as far as it is known going forward */
/* requests_steps.c: what a program sends after what it has received. */
int flow_kinds(struct flow *f);		    /* -ENOMEM */
void flow_learn(struct flow *f, bool anew); /* from the last walk, once its witnesses are known */
void flow_keep_plain(struct flow *f);	    /* after a walk without hints */
void flow_choose_steps(struct flow *f);	    /* after those with hints: the units that MODE_STEPS explains best */
/* own: the entry whose label is that of what is sent, NONE */
uint32_t flow_pick_step(struct flow *f, uint32_t unit, uint32_t sent, uint32_t own);
uint32_t flow_own_entry(struct flow *f, uint32_t unit, uint32_t server);
void flow_swap_tails(struct flow *f, uint32_t server, uint32_t node);
/* requests_segments.c: segments and log lines, once the owners are decided; -ENOMEM. */
int flow_segments(struct flow *f);
static inline bool flow_is_server(const struct flow *f, uint32_t node)
{
	return f->extents[node].kind == SPAN_SERVER;
}

#endif
