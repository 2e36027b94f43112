/* SPDX-License-Identifier: Apache-2.0 */
#include "order/big.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIG_MIN 65536
#define BIG_HUGE (4UL << 20)

static void account(struct big_memory *m, const struct big *b, size_t cap)
{
	m->total += cap - b->cap;
	if (!b->file)
		m->anonymous += cap - b->cap;
}

void big_fini(struct big_memory *m, struct big *b)
{
	if (b->data)
		(void)munmap(b->data, b->cap);
	account(m, b, 0);
	if (b->file)
		(void)close(b->file - 1);
	*b = (struct big) { 0 };
}

static void *fail(struct big_memory *m, int code)
{
	if (!m->failed)
		m->failed = code;
	return NULL;
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
	if (b->data)
		(void)munmap(b->data, b->cap);
	account(m, b, 0);
	m->total += cap;
	b->file = fd + 1;
	b->cap = cap;
	return b->data = data;
}

static void *grow_anonymous(struct big_memory *m, struct big *b, size_t cap)
{
	void *data;

	if (b->data)
		data = mremap(b->data, b->cap, cap, MREMAP_MAYMOVE);
	else
		data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return fail(m, errno);
	account(m, b, cap);
	if (cap >= BIG_HUGE)
		(void)madvise(data, cap, MADV_HUGEPAGE);
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

static void *set_cap(struct big_memory *m, struct big *b, size_t cap)
{
	cap = (cap + BIG_MIN - 1) / BIG_MIN * BIG_MIN;
	if (b->file)
		return grow_file(m, b, cap);
	if (m->limit && cap > BIG_MIN && m->anonymous - b->cap + cap > m->limit)
		return move_to_file(m, b, cap);
	return grow_anonymous(m, b, cap);
}

void *big_grow(struct big_memory *m, struct big *b, size_t bytes)
{
	size_t want = b->len + bytes;

	if (m->failed)
		return NULL;
	return set_cap(m, b, want > b->cap + b->cap / 2 ? want : b->cap + b->cap / 2);
}

void *big_zeroed(struct big_memory *m, struct big *b, size_t bytes)
{
	big_fini(m, b);
	if (m->failed || !set_cap(m, b, bytes ? bytes : 1))
		return NULL;
	b->len = bytes;
	return b->data;
}

void big_trim(struct big_memory *m, struct big *b)
{
	size_t cap = (b->len + BIG_MIN - 1) / BIG_MIN * BIG_MIN;
	void *data;

	if (!b->data || cap >= b->cap || b->file)
		return;
	if (!cap) {
		big_fini(m, b);
		return;
	}
	data = mremap(b->data, b->cap, cap, 0);
	if (data == MAP_FAILED)
		return;
	account(m, b, cap);
	b->cap = cap;
}
