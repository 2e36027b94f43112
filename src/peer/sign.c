/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/sign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

static const char *const names[SIGN_KINDS] = {
	[SIGN_NONE] = "none",
	[SIGN_CHECK_PASSED] = "check_passed",
	[SIGN_CHECK_FAILED] = "check_failed",
	[SIGN_LISTENING] = "listening",
	[SIGN_EXIT] = "exit",
	[SIGN_RESETS] = "resets",
	[SIGN_OVERFLOW] = "overflow",
	[SIGN_SLOW] = "slow",
	[SIGN_SYN_AGAIN] = "syn_again",
	[SIGN_SILENT] = "silent",
	[SIGN_HEARD] = "heard",
	[SIGN_LEAVING] = "leaving",
	[SIGN_LOAD] = "load",
	[SIGN_RTT] = "rtt",
};

const char *sign_name(uint32_t kind)
{
	return kind < SIGN_KINDS ? names[kind] : NULL;
}

bool sign_addr_equal(const struct sign_addr *a, const struct sign_addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16);
}

int sign_addr_parse(const char *text, struct sign_addr *ret)
{
	struct sign_addr a = { .family = AF_INET };

	if (inet_pton(AF_INET, text, a.bytes) != 1) {
		a.family = AF_INET6;
		if (inet_pton(AF_INET6, text, a.bytes) != 1)
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

const char *sign_addr_text(const struct sign_addr *a, char out[SIGN_ADDR_TEXT])
{
	if (!inet_ntop(a->family, a->bytes, out, SIGN_ADDR_TEXT))
		out[0] = 0;
	return out;
}

void sign_addr_event(const struct sign_addr *a, uint8_t out[16])
{
	bool v4 = a->family == AF_INET;

	memset(out, 0, 16);
	if (v4)
		out[10] = out[11] = 0xff;
	memcpy(out + (v4 ? 12 : 0), a->bytes, v4 ? 4 : 16);
}
