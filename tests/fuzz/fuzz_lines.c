/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_lines - any bytes, written in any pieces by several threads: never a crash, every record is text of bounded length
 * and belongs to a thread that wrote, nothing waits at the end, and no letter comes out more often than it went in.
 *
 * The first byte of each piece says who writes it, where and how: see piece_of().
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "lines/line.h"
#include "lines/lines.h"
#include "must.h"

static uint64_t in, out, latest[4];

static uint64_t letters(const char *text, size_t len)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < len; i++)
		n += text[i] >= 'a' && text[i] <= 'z';
	return n;
}

static int record(void *arg, const struct lines_record *r)
{
	uint32_t tid = r->who->h.tid;

	(void)arg;
	MUST(tid < 4 && strlen(r->text) == r->len && r->len <= LINES_TEXT_MAX);
	MUST(r->lines && r->level <= LEVEL_FATAL && r->who->h.boot_ns <= latest[tid]);
	if (!(r->flags & LOGFLAGS_BINARY))
		out += letters(r->text, r->len);
	return 0;
}

static size_t piece_of(const uint8_t *data, size_t size, uint64_t now, struct lines_piece *ret)
{
	uint8_t how = data[0];
	size_t want = how & 0x40 ? 1024 : (size_t)1 << (how >> 2 & 7), len = want < size - 1 ? want : size - 1;

	*ret = (struct lines_piece) { .who = { .h = { .tid = how & 3, .tgid = how >> 1 & 1, .boot_ns = now },
					       .file = how >> 5 & 1 },
				      .data = (const char *)data + 1,
				      .len = len,
				      .written = len,
				      .lost = how == 0xff ? 5 : 0,
				      .left = how == 0xfe ? 7 : 0,
				      .first = how != 0x80,
				      .last = how != 0x81 };
	latest[how & 3] = now;
	return 1 + len;
}

/* A line alone, and what a person's pattern makes of it. */
static void alone(const uint8_t *data, size_t size)
{
	static const struct stamp_opts opts = { .local = true, .near_ns = 1795567491000000000ULL };
	char *copy = malloc(size + 1), *pattern;
	struct line_info info;
	struct stamp s;

	if (!copy)
		return;
	memcpy(copy, data, size);
	copy[size] = 0;
	line_recognise(copy, size, NULL, &opts, &info);
	MUST(info.text_at <= size && info.level <= LEVEL_FATAL && info.stamped == (info.unix_ns != 0 || info.stamped));
	pattern = memchr(copy, '\n', size);
	if (pattern && stamp_format_check(pattern + 1, NULL) >= 0)
		MUST(!stamp_match(pattern + 1, copy, (size_t)(pattern - copy), &opts, &s) ||
		     s.end <= (size_t)(pattern - copy));
	MUST(line_clean(copy, size) <= size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct lines_opts opts = { .record = record };
	struct lines *l = NULL;
	uint64_t now = 1000;
	size_t at, n;

	alone(data, size);
	MUST(lines_new(&opts, &l) >= 0);
	in = out = 0;
	for (at = 0; at < size; at += n) {
		struct lines_piece p;

		now += data[at] == 0x90 ? LINES_PARTIAL_NS : 1000;
		n = piece_of(data + at, size - at, now, &p);
		in += letters(p.data, p.len);
		MUST(lines_put(l, &p, now) >= 0);
		MUST(lines_oldest(l) == UINT64_MAX || lines_oldest(l) <= now);
		if (data[at] & 0x80)
			MUST(lines_tick(l, now) >= 0);
		if (data[at] == 0x82)
			MUST(lines_end(l, 1, 0) >= 0);
	}
	MUST(lines_end(l, 0, 0) >= 0);
	MUST(lines_oldest(l) == UINT64_MAX);
	MUST(out <= in);
	lines_free(l);
	return 0;
}
