/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app LABEL N [wait] - says of itself what packaging/saker.h lets it: N spans, each with an inner one, a word, a number, a
 * secret; and one that another thread ends.  wait: begins when somebody records.  Built as C and as C++.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "saker.h"

static void *ender(void *arg)
{
	saker_end(*(uint64_t *)arg);
	return 0;
}

int main(int argc, char **argv)
{
	int i, n = argc > 2 ? atoi(argv[2]) : 1;
	char name[64];
	uint64_t over;
	pthread_t t;

	for (i = 0; argc > 3 && !saker_recorded() && i < 3000; i++)
		(void)usleep(10000);
	for (i = 0; i < n; i++) {
		uint64_t outer = saker_begin(argv[1]), inner;

		(void)snprintf(name, sizeof(name), "inner %d", i);
		inner = saker_begin(name);
		saker_number("i", -i);
		saker_text("password", "hunter2hunter2");
		saker_end(inner);
		saker_text("colour", i & 1 ? "blue" : "red");
		saker_end(outer);
	}
	over = saker_begin("handed over");
	if (pthread_create(&t, 0, ender, &over) == 0)
		(void)pthread_join(t, 0);
	(void)printf("%s\n", saker_recorded() ? "recorded" : "nobody records");
	return 0;
}
