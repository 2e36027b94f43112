/* SPDX-License-Identifier: Apache-2.0 */
/* saker repair - cuts torn ends, drops damaged blocks, rebuilds the index. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "store/store.h"

static const struct argp_option repair_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ 0 },
};

struct repair_args {
	const char *path;
	bool json;
	struct buf done; /* JSON strings, separated by commas */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct repair_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->path)
			argp_error(state, "only one recording can be repaired at a time");
		a->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->path)
			argp_error(state, "say which recording");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void note_done(void *arg, const char *sentence)
{
	struct repair_args *a = arg;

	if (!a->json) {
		(void)puts(sentence);
		return;
	}
	if (a->done.len)
		buf_char(&a->done, ',');
	buf_json(&a->done, sentence, strlen(sentence));
}

static void print_result(const struct repair_args *a, const struct store_stats *st)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	if (!a->json) {
		(void)printf("'%s': %" PRIu64 " events in %" PRIu64 " blocks are whole\n", a->path, st->events,
			     st->blocks);
		return;
	}
	buf_str(&b, "{\"recording\":");
	buf_json(&b, a->path, strlen(a->path));
	buf_printf(&b, ",\"events\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"done\":[%s]}",
		   st->events, st->blocks, st->bytes, a->done.data ? a->done.data : "");
	(void)puts(b.data ? b.data : "{}");
}

static int repair(struct repair_args *a, struct store_stats *ret, struct err *err)
{
	struct store_reader *r = NULL;
	int e = store_repair(a->path, note_done, a, err);

	if (e >= 0)
		e = store_open(&a->path, 1, &r, err);
	if (e < 0)
		return e;
	store_reader_stats(r, ret);
	store_reader_free(r);
	return 0;
}

static int repair_main(int argc, char **argv)
{
	struct repair_args a = { 0 };
	struct err err = ERR_INIT;
	struct store_stats st;
	int r;

	if (cli_parse(&cli_repair, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	r = repair(&a, &st, &err);
	if (r >= 0)
		print_result(&a, &st);
	else
		(void)fprintf(stderr, "saker repair: %s\n", err.text);
	buf_fini(&a.done);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_repair = {
	.name = "repair",
	.about = "make a recording whole that was cut off or damaged: bad blocks go, the index is built anew",
	.args_doc = "RECORDING",
	.options = repair_options,
	.run = repair_main,
	.example = "saker repair rec",
};
