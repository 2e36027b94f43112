/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_SELECT_H
#define SAKER_AGENT_SELECT_H
/*
 * select - who is recorded: processes, cgroups (units, containers), network namespaces, ports, all.
 *
 * select_prepare() fills the load-time constants before the programs are loaded; select_apply() enters the
 * existing processes after the fork hook is live, then repeats the task iterator until nothing new appears.
 */
#include "agent/record.h"
#include "kernel/kernel.h"

int select_prepare(const struct record_opts *opts, struct kernel_cfg *cfg, struct err *err);
int select_apply(const struct record_opts *opts, struct kernel *k, struct err *err);

#endif
