/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "explain/who.h"

static union {
	struct event_header h;
	char bytes[1024];
} room;

static struct event_header head(uint16_t type, uint64_t ns, uint32_t tgid)
{
	return (struct event_header) { .type = type, .boot_ns = ns, .tgid = tgid, .tid = tgid };
}

static struct event built(const void *fixed, const char *text)
{
	const char *strings[] = { text, "", "", NULL };
	const struct event_type *type = event_static_type(((const struct event_header *)fixed)->type);
	unsigned int i, n = 0;

	for (i = 0; i < type->nfields; i++)
		n += type->fields[i].kind == EVENT_STR;
	strings[n] = NULL;
	assert_true(event_build(&room, sizeof(room), fixed, strings) > 0);
	return (struct event) { .boot_ns = room.h.boot_ns, .type = type, .h = &room.h };
}

static void learn(struct who *w, const void *fixed, const char *text)
{
	struct event ev = built(fixed, text);

	who_learn(w, &ev);
}

static void learn_exec(struct who *w, uint64_t ns, uint32_t tgid, uint64_t netns, uint64_t cgroup, const char *comm)
{
	struct event_exec e = { .h = head(EVENT_EXEC, ns, tgid), .netns = netns, .cgroup = cgroup };

	learn(w, &e, comm);
}

static void learn_fork(struct who *w, uint64_t ns, uint32_t parent, uint32_t child, uint32_t flags)
{
	struct event_fork e = {
		.h = head(EVENT_FORK, ns, parent), .child_tgid = child, .child_tid = child, .flags = flags
	};

	learn(w, &e, "sh");
}

/* The command name at that moment, as an event of any type of the process asks for it. */
static const char *process_at(struct who *w, uint64_t ns, uint32_t tgid)
{
	struct event_mark e = { .h = head(EVENT_MARK, ns, tgid) };
	struct event ev = built(&e, "");

	return who_process(w, &ev);
}

static const char *host_name(void *arg, uint32_t host)
{
	(void)arg;
	return host ? "second" : "first";
}

static void test_names_in_time(void **state)
{
	static const struct {
		uint64_t ns;
		uint32_t tgid;
		const char *comm;
	} rows[] = {
		{ 50, 10, "sh" }, /* before anything is known: the first that is */
		{ 100, 10, "sh" }, { 199, 10, "sh" },  { 200, 10, "etcd" }, { 900, 10, "etcd" },
		{ 150, 20, "sh" }, { 250, 20, "cat" }, { 450, 20, "sh" }, /* its number was used again */
		{ 300, 30, "" },
	};
	struct who *w = NULL;
	size_t i;

	(void)state;
	assert_int_equal(who_new(host_name, NULL, false, &w), 0);
	learn_exec(w, 100, 10, 1, 1, "sh");
	learn_fork(w, 150, 10, 20, 0);
	learn_exec(w, 200, 10, 1, 1, "etcd");
	learn_exec(w, 250, 20, 1, 1, "cat");
	learn_fork(w, 400, 10, 20, 0);
	learn_exec(w, 100, 10, 1, 1, "sh"); /* a second pass changes nothing */
	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(process_at(w, rows[i].ns, rows[i].tgid), rows[i].comm) != 0)
			fail_msg("%u at %llu is called '%s'", rows[i].tgid, (unsigned long long)rows[i].ns,
				 process_at(w, rows[i].ns, rows[i].tgid));
	(void)who_free(w);
}

static void learn_places(struct who *w)
{
	struct event_netns one = { .h = head(EVENT_NETNS, 1, 0), .netns = 1 }, two = one;
	struct event_cgroup group = { .h = head(EVENT_CGROUP, 1, 0), .cgroup = 7 };

	two.netns = 2;
	learn(w, &one, "node1");
	learn(w, &two, "node2");
	learn(w, &group, "/system.slice/etcd.service");
}

/* A socket's namespace and owner stand for events that have no process, or one that has moved. */
static void test_places(void **state)
{
	struct event_listen listen = {
		.h = head(EVENT_LISTEN, 20, 10), .sock = 5, .netns = 1, .family = SOCKFAMILY_INET
	};
	struct event_send send = { .h = head(EVENT_SEND, 30, 10), .sock = 5 };
	struct event_mark mark = { .h = head(EVENT_MARK, 30, 10) };
	struct event_reset reset = { .h = head(EVENT_RESET, 30, 0), .sock = 5 };
	struct event_reset far = { .h = head(EVENT_RESET, 30, 0), .netns = 2 };
	struct who_ends ends;
	struct who *w = NULL;
	struct event ev;

	(void)state;
	assert_int_equal(who_new(host_name, NULL, false, &w), 0);
	learn_places(w);
	learn_exec(w, 10, 10, 1, 7, "etcd");
	learn(w, &listen, "");
	learn_exec(w, 25, 10, 2, 7, "etcd"); /* moved */
	ev = built(&mark, "");
	assert_string_equal(who_host(w, &ev), "node2");
	assert_string_equal(who_cgroup(w, &ev), "/system.slice/etcd.service");
	assert_string_equal(who_unit(w, &ev), "etcd.service");
	assert_string_equal(who_container(w, &ev), "");
	assert_false(who_sock(w, &ev, &ends));
	ev = built(&send, "");
	assert_string_equal(who_host(w, &ev), "node1");
	assert_true(who_sock(w, &ev, &ends));
	ev = built(&reset, "");
	assert_string_equal(who_host(w, &ev), "node1");
	assert_string_equal(who_process(w, &ev), "etcd");
	assert_int_equal(who_pid(w, &ev), 10);
	ev = built(&far, "");
	assert_string_equal(who_host(w, &ev), "node2");
	assert_string_equal(who_process(w, &ev), "");
	ev.host = 1; /* the same numbers on another host mean others */
	assert_string_equal(who_host(w, &ev), "second");
	(void)who_free(w);
}

