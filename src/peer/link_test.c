/* SPDX-License-Identifier: Apache-2.0 */
/* Links over loopback, under a clock that the test turns: who is silent, who comes back, who is refused, and how many are let in. */
#include "peer/link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define MS NS_PER_MS
#define HURRY_NS (20 * NS_PER_SEC) /* of the true clock: what takes longer never comes */

struct world {
	struct link *lb, *host, *other; /* other: of the same host, or of another one */
	uint64_t now_ns;
	char log[4096];
	unsigned int ups;
	uint64_t session;
	bool any; /* whoever has the key may speak for everybody */
};

static struct secret secret, other_secret;

static void say(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->log);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->log + len, sizeof(w->log) - len, fmt, ap);
	va_end(ap);
}

static void on_told(void *arg, const struct link_told *t, struct sign *s)
{
	say(arg, "[%s#%u]", t->name, (unsigned int)t->sequence);
	s->evidence.seq = 99; /* as one who records it */
}

static void on_sign(void *arg, const struct sign *s)
{
	char text[SIGN_ADDR_TEXT];

	assert_int_equal(s->evidence.seq, 99);
	say(arg, "%s %s; ", sign_name(s->kind), sign_addr_text(&s->backend, text));
}

static void on_refused(void *arg, const struct sign_addr *from, enum session_refusal why)
{
	(void)from;
	say(arg, "refused %d; ", why);
}

static bool may(void *arg, const struct sign_addr *from, const struct sign_addr *backend)
{
	return ((struct world *)arg)->any || sign_addr_equal(from, backend);
}

static void on_up(void *arg, struct link *l, uint64_t session, const struct frame_welcome *welcome)
{
	struct world *w = arg;

	(void)l;
	assert_string_equal(welcome->name, "lb");
	w->ups++;
	w->session = session;
}

static void on_down(void *arg, struct link *l, const char *why)
{
	(void)l;
	(void)why;
	say(arg, "down; ");
}

static void listen_open(struct world *w, uint16_t port)
{
	struct link_listen_opts o = { .secret = &secret,
				      .address = "127.0.0.1",
				      .port = port,
				      .host = 1,
				      .name = "lb",
				      .beat_ms = 100,
				      .may = may,
				      .told = on_told,
				      .sign = on_sign,
				      .refused = on_refused,
				      .arg = w };
	struct err err = ERR_INIT;

	if (link_listen(&o, &w->lb, &err) < 0)
		fail_msg("%s", err.text);
}

static struct link *connect_open(struct world *w, const struct secret *key, const char *backend, uint16_t port)
{
	struct link_connect_opts o = {
		.secret = key, .address = "127.0.0.1", .port = port, .up = on_up, .down = on_down, .arg = w
	};
	struct err err = ERR_INIT;
	struct link *l;

