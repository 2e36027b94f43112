/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_WISH_INTERNAL_H
#define SAKER_NET_WISH_INTERNAL_H
/* wish_internal - what the files of the wish share. */
#include "net/wish.h"

/* ADDRESS or ADDRESS/BITS; text is cut up.  -EINVAL, *err says why. */
int wish_net_parse(char *text, struct lb_addr *addr, uint8_t *ret_bits, struct err *err);

/* An option of an interface that is a number, a switch or an address: name in documents, and place. */
enum wish_kind {
	WISH_NUMBER,
	WISH_SECONDS,
	WISH_SWITCH,
	WISH_ADDR4,
	WISH_ADDR6,
	WISH_WORD,
	WISH_MS,
	WISH_STATUS,
	WISH_NAME_TEXT,
	WISH_ANY_TEXT
};

struct wish_option {
	const char *group; /* the mapping that it stands in; NULL: the interface's own */
	const char *name;
	size_t offset; /* in struct wish_if */
	enum wish_kind kind;
	uint64_t min, max, usual; /* numbers */
};

/*
 * Of struct wish_health: uint32_t, 0 is not said, or an array of o.max letters, "" is not said.  words[value], from 1 on, NULL at
 * the end.
 */
struct wish_health_option {
	struct wish_option o;
	const char *const *words;
};

extern const struct wish_health_option wish_health_options[];
extern const size_t wish_health_noptions;
uint32_t wish_health_value(const struct wish_health *h, const struct wish_health_option *o);
bool wish_health_is_text(const struct wish_health_option *o);
/* Of the wish's own marks: none may be one of Saker's checks. */
void wish_marks_check(const struct wish_if *f, struct wish_errors *errors);
void wish_health_check(const struct wish_if *f, const struct wish_vip *v, struct wish_errors *errors);

extern const struct wish_option wish_options[];
extern const size_t wish_noptions;

#endif
