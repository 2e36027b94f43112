/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as strace 6.1 wrote them (and as its manual shows them), and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "import/strace_line.h"

static void lines(void **state)
{
	static const struct {
		const char *text;
		enum strace_kind kind;
		uint32_t tid;
		uint64_t ns;
		const char *rest;
	} table[] = {
		{ "9027  1795566765.604772 brk(NULL)       = 0x5560bc7d8000", STRACE_CALL, 9027, 1795566765604772000ULL,
		  "brk(NULL)       = 0x5560bc7d8000" },
		{ "[pid  9027] 1795566765.604772 pause( <unfinished ...>", STRACE_UNFINISHED, 9027,
		  1795566765604772000ULL, "pause(" },
		{ "1795566765.5 <... clone resumed>, child_tidptr=0x7f) = 9029", STRACE_RESUMED, 0,
		  1795566765500000000ULL, ", child_tidptr=0x7f) = 9029" },
		{ "1 1.000000001 --- SIGCHLD {si_signo=SIGCHLD, si_pid=9028} ---", STRACE_SIGNAL, 1, 1000000001ULL,
		  "SIGCHLD {si_signo=SIGCHLD, si_pid=9028}" },
		{ "1 1.0 --- stopped by SIGSTOP ---", STRACE_STOPPED, 1, 1000000000ULL, "SIGSTOP" },
		{ "1 1.0 +++ killed by SIGSEGV (core dumped) +++", STRACE_KILLED, 1, 1000000000ULL, "SIGSEGV" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = ERR_INIT;
		struct strace_line l;
		char text[256];

		(void)snprintf(text, sizeof(text), "%s", table[i].text);
		assert_int_equal(strace_line_parse(text, &l, &err), 0);
		assert_int_equal(l.kind, table[i].kind);
		assert_int_equal(l.tid, table[i].tid);
		assert_int_equal(l.ns, table[i].ns);
		assert_string_equal(l.text, table[i].rest);
	}
}

static void refused(void **state)
{
	static const char *const table[] = {
		"",
		"read(3, \"\", 1) = 0",
		"12:00:00 read(3, \"\", 1) = 0",
		"7 99999999999999999999.0 pause()",
		"[pid 7 1.0 pause()",
		"7 1.0 +++ gone +++",
		"7 1.0 --- SIGCHLD",
		"7 1.0 <... read",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = ERR_INIT;
		struct strace_line l;
		char text[128];

		(void)snprintf(text, sizeof(text), "%s", table[i]);
		assert_int_equal(strace_line_parse(text, &l, &err), -EBADMSG);
		assert_true(err.text[0]);
	}
}

static void calls(void **state)
{
	static const struct {
		const char *text, *name;
		unsigned int argc;
		const char *last; /* argument */
		int64_t value;
		const char *error, *fd;
		uint64_t spent_ns;
	} table[] = {
		{ "read(3</a,b)\\74>, \"x\\\"),(\"..., 832) = 832", "read", 3, "832", 832, NULL, NULL, 0 },
		{ "accept4(6<TCPv6:[[::1]:5]>, {sa_family=AF_INET6, sin6_port=htons(5)}, [28], 0) = "
		  "8<TCPv6:[[::1]:5->[::1]:6]> <0.000020>",
		  "accept4", 4, "0", 8, NULL, "TCPv6:[[::1]:5->[::1]:6]", 20000 },
		{ "access(\"/etc\", R_OK) = -1 ENOENT (No such file or directory)", "access", 2, "R_OK", -1, "ENOENT",
		  NULL, 0 },
		{ "mmap(NULL, 8, PROT_READ|PROT_WRITE, 1<<21, -1, 0) = 0x7f7c530ed000", "mmap", 6, "0", 0x7f7c530ed000,
		  NULL, NULL, 0 },
		{ "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 9028", "wait4", 4, "NULL", 9028, NULL,
		  NULL, 0 },
		{ "getuid()        = 0", "getuid", 0, NULL, 0, NULL, NULL, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = ERR_INIT;
		struct strace_call c;
		char text[256];

		(void)snprintf(text, sizeof(text), "%s", table[i].text);
		assert_int_equal(strace_call_parse(text, &c, &err), 0);
		assert_string_equal(c.name, table[i].name);
		assert_int_equal(c.argc, table[i].argc);
		if (c.argc)
			assert_string_equal(c.argv[c.argc - 1], table[i].last);
		assert_int_equal(c.value, table[i].value);
		assert_int_equal(c.spent_ns, table[i].spent_ns);
		assert_string_equal(c.error ? c.error : "", table[i].error ? table[i].error : "");
		assert_string_equal(c.value_fd ? c.value_fd : "", table[i].fd ? table[i].fd : "");
	}
}

static void sockets(void **state)
{
	static const uint8_t here[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 }, v6[16] = { [15] = 1 };
	struct strace_sock k;
	uint8_t addr[16];
	uint16_t port;

	(void)state;
	assert_true(strace_sock_parse("TCP:[127.0.0.1:51072->127.0.0.1:45733]", &k) && k.connected);
	assert_int_equal(k.local_port, 51072);
	assert_int_equal(k.remote_port, 45733);
	assert_memory_equal(k.local, here, 16);
	assert_true(strace_sock_parse("UDPv6:[[::1]:53]", &k) && k.bound && !k.connected);
	assert_memory_equal(k.local, v6, 16);
	assert_true(strace_sock_parse("TCP:[2948878]", &k) && !k.bound && k.inode == 2948878);
	assert_false(strace_sock_parse("UNIX-STREAM:[1->2]", &k));
	assert_false(strace_sock_parse("TCP:[1.2.3.4:99999->1.2.3.4:1]", &k) && k.connected);
	assert_true(strace_addr_parse("{sa_family=AF_INET, sin_port=htons(39467), sin_addr=inet_addr(\"127.0.0.1\")}",
				      addr, &port));
	assert_int_equal(port, 39467);
	assert_memory_equal(addr, here, 16);
	assert_false(strace_addr_parse("NULL", addr, &port));
}

static void strings(void **state)
{
	char out[8];
	bool whole;

	(void)state;
	assert_int_equal(strace_string("\"a\\n\\1012\\\"\"", out, sizeof(out), &whole), 5);
	assert_memory_equal(out, "a\nA2\"", 5);
	assert_true(whole);
	assert_int_equal(strace_string("\"ab\"...", out, sizeof(out), &whole), 2);
	assert_false(whole);
	assert_int_equal(strace_string("NULL", out, sizeof(out), &whole), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),   cmocka_unit_test(refused), cmocka_unit_test(calls),
		cmocka_unit_test(sockets), cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
