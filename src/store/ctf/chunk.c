/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FORMAT
 *
 * A recording is a directory that is a CTF 1.8 trace with one stream:
 *
 *	metadata		text: TSDL, then a comment for ourselves (metadata.h)
 *	stream-000001.ctf ...	the stream, cut into chunks
 *	.metadata, .lock, .stream-000001.index ...	hidden: CTF readers pass over them; all can be missing
 *
 * A chunk is a sequence of blocks without gaps.  A block is a CTF packet: a header of 288 bytes, then the events.
 * Numbers are little endian; x/y is a field of y bytes at offset x.
 *
 *	0/4 magic 0xC1FC1FC1	4/16 uuid of the recording	20/4 0		24/8 0
 *	32/8 header_sum: xxh64 (seed 0) of the 288 bytes, with these eight as zeros
 *	40/8 content_sum: xxh64 of all bytes behind the header
 *	48/8 running number of the block	56/8 id of the first event
 *	64/8 earliest own time of its events	72/4 events with an id		76/4 late markers
 *	80/4 flags: 1 it begins with a checkpoint or a part of one
 *	84/4 processes, 0xFFFFFFFF: more than fit		88/168 their ids, ascending, then zeros
 *	256/8 first time	264/8 last time		272/8 content_bits	280/8 packet_bits: 8 * size of the block
 *
 * An event on disk is the event in memory (docs/events.md lists the types and their fields, event/header.h this head):
 *
 *	0/8 time, CLOCK_BOOTTIME in ns		8/2 type		10/2 length of the whole event
 *	12/2 CPU	14/1 context		15/1 flags		16/8 sequence number on its CPU
 *	24/8 start time of the thread		32/4 process id		36/4 thread id
 *	40 ... the fixed fields, then the strings, each with its NUL, then zeros up to a multiple of 8
 *
 * So every event begins at a multiple of 8 from the block's start, which CTF expresses by the 64-bit alignment of its
 * time stamp, and the padding is skipped by any reader.  content_bits ends with the last field of the last event (a CTF
 * reader would take padding behind it for a further event), packet_bits with the padding.
 *
 * What only we use (checksums, ids, the set of processes; the events' lengths) lies in gaps that CTF's alignment
 * leaves: between packet.header and packet.context, which is aligned to 256 bytes, and between event header and
 * context.
 *
 * Order: time stamps never decrease, neither within a block nor between blocks nor between chunks.  An event that
 * comes later than its place was written is stored as a pair: a `late` event with its own time, directly before
 * it in the same block, and the event itself with the time stamp of the event written before, flagged EVENT_F_LATE.
 * Our reader folds the pair into one event.
 *
 * Ids: events are numbered from 1 as they are written; the block says its first one.  A `late` event is part of the
 * event that it precedes and has no number: count, ids handed out by the reader, and store_fetch() agree.
 * Checkpoint events are numbered like others.  Ids only grow; where a block is lost its ids stay unused.
 *
 * Chunks: a chunk ends when the next block might not fit into chunk_bytes.  Each begins with a checkpoint at the time
 * of its first event: a `clock` event, host, names, and process and socket events flagged `checkpoint`, all with
 * context `recorder`; so the rest can be understood when older chunks are gone.  Before a block would
 * exceed max_bytes the oldest chunk is unlinked, whole.
 *
 * Index: .stream-N.index holds, for each block of chunk N in order, 296 bytes: its offset (8) and a copy of its header.
 * The header carries begin and end time, first id, count, and the set of processes (up to 42, else "many"), so an index
 * can be rebuilt from the headers alone, and an entry proves itself by the header's own checksum.
 *
 * CRASHES
 *
 * A block is written by one pwrite(2) at the end of its chunk, and nothing before the end is ever written again.
 * So after kill -9 at any moment each chunk is: whole blocks, then possibly the beginning of one more.  A reader
 * accepts a block only if the file holds all of it and both checksums agree; a beginning is reported and ignored,
 * and store_repair() cuts it off for readers that are less forgiving.  What is lost is that block and what had not
 * been flushed: with a flush every second, at most the last second.  A chunk file without any block is possible
 * (created, then killed) and means nothing.  An index entry is written after its block; if it is missing or torn the
 * reader goes on with the headers in the chunk.  An unlinked chunk may leave its index behind: nobody looks at it.
 * The metadata is replaced by rename(2) before the first block with an event of a new type is written, so it
 * describes every event that is in the stream.  A retired chunk is unlinked before the block that needs its place is
 * written, so the budget also holds in between.
 * After a power failure blocks may be missing or damaged anywhere in the last seconds (half a minute with the kernel's
 * defaults), since waiting for the disk at each would cost the recorded system its disk; they fail their checksums, are
 * named and skipped.  Only the metadata, without which nothing can be read, is synchronised (fsync(2)) before its rename.
 *
 * DAMAGE
 *
 * header_sum covers the header, content_sum the rest.  If a header is damaged, the reader looks for the next place
 * where magic, uuid and header_sum agree; all between is one damaged block.  If the content is damaged, the block
 * is skipped by its header's size.  Events are checked against their types even when the sums agree.
 */
#include "store/ctf/chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

void chunks_init(struct chunks *c, const struct folder *folder, uint64_t max_bytes, uint32_t chunk_bytes,
		 uint32_t block_bytes)
{
	*c = (struct chunks) { .folder = folder,
			       .max_bytes = max_bytes,
			       .chunk_bytes = chunk_bytes,
			       .block_bytes = block_bytes,
			       .fd = -1,
			       .index_fd = -1 };
}

static void close_files(struct chunks *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	if (c->index_fd >= 0)
		(void)close(c->index_fd);
	c->fd = c->index_fd = -1;
}

void chunks_fini(struct chunks *c)
{
	close_files(c);
	free(c->rows);
	c->rows = NULL;
}

bool chunks_fresh(const struct chunks *c)
{
	return c->fd < 0 || c->size + c->block_bytes > c->chunk_bytes;
}

void chunks_others(struct chunks *c, uint64_t bytes)
{
	c->other = bytes;
}

static void unlink_chunk(const struct chunks *c, uint32_t number)
{
	char name[FOLDER_NAME_MAX];

	folder_chunk_name(name, number);
	(void)unlinkat(c->folder->fd, name, 0);
	folder_index_name(name, number);
	(void)unlinkat(c->folder->fd, name, 0);
}

/* What the chunk that is written takes on disk when `more` bytes and an index row are added. */
static uint64_t open_disk(const struct chunks *c, uint64_t more)
{
	return folder_disk(c->size + more) + folder_disk(c->index_size + (more ? sizeof(struct chunk_index_row) : 0));
}

static void retire(struct chunks *c, uint64_t more)
{
	uint64_t fixed = c->other + c->directory + open_disk(c, more);
	size_t gone = 0;

	while (c->closed + fixed > c->max_bytes && gone + 1 < c->nrows) {
		unlink_chunk(c, c->rows[gone].number);
		c->closed -= c->rows[gone].disk;
		c->retired_events += c->rows[gone].events;
		c->retired++;
		gone++;
	}
	if (gone)
		memmove(c->rows, c->rows + gone, (c->nrows - gone) * sizeof(*c->rows));
	c->nrows -= gone;
}

static void close_row(struct chunks *c)
{
	if (!c->nrows)
		return;
	c->rows[c->nrows - 1].disk = open_disk(c, 0);
	c->closed += open_disk(c, 0);
}

static int add_row(struct chunks *c)
{
	size_t cap = c->cap_rows ? c->cap_rows * 2 : 32;
	struct chunk_row *grown;

	if (!c->max_bytes)
		return 0;
	if (c->nrows == c->cap_rows) {
		grown = realloc(c->rows, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->rows = grown;
		c->cap_rows = cap;
	}
	c->rows[c->nrows++] = (struct chunk_row) { .number = c->number };
	return 0;
}

static int begin_chunk(struct chunks *c, struct err *err)
{
	char name[FOLDER_NAME_MAX];
	struct stat st;

	close_files(c);
	close_row(c);
	c->size = c->index_size = 0;
	folder_chunk_name(name, c->number + 1);
	c->fd = folder_make(c->folder, name, true, err);
	if (c->fd < 0)
		return -err->code;
	c->number++;
	folder_index_name(name, c->number);
	c->index_fd = folder_make(c->folder, name, true, NULL); /* it can do without */
	if (add_row(c) < 0)
		return err_set(err, ENOMEM, "out of memory for the list of chunks");
	if (!fstat(c->folder->fd, &st))
		c->directory = (uint64_t)st.st_blocks * 512;
	c->written++;
	return 0;
}

/* An index that cannot be written is no reason to stop: readers build it themselves. */
static void write_index(struct chunks *c, const struct block *b)
{
	struct chunk_index_row row = { .offset = c->size };
	char name[FOLDER_NAME_MAX];

	if (c->index_fd < 0)
		return;
	memcpy(&row.h, b->data, sizeof(row.h));
	c->index_size += sizeof(row);
	if (write(c->index_fd, &row, sizeof(row)) == sizeof(row))
		return;
	(void)close(c->index_fd);
	c->index_fd = -1;
	folder_index_name(name, c->number);
	(void)unlinkat(c->folder->fd, name, 0);
}

static int cut(struct chunks *c, int code, struct err *err)
{
	char name[FOLDER_NAME_MAX];

	folder_chunk_name(name, c->number);
	if (c->size)
		(void)!ftruncate(c->fd, (off_t)c->size);
	else
		unlink_chunk(c, c->number);
	if (code == ENOSPC || code == EDQUOT)
		return err_set(err, ENOSPC, "no space left for recording '%s': it ends here, what was written is whole",
			       c->folder->path);
	return err_errno(err, code, "cannot write '%s/%s': the recording ends here, what was written is whole",
			 c->folder->path, name);
}

int chunks_write(struct chunks *c, const struct block *b, struct err *err)
{
	struct err local = ERR_INIT;
	int r;

	err = err ? err : &local;
	if (chunks_fresh(c)) {
		r = begin_chunk(c, err);
		if (r < 0)
			return r;
	}
	if (c->max_bytes)
		retire(c, b->used);
	r = folder_pwrite(c->fd, b->data, b->used, c->size);
	if (r < 0)
		return cut(c, -r, err);
	write_index(c, b);
	c->size += b->used;
	if (c->nrows)
		c->rows[c->nrows - 1].events += b->h.count;
	return 0;
}
