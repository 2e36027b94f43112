/* SPDX-License-Identifier: Apache-2.0 */
#include "net/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/lb/lb.h"
#include "net/lb/look.h"
#include "net/pin.h"
#include "packet/parse.h"

/* The copy has no tables of CPUs, so its programs use the one for CPUs without: it has the entries of the packet's flow. */
#define SPARE "lb_conns_spare"

struct why {
	const struct chain *running;
	struct chain *c; /* the copy */
	struct trial trial;
};

/* What programs only read: the copy has the same. */
static const char *const shared[] = {
	"chain_control", "chain_config", "lb_config", "lb_vips",  "lb_prefixes", "lb_reals",	  "lb_routes",
	"lb_ids",	 "lb_downs",	 "lb_decaps", "lb_marks", "lb_rings",	 "lb_conn_shape",
};

static int share(const struct chain *from, struct chain *to)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(shared); i++) {
		int fd = chain_map(from, shared[i]);

		fd = fd < 0 ? -1 : dup(fd);
		if (fd >= 0 && chain_keep(to, shared[i], fd))
			return -ENOMEM;
	}
	return 0;
}

/* The programs of the visible order, found by their names. */
static int stages_copy(struct why *w, struct err *err)
{
	uint32_t first = !chain_hidden(w->running) * CHAIN_STAGES, i, id;
	int from = chain_map(w->running, "chain_stages"), to = chain_map(w->c, "chain_stages");

	for (i = first; i < first + CHAIN_STAGES; i++) {
		CLEANUP_CLOSE int fd = bpf_map_lookup_elem(from, &i, &id) ? -1 : bpf_prog_get_fd_by_id(id);
		struct bpf_prog_info info = { 0 };
		uint32_t bytes = sizeof(info);
		int program;

		if (fd < 0)
			break;
		program = bpf_obj_get_info_by_fd(fd, &info, &bytes) ? -1 : chain_program(w->c, info.name);
		if (program < 0 || bpf_map_update_elem(to, &i, &program, BPF_ANY))
			return err_set(err, ENOENT,
				       "the running chain has a stage '%s', which this build does not have", info.name);
	}
	return 0;
}

static int load_copy(struct why *w, struct err *err)
{
	struct pin_about have, want;
	size_t i;
	int r = pin_about_read(w->running, &have, err);

	if (!r)
		r = pin_about_build(chain_hook(w->running), have.vips, have.conns, &want, err);
	if (!r && (want.layout != have.layout || want.programs != have.programs))
		r = err_set(err, ESTALE,
			    "what runs is of another build of saker, so this one cannot tell what it does: `saker "
			    "apply` upgrades it");
	for (i = 0; i < LB_OBJECTS && !r; i++) {
		const struct chain_size sizes[] = { { "lb_vip_counts", 2 * have.vips + 1 },
						    { "lb_vip_syns", 2 * have.vips + 1 } };

		r = chain_load(w->c, &lb_objects[i], sizes, ARRAY_LEN(sizes), err);
	}
	return r;
}

int why_new(const struct chain *running, unsigned ifindex, struct why **ret, struct err *err)
{
	struct why *w = calloc(1, sizeof(*w));
	struct chain *shell = NULL;
	int r;

	if (!w)
		return err_set(err, ENOMEM, "out of memory");
	w->running = running;
	r = trial_begin(&w->trial, ifindex, err);
	if (!r)
		r = chain_new_shell(&shell, err);
	if (!r)
		r = share(running, shell) < 0 ? err_set(err, ENOMEM, "out of memory")
					      : chain_new_with(shell, chain_hook(running), &w->c, err);
	(void)chain_free(shell);
	if (!r)
		r = load_copy(w, err);
	if (!r)
		r = stages_copy(w, err);
	if (r < 0)
		return (void)why_free(w), r;
	*ret = w;
	return 0;
}

struct why *why_free(struct why *w)
{
	if (!w)
		return NULL;
	trial_end(&w->trial);
	(void)chain_free(w->c);
	free(w);
	return NULL;
}

/* ---- the tables that the packet may ask ---- */

struct carry {
	struct why *w;
	struct why_answer *answer;
};

