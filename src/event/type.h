/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_EVENT_TYPE_H
#define SAKER_EVENT_TYPE_H
/*
 * type - descriptions of event types, as data: compiled-in ones from events.def, and ones that a
 * recording declares itself (dynamic probes, annotations, imports).  Everything behind the ring
 * works from these tables only, so both kinds look the same to it.
 */
#include <stddef.h>
#include <stdint.h>

enum event_kind {
	EVENT_U8,
	EVENT_U16,
	EVENT_U32,
	EVENT_U64,
	EVENT_S32,
	EVENT_S64,
	EVENT_ADDR,  /* 16 bytes, IPv6 or IPv4 mapped into it */
	EVENT_CHARS, /* fixed-size text, NUL-padded; run-time types only */
	EVENT_STR,   /* in the tail: ends with a NUL */
};

enum event_format {
	EVENT_FMT_DEC,
	EVENT_FMT_HEX,
	EVENT_FMT_NS,
	EVENT_FMT_BOOT,
	EVENT_FMT_WALL,
	EVENT_FMT_BYTES,
	EVENT_FMT_PORT,
	EVENT_FMT_IP,
	EVENT_FMT_ERRNO,
	EVENT_FMT_SIGNAL,
	EVENT_FMT_TYPE,
	EVENT_FMT_SOCK,
	EVENT_FMT_CHAR,
	EVENT_FMT_ENUM,
	EVENT_FMT_FLAGS,
};

struct event_label {
	uint64_t value;
	const char *name;
};

struct event_labels {
	const char *name;
	size_t count;
	struct event_label rows[];
};

struct event_field {
	const char *name;
	uint8_t kind;			   /* enum event_kind */
	uint8_t format;			   /* enum event_format */
	const struct event_labels *labels; /* with FMT_ENUM and FMT_FLAGS */
	uint16_t offset;		   /* from the start of the event; EVENT_STR: of the tail */
	uint16_t size;
	const char *about;
};

struct event_type {
	uint16_t id;
	uint16_t size; /* fixed part, header included; the tail begins there */
	uint16_t nfields;
	const char *name;
	const char *about;
	const struct event_field *fields;
};

extern const struct event_type event_static_types[];
extern const size_t event_static_count;

#endif
