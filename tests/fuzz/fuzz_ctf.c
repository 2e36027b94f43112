/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ctf - recordings of arbitrary files: opened, read, fetched from, frozen, repaired, read again.
 *
 * An input is a list of pieces {what, length (16 bit), bytes}; pieces of one file are joined.  Checksums would stop
 * every change at the door, so a piece can ask for them to be made right (SEAL).  tests/fuzz/pack_ctf.py makes an input
 * of a recording.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/ctf/block.h"
#include "store/store.h"

#define FILES 8
#define SEAL 0x80 /* of a piece's first byte */
#define PIECE_HEAD 3
#define FETCHES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[FILES] = { "metadata",
					  ".metadata",
					  "stream-000001.ctf",
					  "stream-000002.ctf",
					  ".stream-000001.index",
					  ".stream-000002.index",
					  "stream-000700.ctf",
					  ".lock" };
static char dir[64], copy[64];

/* Events before and after the repair, and what was said. */
struct outcome {
	uint64_t events, skipped, last_id, last_ns;
};

static void require(bool so, const char *what)
{
	if (so)
		return;
	(void)fprintf(stderr, "fuzz_ctf: %s\n", what);
	abort();
}

static void seal_blocks(struct buf *b)
{
	struct block_header h;
	size_t at, bytes;

	for (at = 0; b->len - at > sizeof(h); at += bytes) {
		memcpy(&h, b->data + at, sizeof(h));
		bytes = block_bytes(&h);
		if (bytes <= sizeof(h) || bytes > b->len - at)
			bytes = b->len - at;
		h.content_sum = XXH64(b->data + at + sizeof(h), bytes - sizeof(h), 0);
		h.header_sum = 0;
		h.header_sum = XXH64(&h, sizeof(h), 0);
		memcpy(b->data + at, &h, sizeof(h));
	}
}

static void seal_metadata(struct buf *b)
{
	static const char mark[] = "\n/* saker-sum ";
	char *line = b->len ? memmem(b->data, b->len, mark, strlen(mark)) : NULL;

	if (line)
		b->len = (size_t)(line + 1 - b->data);
	buf_printf(b, "/* saker-sum %016" PRIx64 " */\n", (uint64_t)XXH64(b->data, b->len, 0));
}

static void write_file(const char *name, const struct buf *b)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, b->data, b->len) == (ssize_t)b->len, "cannot write the files");
	(void)close(fd);
}

static void remove_dir(const char *path)
{
	char cmd[128];
	size_t i;

	for (i = 0; i < FILES; i++) {
		(void)snprintf(cmd, sizeof(cmd), "%s/%s", path, names[i]);
		(void)unlink(cmd);
	}
	(void)snprintf(cmd, sizeof(cmd), "%s/.stream-000700.index", path);
	(void)unlink(cmd);
	(void)rmdir(path);
}

static void make_dir(const uint8_t *data, size_t size)
{
	struct buf files[FILES] = { 0 };
	uint8_t seal[FILES] = { 0 };
	size_t i, len;

	while (size >= PIECE_HEAD) {
		i = data[0] % FILES;
		seal[i] |= data[0] & SEAL;
		len = MIN((size_t)(data[1] | data[2] << 8), size - PIECE_HEAD);
		buf_add(&files[i], data + PIECE_HEAD, len);
		data += PIECE_HEAD + len;
		size -= PIECE_HEAD + len;
	}
	(void)mkdir(dir, 0700);
	for (i = 0; i < FILES; i++) {
		if (seal[i] && i < 2)
			seal_metadata(&files[i]);
		else if (seal[i] && files[i].len)
			seal_blocks(&files[i]);
		if (files[i].len)
			write_file(names[i], &files[i]);
		buf_fini(&files[i]);
	}
}

static void count_skipped(void *arg, const char *sentence)
{
	struct outcome *o = arg;

	o->skipped += !!strstr(sentence, "is skipped");
}

static void look(const struct event *ev, struct outcome *o, struct buf *text)
{
	require(ev->id > o->last_id, "ids go back");
	require(ev->h->boot_ns >= o->last_ns || !o->events, "the stream goes back in time");
	require(!event_check(ev->type, ev->h, ev->h->length, NULL), "an event that is none");
	o->last_id = ev->id;
	o->events++;
	buf_reset(text);
	event_json(text, ev, "host");
}

static void fetch_some(struct store_reader *r, const struct outcome *o)
{
	char room[EVENT_LENGTH_MAX] __attribute__((aligned(8)));
	struct event ev;
	uint64_t i;

	for (i = 0; i < FETCHES; i++) {
		uint64_t id = o->last_id * i / (FETCHES - 1);

		if (!store_fetch(r, 0, id, room, sizeof(room), &ev, NULL))
			require(ev.id == id, "another event than the one that was asked for");
	}
}

/* -errno when it cannot be opened. */
static int read_all(const char *path, struct outcome *ret)
{
	struct store_read_opts opts = { .damage = count_skipped, .arg = ret };
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct store_reader *r = NULL;
	struct event_source *src = NULL;
	struct err err = ERR_INIT;
	const struct event *ev;
	int e = store_open(&path, 1, &r, &err);

	*ret = (struct outcome) { 0 };
	if (e < 0) {
		require(err.text[0], "a failure without a sentence");
		return e;
	}
	require(store_read(r, &opts, &src, &err) >= 0, "cannot read what was opened");
	while (event_source_next(src, &ev, &err) > 0)
		look(ev, ret, &text);
	event_source_close(src);
	fetch_some(r, ret);
	store_reader_free(r);
	return 0;
}

/* CTF wants each stream monotonic: repair drops what is whole but goes back in time, and says so. */
static void note_dropped(void *arg, const char *sentence)
{
	bool *dropped = arg;

	*dropped |= strstr(sentence, "goes back in time") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool dropped = false;
	struct outcome before, after;
	struct err err = ERR_INIT;
	const char *tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	int r;

	(void)snprintf(dir, sizeof(dir), "%s/saker-fuzz-%d", tmp, (int)getpid());
	(void)snprintf(copy, sizeof(copy), "%s/saker-fuzz-%d-copy", tmp, (int)getpid());
	remove_dir(dir);
	make_dir(data, size);
	r = read_all(dir, &before);
	if (!r && !store_freeze(dir, copy, UINT32_MAX, UINT32_MAX, &err)) {
		require(!read_all(copy, &after) && after.events == before.events, "the copy has other events");
		remove_dir(copy);
	}
	if (!store_repair(dir, note_dropped, &dropped, &err)) {
		require(!r, "repaired, but could not be opened before");
		require(!read_all(dir, &after) && !after.skipped, "repaired, but not whole");
		require(after.events <= before.events, "more events than before");
		require(before.skipped || dropped || after.events == before.events, "whole events were lost");
	}
	remove_dir(dir);
	return 0;
}
