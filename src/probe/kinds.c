/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "probe/probe.h"

const struct probe_kind probe_kinds[OBSERVE_KINDS] = {
	{ "process", OBSERVE_PROCESS, true, true, "fork, exec, exit, wait, signals, timers that end a wait" },
	{ "socket", OBSERVE_SOCKET, false, true, "connections and messages" },
	{ "wake", OBSERVE_WAKE, false, true, "which thread woke which, and what it had waited for" },
	{ "log", OBSERVE_LOG, false, true, "lines written to standard output, standard error and named files" },
	{ "pipe", OBSERVE_PIPE, false, false, "bytes through pipes" },
	{ "file", OBSERVE_FILE, false, false, "opens, reads, writes and syncs of files" },
	{ "block", OBSERVE_BLOCK, false, false, "disk requests with their latency" },
	{ "tls", OBSERVE_TLS, false, true, "what is said through TLS libraries, as far as payload is kept" },
	{ "note", OBSERVE_NOTE, false, true, "what programs say of themselves by saker.h" },
	{ "sched", OBSERVE_SCHED, false, false, "what the time of each thread went to" },
};

uint32_t probe_kinds_default(void)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(probe_kinds); i++)
		if (probe_kinds[i].by_default)
			bits |= probe_kinds[i].bit;
	return bits;
}

void probe_kinds_names(uint32_t bits, char *out, size_t cap)
{
	size_t i, at = 0;

	out[0] = 0;
	for (i = 0; i < ARRAY_LEN(probe_kinds) && at < cap; i++)
		if (bits & probe_kinds[i].bit)
			at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? "," : "", probe_kinds[i].name);
}

static uint32_t kind_bits(const char *name, size_t len)
{
	size_t i;

	if (len == 3 && !strncmp(name, "all", 3))
		return OBSERVE_ALL;
	for (i = 0; i < ARRAY_LEN(probe_kinds); i++)
		if (strlen(probe_kinds[i].name) == len && !strncmp(probe_kinds[i].name, name, len))
			return probe_kinds[i].bit;
	return 0;
}

int probe_kinds_parse(const char *text, uint32_t *ret_bits, struct err *err)
{
	uint32_t bits = 0, one;
	char names[256];
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		one = kind_bits(text, len);
		bits |= one;
		if (!one) {
			probe_kinds_names(OBSERVE_ALL, names, sizeof(names));
			return err_set(err, EINVAL, "'%.*s' is no kind of observation (there are %s, and all)",
				       (int)(len < 64 ? len : 64), text, names);
		}
		if (!text[len])
			break;
	}
	*ret_bits = bits;
	return 0;
}
