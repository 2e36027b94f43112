/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting aside what an ended flight recorder left.  Who renames a recording holds its lock and has seen that the name
 * still leads to it, so of two recorders that start together only one does it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/folder.h"
#include "store/recording.h"
#include "store/store.h"

#define STAMP "%Y%m%d-%H%M%S"
#define STAMP_LEN 15
#define SAME_SECOND 100 /* so many recordings may have ended in one second */

/* dir without slashes at its end, or NULL */
static char *plain_path(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return strndup(dir, len);
}

static bool empty(const struct folder *f)
{
	CLEANUP_FREE uint32_t *chunks = NULL;
	size_t n;

	return !folder_chunks(f->fd, &chunks, &n) && !n;
}

static int rename_aside(const struct folder *f, const char *path, struct err *err)
{
	time_t last = folder_last_write(f->fd);
	char stamp[STAMP_LEN + 1] = "";
	struct tm tm;
	int i;

	if (gmtime_r(&last, &tm))
		(void)strftime(stamp, sizeof(stamp), STAMP, &tm);
	for (i = 0; i < SAME_SECOND; i++) {
		CLEANUP_FREE char *to = NULL;

		if (asprintf(&to, i ? "%s.%s-%02d" : "%s.%s", path, stamp, i) < 0)
			return err_set(err, ENOMEM, "out of memory for '%s'", path);
		if (!renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE))
			return 0;
		if (errno != EEXIST)
			break;
	}
	return err_errno(err, errno, "cannot set the earlier recording '%s' aside", path);
}

/* 0: f is locked and its path leads to it; 1: somebody else did something there. */
static int lock_same(struct folder *f, struct err *err)
{
	int r = folder_lock(f, err);
	struct stat opened, named;

	if (r < 0)
		return r;
	return fstat(f->fd, &opened) || stat(f->path, &named) || opened.st_ino != named.st_ino ||
	       opened.st_dev != named.st_dev;
}

static int move_away(const char *path, struct err *err)
{
	CLEANUP(folder_close) struct folder f = FOLDER_INIT;
	int r;

	if (!recording_here(path))
		return 0;
	f.path = path;
	r = folder_open(&f, err);
	if (r >= 0)
		r = lock_same(&f, err);
	if (r)
		return r < 0 ? r : 0;
	if (empty(&f))
		return folder_remove(&f, err);
	return rename_aside(&f, path, err);
}

static bool is_aside(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	const char *stamp = name + len + 1;

	return !strncmp(name, prefix, len) && name[len] == '.' && strspn(stamp, "0123456789-") == strlen(stamp) &&
	       strlen(stamp) >= STAMP_LEN;
}

/* Adds the recording's bytes to *total and deletes it when there are too many. */
static int delete_beyond(const char *parent, const char *name, uint64_t keep_bytes, uint64_t *total, struct err *err)
{
	CLEANUP(folder_close) struct folder f = FOLDER_INIT;
	CLEANUP_FREE char *path = NULL;
	bool latest = !*total;

	if (asprintf(&path, "%s/%s", parent, name) < 0)
		return err_set(err, ENOMEM, "out of memory for '%s'", parent);
	f.path = path;
	if (!recording_here(path) || folder_open(&f, NULL) < 0)
		return 0;
	*total += folder_bytes(f.fd);
	if (latest || *total <= keep_bytes || folder_busy(f.fd))
		return 0;
	return folder_remove(&f, err);
}

static int forget_oldest(const char *path, uint64_t keep_bytes, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *parent = !slash	    ? strdup(".")
				    : slash == path ? strdup("/")
						    : strndup(path, (size_t)(slash - path));
	struct dirent **names = NULL;
	uint64_t total = 0;
	int n, r = 0;

	if (!parent)
		return err_set(err, ENOMEM, "out of memory for '%s'", path);
	n = scandir(parent, &names, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "cannot list '%s'", parent);
	while (n--) { /* from the latest to the oldest */
		if (r >= 0 && is_aside(names[n]->d_name, slash ? slash + 1 : path))
			r = delete_beyond(parent, names[n]->d_name, keep_bytes, &total, err);
		free(names[n]);
	}
	free(names);
	return r;
}

int store_set_aside(const char *dir, uint64_t keep_bytes, struct err *err)
{
	CLEANUP_FREE char *path = plain_path(dir);
	int r = path ? move_away(path, err) : err_set(err, ENOMEM, "out of memory for '%s'", dir);

	return r < 0 ? r : forget_oldest(path, keep_bytes, err);
}
