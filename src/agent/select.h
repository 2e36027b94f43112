/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_SELECT_H
#define SAKER_AGENT_SELECT_H
/*
 * select - who is recorded: processes, cgroups (units, containers), network namespaces, ports, all.
 *
 * select_prepare() fills the load-time constants before the programs are loaded; select_pids() enters the given
 * processes before the hooks are live; select_places() enters, with the hooks live, the processes that live in the
 * wanted places, and repeats the task iterator until nothing new appears.
 * Failure: whatever names nothing is an error that says so.
 */
#include "agent/record.h"
#include "kernel/kernel.h"

int select_prepare(const struct record_opts *opts, struct kernel_cfg *cfg, struct err *err);
int select_pids(const struct record_opts *opts, struct kernel *k, struct err *err);
/* One that nobody named, at any time: it is no error that it has ended since, or is the recorder itself. */
int select_found(uint32_t pid, struct kernel *k);
/*
 * Containers of that name that began since: what runs there is selected and described, and so is what comes there later.
 * seen: the caller's, of containers that are called otherwise.
 */
struct map;
int select_again(const char *container, struct kernel *k, struct map *seen, struct err *err);

int select_places(const struct record_opts *opts, struct kernel *k, struct err *err);

#endif
