/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that programs wrote: redis-server 7.0, etcd 3.4 (both loggers), nginx 1.22, PostgreSQL 15, Go 1.19, OpenJDK 17, Python
 * 3.11, ZooKeeper of Falcon's trace, systemd 252; where it says so, lines of the loggers' own documentation.  The moments are
 * those of date(1): `date -u -d ... +%s`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "lines/line.h"

#define S(s, ns) ((s)*NS_PER_SEC + (ns))

static const struct {
	const char *text;
	uint64_t unix_ns;
	uint8_t level;
} lines[] = {
	/* redis */
	{ "25039:C 25 Nov 2026 00:44:35.300 # Configuration loaded", S(1795567475, 300000000), LEVEL_WARNING },
	{ "25039:M 25 Nov 2026 00:44:35.301 * monotonic clock: POSIX clock_gettime", S(1795567475, 301000000),
	  LEVEL_INFO },
	{ "25039:signal-handler (1795567477) Received SIGTERM scheduling shutdown...", S(1795567477, 0), LEVEL_NONE },
	/* etcd, capnslog and zap */
	{ "2026-11-25 00:44:37.332560 I | etcdmain: etcd Version: 3.4.23", S(1795567477, 332560000), LEVEL_INFO },
	{ "2026-11-25 00:44:42.326607 N | pkg/osutil: received terminated signal, shutting down...",
	  S(1795567482, 326607000), LEVEL_INFO },
	{ "{\"level\":\"warn\",\"ts\":\"2026-11-25T00:44:42.326Z\",\"caller\":\"etcdmain/"
	  "etcd.go:161\",\"msg\":\"failed\"}",
	  S(1795567482, 326000000), LEVEL_WARNING },
	{ "[WARNING] Deprecated '--logger=capnslog' flag is set; use '--logger=zap' flag instead", 0, LEVEL_WARNING },
	/* nginx */
	{ "127.0.0.1 - - [25/Nov/2026:00:44:43 +0000] \"GET /x HTTP/1.1\" 200 2 \"-\" \"curl/7.88.1\"",
	  S(1795567483, 0), LEVEL_NONE },
	{ "2026/11/25 00:44:42 [notice] 25139#25139: using the \"epoll\" event method", S(1795567482, 0), LEVEL_INFO },
	{ "2026/11/25 00:44:43 [error] 25140#25140: *2 open() \"/usr/share/nginx/html/none\" failed", S(1795567483, 0),
	  LEVEL_ERROR },
	{ "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", 0, LEVEL_FATAL },
	/* PostgreSQL */
	{ "2026-11-25 00:44:46.669 UTC [25341] LOG:  starting PostgreSQL 15.18", S(1795567486, 669000000), LEVEL_INFO },
	{ "2026-11-25 00:44:48.212 UTC [25433] ERROR:  division by zero", S(1795567488, 212000000), LEVEL_ERROR },
	{ "2026-11-25 00:44:48.212 UTC [25433] STATEMENT:  select 1/0", S(1795567488, 212000000), LEVEL_INFO },
	{ "ERROR:  division by zero", 0, LEVEL_ERROR },
	{ "initdb: warning: enabling \"trust\" authentication for local connections", 0, LEVEL_WARNING },
	/* Java */
	{ "Nov 25, 2026 12:44:51 AM L main", S(1795567491, 0), LEVEL_NONE },
	{ "SEVERE: it broke", 0, LEVEL_ERROR },
	{ "java.lang.RuntimeException: inner", 0, LEVEL_ERROR },
	{ "Exception in thread \"main\" java.lang.IllegalStateException: end", 0, LEVEL_ERROR },
	/* ZooKeeper and log4j */
	{ "2018-05-09 16:43:48 INFO  QuorumPeerConfig:109 - Reading configuration from: zoo.cfg", S(1525884228, 0),
	  LEVEL_INFO },
	{ "2018-05-09 16:43:48 WARN  QuorumPeerConfig:445 - No server failure will be tolerated.", S(1525884228, 0),
	  LEVEL_WARNING },
	{ "2026-11-25 00:44:35,300 [myid:1] - ERROR [main:QuorumPeerMain@89] - Unexpected exception",
	  S(1795567475, 300000000), LEVEL_ERROR },
	/* Python */
	{ "2026-11-25 00:44:51,489 - app - WARNING - careful", S(1795567491, 489000000), LEVEL_WARNING },
	{ "ERROR:app:basic", 0, LEVEL_ERROR },
	{ "Traceback (most recent call last):", 0, LEVEL_ERROR },
	/* Go */
	{ "2026/11/25 00:44:51 plain line", S(1795567491, 0), LEVEL_NONE },
	{ "2026/11/25 00:44:51.123456 l.go:3: second", S(1795567491, 123456000), LEVEL_NONE },
	{ "panic: out of luck", 0, LEVEL_FATAL },
	/* syslog(3) to /dev/log, rsyslog's files, RFC 5424 section 6.5, sd-daemon(3) */
	{ "<27>Nov 25 00:44:51 app[123]: it failed", S(1795567491, 0), LEVEL_ERROR },
	{ "Nov  5 00:44:51 host sshd[1]: Accepted", S(1793839491, 0), LEVEL_NONE },
	{ "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed", S(1065910455, 3000000),
	  LEVEL_FATAL },
	{ "<7>only for those who look", 0, LEVEL_DEBUG },
	/* klog (k8s.io/klog/v2): header format Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg */
	{ "E1125 00:44:51.489000       1 reflector.go:138] Failed to watch", S(1795567491, 489000000), LEVEL_ERROR },
	{ "I20261125 00:44:51.489000 4711 main.cc:7] ready", S(1795567491, 489000000), LEVEL_INFO },
	/* logrus, go-kit, zap's floats, bunyan, MongoDB: from their documentation */
	{ "time=\"2015-03-26T01:27:38-04:00\" level=fatal msg=\"The ice breaks!\" number=100", S(1427347658, 0),
	  LEVEL_FATAL },
	{ "ts=2026-11-25T00:44:51.489Z caller=main.go:12 level=error err=\"no such file\"", S(1795567491, 489000000),
	  LEVEL_ERROR },
	{ "{\"level\":\"info\",\"ts\":1795567491.4890001,\"msg\":\"x\"}", S(1795567491, 489000100), LEVEL_INFO },
	{ "{\"name\":\"myapp\",\"hostname\":\"b\",\"pid\":1,\"level\":50,\"msg\":\"hi\",\"time\":\"2013-01-04T18:46:23."
	  "851Z\",\"v\":0}",
	  S(1357325183, 851000000), LEVEL_ERROR },
	{ "{\"t\":{\"$date\":\"2020-05-20T20:10:08.731+00:00\"},\"s\":\"W\",\"c\":\"CONTROL\",\"msg\":\"soft\"}",
	  S(1590005408, 731000000), LEVEL_WARNING },
	{ "1.795567491489e+09\tinfo\thello", 0, LEVEL_INFO },
	/* Rust's env_logger, containerd, RabbitMQ, Tomcat */
	{ "[2026-11-25T00:44:51Z ERROR app::net] refused", S(1795567491, 0), LEVEL_ERROR },
	{ "2026-11-25 00:44:51.489000+00:00 [warning] <0.1.0> low on disk", S(1795567491, 489000000), LEVEL_WARNING },
	{ "25-Nov-2026 00:44:51.489 SEVERE [main] org.apache.Catalina failed", S(1795567491, 489000000), LEVEL_ERROR },
	{ "[Wed Nov 25 00:44:51.489000 2026] [core:error] [pid 1] AH1: no", S(1795567491, 489000000), LEVEL_NONE },
	{ "1795567491.489 up", S(1795567491, 489000000), LEVEL_NONE },
	/* words that are no levels */
	{ "no error was found in 12 files", 0, LEVEL_NONE },
	{ "INFO 0 ERROR messages", 0, LEVEL_INFO },
	{ "the error rate is 0.1", 0, LEVEL_NONE },
	{ "x=1", 0, LEVEL_NONE },
	{ "", 0, LEVEL_NONE },
	{ "{", 0, LEVEL_NONE },
	{ "{\"a\":\"", 0, LEVEL_NONE },
	{ "2026-13-25 00:44:51 no such month", 0, LEVEL_NONE },
	{ "2026-11-25", 0, LEVEL_NONE },
};

