/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/ctf/chunk.h"
#include "store/folder.h"

#define SEARCH_BYTES (256 * 1024)
#define SIDECAR_ROWS 256 /* read at a time */

/* A chunk that is looked at. */
struct scan {
	struct index *ix;
	const uint8_t *uuid;
	uint32_t number;
	int dirfd, fd;
	uint64_t at, size;
	bool growing; /* a writer is at work: a beginning of a block at the end is none of our business */
};

void index_fini(struct index *ix)
{
	free(ix->entries);
	free(ix->tgids);
	*ix = (struct index)INDEX_INIT;
}

static int grow(void *array, size_t *cap, size_t need, size_t size)
{
	size_t wanted = *cap ? *cap : 64;
	void *grown;

	if (need <= *cap)
		return 0;
	while (wanted < need)
		wanted *= 2;
	grown = realloc(*(void **)array, wanted * size);
	if (!grown)
		return -ENOMEM;
	*(void **)array = grown;
	*cap = wanted;
	return 0;
}

static struct index_entry *add_entry(struct scan *s, uint64_t bytes, enum block_fault fault)
{
	struct index *ix = s->ix;
	struct index_entry *e;

	if (grow(&ix->entries, &ix->cap, ix->count + 1, sizeof(*e)) < 0)
		return NULL;
	e = &ix->entries[ix->count++];
	*e = (struct index_entry) { .offset = s->at, .bytes = bytes, .chunk = s->number, .fault = (uint8_t)fault };
	s->at += bytes;
	return e;
}

/* The header at s->at is valid and the file holds its block. */
static int add_block(struct scan *s, const struct block_header *h)
{
	struct index *ix = s->ix;
	bool ordered = h->first_id >= ix->next_id;
	uint32_t n = h->ntgids == BLOCK_TGIDS_MANY ? 0 : h->ntgids;
	struct index_entry *e;

	if (grow(&ix->tgids, &ix->cap_tgids, ix->ntgids + n, sizeof(*ix->tgids)) < 0)
		return -ENOMEM;
	e = add_entry(s, block_bytes(h), ordered ? BLOCK_OK : BLOCK_BAD_ORDER);
	if (!e)
		return -ENOMEM;
	e->begin_ns = h->begin_ns;
	e->end_ns = h->end_ns;
	e->own_begin_ns = h->own_begin_ns;
	e->first_id = ordered ? h->first_id : 0;
	e->count = h->count;
	e->late = h->late;
	e->ntgids = h->ntgids;
	e->tgids = ix->ntgids;
	if (n)
		memcpy(ix->tgids + ix->ntgids, h->tgids, n * sizeof(h->tgids[0]));
	ix->ntgids += n;
	if (ordered)
		ix->next_id = h->first_id + h->count;
	return 0;
}

/* 1: all of it, 0: the file ends before, -errno. */
static int read_exact(int fd, void *out, size_t len, uint64_t at)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)out + got, len - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		got += (size_t)n;
	}
	return 1;
}

/* The sidecar of another chunk, or of what stood here before, would pass for a while: the first block must agree. */
static bool sidecar_agrees(const struct scan *s, const struct chunk_index_row *first)
{
	struct block_header h;

	return read_exact(s->fd, &h, sizeof(h), 0) > 0 && !memcmp(&h, &first->h, sizeof(h));
}

