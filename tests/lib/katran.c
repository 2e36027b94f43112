/* SPDX-License-Identifier: Apache-2.0 */
/*
 * katran - packets in, verdict and packet out: the cases of Katran's own tests, through BPF_PROG_TEST_RUN.
 *
 * usage: katran FOLDER [tc]: with provision.json and cases.json (tests/e2e/katran.sh).  TAP, a line for each case.  Every suite
 * gets a chain of its own; the wish is what the suite's profiles say.  Bytes are compared exactly, the chosen backend
 * among them: rings, hashes and sources are made as Katran makes them.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <jansson.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/lb.h"
#include "packet/wire.h"

#define MANY 64
#define FRAME_MAX 4096

/* The wish, as the operations build it up. */
struct world {
	struct lb_wish wish;
	struct lb_wish_vip vips[MANY];
	struct lb_wish_backend backends[MANY][MANY];
	struct lb_wish_id ids[MANY], marks[MANY];
	struct lb_wish_route routes[MANY];
	struct lb_wish_decap decaps[MANY];
	struct lb_addr local[MANY]; /* backends that are this host */
	size_t nlocal;
	struct chain_plan plan;
	uint8_t flags; /* of every backend */
	struct chain *chain;
	struct lb *lb;
	const json_t *features; /* of the suite; borrowed, as the next */
	json_t *real_ids;
};

static json_t *provision;
static int tests, failures;
static bool on_tc;

static void die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text)
		die(key);
	return text;
}

static long number_of(const json_t *o, const char *key)
{
	return (long)json_integer_value(json_object_get(o, key));
}

static struct lb_addr addr_of(const char *text)
{
	struct lb_addr a;

	if (lb_addr_parse(text, &a) < 0)
		die(text);
	return a;
}

static bool has_word(const json_t *list, const char *word)
{
	const json_t *each;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, each)
	{
		if (!strcmp(json_string_value(each), word))
			return true;
	}
	return false;
}

/* ---- the wish ---- */

/* needs: the feature of the suite without which Katran does not heed the flag */
static uint32_t vip_flag(const struct world *w, const char *name)
{
	static const struct {
		const char *name, *needs;
		uint32_t flag;
	} flags[] = {
		{ "NO_SRC_PORT", NULL, LB_VIP_NO_SRC_PORT },
		{ "LRU_BYPASS", NULL, LB_VIP_STATELESS },
		{ "QUIC_VIP", NULL, LB_VIP_QUIC },
		{ "HASH_DPORT_ONLY", NULL, LB_VIP_DPORT_HASH },
		{ "SRC_ROUTING", "LPM_SRC_LOOKUP", LB_VIP_ROUTES },
		{ "LOCAL_VIP", "LOCAL_DELIVERY_OPTIMIZATION", LB_VIP_LOCAL },
		{ "GLOBAL_LRU", NULL, 0 }, /* one CPU only */
		{ "HASH_SRC_DST_PORT", NULL, LB_VIP_BOTH_PORTS },
		{ "UDP_STABLE_ROUTING", "UDP_STABLE_ROUTING", LB_VIP_UDP_STABLE },
		{ "UDP_FLOW_MIGRATION", NULL, LB_VIP_MIGRATE },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(flags); i++) {
		if (!strcmp(flags[i].name, name))
			return flags[i].needs && !has_word(w->features, flags[i].needs) ? 0 : flags[i].flag;
	}
	die(name);
	return 0;
}

static struct lb_wish_vip *vip_of(struct world *w, const json_t *op)
{
	const json_t *said = json_object_get(op, "vip"), *bits = json_object_get(said, "prefix_len");
	struct lb_addr addr = addr_of(text_of(said, "addr"));
	struct lb_wish_vip *vip;
	size_t i;

	for (i = 0; i < w->wish.nvips; i++) {
		vip = &w->vips[i];
		if (!memcmp(&vip->addr, &addr, sizeof(addr)) && vip->port == number_of(said, "port") &&
		    vip->proto == number_of(said, "proto"))
			return vip;
	}
	if (i == MANY)
		die("too many VIPs");
	vip = &w->vips[w->wish.nvips++];
	vip->addr = addr;
	vip->bits = bits ? (uint8_t)json_integer_value(bits) : addr.family == 4 ? 32 : 128;
	vip->port = (uint16_t)number_of(said, "port");
	vip->proto = (uint8_t)number_of(said, "proto");
	vip->backends = w->backends[i];
	return vip;
}

