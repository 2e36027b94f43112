/* SPDX-License-Identifier: Apache-2.0 */
/* text - log events of any length: what is too long for one event comes in several. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "import/internal.h"

#define NAME_KEPT 400
#define TEXT_PART (EVENT_LENGTH_MAX - sizeof(struct event_log) - 16 - NAME_KEPT)

/* How much of the text fits one event; not within a character. */
static size_t text_part(const char *text, size_t len)
{
	size_t n = len < TEXT_PART ? len : TEXT_PART;

	while (n < len && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int import_add_text(struct import *imp, const struct import_add *a, const struct event_log *log, struct buf *text,
		    const char *name, struct err *err)
{
	const struct event_type *type = event_types_get(imp->types, EVENT_LOG);
	char part[TEXT_PART + 1];
	size_t at = 0, n, name_len = strlen(name);
	int r = 0;

	if (!text->data)
		buf_add(text, "", 0);
	if (text->failed || !text->data)
		return err_set(err, ENOMEM, "out of memory for a log event");
	if (imp->opts->mask)
		imp->opts->mask(text->data, text->len);
	do {
		struct event_log e = *log;

		n = text_part(text->data + at, text->len - at);
		memcpy(part, text->data + at, n);
		part[n] = 0;
		imp->counts.split += at > 0;
		e.flags |= (at ? LOGFLAGS_CONTINUED : 0) | (at + n < text->len ? LOGFLAGS_MORE : 0);
		name += name_len > NAME_KEPT ? name_len - NAME_KEPT : 0;
		name_len = MIN(name_len, (size_t)NAME_KEPT);
		r = import_add(imp, a, type, &e, (const char *[]) { part, name, NULL }, err);
		at += n;
	} while (r >= 0 && at < text->len);
	return r;
}
