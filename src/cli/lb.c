/* SPDX-License-Identifier: Apache-2.0 */
/* saker lb - VIPs and backends, one by one; what is looked at is in lb_show.c and lb_why.c. */
#include "cli/lb.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"

static const struct argp_option lb_options[] = {
	{ "on", 'i', "INTERFACE", 0, "Which interface, if there is more than one", 0 },
	{ "hook", 'k', "HOOK", 0, "vip add, import: where the programs stand on the interface: xdp, tc or generic", 0 },
	{ "weight", 'w', "N", 0, "Of a backend, 0 to 65535; 0: no new connections", 0 },
	{ "mode", 'm', "MODE", 0, "How packets go: of a backend ipip or gue, of a VIP nat or l2", 0 },
	{ "flag", 'f', "FLAG", 0, "Of a VIP, any number of times", 0 },
	{ "down", 'd', NULL, 0, "The backend is down: UDP flows leave it, if the VIP has the flag migrate", 0 },
	{ "up", 'u', NULL, 0, "The backend is not down", 0 },
	{ "number", 'n', "N", 0,
	  "How many flows are listed, or packets of a file (default: 100); watch: ends after so many", 0 },
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "apply", 'a', NULL, 0, "import: make it run instead of printing it", 0 },
	{ "prometheus", 'p', NULL, 0, "stats: print Prometheus's text format", 0 },
	{ 0 },
};

static error_t parse_value(int key, char *arg, struct argp_state *state)
{
	struct lb_args *a = state->input;
	uint64_t v = 0;
	uint32_t flag;

	switch (key) {
	case 'w':
		if (parse_number(arg, &v) < 0 || v > 65535)
			argp_error(state, "a weight is a number from 0 to 65535, not '%s'", arg);
		a->weight = (uint32_t)v;
		a->weight_said = true;
		return 0;
	case 'm':
		if (wish_mode_parse(arg, &a->mode) < 0)
			argp_error(state, "mode is ipip, gue, nat or l2, not '%s'", arg);
		a->mode_said = true;
		return 0;
	case 'k':
		if (strcmp(arg, "xdp") != 0 && strcmp(arg, "tc") != 0 && strcmp(arg, "generic") != 0)
			argp_error(state, "a hook is xdp, tc or generic, not '%s'", arg);
		a->hook = arg;
		return 0;
	case 'f':
		flag = wish_flag_parse(arg);
		if (!flag)
			argp_error(state, "there is no flag '%s' of a VIP", arg);
		a->flags |= flag;
		return 0;
	case 'n':
		if (parse_number(arg, &a->number) < 0)
			argp_error(state, "'%s' is no number", arg);
		a->number_said = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct lb_args *a = state->input;

	switch (key) {
	case 'i':
		(void)snprintf(a->on, sizeof(a->on), "%s", arg);
		a->on_said = true;
		return 0;
	case 'd':
		a->down = true;
		return 0;
	case 'u':
		a->up = true;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case 'a':
		a->apply = true;
		return 0;
	case 'p':
		a->prometheus = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->nwords == LB_WORDS)
			argp_error(state, "too many words");
		a->words[a->nwords++] = arg;
		return 0;
	default:
		return parse_value(key, arg, state);
	}
}

/* ---- which interface ---- */

struct only {
	char name[16];
	unsigned count;
};

static int only_one(void *arg, const char *interface)
{
	struct only *o = arg;

	(void)snprintf(o->name, sizeof(o->name), "%s", interface);
	o->count++;
	return 0;
}

static int which_interface(struct lb_args *a, struct err *err)
{
	struct only only = { 0 };
	int r;

	if (a->on_said)
		return 0;
	r = balancer_may(false, err);
	if (r < 0)
		return r;
	(void)balancer_each(only_one, &only);
	if (!only.count)
		return err_set(err, ENOENT, "no interface has a balancer: say --on INTERFACE");
	if (only.count > 1)
		return err_set(err, EINVAL, "%u interfaces have a balancer: say --on INTERFACE", only.count);
	(void)snprintf(a->on, sizeof(a->on), "%s", only.name);
	return 0;
}

/* ---- changes ---- */

static int vip_of(const struct lb_args *a, struct lb_wish_vip *ret, struct err *err)
{
	struct err why = ERR_INIT;

	if (wish_vip_parse(a->words[2], ret, &why) < 0)
		return err_set(err, EINVAL, "'%s' is no VIP: %s", a->words[2], why.text);
	return 0;
}

