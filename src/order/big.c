/* SPDX-License-Identifier: Apache-2.0 */
#include "order/big.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG_MIN 1024
#define BIG_HEAP (256UL << 10) /* below it on the heap: mapping costs more than what it holds */
#define BIG_ALIGN 64	       /* for vector instructions */
#define BIG_PAGES 65536
#define BIG_HUGE (2UL << 20) /* from here on in huge pages, aligned to them */

static void account(struct big_memory *m, const struct big *b, size_t cap)
{
	m->total += cap - b->cap;
	if (!b->file)
		m->anonymous += cap - b->cap;
}

static bool on_heap(const struct big *b)
{
	return !b->file && b->cap < BIG_HEAP;
}

static void release(struct big *b)
{
	if (b->data && on_heap(b))
		free(b->data);
	else if (b->data)
		(void)munmap(b->data, b->cap);
}

static void *fail(struct big_memory *m, int code)
{
	if (!m->failed)
		m->failed = code;
	return NULL;
}

static void unmap_spare(struct big_memory *m, size_t i)
{
	(void)munmap(m->spares[i].data, m->spares[i].cap);
	m->total -= m->spares[i].cap;
	m->anonymous -= m->spares[i].cap;
	m->spares[i].data = NULL;
	m->spares[i].cap = 0;
}

void big_release(struct big_memory *m)
{
	size_t i;

	for (i = 0; i < BIG_SPARES; i++) {
		if (m->spares[i].data)
			unmap_spare(m, i);
	}
}

/* The smallest spare that is large enough; BIG_SPARES: none. */
static size_t find_spare(const struct big_memory *m, size_t cap)
{
	size_t best = BIG_SPARES, i;

	for (i = 0; i < BIG_SPARES; i++) {
		if (m->spares[i].cap >= cap && (best == BIG_SPARES || m->spares[i].cap < m->spares[best].cap))
			best = i;
	}
	return best;
}

static bool keep_spare(struct big_memory *m, void *data, size_t cap)
{
	size_t i;

	for (i = 0; i < BIG_SPARES; i++) {
		if (!m->spares[i].data) {
			m->spares[i].data = data;
			m->spares[i].cap = cap;
			return true;
		}
	}
	return false;
}

/* Takes cap bytes from a spare; what is left of it stays one. */
static bool take_spare(struct big_memory *m, struct big *b, size_t cap)
{
	size_t i = cap >= BIG_HUGE ? find_spare(m, cap) : BIG_SPARES;

	if (i == BIG_SPARES)
		return false;
	b->data = m->spares[i].data;
	b->cap = cap;
	m->spares[i].cap -= cap;
	m->spares[i].data = m->spares[i].cap ? (char *)b->data + cap : NULL;
	return true;
}

void big_fini(struct big_memory *m, struct big *b)
{
	if (b->data && !b->file && b->cap >= BIG_HUGE && keep_spare(m, b->data, b->cap)) {
		*b = (struct big) { 0 };
		return;
	}
	release(b);
	account(m, b, 0);
	if (b->file)
		(void)close(b->file - 1);
	*b = (struct big) { 0 };
}

static int open_unlinked(void)
{
	const char *dir = getenv("TMPDIR");

	return open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* Moves an anonymous array into a file of its own. */
static void *move_to_file(struct big_memory *m, struct big *b, size_t cap)
{
	int fd = open_unlinked(), code;
	void *data;

	if (fd < 0)
		return fail(m, errno);
	code = posix_fallocate(fd, 0, (off_t)cap);
	if (code) {
		(void)close(fd);
		return fail(m, code);
	}
	data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		code = errno;
		(void)close(fd);
		return fail(m, code);
	}
	if (b->len)
		memcpy(data, b->data, b->len);
	release(b);
	account(m, b, 0);
	m->total += cap;
	b->file = fd + 1;
	b->cap = cap;
	return b->data = data;
}

/* Address space for cap bytes, aligned to huge pages if it is large. */
static void *reserve(size_t cap)
{
	size_t more = cap >= BIG_HUGE ? BIG_HUGE : 0, skip;
	char *data = mmap(NULL, cap + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED || !more)
		return data;
	skip = (BIG_HUGE - (uintptr_t)data % BIG_HUGE) % BIG_HUGE;
	if (skip)
		(void)munmap(data, skip);
	(void)munmap(data + skip + cap, more - skip);
	(void)madvise(data + skip, cap, MADV_HUGEPAGE);
	return data + skip;
}