static struct lb_wish_backend backend(const struct world *w, const char *addr)
{
	struct lb_wish_backend b = { .addr = addr_of(addr), .weight = 1, .flags = w->flags };

	return b;
}

static struct lb_wish_backend *backend_of(struct world *w, struct lb_wish_vip *vip, const char *addr)
{
	struct lb_wish_backend *list = w->backends[vip - w->vips], b = backend(w, addr);
	size_t i;

	for (i = 0; i < vip->nbackends; i++) {
		if (!memcmp(&list[i].addr, &b.addr, sizeof(b.addr)))
			return &list[i];
	}
	if (i == MANY)
		die("too many backends");
	list[vip->nbackends++] = b;
	return &list[i];
}

static void op_add_vip(struct world *w, const json_t *op)
{
	(void)vip_of(w, op);
}

static void op_add_reals(struct world *w, const json_t *op)
{
	struct lb_wish_vip *vip = vip_of(w, op);
	const json_t *real;
	size_t i;

	json_array_foreach(json_object_get(op, "reals"), i, real) backend_of(w, vip, json_string_value(real))->weight =
		(uint32_t)number_of(op, "weight");
}

/* Without a weight it is in no ring, but it may still be said to be down. */
static void op_del_reals(struct world *w, const json_t *op)
{
	struct lb_wish_vip *vip = vip_of(w, op);
	const json_t *real;
	size_t i;

	json_array_foreach(json_object_get(op, "reals"), i, real) backend_of(w, vip, json_string_value(real))->weight =
		0;
}

static void op_set_vip_flags(struct world *w, const json_t *op)
{
	struct lb_wish_vip *vip = vip_of(w, op);
	const json_t *flag;
	size_t i;

	json_array_foreach(json_object_get(op, "flags"), i, flag) vip->flags |= vip_flag(w, json_string_value(flag));
}

static void op_map_server_ids(struct world *w, const json_t *op)
{
	const json_t *each;
	size_t i;

	w->wish.nids = 0;
	json_array_foreach(json_object_get(op, "entries"), i, each)
	{
		if (i == MANY)
			die("too many server ids");
		w->ids[i].id = (uint32_t)number_of(each, "id");
		w->ids[i].to = backend(w, text_of(each, "real"));
		w->wish.nids = i + 1;
	}
}

static void op_set_real_down(struct world *w, const json_t *op)
{
	const char *addr;
	json_t *id;

	json_object_foreach(w->real_ids, addr, id)
	{
		if (json_integer_value(id) == number_of(op, "real_id"))
			backend_of(w, vip_of(w, op), addr)->down = true;
	}
}

static void op_add_hc_dst(struct world *w, const json_t *op)
{
	struct lb_wish_id *mark = &w->marks[w->wish.nmarks++];

	if (w->wish.nmarks == MANY)
		die("too many marks");
	mark->id = (uint32_t)number_of(op, "somark");
	mark->to = backend(w, text_of(op, "dst"));
}

static void op_add_src_route(struct world *w, const json_t *op)
{
	struct lb_wish_route *route = &w->routes[w->wish.nroutes++];
	CLEANUP_FREE char *net = strdup(text_of(op, "prefix"));
	char *slash = net ? strchr(net, '/') : NULL;

	if (!slash)
		die("a route without a prefix length");
	*slash = 0;
	route->net = addr_of(net);
	route->bits = (uint8_t)atoi(slash + 1);
	route->to = backend(w, text_of(op, "dst"));
}

static void decap_add(struct world *w, const char *addr, uint32_t what)
{
	struct lb_wish_decap *decap = &w->decaps[w->wish.ndecaps++];

	decap->addr = addr_of(addr);
	decap->what = what;
}

static void op_add_decap_dst(struct world *w, const json_t *op)
{
	decap_add(w, text_of(op, "dst"),
		  json_is_true(json_object_get(op, "egress")) ? LB_DECAP_RETURN : LB_DECAP_AGAIN);
}

static void op_set_real_flags(struct world *w, const json_t *op)
{
	if (has_word(json_object_get(op, "flags"), "LOCAL_REAL"))
		w->local[w->nlocal++] = addr_of(text_of(op, "real"));
}

static void op_none(struct world *w, const json_t *op)
{
	(void)w;
	(void)op;
}

