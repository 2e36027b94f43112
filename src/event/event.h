/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EVENT_EVENT_H
#define SAKER_EVENT_EVENT_H
/*
 * event - the narrow waist: one event, its type, its fields, and where events come from.
 *
 * An event is the bytes that the kernel wrote (struct event_header and what follows), seen
 * through the description of its type.  Nothing here copies; pointers into an event are
 * borrowed from whoever handed it out.
 *
 * Threads: a registry is written by one thread before others read it.
 * Memory: a registry holds at most EVENT_DYNAMIC_LIMIT run-time types.
 * Failure: event_check() refuses bytes that do not fit their type; all else trusts a checked event.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/events.gen.h"
#include "event/type.h"

#define EVENT_DYNAMIC_LIMIT 4096
#define EVENT_SHED_SCHED "what the time of threads went to" /* `shed`.what: of `ran` events */
#define EVENT_SHED_PAYLOADS "first bytes of messages"	    /* of `payload` events */

struct buf;
struct err;
struct event_types; /* opaque registry */

struct event {
	uint64_t id;	  /* place in its recording, from 1; never reused */
	uint32_t host;	  /* which recording of those that are read together, from 0 */
	uint64_t boot_ns; /* its own time (differs from h->boot_ns for late events) */
	const struct event_type *type;
	const struct event_header *h; /* borrowed: the whole event */
};

/* The payload as its generated struct: EVENT_AS(send, ev)->offset.  The caller has looked at ev->type->id. */
#define EVENT_AS(name, ev) ((const struct event_##name *)(const void *)(ev)->h)

/* A field's value */
struct event_value {
	uint8_t kind; /* enum event_kind */
	union {
		uint64_t u64; /* unsigned kinds */
		int64_t s64;  /* signed kinds */
		const uint8_t *addr;
	};
	const char *str; /* EVENT_STR and EVENT_CHARS: borrowed, not NUL-terminated */
	size_t len;
};

/* Types: life cycle */
int event_types_new(struct event_types **ret);		     /* with all static types; -ENOMEM */
struct event_types *event_types_free(struct event_types *t); /* NULL ok; returns NULL */

/* Types: writing.  type and all it points to are copied. -EEXIST: the id or name is taken by another
 * layout (the same layout again is no error); -EINVAL: fields overlap, misaligned or too large. */
int event_types_add(struct event_types *t, const struct event_type *type, struct err *err);

/* Types: reading; borrowed until free */
const struct event_type *event_types_get(const struct event_types *t, uint16_t id);
const struct event_type *event_types_find(const struct event_types *t, const char *name);
const struct event_type *event_types_each(const struct event_types *t, size_t *at); /* NULL at the end */
const struct event_type *event_static_type(uint16_t id);			    /* no registry needed */

/* Fields.  Index in type->fields, or -ENOENT. */
/* Whom an event is about that happened in no thread (a timer, a disk); false: nobody in particular. */
struct event_thread {
	uint64_t start_ns;
	uint32_t tgid, tid;
};
bool event_about(const struct event *ev, struct event_thread *ret);
int event_field_find(const struct event_type *type, const char *name);
void event_field_get(const struct event *ev, const struct event_field *f, struct event_value *ret);
/* The nth string of the tail ("" where there is none). */
const char *event_string(const struct event *ev, unsigned int nth);

/* Checks that len bytes at data hold one event of the type: length, tail strings terminated. */
int event_check(const struct event_type *type, const void *data, size_t len, struct err *err);

/* Printing: value only; JSON: value as a literal; and the whole event as one JSON object without newline.
 * host is the name to print, NULL: none. */
void event_value_text(struct buf *b, const struct event_field *f, const struct event_value *v);
void event_value_json(struct buf *b, const struct event_field *f, const struct event_value *v);
void event_json(struct buf *b, const struct event *ev, const char *host);
const char *event_context_name(uint8_t context);
const char *event_signal_name(unsigned int sig); /* "SIGSTOP"; NULL: unknown */
const char *event_errno_name(int code);		 /* "ECONNREFUSED"; NULL: unknown */
void event_duration_text(struct buf *b, uint64_t ns);
void event_addr_text(struct buf *b, const uint8_t addr[16]);

/*
 * Building, for imports and for the recorder: a fixed part and its strings, padded to 8 bytes.
 * e must be the fixed struct with its header's type set; strings ends with NULL, those
 * that it lacks are empty; length is filled in.
 * Returns the length, or -E2BIG when it exceeds cap or EVENT_LENGTH_MAX (nothing usable is written).
 */
int event_build(void *out, size_t cap, const void *fixed, const char *const *strings);
/* Likewise of a run-time type. */
int event_build_as(const struct event_type *type, void *out, size_t cap, const void *fixed, const char *const *strings);

/*
 * A source of events: recordings, imports, several of them merged.  next() sets *ret to an event that is
 * borrowed until the next call; 1: an event, 0: the end, -errno with a sentence on failure.
 */
struct event_source;
struct event_source_ops {
	const char *name;
	int (*next)(struct event_source *s, const struct event **ret, struct err *err);
	void (*close)(struct event_source *s);
};
struct event_source {
	const struct event_source_ops *ops;
};

static inline int event_source_next(struct event_source *s, const struct event **ret, struct err *err)
{
	return s->ops->next(s, ret, err);
}

static inline void event_source_close(struct event_source *s)
{
	if (s)
		s->ops->close(s);
}

#endif
