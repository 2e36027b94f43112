/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_FUZZ_MUST_H
#define SAKER_FUZZ_MUST_H
/* must - what a fuzzer says must be true of any input, or the input is kept as a crash. */
#include <stdio.h>
#include <stdlib.h>

#define MUST(x)                                                      \
	do {                                                         \
		if (!(x)) {                                          \
			(void)fprintf(stderr, "not true: %s\n", #x); \
			abort();                                     \
		}                                                    \
	} while (0)

#endif
