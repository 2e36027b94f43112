/* SPDX-License-Identifier: Apache-2.0 */
/* saker agent - the process of a host that looks after its balancers, or, on a backend's host, tells balancers what happens there. */
#include <argp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/asked.h"
#include "agent/keeper.h"
#include "agent/page.h"
#include "agent/watcher.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"

#define PEERS_MAX 1024

enum { OPT_LISTEN = 256, OPT_KEY, OPT_PEER, OPT_REPORT_TO, OPT_FOR, OPT_PORT, OPT_LOAD_OF, OPT_PAGE };

static const struct argp_option agent_options[] = {
	{ "output", 'o', "DIR", 0, "Record what the agent learns, decides and does; DIR must be new or empty", 0 },
	{ "max-size", 's', "BYTES", 0, "Of that recording: the oldest goes first", 0 },
	{ "key", OPT_KEY, "FILE", 0, "The key that agents of both kinds share", 0 },
	{ "page", OPT_PAGE, "ADDRESS:PORT", OPTION_ARG_OPTIONAL,
	  "Show the balancers of this host, and that recording, on a page in the browser (see saker-serve(1))", 0 },
	{ NULL, 0, NULL, 0, "On a balancer:", 1 },
	{ "listen", OPT_LISTEN, "ADDRESS:PORT", 0, "Hear the agents on backends' hosts", 1 },
	{ "peer", OPT_PEER, "HOST=BACKEND,...", 0,
	  "The agent that comes from the address HOST may speak for these, too; may be repeated", 1 },
	{ NULL, 0, NULL, 0, "On a backend's host:", 2 },
	{ "report-to", OPT_REPORT_TO, "ADDRESS:PORT", 0, "Tell this balancer's agent; may be repeated", 2 },
	{ "for", OPT_FOR, "BACKEND,...", 0, "The addresses that this host has as a backend", 2 },
	{ "port", OPT_PORT, "N[/udp],...", 0, "The TCP or UDP ports that are watched; may be repeated", 2 },
	{ "load-of", OPT_LOAD_OF, "CGROUP", 0, "Tell the load of this control group, not the host's", 2 },
	{ 0 },
};

struct agent_args {
	struct keeper_opts keeper;
	struct watcher_opts watcher;
	struct keeper_peer peers[PEERS_MAX];
	struct cli_listen page_at;
	struct page page;
	bool paged;
	const char *word; /* for the agent that runs; NULL: run one */
};

static volatile sig_atomic_t agent_stop;

static void on_stop(int sig)
{
	agent_stop = sig;
}

