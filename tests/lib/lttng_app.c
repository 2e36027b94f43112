/* SPDX-License-Identifier: Apache-2.0 */
/* lttng_app - three threads that tell LTTng their lines, and standard output the same as "TID TEXT": the truth. */
#include <lttng/tracef.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 3
#define LINES 50

static void *work(void *arg)
{
	int tid = (int)syscall(SYS_gettid), i;

	for (i = 0; i < LINES; i++) {
		tracef("thread %d line %d", tid, i);
		(void)printf("%d thread %d line %d\n", tid, tid, i);
	}
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			return 1;
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}
