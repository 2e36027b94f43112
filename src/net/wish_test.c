/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/ipvs.h"
#include "net/why.h"

#define HEAD "interfaces:\n  eth0:\n"

/* Each document has one error, or errors, at these lines, with these words. */
static const struct {
	const char *text;
	unsigned line;
	const char *words;
} wrong[] = {
	{ "", 1, "empty" },
	{ "[1, 2]", 1, "mapping" },
	{ "interfaces: {eth0: {vips: [}}", 1, "no YAML" },
	{ "interfaces:\n\teth0:\n", 2, "no YAML" },
	{ "interface: {}\n", 1, "'interface'" },
	{ HEAD "    colour: red\n", 3, "'colour'" },
	{ HEAD "    ring: 65536\n", 2, "prime" },
	{ HEAD "    mode: gre\n", 3, "mode is" },
	{ HEAD "    router: 10.0.0\n", 3, "router" },
	{ HEAD "    hook: egress\n", 3, "hook is" },
	{ HEAD "    generic: true\n    hook: tc\n", 4, "a kind of XDP" },
	{ HEAD "    udp-idle: 0\n", 3, "udp-idle" },
	{ HEAD "    decap: {ipip: perhaps}\n", 3, "true or false" },
	{ HEAD "    decap: {ends: [10.0.0.1]}\n", 2, "ipip: true" },
	{ HEAD "    gue: {source4: '::1'}\n", 3, "IPv4" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1:80\n", 4, "/tcp or /udp" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1/tcp\n", 4, "no port" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1:65536/tcp\n", 4, "no port" },
	{ HEAD "    vips:\n      - vip: 10.0.0.256:80/tcp\n", 4, "no address" },
	{ HEAD "    vips:\n      - vip: '2001:db8::1:80/tcp'\n", 4, "brackets" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1/33:80/tcp\n", 4, "bad prefix" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1/24:80/tcp\n", 4, "bad prefix" },
	{ HEAD "    vips:\n      - backends: [10.1.0.1]\n", 4, "without" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp}\n      - {vip: 10.0.0.1:80/tcp}\n", 5, "line 4" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, flags: [fast]}\n", 4, "'fast'" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, backends: [web]}\n", 4, "unknown backend" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, backends: [10.1.0.1, 10.1.0.1]}\n", 4, "twice" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, backends: [{address: 10.1.0.1, weight: 65536}]}\n", 4,
	  "weight" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, backends: [{address: 10.1.0.1, mode: nat}]}\n", 4,
	  "a VIP's" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, backends: [10.1.0.1]}\n"
	       "      - {vip: 10.0.0.1:81/tcp, mode: gue, backends: [10.1.0.1]}\n",
	  5, "another way" },
	{ HEAD "    routes:\n      - {network: 10.0.0.0/8, backend: 10.1.0.1}\n", 4, "unknown backend" },
	{ "interfaces:\n  eth0:\n  eth0:\n", 3, "line 2" },
	{ "interfaces:\n  'a/b':\n", 2, "interface's name" },
	{ HEAD "    backends:\n      '10.0.0.1': 10.0.0.1\n", 4, "cannot be a backend's name" },
	{ HEAD "    health: {kind: icmp}\n", 3, "kind is none, tcp, http, https, tls or udp" },
	{ HEAD "    health: {rise: 0}\n", 3, "rise" },
	{ HEAD "    health: {interval: 1ms}\n", 3, "interval" },
	{ HEAD "    health: {path: here}\n", 3, "begins with" },
	{ HEAD "    health: {path: \"/ HTTP/1.0\\r\\nX: y\"}\n", 3, "without spaces" },
	{ HEAD "    health: {text: \"\"}\n", 3, "text has 1 to 199" },
	{ HEAD "    health: {status: 99}\n", 3, "100 to 599" },
	{ HEAD "    health: {status: 300-200}\n", 3, "100 to 599" },
	{ HEAD "    health: {kind: tcp, interval: 200ms}\n    vips:\n      - vip: 10.0.0.1:80/tcp\n", 5,
	  "longer than its interval" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, health: {kind: udp}}\n", 4, "`send`" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, health: {kind: tls, verify: on}}\n", 4, "`host`" },
	{ HEAD "    health: {kind: tcp}\n    vips:\n      - vip: 10.0.0.1:*/tcp\n", 5, "any port" },
	{ HEAD "    backends: {a: 10.1.0.5}\n    marks: [{mark: 0x5a6b0001, backend: a}]\n", 4, "Saker's own checks" },
	{ HEAD "    health: live\n", 3, "{mode: live}" },
	{ HEAD "    vips:\n      - vip: 224.0.0.1:80/tcp\n", 4, "multicast" },
	{ HEAD "    vips:\n      - vip: 127.0.0.1:80/tcp\n", 4, "loopback" },
	{ HEAD "    vips:\n      - vip: '[::ffff:10.0.0.1]:80/tcp'\n", 4, "IPv4 address written as IPv6" },
	{ HEAD "    vips:\n      - vip: '[ff02::/16]:80/tcp'\n", 4, "multicast" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1:80/tcp\n        backends: [0.0.0.0]\n", 5, "no address of a host" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1:80/tcp\n        backends: [255.255.255.255]\n", 5, "broadcast" },
	{ HEAD "    vips:\n      - vip: 10.0.0.1:80/tcp\n        backends: ['::1']\n", 5, "loopback" },
	{ HEAD "    health: {mode: on}\n", 3, "off, shadow or live" },
	{ HEAD "    health: {load: yes}\n", 3, "off or on" },
	{ HEAD "    health: {eject-max: 101}\n", 3, "eject-max" },
	{ HEAD "    health: {base-eject: 2h}\n", 2, "max-eject" },
	{ HEAD "    vips:\n      - {vip: 10.0.0.1:80/tcp, health: {colour: red}}\n", 4, "'colour' of health" },
};

