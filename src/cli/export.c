/* SPDX-License-Identifier: Apache-2.0 */
/* saker export - recordings in the formats of other tools. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/export.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"

static const struct argp_option export_options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE instead of standard output", 0 },
	{ 0 },
};

struct export_args {
	struct export_run_opts opts;
	const char **paths;
	const char *file;
	bool told; /* that something was left out */
	struct buf query;
};

static void name_format(const char *word, struct export_args *a, struct argp_state *state)
{
	const struct export_format *f;
	unsigned int i;

	a->opts.format = export_format_find(word);
	if (a->opts.format)
		return;
	(void)fprintf(stderr, "saker export: there is no format '%s'; there are:\n", word);
	for (i = 0; (f = export_format_nth(i)); i++)
		(void)fprintf(stderr, "  %-8s %s\n", export_format_name(f), export_format_about(f));
	argp_usage(state);
}

/* From the first word behind the first recording on that no file has as its name, they are a query, as of `saker show`. */
static void take_word(const char *word, struct export_args *a, struct argp_state *state)
{
	if (!a->opts.format) {
		name_format(word, a, state);
	} else if (!a->query.len && (!a->opts.npaths || !access(word, F_OK))) {
		a->paths[a->opts.npaths++] = word;
	} else {
		if (a->query.len)
			buf_char(&a->query, ' ');
		buf_str(&a->query, word);
		a->opts.query = a->query.data;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct export_args *a = state->input;

	switch (key) {
	case 'o':
		a->file = arg;
		return 0;
	case ARGP_KEY_ARG:
		take_word(arg, a, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->opts.npaths)
			argp_error(state, "name a format and a recording: saker export chrome rec");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void left_out(void *arg, const char *type, uint64_t count)
{
	struct export_args *a = arg;

	if (!a->told)
		(void)fprintf(stderr, "saker export: left out, because the format has no form for it:");
	(void)fprintf(stderr, "%s %" PRIu64 " %s", a->told ? "," : "", count, type);
	a->told = true;
}

static int run(struct export_args *a, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = a->file ? fopen(a->file, "we") : NULL;
	struct export_counts c = { 0 };
	int r;

	if (a->file && !f)
		return err_errno(err, errno, "cannot write '%s'", a->file);
	r = export_run(&a->opts, f ? f : stdout, &c, err);
	if (a->told)
		(void)fputc('\n', stderr);
	if (r < 0)
		return r;
	(void)fprintf(stderr, "%" PRIu64 " events", c.events);
	if (c.edges)
		(void)fprintf(stderr, ", %" PRIu64 " edges between threads", c.edges);
	(void)fputc('\n', stderr);
	return 0;
}

static int export_main(int argc, char **argv)
{
	CLEANUP_FREE const char **paths = calloc((size_t)argc, sizeof(*paths));
	struct export_args a = { .paths = paths,
				 .opts = { .paths = paths, .damage = cli_complain, .left_out = left_out, .arg = &a } };
	struct err err = ERR_INIT;
	int r;

	if (!paths || cli_parse(&cli_export, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	r = run(&a, &err);
	buf_fini(&a.query);
	if (r == -EPIPE) /* who reads it had enough */
		return CLI_OK;
	if (r < 0)
		(void)fprintf(stderr, "saker export: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_export = {
	.name = "export",
	.about = "write recordings in the formats of other tools",
	.args_doc = "FORMAT RECORDING... [QUERY]",
	.options = export_options,
	.run = export_main,
	.example = "saker export chrome rec -o rec.json",
};