static void do_op(struct world *w, const json_t *op)
{
	static const struct {
		const char *name;
		void (*run)(struct world *, const json_t *);
	} ops[] = {
		{ "add_vip", op_add_vip },
		{ "add_reals", op_add_reals },
		{ "del_reals", op_del_reals },
		{ "set_vip_flags", op_set_vip_flags },
		{ "map_server_ids", op_map_server_ids },
		{ "set_real_down", op_set_real_down },
		{ "add_hc_dst", op_add_hc_dst },
		{ "add_src_route", op_add_src_route },
		{ "add_decap_dst", op_add_decap_dst },
		{ "set_real_flags", op_set_real_flags },
		{ "set_decap_server_id", op_none },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(ops); i++) {
		if (!strcmp(ops[i].name, text_of(op, "op"))) {
			ops[i].run(w, op);
			return;
		}
	}
	die(text_of(op, "op"));
}

static void mac_of(const char *text, uint8_t out[6])
{
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &out[0], &out[1], &out[2], &out[3], &out[4], &out[5]) !=
	    6)
		die(text);
}

static uint32_t packet_max(const json_t *flags, uint32_t usual)
{
	const json_t *each;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)flags, i, each)
	{
		if (!strncmp(json_string_value(each), "MAX_PACKET_SIZE=", 16))
			return (uint32_t)atoi(json_string_value(each) + 16);
	}
	return usual;
}

static void fill_config(struct world *w, const json_t *flags)
{
	const json_t *globals = json_object_get(provision, "globals");
	struct lb_config *c = &w->wish.config;
	struct lb_addr addr;

	addr = addr_of(text_of(globals, "gue_src_v4"));
	c->gue_src4 = addr.addr[0];
	addr = addr_of(text_of(globals, "gue_src_v6"));
	memcpy(c->gue_src6, addr.addr, 16);
	addr = addr_of("100::");
	memcpy(c->ipip_src6, addr.addr, 12);
	c->ipip_src4[0] = 172;
	c->ipip_src4[1] = 16;
	w->plan.gue_port = (uint16_t)number_of(globals, "gue_dport");
	c->gue_port = WIRE16(w->plan.gue_port);
	mac_of(text_of(globals, "default_mac"), c->router_mac);
	mac_of(text_of(globals, "local_mac"), c->own_mac);
	c->frame_max = packet_max(flags, (uint32_t)number_of(globals, "max_packet_size"));
	c->flood_rate = 125000;
	c->udp_idle_s = (uint32_t)number_of(globals, "udp_lru_timeout_s");
	c->flags = LB_KATRAN_SUMS;
	c->flags |= has_word(flags, "ICMP_TOOBIG_GENERATION") ? LB_TELL_TOO_BIG : 0;
	c->flags |= has_word(flags, "INLINE_DECAP_IPIP") ? LB_DECAP_IPIP : 0;
	c->flags |= has_word(flags, "INLINE_DECAP_GUE") ? LB_DECAP_GUE : 0;
	if (has_word(flags, "DECAP_STRICT_DESTINATION")) {
		c->flags |= LB_DECAP_STRICT | LB_DECAP_TTL;
		decap_add(w, text_of(globals, "gue_src_v4"), LB_DECAP_TO_HOST);
		decap_add(w, text_of(globals, "gue_src_v6"), LB_DECAP_TO_HOST);
	}
	if (has_word(flags, "DECAP_ONLY"))
		c->flags |= LB_DECAP_WHOLE;
}

static void fill_plan(struct world *w, const json_t *flags)
{
	if (has_word(flags, "DECAP_ONLY"))
		w->plan.stages[0] = "decap_stage";
	else if (w->wish.config.flags & (LB_DECAP_IPIP | LB_DECAP_GUE))
		memcpy(w->plan.stages, (const char *[]) { "decap_stage", "lb_stage" }, 2 * sizeof(char *));
	else
		w->plan.stages[0] = "lb_stage";
}

/* What holds of all VIPs and backends of a suite. */
static void finish_wish(struct world *w, const json_t *flags)
{
	bool ids = has_word(flags, "TCP_SERVER_ID_ROUTING");
	size_t i, k, l;

	for (i = 0; i < w->wish.nvips; i++) {
		if (ids && w->vips[i].proto == PROTO_TCP)
			w->vips[i].flags |= LB_VIP_SERVER_ID;
		for (k = 0; k < w->vips[i].nbackends; k++) {
			for (l = 0; l < w->nlocal; l++) {
				if (!memcmp(&w->backends[i][k].addr, &w->local[l], sizeof(w->local[l])))
					w->backends[i][k].flags |= LB_REAL_LOCAL;
			}
		}
	}
}

