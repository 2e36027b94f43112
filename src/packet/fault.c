/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/fault.h"

#include "packet/meta.h"

const char *packet_fault_text(uint8_t fault)
{
	static const char *const texts[PACKET_FAULTS] = {
		[PACKET_WHOLE] = "nothing is wrong with it",
		[PACKET_SHORT_LINK] = "the Ethernet header is cut off",
		[PACKET_SHORT_IP] = "the IP header is cut off",
		[PACKET_SHORT_EXTENSION] = "an IPv6 extension header is cut off",
		[PACKET_SHORT_TRANSPORT] = "the transport header is cut off",
		[PACKET_SHORT_INNER] = "the packet inside of the ICMP error is cut off",
		[PACKET_BAD_VERSION] = "the version of IP is not what stands before it",
		[PACKET_BAD_LENGTH] = "a header claims an impossible length",
		[PACKET_MANY_EXTENSIONS] = "there are too many IPv6 extension headers",
	};

	return fault < PACKET_FAULTS ? texts[fault] : "an unknown fault";
}
