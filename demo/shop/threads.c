/* SPDX-License-Identifier: Apache-2.0 */
/* The application of the shop that has a thread for each connection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "item.h"

static void *serve(void *arg)
{
	struct wire *w = arg;
	struct http_request r;

	while (http_read(w, &r) == 1)
		if (item_answer(w, &r) || r.close)
			break;
	wire_close(w);
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	int listener;

	item_init();
	listener = wire_listen(item_listen());
	if (listener < 0) {
		fprintf(stderr, "shop: cannot listen at '%s': %s\n", item_listen(), strerror(errno));
		return 1;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct wire *w = fd < 0 ? NULL : wire_new(fd);
		pthread_t thread;

		if (w && pthread_create(&thread, &attr, serve, w))
			wire_close(w);
	}
}
