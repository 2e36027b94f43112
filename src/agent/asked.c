/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/asked.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ANSWER 128
#define PATIENCE_S 10

static const char *port_suffix(const struct listeners_port *port)
{
	return port->proto == IPPROTO_UDP ? "/udp" : "";
}

static socklen_t name_of(const struct listeners_port *port, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "saker-agent-%u%s", port->port, port_suffix(port));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int asked_open(const struct listeners_port *port, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	struct sockaddr_un name;
	socklen_t len = name_of(port, &name);

	if (fd >= 0 && bind(fd, (void *)&name, len) == 0 && listen(fd, 4) == 0)
		return fd;
	r = errno == EADDRINUSE
		    ? err_set(err, EADDRINUSE, "another agent watches port %u%s already", port->port, port_suffix(port))
		    : err_errno(err, errno, "cannot wait for commands");
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* Linux lets everybody in the namespace connect to an abstract socket. */
static bool allowed(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == geteuid());
}

int asked_turn(int fd, const char *(*fn)(void *arg, const char *word), void *arg)
{
	CLEANUP_CLOSE int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const char *answer = "only root and the agent's own user may ask that";
	char word[ASKED_WORD];
	ssize_t n;

	if (one < 0)
		return 0;
	n = recv(one, word, sizeof(word) - 1, MSG_DONTWAIT);
	if (n <= 0) /* who connects has said it already: asked_ask() sends before the agent's turn, or asks again */
		return 0;
	word[n] = 0;
	if (allowed(one))
		answer = fn(arg, word);
	(void)!send(one, answer, strlen(answer) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 1;
}

/* 1: asked too early, once more. */
static int ask_once(const struct listeners_port *port, const char *word, struct err *err)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = PATIENCE_S };
	char answer[ANSWER];
	struct sockaddr_un name;
	socklen_t len = name_of(port, &name);
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_errno(err, errno, "cannot ask the agent");
	if (connect(fd, (void *)&name, len) < 0)
		return errno == ECONNREFUSED
			       ? err_set(err, ESRCH, "no agent watches port %u%s in this network namespace", port->port,
					 port_suffix(port))
			       : err_errno(err, errno, "cannot ask the agent");
	if (send(fd, word, strlen(word), MSG_NOSIGNAL) < 0)
		return 1;
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	if (n < 0 && errno == EAGAIN)
		return err_set(err, ETIMEDOUT, "the agent does not answer");
	if (n <= 0)
		return 1;
	answer[n] = 0;
	return answer[0] ? err_set(err, EPERM, "%s", answer) : 0;
}

int asked_ask(const struct listeners_port *port, const char *word, struct err *err)
{
	int tries, r = 1;

	for (tries = 0; r > 0 && tries < 10; tries++)
		r = ask_once(port, word, err);
	return r > 0 ? err_set(err, EAGAIN, "the agent does not answer") : r;
}
