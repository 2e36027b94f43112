/* SPDX-License-Identifier: Apache-2.0 */
/* saker path - one request: where its time went, span by span, and which of them it waited for. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/traces.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/cli.h"
#include "explain/causes.h"
#include "explain/critical.h"
#include "explain/dominant.h"
#include "explain/path.h"
#include "explain/pick.h"

#define PATHS_MAX 64

enum { OPT_COMPARE = 0x100, OPT_OVERALL };

static const struct argp_option path_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ "verbose", 'v', NULL, 0, "Also the evidence for each parent, and all spans and stretches of a large trace",
	  0 },
	{ "compare", OPT_COMPARE, "OTHER", 0,
	  "What differs from another trace, or from `normal`: the median of those that ask the same", 0 },
	{ "overall", OPT_OVERALL, NULL, 0,
	  "Of all requests: what dominates the median and the slowest, and what distinguishes the slow ones", 0 },
	{ 0 },
};

struct path_args {
	const char *paths[PATHS_MAX];
	unsigned int npaths;
	const char *trace, *compare; /* NULL: the slowest; none */
	bool json, verbose, overall;
};

/* What no file has as its name is the id of a trace. */
static void parse_word(struct path_args *a, const char *word, struct argp_state *state)
{
	if (a->npaths && access(word, F_OK) != 0) {
		if (a->trace)
			argp_error(state,
				   "'%s' and '%s': there is no such recording, and only one trace can be told of",
				   a->trace, word);
		a->trace = word;
		return;
	}
	if (a->npaths == PATHS_MAX)
		argp_error(state, "more than %d recordings", PATHS_MAX);
	a->paths[a->npaths++] = word;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct path_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'v':
		a->verbose = true;
		return 0;
	case OPT_COMPARE:
		a->compare = arg;
		return 0;
	case OPT_OVERALL:
		a->overall = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_word(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->npaths)
			argp_error(state, "name a recording");
		if (a->overall && (a->trace || a->compare))
			argp_error(state, "--overall is of all requests, not of one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int view_of(struct traces *t, const struct path_args *a, uint32_t trace, struct critical *c, struct path_view *v,
		   struct err *err)
{
	int r = critical_find(t->s, t->s->traces[trace].root, c, err);

	if (r < 0)
		return r;
	traces_view(t, v);
	v->c = c;
	v->root = t->s->traces[trace].root;
	v->width = cli_width();
	v->verbose = a->verbose;
	v->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	return 0;
}

static int pick(const struct traces *t, const struct path_args *a, uint32_t *ret, uint32_t *ret_other, struct err *err)
{
	int r = a->trace ? pick_trace(t->s, a->trace, ret, err) : pick_slowest(t->s, ret, err);

	if (r < 0 || !a->compare)
		return r;
	return strcmp(a->compare, "normal") != 0 ? pick_trace(t->s, a->compare, ret_other, err)
						 : pick_normal(t->s, *ret, ret_other, err);
}

static int print(struct traces *t, const struct path_args *a, struct buf *b, struct err *err)
{
	struct critical c[2] = { 0 };
	struct path_view v[2] = { 0 };
	uint32_t trace, other = 0;
	int r = pick(t, a, &trace, &other, err);

	if (r >= 0)
		r = view_of(t, a, trace, &c[0], &v[0], err);
	if (r >= 0 && a->compare)
		r = view_of(t, a, other, &c[1], &v[1], err);
	if (r >= 0 && a->compare)
		(a->json ? path_compare_json : path_compare_text)(b, &v[0], &v[1]);
	else if (r >= 0)
		(a->json ? path_json : path_text)(b, &v[0]);
	if (r >= 0 && a->json)
		buf_char(b, '\n');
	critical_fini(&c[0]);
	critical_fini(&c[1]);
	return r >= 0 && b->failed ? err_set(err, ENOMEM, "out of memory for the text of a trace") : r;
}

static int print_overall(const struct traces *t, const struct path_args *a, struct buf *b, struct err *err)
{
	struct causes c = { 0 };
	struct dominant d;
	int r = dominant_of(t->s, NULL, 0, &d, err);

	if (r < 0)
		return r;
	r = causes_of(t->s, NULL, 0, &c, err);
	if (r >= 0 && a->json) {
		buf_char(b, '{');
		dominant_members_json(b, t->s, &d);
		buf_str(b, ",\"causes\":");
		causes_json(b, t->s, &c);
		buf_str(b, "}\n");
	} else if (r >= 0) {
		dominant_text(b, t->s, &d);
		causes_text(b, t->s, &c);
	}
	causes_fini(&c);
	dominant_fini(&d);
	return r;
}

static int path_main(int argc, char **argv)
{
	struct path_args args = { 0 };
	struct analysis_opts opts = { .damage = cli_complain };
	struct buf b = BUF_INIT;
	struct traces t = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (cli_parse(&cli_path, parse_option, argc, argv, 0, &args) != 0)
		return CLI_USAGE;
	opts.paths = args.paths;
	opts.npaths = args.npaths;
	if (args.overall || args.compare)
		r = traces_open(&opts, &t, &err);
	else
		r = traces_open_one(&opts, args.trace, &t, &err);
	if (r >= 0) {
		traces_complain(&t, cli_complain, NULL);
		r = args.overall ? print_overall(&t, &args, &b, &err) : print(&t, &args, &b, &err);
	}
	if (r >= 0)
		r = cli_put(&b, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker path: %s\n", err.text);
	buf_fini(&b);
	traces_close(&t);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_path = {
	.name = "path",
	.about = "where the time of one request went: waterfall, critical path, reasons",
	.args_doc = "RECORDING... [TRACE]\nFILE.json [TRACE]",
	.options = path_options,
	.run = path_main,
	.example = "saker path rec",
};
