/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_DOCTOR_LOST_H
#define SAKER_CLI_DOCTOR_LOST_H
/*
 * doctor_lost - settings of this host by which the kernel drops or turns away packets that the balancer, or a tunnel's end, leaves to it.
 *
 * What is told is read from addresses, routes and sysctls as they are now, and from the kept wish; no packet is sent.  Both write nothing where
 * there is nothing to tell.
 */
#include <stdbool.h>

struct buf;

/* A line for each; as JSON: `,"losses":[{"what":...,"text":...}]`. */
void doctor_lost(struct buf *out, const char *interface, bool json);

#endif
