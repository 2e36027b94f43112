/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_PROBE_H
#define SAKER_PROBE_PROBE_H
/* probe - the observers, as data: each a BPF object and the ladders that its programs form. */
#include "kernel/kernel.h"

extern const struct kernel_object probe_process;
extern const struct kernel_object probe_socket;
extern const struct kernel_object probe_dynamic; /* loaded by dynamic_attach() only */

/* All of them, in the order in which they are loaded; ends with NULL. */
extern const struct kernel_object *const probe_all[];

#endif
