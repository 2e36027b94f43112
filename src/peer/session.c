/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/session.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const refusals[SESSION_REFUSALS] = {
	[SESSION_FINE] = "nothing",
	[SESSION_LENGTH] = "a frame of an impossible length",
	[SESSION_VERSION] = "another protocol or version",
	[SESSION_TYPE] = "a frame of a type that does not belong there",
	[SESSION_NUMBER] = "a frame of another session",
	[SESSION_ORDER] = "a frame that was repeated, reordered or follows a missing one",
	[SESSION_FORGED] = "a wrong MAC: another key, or a forged or replayed frame",
	[SESSION_PAYLOAD] = "a payload that does not fit",
	[SESSION_CLAIM] = "an address for which that host may not speak",
	[SESSION_FULL] = "it does not read what it is told",
	[SESSION_LATE] = "no session was open in time",
	[SESSION_CROWD] = "too many at a time",
};

const char *session_refusal_text(enum session_refusal r)
{
	return refusals[r];
}

/* --- keys --- */

static void key_plain(const struct session *s, const char *label, uint8_t ret[SECRET_MAC])
{
	struct secret_piece p = { label, strlen(label) };

	secret_mac(s->secret->bytes, s->secret->len, &p, 1, ret);
}

static void key_session(const struct session *s, const char *label, uint8_t ret[SECRET_MAC])
{
	struct secret_piece p[] = { { label, strlen(label) },
				    { s->hello, sizeof(s->hello) },
				    { s->challenge, sizeof(s->challenge) } };

	secret_mac(s->secret->bytes, s->secret->len, p, ARRAY_LEN(p), ret);
}

static void keys_derive(struct session *s)
{
	bool reports = s->role == SESSION_REPORTS;

	key_session(s, "saker peer 1 reports", reports ? s->key_out : s->key_in);
	key_session(s, "saker peer 1 answers", reports ? s->key_in : s->key_out);
	s->sent = s->heard = 0;
}

/* --- out --- */

static void head_fill(uint8_t *out, enum frame_type type, uint64_t session, uint64_t sequence, size_t payload)
{
	struct frame_head h = { .length = (uint32_t)(FRAME_MIN + payload),
				.type = (uint8_t)type,
				.version = FRAME_VERSION,
				.session = session,
				.sequence = sequence };

	frame_head_put(out, &h);
}

static bool out_room(const struct session *s, size_t len)
{
	return len <= sizeof(s->out) - s->out_len;
}

static int frame_out(struct session *s, enum frame_type type, const uint8_t *payload, size_t len,
		     uint64_t *ret_sequence)
{
	uint8_t *out = s->out + s->out_len;
	struct secret_piece p = { out, FRAME_HEAD + len };

	if (!out_room(s, FRAME_MIN + len))
		return -ENOBUFS;
	head_fill(out, type, s->number, s->sent, len);
	if (len)
		memcpy(out + FRAME_HEAD, payload, len);
	secret_mac(s->key_out, sizeof(s->key_out), &p, 1, out + FRAME_HEAD + len);
	s->out_len += FRAME_MIN + len;
	if (ret_sequence)
		*ret_sequence = s->sent;
	s->sent++;
	return 0;
}

/* hello and challenge: the random bytes lie in place already. */
static void opening_out(struct session *s, uint8_t *frame, enum frame_type type, uint64_t session)
{
	uint8_t key[SECRET_MAC];
	struct secret_piece p[] = { { s->hello, sizeof(s->hello) }, { s->challenge, FRAME_HEAD + FRAME_NONCE } };
	bool hello = type == FRAME_HELLO;

	head_fill(frame, type, session, 0, FRAME_NONCE);
	key_plain(s, hello ? "saker peer 1 hello" : "saker peer 1 challenge", key);
	if (hello)
		p[0].len = FRAME_HEAD + FRAME_NONCE;
	secret_mac(key, sizeof(key), p, hello ? 1 : 2, frame + FRAME_HEAD + FRAME_NONCE);
	memcpy(s->out + s->out_len, frame, sizeof(s->hello));
	s->out_len += sizeof(s->hello);
}

/* --- in --- */

/* The bytes of the frame at s->in. */
struct incoming {
	struct frame_head h;
	const uint8_t *payload;
	size_t len;
};

