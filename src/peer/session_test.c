/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation of two agents, and all that is refused of it.  The MACs that are expected were computed by another implementation:
 * python's hmac over frames that were put together as docs/formats/peer.md says.
 */
#include "peer/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"

#define NUMBER 0x0123456789abcdefULL

enum { HELLO, CLAIM, SIGN, BEAT, BYE, FRAMES };

struct frame {
	uint8_t bytes[FRAME_MAX + 8];
	size_t len;
};

struct side {
	struct session s;
	struct sign last;
	uint64_t sequence;
	unsigned int ups, signs, byes;
	bool refuses;
};

static struct secret secret, other_secret;

static bool on_claim(void *arg, const struct frame_claim *c)
{
	(void)c;
	return !((struct side *)arg)->refuses;
}

static void on_up(void *arg, const struct frame_welcome *w)
{
	(void)w;
	((struct side *)arg)->ups++;
}

static void on_sign(void *arg, const struct sign *s, uint64_t sequence)
{
	struct side *x = arg;

	x->last = *s;
	x->sequence = sequence;
	x->signs++;
}

static void on_bye(void *arg)
{
	((struct side *)arg)->byes++;
}

static const struct session_events events = { .claim = on_claim, .up = on_up, .sign = on_sign, .bye = on_bye };

static void side_new(struct side *x, enum session_role role, const struct secret *key, uint8_t nonce)
{
	uint8_t random[FRAME_NONCE];

	memset(x, 0, sizeof(*x));
	memset(random, nonce, sizeof(random));
	session_init(&x->s, role, key, random, &events, x);
	if (role == SESSION_LISTENS) {
		x->s.number = NUMBER;
		x->s.welcome = (struct frame_welcome) { .host = 0x1b, .name = "lb", .beat_ms = 500 };
		return;
	}
	x->s.claim = (struct frame_claim) { .host = 0xb1, .name = "b1", .naddrs = 1 };
	x->s.claim.addrs[0] = (struct sign_addr) { { 10, 1, 0, 5 }, AF_INET };
	session_hello(&x->s);
}

static struct sign killed(void)
{
	struct sign s = { .kind = SIGN_EXIT, .proto = 6, .port = 80 };

	s.backend = (struct sign_addr) { { 10, 1, 0, 5 }, AF_INET };
	s.evidence = (struct sign_event) { .host = 7, .boot_ns = 123456789, .seq = 42, .cpu = 3 };
	(void)snprintf(s.text, sizeof(s.text), "process 4711 (nginx) was killed by SIGKILL");
	return s;
}

static void take(struct side *x, struct frame *f)
{
	memset(f, 0, sizeof(*f));
	f->len = x->s.out_len;
	assert_true(f->len && f->len <= FRAME_MAX);
	memcpy(f->bytes, x->s.out, f->len);
	session_sent(&x->s, f->len);
}

static void give(struct side *x, const struct frame *f)
{
	assert_int_equal(session_feed(&x->s, f->bytes, f->len), SESSION_FINE);
}

/* A whole conversation: what each side said. */
static void converse(struct frame said[FRAMES], struct frame *ret_challenge, struct frame *ret_welcome, struct side *a,
		     struct side *b)
{
	struct sign sign = killed();
	uint64_t sequence;

	side_new(a, SESSION_REPORTS, &secret, 0x11);
	side_new(b, SESSION_LISTENS, &secret, 0x22);
	take(a, &said[HELLO]);
	give(b, &said[HELLO]);
	take(b, ret_challenge);
	give(a, ret_challenge);
	take(a, &said[CLAIM]);
	give(b, &said[CLAIM]);
	take(b, ret_welcome);
	give(a, ret_welcome);
	assert_int_equal(session_sign(&a->s, &sign, &sequence), 0);
	assert_int_equal(sequence, 1);
	take(a, &said[SIGN]);
	assert_int_equal(session_beat(&a->s), 0);
	take(a, &said[BEAT]);
	assert_int_equal(session_bye(&a->s), 0);
	take(a, &said[BYE]);
}

