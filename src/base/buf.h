/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_BUF_H
#define SAKER_BASE_BUF_H
/*
 * buf - a growing byte buffer that is always NUL-terminated.
 *
 * Invariants: data is never NULL after the first write; data[len] == 0; len < cap.
 * Out of memory is sticky: later writes do nothing, `failed` is set, and the owner
 * checks once at the end.  BUF_INIT needs no free before the first write.
 *
 * Threads: none shared.  Memory: as much as was written; the caller bounds it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT  \
	{         \
		0 \
	}

/* Life cycle */
void buf_fini(struct buf *b);  /* NULL ok */
char *buf_take(struct buf *b); /* the caller frees; NULL when a write failed */
void buf_reset(struct buf *b); /* empties, keeps the memory */

/* Writing */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_u64(struct buf *b, uint64_t v);
/* A number for reading, `9,871`, into out, which is returned. */
#define BUF_THOUSANDS 27
char *buf_thousands(char out[BUF_THOUSANDS], uint64_t v);
/* Room for len more bytes at the returned place (len is advanced); NULL: out of memory. */
void *buf_room(struct buf *b, size_t len);
/* All that is to be read of fd, until there is more than `most` in the buffer; -errno. */
int buf_read(struct buf *b, int fd, size_t most);
/* A JSON string literal with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *s, size_t len);
/* The value of a label, as Prometheus's text format and OpenMetrics have it, without its quotes; as above. */
void buf_label(struct buf *b, const char *text);
/* Text for a terminal: control bytes as \n, \r, \t or \xNN, as is invalid UTF-8, so that no event can drive it. */
void buf_text(struct buf *b, const char *s, size_t len);
/* Bytes of the UTF-8 character that begins at s (RFC 3629); 0: none does.  len is not 0. */
size_t buf_utf8_len(const unsigned char *s, size_t len);

#endif
