/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_spans - stored spans of a request, and their log lines: an input is the bytes that a row of the table of requests has.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob_tree tree = { .trace = { 1, 2 }, .begin_ns = 1000 };
	struct span_packed *rows = NULL;
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	size_t count = 0, i;

	logs(data, size);
	if (spans_blob_read(&tree, data, size, &rows, &count, &err) < 0) {
		MUST(err.code && err.text[0]);
		return 0;
	}
	MUST(count && count <= size);
	for (i = 0; i < count; i++)
		MUST(rows[i].span.parent == SPAN_NONE || rows[i].span.parent < count);
	spans_blob_write(&tree, rows, count, &out);
	MUST(out.len == size && !memcmp(out.data, data, size));
	buf_fini(&out);
	free(rows);
	return 0;
}
