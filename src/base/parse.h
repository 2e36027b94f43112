/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_PARSE_H
#define SAKER_BASE_PARSE_H
/* parse - numbers as people write them.  Each: 0, -EINVAL (not one) or -ERANGE; the whole text must be one. */
#include <stdint.h>

int parse_number(const char *text, uint64_t *ret);	/* decimal, or 0x hex */
int parse_size(const char *text, uint64_t *ret);	/* bytes; K M G T are powers of 1024 */
int parse_duration(const char *text, uint64_t *ret_ns); /* 30s, 1.5s, 100ms, 20us, 5ns, 5m, 1h; bare: seconds */

#endif
