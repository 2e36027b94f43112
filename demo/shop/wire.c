/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int place_parse(const char *place, struct sockaddr_in *ret)
{
	const char *colon = strrchr(place, ':');
	char address[INET_ADDRSTRLEN];

	if (!colon || colon - place >= (long)sizeof(address))
		return -1;
	memcpy(address, place, (size_t)(colon - place));
	address[colon - place] = 0;
	*ret = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)) };
	return inet_pton(AF_INET, address, &ret->sin_addr) == 1 ? 0 : -1;
}

int wire_listen(const char *place)
{
	struct sockaddr_in at;
	int fd, one = 1;

	if (place_parse(place, &at))
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 512)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct wire *wire_new(int fd)
{
	struct wire *w = malloc(sizeof(*w));
	int one = 1;

	if (!w) {
		close(fd);
		return NULL;
	}
	w->fd = fd;
	w->begin = w->end = 0;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return w;
}

struct wire *wire_open(const char *place)
{
	struct sockaddr_in at;
	int fd;

	if (place_parse(place, &at))
		return NULL;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		return NULL;
	}
	return wire_new(fd);
}

struct wire *wire_close(struct wire *w)
{
	if (w)
		close(w->fd);
	free(w);
	return NULL;
}

int wire_write(struct wire *w, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_fill(struct wire *w)
{
	ssize_t n;

	if (w->begin) {
		memmove(w->buf, w->buf + w->begin, w->end - w->begin);
		w->end -= w->begin;
		w->begin = 0;
	}
	if (w->end == sizeof(w->buf))
		return -1;
	do
		n = recv(w->fd, w->buf + w->end, sizeof(w->buf) - w->end, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		w->end += (size_t)n;
	return (int)n;
}

char *wire_line(struct wire *w)
{
	for (;;) {
		char *from = w->buf + w->begin, *end = memmem(from, w->end - w->begin, "\r\n", 2);

		if (end) {
			*end = 0;
			w->begin += (size_t)(end - from) + 2;
			return from;
		}
		if (wire_fill(w) <= 0)
			return NULL;
	}
}

char *wire_take(struct wire *w, size_t len)
{
	if (len > sizeof(w->buf))
		return NULL;
	while (w->end - w->begin < len)
		if (wire_fill(w) <= 0)
			return NULL;
	w->begin += len;
	return w->buf + w->begin - len;
}

static struct wire *wires_open(struct wires *p)
{
	struct wire *w = wire_open(p->place);

	if (w && p->hello && p->hello(w))
		w = wire_close(w);
	if (!w)
		wires_put(p, NULL, false);
	return w;
}

struct wire *wires_get(struct wires *p)
{
	struct wire *w = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->nidle && p->open == WIRES_MAX)
		pthread_cond_wait(&p->back, &p->lock);
	if (p->nidle)
		w = p->idle[--p->nidle];
	else
		p->open++;
	pthread_mutex_unlock(&p->lock);
	return w ? w : wires_open(p);
}

void wires_put(struct wires *p, struct wire *w, bool good)
{
	pthread_mutex_lock(&p->lock);
	if (w && good)
		p->idle[p->nidle++] = w;
	else
		p->open--;
	pthread_cond_signal(&p->back);
	pthread_mutex_unlock(&p->lock);
	if (!good)
		wire_close(w);
}
