/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_frames - how many frames a second go through what is on the other end of a veth, and come back.
 *
 * usage: live_frames INTERFACE MAC VIP FLOWS SECONDS [stack]
 *        live_frames bounce INTERFACE		sends each frame back where it came from, until it is killed
 *
 * Frames of 64 bytes, UDP to port 80 of the VIP from FLOWS ports in turn, are made by a program in BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES and sent to the other end of INTERFACE, which must receive by NAPI: an XDP program, or GRO.
 * What comes back to INTERFACE is counted and dropped by an XDP program here; with `stack` there is none, the interface's own
 * counter tells, and dropping it is the caller's affair. Prints: frames sent, frames that came back, millions of these a second.
 * All of it is on one CPU: what makes the frames takes its share.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "packet/wire.h"

#define FRAME 64
#define BATCH 64
#define TURN (1 << 16) /* frames of one call */
#define CPUS 1024

extern const unsigned char bpf_live_frames_data[];
extern const size_t bpf_live_frames_size;

/* As in live_frames.bpf.c */
struct live {
	uint8_t head[sizeof(struct wire_ether) + sizeof(struct wire_ipv4) + sizeof(struct wire_udp)];
	uint16_t pad;
	uint32_t ifindex, flows;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "live_frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint16_t ip_sum(const uint8_t *ip)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void fill(struct live *live, const char *mac, const char *vip)
{
	uint8_t *ip = live->head + 14, *udp = ip + 20;
	unsigned m[6];
	uint16_t sum;
	int i;

	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		die("no MAC");
	for (i = 0; i < 6; i++)
		live->head[i] = (uint8_t)m[i];
	memcpy(live->head + 6, (uint8_t[]) { 2, 0, 0, 0, 0, 1, 8, 0 }, 8);
	memcpy(ip, (uint8_t[]) { 0x45, 0, 0, FRAME - 14, 0, 0, 0x40, 0, 64, PROTO_UDP, 0, 0, 10, 90, 1, 2 }, 16);
	if (inet_pton(AF_INET, vip, ip + 16) != 1)
		die("no address");
	sum = ip_sum(ip);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	memcpy(udp, (uint8_t[]) { 0, 0, 0, 80, 0, FRAME - 34, 0, 0 }, 8);
}

static uint64_t count(struct bpf_object *obj, uint32_t key)
{
	static uint64_t each[CPUS];
	uint64_t sum = 0;
	int i, cpus = libbpf_num_possible_cpus();

	if (cpus > CPUS || bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(obj, "live_counts"), &key, each))
		die("counters");
	for (i = 0; i < cpus; i++)
		sum += each[i];
	return sum;
}

/* What the interface has received, as the kernel counts. */
static uint64_t received(const char *interface)
{
	char line[512], name[32];
	unsigned long bytes, packets;
	FILE *f = fopen("/proc/self/net/dev", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %31[^:]: %lu %lu", name, &bytes, &packets) == 3 && !strcmp(name, interface)) {
			(void)fclose(f);
			return packets;
		}
	}
	die("no such interface");
	return 0;
}

static int program(struct bpf_object *obj, const char *name)
{
	const struct bpf_program *p = bpf_object__find_program_by_name(obj, name);

	return p ? bpf_program__fd(p) : -1;
}

static int bounce(struct bpf_object *obj, const char *interface)
{
	if (!obj || bpf_object__load(obj) ||
	    bpf_link_create(program(obj, "live_bounce"), (int)if_nametoindex(interface), BPF_XDP, NULL) < 0)
		die("cannot attach");
	(void)printf("bouncing\n");
	(void)fflush(stdout);
	return pause();
}

int main(int argc, char **argv)
{
	uint8_t frame[FRAME] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME, .repeat = TURN,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	struct bpf_object *obj = bpf_object__open_mem(bpf_live_frames_data, bpf_live_frames_size, NULL);
	bool stack = argc == 7 && !strcmp(argv[6], "stack");
	struct live live = { 0 };
	uint64_t from, until, back;
	uint32_t zero = 0;
	int link = -1;

	if (argc == 3 && !strcmp(argv[1], "bounce"))
		return bounce(obj, argv[2]);
	if (argc < 6 || (argc > 6 && !stack))
		die("usage: live_frames INTERFACE MAC VIP FLOWS SECONDS [stack]");
	live.ifindex = if_nametoindex(argv[1]);
	live.flows = (uint32_t)atoi(argv[4]);
	fill(&live, argv[2], argv[3]);
	if (!obj || bpf_object__load(obj) ||
	    bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "live_what"), &zero, &live, BPF_ANY))
		die("cannot load");
	if (!stack) {
		link = bpf_link_create(program(obj, "live_sink"), (int)live.ifindex, BPF_XDP, NULL);
		if (link < 0)
			die("cannot attach");
	}
	if (bpf_prog_test_run_opts(program(obj, "live_send"),
				   &opts)) /* the first packets of each flow are not counted */
		die("cannot run");
	back = stack ? received(argv[1]) : count(obj, 1);
	from = now_ns();
	until = from + (uint64_t)(atof(argv[5]) * 1e9);
	while (now_ns() < until) {
		if (bpf_prog_test_run_opts(program(obj, "live_send"), &opts))
			die("cannot run");
	}
	until = now_ns();
	back = (stack ? received(argv[1]) : count(obj, 1)) - back;
	(void)printf("%lu %lu %.3f\n", (unsigned long)count(obj, 0), (unsigned long)back,
		     (double)back * 1e3 / (double)(until - from));
	if (link >= 0)
		(void)close(link);
	bpf_object__close(obj);
	return 0;
}