static bool mac_right(const struct session *s, const uint8_t *key, const struct secret_piece *p, size_t n,
		      const struct incoming *f)
{
	uint8_t mac[SECRET_MAC];

	(void)s;
	secret_mac(key, SECRET_MAC, p, n, mac);
	return secret_equal(mac, f->payload + f->len);
}

static enum session_refusal on_hello(struct session *s, const struct incoming *f)
{
	struct secret_piece p = { s->in, FRAME_HEAD + f->len };
	uint8_t key[SECRET_MAC];

	if (f->h.type != FRAME_HELLO || s->role != SESSION_LISTENS)
		return SESSION_TYPE;
	if (f->len != FRAME_NONCE)
		return SESSION_LENGTH;
	if (f->h.session || f->h.sequence)
		return f->h.session ? SESSION_NUMBER : SESSION_ORDER;
	key_plain(s, "saker peer 1 hello", key);
	if (!mac_right(s, key, &p, 1, f))
		return SESSION_FORGED;
	memcpy(s->hello, s->in, sizeof(s->hello));
	opening_out(s, s->challenge, FRAME_CHALLENGE, s->number);
	keys_derive(s);
	s->state = SESSION_CHALLENGED;
	return SESSION_FINE;
}

static enum session_refusal on_challenge(struct session *s, const struct incoming *f)
{
	struct secret_piece p[] = { { s->hello, sizeof(s->hello) }, { s->in, FRAME_HEAD + f->len } };
	uint8_t key[SECRET_MAC], payload[FRAME_PAYLOAD];

	if (f->h.type != FRAME_CHALLENGE)
		return SESSION_TYPE;
	if (f->len != FRAME_NONCE)
		return SESSION_LENGTH;
	if (!f->h.session || f->h.sequence)
		return f->h.sequence ? SESSION_ORDER : SESSION_NUMBER;
	key_plain(s, "saker peer 1 challenge", key);
	if (!mac_right(s, key, p, 2, f))
		return SESSION_FORGED;
	memcpy(s->challenge, s->in, sizeof(s->challenge));
	s->number = f->h.session;
	keys_derive(s);
	s->state = SESSION_CLAIMED;
	return frame_out(s, FRAME_CLAIM, payload, frame_claim_put(payload, &s->claim), NULL) < 0 ? SESSION_FULL
												 : SESSION_FINE;
}

static enum session_refusal on_claim(struct session *s, const struct incoming *f)
{
	uint8_t payload[FRAME_PAYLOAD];

	if (f->h.type != FRAME_CLAIM)
		return SESSION_TYPE;
	if (!frame_claim_get(f->payload, f->len, &s->claim))
		return SESSION_PAYLOAD;
	if (s->events->claim && !s->events->claim(s->arg, &s->claim))
		return SESSION_CLAIM;
	if (frame_out(s, FRAME_WELCOME, payload, frame_welcome_put(payload, &s->welcome), NULL) < 0)
		return SESSION_FULL;
	s->state = SESSION_OPEN;
	if (s->events->up)
		s->events->up(s->arg, NULL);
	return SESSION_FINE;
}

static enum session_refusal on_welcome(struct session *s, const struct incoming *f)
{
	if (f->h.type != FRAME_WELCOME)
		return SESSION_TYPE;
	if (!frame_welcome_get(f->payload, f->len, &s->welcome))
		return SESSION_PAYLOAD;
	s->state = SESSION_OPEN;
	if (s->events->up)
		s->events->up(s->arg, &s->welcome);
	return SESSION_FINE;
}

static bool claimed(const struct session *s, const struct sign_addr *a)
{
	size_t i;

	for (i = 0; i < s->claim.naddrs; i++)
		if (sign_addr_equal(&s->claim.addrs[i], a))
			return true;
	return false;
}

static enum session_refusal on_sign(struct session *s, const struct incoming *f)
{
	struct sign sign;

	if (s->role != SESSION_LISTENS)
		return SESSION_TYPE;
	if (!frame_sign_get(f->payload, f->len, &sign))
		return SESSION_PAYLOAD;
	if (!claimed(s, &sign.backend))
		return SESSION_CLAIM;
	if (s->events->sign && sign.kind < SIGN_KINDS)
		s->events->sign(s->arg, &sign, f->h.sequence);
	return SESSION_FINE;
}

