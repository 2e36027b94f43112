/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes to an agent from the network.  The first byte chooses: bytes for one who has not heard anything yet (either side); frames with the
 * right MACs, so that what is behind them is reached; payloads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "must.h"
#include "peer/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret secret = { .len = SECRET_MIN };

static void on_sign(void *arg, const struct sign *s, uint64_t sequence)
{
	(void)arg;
	MUST(sequence > 0 && sign_name(s->kind));
	MUST(memchr(s->text, 0, sizeof(s->text)));
}

static const struct session_events events = { .sign = on_sign };

static void side(struct session *s, enum session_role role)
{
	static const uint8_t nonce[FRAME_NONCE] = { 1 };

	session_init(s, role, &secret, nonce, &events, NULL);
	if (role == SESSION_LISTENS) {
		s->number = 5;
		return;
	}
	s->claim = (struct frame_claim) { .host = 1, .name = "b", .naddrs = 1 };
	(void)sign_addr_parse("10.0.0.1", &s->claim.addrs[0]);
	session_hello(s);
}

/* In pieces of odd sizes it must be the same as at once. */
static void strange(enum session_role role, const uint8_t *data, size_t size)
{
	static struct session one, two;
	enum session_refusal r, again = SESSION_FINE;
	size_t at, n;

	side(&one, role);
	side(&two, role);
	r = session_feed(&one, data, size);
	for (at = 0; at < size && again == SESSION_FINE; at += n) {
		n = size - at < 7 ? size - at : 7;
		again = session_feed(&two, data + at, n);
	}
	MUST(r == again && one.state == two.state && one.out_len == two.out_len);
	MUST(one.state != SESSION_OPEN); /* without the key */
}

static void hand(struct session *from, struct session *to)
{
	MUST(session_feed(to, from->out, from->out_len) == SESSION_FINE);
	session_sent(from, from->out_len);
}

/* Signed by somebody who has the key and says what he likes: type, payload. */
static void signed_by(const uint8_t *data, size_t size)
{
	static struct session a, b;
	static uint8_t frame[FRAME_MAX];
	size_t len = size - 1 < FRAME_PAYLOAD ? size - 1 : FRAME_PAYLOAD;
	struct frame_head h = { .length = (uint32_t)(FRAME_MIN + len), .type = data[0], .version = FRAME_VERSION };
	struct secret_piece p = { frame, FRAME_HEAD + len };

	side(&a, SESSION_REPORTS);
	side(&b, SESSION_LISTENS);
	hand(&a, &b);
	hand(&b, &a);
	if (data[0] != FRAME_CLAIM) {
		hand(&a, &b);
		hand(&b, &a);
	}
	h.session = b.number;
	h.sequence = b.heard;
	frame_head_put(frame, &h);
	memcpy(frame + FRAME_HEAD, data + 1, len);
	secret_mac(a.key_out, sizeof(a.key_out), &p, 1, frame + FRAME_HEAD + len);
	(void)session_feed(&b, frame, FRAME_MIN + len);
}

/* What is read is written, and the same. */
static void payload(const uint8_t *data, size_t size)
{
	uint8_t room[FRAME_PAYLOAD];
	struct frame_claim c;
	struct sign s, t;
	size_t n;

	if (frame_sign_get(data, size, &s)) {
		n = frame_sign_put(room, &s);
		MUST(n <= size && frame_sign_get(room, n, &t) && !strcmp(s.text, t.text));
	}
	if (frame_claim_get(data, size, &c))
		MUST(frame_claim_put(room, &c) <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;

	if (size < 2)
		return 0;
	MUST(secret_prepare(&err) >= 0);
	switch (data[0] % 4) {
	case 0:
		strange(SESSION_LISTENS, data + 1, size - 1);
		break;
	case 1:
		strange(SESSION_REPORTS, data + 1, size - 1);
		break;
	case 2:
		signed_by(data + 1, size - 1);
		break;
	default:
		payload(data + 1, size - 1);
		break;
	}
	return 0;
}