void lb_hook_set(const struct lb_args *a, struct wish_if *f)
{
	if (!a->hook)
		return;
	f->tc = !strcmp(a->hook, "tc");
	f->generic = !strcmp(a->hook, "generic");
}

static int change_vip(const struct lb_args *a, struct wish_if *f, struct err *err)
{
	struct lb_wish_vip vip;
	int r = vip_of(a, &vip, err);

	if (r < 0)
		return r;
	lb_hook_set(a, f);
	vip.flags = a->flags;
	wish_vip_mode_set(&vip, a->mode_said ? a->mode : f->mode);
	return strcmp(a->words[1], "add") ? wish_vip_del(f, &vip, err) : wish_vip_add(f, &vip, err);
}

static int set_backend(const struct lb_args *a, struct wish_vip *v, const struct lb_addr *addr, struct err *err)
{
	struct wish_backend *b = wish_backend_find(v, addr);
	char text[WISH_VIP_TEXT];

	if (!b)
		return err_set(err, ENOENT, "VIP %s has no backend %s", wish_vip_text(&v->vip, text), a->words[3]);
	if (!a->weight_said && !a->mode_said && !a->down && !a->up)
		return err_set(err, EINVAL, "say what to set: --weight, --mode, --down or --up");
	if (a->weight_said)
		b->weight = a->weight;
	if (a->mode_said)
		b->mode = a->mode;
	if (a->down || a->up)
		b->down = a->down;
	return 0;
}

static int change_backend(const struct lb_args *a, struct wish_if *f, struct err *err)
{
	struct wish_backend b = { .weight = a->weight_said ? a->weight : 1,
				  .mode = a->mode_said		      ? a->mode
					  : wish_mode_tunnel(f->mode) ? f->mode
								      : WISH_IPIP,
				  .down = a->down };
	struct lb_wish_vip vip;
	struct wish_vip *v;
	char text[WISH_VIP_TEXT];
	int r = vip_of(a, &vip, err);

	if (r < 0)
		return r;
	if (!wish_mode_tunnel(b.mode))
		return err_set(err, EINVAL, "mode %s is a VIP's, not a backend's", wish_mode_name(b.mode));
	v = wish_vip_find(f, &vip);
	if (!v)
		return err_set(err, ENOENT, "interface '%s' has no VIP %s", f->name, wish_vip_text(&vip, text));
	if (lb_addr_parse(a->words[3], &b.addr) < 0)
		return err_set(err, EINVAL, "'%s' is no address of a backend", a->words[3]);
	if (!strcmp(a->words[1], "add"))
		return wish_backend_add(v, &b, err);
	if (!strcmp(a->words[1], "del"))
		return wish_backend_del(v, &b.addr, err);
	return set_backend(a, v, &b.addr, err);
}

int lb_wish_read(const char *file, struct buf *text, struct err *err)
{
	CLEANUP_CLOSE int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	int r;

	if (fd < 0)
		return err_errno(err, errno, "cannot open '%s'", file);
	r = buf_read(text, fd, WISH_BYTES);
	return r < 0 ? err_errno(err, -r, "cannot read '%s'", file) : 0;
}

int lb_wish_apply(struct balancer *b, const struct wish_if *f, uint32_t confirm_s, struct err *err)
{
	int r = balancer_apply(b, f, confirm_s, err);

	if (!r && b->said.len)
		(void)fwrite(b->said.data, b->said.len, 1, stderr);
	return r;
}

typedef int (*change_fn)(const struct lb_args *a, struct wish_if *f, struct err *err);

/* What the agent did about this backend goes: a person's word goes before. */
static int yield(const struct lb_args *a, struct balancer *b, struct err *err)
{
	struct lb_wish_vip vip;
	struct lb_addr addr;
	int r = vip_of(a, &vip, err);

	if (r < 0 || lb_addr_parse(a->words[3], &addr) < 0)
		return r;
	return balancer_yield(b, &vip, &addr, err);
}

static int change_apply(const struct lb_args *a, struct balancer *b, struct wish_if *f, change_fn change,
			struct err *err)
{
	CLEANUP(wish_errors_fini) struct wish_errors errors = { 0 };
	int r = change(a, f, err);