static void *grow_heap(struct big_memory *m, struct big *b, size_t cap)
{
	void *data = aligned_alloc(BIG_ALIGN, cap);

	if (!data)
		return fail(m, ENOMEM);
	if (b->len)
		memcpy(data, b->data, b->len);
	free(b->data);
	account(m, b, cap);
	b->cap = cap;
	return b->data = data;
}

/* From the heap into a mapping of its own. */
static void *leave_heap(struct big_memory *m, struct big *b, size_t cap)
{
	void *data = reserve(cap);

	if (data == MAP_FAILED)
		return fail(m, errno);
	if (b->len)
		memcpy(data, b->data, b->len);
	release(b);
	account(m, b, cap);
	b->cap = cap;
	return b->data = data;
}

static void *grow_anonymous(struct big_memory *m, struct big *b, size_t cap)
{
	void *data;

	if (cap < BIG_HEAP)
		return grow_heap(m, b, cap);
	if (on_heap(b))
		return leave_heap(m, b, cap);
	data = reserve(cap);
	if (data == MAP_FAILED)
		return fail(m, errno);
	if (b->data && mremap(b->data, b->cap, cap, MREMAP_MAYMOVE | MREMAP_FIXED, data) == MAP_FAILED) {
		(void)fail(m, errno);
		(void)munmap(data, cap);
		return NULL;
	}
	if (b->data && cap >= BIG_HUGE)
		(void)madvise(data, cap, MADV_HUGEPAGE);
	account(m, b, cap);
	b->cap = cap;
	return b->data = data;
}

static void *grow_file(struct big_memory *m, struct big *b, size_t cap)
{
	int code = posix_fallocate(b->file - 1, 0, (off_t)cap);
	void *data;

	if (code)
		return fail(m, code);
	data = mremap(b->data, b->cap, cap, MREMAP_MAYMOVE);
	if (data == MAP_FAILED)
		return fail(m, errno);
	account(m, b, cap);
	b->cap = cap;
	return b->data = data;
}

static size_t whole_units(size_t cap)
{
	size_t unit = cap >= BIG_HUGE ? BIG_HUGE : cap >= BIG_HEAP ? BIG_PAGES : BIG_MIN;

	return (cap + unit - 1) / unit * unit;
}

static void *set_cap(struct big_memory *m, struct big *b, size_t cap)
{
	cap = whole_units(cap);
	if (b->file)
		return grow_file(m, b, cap);
	if (!b->data && take_spare(m, b, cap))
		return b->data;
	if (m->limit && cap > BIG_MIN && m->anonymous - b->cap + cap > m->limit) {
		big_release(m);
		if (m->anonymous - b->cap + cap > m->limit)
			return move_to_file(m, b, cap);
	}
	return grow_anonymous(m, b, cap);
}

void *big_grow(struct big_memory *m, struct big *b, size_t bytes)
{
	size_t want = b->len + bytes;

	if (m->failed)
		return NULL;
	return set_cap(m, b, want > b->cap + b->cap / 2 ? want : b->cap + b->cap / 2);
}

void *big_sized(struct big_memory *m, struct big *b, size_t bytes)
{
	big_fini(m, b);
	if (m->failed || !set_cap(m, b, bytes ? bytes : 1))
		return NULL;
	b->len = bytes;
	return b->data;
}

void *big_zeroed(struct big_memory *m, struct big *b, size_t bytes)
{
	size_t spare;

	big_fini(m, b);
	spare = find_spare(m, bytes);
	if (!big_sized(m, b, bytes))
		return NULL;
	if (spare != BIG_SPARES || on_heap(b))
		memset(b->data, 0, bytes);
	return b->data;
}

void big_trim(struct big_memory *m, struct big *b)
{
	size_t cap = whole_units(b->len);

	if (!b->data || b->file || on_heap(b))
		return;
	if (!b->len) {
		big_fini(m, b);
		return;
	}
	if (cap < BIG_HEAP)
		cap = BIG_HEAP; /* what is smaller counts as heap */
	if (cap >= b->cap)
		return;
	(void)munmap((char *)b->data + cap, b->cap - cap);
	account(m, b, cap);
	b->cap = cap;
}
