/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

static const struct cli_command *const commands[] = {
	&cli_doctor, &cli_export, &cli_freeze, &cli_import, &cli_record, &cli_repair, &cli_show, &cli_story,
};

static void usage(FILE *out)
{
	size_t i;

	(void)fputs("usage: saker COMMAND [OPTION...] [ARG...]\n\n", out);
	for (i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->about);
	(void)fputs("\n`saker COMMAND --help` tells more.\n", out);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		usage(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		(void)puts("saker " SAKER_VERSION);
		return CLI_OK;
	}
	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	(void)fprintf(stderr, "saker: there is no command '%s' (`saker help` lists them)\n", argv[1]);
	return CLI_USAGE;
}