	if (r < 0)
		return r;
	if (!strcmp(a->words[0], "backend"))
		r = yield(a, b, err);
	if (r < 0)
		return r;
	wish_check(f, &errors);
	if (errors.count)
		return err_set(err, EINVAL, "%s", errors.rows[0].text);
	return lb_wish_apply(b, f, 0, err);
}

static int change_wish(struct lb_args *a, change_fn change, struct err *err)
{
	CLEANUP(wish_fini) struct wish wish = { 0 };
	struct balancer b;
	struct wish_if *f;
	int r = which_interface(a, err);

	if (!r)
		r = balancer_open(&b, a->on, true, err);
	if (r < 0)
		return r;
	r = balancer_overdue(&b, err);
	if (r >= 0)
		r = balancer_wish(&b, &wish, err);
	if (!r) {
		f = wish_add(&wish, a->on);
		r = f ? change_apply(a, &b, f, change, err) : err_set(err, ENOMEM, "out of memory");
	}
	balancer_close(&b);
	return r;
}

static int run_vip(struct lb_args *a, struct err *err)
{
	return change_wish(a, change_vip, err);
}

static int run_backend(struct lb_args *a, struct err *err)
{
	return change_wish(a, change_backend, err);
}

static int run_look(struct lb_args *a, int (*look)(const struct lb_args *a, struct err *err), struct err *err)
{
	int r = which_interface(a, err);

	return r < 0 ? r : look(a, err);
}

static int run_show(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_show, err);
}

static int run_stats(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_stats, err);
}

static int run_flows(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_flows, err);
}

static int run_actions(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_actions, err);
}

static int run_why(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_why, err);
}

static int run_check(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_check, err);
}

static int run_watch(struct lb_args *a, struct err *err)
{
	return run_look(a, lb_watch, err);
}

static int run_import(struct lb_args *a, struct err *err)
{
	if (!a->on_said)
		return err_set(err, EINVAL, "say on which interface the balancer shall be: --on INTERFACE");
	return lb_import(a, err);
}

static const struct {
	const char *noun, *verb; /* verb NULL: none */
	size_t words;		 /* at least and at most */
	int (*run)(struct lb_args *a, struct err *err);
} verbs[] = {
	{ "vip", "add", 3, run_vip },	      { "vip", "del", 3, run_vip },
	{ "backend", "add", 4, run_backend }, { "backend", "del", 4, run_backend },
	{ "backend", "set", 4, run_backend }, { "show", NULL, 1, run_show },
	{ "actions", NULL, 1, run_actions },  { "stats", NULL, 1, run_stats },
	{ "flows", NULL, 1, run_flows },      { "check", NULL, 1, run_check },
	{ "check", NULL, 2, run_check },      { "check", NULL, 3, run_check },
	{ "why", NULL, 2, run_why },	      { "import", NULL, 2, run_import },
	{ "watch", NULL, 1, run_watch },
};

static int lb_main(int argc, char **argv)
{
	struct lb_args a = { .number = 100 };
	struct err err = ERR_INIT;
	size_t i;
	int r;

	if (cli_parse(&cli_lb, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		if (a.nwords && !strcmp(a.words[0], verbs[i].noun) && a.nwords == verbs[i].words &&
		    (!verbs[i].verb || !strcmp(a.words[1], verbs[i].verb)))
			break;
	}
	if (i == ARRAY_LEN(verbs)) {
		(void)fprintf(stderr, "saker lb: say %s (`saker lb --help`)\n", cli_lb.args_doc);
		return CLI_USAGE;
	}
	if (a.hook && verbs[i].run != run_import && (verbs[i].run != run_vip || strcmp(a.words[1], "add") != 0)) {
		(void)fputs("saker lb: --hook is for vip add and import\n", stderr);
		return CLI_USAGE;
	}
	r = verbs[i].run(&a, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker lb: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_lb = {
	.name = "lb",
	.about = "the load balancer: VIPs, backends, what it does and why",
	.args_doc = "vip add|del VIP\nbackend add|del|set VIP BACKEND\nshow|stats|flows|actions\nwhy 'SOURCE:PORT > "
		    "VIP:PORT/tcp'|FILE.pcap\ncheck [VIP [BACKEND]]\nimport FILE|-",
	.options = lb_options,
	.run = lb_main,
	.example = "sudo saker lb vip add 10.0.0.10:443/tcp --on eth0",
};
