/* SPDX-License-Identifier: Apache-2.0 */
/* saker agent - the process of a host that looks after its balancers. */
#include <argp.h>
#include <stdio.h>

#include "agent/keeper.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"

static const struct argp_option agent_options[] = {
	{ "output", 'o', "DIR", 0, "Record what the agent learns, decides and does; DIR must be new or empty", 0 },
	{ "max-size", 's', "BYTES", 0, "Of that recording: the oldest goes first", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct keeper_opts *o = state->input;

	switch (key) {
	case 'o':
		o->record_dir = arg;
		return 0;
	case 's':
		if (parse_size(arg, &o->max_bytes) < 0 || !o->max_bytes)
			argp_error(state, "'%s' is no size", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int agent_main(int argc, char **argv)
{
	struct keeper_opts opts = { 0 };
	struct keeper *k = NULL;
	struct err err = ERR_INIT;
	int r;

	if (cli_parse(&cli_agent, parse_option, argc, argv, 0, &opts) != 0)
		return CLI_USAGE;
	r = keeper_new(&opts, &k, &err);
	if (r >= 0)
		r = keeper_run(k, &err);
	(void)keeper_free(k);
	if (r < 0)
		(void)fprintf(stderr, "saker agent: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_agent = {
	.name = "agent",
	.about = "look after the balancers of this host: health of backends, actions, their effects",
	.args_doc = "",
	.options = agent_options,
	.run = agent_main,
	.example = "sudo saker agent -o agent-rec",
};
