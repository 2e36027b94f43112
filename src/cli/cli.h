/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_CLI_H
#define SAKER_CLI_CLI_H
/*
 * cli - the subcommands, as data: parsing, help, completion come from one table in main.c.
 * stdout is data, stderr is talk.
 */
#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* said on stderr why */
	CLI_USAGE = 2,	/* the command line is wrong */
};

struct cli_command {
	const char *name;
	const char *about; /* half a sentence, lower case */
	const char *args_doc;
	const struct argp_option *options; /* also for completion */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	const char *example;
};

/* argp_parse() with the command's table: --help and -h end with its example.  0, or the error of argp. */
int cli_parse(const struct cli_command *c, argp_parser_t parse, int argc, char **argv, unsigned int flags, void *input);

/* ADDRESS:PORT, either of which may be missing; false: neither. */
struct cli_listen {
	char address[64]; /* "": not given */
	uint16_t port;
	bool port_given;
};
bool cli_listen(const char *text, struct cli_listen *ret);

/* How many columns the reader's terminal has; 0: no terminal, no limit. */
size_t cli_width(void);

/* "saker COMMAND: SENTENCE" on stderr, after cli_parse(): for store_read_opts.damage and its like; arg is not used. */
void cli_complain(void *arg, const char *sentence);

/* The whole text to stdout.  A reader that went away is no error. */
struct buf;
struct err;
int cli_put(const struct buf *b, struct err *err);

extern const struct cli_command cli_agent, cli_apply, cli_check, cli_confirm, cli_detach, cli_doctor, cli_export,
	cli_freeze, cli_import, cli_lb, cli_map, cli_path, cli_record, cli_repair, cli_requests, cli_serve, cli_show,
	cli_story;

#endif
