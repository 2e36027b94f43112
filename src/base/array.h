/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_ARRAY_H
#define SAKER_BASE_ARRAY_H
/*
 * array - arrays that double: how many rows there is room for follows from how many there are.
 */
#include <stdint.h>
#include <stdlib.h>

/*
 * The array, with room for row number count; NULL: out of memory, and the array is as before. It may have moved:
 *	void *grown = array_grown(a->rows, a->count, sizeof(*a->rows));
 */
static inline void *array_grown(void *array, size_t count, size_t size)
{
	size_t rows = count ? 2 * count : 1;

	if (count & (count - 1))
		return array;
	return rows <= SIZE_MAX / size ? realloc(array, rows * size) : NULL;
}

#endif
