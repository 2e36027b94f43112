/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PACKET_FAULT_H
#define SAKER_PACKET_FAULT_H
/* fault - why parsing a packet stopped, in words.  Threads: any. */
#include <stdint.h>

/* "the IP header is cut off"; never NULL. */
const char *packet_fault_text(uint8_t fault);

#endif