/* Years that are not there: the one that is closest to this. */
static const struct stamp_opts utc = { .near_ns = S(1795567491, 0) };

static void test_lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(lines); i++) {
		struct line_info info;

		line_recognise(lines[i].text, strlen(lines[i].text), NULL, &utc, &info);
		if (info.unix_ns != lines[i].unix_ns || info.level != lines[i].level)
			fail_msg("'%s': time %llu, level %u", lines[i].text, (unsigned long long)info.unix_ns,
				 info.level);
		assert_int_equal(info.stamped, lines[i].unix_ns != 0);
	}
}

/* What is left open by a stamp. */
static void test_zones(void **state)
{
	static const char text[] = "2026-11-25 00:44:51 x", old[] = "Dec 31 23:59:59 x", leap[] = "Feb 29 12:00:00 x";
	struct stamp_opts east = { .zone_s = 3600 }, local = { .local = true },
			  new_year = { .near_ns = S(1798761601, 0) };
	struct stamp_opts year = { .year = 2024 };
	struct stamp s;

	(void)state;
	assert_true(line_stamp(text, strlen(text), &east, &s));
	assert_int_equal(s.unix_ns, S(1795563891, 0));
	assert_int_equal(setenv("TZ", "CET-1", 1), 0);
	tzset();
	assert_true(line_stamp(text, strlen(text), &local, &s));
	assert_int_equal(s.unix_ns, S(1795563891, 0));
	/* read two seconds after midnight: it is last year's */
	assert_true(line_stamp(old, strlen(old), &new_year, &s));
	assert_int_equal(s.unix_ns, S(1798761599, 0));
	assert_true(line_stamp(leap, strlen(leap), &year, &s));
	assert_int_equal(s.unix_ns, S(1709208000, 0));
}

