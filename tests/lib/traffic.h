/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_TRAFFIC_H
#define SAKER_TRAFFIC_H
/*
 * traffic - real socket traffic that knows its own truth.
 *
 * Every byte of payload says which stream and which writer it belongs to (traffic_bytes.c), so
 * the receiver learns which send call produced which stream byte. Each thread logs its own
 * calls into memory that all processes share (traffic_log.c); when all have ended, the first
 * process joins both sides (traffic_join.c) and writes truth.jsonl, calls.jsonl, conns.jsonl,
 * other.jsonl and summary.json. The formats stand at the head of traffic_join.c.
 *
 * Threads: a log belongs to its thread; scenario set-up runs in the first process, which has one
 * thread. Memory: bounded by ARENA_BYTES. Failure: die() prints a sentence and ends the process
 * with 1; the first process then kills the others and ends with 1.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#define MAX_STREAMS 16384
#define MAX_WRITERS 8		/* of one stream: three bits in each byte */
#define RECORD 16		/* bytes of one self-describing record */
#define BLOCK_BYTES (8u << 20)	/* the largest single send or receive */
#define SPARSE_STEP (64u << 10) /* in a sparse stream one record in so many bytes */

enum kind { KIND_TCP, KIND_UDP, KIND_UNIX_STREAM, KIND_UNIX_DGRAM, KINDS };
extern const char *const kind_names[KINDS];

struct thr;

struct run { /* bytes that one call moved, contiguous in stream and writer */
	struct run *next;
	uint64_t off; /* in the stream; NO_OFF: not known before the join */
	uint64_t k;   /* in the bytes of the writer; of a datagram: its number */
	uint64_t len;
	unsigned w;
	const char *raw; /* too short to be recognised: the bytes, for the join */
};
#define NO_OFF UINT64_MAX

struct call {
	struct call *next; /* of the thread */
	struct thr *thr;
	struct stream *st;
	struct run *runs; /* oldest first; those of a send are filled in by the join */
	const char *how;  /* the function that was called */
	uint64_t k, len, begin, end;
	uint32_t call, sys;
	int fd;
	unsigned w;
	bool recv;
};

struct other { /* what is no counted call: peeks, errors, ends, empty datagrams */
	struct other *next;
	struct stream *st; /* NULL: none */
	const char *what;
	uint64_t ns;
	int fd, error;
	uint32_t after;
	int64_t len;
};

struct thr {
	struct thr *next;
	pid_t pid, tid; /* tid 0: a kernel worker of that process, not known */
	uint32_t calls, sys;
	struct call *first, *last;
	struct other *other_first, *other_last;
	char *block;
	size_t left;
};

struct stream { /* one direction of a connection */
	struct conn *conn;
	uint16_t id;
	uint8_t way;	   /* the end that sends: 0 (a, which connected) or 1 (b) */
	bool many_readers; /* then there must be one writer only */
	bool sparse;
	_Atomic uint32_t writers, dgrams;
	struct {
		struct thr *thr;
		uint64_t k;
	} writer[MAX_WRITERS];
	uint64_t pos, rk[MAX_WRITERS]; /* what a single reader has consumed */
};

struct end {
	char local[112], peer[112];
	uint64_t cookie, netns, ino;
	bool set;
};

struct conn {
	struct conn *next;
	char name[48];
	enum kind kind;
	uint32_t no; /* within its scenario: what plans are drawn from */
	bool lossy;  /* bytes may stay unread */
	struct stream way[2];
	struct end end[2];
};

struct fork_rec {
	pid_t pid, tid, parent;
	bool thread;
	uint64_t begin, end;
};

struct opts {
	const char *truth, *client_netns, *server_netns, *listen, *dial;
	unsigned connections, messages, size, concurrency;
	uint64_t seed;
	bool processes, wait;
};

struct world { /* in shared memory, at one address in all processes */
	_Atomic size_t used;
	_Atomic(struct thr *) thrs;
	_Atomic(struct conn *) conns;
	struct stream *streams[MAX_STREAMS];
	_Atomic uint32_t n_streams, n_forks;
	struct fork_rec *forks;
	uint32_t max_forks;
	uint64_t storm_end_ns;
	struct opts o;
	const char *scenario;
	sem_t reached, go; /* the meeting point in the middle of a run */
	sem_t ctl;
};
extern struct world *world;

struct scenario {
	const char *name, *about;
	void (*run)(const struct scenario *sc);
	unsigned connections, messages, size, concurrency; /* what options override */
	const char *tx, *rx;
	int family;
	bool alone; /* not part of `all` */
};
extern const struct scenario tcp_scenarios[], life_scenarios[], dgram_scenarios[], unix_scenarios[], writer_scenarios[],
	net_scenarios[], long_scenarios[];

/* One end of a connection, in one process */
struct ep {
	int fd;
	struct conn *conn;
	int end;
};

/* traffic.c: errors, chance, processes */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void check(bool ok, const char *what);		     /* else die with errno */
uint64_t mix(uint64_t a, uint64_t b, uint64_t c);    /* a hash; depends on the seed */
uint64_t now_ns(void);				     /* CLOCK_BOOTTIME */
pid_t spawn(void (*fn)(void *arg), void *arg);	     /* fn's return is exit 0 */
unsigned given(unsigned option, unsigned otherwise); /* 0: not given */
void reap(void);				     /* waits for all; dies if one failed */
void workers_run(unsigned n, bool processes, void (*fn)(void *arg, unsigned idx), void *arg);
void meet_middle(void);		     /* actor: reached; returns when the recorder is there */
void meet_announce(unsigned actors); /* first process: waits for them, "ready PID...", one line */
void sem_take(sem_t *s);

/* traffic_log.c */
void world_open(void);
void *arena_alloc(size_t n);
struct thr *thr_self(void);
struct thr *thr_worker(void);
uint64_t call_begin(struct thr *t); /* counts the syscall, reads the clock */
ssize_t call_result(ssize_t ret);   /* -1 becomes -errno */
struct call *log_call(struct thr *t, struct ep *ep, bool recv, const char *how, uint64_t begin,
		      uint64_t len);			    /* reads the clock for the end */
struct run *log_run(struct call *c, const struct run *run); /* merges with the last one if it can */
void log_other(struct ep *ep, bool recv, const char *what, int error, int64_t len);
struct conn *conn_new(enum kind kind, uint32_t no, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct ep ep_open(struct conn *c, int end, int fd); /* notes addresses and cookies of this end */
struct stream *ep_out(struct ep *ep);
struct stream *ep_in(struct ep *ep);
unsigned stream_writer(struct stream *st, struct thr *t);

/* traffic_bytes.c */
void bytes_fill(struct stream *st, unsigned w, uint64_t k, char *buf, size_t n);
void bytes_take(struct call *c, const char *buf);			  /* recognises c->len bytes, adds runs */
void bytes_head(struct stream *st, uint32_t seq, char *buf, size_t n);	  /* a datagram */
struct stream *bytes_dgram(const char *buf, size_t n, uint32_t *ret_seq); /* NULL: none of ours */

/* traffic_join.c, traffic_check.c */
void join_write(const char *dir);
int check_dir(const char *dir);
#endif
