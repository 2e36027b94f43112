/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_spans - stored spans, and their log lines: an input is the bytes that a row of the table of blocks has.
 *
 * Either they are refused, or they are what is written for the spans that were read, byte for byte: there is one way to write
 * them, so nothing was overlooked.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "explain/spans_blob.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes as log lines of four spans. */
static void logs(const uint8_t *data, size_t size)
{
	struct span_packed rows[4] = { { .span.begin.id = 7 } };
	struct order_ref *refs = NULL;
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (spans_blob_read_logs(data, size, rows, 4, &refs, &err) < 0) {
		MUST(err.code && err.text[0]);
		return;
	}
	spans_blob_write_logs(rows, 4, &out);
	MUST(out.len == size && (!size || !memcmp(out.data, data, size)));
	buf_fini(&out);
	free(refs);
}

/* The same bytes as lines of trees, and as ids: read to their end or refused. */
static void parts(const uint8_t *data, size_t size)
{
	struct blob_parts p = { .at = data, .end = data + size };
	const unsigned char *at = data;
	struct blob_id id = { 0 };
	struct err err = ERR_INIT;
	const void *bytes;
	size_t tree, len;
	int r = 0;

	for (tree = 0; tree < 300 && r >= 0; tree++) {
		r = spans_blob_part(&p, tree, &bytes, &len, &err);
		MUST(r <= 0 || (len && (const uint8_t *)bytes + len <= data + size));
	}
	while ((r = spans_blob_id(&at, data + size, &id, &err)) > 0)
		MUST(at <= data + size);
	MUST(r < 0 || at == data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob_reader rd = { .at = data, .end = data + size, .place.begin_ns = 1000 };
	struct blob_place place = { .begin_ns = 1000 };
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	size_t i;
	int r;

	logs(data, size);
	parts(data, size);
	while ((r = spans_blob_next(&rd, &err)) > 0) {
		MUST(rd.count && rd.count <= size);
		for (i = 0; i < rd.count; i++)
			MUST(rd.rows[i].span.parent == SPAN_NONE || rd.rows[i].span.parent < rd.count);
		spans_blob_write(&place, &rd.tree, rd.rows, rd.count, &out);
		MUST(out.len == (size_t)(rd.at - data) && !memcmp(out.data, data, out.len));
	}
	MUST(r == 0 || (err.code && err.text[0]));
	buf_fini(&out);
	spans_blob_fini(&rd);
	return 0;
}
