/* SPDX-License-Identifier: Apache-2.0 */
/*
 * side_clock - compares the boot clocks of two emulated machines through memory that they share (ivshmem), not through
 * what Saker sees.
 *
 *	side_clock a|b		the memory is found on the PCI bus; a writes lines, b only answers
 *
 * Every 20 ms a asks, and for a moment both spin: a reads its clock (a1), counts up in the shared memory, b sees that,
 * reads its clock (b) and answers, a reads its clock again (a2).  When b read, the clock of a stood between a1 and a2,
 * so clock of b - clock of a was between b - a2 and b - a1 then.  Of each round of exchanges the one with the least
 * uncertainty is written: {"a1":,"b":,"a2":}, in ns of CLOCK_BOOTTIME.  SIGTERM ends either.
 */
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXCHANGES 200
#define PATIENCE_NS 5000000ULL
#define PAUSE_NS 20000000L

struct shared { /* a cache line each */
	_Alignas(64) _Atomic uint64_t round;
	_Alignas(64) _Atomic uint64_t ready; /* the round in which b spins */
	_Alignas(64) _Atomic uint64_t ping;
	_Alignas(64) _Atomic uint64_t pong;
	uint64_t b;
};

struct sample {
	uint64_t a1, b, a2;
};

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pause_ns(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	(void)nanosleep(&t, NULL);
}

static bool contains(const char *dir, const char *name, const char *word)
{
	char path[512], text[32] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	(void)fclose(f);
	return strncmp(text, word, strlen(word)) == 0;
}

static void device_enable(const char *dir)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/enable", dir);
	f = fopen(path, "we");
	if (!f || fputs("1", f) < 0 || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* Vendor 1af4, device 1110: docs/specs/ivshmem-spec.txt of QEMU; its memory is BAR 2. */
static struct shared *memory_find(void)
{
	char path[512];
	glob_t g;
	void *p;
	int fd;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &g))
		exit(1);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		if (!contains(g.gl_pathv[i], "vendor", "0x1af4") || !contains(g.gl_pathv[i], "device", "0x1110"))
			continue;
		device_enable(g.gl_pathv[i]);
		(void)snprintf(path, sizeof(path), "%s/resource2", g.gl_pathv[i]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED) {
			perror(path);
			exit(1);
		}
		return p;
	}
	(void)fputs("side_clock: this machine shares no memory\n", stderr);
	exit(1);
}

/* Waits until *at is no longer less than `value`; false: not within the patience. */
static bool reaches(_Atomic uint64_t *at, uint64_t value, uint64_t deadline, bool calmly)
{
	while (atomic_load_explicit(at, memory_order_acquire) < value) {
		if (stop || now_ns() > deadline)
			return false;
		if (calmly)
			pause_ns(100000);
	}
	return true;
}

static void ask(struct shared *m, uint64_t round)
{
	struct sample best = { .a2 = UINT64_MAX };
	uint64_t deadline;

	atomic_store(&m->round, round);
	if (!reaches(&m->ready, round, now_ns() + 20 * PATIENCE_NS, true))
		return;
	deadline = now_ns() + PATIENCE_NS;
	for (int i = 0; i < EXCHANGES; i++) {
		uint64_t no = atomic_load(&m->ping) + 1;
		struct sample s = { .a1 = now_ns() };

		atomic_store_explicit(&m->ping, no, memory_order_release);
		if (!reaches(&m->pong, no, deadline, false))
			break;
		s.a2 = now_ns();
		s.b = m->b;
		if (s.a2 - s.a1 < best.a2 - best.a1)
			best = s;
	}
	if (best.a1)
		printf("{\"a1\":%" PRIu64 ",\"b\":%" PRIu64 ",\"a2\":%" PRIu64 "}\n", best.a1, best.b, best.a2);
}

/* Answers until nothing is asked for a while; what comes then, is answered in the next round. */
static void answer(struct shared *m, uint64_t round)
{
	uint64_t no = atomic_load(&m->ping) + 1, deadline = now_ns() + PATIENCE_NS;

	atomic_store(&m->ready, round);
	while (reaches(&m->ping, no, deadline, false)) {
		m->b = now_ns();
		atomic_store_explicit(&m->pong, no, memory_order_release);
		no++;
	}
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term };
	bool asks = argc == 2 && strcmp(argv[1], "a") == 0;
	struct shared *m;
	uint64_t round = 0;

	if (!asks && (argc != 2 || strcmp(argv[1], "b") != 0)) {
		(void)fputs("usage: side_clock a|b\n", stderr);
		return 2;
	}
	m = memory_find();
	(void)sigaction(SIGTERM, &term, NULL);
	while (!stop) {
		if (asks) {
			pause_ns(PAUSE_NS);
			ask(m, ++round);
		} else if (reaches(&m->round, round + 1, now_ns() + 1000 * PATIENCE_NS, true)) {
			round = atomic_load(&m->round);
			answer(m, round);
		}
	}
	return 0;
}