static const struct {
	const char *format, *text;
	uint64_t unix_ns; /* 0: no match */
} patterns[] = {
	{ "%Y-%m-%dT%H:%M:%S%z", "2026-11-25T02:44:51+02:00 x", S(1795567491, 0) },
	{ "%* at %T on %F", "begun at 00:44:51 on 2026-11-25", S(1795567491, 0) },
	{ "(%s)", "(1795567491.5) x", S(1795567491, 500000000) },
	{ "%L", "1795567491489", S(1795567491, 489000000) },
	{ "%U", "1795567491489001", S(1795567491, 489001000) },
	{ "%N", "1795567491489001002", S(1795567491, 489001002) },
	{ "%i/%d.%m.%y %I:%M:%S %p", "7/25.11.26 12:44:51 AM", S(1795567491, 0) },
	{ "[%[%i%] ]%F %T", "2026-11-25 00:44:51", S(1795567491, 0) },
	{ "[%[%i%] ]%F %T", "[12] 2026-11-25 00:44:51", S(1795567491, 0) },
	{ "%F %T", "2026-11-25  00:44:51", S(1795567491, 0) },
	{ "%F %T", "2026-11-25T00:44:51", 0 },
	{ "%F %T", "2026-11-25 24:44:51", 0 },
	{ "%A, %d %B %Y %H.%M.%S", "Wednesday, 25 November 2026 00.44.51", S(1795567491, 0) },
	{ "%*%*%*%*%*%*%s",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0 },
};

static void test_patterns(void **state)
{
	struct err err = ERR_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(patterns); i++) {
		struct stamp s = { 0 };

		assert_int_equal(stamp_format_check(patterns[i].format, &err), 0);
		(void)stamp_match(patterns[i].format, patterns[i].text, strlen(patterns[i].text), &utc, &s);
		if (s.unix_ns != patterns[i].unix_ns)
			fail_msg("'%s' of '%s': %llu", patterns[i].format, patterns[i].text,
				 (unsigned long long)s.unix_ns);
	}
}

static void test_bad_patterns(void **state)
{
	static const struct {
		const char *format, *says;
	} bad[] = {
		{ "%F %Q", "'%Q', which stands for nothing" },
		{ "%F %", "'%', which stands for nothing" },
		{ "[%F %T", "a [ without its ]" },
		{ "%F %T]", "a ] without its [" },
		{ "%H:%M:%S", "no day and hour" },
		{ "%F", "no day and hour" },
		{ "", "no day and hour" },
		{ "[a][a][a][a][a][a][a][a][a]%F %T", "more than 8" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(stamp_format_check(bad[i].format, &err), -EINVAL);
		if (!strstr(err.text, bad[i].says))
			fail_msg("'%s': %s", bad[i].format, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_bad_patterns),
		cmocka_unit_test(test_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
