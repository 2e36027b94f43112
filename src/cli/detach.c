/* SPDX-License-Identifier: Apache-2.0 */
/* saker detach - the packet functions off an interface, which is then as it was before. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/err.h"
#include "cli/cli.h"

static const struct argp_option detach_options[] = {
	{ "all", 'a', NULL, 0, "Of every interface of this network namespace", 0 },
	{ 0 },
};

struct detach_args {
	const char *interface;
	bool all;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct detach_args *a = state->input;

	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->interface)
			argp_error(state, "one interface, or --all");
		a->interface = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->interface == !a->all)
			argp_error(state, "say which interface, or --all");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int is_it(void *arg, const char *interface)
{
	return !strcmp(arg, interface);
}

/* Is anything left of an interface of this name? */
static bool kept(const char *interface)
{
	return balancer_each(is_it, (void *)interface) == 1;
}

/* An interface that is gone took its program with it: then only files are left. */
static int detach_one(void *arg, const char *interface)
{
	struct err err = ERR_INIT;
	struct balancer b;
	int *failed = arg;
	int r = balancer_open(&b, interface, true, &err);

	if (r == -ENODEV && (failed || kept(interface)) && !balancer_forget(interface, &err)) {
		(void)fprintf(stderr, "interface '%s' is gone: what was kept of it is removed\n", interface);
		return 0;
	}
	if (!r) {
		r = balancer_detach(&b, &err);
		balancer_close(&b);
	}
	if (r < 0) {
		(void)fprintf(stderr, "saker detach: %s\n", err.text);
		if (failed)
			*failed = 1;
		return failed ? 0 : r;
	}
	(void)fprintf(stderr, "interface '%s': detached\n", interface);
	return 0;
}

static int detach_main(int argc, char **argv)
{
	struct detach_args a = { 0 };
	struct err err = ERR_INIT;
	int failed = 0;

	if (cli_parse(&cli_detach, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	if (balancer_may(true, &err) < 0) {
		(void)fprintf(stderr, "saker detach: %s\n", err.text);
		return CLI_FAILED;
	}
	if (a.interface)
		return detach_one(NULL, a.interface) < 0 ? CLI_FAILED : CLI_OK;
	return balancer_each(detach_one, &failed) < 0 || failed ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_detach = {
	.name = "detach",
	.about = "take the packet functions off an interface",
	.args_doc = "[INTERFACE]",
	.options = detach_options,
	.run = detach_main,
	.example = "sudo saker detach eth0",
};
