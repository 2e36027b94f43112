/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_GROW_H
#define SAKER_SERVE_GROW_H
/* grow - arrays that double: GROW(array, count, cap) makes room for one more; false: there is no memory, all is as before. */
#include <stdint.h>
#include <stdlib.h>

static inline void *grow_room(void *array, uint32_t count, uint32_t *cap, size_t size)
{
	uint32_t more = *cap ? *cap * 2 : 64;
	void *grown;

	if (count < *cap)
		return array;
	grown = realloc(array, more * size);
	if (grown)
		*cap = more;
	return grown;
}

#define GROW(array, count, cap)                                                   \
	({                                                                        \
		void *grown_ = grow_room(array, count, &(cap), sizeof(*(array))); \
		if (grown_)                                                       \
			(array) = grown_;                                         \
		grown_ != NULL;                                                   \
	})

#endif