static int carry_one(void *arg, int cpu, const struct packet_flow *flow, const struct lb_conn *conn)
{
	struct carry *carry = arg;
	struct why_answer *a = carry->answer;

	if (a->ncpus < WHY_CPUS)
		a->cpus[a->ncpus++] = cpu;
	(void)bpf_map_update_elem(chain_map(carry->w->c, SPARE), flow, conn, BPF_ANY);
	return 0;
}

/* VIPs look for their connections with or without the ports (LB_VIP_NO_SRC_PORT, any port). */
static void conns_carry(struct why *w, const struct packet_flow *flow, struct why_answer *a)
{
	struct carry carry = { w, a };
	int spare = chain_map(w->c, SPARE);
	struct packet_flow old;
	unsigned i;

	while (!bpf_map_get_next_key(spare, NULL, &old) && !bpf_map_delete_elem(spare, &old))
		;
	for (i = 0; i < 4; i++) {
		struct packet_flow key = *flow;

		key.sport = i & 1 ? 0 : key.sport;
		key.dport = i & 2 ? 0 : key.dport;
		(void)lb_look_conn(w->running, &key, carry_one, &carry);
	}
}

static void nat_carry(struct why *w, const struct packet_flow *flow)
{
	int from = chain_map(w->running, "lb_nats"), to = chain_map(w->c, "lb_nats");
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);
	uint8_t value[256];

	if (from < 0 || to < 0 || bpf_obj_get_info_by_fd(from, &info, &bytes) || info.key_size != sizeof(*flow) ||
	    info.value_size > sizeof(value))
		return;
	if (!bpf_map_lookup_elem(from, flow, value))
		(void)bpf_map_update_elem(to, flow, value, BPF_ANY);
}

/* ---- the run ---- */

static bool counted_here(const struct why *w, const char *map, uint32_t key, size_t value)
{
	CLEANUP_FREE struct chain_count *counts = calloc((size_t)w->trial.cpus, value);

	return counts && !bpf_map_lookup_elem(chain_map(w->c, map), &key, counts) && counts[w->trial.cpu].packets;
}

static void forget(const struct why *w, const char *map, uint32_t key)
{
	CLEANUP_FREE struct chain_count *none = calloc((size_t)w->trial.cpus, sizeof(*none));

	if (none)
		(void)bpf_map_update_elem(chain_map(w->c, map), &key, none, BPF_ANY);
}

static int see_real(void *arg, uint32_t number, const struct lb_real *real)
{
	struct carry *carry = arg;

	if (!counted_here(carry->w, "lb_real_counts", number, sizeof(struct chain_count)))
		return 0;
	carry->answer->real = number;
	carry->answer->to = *real;
	forget(carry->w, "lb_real_counts", number);
	return 1;
}

static void read_counts(struct why *w, struct why_answer *a)
{
	struct carry carry = { w, a };
	uint32_t i;

	for (i = 1; i < CHAIN_REASONS; i++) {
		if (!chain_reason(i) || !counted_here(w, "chain_reasons", i, sizeof(struct chain_count)))
			continue;
		if (i != a->meta.reason && i != CHAIN_LB_SPARE_TABLE && a->nnotes < WHY_NOTES)
			a->notes[a->nnotes++] = (uint16_t)i;
		forget(w, "chain_reasons", i);
	}
	(void)lb_look_reals(w->running, see_real, &carry);
}

int why_packet(struct why *w, const void *frame, size_t len, struct why_answer *ret, struct err *err)
{
	struct packet_meta meta;
	struct lb_config config = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	if (len < ETHER_BYTES || len > WHY_FRAME)
		return err_set(err, EINVAL, "a frame has %d to %d bytes, not %zu", ETHER_BYTES, WHY_FRAME, len);
	(void)lb_look_config(w->running, &config);
	(void)packet_parse(frame, (const uint8_t *)frame + len, config.gue_port, &meta);
	conns_carry(w, &meta.flow, ret);
	nat_carry(w, &meta.flow);
	ret->out_len = sizeof(ret->out);
	r = trial_run(&w->trial, w->c, frame, len, ret->out, &ret->out_len, err);
	if (r < 0)
		return r;
	ret->action = r;
	r = trial_meta(&w->trial, w->c, &ret->meta, err);
	if (!r)
		read_counts(w, ret);
	return r;
}
