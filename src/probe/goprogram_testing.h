/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_GOPROGRAM_TESTING_H
#define SAKER_PROBE_GOPROGRAM_TESTING_H
/* goprogram_testing - an executable file that lies in memory, for struct goprogram_file. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const unsigned char *data;
	size_t size;
};

static inline bool bytes_read(void *arg, uint64_t at, void *to, size_t n)
{
	const struct bytes *b = arg;

	if (at > b->size || n > b->size - at)
		return false;
	memcpy(to, b->data + at, n);
	return true;
}

#endif
