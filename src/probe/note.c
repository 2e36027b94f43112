/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/note.h"

#include <errno.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kernel.h"
#include "probe/probe.h"

extern const unsigned char bpf_note_data[];
extern const size_t bpf_note_size;

static const struct kernel_ladder note_ladders[] = {
	{ .observation = "notes of programs",
	  .about = "spans, words and numbers that programs tell by saker.h",
	  .later = true,
	  .without = "what programs say of themselves",
	  .rungs = { { "note_span_begin note_span_end note_text note_number", "usdt:saker", "5.15" } } },
};

const struct kernel_object probe_note = {
	.name = "note",
	.data = bpf_note_data,
	.size = &bpf_note_size,
	.ladders = note_ladders,
	.nladders = ARRAY_LEN(note_ladders),
	.kinds = OBSERVE_NOTE,
};

static const struct {
	const char *place, *program;
} places[NOTE_KINDS] = {
	{ "end", "note_span_end" }, /* first: what has begun before is not told, what ends is no harm */
	{ "text", "note_text" },
	{ "number", "note_number" },
	{ "begin", "note_span_begin" },
};

int note_attach(struct kernel *k, const char *path, struct note_hooks *ret, struct err *err)
{
	struct note_hooks h = { 0 };
	int r = kernel_bpf(k, &probe_note) ? 0 : kernel_load(k, &probe_note, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; i < NOTE_KINDS; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(kernel_bpf(k, &probe_note), places[i].program);
		struct bpf_link *link =
			p ? bpf_program__attach_usdt(p, -1, path, "saker", places[i].place, NULL) : NULL;

		if (link) {
			h.links[h.n++] = link;
		} else if (errno != ENOENT) {
			r = err_errno(err, errno, "cannot hook the places of saker.h in '%s'", path);
			note_detach(&h);
			return r;
		}
	}
	*ret = h;
	return h.n > 0;
}

void note_detach(struct note_hooks *h)
{
	while (h->n)
		(void)bpf_link__destroy(h->links[--h->n]);
}