static enum session_refusal on_open(struct session *s, const struct incoming *f)
{
	switch (f->h.type) {
	case FRAME_SIGN:
		return on_sign(s, f);
	case FRAME_BEAT:
		return f->len ? SESSION_PAYLOAD : SESSION_FINE;
	case FRAME_BYE:
		if (f->len)
			return SESSION_PAYLOAD;
		s->state = SESSION_OVER;
		if (s->events->bye)
			s->events->bye(s->arg);
		return SESSION_FINE;
	default:
		return SESSION_TYPE;
	}
}

/* Frames with the session's own keys.  The MAC first: before it nothing of a frame is worth a word. */
static enum session_refusal on_frame(struct session *s, const struct incoming *f)
{
	struct secret_piece p = { s->in, FRAME_HEAD + f->len };

	if (!mac_right(s, s->key_in, &p, 1, f))
		return SESSION_FORGED;
	if (f->h.session != s->number)
		return SESSION_NUMBER;
	if (f->h.sequence != s->heard)
		return SESSION_ORDER;
	s->heard++;
	if (s->state == SESSION_CHALLENGED)
		return on_claim(s, f);
	return s->state == SESSION_CLAIMED ? on_welcome(s, f) : on_open(s, f);
}

static enum session_refusal frame_in(struct session *s)
{
	struct incoming f = { .payload = s->in + FRAME_HEAD, .len = s->in_len - FRAME_MIN };

	frame_head_get(s->in, &f.h);
	if (f.h.zero || !f.h.type || f.h.type >= FRAME_TYPES)
		return SESSION_TYPE;
	if (s->state == SESSION_BEGINS)
		return s->role == SESSION_LISTENS ? on_hello(s, &f) : on_challenge(s, &f);
	return on_frame(s, &f);
}

/* How many bytes the frame at s->in has, as far as is known; 0: it cannot be one. */
static size_t frame_want(const struct session *s)
{
	uint32_t length;

	if (s->in_len < 4)
		return 4;
	length = (uint32_t)s->in[0] << 24 | (uint32_t)s->in[1] << 16 | (uint32_t)s->in[2] << 8 | s->in[3];
	if (length < FRAME_MIN || length > FRAME_MAX)
		return 0;
	/* who is not known yet has no frames but the openings */
	return s->state == SESSION_BEGINS && length != sizeof(s->hello) ? 0 : length;
}

enum session_refusal session_feed(struct session *s, const uint8_t *data, size_t len)
{
	enum session_refusal r;
	size_t want, n;

	while (len && s->state != SESSION_OVER) {
		want = frame_want(s);
		n = MIN(want - s->in_len, len);
		memcpy(s->in + s->in_len, data, n);
		s->in_len += n;
		data += n;
		len -= n;
		want = frame_want(s);
		if (!want || (s->in_len > 5 && s->in[5] != FRAME_VERSION)) {
			s->state = SESSION_OVER;
			return want ? SESSION_VERSION : SESSION_LENGTH;
		}
		if (s->in_len < FRAME_MIN || s->in_len < want)
			continue;
		r = frame_in(s);
		s->in_len = 0;
		if (r != SESSION_FINE) {
			s->state = SESSION_OVER;
			return r;
		}
	}
	return SESSION_FINE;
}

/* --- life --- */

void session_init(struct session *s, enum session_role role, const struct secret *secret,
		  const uint8_t nonce[FRAME_NONCE], const struct session_events *events, void *arg)
{
	*s = (struct session) { .role = role, .secret = secret, .events = events, .arg = arg };
	memcpy((role == SESSION_REPORTS ? s->hello : s->challenge) + FRAME_HEAD, nonce, FRAME_NONCE);
}

void session_hello(struct session *s)
{
	opening_out(s, s->hello, FRAME_HELLO, 0);
}

int session_sign(struct session *s, const struct sign *sign, uint64_t *ret_sequence)
{
	uint8_t payload[FRAME_PAYLOAD];

	if (s->state != SESSION_OPEN)
		return -ENOTCONN;
	return frame_out(s, FRAME_SIGN, payload, frame_sign_put(payload, sign), ret_sequence);
}

int session_beat(struct session *s)
{
	return s->state == SESSION_OPEN ? frame_out(s, FRAME_BEAT, NULL, 0, NULL) : -ENOTCONN;
}

int session_bye(struct session *s)
{
	return s->state == SESSION_OPEN ? frame_out(s, FRAME_BYE, NULL, 0, NULL) : -ENOTCONN;
}

void session_sent(struct session *s, size_t len)
{
	s->out_len -= len;
	memmove(s->out, s->out + len, s->out_len);
}
