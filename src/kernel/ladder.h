/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_KERNEL_LADDER_H
#define SAKER_KERNEL_LADDER_H
/* ladder - choosing the rung that serves.  Inside of kernel/ only. */
#include "kernel/kernel.h"

/* The rung needs this program. */
bool rung_has(const struct kernel_rung *rung, const char *program);

/* By ladder: the first rung whose hooks this kernel has (it may still be refused), else -1. */
void ladders_guess(const struct kernel_object *obj, int rungs[]);

/* By trying each alone: the first that loads, -1 when none does. */
int ladder_find(const struct kernel_object *obj, const struct kernel_ladder *ladder);

#endif