/* Of several hosts each is called by its name, whatever its namespaces are called. */
static void test_several(void **state)
{
	struct event_mark mark = { .h = head(EVENT_MARK, 30, 10) };
	struct who *w = NULL;
	struct event ev;

	(void)state;
	assert_int_equal(who_new(host_name, NULL, true, &w), 0);
	learn_places(w);
	learn_exec(w, 10, 10, 1, 7, "etcd");
	ev = built(&mark, "");
	assert_string_equal(who_host(w, &ev), "first");
	assert_string_equal(who_place(w, &ev), "node1");
	(void)who_free(w);
}

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A container is the place of its processes, by its name or what is known of it; not of what others do to its sockets. */
static void test_containers(void **state)
{
	struct event_cgroup group = { .h = head(EVENT_CGROUP, 1, 0), .cgroup = 8 }, nameless = group;
	struct event_container container = { .h = head(EVENT_CONTAINER, 1, 0), .cgroup = 8 };
	struct event_mark mark = { .h = head(EVENT_MARK, 30, 10) };
	struct event_reset reset = { .h = head(EVENT_RESET, 30, 0), .netns = 1 };
	struct who *w = NULL;
	struct event ev;

	(void)state;
	nameless.cgroup = 9;
	assert_int_equal(who_new(host_name, NULL, false, &w), 0);
	learn_places(w);
	learn(w, &group, "/machine.slice/libpod-" CONTAINER ".scope/container");
	learn(w, &container, "web");
	learn(w, &nameless, "/docker/" CONTAINER);
	learn_exec(w, 10, 10, 1, 8, "sh");
	ev = built(&mark, "");
	assert_string_equal(who_container(w, &ev), "web");
	assert_string_equal(who_host(w, &ev), "web");
	assert_string_equal(who_unit(w, &ev), "libpod-" CONTAINER ".scope");
	ev = built(&reset, "");
	assert_string_equal(who_host(w, &ev), "node1");
	learn_exec(w, 20, 10, 1, 9, "sh");
	ev = built(&mark, "");
	assert_string_equal(who_container(w, &ev), "0123456789ab");
	learn_exec(w, 25, 10, 1, 7, "sh"); /* out of it */
	ev = built(&mark, "");
	assert_string_equal(who_container(w, &ev), "");
	assert_string_equal(who_place(w, &ev), "node1");
	(void)who_free(w);
}

static void learn_program(struct who *w, uint64_t ns, uint32_t tgid, const char *comm, const char *args)
{
	struct event_exec e = { .h = head(EVENT_EXEC, ns, tgid) };
	const char *strings[] = { comm, "", args, NULL };
	struct event ev;

	assert_true(event_build(&room, sizeof(room), &e, strings) > 0);
	ev = (struct event) { .boot_ns = ns, .type = event_static_type(EVENT_EXEC), .h = &room.h };
	who_learn(w, &ev);
}

static void test_titles(void **state)
{
	struct event_mark mark = { .h = head(EVENT_MARK, 30, 10) };
	struct who *w = NULL;
	struct event ev;

	(void)state;
	assert_int_equal(who_new(host_name, NULL, false, &w), 0);
	learn_program(w, 10, 10, "java", "java -cp x a.b.QuorumPeerMain y");
	ev = built(&mark, "");
	assert_string_equal(who_title(w, &ev), "QuorumPeerMain");
	assert_string_equal(who_process(w, &ev), "java");
	learn_program(w, 20, 10, "java", "java -jar /x/other.jar");
	ev = built(&mark, "");
	assert_string_equal(who_title(w, &ev), "other");
	learn_program(w, 25, 10, "true", "true");
	ev = built(&mark, "");
	assert_string_equal(who_title(w, &ev), "true");
	(void)who_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_in_time), cmocka_unit_test(test_places), cmocka_unit_test(test_several),
		cmocka_unit_test(test_containers),    cmocka_unit_test(test_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
