/* SPDX-License-Identifier: Apache-2.0 */
/*
 * served N TRUTH - a server of HTTP that says by packaging/saker.h what it does for each of N requests of its own child:
 * within "handle" it computes ("price", with words and numbers), sleeps ("wait") and leaves the last one open.  What it said and
 * when goes to TRUTH, a line each: request, name, milliseconds that were meant, and the moments (ns of CLOCK_BOOTTIME) right
 * before and right behind the call that began it, and likewise of the one that ended it (0: none).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "saker.h"

static FILE *truth;

struct said {
	uint64_t span, begin[2], end[2];
	unsigned int ms;
	const char *name;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct said begin(const char *name, unsigned int ms)
{
	struct said s = { .ms = ms, .name = name };

	s.begin[0] = now_ns();
	s.span = saker_begin(name);
	s.begin[1] = now_ns();
	return s;
}

static void end(struct said *s)
{
	s->end[0] = now_ns();
	saker_end(s->span);
	s->end[1] = now_ns();
}

static void tell(unsigned int request, const struct said *s)
{
	(void)fprintf(truth, "%u %s %u %llu %llu %llu %llu\n", request, s->name, s->ms, (unsigned long long)s->begin[0],
		      (unsigned long long)s->begin[1], (unsigned long long)s->end[0], (unsigned long long)s->end[1]);
}

/* So long on a CPU, however often others have it meanwhile. */
static void compute(unsigned int ms)
{
	struct timespec t;
	uint64_t until = 0, now;

	do {
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		until = until ? until : now + ms * 1000000ULL;
	} while (now < until);
}

static void handle(unsigned int i)
{
	struct timespec sleep = { 0, (long)(5 + i % 7) * 1000000 };
	struct said all = begin("handle", 0), part;
	unsigned int open = i % 2;

	part = begin("price", 2 + i % 5);
	saker_text("currency", i % 2 ? "EUR" : "USD");
	saker_number("items", (int64_t)i - 3);
	compute(part.ms);
	end(&part);
	tell(i, &part);
	part = begin("wait", 5 + i % 7);
	(void)nanosleep(&sleep, NULL);
	end(&part);
	tell(i, &part);
	if (open) {
		part = begin("open", 0);
		tell(i, &part);
	}
	end(&all);
	saker_number("number", i);
	tell(i, &all);
}

static void serve(int listener, unsigned int n)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	int conn = accept(listener, NULL, NULL);
	char text[512];
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (read(conn, text, sizeof(text)) <= 0)
			exit(1);
		handle(i);
		if (write(conn, answer, sizeof(answer) - 1) < 0)
			exit(1);
	}
	(void)close(conn);
}

static void ask(const struct sockaddr_in *to, unsigned int n)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char text[512];
	unsigned int i;

	if (connect(s, (const struct sockaddr *)to, sizeof(*to)))
		exit(1);
	for (i = 0; i < n; i++) {
		int len = snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\nHost: here\r\n\r\n", i);

		if (write(s, text, (size_t)len) != len || read(s, text, sizeof(text)) <= 0)
			exit(1);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), status = 1;
	socklen_t len = sizeof(at);
	pid_t child;

	if (argc < 3 || !(truth = fopen(argv[2], "w")) || bind(listener, (struct sockaddr *)&at, len) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&at, &len))
		return 1;
	child = fork();
	if (!child)
		ask(&at, (unsigned int)atoi(argv[1]));
	serve(listener, (unsigned int)atoi(argv[1]));
	(void)waitpid(child, &status, 0);
	return fclose(truth) || status;
}
