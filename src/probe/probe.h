/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_PROBE_H
#define SAKER_PROBE_PROBE_H
/* probe - the observers, as data: each a BPF object and the ladders that its programs form. */
#include <stdint.h>

#include "kernel/kernel.h"

extern const struct kernel_object probe_process;
extern const struct kernel_object probe_socket;
extern const struct kernel_object probe_call;
extern const struct kernel_object probe_wake;
extern const struct kernel_object probe_block;
extern const struct kernel_object probe_sched;
extern const struct kernel_object probe_go;	 /* loaded by go_ready_attach() only */
extern const struct kernel_object probe_note;	 /* loaded by note_attach() only */
extern const struct kernel_object probe_tls;	 /* loaded by tls_openssl_attach() and tls_go_attach() only */
extern const struct kernel_object probe_dynamic; /* loaded by dynamic_attach() only */

/* All of them, in the order in which they are loaded; ends with NULL. */
extern const struct kernel_object *const probe_all[];

/* Kinds of observation, chosen with `saker record --with` and `--without`. */
struct probe_kind {
	const char *name;
	uint32_t bit; /* OBSERVE_* */
	bool always;  /* the selection of processes rests on it */
	bool by_default;
	const char *about;
};
extern const struct probe_kind probe_kinds[OBSERVE_KINDS];

uint32_t probe_kinds_default(void);
/* The bits that `text` names: kinds separated by commas, or `all`.  -EINVAL, with the names that there are. */
int probe_kinds_parse(const char *text, uint32_t *ret_bits, struct err *err);
/* Their names separated by commas. */
void probe_kinds_names(uint32_t bits, char *out, size_t cap);

#endif