static void world_begin(struct world *w)
{
	const struct lb_opts opts = { .vips = MANY, .conns = 1024 };
	struct err err = ERR_INIT;

	w->wish.vips = w->vips;
	w->wish.ids = w->ids;
	w->wish.marks = w->marks;
	w->wish.routes = w->routes;
	w->wish.decaps = w->decaps;
	if (chain_new(on_tc ? CHAIN_ON_TC : CHAIN_ON_XDP, &w->chain, &err) < 0 ||
	    lb_new(w->chain, &opts, &w->lb, &err) < 0)
		die(err.text);
}

static void world_end(struct world *w)
{
	(void)lb_free(w->lb);
	(void)chain_free(w->chain);
	memset(w, 0, sizeof(*w));
}

static void world_apply(struct world *w, const json_t *suite)
{
	const json_t *flags = json_object_get(suite, "flags"), *profile, *op;
	struct err err = ERR_INIT;
	size_t i, k;

	if (!w->wish.config.frame_max) {
		w->flags = has_word(flags, "GUE_ENCAP") ? LB_REAL_GUE : 0;
		fill_config(w, flags);
		fill_plan(w, flags);
	}
	json_array_foreach(json_object_get(suite, "profiles"), i, profile)
	{
		json_t *ops = json_object_get(json_object_get(provision, "profiles"), json_string_value(profile));

		json_array_foreach(ops, k, op) do_op(w, op);
	}
	finish_wish(w, flags);
	if (lb_apply(w->lb, &w->wish, &w->plan, &err) < 0)
		die(err.text);
}

/* ---- the cases ---- */

static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2, i;

	if (n > FRAME_MAX)
		die("a packet that is too long");
	for (i = 0; i < n; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
			die("no hexadecimal");
	}
	return n;
}

static const char *verdict_name(const char *hook, uint32_t verdict)
{
	static const char *const xdp[] = { "XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT" };

	if (!strcmp(hook, "xdp") && on_tc)
		return verdict == TC_ACT_SHOT		    ? "XDP_DROP"
		       : verdict == (uint32_t)TC_ACT_UNSPEC ? "XDP_PASS"
		       : verdict == TC_ACT_REDIRECT	    ? "XDP_TX"
							    : "?";
	if (!strcmp(hook, "xdp"))
		return verdict < ARRAY_LEN(xdp) ? xdp[verdict] : "?";
	return verdict == (uint32_t)TC_ACT_UNSPEC ? "TC_ACT_UNSPEC"
	       : verdict == TC_ACT_REDIRECT	  ? "TC_ACT_REDIRECT"
	       : verdict == TC_ACT_PIPE		  ? "TC_ACT_PIPE"
						  : "?";
}

/* Zeroes what the case says not to compare. */
static void mask(const json_t *c, uint8_t *frame)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(c, "ignore_bytes"), i, pair)
	{
		json_int_t at = json_integer_value(json_array_get(pair, 0)),
			   bytes = json_integer_value(json_array_get(pair, 1));

		if (at < 0 || bytes < 0 || at > FRAME_MAX || bytes > FRAME_MAX - at)
			die("bytes to leave out that are in no frame");
		memset(frame + at, 0, (size_t)bytes);
	}
}

static void show(const char *what, const uint8_t *frame, size_t n)
{
	size_t i;

	printf("# %s ", what);
	for (i = 0; i < n && i < 160; i++)
		printf("%02x", frame[i]);
	printf("\n");
}

static const char *program_of(const char *hook)
{
	if (!strcmp(hook, "xdp"))
		return "chain_entry";
	if (!strcmp(hook, "tc_egress"))
		return "health_egress";
	if (strcmp(hook, "tc_ingress") != 0)
		die(hook);
	return "source_ingress";
}

static int run(const struct world *w, const json_t *c, const uint8_t *in, size_t n, uint8_t *out,
	       struct bpf_test_run_opts *ret)
{
	const char *hook = text_of(c, "hook");
	struct __sk_buff skb = { .mark = (uint32_t)number_of(c, "mark") };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)n, .data_out = out,
		    .data_size_out = FRAME_MAX);
	int r;

	if (strcmp(hook, "xdp") != 0) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	r = bpf_prog_test_run_opts(chain_program(w->chain, program_of(hook)), &opts);
	*ret = opts;
	return r;
}

