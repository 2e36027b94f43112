/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_KERNEL_INSIDE_H
#define SAKER_KERNEL_INSIDE_H
/* What the files of kernel/ share and nobody else needs. */
#include "kernel/kernel.h"
#include "kernel/object.h"

const struct common_maps *kernel_maps(const struct kernel *k); /* borrowed */

#endif
