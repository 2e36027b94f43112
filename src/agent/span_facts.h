/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_SPAN_FACTS_H
#define SAKER_AGENT_SPAN_FACTS_H
/*
 * span_facts - what a recording says of spans besides their rows: the addresses of their connections, and the containers of
 * their processes.  They are read from its events when an export asks, not kept for every span.
 *
 * Threads: one.  Memory: that of who.h, and about 24 bytes a connection whose TLS was seen through.
 */
#include "export/spans.h"

struct err;
struct span_facts_reader; /* opaque */
struct store_reader;

/* Reads all its events.  reader is borrowed until close. */
int span_facts_open(struct store_reader *reader, struct span_facts_reader **ret, struct err *err);
void span_facts_close(struct span_facts_reader *f); /* NULL ok */

/* Of a span of that recording; what is not known stays empty. */
void span_facts_of(struct span_facts_reader *f, const struct span *span, struct span_facts *ret);

#endif
