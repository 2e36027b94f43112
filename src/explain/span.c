/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"

static const struct {
	const char *name, *key;
} times[TIME_KINDS] = {
	[TIME_RUNNING] = { "running", "running" },
	[TIME_CPU_WAIT] = { "waiting for a CPU", "cpu_wait" },
	[TIME_LOCK] = { "waiting for a lock", "lock" },
	[TIME_DISK] = { "waiting for a disk", "disk" },
	[TIME_FAULT] = { "waiting for a page", "fault" },
	[TIME_SLEEP] = { "sleeping", "sleep" },
	[TIME_SEND_QUEUE] = { "in the send queue", "send_queue" },
	[TIME_FLIGHT] = { "on the network", "flight" },
	[TIME_RETRANSMIT] = { "lost and sent again", "retransmit" },
	[TIME_RECEIVE_QUEUE] = { "in the receive queue", "receive_queue" },
	[TIME_CHILD] = { "in another span", "child" },
	[TIME_QUEUE] = { "waiting for a thread", "queue" },
	[TIME_OTHER] = { "waiting for something else", "other" },
	[TIME_UNKNOWN] = { "not known", "unknown" },
};

static const char *const evidences[EVIDENCE_KINDS] = {
	"root", "offsets", "id", "thread", "handoff", "answer", "queue"
};

static const char *const kinds[SPAN_KINDS] = { "server", "client", "internal" };

void span_trace_id(uint64_t root_id, uint64_t ret[2])
{
	ret[0] = map_hash(root_id ^ 0x9e3779b97f4a7c15ULL);
	ret[1] = map_hash(root_id + 1);
}

void spans_fini(struct spans *s)
{
	if (!s)
		return;
	free(s->rows);
	free(s->traces);
	free(s->text);
	*s = (struct spans) { 0 };
}

const char *span_time_name(enum span_time t)
{
	return (unsigned int)t < TIME_KINDS ? times[t].name : "";
}

const char *span_time_key(enum span_time t)
{
	return (unsigned int)t < TIME_KINDS ? times[t].key : "";
}

const char *span_evidence_name(enum span_evidence e)
{
	return (unsigned int)e < ARRAY_LEN(evidences) ? evidences[e] : "";
}

const char *span_kind_name(enum span_kind k)
{
	return (unsigned int)k < ARRAY_LEN(kinds) ? kinds[k] : "";
}

bool span_attribute_next(const char **at, struct span_attribute *ret)
{
	static const char ends[] = { SPAN_ATTRIBUTE_END, 0 },
			  keys[] = { SPAN_ATTRIBUTE_NUMBER, SPAN_ATTRIBUTE_TEXT, 0 };
	size_t key = strcspn(*at, keys), text;

	if (!(*at)[key]) /* the end, or none of ours */
		return false;
	text = strcspn(*at + key + 1, ends);
	*ret = (struct span_attribute) { .key = *at,
					 .key_len = key,
					 .text = *at + key + 1,
					 .text_len = text,
					 .number = (*at)[key] == SPAN_ATTRIBUTE_NUMBER };
	*at += key + 1 + text;
	*at += **at != 0;
	return true;
}
