/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_HOSTID_H
#define SAKER_AGENT_HOSTID_H
/*
 * hostid - by which number other hosts know this one: of the machine's id (machine-id(5)) and the network namespace, so the same after
 * another start.  Where there is no machine's id it is random.
 *
 * Threads: any.  Memory: none.  Failure: none.
 */
#include <stdint.h>

uint64_t hostid_get(void); /* not 0 */

#endif