static void run_case(const struct world *w, const json_t *c)
{
	static uint8_t in[FRAME_MAX], out[FRAME_MAX], want[FRAME_MAX];
	const char *hex = json_string_value(json_object_get(c, "expected_output_hex")), *verdict, *said;
	size_t n = bytes_of(text_of(c, "input_hex"), in);
	size_t nwant = bytes_of(hex ? hex : text_of(c, "input_hex"), want);
	struct bpf_test_run_opts got;
	bool right;

	tests++;
	if (run(w, c, in, n, out, &got)) {
		printf("not ok %d - %s: cannot run: %s\n", tests, text_of(c, "id"), strerror(errno));
		failures++;
		return;
	}
	mask(c, out);
	mask(c, want);
	verdict = verdict_name(text_of(c, "hook"), got.retval);
	right = !strcmp(verdict, text_of(c, "expected_verdict"));
	/* of a dropped frame nothing is left to compare */
	if (right && strcmp(verdict, "XDP_DROP"))
		right = got.data_size_out == nwant && !memcmp(out, want, nwant);
	said = json_string_value(json_object_get(c, "description"));
	printf("%s %d - %s: %s\n", right ? "ok" : "not ok", tests, text_of(c, "id"), said ? said : "");
	if (right)
		return;
	failures++;
	printf("# verdict %s, wanted %s\n", verdict, text_of(c, "expected_verdict"));
	show("in    ", in, n);
	show("got   ", out, got.data_size_out);
	show("wanted", want, nwant);
}

/* The reasons that were counted: what a failed case is looked into with. */
static void tell_reasons(const struct world *w, const char *suite)
{
	struct chain_count count;
	uint32_t i;

	for (i = 0; i < CHAIN_REASONS; i++) {
		const struct chain_words *words = chain_reason(i);

		if (words && !chain_counted(w->chain, i, &count) && count.packets)
			printf("# %s: %llu %s\n", suite, (unsigned long long)count.packets, words->text);
	}
}

/* What a suite needs and we do not know must not be passed over. */
static void check_features(const json_t *features)
{
	static const char *const known[] = { "IPIP_ENCAP",
					     "GUE_ENCAP",
					     "TCP_SERVER_ID_ROUTING",
					     "CIDR_VIP",
					     "DIRECT_HEALTHCHECKING",
					     "LPM_SRC_LOOKUP",
					     "LOCAL_DELIVERY_OPTIMIZATION",
					     "ICMP_TOOBIG_GENERATION",
					     "UDP_STABLE_ROUTING",
					     "INLINE_DECAP_IPIP",
					     "INLINE_DECAP_GUE",
					     "DECAP_STRICT_DESTINATION",
					     "DECAP_ONLY",
					     "DECAP_TPR_STATS",
					     "TC_SRCMATCH",
					     "GUE_PORT=9887" };
	const json_t *each;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)features, i, each)
	{
		const char *word = json_string_value(each);

		for (k = 0; word && k < ARRAY_LEN(known) && strcmp(known[k], word) != 0; k++)
			;
		if (!word || (k == ARRAY_LEN(known) && strncmp(word, "MAX_PACKET_SIZE=", 16) != 0))
			die(word ? word : "a feature that is no text");
	}
}

static void run_suite(struct world *w, const json_t *suite, const json_t *cases)
{
	const char *name = text_of(suite, "suite");
	const json_t *each;
	size_t i;

	if (json_is_null(json_object_get(suite, "continues_state_of"))) {
		world_end(w);
		world_begin(w);
	}
	w->real_ids = json_object_get(suite, "real_ids");
	w->features = json_object_get(suite, "flags");
	check_features(w->features);
	world_apply(w, suite);
	json_array_foreach((json_t *)(uintptr_t)cases, i, each)
	{
		if (!strcmp(text_of(each, "suite"), name))
			run_case(w, each);
	}
	tell_reasons(w, name);
}

static json_t *load(const char *folder, const char *name)
{
	char path[4096];
	json_error_t error;
	json_t *j;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	j = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (!j)
		die(error.text);
	return j;
}

int main(int argc, char **argv)
{
	static struct world w;
	const json_t *suite;
	json_t *cases;
	cpu_set_t one;
	size_t i;

	on_tc = argc == 3 && !strcmp(argv[2], "tc");
	if (argc != 2 && !on_tc)
		die("usage: katran FOLDER [tc]");
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("cannot stay on one CPU: connection tables are per CPU");
	provision = load(argv[1], "provision.json");
	cases = load(argv[1], "cases.json");
	json_array_foreach(json_object_get(provision, "suites"), i, suite)
		run_suite(&w, suite, json_object_get(cases, "cases"));
	world_end(&w);
	printf("1..%d\n", tests);
	json_decref(cases);
	json_decref(provision);
	return failures != 0;
}
