/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and the engine by a clock of the test's own; what sockets do is loopback's. */
#include "peer/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "peer/check_http.h"
#include "peer/check_plan.h"

/* ---- plans ---- */

static void test_plan(void **state)
{
	static const uint64_t dues[] = { 50, 10, 40, 10, 30, 20, 60 };
	struct plan p;
	uint64_t due, before = 0;
	size_t i;

	(void)state;
	assert_int_equal(plan_init(&p, ARRAY_LEN(dues)), 0);
	assert_int_equal(plan_next(&p), PLAN_NEVER);
	assert_int_equal(plan_take(&p, 100, &due), -1);
	for (i = 0; i < ARRAY_LEN(dues); i++)
		plan_put(&p, (uint32_t)i, dues[i]);
	plan_put(&p, 99, 1); /* there is no room */
	assert_int_equal(plan_next(&p), 10);
	assert_int_equal(plan_take(&p, 9, &due), -1);
	for (i = 0; i < 5; i++) {
		int64_t number = plan_take(&p, 49, &due);

		assert_in_range(number, 0, 6);
		assert_int_equal(due, dues[number]);
		assert_true(due >= before);
		before = due;
	}
	assert_int_equal(plan_take(&p, 49, &due), -1);
	assert_int_equal(plan_take(&p, 60, &due), 0);
	assert_int_equal(plan_take(&p, 60, &due), 6);
	plan_fini(&p);
}

/* First moments are spread over the interval; later ones keep their place in it, whatever was late. */
static void test_moments(void **state)
{
	unsigned tenths[10] = { 0 };
	uint64_t i, due;

	(void)state;
	for (i = 0; i < 1000; i++) {
		due = plan_first(i * 0x9e3779b97f4a7c15ULL, 1000, 5000);
		assert_in_range(due, 5000, 5999);
		tenths[(due - 5000) / 100]++;
	}
	for (i = 0; i < 10; i++)
		assert_in_range(tenths[i], 90, 110);
	assert_int_equal(plan_first(UINT64_MAX, 1000, 5000), 5999);
	assert_int_equal(plan_after(5300, 1000, 5300), 6300);
	assert_int_equal(plan_after(5300, 1000, 5450), 6300);
	assert_int_equal(plan_after(5300, 1000, 9000), 9300);
	assert_int_equal(plan_after(5300, 1000, 6300), 7300);
}

/* ---- HTTP ---- */

static const struct {
	const char *text;
	int result;
	unsigned status;
	size_t head;
	uint64_t body;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\n\r\n", 1, 200, 19, UINT64_MAX },
	{ "HTTP/1.0 503\r\nContent-Length: 12\r\n\r\nxx", 1, 503, 36, 12 },
	{ "HTTP/1.1 204 \ncontent-length:\t0\n\n", 1, 204, 33, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 1, 200, 38, UINT64_MAX },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", 1, 200, 60, 999999999999999999ULL },
	{ "", 0, 0, 0, 0 },
	{ "HTTP/1.", 0, 0, 0, 0 },
	{ "HTTP/1.1 200", 0, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\n", 0, 0, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nA: b\r\n", 0, 0, 0, 0 },
	{ "SSH-2.0", -EPROTO, 0, 0, 0 },
	{ "HTTP/1.1 20", 0, 0, 0, 0 },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", -EPROTO, 0, 0, 0 },
	{ "HTTP/1.1 2000\r\n\r\n", -EPROTO, 0, 0, 0 },
	{ "\x16\x03\x01", -EPROTO, 0, 0, 0 },
};

static void test_http(void **state)
{
	char request[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(answers); i++) {
		struct check_http h = { 0 };
		int r = check_http_head(answers[i].text, strlen(answers[i].text), &h);

		if (r != answers[i].result || h.status != answers[i].status || h.head_bytes != answers[i].head ||
		    h.body_bytes != answers[i].body)
			fail_msg("'%s': %d, status %u, head %zu", answers[i].text, r, h.status, h.head_bytes);
	}
	assert_int_equal(check_http_request(request, 40, "/", "a.example"), 0);
	assert_in_range(check_http_request(request, sizeof(request), "/up", "a.example"), 40, 200);
	assert_memory_equal(request, "GET /up HTTP/1.0\r\nHost: a.example\r\n", 35);
	assert_non_null(strstr(request, "\r\n\r\n"));
}

/* ---- the engine ---- */

static uint64_t clock_now;

static uint64_t test_now(void)
{
	return clock_now;
}

