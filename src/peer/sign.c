/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/sign.h"

#include <stddef.h>

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
};

const char *sign_name(uint32_t kind)
{
	return kind < SIGN_KINDS ? names[kind] : NULL;
}
