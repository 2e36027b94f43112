/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of saker.h as functions of a shared library, for languages that have no C preprocessor. */
#include "saker.h"

uint64_t note_begin(const char *name);
void note_end(uint64_t span);
void note_text(const char *key, const char *value);
void note_number(const char *key, int64_t value);

uint64_t note_begin(const char *name)
{
	return saker_begin(name);
}

void note_end(uint64_t span)
{
	saker_end(span);
}

void note_text(const char *key, const char *value)
{
	saker_text(key, value);
}

void note_number(const char *key, int64_t value)
{
	saker_number(key, value);
}