struct seen {
	unsigned passed, failed, done, not_sent;
	uint64_t left, moments[64];
	struct sign last;
	char text[CHECK_TEXT];
};

static void see_sign(void *arg, const struct sign *s)
{
	struct seen *seen = arg;

	seen->passed += s->kind == SIGN_CHECK_PASSED;
	seen->failed += s->kind == SIGN_CHECK_FAILED;
	seen->last = *s;
}

static void see_done(void *arg, const struct check_target *t, const struct check_state *s)
{
	struct seen *seen = arg;

	if (t->tag < 64)
		seen->moments[t->tag] = clock_now;
	seen->done++;
	seen->not_sent += s->outcome == CHECK_NOT_SENT;
	(void)snprintf(seen->text, sizeof(seen->text), "%s", s->text);
}

static uint64_t see_left(void *arg, const struct check_target *t)
{
	(void)t;
	return ((struct seen *)arg)->left;
}

static const struct sign_addr loopback = { .bytes = { 127, 0, 0, 1 }, .family = AF_INET };

static struct check_ask ask_of(enum check_kind kind)
{
	struct check_ask a;

	memset(&a, 0, sizeof(a));
	a.kind = kind;
	a.interval_ms = 1000;
	a.timeout_ms = 200;
	a.rise = 2;
	a.fall = 3;
	a.status_from = a.status_to = 200;
	strcpy(a.path, "/");
	a.vip = loopback;
	a.vip_port = 80;
	a.vip_proto = 6;
	return a;
}

static void targets_fill(struct check_target *t, size_t n, uint16_t port)
{
	size_t i;

	memset(t, 0, n * sizeof(*t));
	for (i = 0; i < n; i++) {
		t[i].to = loopback;
		t[i].port = port;
		t[i].tag = i;
		t[i].backend = loopback;
		t[i].backend.bytes[3] = (uint8_t)(i + 1);
		t[i].backend.bytes[2] = (uint8_t)(i >> 8);
	}
}

/* A socket of loopback; listening: a queue of so many, or -1 for none. */
static int listener(int type, int queue, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	if (queue >= 0)
		assert_int_equal(listen(fd, queue), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* Turns until so many checks are done, at this moment of the clock. */
static void until_done(struct checks *c, const struct seen *seen, unsigned want)
{
	struct pollfd p = { .fd = checks_fd(c), .events = POLLIN };
	unsigned turns;

	for (turns = 0; seen->done < want && turns < 10000; turns++) {
		(void)poll(&p, 1, 1);
		(void)checks_turn(c, clock_now);
	}
	assert_int_equal(seen->done, want);
}

static struct checks *engine(struct seen *seen, uint32_t flight, uint32_t rate)
{
	struct checks_opts opts = { .sign = see_sign,
				    .done = see_done,
				    .left = see_left,
				    .arg = seen,
				    .now = test_now,
				    .flight = flight,
				    .rate = rate };
	struct checks *c = NULL;
	struct err err = ERR_INIT;

	clock_now = 1000 * NS_PER_SEC;
	assert_int_equal(checks_new(&opts, &c, &err), 0);
	return c;
}

/* rise and fall; each target once in each interval. */
static void test_health(void **state)
{
	struct check_ask ask = ask_of(CHECK_TCP);
	struct check_target targets[5];
	const struct check_state *s;
	struct seen seen = { 0 };
	struct err err = ERR_INIT;
	struct checks *c = engine(&seen, 0, 0);
	uint16_t port;
	int fd = listener(SOCK_STREAM, 16, &port);

	(void)state;
	targets_fill(targets, 5, port);
	assert_int_equal(checks_set(c, &ask, 1, targets, 5, &err), 0);
	(void)checks_turn(c, clock_now);
	clock_now += NS_PER_SEC - 1;
	until_done(c, &seen, 5);
	assert_int_equal(seen.passed, 5);
	(void)checks_target(c, 0, &s);
	assert_int_equal(s->health, CHECK_UNKNOWN);
	clock_now += NS_PER_SEC;
	until_done(c, &seen, 10);
	assert_int_equal(s->health, CHECK_GOOD);
	assert_int_equal(s->in_row, 2);
	assert_int_equal(seen.last.port, 80);
	assert_int_equal(seen.last.vip.bytes[0], 127);
	(void)close(fd);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s->health, CHECK_GOOD);
		clock_now += NS_PER_SEC;
		until_done(c, &seen, 15 + 5 * i);
	}
	assert_int_equal(s->health, CHECK_BAD);
	assert_int_equal(seen.failed, 15);
	assert_int_equal(s->counts[CHECK_REFUSED], 3);
	assert_int_equal(s->counts[CHECK_PASSED], 2);
	assert_int_equal(checks_took(c, 0)->total, 10);
	assert_string_equal(s->text, "connect: refused after 0.0 ms");
	/* what is asked as before keeps what is known of it; the others begin */
	targets[1].port = 1;
	assert_int_equal(checks_set(c, &ask, 1, targets, 2, &err), 0);
	(void)checks_target(c, 0, &s);
	assert_int_equal(s->health, CHECK_BAD);
	(void)checks_target(c, 1, &s);
	assert_int_equal(s->health, CHECK_UNKNOWN);
	assert_int_equal(checks_took(c, 0)->total, 10);
	(void)checks_free(c);
}

