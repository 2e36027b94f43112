/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer_pins - the folders of a chain's pins: `chain`, what runs; `next`, one that is being made; `gone`, one that is being removed.
 *
 * A folder gets its name `chain` when all of it is there, and loses it before anything of it goes.  So whoever is killed leaves
 * whole ones only, and which one runs is said by the program on the interface.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/err.h"

static void folder(const struct balancer *b, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", b->attach.dir, name);
}

/* Is the program on the interface that of the chain in this folder? */
static bool runs(const struct balancer *b, const char *dir)
{
	char path[PATH_MAX];
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	(void)snprintf(path, sizeof(path), "%.4000s/programs/chain_entry", dir);
	CLEANUP_CLOSE int fd = bpf_obj_get(path);
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.id == b->attach.program;
}

static int move_away(const struct balancer *b, struct err *err)
{
	char dir[PATH_MAX], gone[PATH_MAX];
	int r;

	folder(b, "chain", dir, sizeof(dir));
	folder(b, "gone", gone, sizeof(gone));
	if (access(dir, F_OK))
		return 0;
	r = pin_remove(gone, err); /* of one before */
	if (!r && rename(dir, gone))
		r = err_errno(err, errno, "cannot rename '%s'", dir);
	return r;
}

int balancer_finish(struct balancer *b, struct err *err)
{
	char dir[PATH_MAX], next[PATH_MAX], gone[PATH_MAX];
	int r = 0;

	folder(b, "chain", dir, sizeof(dir));
	folder(b, "next", next, sizeof(next));
	folder(b, "gone", gone, sizeof(gone));
	if (runs(b, next)) {
		r = move_away(b, err);
		if (!r && rename(next, dir))
			r = err_errno(err, errno, "cannot rename '%s'", next);
	}
	if (!r)
		r = pin_remove(next, err);
	return r < 0 ? r : pin_remove(gone, err);
}

int balancer_unpin(const struct balancer *b, struct err *err)
{
	int r = move_away(b, err);

	return r < 0 ? r : pin_remove(b->attach.dir, err);
}

int balancer_take(struct balancer *b, struct err *err)
{
	char dir[PATH_MAX];
	struct err why = ERR_INIT;
	int r;

	/* one who only looks finishes nothing: of one that was killed, what runs may still have its first name */
	folder(b, "next", dir, sizeof(dir));
	if (!runs(b, dir))
		folder(b, "chain", dir, sizeof(dir));
	r = pin_open(dir, &b->chain, &why);
	return r < 0 && r != -ENOENT ? err_set(err, why.code, "%s", why.text) : 0;
}
