/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_WHY_H
#define SAKER_NET_WHY_H
/*
 * why - what a running chain would do with a packet, without its doing anything.
 *
 * The programs of the running chain's build are loaded once more, with its configuration (the very maps) and with tables and
 * counters of their own; of the connection tables the entries of the packet's flow are put in.  Then the packet goes through by
 * BPF_PROG_TEST_RUN.  So it is the programs that decide, not a model of them, and nothing that runs is touched.
 *
 * Threads: one; the calling thread stays on one CPU between why_new() and why_free().
 * Memory: tables of a few entries.  Failure: complete sentences.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/shared.bpf.h"
#include "net/trial.h"

struct chain;
struct err;
struct why;

#define WHY_FRAME 4096
#define WHY_NOTES 16
#define WHY_CPUS 8
#define WHY_SENT TRIAL_SENT

struct why_answer {
	struct chain_meta meta; /* reason and rule of the verdict, and the packet as it was parsed last */
	int action;		/* XDP_*, also of traffic control; or WHY_SENT */
	uint16_t notes[WHY_NOTES];
	size_t nnotes;
	uint32_t real; /* number of the backend; 0: none */
	struct lb_real to;
	int cpus[WHY_CPUS]; /* whose tables have the flow */
	size_t ncpus;
	uint8_t out[WHY_FRAME + 256];
	uint32_t out_len;
};

int why_new(const struct chain *running, unsigned ifindex, struct why **ret, struct err *err);
struct why *why_free(struct why *w); /* NULL ok; returns NULL */
/* Frames of 14 to WHY_FRAME bytes. */
int why_packet(struct why *w, const void *frame, size_t len, struct why_answer *ret, struct err *err);

/* 'SRC:PORT > DST:PORT/tcp' (IPv6 in brackets) as an Ethernet frame; of TCP with these flags.  -EINVAL. */
int why_frame(const char *tuple, uint8_t tcp_flags, uint8_t out[128], size_t *ret_len, struct err *err);

/*
 * The next frame of a pcap file in memory, from *at on (0: the beginning): 1 with the borrowed frame, 0 at the end, or -EINVAL.
 * Ethernet only; both byte orders, micro- and nanoseconds (draft-ietf-opsawg-pcap).
 */
int why_pcap_next(const uint8_t *data, size_t len, size_t *at, const uint8_t **ret, size_t *ret_len, struct err *err);

#endif
