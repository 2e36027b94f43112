/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock is an open-file-description lock (fcntl(2), F_OFD_SETLK): like flock(2) it ends with the process,
 * however that ends, and unlike flock(2) a reader can ask about it (F_OFD_GETLK) without taking it.
 */
#include "store/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define LOCK_NAME ".lock"
#define CHUNK_FORMAT "stream-%06u.ctf"

static void cleanup_closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static DIR *list_dir(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		(void)close(fd);
	return d;
}

static struct flock whole_file(short type)
{
	return (struct flock) { .l_type = type, .l_whence = SEEK_SET };
}

bool folder_busy(int dirfd)
{
	CLEANUP_CLOSE int fd = openat(dirfd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock l = whole_file(F_RDLCK);

	return fd >= 0 && !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

static int busy_error(const struct folder *f, int dirfd, struct err *err)
{
	CLEANUP_FREE char *pid = NULL;
	size_t len;

	if (folder_read(dirfd, LOCK_NAME, 32, &pid, &len) < 0 || !len)
		return err_set(err, EBUSY, "cannot record into '%s': another recorder is at work there", f->path);
	pid[strspn(pid, "0123456789")] = 0;
	return err_set(err, EBUSY, "cannot record into '%s': the recorder with process id %s is at work there", f->path,
		       pid);
}

/* Only the lock file may be there. */
static int check_empty(const struct folder *f, int dirfd, struct err *err)
{
	CLEANUP(cleanup_closedirp) DIR *d = list_dir(dirfd);
	struct dirent *e;

	if (!d)
		return err_errno(err, errno, "cannot list '%s'", f->path);
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, LOCK_NAME))
			continue;
		if (folder_busy(dirfd))
			return busy_error(f, dirfd, err);
		return err_set(err, EEXIST, "cannot record into '%s': it exists and is not empty ('%s')", f->path,
			       e->d_name);
	}
	return 0;
}

static int own(const struct folder *f, int fd, struct err *err)
{
	if (f->uid == UINT32_MAX && f->gid == UINT32_MAX)
		return 0;
	if (fchown(fd, f->uid, f->gid))
		return err_errno(err, errno, "cannot give '%s' to user %u", f->path, f->uid);
	return 0;
}

int folder_make(const struct folder *f, const char *name, bool excl, struct err *err)
{
	int fd = openat(f->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (excl ? O_EXCL : 0), 0600);
	int r;

	if (fd < 0)
		return err_errno(err, errno, "cannot create '%s/%s'", f->path, name);
	r = own(f, fd, err);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

int folder_lock(struct folder *f, struct err *err)
{
	CLEANUP_CLOSE int fd = folder_make(f, LOCK_NAME, false, err);
	struct flock l = whole_file(F_WRLCK);
	char pid[16];
	int n;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &l)) {
		if (errno == EAGAIN || errno == EACCES)
			return busy_error(f, f->fd, err);
		return err_errno(err, errno, "cannot lock '%s/" LOCK_NAME "'", f->path);
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || folder_pwrite(fd, pid, (size_t)n, 0) < 0)
		return err_errno(err, errno, "cannot write '%s/" LOCK_NAME "'", f->path);
	f->lock = TAKE_FD(fd);
	return 0;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int folder_open(struct folder *f, struct err *err)
{
	int fd = open_dir(f->path);

	if (fd < 0)
		return err_errno(err, errno, "cannot open recording '%s'", f->path);
	f->fd = fd;
	return 0;
}

int folder_create(struct folder *f, struct err *err)
{
	struct folder made = *f;
	CLEANUP_CLOSE int fd = -1;
	int r;

	if (mkdir(f->path, 0700) && errno != EEXIST)
		return err_errno(err, errno, "cannot create '%s'", f->path);
	fd = open_dir(f->path);
	if (fd < 0)
		return err_errno(err, errno, "cannot record into '%s'", f->path);
	r = check_empty(f, fd, err);
	if (r < 0)
		return r;
	if (fchmod(fd, 0700))
		return err_errno(err, errno, "cannot make '%s' private", f->path);
	made.fd = fd;
	r = own(f, fd, err);
	if (r >= 0)
		r = folder_lock(&made, err);
	if (r >= 0)
		r = check_empty(f, fd, err); /* another one may have come and gone before we had the lock */
	if (r < 0) {
		if (made.lock >= 0)
			(void)close(made.lock);
		return r;
	}
	f->lock = made.lock;
	f->fd = TAKE_FD(fd);
	return 0;
}

void folder_close(struct folder *f)
{
	if (f->lock >= 0)
		(void)close(f->lock);
	if (f->fd >= 0)
		(void)close(f->fd);
	f->lock = f->fd = -1;
}

