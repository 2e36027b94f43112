/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/probe.h"

const struct kernel_object *const probe_all[] = { &probe_process, &probe_socket, &probe_wake, &probe_call,
						  &probe_block,	  &probe_sched,	 NULL };