static void test_errors(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		struct wish_errors errors = { 0 };
		struct wish wish = { 0 };

		assert_int_equal(wish_read(wrong[i].text, strlen(wrong[i].text), &wish, &errors), -EINVAL);
		if (errors.count != 1 || errors.rows[0].line != wrong[i].line ||
		    !strstr(errors.rows[0].text, wrong[i].words))
			fail_msg("%s: %zu errors, the first in line %u: %s", wrong[i].text, errors.count,
				 errors.rows[0].line, errors.rows[0].text);
		wish_errors_fini(&errors);
	}
}

static const char all[] =
	"interfaces:\n"
	"  eth0:\n"
	"    mode: gue\n"
	"    router: sender\n"
	"    hook: tc\n"
	"    ring: 4099\n"
	"    udp-idle: 2m\n"
	"    nat-idle: 2h\n"
	"    nat-udp-idle: 5m\n"
	"    nat-table: 2048\n"
	"    drop-too-big: yes\n"
	"    health: {mode: live, eject-max: 30, slow-start: 1m, kind: http, path: /up, host: a.example, interval: 2s, "
	"timeout: 250ms, status: 200-399, text: \"o k\\n\"}\n"
	"    gue: {port: 9886, source4: 10.0.0.9}\n"
	"    decap: {ipip: true, source: true, strict: true, ends: [10.0.0.2, {address: '2001:db8::2', to: stages}]}\n"
	"    backends:\n"
	"      web: {address: 10.1.0.5, weight: 10}\n"
	"    vips:\n"
	"      - vip: 10.0.0.1:443/tcp\n"
	"        flags: [quic, no-source-port]\n"
	"        health: {mode: shadow, load: on}\n"
	"        backends: [web, {address: 10.1.0.6, weight: 0, down: true, mode: ipip}]\n"
	"      - {vip: '[2001:db8::/64]:*/udp', backends: ['2001:db8:1::1'], health: {kind: udp, port: 53, send: "
	"'0x00ff', answer: \"\\\"\"}}\n"
	"      - {vip: 10.0.0.2:80/tcp, mode: nat, nat-port: 8080, backends: [10.1.0.7], health: {kind: tls, status: "
	"200, verify: on}}\n"
	"      - {vip: 10.0.0.3:80/tcp, mode: l2, backends: [{address: 10.1.0.7, mac: 02:00:00:00:00:02}]}\n"
	"    routes: [{network: 192.0.2.0/24, backend: web}]\n"
	"    ids: [{id: 1022, backend: 10.1.0.5}]\n"
	"    marks: [{mark: 5, backend: web}]\n"
	"  eth1:\n";

static void read_right(const char *text, struct wish *ret)
{
	struct wish_errors errors = { 0 };

	if (wish_read(text, strlen(text), ret, &errors) < 0)
		fail_msg("line %u: %s", errors.rows[0].line, errors.rows[0].text);
}