static int scan_sidecar(struct scan *s)
{
	CLEANUP_FREE struct chunk_index_row *rows = malloc(SIDECAR_ROWS * sizeof(*rows));
	char name[FOLDER_NAME_MAX];
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;
	size_t i;

	folder_index_name(name, s->number);
	if (!rows)
		return -ENOMEM;
	fd = openat(s->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	while ((n = read(fd, rows, SIDECAR_ROWS * sizeof(*rows))) >= (ssize_t)sizeof(*rows))
		for (i = 0; i < (size_t)n / sizeof(*rows); i++) {
			const struct chunk_index_row *row = &rows[i];

			if (row->offset != s->at || !block_header_valid(&row->h, s->uuid) ||
			    block_bytes(&row->h) > s->size - s->at || (!s->at && !sidecar_agrees(s, row)))
				return 0;
			if (add_block(s, &row->h) < 0)
				return -ENOMEM;
		}
	return 0;
}

/* The next place from s->at + 1 on where a valid header stands; the file's size if there is none. */
static int search(struct scan *s, uint64_t *ret)
{
	CLEANUP_FREE uint8_t *buf = malloc(SEARCH_BYTES);
	uint32_t magic = BLOCK_MAGIC;
	uint64_t at = s->at + 1;

	if (!buf)
		return -ENOMEM;
	while (at + sizeof(struct block_header) <= s->size) {
		size_t len = (size_t)MIN(s->size - at, (uint64_t)SEARCH_BYTES), from = 0;
		int r = read_exact(s->fd, buf, len, at);

		if (r < 0)
			return r;
		if (!r)
			break; /* it was cut meanwhile */
		while (from + sizeof(struct block_header) <= len) {
			uint8_t *p = memmem(buf + from, len - from - sizeof(struct block_header) + sizeof(magic),
					    &magic, sizeof(magic));
			struct block_header h;

			if (!p)
				break;
			memcpy(&h, p, sizeof(h));
			if (block_header_valid(&h, s->uuid)) {
				*ret = at + (uint64_t)(p - buf);
				return 0;
			}
			from = (size_t)(p - buf) + 1;
		}
		at += len - sizeof(struct block_header) + 1;
	}
	*ret = s->size;
	return 0;
}

/* What stands at s->at is no whole block. */
static int add_damage(struct scan *s, enum block_fault fault)
{
	uint64_t next;
	int r = search(s, &next);

	if (r < 0)
		return r;
	if (next == s->size && s->growing)
		return 1;
	if (fault == BLOCK_TORN && next < s->size)
		fault = BLOCK_BAD_HEADER;
	return add_entry(s, next - s->at, fault) ? 0 : -ENOMEM;
}

/* 0: go on, 1: stop here for now. */
static int scan_block(struct scan *s)
{
	struct block_header h;
	uint64_t left = s->size - s->at;
	int r;

	if (left < sizeof(h))
		return add_damage(s, BLOCK_TORN);
	r = read_exact(s->fd, &h, sizeof(h), s->at);
	if (r <= 0)
		return r < 0 ? r : 1;
	if (!block_header_valid(&h, s->uuid))
		return add_damage(s, BLOCK_BAD_HEADER);
	if (block_bytes(&h) > left)
		return add_damage(s, BLOCK_TORN);
	return add_block(s, &h);
}

static int scan_chunk(struct scan *s)
{
	int r = s->at ? 0 : scan_sidecar(s);

	while (!r && s->at < s->size)
		r = scan_block(s);
	return r < 0 ? r : 0;
}

/* An end that looked torn may have grown since. */
static void forget_torn_end(struct index *ix)
{
	struct index_entry *last = ix->count ? &ix->entries[ix->count - 1] : NULL;

	if (!last || last->fault == BLOCK_OK || last->first_id || last->chunk != ix->chunk)
		return;
	ix->chunk_at = last->offset;
	ix->count--;
}

static int refresh_chunk(struct index *ix, int dirfd, uint32_t number, bool growing, const uint8_t *uuid)
{
	char name[FOLDER_NAME_MAX];
	CLEANUP_CLOSE int fd = -1;
	struct scan s = { .ix = ix, .uuid = uuid, .dirfd = dirfd, .number = number, .growing = growing };
	struct stat st;
	int r;

	folder_chunk_name(name, number);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* retired meanwhile */
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -EINVAL;
	if (number == ix->chunk)
		s.at = ix->chunk_at;
	else
		ix->chunks++;
	s.fd = fd;
	s.size = (uint64_t)st.st_size;
	r = scan_chunk(&s);
	ix->chunk = number;
	ix->chunk_at = s.at;
	return r;
}

int index_refresh(struct index *ix, int dirfd, const char *path, const uint8_t uuid[16], struct err *err)
{
	CLEANUP_FREE uint32_t *chunks = NULL;
	bool busy =
		!ix->locked && folder_busy(dirfd); /* before the list is read: what it finishes meanwhile is whole */
	char name[FOLDER_NAME_MAX];
	size_t n = 0, i;
	int r = folder_chunks(dirfd, &chunks, &n);

	if (r < 0)
		return err_errno(err, -r, "cannot list recording '%s'", path);
	forget_torn_end(ix);
	for (i = 0; i < n; i++) {
		if (chunks[i] < ix->chunk)
			continue;
		r = refresh_chunk(ix, dirfd, chunks[i], busy && i + 1 == n, uuid);
		if (r < 0) {
			folder_chunk_name(name, chunks[i]);
			return err_errno(err, -r, "cannot read '%s/%s'", path, name);
		}
	}
	return 0;
}

/* The id of its first event; 0: what stands there is no block. */
static uint64_t first_id(int dirfd, uint32_t number, const uint8_t *uuid)
{
	char name[FOLDER_NAME_MAX];
	CLEANUP_CLOSE int fd = -1;
	struct block_header h;

	folder_chunk_name(name, number);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* a page, and nothing ahead */
	return read_exact(fd, &h, sizeof(h), 0) > 0 && block_header_valid(&h, uuid) ? h.first_id : 0;
}

int index_chunk_of(struct index *ix, int dirfd, const uint8_t uuid[16], uint64_t id)
{
	CLEANUP_FREE uint32_t *chunks = NULL;
	bool locked = ix->locked;
	size_t n = 0, low = 0, high;

	if (folder_chunks(dirfd, &chunks, &n) < 0 || !n)
		return 0;
	high = n;
	while (high - low > 1) { /* it is not before chunk `low`, and before `high` */
		size_t mid = low + (high - low) / 2;
		uint64_t first = first_id(dirfd, chunks[mid], uuid);

		if (!first)
			return 0;
		if (first <= id)
			low = mid;
		else
			high = mid;
	}
	index_fini(ix);
	ix->locked = locked;
	return refresh_chunk(ix, dirfd, chunks[low], false, uuid) >= 0 && index_find(ix, id);
}

struct index_entry *index_find(const struct index *ix, uint64_t id)
{
	struct index_entry *found = NULL;
	size_t low = 0, high = ix->count, mid, i;

	while (low < high) {
		mid = low + (high - low) / 2;
		for (i = mid; i > low && !ix->entries[i].first_id; i--)
			; /* a stretch without ids: ask the one before */
		if (!ix->entries[i].first_id || ix->entries[i].first_id <= id) {
			if (ix->entries[i].first_id)
				found = &ix->entries[i];
			low = mid + 1;
		} else {
			high = i;
		}
	}
	return found && id - found->first_id < found->count ? found : NULL;
}

bool index_has_tgid(const struct index *ix, const struct index_entry *e, uint32_t tgid)
{
	return block_has_tgid(ix->tgids + e->tgids, e->ntgids, tgid);
}

enum block_fault index_load(const struct index_entry *e, int chunk_fd, const uint8_t uuid[16], struct index_buf *buf)
{
	const struct block_header *h;
	enum block_fault fault;
	uint8_t *grown;
	int r;

	if (e->fault != BLOCK_OK)
		return e->fault;
	if (e->bytes > buf->cap) {
		grown = realloc(buf->data, e->bytes);
		if (!grown)
			return BLOCK_UNREADABLE;
		buf->data = grown;
		buf->cap = e->bytes;
	}
	r = read_exact(chunk_fd, buf->data, e->bytes, e->offset);
	if (r <= 0)
		return r < 0 ? BLOCK_UNREADABLE : BLOCK_TORN;
	fault = block_check(buf->data, e->bytes, uuid);
	h = (const void *)buf->data;
	if (fault == BLOCK_OK && (h->first_id != e->first_id || block_bytes(h) != e->bytes))
		return BLOCK_BAD_HEADER; /* the sidecar speaks of another block */
	return fault;
}
