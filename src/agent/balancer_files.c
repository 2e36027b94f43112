/* SPDX-License-Identifier: Apache-2.0 */
/* balancer_files - the wish that is kept: read, written durably, listed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"

void balancer_folder(char *out, size_t size)
{
	const char *said = getenv("SAKER_STATE");

	(void)snprintf(out, size, "%s", said && *said ? said : BALANCER_STATE);
}

void balancer_path(const struct balancer *b, const char *suffix, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s.%s", b->state, b->attach.key, suffix);
}

int balancer_file_read_most(const struct balancer *b, const char *suffix, size_t most, struct buf *ret, struct err *err)
{
	char path[PATH_MAX];
	CLEANUP_CLOSE int fd = -1;
	int r;

	balancer_path(b, suffix, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "cannot open '%s'", path);
	r = buf_read(ret, fd, most);
	if (r < 0)
		return err_errno(err, -r, "cannot read '%s'", path);
	return ret->len > most ? err_set(err, E2BIG, "'%s' is too large", path) : 0;
}

int balancer_file_read(const struct balancer *b, const char *suffix, struct buf *ret, struct err *err)
{
	return balancer_file_read_most(b, suffix, WISH_BYTES, ret, err);
}

static int write_whole(const char *path, const struct buf *text, bool sync, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;

	if (fd < 0)
		return err_errno(err, errno, "cannot write '%s'", path);
	while (done < text->len) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0)
			return err_errno(err, errno, "cannot write '%s'", path);
		done += (size_t)n;
	}
	return sync && fsync(fd) ? err_errno(err, errno, "cannot write '%s'", path) : 0;
}

static int folder_sync(const char *path, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return err_errno(err, errno, "cannot bring the folder '%s' to the disk", path);
	return 0;
}

static void next_path(const struct balancer *b, const char *suffix, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/.%s.%s.next", b->state, b->attach.key, suffix);
}

static int write_next(const struct balancer *b, const char *suffix, const struct buf *text, bool sync, struct err *err)
{
	char next[PATH_MAX];
	int r;

	if (text->failed)
		return err_set(err, ENOMEM, "out of memory");
	next_path(b, suffix, next, sizeof(next));
	r = write_whole(next, text, sync, err);
	if (r < 0)
		(void)unlink(next);
	return r;
}

static int rename_next(const struct balancer *b, const char *suffix, struct err *err)
{
	char path[PATH_MAX], next[PATH_MAX];

	balancer_path(b, suffix, path, sizeof(path));
	next_path(b, suffix, next, sizeof(next));
	return rename(next, path) ? err_errno(err, errno, "cannot write '%s'", path) : 0;
}

int balancer_file_stage(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err)
{
	return write_next(b, suffix, text, true, err);
}

int balancer_file_settle(const struct balancer *b, const char *suffix, struct err *err)
{
	int r = rename_next(b, suffix, err);

	return r < 0 ? r : folder_sync(b->state, err);
}

int balancer_file_replace(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err)
{
	int r = write_next(b, suffix, text, false, err);

	return r < 0 ? r : rename_next(b, suffix, err);
}

void balancer_file_drop(const struct balancer *b, const char *suffix)
{
	char next[PATH_MAX];

	next_path(b, suffix, next, sizeof(next));
	(void)unlink(next);
}

int balancer_file_write(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err)
{
	int r = balancer_file_stage(b, suffix, text, err);

	return r < 0 ? r : balancer_file_settle(b, suffix, err);
}

void balancer_file_remove(const struct balancer *b, const char *suffix)
{
	char path[PATH_MAX];

	balancer_path(b, suffix, path, sizeof(path));
	(void)unlink(path);
}

/* ---- life cycle ---- */

static int take_lock(struct balancer *b, bool wait, struct err *err)
{
	char path[PATH_MAX];

	if (mkdir(b->state, 0700) && errno != EEXIST && access(b->state, F_OK))
		return err_errno(err, errno, "cannot make the folder '%s'", b->state);
	balancer_path(b, "lock", path, sizeof(path));
	b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->lock < 0 && errno == EROFS) /* what needs no more than the lock can be done there */
		b->lock = open(path, O_RDONLY | O_CLOEXEC);
	if (b->lock < 0)
		return err_errno(err, errno, "cannot open '%s'", path);
	if (flock(b->lock, wait ? LOCK_EX : LOCK_EX | LOCK_NB))
		return err_errno(err, errno, "cannot lock '%s'", path);
	return 0;
}

