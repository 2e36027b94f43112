/* SPDX-License-Identifier: Apache-2.0 */
/* saker freeze - a copy of what a flight recorder holds now. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/record.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "store/store.h"

static const struct argp_option freeze_options[] = {
	{ "output", 'o', "DIR", 0, "Directory of the copy (required); it must be new or empty", 0 },
	{ "json", 'j', NULL, 0, "Print what was taken as JSON", 0 },
	{ 0 },
};

struct freeze_args {
	const char *from, *to;
	bool json;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct freeze_args *a = state->input;

	switch (key) {
	case 'o':
		a->to = arg;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->from)
			argp_error(state, "only one recording can be frozen at a time");
		a->from = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->to)
			argp_error(state, "say where the copy is to be: -o DIR");
		a->from = a->from ? a->from : RECORD_FLIGHT_DIR;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int print_taken(const struct freeze_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct store_reader *r = NULL;
	struct store_stats st;
	int e = store_open(&a->to, 1, &r, err);

	if (e < 0)
		return e;
	store_reader_stats(r, &st);
	store_reader_free(r);
	if (a->json) {
		buf_str(&b, "{\"from\":");
		buf_json(&b, a->from, strlen(a->from));
		buf_str(&b, ",\"to\":");
		buf_json(&b, a->to, strlen(a->to));
		buf_printf(&b, ",\"events\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", st.events,
			   st.blocks, st.bytes);
		(void)puts(b.data ? b.data : "{}");
	} else {
		(void)fprintf(stderr, "'%s': %" PRIu64 " events, %.1f MB, from '%s'\n", a->to, st.events,
			      (double)st.bytes / 1e6, a->from);
	}
	return 0;
}

static int freeze_main(int argc, char **argv)
{
	struct freeze_args a = { 0 };
	struct err err = ERR_INIT;
	uid_t uid;
	gid_t gid;
	int r;

	if (cli_parse(&cli_freeze, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	child_invoker(&uid, &gid);
	if (!strcmp(a.from, RECORD_FLIGHT_DIR) && access(a.from, F_OK) < 0 && errno == ENOENT) {
		(void)fprintf(stderr,
			      "saker freeze: no flight recorder has run here: there is no '%s'; name a recording\n",
			      a.from);
		return CLI_FAILED;
	}
	r = store_freeze(a.from, a.to, uid, gid, &err);
	if (r >= 0)
		r = print_taken(&a, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker freeze: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_freeze = {
	.name = "freeze",
	.about = "take a copy of what a flight recorder holds, while it goes on",
	.args_doc = "[RECORDING]",
	.options = freeze_options,
	.run = freeze_main,
	.example = "sudo saker freeze -o rec",
};