static void test_all(void **state)
{
	struct wish wish = { 0 };
	char text[WISH_VIP_TEXT];
	struct wish_health h;
	const struct wish_if *f;

	(void)state;
	read_right(all, &wish);
	f = &wish.ifs[0];
	assert_int_equal(wish.nifs, 2);
	assert_int_equal(f->nvips, 4);
	assert_int_equal(f->ring, 4099);
	assert_int_equal(f->udp_idle_s, 120);
	assert_int_equal(f->nat_idle_s, 7200);
	assert_int_equal(f->nat_udp_idle_s, 300);
	assert_int_equal(f->nat_table, 2048);
	assert_int_equal(f->gue_port, 9886);
	assert_true(f->drop_too_big);
	assert_true(f->decap_source);
	assert_int_equal(f->ndecaps, 2);
	assert_int_equal(f->decaps[1].what, LB_DECAP_AGAIN);
	assert_string_equal(f->vips[0].backends[0].name, "web");
	assert_int_equal(f->vips[0].backends[0].weight, 10);
	assert_int_equal(f->vips[0].backends[0].mode, WISH_GUE);
	assert_int_equal(f->vips[0].backends[1].mode, WISH_IPIP);
	assert_true(f->vips[0].backends[1].down);
	assert_int_equal(f->vips[0].vip.flags, LB_VIP_QUIC | LB_VIP_NO_SRC_PORT);
	assert_string_equal(wish_vip_text(&f->vips[1].vip, text), "[2001:db8::/64]:*/udp");
	assert_int_equal(f->vips[2].vip.flags, LB_VIP_NAT);
	assert_int_equal(f->vips[2].vip.nat_port, 8080);
	assert_int_equal(f->vips[3].vip.flags, LB_VIP_L2);
	assert_int_equal(f->vips[3].backends[0].mac[5], 2);
	assert_int_equal(f->routes.rows[0].bits, 24);
	assert_int_equal(f->ids.rows[0].id, 1022);
	assert_true(wish_health_checks(f, &f->vips[0], &h));
	assert_int_equal(h.kind, WISH_CHECK_HTTP);
	assert_int_equal(h.interval_ms, 2000);
	assert_int_equal(h.timeout_ms, 250);
	assert_int_equal(h.status, 200 << 16 | 399);
	assert_string_equal(h.text, "o k\n");
	assert_true(wish_health_checks(f, &f->vips[1], &h));
	assert_int_equal(h.port, 53);
	assert_string_equal(h.answer, "\"");
	assert_true(wish_health_checks(f, &f->vips[2], &h));
	assert_int_equal(h.status, 200 << 16 | 200);
	assert_string_equal(h.host, "a.example");
	wish_fini(&wish);
}

/* What is written reads as the same wish: as YAML, and as JSON, which jansson must read, too. */
static void test_written(void **state)
{
	struct wish wish = { 0 }, again = { 0 }, third = { 0 };
	struct buf yaml = BUF_INIT, json = BUF_INIT, yaml2 = BUF_INIT, yaml3 = BUF_INIT;
	json_t *parsed;

	(void)state;
	read_right(all, &wish);
	wish_yaml(&wish, &yaml);
	read_right(yaml.data, &again);
	wish_yaml(&again, &yaml2);
	assert_string_equal(yaml.data, yaml2.data);
	assert_int_equal(again.ifs[0].vips[2].vip.flags, LB_VIP_NAT);
	assert_string_equal(again.ifs[0].vips[1].health.send, "0x00ff");
	assert_int_equal(again.ifs[0].health.status, 200 << 16 | 399);
	assert_int_equal(again.ifs[0].vips[0].backends[1].mode, WISH_IPIP);
	wish_json(&wish, &json);
	parsed = json_loads(json.data, 0, NULL);
	assert_non_null(parsed);
	json_decref(parsed);
	read_right(json.data, &third);
	wish_yaml(&third, &yaml3);
	assert_string_equal(yaml.data, yaml3.data);
	buf_fini(&yaml);
	buf_fini(&json);
	buf_fini(&yaml2);
	buf_fini(&yaml3);
	wish_fini(&wish);
	wish_fini(&again);
	wish_fini(&third);
}

/* Interfaces may have nearly any name; what the kept wish says must be read again. */
static void test_names(void **state)
{
	static const char *const names[] = { "#x", "*x", "[x]", "{a", "!x", "\"q",	"a'b",
					     "&a", "|",	 "`x",	"-",  "~",  "eth0.100", "a\\b" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(names); i++) {
		struct wish wish = { 0 }, again = { 0 };
		struct buf yaml = BUF_INIT;

		assert_non_null(wish_add(&wish, names[i]));
		wish_yaml(&wish, &yaml);
		read_right(yaml.data, &again);
		assert_int_equal(again.nifs, 1);
		assert_string_equal(again.ifs[0].name, names[i]);
		buf_fini(&yaml);
		wish_fini(&wish);
		wish_fini(&again);
	}
}