static int open_it(struct balancer *b, const char *interface, bool write, bool wait, struct err *err)
{
	int r;

	memset(b, 0, sizeof(*b));
	b->lock = b->attach.link = -1;
	balancer_folder(b->state, sizeof(b->state));
	r = balancer_may(write, err);
	if (!r)
		r = attach_open(&b->attach, interface, err);
	if (r < 0)
		return r;
	if (write)
		r = take_lock(b, wait, err);
	if (!r && write) { /* again, now that nobody else changes it */
		attach_close(&b->attach);
		r = attach_open(&b->attach, interface, err);
	}
	if (!r && write)
		r = balancer_finish(b, err);
	if (!r)
		r = balancer_take(b, err);
	if (!r)
		b->guarded = guard_pending(b);
	if (r < 0)
		balancer_close(b);
	return r;
}

int balancer_open(struct balancer *b, const char *interface, bool write, struct err *err)
{
	return open_it(b, interface, write, true, err);
}

int balancer_try(struct balancer *b, const char *interface, struct err *err)
{
	return open_it(b, interface, true, false, err);
}

int balancer_wish(const struct balancer *b, struct wish *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct wish_errors errors = { 0 };
	struct err why = ERR_INIT;
	int r = balancer_file_read(b, "yaml", &text, &why);

	memset(ret, 0, sizeof(*ret));
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, why.code, "%s", why.text);
	r = wish_read(text.data ? text.data : "", text.len, ret, &errors);
	if (r < 0)
		(void)err_set(err, EINVAL, "the kept wish '%s/%s.yaml' has an error in line %u: %s", b->state,
			      b->attach.key, errors.rows[0].line, errors.rows[0].text);
	wish_errors_fini(&errors);
	return r;
}

int balancer_forget(const char *interface, struct err *err)
{
	struct balancer b = { .lock = -1 };
	int r = attach_place(&b.attach, interface, err);

	if (r < 0)
		return r;
	balancer_folder(b.state, sizeof(b.state));
	r = balancer_unpin(&b, err);
	balancer_file_remove(&b, "yaml");
	balancer_file_remove(&b, "pending");
	balancer_file_remove(&b, "before");
	balancer_file_remove(&b, "overlay");
	balancer_file_remove(&b, "health");
	balancer_file_remove(&b, "checks");
	return r;
}

/* ---- all interfaces ---- */

/* KEY.yaml in the state's folder, or KEY in that of pins; "": the name is no key of this namespace. */
static void key_name(const char *file, const char *suffix, char out[IF_NAMESIZE])
{
	char key[128];
	size_t len = strlen(file), cut = strlen(suffix);

	out[0] = 0;
	if (file[0] == '.' || len <= cut || strcmp(file + len - cut, suffix) != 0)
		return;
	(void)snprintf(key, sizeof(key), "%.*s", (int)(len - cut), file);
	if (!attach_key_here(key, out))
		out[0] = 0;
}

#define EACH_MAX 256

struct names {
	char rows[EACH_MAX][IF_NAMESIZE];
	size_t count;
};

static void names_of(const char *dir, const char *suffix, struct names *names)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	char name[IF_NAMESIZE];
	size_t i;

	while (d && (entry = readdir(d)) && names->count < EACH_MAX) {
		key_name(entry->d_name, suffix, name);
		for (i = 0; i < names->count && strcmp(names->rows[i], name) != 0; i++)
			;
		if (name[0] && i == names->count)
			(void)snprintf(names->rows[names->count++], IF_NAMESIZE, "%s", name);
	}
	if (d)
		(void)closedir(d);
}

int balancer_each(int (*each)(void *arg, const char *interface), void *arg)
{
	CLEANUP_FREE struct names *names = calloc(1, sizeof(*names));
	char dir[512];
	struct err err = ERR_INIT;
	size_t i;
	int r = 0;

	if (!names)
		return -ENOMEM;
	balancer_folder(dir, sizeof(dir));
	names_of(dir, ".yaml", names);
	if (!attach_root(dir, sizeof(dir), &err))
		names_of(dir, "", names);
	for (i = 0; i < names->count && !r; i++)
		r = each(arg, names->rows[i]);
	return r;
}
