/* SPDX-License-Identifier: Apache-2.0 */
/* balancer_overlay - what the agent lays over a person's wish, whoever makes the wish run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

void balancer_boot_id(char out[64])
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(out, 64, f))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

void balancer_overlay(struct balancer *b, struct overlay *ret)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char boot_id[64];
	int r = balancer_file_read(b, "overlay", &text, &err);

	*ret = (struct overlay) { 0 };
	if (r == -ENOENT)
		return;
	balancer_boot_id(boot_id);
	if (r >= 0)
		r = overlay_read(text.data ? text.data : "", text.len, boot_id, ret, &err);
	if (r < 0 && r != -ESTALE)
		buf_printf(&b->said, "what the agent had laid over the wish is not kept: %s\n", err.text);
}

static int overlay_keep(struct balancer *b, const struct overlay *o, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	char boot_id[64];

	if (!o->count) {
		balancer_file_remove(b, "overlay");
		return 0;
	}
	balancer_boot_id(boot_id);
	overlay_text(o, boot_id, &text);
	return balancer_file_write(b, "overlay", &text, err);
}

/* The overlay is written first: if this is killed, the next who makes the wish run does it. */
static int run_with(struct balancer *b, const struct wish_if *f, struct overlay *o, bool keep, struct err *err)
{
	struct wish_if copy;
	int r = 0;

	if (!wish_if_copy(&copy, f)) {
		wish_if_fini(&copy);
		return err_set(err, ENOMEM, "out of memory");
	}
	if (overlay_lay(o, &copy, clock_boot_ns()) || keep)
		r = overlay_keep(b, o, err);
	if (r >= 0)
		r = balancer_run(b, &copy, err);
	wish_if_fini(&copy);
	return r;
}

int balancer_run_laid(struct balancer *b, const struct wish_if *f, struct err *err)
{
	struct overlay o;
	int r;

	balancer_overlay(b, &o);
	r = o.count ? run_with(b, f, &o, false, err) : balancer_run(b, f, err);
	if (r >= 0 && o.count)
		buf_printf(&b->said, "what the agent did about %zu backend%s holds (`saker lb show`)\n", o.count,
			   o.count == 1 ? "" : "s");
	overlay_fini(&o);
	return r;
}

int balancer_lay(struct balancer *b, struct overlay *o, struct err *err)
{
	struct wish wish;
	int r = balancer_wish(b, &wish, err);

	if (r < 0)
		return r;
	b->next = HOP_KEEP; /* a silent router must not hold up what is done about backends */
	r = wish.nifs ? run_with(b, &wish.ifs[0], o, true, err)
		      : err_set(err, ENOENT, "interface '%s' has no wish", b->attach.name);
	wish_fini(&wish);
	return r;
}

int balancer_yield(struct balancer *b, const struct lb_wish_vip *vip, const struct lb_addr *backend, struct err *err)
{
	struct overlay o;
	int r = 0;

	balancer_overlay(b, &o);
	if (overlay_drop(&o, vip, backend)) {
		r = overlay_keep(b, &o, err);
		if (r >= 0)
			buf_str(&b->said, "what the agent did about this backend is taken back\n");
	}
	overlay_fini(&o);
	return r;
}
