/* SPDX-License-Identifier: Apache-2.0 */
/* keeper_parts - the parts of the agent that see signs, one line each. */
#include <stddef.h>

#include "agent/checks.h"
#include "agent/keeper.h"

extern const struct keeper_part keeper_link, keeper_way;

const struct keeper_part *const keeper_parts[] = {
	&keeper_checks,
	&keeper_link,
	&keeper_way,
	NULL,
};
