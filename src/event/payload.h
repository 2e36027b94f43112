/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EVENT_PAYLOAD_H
#define SAKER_EVENT_PAYLOAD_H
/*
 * payload - any bytes as a string of an event: a NUL is written as `\0`, a backslash as `\\`.
 *
 * Threads: none shared.  Memory: the caller's.  Failure: none; what does not fit is left out.
 */
#include <stddef.h>
#include <stdint.h>

/* Writes data as a string with its NUL; cap: of out, at least 1.  Returns its length without the NUL; *ret_taken: how many
 * bytes of data found room (NULL: not wanted). */
size_t payload_escape(const uint8_t *data, size_t len, char *out, size_t cap, size_t *ret_taken);
/* And back; returns how many bytes out got, at most cap.  A backslash before anything else stands for itself. */
size_t payload_unescape(const char *text, size_t len, uint8_t *out, size_t cap);

#endif
