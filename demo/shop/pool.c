/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application of the shop that has a thread pool: one thread reads requests and queues them, a few workers take them
 * from the queue and answer.  When all workers are busy, requests wait in the queue.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "item.h"

struct job {
	struct job *next;
	struct wire *wire;
	struct http_request request;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **last;
} queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first };
static int poller;

static void queue_put(struct job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&queue.lock);
	*queue.last = j;
	queue.last = &j->next;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
}

static struct job *queue_take(void)
{
	struct job *j;

	pthread_mutex_lock(&queue.lock);
	while (!queue.first)
		pthread_cond_wait(&queue.more, &queue.lock);
	j = queue.first;
	queue.first = j->next;
	if (!queue.first)
		queue.last = &queue.first;
	pthread_mutex_unlock(&queue.lock);
	return j;
}

/* The next readiness of that connection is told, once. */
static int poll_for(int op, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = what };

	return epoll_ctl(poller, op, fd, &ev);
}

static void *work(void *arg)
{
	(void)arg;
	for (;;) {
		struct job *j = queue_take();
		struct wire *w = j->wire;

		if (item_answer(w, &j->request) || j->request.close || poll_for(EPOLL_CTL_MOD, w->fd, w))
			wire_close(w);
		free(j);
	}
	return NULL;
}

static void arrived(struct wire *w)
{
	struct job *j;

	if (wire_fill(w) <= 0) {
		wire_close(w);
		return;
	}
	if (!http_ready(w)) {
		poll_for(EPOLL_CTL_MOD, w->fd, w);
		return;
	}
	j = malloc(sizeof(*j));
	if (!j || http_read(w, &j->request) != 1) {
		free(j);
		wire_close(w);
		return;
	}
	j->wire = w;
	queue_put(j);
}

static void connected(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct wire *w = fd < 0 ? NULL : wire_new(fd);

	if (w)
		poll_for(EPOLL_CTL_ADD, w->fd, w);
	poll_for(EPOLL_CTL_MOD, listener, NULL);
}

int main(void)
{
	struct epoll_event events[64];
	pthread_t thread;
	int listener, i, n;

	item_init();
	listener = wire_listen(item_listen());
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || poller < 0 || poll_for(EPOLL_CTL_ADD, listener, NULL)) {
		fprintf(stderr, "shop: cannot listen at '%s': %s\n", item_listen(), strerror(errno));
		return 1;
	}
	for (i = 0; i < item_workers(); i++)
		if (pthread_create(&thread, NULL, work, NULL))
			return 1;
	for (;;) {
		n = epoll_wait(poller, events, 64, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.ptr)
				arrived(events[i].data.ptr);
			else
				connected(listener);
	}
}
