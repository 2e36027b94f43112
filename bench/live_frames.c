/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_frames - how many frames a second one CPU takes from an interface, treats and sends to the link's other end.
 *
 * usage: live_frames SINK NETNS INTERFACE VIP FLOWS SECONDS chain|bounce|stack [bare]
 *
 * INTERFACE, a veth in the network namespace NETNS (a path), receives frames of 64 bytes, UDP to port 80 of the VIP from FLOWS ports
 * in turn (a power of two).  They are made as a card's driver would hand them over: by BPF_PROG_TEST_RUN with
 * BPF_F_TEST_XDP_LIVE_FRAMES, by a program that writes the headers, and then
 *
 *	chain	goes on with the program that is attached to INTERFACE
 *	stack	leaves them to the network stack of NETNS
 *	bounce	sends them back as they are: what all but the balancer costs
 *
 * What comes back to SINK, the other end, in this namespace, is counted and dropped by a program. SINK has none if it is `bare`: its
 * own counter tells then, and to send the frames to nobody's link address is the caller's affair (a device without XDP takes what
 * the stack sends at less cost).  All of it is on one CPU.  Prints: frames made, frames that came back, millions of these a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "packet/wire.h"

#define FRAME 64
#define BATCH 64
#define TURN (1 << 16) /* frames of one call */
#define CPUS 1024

extern const unsigned char bpf_live_frames_data[];
extern const size_t bpf_live_frames_size;

/* As in live_frames.bpf.c */
enum { LIVE_CHAIN, LIVE_STACK, LIVE_BOUNCE };
struct live {
	uint8_t head[sizeof(struct wire_ether) + sizeof(struct wire_ipv4) + sizeof(struct wire_udp)];
	uint16_t pad;
	uint32_t how, flows;
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

/* The headers of frames to the interface's own address. */
static void fill(struct live *live, const char *interface, const char *vip)
{
	uint8_t *ip = live->head + 14, *udp = ip + 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };
	uint16_t sum;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		die(interface);
	(void)close(fd);
	memcpy(live->head, request.ifr_hwaddr.sa_data, 6);
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

/* What the interface has received, as the kernel counts; devices: /proc/net/dev of its namespace. */
static uint64_t received(int devices, const char *interface)
{
	static char text[65536];
	ssize_t n = pread(devices, text, sizeof(text) - 1, 0);
	char *line, *rest = text, name[32];
	unsigned long bytes, packets;

	text[n < 0 ? 0 : n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, " %31[^:]: %lu %lu", name, &bytes, &packets) == 3 && !strcmp(name, interface))
			return packets;
	}
	die("no such interface");
	return 0;
}

static int program(struct bpf_object *obj, const char *name)
{
	const struct bpf_program *p = bpf_object__find_program_by_name(obj, name);

	return p ? bpf_program__fd(p) : -1;
}

/* Frames go on with what is attached to the interface. */
static void go_on(struct bpf_object *obj, int ifindex)
{
	uint32_t id, zero = 0;
	int fd;

	if (bpf_xdp_query_id(ifindex, 0, &id) || !id)
		die("no program is attached");
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0 || bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "live_next"), &zero, &fd, BPF_ANY))
		die("cannot go on with what is attached");
	(void)close(fd);
}

static uint32_t how_of(const char *word)
{
	static const char *const words[] = { "chain", "stack", "bounce" };
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (!strcmp(word, words[i]))
			return i;
	}
	die(word);
	return 0;
}

static int enter(const char *netns, const char *interface)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(netns);
	(void)close(fd);
	return (int)if_nametoindex(interface);
}

static void turn(struct bpf_object *obj, uint32_t ifindex)
{
	uint8_t frame[FRAME] = { 0 };
	struct xdp_md md = { .data_end = FRAME, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME, .ctx_in = &md,
		    .ctx_size_in = sizeof(md), .repeat = TURN, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = BATCH);

	if (bpf_prog_test_run_opts(program(obj, "live_send"), &opts))
		die("cannot run");
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = bpf_object__open_mem(bpf_live_frames_data, bpf_live_frames_size, NULL);
	bool bare = argc == 9 && !strcmp(argv[8], "bare");
	struct live live = { 0 };
	uint64_t from, until, back;
	uint32_t zero = 0, ifindex;
	int link = -1, sink, devices;

	if (argc != 8 && !bare)
		die("usage: live_frames SINK NETNS INTERFACE VIP FLOWS SECONDS chain|bounce|stack [bare]");
	devices = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC); /* of this namespace, also later */
	sink = (int)if_nametoindex(argv[1]);
	live.flows = (uint32_t)atoi(argv[5]);
	live.how = how_of(argv[7]);
	if (!obj || bpf_object__load(obj) || devices < 0)
		die("cannot load");
	if (!bare) {
		link = bpf_link_create(program(obj, "live_sink"), sink, BPF_XDP, NULL);
		if (link < 0)
			die("cannot attach");
	}
	ifindex = (uint32_t)enter(argv[2], argv[3]);
	fill(&live, argv[3], argv[4]);
	if (live.how == LIVE_CHAIN)
		go_on(obj, (int)ifindex);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "live_what"), &zero, &live, BPF_ANY))
		die("cannot say what to send");
	turn(obj, ifindex); /* the first packets of each flow are not counted */
	back = bare ? received(devices, argv[1]) : count(obj, 1);
	from = now_ns();
	until = from + (uint64_t)(atof(argv[6]) * 1e9);
	while (now_ns() < until)
		turn(obj, ifindex);
	until = now_ns();
	back = (bare ? received(devices, argv[1]) : count(obj, 1)) - back;
	(void)printf("%lu %lu %.3f\n", (unsigned long)count(obj, 0), (unsigned long)back,
		     (double)back * 1e3 / (double)(until - from));
	if (link >= 0)
		(void)close(link);
	bpf_object__close(obj);
	return 0;
}
