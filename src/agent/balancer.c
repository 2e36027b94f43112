/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/attach_tc.h"
#include "net/lb/conns.h"
#include "net/lb/nats.h"
#include "net/wish_make.h"

void balancer_close(struct balancer *b)
{
	b->lb = lb_free(b->lb);
	b->chain = chain_free(b->chain);
	attach_close(&b->attach);
	if (b->lock >= 0)
		(void)close(b->lock);
	b->lock = -1;
	buf_fini(&b->said);
}

/* ---- the chain of this build: what is pinned, new programs for its maps, or all new ---- */

enum how { HOW_SAME, HOW_UPGRADED, HOW_NEW, HOW_MOVED };

static int how_to(const struct balancer *b, const struct pin_about *want, uint32_t nats, enum how *ret, struct err *err)
{
	struct pin_about have;
	int r;

	*ret = HOW_NEW;
	if (!b->chain)
		return 0;
	r = pin_about_read(b->chain, &have, err);
	if (r < 0)
		return r;
	if (have.layout != want->layout || have.vips != want->vips || have.conns != want->conns ||
	    lb_nats_room(b->chain) != nats)
		*ret = HOW_MOVED;
	else
		*ret = have.programs == want->programs ? HOW_SAME : HOW_UPGRADED;
	return 0;
}

/* Of a build that had room for fewer. */
static int names_larger(int from, uint32_t entries)
{
	struct lb_addr addr;
	uint32_t i;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lb_names", sizeof(i), sizeof(addr), LB_REALS, NULL);

	for (i = 0; fd >= 0 && i < entries; i++) {
		if (!bpf_map_lookup_elem(from, &i, &addr) && addr.family)
			(void)bpf_map_update_elem(fd, &i, &addr, BPF_ANY);
	}
	return fd;
}

/* The old numbers of backends, by which connections speak. */
static int carry_names(const struct chain *from, struct chain *to, struct err *err)
{
	int fd = chain_map(from, "lb_names");
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &bytes) || info.value_size != sizeof(struct lb_addr) ||
	    info.max_entries > LB_REALS)
		return 0;
	fd = info.max_entries == LB_REALS ? dup(fd) : names_larger(fd, info.max_entries);
	return fd < 0 || chain_keep(to, "lb_names", fd) ? err_set(err, ENOMEM, "out of memory") : 1;
}

static int build(struct balancer *b, enum how how, enum chain_hook hook, const struct lb_opts *opts,
		 struct chain **ret_old, struct err *err)
{
	struct chain *old = b->chain, *c = NULL;
	int r = 0, carried = 0;

	*ret_old = NULL;
	if (how == HOW_SAME)
		return lb_new(b->chain, opts, &b->lb, err);
	r = chain_new_with(how == HOW_UPGRADED ? old : NULL, hook, &c, err);
	if (!r && how == HOW_MOVED)
		r = carried = carry_names(old, c, err);
	if (r >= 0)
		r = lb_new(c, opts, &b->lb, err);
	if (r < 0) {
		(void)chain_free(c);
		return r;
	}
	if (carried)
		(void)lb_conns_carry(old, c);
	b->chain = c;
	*ret_old = old;
	return 0;
}

/* Before programs are loaded, which takes its time. */
static int can_pin(struct err *err)
{
	char root[PATH_MAX];
	int r = attach_root(root, sizeof(root), err);

	return !r && access(root, W_OK) ? err_errno(err, errno, "cannot pin programs in '%s'", root) : r;
}

/* Pins and attaches what is new; after it the old chain can be closed.  Killed anywhere, balancer_finish() finds what to do. */
static int settle(struct balancer *b, enum how how, const struct pin_about *about, enum attach_want want,
		  struct err *err)
{
	bool anew = how == HOW_NEW || how == HOW_MOVED;
	char dir[PATH_MAX], root[PATH_MAX];
	int r = attach_root(root, sizeof(root), err);

	(void)snprintf(dir, sizeof(dir), "%s/%s", b->attach.dir, anew ? "next" : "chain");
	if (!r && anew)
		r = pin_remove(dir, err);
	if (!r && how != HOW_SAME) {
		r = pin_folder(b->attach.dir, err);
		if (!r)
			r = pin_chain(b->chain, dir, about, err);
	}
	if (!r)
		r = attach_set(&b->attach, chain_program(b->chain, "chain_entry"), want, err);
	return r < 0 || !anew ? r : balancer_finish(b, err);
}

/* ---- apply ---- */