/* Never more at once than `flight`, nor begun in a second than `rate`; what waits is late. */
static void test_bounds(void **state)
{
	struct check_ask ask = ask_of(CHECK_HTTP);
	struct check_target *targets = calloc(1000, sizeof(*targets));
	const struct check_state *s;
	struct seen seen = { 0 };
	struct err err = ERR_INIT;
	struct checks *c = engine(&seen, 8, 20);
	uint16_t port;
	int fd = listener(SOCK_STREAM, 1024, &port), i, accepted = 0;
	uint64_t late = 0;

	(void)state;
	targets_fill(targets, 1000, port);
	assert_int_equal(checks_set(c, &ask, 1, targets, 1000, &err), 0);
	clock_now += NS_PER_SEC;
	for (i = 0; i < 20; i++)
		(void)checks_turn(c, clock_now);
	while (accept(fd, NULL, NULL) >= 0)
		accepted++;
	assert_int_equal(accepted, 8);
	/* they are silent: at their timeout others take their places, until the second's 20 have begun */
	for (i = 0; i < 4; i++) {
		clock_now += 200 * NS_PER_MS;
		(void)checks_turn(c, clock_now);
		(void)checks_turn(c, clock_now);
	}
	assert_int_equal(seen.done, 20);
	assert_string_equal(seen.text, "accepted, but no answer within 200 ms");
	clock_now += 3 * NS_PER_SEC;
	(void)checks_turn(c, clock_now);
	clock_now += NS_PER_SEC;
	(void)checks_turn(c, clock_now);
	for (i = 0; i < 1000; i++) {
		(void)checks_target(c, (size_t)i, &s);
		late += s->late;
	}
	assert_in_range(late, 8, 40);
	assert_int_equal(checks_set(c, NULL, 0, NULL, 0, &err), 0);
	assert_int_equal(checks_count(c), 0);
	(void)checks_free(c);
	(void)close(fd);
	free(targets);
}

/* Nothing left with its mark: no word of the backend. */
static void step(struct checks *c)
{
	clock_now += 10 * NS_PER_MS;
	(void)checks_turn(c, clock_now);
}

static void test_not_sent(void **state)
{
	struct check_ask ask = ask_of(CHECK_UDP);
	struct check_target target;
	const struct check_state *s;
	struct seen seen = { 0 };
	struct err err = ERR_INIT;
	struct checks *c = engine(&seen, 0, 0);
	uint16_t port;
	int fd = listener(SOCK_DGRAM, -1, &port), i;

	(void)state;
	if (geteuid()) {
		(void)checks_free(c);
		(void)close(fd);
		skip(); /* marks want root */
	}
	memcpy(ask.send, "ping", 4);
	ask.send_bytes = 4;
	targets_fill(&target, 1, port);
	target.mark = 7;
	assert_int_equal(checks_set(c, &ask, 1, &target, 1, &err), 0);
	/* its moment within the interval follows from the port, which is any */
	for (i = 0; i < 200 && !seen.not_sent; i++)
		step(c);
	assert_int_equal(seen.not_sent, 1);
	assert_int_equal(seen.failed + seen.passed, 0);
	for (i = 0; i < 200 && !seen.failed; i++) {
		seen.left++;
		step(c);
	}
	assert_int_equal(seen.not_sent, 1);
	assert_int_equal(seen.failed, 1);
	(void)checks_target(c, 0, &s);
	assert_int_equal(s->outcome, CHECK_SILENT);
	assert_int_equal(s->in_row, 1);
	(void)checks_free(c);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),   cmocka_unit_test(test_moments), cmocka_unit_test(test_http),
		cmocka_unit_test(test_health), cmocka_unit_test(test_bounds),  cmocka_unit_test(test_not_sent),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
