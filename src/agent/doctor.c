/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/doctor.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "probe/probe.h"

static const char *const tested[] = { "6.18.", "6.12.", "6.1." };

/* CapEff of /proc/self/status: capabilities(7). */
static unsigned long long effective_caps(void)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	return caps;
}

static void host_look(struct doctor_host *h)
{
	unsigned long long caps = effective_caps();
	struct utsname u;
	size_t i;

	(void)uname(&u);
	(void)snprintf(h->kernel, sizeof(h->kernel), "%.120s", u.release);
	for (i = 0; i < ARRAY_LEN(tested); i++)
		h->tested |= !strncmp(u.release, tested[i], strlen(tested[i]));
	h->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	h->cap_bpf = caps >> CAP_BPF & 1 || caps >> CAP_SYS_ADMIN & 1;
	h->cap_perfmon = caps >> CAP_PERFMON & 1 || caps >> CAP_SYS_ADMIN & 1;
	h->cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* serves: bits of the rungs that are known to load. */
static void ladder_look(struct doctor_finding *f, const struct kernel_object *obj, uint32_t serves)
{
	const struct kernel_rung *rungs = f->ladder->rungs;
	struct err err = ERR_INIT;

	for (; f->refused < KERNEL_RUNGS && rungs[f->refused].programs; f->refused++) {
		if (serves >> f->refused & 1 || kernel_try(obj, &rungs[f->refused], &err) >= 0) {
			f->rung = &rungs[f->refused];
			return;
		}
		(void)snprintf(f->why[f->refused], sizeof(f->why[0]), "%.250s", err.text);
	}
}

/* By ladder the first rung whose hooks are there, if all of these load at once; else nothing is known. */
static void object_look(const struct kernel_object *obj, uint32_t rungs[KERNEL_LADDERS])
{
	struct err err = ERR_INIT;
	size_t i;

	kernel_rungs_there(obj, rungs);
	for (i = 0; i < obj->nladders; i++)
		rungs[i] &= ~rungs[i] + 1;
	if (kernel_try_all(obj, rungs, &err) < 0)
		memset(rungs, 0, KERNEL_LADDERS * sizeof(rungs[0]));
}

struct doctor_report *doctor_look(void)
{
	uint32_t serves[KERNEL_LADDERS] = { 0 };
	struct doctor_report *r = calloc(1, sizeof(*r));
	const struct kernel_object *const *obj;
	size_t i;

	if (!r)
		return NULL;
	host_look(&r->host);
	for (obj = probe_all; *obj; obj++) {
		object_look(*obj, serves);
		for (i = 0; i < (*obj)->nladders && r->count < DOCTOR_FINDINGS; i++) {
			struct doctor_finding *f = &r->findings[r->count++];

			f->probe = (*obj)->name;
			f->ladder = &(*obj)->ladders[i];
			ladder_look(f, *obj, serves[i]);
			r->working += f->rung || f->ladder->cheaper;
		}
	}
	return r;
}
