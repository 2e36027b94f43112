/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_CTF_METADATA_H
#define SAKER_STORE_CTF_METADATA_H
/*
 * metadata - the recording's self-description: TSDL for every CTF reader, made from the tables of event types,
 * and at its end a comment that says the same in lines that are quick and safe to parse:
 *
 *	/ * saker-recording 1
 *	uuid 00112233445566778899aabbccddeeff
 *	epoch 1700000000000000000			Unix ns of boot_ns 0; 0: unknown
 *	host "node1"
 *	boot "4e5a..."
 *	static 37 88 0123456789abcdef "send"		compiled-in type: id, size, xxh64 of its layout
 *	type 1024 56 2 "name" "about"			run-time type: id, size, number of fields; its fields follow
 *	field 2 0 40 4 "name" "about"			kind, format (event/type.h), offset, size
 *	end * /
 *	/ * saker-sum 0123456789abcdef * /		xxh64 of all that stands before this line
 *
 * Strings escape everything but plain characters as \xNN, so that no name can end the comment.
 *
 * Threads: none shared.  Memory: METADATA_MAX.  Failure: a sentence with the line.
 */
#include <stddef.h>
#include <stdint.h>

#define METADATA_MAX (32 * 1024 * 1024)
#define METADATA_NAME_MAX 256

struct buf;
struct err;
struct event_types;
struct event_type;
struct event_label;

struct metadata {
	uint8_t uuid[16];
	uint64_t epoch_ns;
	char hostname[METADATA_NAME_MAX];
	char boot_id[METADATA_NAME_MAX];
};

/* Appends the whole text to out; all types of the registry are declared. -ENOMEM. */
int metadata_write(const struct metadata *m, const struct event_types *types, struct buf *out);
/* Whether the text carries the sum that it says. */
int metadata_intact(const char *text, size_t len);
/*
 * Reads our comment.  type(arg, t) is called for each run-time type, t borrowed until it returns; what it
 * returns below 0 ends the parsing.  -ENOTSUP: a CTF trace of somebody else; -EBADMSG.
 */
typedef int metadata_type_fn(void *arg, const struct event_type *t, struct err *err);
int metadata_parse(const char *text, size_t len, struct metadata *ret, metadata_type_fn *type, void *arg,
		   struct err *err);

/* xxh64 of what fixes a type's layout. */
uint64_t metadata_layout(const struct event_type *type);

#endif
