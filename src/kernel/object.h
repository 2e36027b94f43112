/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_KERNEL_OBJECT_H
#define SAKER_KERNEL_OBJECT_H
/*
 * object - opening a BPF object with its constants set, its common maps shared and only some of
 * its programs switched on.  Inside of kernel/ only.
 */
#include <stdbool.h>

#include "kernel/kernel.h"

struct bpf_link;
struct bpf_object;
struct bpf_program;

/* The maps that all objects share; fds, -1 until the first object is loaded. */
struct common_maps {
	int rings, cpu_states, loss_cells, selected, control, scratches, ended, waits, log_offsets, log_rates,
		go_programs, go_threads, sched_threads, tls_threads;
};
#define COMMON_MAPS_INIT                                               \
	{                                                              \
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 \
	}

/* libbpf's messages go nowhere, but the last lines of a verifier log are kept here. */
void object_quiet(void);
const char *object_last_words(void);

/* wanted(arg, program name) says which programs are loaded.  shared may be NULL. */
int object_load(const struct kernel_object *obj, const struct kernel_cfg *cfg, struct common_maps *shared,
		bool (*wanted)(void *arg, const char *program), void *arg, struct bpf_object **ret, struct err *err);
/* As bpf_program__attach(); a program of control groups at the root of their hierarchy.  NULL: see errno. */
struct bpf_link *object_attach(struct bpf_program *p);

#endif