void folder_chunk_name(char out[FOLDER_NAME_MAX], uint32_t number)
{
	(void)snprintf(out, FOLDER_NAME_MAX, CHUNK_FORMAT, number);
}

void folder_index_name(char out[FOLDER_NAME_MAX], uint32_t number)
{
	(void)snprintf(out, FOLDER_NAME_MAX, ".stream-%06u.index", number);
}

/* 0: no chunk's name. */
static uint32_t chunk_number(const char *name)
{
	char again[FOLDER_NAME_MAX];
	unsigned int n;

	if (sscanf(name, "stream-%9u.ctf", &n) != 1)
		return 0;
	folder_chunk_name(again, n);
	return strcmp(again, name) ? 0 : n;
}

/* Calls fn for each file that belongs to a recording; what fn returns below 0 ends it. */
static int each_file(int dirfd, int (*fn)(int dirfd, const char *name, void *arg), void *arg)
{
	CLEANUP(cleanup_closedirp) DIR *d = list_dir(dirfd);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r >= 0 && (e = readdir(d))) {
		const char *plain = e->d_name + (e->d_name[0] == '.');

		if (!strncmp(plain, "stream-", 7) || !strncmp(plain, FOLDER_METADATA, strlen(FOLDER_METADATA)) ||
		    !strcmp(e->d_name, LOCK_NAME) || !strcmp(e->d_name, FOLDER_REPAIR_TMP) ||
		    !strncmp(e->d_name, FOLDER_REQUESTS, strlen(FOLDER_REQUESTS)))
			r = fn(dirfd, e->d_name, arg);
	}
	return r < 0 ? r : 0;
}

static int add_bytes(int dirfd, const char *name, void *arg)
{
	struct stat st;

	if (!fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		*(uint64_t *)arg += (uint64_t)st.st_blocks * 512;
	return 0;
}

uint64_t folder_bytes(int dirfd)
{
	uint64_t bytes = 0;

	(void)each_file(dirfd, add_bytes, &bytes);
	return bytes;
}

static int later_write(int dirfd, const char *name, void *arg)
{
	time_t *last = arg;
	struct stat st;

	if (chunk_number(name) && !fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		*last = MAX(*last, st.st_mtime);
	return 0;
}

time_t folder_last_write(int dirfd)
{
	struct stat st = { 0 };
	time_t last = 0;

	(void)each_file(dirfd, later_write, &last);
	if (!last)
		(void)fstat(dirfd, &st);
	return last ? last : st.st_mtime;
}

static int unlink_file(int dirfd, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(dirfd, name, 0) && errno != ENOENT ? -errno : 0;
}

int folder_remove(const struct folder *f, struct err *err)
{
	int r = each_file(f->fd, unlink_file, NULL);

	if (!r && rmdir(f->path))
		r = -errno;
	return r < 0 ? err_errno(err, -r, "cannot delete recording '%s'", f->path) : 0;
}

int folder_pwrite(int fd, const void *data, size_t len, uint64_t at)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENOSPC;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int folder_replace(const struct folder *f, const char *name, const void *data, size_t len, struct err *err)
{
	char tmp[FOLDER_NAME_MAX];
	CLEANUP_CLOSE int fd = -1;
	int r;

	(void)snprintf(tmp, sizeof(tmp), ".%s.new", name + (name[0] == '.'));
	(void)unlinkat(f->fd, tmp, 0);
	fd = folder_make(f, tmp, true, err);
	if (fd < 0)
		return fd;
	r = folder_pwrite(fd, data, len, 0);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && renameat(f->fd, tmp, f->fd, name))
		r = -errno;
	if (r < 0)
		(void)unlinkat(f->fd, tmp, 0);
	return r < 0 ? err_errno(err, -r, "cannot write '%s/%s'", f->path, name) : 0;
}

int folder_read(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP_FREE char *data = NULL;
	struct stat st;
	size_t at = 0;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > max)
		return -EFBIG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	while (at < st.st_size) {
		ssize_t n = pread(fd, data + at, (size_t)st.st_size - at, (off_t)at);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		at += (size_t)n;
	}
	data[at] = 0;
	*ret_len = at;
	*ret = TAKE(data);
	return 0;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int folder_chunks(int dirfd, uint32_t **ret, size_t *ret_count)
{
	CLEANUP(cleanup_closedirp) DIR *d = list_dir(dirfd);
	CLEANUP_FREE uint32_t *list = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		uint32_t number = chunk_number(e->d_name), *grown;

		if (!number)
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			grown = realloc(list, cap * sizeof(*list));
			if (!grown)
				return -ENOMEM;
			list = grown;
		}
		list[n++] = number;
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_u32);
	*ret_count = n;
	*ret = TAKE(list);
	return 0;
}