static void say_how(struct balancer *b, enum how how, bool other)
{
	struct buf *s = &b->said;

	if (how == HOW_UPGRADED)
		buf_str(s,
			"the programs were of another build: upgraded in place, with all connections and counters\n");
	if (other)
		buf_printf(s,
			   "interface '%s' has the programs on %s now: the tables were made anew with the "
			   "connections; counters begin at 0\n",
			   b->attach.name, attach_mode_text(b->attach.mode));
	else if (how == HOW_MOVED)
		buf_str(s, "the tables were of another layout or size: made anew with the connections; counters begin "
			   "at 0\n");
	if (b->attach.gap_ns)
		buf_printf(s,
			   "interface '%s' runs it as %s now; for %.1f ms, while that changed, packets went past it to "
			   "the host\n",
			   b->attach.name, attach_mode_text(b->attach.mode), (double)b->attach.gap_ns / 1e6);
	if (b->attach.mode == ATTACH_GENERIC)
		buf_printf(s, "interface '%s' runs it in generic mode, which is slower%s%s\n", b->attach.name,
			   b->attach.why[0] ? ": " : "", b->attach.why);
}

static void say_empty(struct balancer *b, const struct wish_if *f)
{
	char text[WISH_VIP_TEXT];
	size_t i, k;

	for (i = 0; i < f->nvips; i++) {
		const struct wish_vip *v = &f->vips[i];

		for (k = 0; k < v->nbackends && !v->backends[k].weight; k++)
			;
		if (k == v->nbackends)
			buf_printf(&b->said, "VIP %s has no backend that takes new connections\n",
				   wish_vip_text(&v->vip, text));
	}
}

/* The rings that there is room for; room said is a least. */
static uint32_t room_of(const struct wish_if *f, const struct balancer *b)
{
	struct pin_about have;
	struct err err = ERR_INIT;
	uint32_t room = f->room;

	while (room < f->nvips)
		room *= 2;
	/* what there is is not made smaller */
	if (b->chain && !pin_about_read(b->chain, &have, &err) && have.vips > room)
		room = have.vips;
	return room;
}

/*
 * Generic mode may have been wished before, or be all that the driver allows, which only a try shows: one is made where the wish is
 * another one in this.
 */
static enum attach_want want_of(const struct balancer *b, const struct wish_if *f)
{
	struct err none = ERR_INIT;
	struct wish kept;
	bool again;

	if (f->tc)
		return ATTACH_WANT_TC;
	if (f->generic)
		return ATTACH_WANT_GENERIC;
	if (b->attach.mode != ATTACH_GENERIC || balancer_wish(b, &kept, &none) < 0)
		return ATTACH_AUTO;
	again = kept.nifs && kept.ifs[0].generic;
	wish_fini(&kept);
	return again ? ATTACH_WANT_AGAIN : ATTACH_AUTO;
}

int balancer_run(struct balancer *b, const struct wish_if *f, struct err *err)
{
	struct lb_opts opts = { .vips = room_of(f, b), .conns = f->table, .nats = f->nat_table, .global = f->global };
	CLEANUP(wish_made_fini) struct wish_made made = { 0 };
	struct chain *old = NULL;
	struct pin_about about;
	struct err quick = ERR_INIT;
	enum how how = HOW_NEW;
	enum chain_hook hook = f->tc ? CHAIN_ON_TC : CHAIN_ON_XDP;
	enum attach_want want = want_of(b, f);
	bool other = b->chain && chain_hook(b->chain) != hook;
	int r = attach_free(&b->attach, want, err);

	if (!r)
		r = balancer_make(b, f, &made, err);
	if (!r)
		r = pin_about_build(hook, opts.vips, opts.conns, &about, err);
	if (!r)
		r = how_to(b, &about, opts.nats, &how, err);
	if (!r && how != HOW_SAME)
		r = can_pin(err);
	b->lb = lb_free(b->lb);
	if (!r)
		r = build(b, how, hook, &opts, &old, err);
	if (!r)
		r = lb_apply(b->lb, &made.wish, &made.plan, err);
	if (!r && old && how == HOW_MOVED)
		(void)lb_nats_carry(old, b->chain);
	if (!r)
		r = settle(b, how, &about, want, err);
	if (!r && old && how == HOW_MOVED) { /* those that came meanwhile */
		(void)lb_conns_carry(old, b->chain);
		(void)lb_nats_carry(old, b->chain);
	}
	(void)chain_free(old);
	if (r < 0)
		return r;
	(void)lb_ready(b->lb, &quick); /* else the next change takes longer */
	say_how(b, how, other);
	say_empty(b, f);
	balancer_beside(b, f);
	return 0;
}

static void one_yaml(const struct wish_if *f, struct buf *out)
{
	struct wish_if copy = *f;
	struct wish w = { .ifs = &copy, .nifs = 1 };

	wish_yaml(&w, out);
}

/* Nothing of a first try that failed stays. */
static void undo_first(struct balancer *b)
{
	struct err err = ERR_INIT;

	if (!attach_ours(&b->attach))
		(void)balancer_unpin(b, &err);
}

