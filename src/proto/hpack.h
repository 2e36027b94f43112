/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_HPACK_H
#define SAKER_PROTO_HPACK_H
/*
 * hpack - header fields of HTTP/2 (RFC 7541), decoded by libnghttp2, of one direction that need not be whole.
 *
 * The representations are handed to libnghttp2 one by one.  A table that begins in the middle of a connection counts its
 * entries from the newest, as the encoder does, so what was added since then is known, and an index beyond that is of an
 * entry from before: such fields are told as unknown, and their places in the table are filled.  Thus a direction is
 * understood again as soon as the fields that are asked for were sent anew.
 *
 * Threads: none shared.  Memory: HPACK_REST and a table of up to HPACK_TABLE bytes.
 * Failure: hpack_new() -ENOMEM; what cannot be decoded is told as lost, and the table begins anew.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HPACK_REST 8192
#define HPACK_TABLE 65536

struct hpack; /* opaque */

struct hpack_text {
	const char *at; /* not ended by a NUL; NULL: not known */
	size_t len;
};

/* A field, valid during the call.  An unknown name is NULL; so is the value where neither is known. */
typedef void hpack_field_fn(void *arg, struct hpack_text name, struct hpack_text value);

int hpack_new(struct hpack **ret);
struct hpack *hpack_free(struct hpack *h); /* NULL ok; returns NULL */

/* The next bytes of a block of fields.  True: all of it was decoded, as far as it is there. */
bool hpack_feed(struct hpack *h, const uint8_t *data, size_t len, hpack_field_fn *field, void *arg);
/* The block ends.  False: in the middle of a field, so something was lost. */
bool hpack_end(struct hpack *h);
/* Bytes of a block are missing: what the table held is not known any more. */
void hpack_lost(struct hpack *h);

#endif
