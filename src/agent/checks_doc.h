/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CHECKS_DOC_H
#define SAKER_AGENT_CHECKS_DOC_H
/*
 * checks_doc - what the agent's checks found, as the file KEY.checks (docs/formats/checks.md), and its figures for people and machines.
 *
 * Threads: one.  Memory: CHECKS_DOC_BYTES.  Failure: a file that is none is refused as a whole.
 */
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct balancer;
struct buf;
struct check_list;
struct checks;
struct err;

#define CHECKS_DOC_FORMAT "saker checks 1"
#define CHECKS_DOC_BYTES (16U << 20)

/* Writing, by the agent: of the list's wish number `wish`. */
int checks_doc_write(const struct checks *c, const struct check_list *l, size_t wish, struct err *err);

/* Reading.  -ENOENT: nothing was checked by an agent since the host started.  The caller gives *ret back (json_decref()). */
int checks_doc_read(const struct balancer *b, json_t **ret, struct err *err);
void checks_doc_text(struct buf *out, const json_t *doc);
/* open: as OpenMetrics 1.0, else Prometheus's text format 0.0.4. */
void checks_doc_prometheus(struct buf *out, const json_t *doc, const char *interface, bool open);

#endif