static void test_changes(void **state)
{
	struct wish wish = { 0 };
	struct wish_if copy;
	struct lb_wish_vip vip;
	struct err err = ERR_INIT;

	(void)state;
	read_right(all, &wish);
	assert_true(wish_if_copy(&copy, &wish.ifs[0]));
	assert_int_equal(wish_vip_parse("10.0.0.1:443/tcp", &vip, &err), 0);
	assert_int_equal(wish_vip_add(&copy, &vip, &err), -EEXIST);
	assert_int_equal(wish_vip_del(&copy, &vip, &err), 0);
	assert_int_equal(wish_vip_del(&copy, &vip, &err), -ENOENT);
	assert_int_equal(copy.nvips, 3);
	assert_int_equal(wish.ifs[0].nvips, 4);
	assert_int_equal(wish_backend_del(&wish.ifs[0].vips[0], &wish.ifs[0].vips[0].backends[0].addr, &err), 0);
	assert_int_equal(wish.ifs[0].vips[0].nbackends, 1);
	wish_if_fini(&copy);
	wish_fini(&wish);
}

static void test_ipvs(void **state)
{
	static const char text[] = "-A -t 10.0.0.10:443 -s mh\n"
				   "-a -t 10.0.0.10:443 -r 10.1.0.5:8443 -m -w 10\n"
				   "-a -t 10.0.0.10:443 -r 10.1.0.6:443 -m -w 10\n"
				   "-A -u [2001:db8::1]:53 -s mh -o\n"
				   "-a -u [2001:db8::1]:53 -r [2001:db8::5]:53 -i -w 1 --tun-type gue\n"
				   "-A -f 1 -s rr\n"
				   "-a -t 10.0.0.12:80 -r 10.1.0.5:80 -g -w 1\n";
	static const unsigned lines[] = { 3, 6, 7 };
	struct wish_errors cannot = { 0 };
	struct wish wish = { 0 };
	size_t i;

	(void)state;
	assert_int_equal(ipvs_read(text, strlen(text), "eth0", &wish, &cannot), 0);
	assert_int_equal(cannot.count, ARRAY_LEN(lines));
	for (i = 0; i < ARRAY_LEN(lines); i++)
		assert_int_equal(cannot.rows[i].line, lines[i]);
	assert_int_equal(wish.ifs[0].nvips, 2);
	assert_int_equal(wish.ifs[0].vips[0].vip.flags, LB_VIP_NAT);
	assert_int_equal(wish.ifs[0].vips[0].vip.nat_port, 8443);
	assert_int_equal(wish.ifs[0].vips[0].nbackends, 1);
	assert_int_equal(wish.ifs[0].vips[1].vip.flags, LB_VIP_STATELESS);
	assert_int_equal(wish.ifs[0].vips[1].backends[0].mode, WISH_GUE);
	wish_errors_fini(&cannot);
	wish_fini(&wish);
}

/* The frame's bytes by hand: RFC 791, RFC 9293. */
static void test_frame(void **state)
{
	static const uint8_t want[] = { 0x08, 0x00, 0x45, 0x00, 0x00, 0x28, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0x26,
					0xce, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02, 0x10, 0x92, 0x01, 0xbb };
	uint8_t frame[128];
	size_t len = 0;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(why_frame("10.0.0.1:4242 > 10.0.0.2:443/tcp", 2, frame, &len, &err), 0);
	assert_int_equal(len, 54);
	assert_memory_equal(frame + 12, want, sizeof(want));
	assert_int_equal(frame[47], 2);
	assert_int_equal(why_frame("[2001:db8::1]:1 > [2001:db8::2]:53/udp", 2, frame, &len, &err), 0);
	assert_int_equal(len, 62);
	assert_true(why_frame("10.0.0.1:4242 > [::1]:443/tcp", 2, frame, &len, &err) < 0);
	assert_true(why_frame("10.0.0.1:4242", 2, frame, &len, &err) < 0);
	assert_true(why_frame("10.0.0.1 > 10.0.0.2:443/tcp", 2, frame, &len, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),	cmocka_unit_test(test_all),  cmocka_unit_test(test_written),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_ipvs), cmocka_unit_test(test_frame),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("wish", tests, NULL, NULL);
}
