/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_IPVS_H
#define SAKER_NET_IPVS_H
/*
 * ipvs - what `ipvsadm-save -n` writes, as a wish.
 *
 * Services become VIPs, servers backends; what a wish cannot say is listed with its line, and so is what will be otherwise.
 * Threads: any.  Memory: the wish's.  Failure: never as a whole; a line that is not understood is listed.
 */
#include <stddef.h>

struct wish;
struct wish_errors;

/* *ret has one interface; *cannot may have any number of rows.  -ENOMEM. */
int ipvs_read(const char *text, size_t len, const char *interface, struct wish *ret, struct wish_errors *cannot);

#endif