static void mac_is(const struct frame *f, size_t len, const char *hex)
{
	char text[2 * FRAME_MAC + 1];
	size_t i;

	assert_int_equal(f->len, len);
	for (i = 0; i < FRAME_MAC; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", f->bytes[len - FRAME_MAC + i]);
	assert_string_equal(text, hex);
}

static void test_bytes(void **state)
{
	struct frame said[FRAMES], challenge, welcome;
	struct side a, b;

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	mac_is(&said[HELLO], 88, "5313976a899c7dd3c391d2537ebd4e67f20f4c882c8c26700a07f7daa6e35d0d");
	mac_is(&challenge, 88, "066a4bf834ed891fd80a45c8e6c3326dda3f34f5ab66462fa3b066663f20befd");
	mac_is(&said[CLAIM], 85, "6b1f73a270028d5e694308298594e287132dd0d3c42f601d2cbf61aeb8f6b75e");
	mac_is(&welcome, 71, "d223095c9fe8f9b12c7785e5dc298ddc5bc5696a80775fc83c256f5990b1ccba");
	mac_is(&said[SIGN], 155, "5f2ffaff710551c00193b7295308901b226bb2c111a6d5b8f98f8907a0c333cf");
	mac_is(&said[BEAT], 56, "b9502da55bd1e887ee64db5539902e1344f954f1c5c19949eb5363b2fa9256b0");
}

static void test_talk(void **state)
{
	struct frame said[FRAMES], challenge, welcome;
	struct side a, b;
	struct sign want = killed();

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	assert_int_equal(a.ups, 1);
	assert_int_equal(b.ups, 1);
	assert_int_equal(a.s.welcome.beat_ms, 500);
	assert_string_equal(b.s.claim.name, "b1");
	give(&b, &said[SIGN]);
	give(&b, &said[BEAT]);
	assert_int_equal(b.signs, 1);
	assert_int_equal(b.sequence, 1);
	assert_memory_equal(&b.last.backend, &want.backend, sizeof(want.backend));
	assert_memory_equal(&b.last.evidence, &want.evidence, sizeof(want.evidence));
	assert_int_equal(b.last.kind, SIGN_EXIT);
	assert_int_equal(b.last.port, 80);
	assert_string_equal(b.last.text, want.text);
	give(&b, &said[BYE]);
	assert_int_equal(b.byes, 1);
	assert_int_equal(b.s.state, SESSION_OVER);
}

/* What the balancer's side hears instead, and what it says of it.  Frames as the table says, one after the other. */
enum change { NO_CHANGE, FLIP, CUT, LONGER };

static const struct forgery {
	const char *what;
	int frames[6]; /* -1: the end */
	int changed;   /* which of them */
	enum change change;
	size_t at; /* byte that is changed */
	uint8_t mask;
	enum session_refusal expected;
	unsigned int signs; /* that were believed */
} forgeries[] = {
	{ "as it was", { HELLO, CLAIM, SIGN, BEAT, BYE, -1 }, 0, NO_CHANGE, 0, 0, SESSION_FINE, 1 },
	{ "hello: MAC", { HELLO, -1 }, 0, FLIP, 87, 1, SESSION_FORGED, 0 },
	{ "hello: random bytes", { HELLO, -1 }, 0, FLIP, 30, 0x80, SESSION_FORGED, 0 },
	{ "hello: session", { HELLO, -1 }, 0, FLIP, 15, 1, SESSION_NUMBER, 0 },
	{ "hello: sequence", { HELLO, -1 }, 0, FLIP, 23, 1, SESSION_ORDER, 0 },
	{ "hello: type", { HELLO, -1 }, 0, FLIP, 4, 2, SESSION_TYPE, 0 },
	{ "hello: no type", { HELLO, -1 }, 0, FLIP, 4, 1, SESSION_TYPE, 0 },
	{ "hello: version", { HELLO, -1 }, 0, FLIP, 5, 2, SESSION_VERSION, 0 },
	{ "hello: what is zero", { HELLO, -1 }, 0, FLIP, 7, 1, SESSION_TYPE, 0 },
	{ "hello: huge", { HELLO, -1 }, 0, FLIP, 0, 0x80, SESSION_LENGTH, 0 },
	{ "hello: longer than a hello, no longer than a frame", { HELLO, -1 }, 0, FLIP, 2, 1, SESSION_LENGTH, 0 },
	{ "hello: tiny", { HELLO, -1 }, 0, FLIP, 3, 0x50, SESSION_LENGTH, 0 },
	{ "claim before hello", { CLAIM, -1 }, 0, NO_CHANGE, 0, 0, SESSION_LENGTH, 0 },
	{ "hello twice", { HELLO, HELLO, -1 }, 0, NO_CHANGE, 0, 0, SESSION_FORGED, 0 },
	{ "claim: address", { HELLO, CLAIM, -1 }, 1, FLIP, 40, 1, SESSION_FORGED, 0 },
	{ "claim: MAC", { HELLO, CLAIM, -1 }, 1, FLIP, 84, 1, SESSION_FORGED, 0 },
	{ "claim left out", { HELLO, SIGN, -1 }, 0, NO_CHANGE, 0, 0, SESSION_ORDER, 0 },
	{ "claim twice", { HELLO, CLAIM, CLAIM, -1 }, 0, NO_CHANGE, 0, 0, SESSION_ORDER, 0 },
	{ "sign: kind", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 24, 1, SESSION_FORGED, 0 },
	{ "sign: sequence", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 23, 3, SESSION_FORGED, 0 },
	{ "sign: session", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 8, 1, SESSION_FORGED, 0 },
	{ "sign: MAC, first byte", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 123, 1, SESSION_FORGED, 0 },
	{ "sign: MAC, last byte", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 154, 1, SESSION_FORGED, 0 },
	{ "sign: its length", { HELLO, CLAIM, SIGN, BEAT, -1 }, 2, FLIP, 3, 8, SESSION_FORGED, 0 },
	{ "sign: longer than a frame can be", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 2, 4, SESSION_LENGTH, 0 },
	{ "sign: huge", { HELLO, CLAIM, SIGN, -1 }, 2, FLIP, 0, 0x7f, SESSION_LENGTH, 0 },
	{ "sign twice", { HELLO, CLAIM, SIGN, SIGN, -1 }, 0, NO_CHANGE, 0, 0, SESSION_ORDER, 1 },
	{ "sign left out", { HELLO, CLAIM, BEAT, -1 }, 0, NO_CHANGE, 0, 0, SESSION_ORDER, 0 },
	{ "reordered", { HELLO, CLAIM, BEAT, SIGN, -1 }, 0, NO_CHANGE, 0, 0, SESSION_ORDER, 0 },
	{ "cut off: it waits for the rest", { HELLO, CLAIM, SIGN, -1 }, 2, CUT, 100, 0, SESSION_FINE, 0 },
	{ "cut, and the next behind it", { HELLO, CLAIM, SIGN, BEAT, -1 }, 2, CUT, 100, 0, SESSION_FORGED, 0 },
	{ "bytes behind it", { HELLO, CLAIM, SIGN, BEAT, -1 }, 2, LONGER, 4, 0, SESSION_LENGTH, 1 },
	{ "after bye nothing is heard", { HELLO, CLAIM, SIGN, BEAT, BYE, SIGN }, 0, NO_CHANGE, 0, 0, SESSION_FINE, 1 },
};

static void change(struct frame *f, const struct forgery *c)
{
	if (c->change == FLIP)
		f->bytes[c->at] ^= c->mask;
	else if (c->change == CUT)
		f->len = c->at;
	else if (c->change == LONGER)
		f->len += c->at;
}

/* at once, or byte by byte */
static void forgery_run(const struct forgery *c, const struct frame said[FRAMES], bool single)
{
	enum session_refusal r = SESSION_FINE;
	struct side b;
	size_t i, k;

	side_new(&b, SESSION_LISTENS, &secret, 0x22);
	for (i = 0; i < 6 && c->frames[i] >= 0 && r == SESSION_FINE; i++) {
		struct frame f = said[c->frames[i]];

		if ((int)i == c->changed)
			change(&f, c);
		if (!single)
			r = session_feed(&b.s, f.bytes, f.len);
		for (k = 0; single && k < f.len && r == SESSION_FINE; k++)
			r = session_feed(&b.s, f.bytes + k, 1);
	}
	if (r != c->expected || b.signs != c->signs)
		fail_msg("%s: %s, %u signs", c->what, session_refusal_text(r), b.signs);
	if (r != SESSION_FINE)
		assert_int_equal(b.s.state, SESSION_OVER);
}

static void test_forgeries(void **state)
{
	struct frame said[FRAMES], challenge, welcome;
	struct side a, b;
	size_t i;

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	for (i = 0; i < ARRAY_LEN(forgeries); i++) {
		forgery_run(&forgeries[i], said, false);
		forgery_run(&forgeries[i], said, true);
	}
}

/* Everything was said before, by somebody who had the key; the other side's random bytes are new. */
static void test_replay(void **state)
{
	struct frame said[FRAMES], challenge, welcome;
	struct side a, b;

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	side_new(&b, SESSION_LISTENS, &secret, 0x23);
	give(&b, &said[HELLO]); /* that can be said by anybody again, and says nothing */
	assert_int_equal(session_feed(&b.s, said[CLAIM].bytes, said[CLAIM].len), SESSION_FORGED);
	/* and to the one who reports: an old challenge is no answer to his new bytes */
	side_new(&a, SESSION_REPORTS, &secret, 0x12);
	assert_int_equal(session_feed(&a.s, challenge.bytes, challenge.len), SESSION_FORGED);
	/* his own frames, sent back */
	side_new(&a, SESSION_REPORTS, &secret, 0x11);
	assert_int_equal(session_feed(&a.s, said[HELLO].bytes, said[HELLO].len), SESSION_TYPE);
	side_new(&a, SESSION_REPORTS, &secret, 0x11);
	give(&a, &challenge);
	assert_int_equal(session_feed(&a.s, said[CLAIM].bytes, said[CLAIM].len), SESSION_FORGED);
}

static void test_key(void **state)
{
	struct side a, b;
	struct frame f;

	(void)state;
	side_new(&a, SESSION_REPORTS, &other_secret, 0x11);
	side_new(&b, SESSION_LISTENS, &secret, 0x22);
	take(&a, &f);
	assert_int_equal(session_feed(&b.s, f.bytes, f.len), SESSION_FORGED);
	assert_int_equal(b.s.out_len, 0); /* and is told nothing */
}

/* He has the key, but not for that address. */
static void test_claims(void **state)
{
	struct frame f;
	struct side a, b;
	struct sign sign = killed();
	uint64_t sequence;

	(void)state;
	side_new(&a, SESSION_REPORTS, &secret, 0x11);
	side_new(&b, SESSION_LISTENS, &secret, 0x22);
	b.refuses = true;
	take(&a, &f);
	give(&b, &f);
	take(&b, &f);
	give(&a, &f);
	take(&a, &f);
	assert_int_equal(session_feed(&b.s, f.bytes, f.len), SESSION_CLAIM);
	assert_int_equal(b.s.out_len, 0);

	struct frame said[FRAMES], challenge, welcome;

	converse(said, &challenge, &welcome, &a, &b);
	a.s.sent = 1;
	a.s.state = SESSION_OPEN;
	sign.backend.bytes[3] = 6;
	assert_int_equal(session_sign(&a.s, &sign, &sequence), 0);
	take(&a, &f);
	assert_int_equal(session_feed(&b.s, f.bytes, f.len), SESSION_CLAIM);
	assert_int_equal(b.signs, 0);
}

/* A kind that a later build tells is passed over, and the session goes on. */
static void test_later(void **state)
{
	struct frame said[FRAMES], challenge, welcome, f;
	struct side a, b;
	struct sign sign = killed();
	uint64_t sequence;

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	a.s.sent = 1;
	a.s.state = SESSION_OPEN;
	sign.kind = SIGN_KINDS;
	assert_int_equal(session_sign(&a.s, &sign, &sequence), 0);
	take(&a, &f);
	assert_int_equal(session_feed(&b.s, f.bytes, f.len), SESSION_FINE);
	assert_int_equal(b.signs, 0);
	sign.kind = SIGN_RTT;
	assert_int_equal(session_sign(&a.s, &sign, &sequence), 0);
	take(&a, &f);
	assert_int_equal(session_feed(&b.s, f.bytes, f.len), SESSION_FINE);
	assert_int_equal(b.signs, 1);
}

/* Signed, and yet it is no sign. */
static void test_payloads(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} cases[] = {
		{ "no kind", 0, 0 },
		{ "a kind that only the balancer sees", 0, SIGN_SYN_AGAIN },
		{ "a kind that a host cannot say of itself", 0, SIGN_SILENT },
		{ "a protocol that there is not", 1, 99 },
		{ "a family that there is not", 2, 1 },
		{ "not zero", 3, 1 },
		{ "IPv4 with more than four bytes", 15, 1 },
		{ "a longer text", 56, 43 },
		{ "a shorter text", 56, 41 },
		{ "a text that is longer than a text", 56, 120 },
	};
	uint8_t room[FRAME_PAYLOAD];
	struct sign s = killed(), got;
	size_t n = frame_sign_put(room, &s), i;

	(void)state;
	assert_true(frame_sign_get(room, n, &got));
	for (i = 0; i < n; i++)
		assert_false(frame_sign_get(room, i, &got));
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		(void)frame_sign_put(room, &s);
		room[cases[i].at] = cases[i].value;
		if (frame_sign_get(room, n, &got))
			fail_msg("%s was taken", cases[i].what);
	}
	(void)frame_sign_put(room, &s);
	room[60] = 0x1b;
	assert_true(frame_sign_get(room, n, &got));
	assert_int_equal(got.text[3], '?');
}

/* He does not read: nothing grows, and it is said. */
static void test_full(void **state)
{
	struct frame said[FRAMES], challenge, welcome;
	struct side a, b;
	struct sign sign = killed();
	uint64_t sequence;
	int r = 0, n = 0;

	(void)state;
	converse(said, &challenge, &welcome, &a, &b);
	a.s.state = SESSION_OPEN;
	while (r == 0 && n++ < 1000)
		r = session_sign(&a.s, &sign, &sequence);
	assert_int_equal(r, -ENOBUFS);
	assert_true(a.s.out_len <= SESSION_OUT);
}

static int setup(void **state)
{
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	if (secret_prepare(&err) < 0)
		return -1;
	secret.len = other_secret.len = 40;
	for (i = 0; i < 40; i++)
		secret.bytes[i] = other_secret.bytes[i] = (uint8_t)(i + 1);
	other_secret.bytes[39]++;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),  cmocka_unit_test(test_talk),	cmocka_unit_test(test_forgeries),
		cmocka_unit_test(test_replay), cmocka_unit_test(test_key),	cmocka_unit_test(test_claims),
		cmocka_unit_test(test_later),  cmocka_unit_test(test_payloads), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
