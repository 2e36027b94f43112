/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_notes - what a program says of itself (packaging/saker.h) is masked in place.
 *
 * Any key and value, also without an end: nothing beside them is touched, no byte moves, and the value of a key that names a
 * secret is gone.
 */
#include <stdint.h>
#include <string.h>

#include "agent/notes.h"
#include "event/event.h"
#include "must.h"

#define TAIL_MAX 512
#define GUARD 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(struct event_note) char room[sizeof(struct event_note) + TAIL_MAX + GUARD];
static struct event_note *const made = (void *)room;

static void mask(const void *tail, size_t size)
{
	size_t i;

	memset(room, 0x5a, sizeof(room));
	made->h.type = EVENT_NOTE;
	made->h.length = (uint16_t)(sizeof(*made) + size);
	memcpy(made->tail, tail, size);
	notes_mask(&made->h);
	for (i = size; i < size + GUARD; i++)
		MUST(made->tail[i] == 0x5a);
}

/* As it came, but for asterisks: the ends of key and value are where they were */
static void any(const char *tail, size_t size)
{
	size_t i;

	mask(tail, size);
	for (i = 0; i < size; i++)
		MUST(made->tail[i] == tail[i] || made->tail[i] == '*');
	for (i = 0; i < size; i++)
		MUST(!made->tail[i] == !tail[i]);
}

/* A word without any mark of its own, so that it is one value whatever stands before it */
static void secret(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "password", "token", "secret", "authorization" };
	static const char word[] = "Zq7Zq8Zq9Zq0";
	const char *key = keys[data[0] % 4];
	size_t n = strlen(key) + 1, lead = size - 1 < 64 ? size - 1 : 64, i;
	char tail[TAIL_MAX] = "";

	for (i = 0; i < lead; i++) { /* before the key: a name of more parts, "db_" "user.password" */
		static const char marks[] = "abcxyz019_-.";

		tail[i] = marks[data[1 + i] % (sizeof(marks) - 1)];
	}
	if (lead)
		tail[lead++] = "_-."[data[1] % 3];
	memcpy(tail + lead, key, n);
	memcpy(tail + lead + n, word, sizeof(word));
	mask(tail, lead + n + sizeof(word));
	MUST(!strcmp(made->tail, tail));
	MUST(!strstr(made->tail + lead + n, "Zq"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 0x80)
		secret(data, size);
	else
		any((const char *)data + 1, size - 1 < TAIL_MAX ? size - 1 : TAIL_MAX);
	return 0;
}