static void parse_peer(char *text, struct agent_args *a, struct argp_state *state)
{
	char *equals = strchr(text, '='), *save = NULL, *one;
	struct keeper_peer p;

	if (equals)
		*equals = 0;
	if (!equals || sign_addr_parse(text, &p.from) < 0)
		argp_error(state, "'%s' does not begin with an address and `=`", text);
	for (one = strtok_r(equals + 1, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (sign_addr_parse(one, &p.backend) < 0)
			argp_error(state, "'%s' is no address", one);
		if (a->keeper.npeers == PEERS_MAX)
			argp_error(state, "more than %d addresses of backends", PEERS_MAX);
		a->peers[a->keeper.npeers++] = p;
	}
	a->keeper.peers = a->peers;
}

static void parse_for(char *text, struct watcher_opts *o, struct argp_state *state)
{
	char *save = NULL, *one;

	for (one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (o->naddrs == WATCHER_ADDRS)
			argp_error(state, "more than %d addresses of backends", WATCHER_ADDRS);
		if (sign_addr_parse(one, &o->addrs[o->naddrs++]) < 0)
			argp_error(state, "'%s' is no address", one);
	}
}

static bool parse_port(char *text, struct listeners_port *ret)
{
	char *slash = strchr(text, '/');
	uint64_t n;

	if (slash)
		*slash = 0;
	if (parse_number(text, &n) < 0 || !n || n > UINT16_MAX)
		return false;
	*ret = (struct listeners_port) { (uint16_t)n, IPPROTO_TCP };
	if (slash && !strcmp(slash + 1, "udp"))
		ret->proto = IPPROTO_UDP;
	return !slash || !strcmp(slash + 1, "udp") || !strcmp(slash + 1, "tcp");
}

static void parse_ports(char *text, struct watcher_opts *o, struct argp_state *state)
{
	struct listeners_port port;
	char *save = NULL, *one;
	unsigned int i;

	for (one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (!parse_port(one, &port))
			argp_error(state, "'%s' is no port, N or N/udp", one);
		for (i = 0; i < o->nports && (o->ports[i].port != port.port || o->ports[i].proto != port.proto); i++)
			;
		if (i == WATCHER_PORTS)
			argp_error(state, "more than %d ports", WATCHER_PORTS);
		o->ports[i] = port;
		o->nports = MAX(o->nports, i + 1);
	}
}

static void parse_to(const char *text, struct watcher_opts *o, struct argp_state *state)
{
	struct watcher_to *to = &o->to[o->nto];
	struct sign_addr addr;
	struct cli_listen l;

	if (o->nto == WATCHER_BALANCERS)
		argp_error(state, "more than %d balancers", WATCHER_BALANCERS);
	if (!cli_listen(text, &l) || !l.port || sign_addr_parse(l.address, &addr) < 0)
		argp_error(state, "'%s' is no ADDRESS:PORT of a balancer's agent", text);
	(void)snprintf(to->address, sizeof(to->address), "%s", l.address);
	to->port = l.port;
	o->nto++;
}

static void parse_listen(const char *text, struct keeper_opts *o, struct argp_state *state)
{
	struct cli_listen l;

	if (!cli_listen(text, &l) || !l.port)
		argp_error(state, "'%s' is no ADDRESS:PORT to listen on", text);
	(void)snprintf(o->listen_address, sizeof(o->listen_address), "%s", l.address);
	o->listen_port = l.port;
}

static void check(const struct agent_args *a, struct argp_state *state)
{
	const struct watcher_opts *w = &a->watcher;
	const struct keeper_opts *k = &a->keeper;

	if (a->word) {
		if (strcmp(a->word, "leave") != 0 && strcmp(a->word, "stay") != 0)
			argp_error(state, "'%s' is neither leave nor stay", a->word);
		if (!w->nports || w->nto || k->listen_port || a->paged)
			argp_error(state, "%s wants --port, and nothing else", a->word);
		return;
	}
	if ((w->nto || k->listen_port) && !k->key)
		argp_error(state, "--key is missing: agents know each other by a key that they share");
	if (w->nto && (!w->naddrs || !w->nports))
		argp_error(state,
			   "--report-to wants --for and --port: for which backends it speaks, and what is watched");
	if (!w->nto && (w->naddrs || w->nports || w->load_of))
		argp_error(state, "--for, --port and --load-of are of no use without --report-to");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct agent_args *a = state->input;

	switch (key) {
	case 'o':
		a->keeper.record_dir = arg;
		return 0;
	case 's':
		if (parse_size(arg, &a->keeper.max_bytes) < 0 || !a->keeper.max_bytes)
			argp_error(state, "'%s' is no size", arg);
		return 0;
	case OPT_KEY:
		a->keeper.key = arg;
		return 0;
	case OPT_LISTEN:
		parse_listen(arg, &a->keeper, state);
		return 0;
	case OPT_PAGE:
		a->paged = true;
		if (arg && !cli_listen(arg, &a->page_at))
			argp_error(state, "'%s' is no address to listen on (try 127.0.0.1:7070)", arg);
		return 0;
	case OPT_PEER:
		parse_peer(arg, a, state);
		return 0;
	case OPT_REPORT_TO:
		parse_to(arg, &a->watcher, state);
		return 0;
	case OPT_FOR:
		parse_for(arg, &a->watcher, state);
		return 0;
	case OPT_PORT:
		parse_ports(arg, &a->watcher, state);
		return 0;
	case OPT_LOAD_OF:
		a->watcher.load_of = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->word)
			argp_error(state, "one word at a time");
		a->word = arg;
		return 0;
	case ARGP_KEY_END:
		check(a, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run_keeper(const struct keeper_opts *opts, struct err *err)
{
	struct keeper *k = NULL;
	int r = keeper_new(opts, &k, err);

	if (r >= 0)
		r = keeper_run(k, err);
	(void)keeper_free(k);
	return r;
}

static int run_watcher(struct agent_args *a, struct err *err)
{
	struct sigaction sa = { .sa_handler = on_stop };

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	a->watcher.keeper = a->keeper.listen_port ? &a->keeper : NULL;
	a->watcher.key = a->keeper.key;
	a->watcher.dir = a->keeper.record_dir;
	a->watcher.max_bytes = a->keeper.max_bytes;
	return watcher_run(&a->watcher, &agent_stop, err);
}

/* Before anything is loaded or opened that the other process should not have. */
static int start_page(struct agent_args *a, struct err *err)
{
	const struct page_opts po = { .who = "saker agent",
				      .dir = a->keeper.record_dir,
				      .balancers = true,
				      .address = a->page_at.address[0] ? a->page_at.address : NULL,
				      .port = a->page_at.port,
				      .port_given = a->page_at.port_given };

	a->keeper.page = a->watcher.page = a->paged ? &a->page : NULL;
	if (!a->paged)
		return 0;
	(void)signal(SIGPIPE, SIG_IGN); /* a page that has gone ends no agent */
	return page_start(&a->page, &po, err);
}

static int run_agent(struct agent_args *a, struct err *err)
{
	int r = start_page(a, err);

	if (r >= 0)
		r = a->watcher.nto ? run_watcher(a, err) : run_keeper(&a->keeper, err);
	page_end(&a->page, false, &agent_stop);
	return r;
}

/* Each of the ports. */
static int ask(const struct watcher_opts *w, const char *word, struct err *err)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < w->nports && r >= 0; i++)
		r = asked_ask(&w->ports[i], word, err);
	return r;
}

static int agent_main(int argc, char **argv)
{
	CLEANUP_FREE struct agent_args *a = calloc(1, sizeof(*a));
	struct err err = ERR_INIT;
	int r;

	if (!a)
		return CLI_FAILED;
	a->page = (struct page)PAGE_INIT;
	if (cli_parse(&cli_agent, parse_option, argc, argv, 0, a) != 0)
		return CLI_USAGE;
	if (a->word)
		r = ask(&a->watcher, a->word, &err);
	else
		r = run_agent(a, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker agent: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_agent = {
	.name = "agent",
	.about = "look after the balancers of this host, or tell balancers what happens to a backend here",
	.args_doc = "[leave|stay]",
	.options = agent_options,
	.run = agent_main,
	.example = "sudo saker agent -o agent-rec",
};
