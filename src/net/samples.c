/* SPDX-License-Identifier: Apache-2.0 */
#include "net/samples.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "base/err.h"
#include "net/chain.h"

struct samples {
	struct ring_buffer *ring;
	samples_fn each;
	void *arg;
};

static int take(void *ctx, void *data, size_t size)
{
	struct samples *s = ctx;

	return s->each && size >= sizeof(struct chain_sample) ? s->each(s->arg, data) : 0;
}

int samples_open(const struct chain *c, samples_fn each, void *arg, struct samples **ret, struct err *err)
{
	struct samples *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->ring = ring_buffer__new(chain_map(c, "chain_samples"), take, s, NULL);
	if (!s->ring) {
		int e = errno;

		free(s);
		return err_errno(err, e, "cannot map the ring of packets' verdicts");
	}
	(void)ring_buffer__consume(s->ring);
	s->each = each;
	s->arg = arg;
	*ret = s;
	return 0;
}

struct samples *samples_close(struct samples *s)
{
	if (s) {
		ring_buffer__free(s->ring);
		free(s);
	}
	return NULL;
}

int samples_turn(struct samples *s, int timeout_ms)
{
	return timeout_ms ? ring_buffer__poll(s->ring, timeout_ms) : ring_buffer__consume(s->ring);
}