	o.claim = (struct frame_claim) { .host = 7, .name = "b1", .naddrs = 1 };
	assert_int_equal(sign_addr_parse(backend, &o.claim.addrs[0]), 0);
	if (link_connect(&o, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	w->now_ns = clock_boot_ns();
	listen_open(w, 0);
	return w;
}

static void world_free(struct world *w)
{
	(void)link_free(w->host);
	(void)link_free(w->other);
	(void)link_free(w->lb);
	free(w);
}

static void turn(struct world *w)
{
	struct link *all[] = { w->host, w->lb, w->other };
	size_t i;

	for (i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			link_turn(all[i], w->now_ns);
}

/* Time stands still, and bytes move, until it is so. */
#define UNTIL(w, x)                                                        \
	do {                                                               \
		uint64_t end_ = clock_boot_ns() + HURRY_NS;                \
		while (!(x)) {                                             \
			turn(w);                                           \
			(void)poll(NULL, 0, 1);                            \
			if (clock_boot_ns() > end_)                        \
				fail_msg("in vain: %s: %s", #x, (w)->log); \
		}                                                          \
	} while (0)

static void session_open(struct world *w)
{
	w->host = connect_open(w, &secret, "127.0.0.1", link_port(w->lb));
	UNTIL(w, w->ups == 1 && link_open_sessions(w->lb) == 1);
}

static void sign_send(struct link *l, enum sign_kind kind, const char *backend)
{
	struct sign s = { .kind = kind, .port = 80, .proto = 6 };
	uint64_t session, sequence;

	assert_int_equal(sign_addr_parse(backend, &s.backend), 0);
	assert_int_equal(link_sign(l, &s, &session, &sequence), 0);
}

static void test_sign(void **state)
{
	struct world *w = world_new();

	(void)state;
	session_open(w);
	sign_send(w->host, SIGN_LISTENING, "127.0.0.1");
	sign_send(w->host, SIGN_EXIT, "127.0.0.1");
	UNTIL(w, strstr(w->log, "exit"));
	assert_string_equal(w->log, "[b1#1]listening 127.0.0.1; [b1#2]exit 127.0.0.1; ");
	world_free(w);
}

/* Beats keep it open; without the other's turns there are none. */
static void test_silent(void **state)
{
	struct world *w = world_new();
	struct link *asleep;
	int i;

	(void)state;
	session_open(w);
	for (i = 0; i < 40; i++) {
		w->now_ns += 50 * MS;
		turn(w);
		(void)poll(NULL, 0, 2); /* what was sent is there */
		turn(w);
	}
	assert_string_equal(w->log, "");
	assert_int_equal(link_open_sessions(w->lb), 1);
	asleep = TAKE(w->host);
	w->now_ns += 299 * MS;
	turn(w);
	turn(w);
	assert_string_equal(w->log, "");
	for (i = 0; i < 3; i++) {
		w->now_ns += 200 * MS;
		turn(w);
	}
	assert_string_equal(w->log, "[b1#0]silent 127.0.0.1; ");
	w->host = asleep;
	UNTIL(w, (turn(w), w->now_ns += 20 * MS, strstr(w->log, "heard")));
	assert_int_equal(w->ups, 2);
	world_free(w);
}

/* Who says bye is not silent, whatever time goes by. */
static void test_bye(void **state)
{
	struct world *w = world_new();

	(void)state;
	session_open(w);
	w->host = link_free(w->host);
	UNTIL(w, link_open_sessions(w->lb) == 0);
	w->now_ns += 100 * NS_PER_SEC;
	turn(w);
	assert_string_equal(w->log, "");
	world_free(w);
}

/* The agent was started again: another session, and the old one goes without a word. */
static void test_again(void **state)
{
	struct world *w = world_new();
	uint64_t before;

	(void)state;
	session_open(w);
	before = w->session;
	w->other = connect_open(w, &secret, "127.0.0.1", link_port(w->lb));
	UNTIL(w, w->ups == 2);
	assert_true(w->session != before);
	assert_int_equal(link_open_sessions(w->lb), 1);
	assert_null(strstr(w->log, "silent"));
	world_free(w);
}

static void test_refused(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->host = connect_open(w, &other_secret, "127.0.0.1", link_port(w->lb));
	UNTIL(w, link_refused(w->lb)[SESSION_FORGED] == 1 && strstr(w->log, "down"));
	w->host = link_free(w->host);
	w->log[0] = 0;
	w->host = connect_open(w, &secret, "10.1.0.5", link_port(w->lb)); /* not the address that he comes from */
	UNTIL(w, link_refused(w->lb)[SESSION_CLAIM] == 1 && strstr(w->log, "down"));
	assert_int_equal(w->ups, 0);
	w->host = link_free(w->host);
	w->any = true;
	w->host = connect_open(w, &secret, "10.1.0.5", link_port(w->lb));
	UNTIL(w, w->ups == 1);
	world_free(w);
}

/* The balancer goes and comes back; longer and longer rests, no more than 5 s. */
static void test_reconnect(void **state)
{
	struct world *w = world_new();
	uint16_t port = link_port(w->lb);
	int i;

	(void)state;
	session_open(w);
	w->lb = link_free(w->lb);
	UNTIL(w, strstr(w->log, "down"));
	for (i = 0; i < 50; i++) {
		w->now_ns += 1000 * MS;
		turn(w);
		(void)poll(NULL, 0, 1);
	}
	assert_string_equal(w->log, "down; "); /* once is enough */
	listen_open(w, port);
	UNTIL(w, (w->now_ns += 5 * MS, w->ups == 2)); /* a try may still be under way, and its rest is to come */
	world_free(w);
}

static int stranger(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (void *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Many who say nothing: only so many are let in, and one that has the key comes in all the same.  In the end time is over for them. */
static void test_strangers(void **state)
{
	struct world *w = world_new();
	int fds[3 * LINK_STRANGERS], i;

	(void)state;
	for (i = 0; i < (int)ARRAY_LEN(fds); i++) {
		fds[i] = stranger(link_port(w->lb));
		turn(w);
	}
	UNTIL(w, link_refused(w->lb)[SESSION_CROWD] == ARRAY_LEN(fds) - LINK_STRANGERS);
	session_open(w);
	w->now_ns += LINK_PATIENCE_MS * MS;
	link_turn(w->host, w->now_ns); /* its beat */
	UNTIL(w, link_refused(w->lb)[SESSION_LATE] == LINK_STRANGERS - 1);
	for (i = 0; i < (int)ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	world_free(w);
}

/* Bytes of something else: a request of HTTP. */
static void test_noise(void **state)
{
	static const char noise[] = "GET / HTTP/1.1\r\nHost: lb\r\n\r\n";
	struct world *w = world_new();
	int fd = stranger(link_port(w->lb));
	char c;

	(void)state;
	assert_int_equal(write(fd, noise, sizeof(noise) - 1), sizeof(noise) - 1);
	UNTIL(w, link_refused(w->lb)[SESSION_LENGTH] == 1);
	assert_true(recv(fd, &c, 1, 0) <= 0); /* closed, and nothing was said */
	(void)close(fd);
	world_free(w);
}

static void test_key_file(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int expected;
		const char *words;
	} cases[] = {
		{ "0123456789abcdef0123456789abcdef\n", 0600, 0, NULL },
		{ "0123456789abcdef0123456789abcdef\n", 0640, 0, NULL },
		{ "0123456789abcdef0123456789abcdef\n", 0644, -EPERM, "open to everybody (mode 0644)" },
		{ "0123456789abcdef0123456789abcdef\n", 0602, -EPERM, "open to everybody" },
		{ "0123456789abcdef0123456789abcde\n", 0600, -EINVAL, "less than 32 bytes" },
		{ "", 0600, -EINVAL, "less than 32 bytes" },
	};
	char path[] = "/tmp/saker-key-XXXXXX";
	struct secret got;
	size_t i;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, cases[i].text, strlen(cases[i].text), 0), strlen(cases[i].text));
		assert_int_equal(fchmod(fd, cases[i].mode), 0);
		assert_int_equal(secret_read(path, &got, &err), cases[i].expected);
		if (cases[i].words && !strstr(err.text, cases[i].words))
			fail_msg("%s", err.text);
		if (!cases[i].words)
			assert_int_equal(got.len, 32);
	}
	(void)close(fd);
	(void)unlink(path);
	fd = secret_read(path, &got, NULL);
	assert_int_equal(fd, -ENOENT);
}

static int setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	if (secret_prepare(&err) < 0)
		return -1;
	secret.len = other_secret.len = SECRET_MIN;
	secret_random(secret.bytes, SECRET_MIN);
	secret_random(other_secret.bytes, SECRET_MIN);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign),	  cmocka_unit_test(test_silent),  cmocka_unit_test(test_bye),
		cmocka_unit_test(test_again),	  cmocka_unit_test(test_refused), cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_strangers), cmocka_unit_test(test_noise),	  cmocka_unit_test(test_key_file),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
