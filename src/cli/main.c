/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"

static const struct cli_command *const commands[] = {
	&cli_agent,  &cli_apply,  &cli_check,	 &cli_confirm, &cli_detach, &cli_doctor,
	&cli_export, &cli_freeze, &cli_import,	 &cli_lb,      &cli_map,    &cli_path,
	&cli_record, &cli_repair, &cli_requests, &cli_serve,   &cli_show,   &cli_story,
};

static char cli_name[32] = "saker"; /* argp keeps a pointer to it */

int cli_parse(const struct cli_command *c, argp_parser_t parse, int argc, char **argv, unsigned int flags, void *input)
{
	CLEANUP_FREE char *doc = NULL;
	struct argp argp = { c->options, parse, c->args_doc, NULL, NULL, NULL, NULL };
	int i;

	if (asprintf(&doc, "%s\vexample: %s", c->about, c->example) < 0)
		return ENOMEM;
	(void)snprintf(cli_name, sizeof(cli_name), "saker %s", c->name);
	argp.doc = doc;
	argv[0] = cli_name;
	/* in order: what follows may be the options of a command */
	for (i = 1; i < (flags & ARGP_IN_ORDER && argc > 2 ? 2 : argc) && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "-h"))
			argv[i] = (char *)"--help";
	argp_err_exit_status = CLI_USAGE;
	return argp_parse(&argp, argc, argv, flags, NULL, input);
}

size_t cli_width(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

void cli_complain(void *arg, const char *sentence)
{
	(void)arg;
	(void)fprintf(stderr, "%s: %s\n", cli_name, sentence);
}

int cli_put(const struct buf *b, struct err *err)
{
	if (b->failed)
		return err_set(err, ENOMEM, "out of memory for what is to be printed");
	errno = 0;
	if ((!b->len || fwrite(b->data, b->len, 1, stdout) == 1) && fflush(stdout) == 0)
		return 0;
	return errno == EPIPE ? 0 : err_errno(err, errno, "cannot write to standard output");
}

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
