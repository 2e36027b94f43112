/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer FILE|- THREADS LINES: threads that write known lines, as logs_check.py knows them; before line n each sends a
 * datagram of n + 1 bytes.  writer buffered LINES: one thread with a full buffer of stdio.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int out = 1, count;

static void put(const char *text, size_t len)
{
	if (write(out, text, len) != (ssize_t)len)
		_exit(3);
}

static void line_in_parts(const char *text)
{
	size_t n = strlen(text), third = n / 3;

	put(text, third);
	put(text + third, third);
	put(text + 2 * third, n - 2 * third);
}

static int udp(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);
	int sink = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(sink, (void *)&to, len) || getsockname(sink, (void *)&to, &len) || connect(s, (void *)&to, len))
		_exit(3);
	return s;
}

static void *run(void *arg)
{
	static const char bytes[4096];
	static const int lengths[] = { 0, 3000, 9000 };
	int s = udp(), tid = gettid(), n, more;
	char *text = malloc(16384);

	(void)arg;
	for (n = 0; n < count; n++) {
		if (send(s, bytes, (size_t)n + 1, 0) != n + 1)
			_exit(3);
		more = n % 25 == 24 ? lengths[1 + n / 25 % 2] : 0;
		(void)sprintf(text, "%sc tid=%d n=%d %.*s\n", n % 10 == 7 ? "panic: " : "", tid, n, more ? more : 4,
			      "text");
		if (more)
			(void)sprintf(text + strlen(text) - 1 - 4, "%0*d\n", more, n);
		if (n % 10 == 3)
			line_in_parts(text);
		else
			put(text, strlen(text));
		if (n % 10 == 7) {
			put("\ngoroutine 1 [running]:\n", 24);
			put("main.work(0x1)\n", 15);
			put("\t/main.go:3\n", 12);
		}
	}
	free(text);
	return NULL;
}

static int buffered(int lines)
{
	int n;

	for (n = 0; n < lines; n++)
		(void)printf("c tid=%d n=%d %0*d\n", gettid(), n, 1 + n % 90, n);
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int i, n;

	if (argc == 3)
		return buffered(atoi(argv[2]));
	if (strcmp(argv[1], "-"))
		out = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
	n = atoi(argv[2]);
	count = atoi(argv[3]);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, run, NULL))
			return 3;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
