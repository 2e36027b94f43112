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
#include "agent/export_spans.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"

enum { OPT_ENDPOINT = 256 };

static const struct argp_option export_options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE instead of standard output, or than to send", 0 },
	{ "file", 0, NULL, OPTION_ALIAS, NULL, 0 },
	{ "endpoint", OPT_ENDPOINT, "URL", 0,
	  "otlp: send to the receiver at URL, whose path /v1/traces is added (default: that of "
	  "OTEL_EXPORTER_OTLP_ENDPOINT, "
	  "http://localhost:4318)",
	  0 },
	{ 0 },
};

struct export_args {
	struct export_run_opts opts;
	const struct spans_format *spans; /* of requests, instead of opts.format */
	const char **paths;
	const char *file, *endpoint;
	bool told;     /* that something was left out */
	bool progress; /* a line that is not yet ended */
	struct buf query;
};

static void name_format(const char *word, struct export_args *a, struct argp_state *state)
{
	const struct export_format *f;
	unsigned int i;

	const struct spans_format *s;

	a->opts.format = export_format_find(word);
	a->spans = spans_format_find(word);
	if (a->opts.format || a->spans)
		return;
	(void)fprintf(stderr, "saker export: there is no format '%s'; there are:\n", word);
	for (i = 0; (f = export_format_nth(i)); i++)
		(void)fprintf(stderr, "  %-8s %s\n", export_format_name(f), export_format_about(f));
	for (i = 0; (s = spans_format_nth(i)); i++)
		(void)fprintf(stderr, "  %-8s %s\n", s->name, s->about);
	argp_usage(state);
}

/* From the first word behind the first recording on that no file has as its name, they are a query, as of `saker show`. */
static void take_word(const char *word, struct export_args *a, struct argp_state *state)
{
	if (!a->opts.format && !a->spans) {
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
	case OPT_ENDPOINT:
		a->endpoint = arg;
		return 0;
	case ARGP_KEY_ARG:
		take_word(arg, a, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->opts.npaths)
			argp_error(state, "name a format and a recording: saker export chrome rec");
		if (a->endpoint && (!a->spans || !a->spans->sent))
			argp_error(state, "--endpoint is for otlp only");
		if (a->endpoint && a->file)
			argp_error(state, "either --endpoint or --file");
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

/* --- requests --- */

static void progress(void *arg, size_t sent, size_t all)
{
	struct export_args *a = arg;

	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\r%zu of %zu spans", sent, all);
	a->progress = true;
}

static void end_progress(struct export_args *a)
{
	if (a->progress)
		(void)fputc('\n', stderr);
	a->progress = false;
}

static void told(void *arg, const char *sentence)
{
	end_progress(arg);
	(void)fprintf(stderr, "saker export: %s\n", sentence);
}

static void conclude(struct export_args *a, const struct export_spans_result *r)
{
	end_progress(a);
	if (r->left_out)
		(void)fprintf(stderr,
			      "saker export: %" PRIu64
			      " facts had no room or were not understood: requests may be missing\n",
			      r->left_out);
	if (r->no_epoch)
		(void)fprintf(
			stderr,
			"saker export: the recording does not say what time it was: times count from the start of "
			"its machine\n");
	(void)fprintf(stderr, "%zu span%s of %zu request%s", r->spans, r->spans == 1 ? "" : "s", r->traces,
		      r->traces == 1 ? "" : "s");
	if (r->sent.rejected)
		(void)fprintf(stderr, ", %" PRIu64 " of them rejected", r->sent.rejected);
	(void)fputc('\n', stderr);
}

static const char *environment(const char *name)
{
	return getenv(name);
}

static int run_spans(struct export_args *a, FILE *out, struct err *err)
{
	struct export_spans_opts o = { .format = a->spans,
				       .paths = a->opts.paths,
				       .npaths = a->opts.npaths,
				       .query = a->opts.query,
				       .out = out,
				       .damage = cli_complain,
				       .progress = progress,
				       .told = told,
				       .arg = a };
	struct export_spans_result result = { 0 };
	struct otlp_target target = { 0 };
	int r = 0;

	if (!out) {
		o.target = &target;
		r = otlp_target_init(a->endpoint, environment, &target, err);
	}
	if (r >= 0)
		r = export_spans_run(&o, &result, err);
	end_progress(a);
	if (r >= 0)
		conclude(a, &result);
	else if (o.target && result.sent.spans)
		(void)fprintf(stderr, "saker export: %" PRIu64 " spans had been sent before\n", result.sent.spans);
	otlp_target_fini(&target);
	return r;
}

static int run(struct export_args *a, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = a->file ? fopen(a->file, "we") : NULL;
	struct export_counts c = { 0 };
	int r;

	if (a->file && !f)
		return err_errno(err, errno, "cannot write '%s'", a->file);
	if (a->spans)
		return run_spans(a, f ? f : a->spans->sent ? NULL : stdout, err);
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
	.example = "saker export chrome rec -o rec.json\n"
		   "  saker export otlp rec --endpoint http://127.0.0.1:4318",
};
