/* SPDX-License-Identifier: Apache-2.0 */
/* lb_why - what the balancer that runs does with a packet, and why. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "agent/balancer_why.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"
#include "net/chain.h"
#include "net/why.h"

#define PCAP_MAX (256U << 20)

static int why_pcap(const struct lb_args *a, const struct chain *c, struct why *w, int fd, struct buf *out,
		    struct err *err)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT;
	const uint8_t *frame;
	size_t at = 0, len = 0;
	uint64_t n = 0;
	int r = buf_read(&file, fd, PCAP_MAX - 1);

	if (r < 0)
		return err_errno(err, -r, "cannot read '%s'", a->words[1]);
	while ((r = why_pcap_next((const uint8_t *)file.data, file.len, &at, &frame, &len, err)) > 0 && n < a->number) {
		if (++n && !a->json)
			buf_printf(out, "%llu. ", (unsigned long long)n);
		if (balancer_why_packet(c, w, frame, len, a->json, out, err) < 0) {
			if (err->code != EINVAL)
				return -err->code;
			buf_printf(out, a->json ? "{\"bytes\":%zu}\n" : "%zu bytes: no frame that can be asked about\n",
				   len);
		}
	}
	if (r > 0)
		(void)fprintf(stderr, "only the first %llu packets were asked about (--number)\n",
			      (unsigned long long)n);
	return r < 0 ? r : 0;
}

int lb_why(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP_CLOSE int fd = strchr(a->words[1], '>') ? -1 : open(a->words[1], O_RDONLY | O_CLOEXEC);
	struct why *w = NULL;
	struct balancer b;
	int r;

	if (fd < 0 && !strchr(a->words[1], '>'))
		return err_errno(err, errno, "cannot open '%s'", a->words[1]);
	r = balancer_open(&b, a->on, false, err);
	if (r < 0)
		return r;
	r = b.chain ? why_new(b.chain, b.attach.ifindex, &w, err)
		    : err_set(err, ENOENT, "no balancer runs on interface '%s'", a->on);
	if (!r)
		r = fd >= 0 ? why_pcap(a, b.chain, w, fd, &out, err)
			    : balancer_why_tuple(b.chain, w, a->words[1], a->json, &out, err);
	(void)why_free(w);
	balancer_close(&b);
	if (out.len && cli_put(&out, err) < 0)
		return -err->code;
	return r < 0 ? r : 0;
}
