/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_HEALTH_DOC_H
#define SAKER_AGENT_HEALTH_DOC_H
/*
 * health_doc - what the agent knows and did, as the file KEY.health (docs/formats/health.md): written by the agent, read by whoever shows it.
 *
 * Threads: one.  Memory: HEALTH_DOC_BYTES.  Failure: a file that is none is refused as a whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct balancer;
struct err;
struct kept;

#define HEALTH_DOC_FORMAT "saker health 1"
#define HEALTH_DOC_BYTES (64U << 20) /* 512 VIPs with 100 backends each: 18 MB */

/* Writing, by the agent; what cannot be written is said once.  A large one is due more seldom: HEALTH_DOC_RATE bytes a second. */
#define HEALTH_DOC_RATE (4U << 20)
bool health_doc_due(const struct kept *i, uint64_t now_ns);
void health_doc_write(struct kept *i, uint64_t now_ns);

/* Reading.  -ENOENT: no agent has kept this interface.  The caller gives *ret back (json_decref()). */
int health_doc_read(const struct balancer *b, json_t **ret, struct err *err);
/* The same of any of an interface's documents: KEY.suffix, whose `format` must be this. */
int health_doc_open(const struct balancer *b, const char *suffix, const char *format, json_t **ret, struct err *err);
const json_t *health_doc_backend(const json_t *doc, const char *vip, const char *backend); /* NULL: nothing is known */
uint64_t health_doc_u64(const json_t *object, const char *key);				   /* 0: there is none */
uint64_t health_doc_hex(const json_t *object, const char *key);
const char *health_doc_text(const json_t *object, const char *key); /* "": there is none */
bool health_doc_same_boot(const json_t *doc);

/* The words of `what`, `state`, `sign`, `mode` and `verdict`, as events have them; 0: there is no such word. */
const char *health_doc_word(const char *field, uint32_t value);
uint32_t health_doc_value(const char *field, const char *word);

/* Does an agent run in this network namespace? */
bool health_doc_agent_runs(void);
void health_doc_lock_path(char *out, size_t size);

#endif