int balancer_apply(struct balancer *b, const struct wish_if *f, uint32_t confirm_s, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	CLEANUP(buf_fini) struct buf before = BUF_INIT;
	struct err none = ERR_INIT;
	int r = 0;

	if (b->guarded && clock_boot_ns() < b->guard_boot_ns)
		return err_set(err, EBUSY,
			       "a change of interface '%s' waits to be confirmed: `saker confirm %s`, or wait until it "
			       "is undone",
			       b->attach.name, b->attach.name);
	if (b->guarded)
		r = balancer_put_back(b, err);
	if (r < 0)
		return r;
	b->next = HOP_ASK;
	(void)balancer_file_read(b, "yaml", &before, &none);
	one_yaml(f, &text);
	r = balancer_file_stage(b, "yaml", &text, err); /* a full disk is found before anything runs */
	if (!r && confirm_s)
		r = guard_start(b, &before, confirm_s, err);
	if (!r)
		r = balancer_run_laid(b, f, err);
	if (!r)
		r = balancer_file_settle(b, "yaml", err);
	if (!r)
		balancer_ways_ask(b, f); /* they run already: nobody waits for it but the person */
	if (r < 0) {
		balancer_file_drop(b, "yaml");
		balancer_file_remove(b, "pending");
		undo_first(b);
		return r;
	}
	if (confirm_s)
		guard_watch(b);
	return 0;
}

int balancer_put_back(struct balancer *b, struct err *err)
{
	CLEANUP(buf_fini) struct buf before = BUF_INIT;
	struct wish_errors errors = { 0 };
	struct wish wish = { 0 };
	int r = balancer_file_read(b, "before", &before, err);

	if (r < 0)
		return r;
	b->guarded = false; /* the file goes last: should this be killed, the next command does it */
	if (!before.len)
		return balancer_detach(b, err);
	if (wish_read(before.data, before.len, &wish, &errors) < 0)
		r = err_set(err, EINVAL, "the wish before has an error in line %u: %s", errors.rows[0].line,
			    errors.rows[0].text);
	else
		r = balancer_apply(b, &wish.ifs[0], 0, err);
	wish_errors_fini(&errors);
	wish_fini(&wish);
	balancer_file_remove(b, "pending");
	if (!r)
		balancer_file_remove(b, "before");
	return r;
}

int balancer_overdue(struct balancer *b, struct err *err)
{
	int r;

	if (!b->guarded || clock_boot_ns() < b->guard_boot_ns)
		return 0;
	r = balancer_put_back(b, err);
	if (r < 0)
		return r;
	buf_printf(&b->said, "interface '%s': a change was not confirmed in time: what ran before it was put back\n",
		   b->attach.name);
	return 1;
}

int balancer_confirm(struct balancer *b, struct err *err)
{
	if (!b->guarded)
		return err_set(err, ENOENT, "no change of interface '%s' waits to be confirmed", b->attach.name);
	if (clock_boot_ns() >= b->guard_boot_ns)
		return err_set(err, ETIMEDOUT,
			       "it is too late to confirm the change of interface '%s': its time is over",
			       b->attach.name);
	balancer_file_remove(b, "pending");
	balancer_file_remove(b, "before");
	b->guarded = false;
	return 0;
}

int balancer_detach(struct balancer *b, struct err *err)
{
	bool ours = attach_ours(&b->attach) || b->chain;
	struct wish kept = { 0 };
	struct err none = ERR_INIT;
	char path[PATH_MAX];
	int r;

	if (!ours && (balancer_wish(b, &kept, &none) < 0 || !kept.nifs)) {
		wish_fini(&kept);
		return err_set(err, ENOENT, "interface '%s' has no program of saker", b->attach.name);
	}
	wish_fini(&kept);
	balancer_ways_leave(b);
	r = balancer_beside_detach(b, err);
	if (!r)
		r = attach_detach(&b->attach, err);
	if (!r)
		r = balancer_unpin(b, err);
	if (r < 0)
		return r;
	b->lb = lb_free(b->lb);
	b->chain = chain_free(b->chain);
	balancer_file_remove(b, "yaml");
	balancer_file_remove(b, "pending");
	balancer_file_remove(b, "before");
	balancer_file_remove(b, "overlay");
	balancer_file_remove(b, "health");
	balancer_file_remove(b, "checks");
	balancer_path(b, "yaml", path, sizeof(path));
	return access(path, F_OK)
		       ? 0
		       : err_set(err, EROFS,
				 "interface '%s' is detached, but its kept wish '%s' cannot be removed: the next "
				 "`saker apply` makes it run again",
				 b->attach.name, path);
}
