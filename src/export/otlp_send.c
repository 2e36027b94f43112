/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_send.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "export/otlp.pb-c.h"
#include "export/post.h"

#define WAIT_MAX_S 64
#define GZIP_WINDOW (15 + 16) /* zlib's words for a gzip header around the largest window */
#define SAID_MAX 200

struct sending {
	const struct otlp_send_opts *opts;
	struct post *post;
	struct post_answer answer;
	struct buf batch, packed;
	struct otlp_sent sent;
};

static int pack(struct sending *s, struct err *err)
{
	z_stream z = { 0 };
	void *room;
	int r;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(err, ENOMEM, "out of memory for gzip");
	buf_reset(&s->packed);
	z.avail_out = (uInt)deflateBound(&z, s->batch.len);
	room = buf_room(&s->packed, z.avail_out);
	z.next_in = (Bytef *)s->batch.data;
	z.avail_in = (uInt)s->batch.len;
	z.next_out = room;
	r = room ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	s->packed.len = z.total_out;
	(void)deflateEnd(&z);
	return r == Z_STREAM_END ? 0 : err_set(err, ENOMEM, "out of memory for gzip");
}

static void tell(struct sending *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct sending *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!s->opts->told)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->opts->told(s->opts->arg, text);
}

/* The receiver's own words, fit for a terminal. */
static void words_of(const char *text, char out[SAID_MAX * 4 + 1])
{
	struct buf b = BUF_INIT;
	size_t n = strnlen(text, SAID_MAX);

	buf_text(&b, text, n);
	(void)snprintf(out, SAID_MAX * 4 + 1, "%s", b.failed || !b.data ? "" : b.data);
	buf_fini(&b);
}

/* What a refusal says: protobuf as the protocol wants it, or any text. */
static void reason_of(struct sending *s, char out[SAID_MAX * 4 + 1])
{
	const struct buf *body = &s->answer.body;
	Saker__Otlp__Refusal *refusal = saker__otlp__refusal__unpack(NULL, body->len, (const uint8_t *)body->data);

	if (refusal && refusal->message && *refusal->message)
		words_of(refusal->message, out);
	else
		words_of(body->data ? body->data : "", out);
	if (refusal)
		saker__otlp__refusal__free_unpacked(refusal, NULL);
}

static bool may_retry(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/* Longer each time, and by chance, so that many senders do not come back together. */
static void wait_before(struct sending *s, int tries, const char *why)
{
	uint64_t ms = 1000ULL << tries;
	uint32_t chance = 0;
	struct timespec ts;

	if (ms > WAIT_MAX_S * 1000)
		ms = WAIT_MAX_S * 1000;
	(void)!getrandom(&chance, sizeof(chance), 0);
	ms += chance % (ms / 2);
	if (s->answer.retry_after_s)
		ms = 1000ULL * (uint64_t)(s->answer.retry_after_s < WAIT_MAX_S ? s->answer.retry_after_s : WAIT_MAX_S);
	tell(s, "%s; the batch is sent again in %.1f s", why, (double)ms / 1e3);
	ts = (struct timespec) { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	(void)nanosleep(&ts, NULL);
}

static int refused(struct sending *s, struct err *err)
{
	char said[SAID_MAX * 4 + 1];

	reason_of(s, said);
	return err_set(err, EREMOTEIO, "'%s' refused the spans: status %ld%s%s", s->opts->target->url, s->answer.status,
		       *said ? ": " : "", said);
}

/* 0: try again. */
static int try(struct sending *s, int tries, struct err *err)
{
	const struct buf *b = s->opts->target->gzip ? &s->packed : &s->batch;
	struct err failed = ERR_INIT;
	char why[ERR_TEXT_MAX];
	int r = post_send(s->post, b->data, b->len, &s->answer, &failed);

	if (r >= 0 && s->answer.status >= 200 && s->answer.status < 300)
		return 1;
	/* Nobody there at the very first is a wrong address rather than a receiver that is being restarted. */
	if (r < 0 && (r != -EIO && !(r == -ECONNREFUSED && s->sent.batches)))
		return err_set(err, -r, "%s", failed.text);
	if (r >= 0 && !may_retry(s->answer.status))
		return refused(s, err);
	if (tries + 1 == OTLP_TRIES)
		return r < 0 ? err_set(err, -r, "%s, %d times", failed.text, OTLP_TRIES) : refused(s, err);
	if (r < 0)
		(void)snprintf(why, sizeof(why), "%s", failed.text);
	else
		(void)snprintf(why, sizeof(why), "'%s' answered with status %ld", s->opts->target->url,
			       s->answer.status);
	s->sent.retries++;
	wait_before(s, tries, why);
	return 0;
}

/* A receiver may take a part only, and may warn without rejecting any. */
static void take_answer(struct sending *s)
{
	const struct buf *body = &s->answer.body;
	Saker__Otlp__Response *r = saker__otlp__response__unpack(NULL, body->len, (const uint8_t *)body->data);
	char said[SAID_MAX * 4 + 1];

	if (!r)
		return;
	if (r->partial_success) {
		words_of(r->partial_success->error_message ? r->partial_success->error_message : "", said);
		if (r->partial_success->rejected_spans > 0) {
			s->sent.rejected += (uint64_t)r->partial_success->rejected_spans;
			tell(s, "the receiver rejected %" PRId64 " spans%s%s", r->partial_success->rejected_spans,
			     *said ? ": " : "", said);
		} else if (*said) {
			tell(s, "the receiver says: %s", said);
		}
	}
	saker__otlp__response__free_unpacked(r, NULL);
}

static int send_batch(struct sending *s, const struct export_spans *x, size_t from, struct err *err)
{
	size_t count = MIN(x->count - from, (size_t)OTLP_BATCH);
	int tries, r;

	buf_reset(&s->batch);
	r = otlp_batch(x, from, count, &s->batch, err);
	if (r >= 0 && s->opts->target->gzip)
		r = pack(s, err);
	if (r < 0)
		return r;
	for (tries = 0; !(r = try(s, tries, err)); tries++)
		;
	if (r < 0)
		return r;
	s->sent.batches++;
	s->sent.spans += count;
	take_answer(s);
	if (s->opts->progress)
		s->opts->progress(s->opts->arg, s->sent.spans, x->count);
	return 0;
}

static int open_post(struct sending *s, struct err *err)
{
	const struct otlp_target *t = s->opts->target;
	const char *headers[OTLP_HEADERS_MAX + 2];
	struct post_opts o = { .url = t->url,
			       .headers = headers,
			       .timeout_ms = t->timeout_ms,
			       .ca_file = t->ca_file,
			       .cert = t->cert,
			       .key = t->key };

	headers[o.nheaders++] = "Content-Type: application/x-protobuf";
	if (t->gzip)
		headers[o.nheaders++] = "Content-Encoding: gzip";
	memcpy(&headers[o.nheaders], t->headers, t->nheaders * sizeof(headers[0]));
	o.nheaders += t->nheaders;
	return post_open(&o, &s->post, err);
}

int otlp_send(const struct otlp_send_opts *opts, const struct export_spans *x, struct otlp_sent *ret, struct err *err)
{
	struct sending s = { .opts = opts };
	size_t from;
	int r = open_post(&s, err);

	for (from = 0; r >= 0 && from < x->count; from += OTLP_BATCH)
		r = send_batch(&s, x, from, err);
	post_close(s.post);
	buf_fini(&s.answer.body);
	buf_fini(&s.batch);
	buf_fini(&s.packed);
	*ret = s.sent;
	return r;
}
