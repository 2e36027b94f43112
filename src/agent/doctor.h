/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_DOCTOR_H
#define SAKER_AGENT_DOCTOR_H
/*
 * doctor - tries the programs of every ladder on this host, each ladder alone where they do not load together, and says
 * what serves what, or why not.
 * Attaches an empty program to a test function for a moment, nothing else.
 */
#include <stdbool.h>
#include <stddef.h>

#include "kernel/kernel.h"

#define DOCTOR_FINDINGS 64

struct doctor_host {
	char kernel[128];
	bool tested; /* one of the kernels that Saker is tested on */
	bool btf, cap_bpf, cap_perfmon;
	unsigned int cpus;
};

struct doctor_finding {
	const char *probe;
	const struct kernel_ladder *ladder;
	const struct kernel_rung *rung; /* NULL: none loads */
	size_t refused;			/* the rungs before it */
	char why[KERNEL_RUNGS][256];	/* why each of them does not serve */
};

struct doctor_report {
	struct doctor_host host;
	size_t count, working; /* or not needed */
	struct doctor_finding findings[DOCTOR_FINDINGS];
};

struct doctor_report *doctor_look(void); /* the caller frees; NULL: out of memory */

#endif
