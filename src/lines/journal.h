/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_LINES_JOURNAL_H
#define SAKER_LINES_JOURNAL_H
/*
 * journal - an entry as systemd's journal takes it from programs (systemd.io/JOURNAL_NATIVE_PROTOCOL) and as journalctl
 * exports it (systemd.io/JOURNAL_EXPORT_FORMATS): fields `NAME=value`, each with a line feed; a value with line feeds in it
 * is `NAME`, a line feed, its length as 64 bits little endian, its bytes and a line feed.
 *
 * Threads: none shared.  Memory: none; fields point into the entry.
 */
#include <stddef.h>
#include <stdint.h>

struct journal_field {
	const char *name, *value; /* neither ends with NUL */
	size_t name_len, value_len;
};

/* The field at *at, which moves behind it; 0: the end, -EBADMSG: no field stands there, or it is not whole. */
int journal_next(const char *entry, size_t len, size_t *at, struct journal_field *ret);
int journal_is(const struct journal_field *f, const char *name);
/* PRIORITY's value as a level of ours. */
uint8_t journal_level(const struct journal_field *f);

#endif
