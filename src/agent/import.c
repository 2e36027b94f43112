/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/import.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/mask.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/store.h"

static void cleanup_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int check_empty(const char *dir, struct err *err)
{
	CLEANUP(cleanup_closedirp) DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return err_errno(err, errno, "cannot import into '%s'", dir);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return err_set(err, EEXIST, "cannot import into '%s': it exists and is not empty ('%s')", dir,
				       e->d_name);
	return 0;
}

static int make_dir(const char *dir, struct err *err)
{
	uid_t uid;
	gid_t gid;
	int r = 0;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(err, errno, "cannot create '%s'", dir);
	r = check_empty(dir, err);
	if (r < 0)
		return r;
	child_invoker(&uid, &gid);
	if (chmod(dir, 0700) || chown(dir, uid, gid))
		return err_errno(err, errno, "cannot make '%s' private", dir);
	return 0;
}

/* One whose time lies before its place: all before it goes out, so that it stays behind them. */
static int append_late(struct store_writer *w, const struct event *ev, struct err *err)
{
	uint64_t room[EVENT_LENGTH_MAX / 8];
	struct event_header *h = (struct event_header *)room;
	int r = store_settle(w, UINT64_MAX, err);

	memcpy(room, ev->h, ev->h->length);
	h->boot_ns = ev->boot_ns;
	h->flags &= (uint8_t)~EVENT_F_LATE;
	return r < 0 ? r : store_append(w, h, err);
}

static int copy(struct event_source *source, struct store_writer *w, struct err *err)
{
	const struct event *ev;
	uint64_t seq = 0;
	int r;

	while ((r = event_source_next(source, &ev, err)) > 0) {
		uint64_t room[EVENT_LENGTH_MAX / 8];
		struct event_header *h = (struct event_header *)room;

		if (ev->h->flags & EVENT_F_LATE) {
			r = append_late(w, ev, err);
		} else {
			memcpy(room, ev->h, ev->h->length);
			h->seq = ++seq;
			r = store_append(w, h, err);
		}
		if (r < 0)
			return r;
	}
	return r;
}

static int write_host(struct import *imp, unsigned int host, const char *dir, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	struct store_opts opts = { .hostname = import_host_name(imp, host), .boot_id = "", .types = import_types(imp) };
	struct event_source *source = NULL;
	struct store_writer *w = NULL;
	struct err local = ERR_INIT;
	int r, closed;

	if (asprintf(&path, "%s/%s", dir, opts.hostname) < 0)
		return err_set(err, ENOMEM, "out of memory for host '%s'", opts.hostname);
	opts.dir = path;
	child_invoker(&opts.uid, &opts.gid);
	r = import_read(imp, host, &source, err);
	if (r >= 0)
		r = store_create(&opts, &w, err);
	if (r >= 0)
		r = copy(source, w, err);
	closed = store_close(w, r < 0 ? &local : err);
	event_source_close(source);
	return r < 0 ? r : closed;
}

int import_run(const struct import_opts *opts, const char *dir, struct import **ret, struct err *err)
{
	struct import_opts masked = *opts;
	struct import *imp = NULL;
	unsigned int i;
	int r;

	masked.mask = mask_secrets;
	r = import_open(&masked, &imp, err);
	if (r >= 0)
		r = make_dir(dir, err);
	for (i = 0; r >= 0 && i < import_hosts(imp); i++)
		if (import_host_events(imp, i))
			r = write_host(imp, i, dir, err);
	if (r < 0)
		import_free(imp);
	else
		*ret = imp;
	return r;
}
