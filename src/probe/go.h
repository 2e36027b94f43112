/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_GO_H
#define SAKER_PROBE_GO_H
/*
 * go - tells the kernel side of a Go program, and hooks its run queue.
 *
 * Threads: one.  Memory: of the kernel, GO_PROGRAMS_MAX programs.
 */
#include <stdint.h>

#include "kernel/bpf/shared.bpf.h"

struct bpf_link;
struct err;
struct kernel;

/* From now on the goroutines of processes that run this file are told apart. */
int go_program_add(struct kernel *k, const struct go_file *file, const struct go_layout *layout, struct err *err);
/* Tells of goroutines that make others run.  path: of the file; place: of the instruction.  NULL: err says why. */
struct bpf_link *go_ready_attach(struct kernel *k, const char *path, uint64_t place, struct err *err);
void go_ready_detach(struct bpf_link *link); /* NULL ok */

#endif
