/* SPDX-License-Identifier: Apache-2.0 */
/* saker map - services and who calls whom. */
#include <argp.h>
#include <stdio.h>

#include "agent/traces.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "explain/service_map.h"

#define PATHS_MAX 64

enum { OPT_DOT = 0x100 };

static const struct argp_option map_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ "dot", OPT_DOT, NULL, 0, "Print a graph for graphviz (dot -Tsvg)", 0 },
	{ 0 },
};

struct map_args {
	const char *paths[PATHS_MAX];
	unsigned int npaths;
	bool json, dot;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct map_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case OPT_DOT:
		a->dot = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->npaths == PATHS_MAX)
			argp_error(state, "more than %d recordings", PATHS_MAX);
		a->paths[a->npaths++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->npaths)
			argp_error(state, "name a recording");
		if (a->json && a->dot)
			argp_error(state, "either --json or --dot");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void retransmit(void *arg, uint32_t host, uint64_t sock)
{
	service_map_retransmit(arg, host, sock);
}

static int print(struct traces *t, const struct map_args *a, struct buf *b, struct err *err)
{
	struct service_map m;
	int r = service_map_build(t->s, &m, err);

	if (r < 0)
		return r;
	if (t->a.reader) {
		m.retransmits_known = true;
		r = traces_retransmits(t, retransmit, &m, err);
	}
	if (r >= 0)
		(a->json ? service_map_json : a->dot ? service_map_dot : service_map_text)(b, &m);
	if (r >= 0 && a->json)
		buf_char(b, '\n');
	service_map_fini(&m);
	return r;
}

static int map_main(int argc, char **argv)
{
	struct map_args args = { 0 };
	struct analysis_opts opts = { .damage = cli_complain };
	struct buf b = BUF_INIT;
	struct traces t = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (cli_parse(&cli_map, parse_option, argc, argv, 0, &args) != 0)
		return CLI_USAGE;
	opts.paths = args.paths;
	opts.npaths = args.npaths;
	r = traces_open(&opts, &t, &err);
	if (r >= 0) {
		traces_complain(&t, cli_complain, NULL);
		r = print(&t, &args, &b, &err);
	}
	if (r >= 0)
		r = cli_put(&b, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker map: %s\n", err.text);
	buf_fini(&b);
	traces_close(&t);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_map = {
	.name = "map",
	.about = "services and who calls whom: rate, errors, percentiles of duration",
	.args_doc = "RECORDING...\nFILE.json",
	.options = map_options,
	.run = map_main,
	.example = "saker map rec",
};
