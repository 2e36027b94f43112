/* SPDX-License-Identifier: Apache-2.0 */
/* saker import - recordings from what others recorded. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/import.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"

enum { OPT_HOST = 256, OPT_PATTERN, OPT_ZONE, OPT_YEAR };

static const struct argp_option import_options[] = {
	{ "output", 'o', "DIR", 0, "Directory of the recordings, one for each host; it must be new or empty", 0 },
	{ "host", OPT_HOST, "NAME", 0, "Name of the machine whose files follow, where they do not say it", 0 },
	{ "pattern", OPT_PATTERN, "PATTERN", 0, "log: the time at the beginning of a line, as %Y-%m-%d %T,%f", 0 },
	{ "zone", OPT_ZONE, "ZONE", 0, "log: zone of times that name none, as +02:00 or UTC (default: this host's)",
	  0 },
	{ "year", OPT_YEAR, "YEAR", 0, "log: year of times that have none (default: closest to the file's last change)",
	  0 },
	{ "json", 'j', NULL, 0, "Print the summary as one JSON object", 0 },
	{ 0 },
};

#define ZONE_PROBE_S 946771200 /* 2000-01-02 00:00:00 UTC */

struct import_args {
	struct import_opts opts;
	const char **files, **hosts;
	const char *dir;
	bool json;
	struct buf complaints; /* JSON objects, separated by commas */
};

static void unknown_format(const char *word, struct argp_state *state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	const struct import_format *f;
	unsigned int i;

	for (i = 0; (f = import_format_nth(i)); i++)
		buf_printf(&b, "%s%s", i ? ", " : "", import_format_name(f));
	argp_error(state, "there is no format '%s' (there are: %s)", word, b.data);
}

static void take_word(struct import_args *a, const char *word, struct argp_state *state)
{
	if (a->opts.format) {
		a->hosts[a->opts.nfiles] = a->opts.host;
		a->files[a->opts.nfiles++] = word;
		return;
	}
	a->opts.format = import_format_find(word);
	if (!a->opts.format)
		unknown_format(word, state);
}

/* What log files leave open about their times. */
static void take_times(struct import_args *a, int key, const char *arg, struct argp_state *state)
{
	struct err err = ERR_INIT;
	struct stamp_opts zone = { 0 };
	struct stamp s;
	char text[64];
	uint64_t year;

	if (key == OPT_PATTERN) {
		if (stamp_format_check(arg, &err) < 0)
			argp_error(state, "%s", err.text);
		a->opts.pattern = arg;
	} else if (key == OPT_YEAR) {
		if (parse_number(arg, &year) < 0 || year < 1970 || year > 2500)
			argp_error(state, "'%s' is no year", arg);
		a->opts.stamps.year = (int32_t)year;
	} else {
		(void)snprintf(text, sizeof(text), "2000-01-02 00:00:00%s", arg);
		if (!stamp_match("%F %T%z", text, strlen(text), &zone, &s) || s.end != strlen(text))
			argp_error(state, "'%s' is no zone (try +02:00 or UTC)", arg);
		a->opts.stamps.zone_s = (int32_t)((int64_t)ZONE_PROBE_S - (int64_t)(s.unix_ns / NS_PER_SEC));
		a->opts.stamps.local = false;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct import_args *a = state->input;

	switch (key) {
	case 'o':
		a->dir = arg;
		return 0;
	case OPT_HOST:
		a->opts.host = arg;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case OPT_PATTERN:
	case OPT_ZONE:
	case OPT_YEAR:
		take_times(a, key, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		take_word(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (!a->opts.format || !a->opts.nfiles)
			argp_error(state, "name a format and files: saker import falcon FILE... -o DIR");
		if (!a->dir)
			argp_error(state, "say where to: -o DIR");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void complain(void *arg, const char *file, uint64_t line, const char *why)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct import_args *a = arg;

	buf_text(&b, file, strlen(file));
	buf_printf(&b, ":%" PRIu64 ": ", line);
	buf_text(&b, why, strlen(why));
	(void)fprintf(stderr, "saker import: %s\n", b.data ? b.data : "out of memory");
	buf_str(&a->complaints, a->complaints.len ? ",{\"file\":" : "{\"file\":");
	buf_json(&a->complaints, file, strlen(file));
	buf_printf(&a->complaints, ",\"line\":%" PRIu64 ",\"why\":", line);
	buf_json(&a->complaints, why, strlen(why));
	buf_char(&a->complaints, '}');
}

static void summary_text(const struct import_args *a, const struct import *imp)
{
	struct import_counts c;
	unsigned int i;

	import_get_counts(imp, &c);
	(void)fprintf(stderr, "'%s': %" PRIu64 " events of %u hosts (", a->dir, c.events, import_hosts(imp));
	for (i = 0; i < import_hosts(imp); i++)
		(void)fprintf(stderr, "%s%s %" PRIu64, i ? ", " : "", import_host_name(imp, i),
			      import_host_events(imp, i));
	(void)fprintf(stderr,
		      ") from %" PRIu64 " lines; %" PRIu64 " lines folded into the log event before them, %" PRIu64
		      " malformed",
		      c.lines - c.blank, c.folded, c.malformed);
	if (c.malformed > IMPORT_COMPLAINTS_MAX)
		(void)fprintf(stderr, " (at most %d are shown)", IMPORT_COMPLAINTS_MAX);
	if (c.split)
		(void)fprintf(stderr, ", %" PRIu64 " parts of long log lines", c.split);
	if (c.repaired)
		(void)fprintf(stderr, ", %" PRIu64 " bytes that are no UTF-8", c.repaired);
	if (c.moved)
		(void)fprintf(stderr, ", %" PRIu64 " events whose time contradicts their thread's order", c.moved);
	(void)fputc('\n', stderr);
	if (import_format_note(a->opts.format) && import_hosts(imp) > 1)
		(void)fprintf(stderr,
			      "%s: these need not agree, and log lines alone do not tell the order between hosts\n",
			      import_format_note(a->opts.format));
}

static void summary_json(const struct import_args *a, const struct import *imp)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct import_counts c;
	unsigned int i;

	import_get_counts(imp, &c);
	buf_str(&b, "{\"hosts\":[");
	for (i = 0; i < import_hosts(imp); i++) {
		const char *name = import_host_name(imp, i);

		buf_str(&b, i ? ",{\"host\":" : "{\"host\":");
		buf_json(&b, name, strlen(name));
		buf_printf(&b, ",\"events\":%" PRIu64 "}", import_host_events(imp, i));
	}
	buf_printf(&b,
		   "],\"events\":%" PRIu64 ",\"files\":%u,\"lines\":%" PRIu64 ",\"blank\":%" PRIu64
		   ",\"folded\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"split\":%" PRIu64 ",\"repaired\":%" PRIu64
		   ",\"moved\":%" PRIu64 ",\"complaints\":[%s]}",
		   c.events, a->opts.nfiles, c.lines, c.blank, c.folded, c.malformed, c.split, c.repaired, c.moved,
		   a->complaints.data ? a->complaints.data : "");
	(void)puts(b.data ? b.data : "{}");
}

static int import_main(int argc, char **argv)
{
	CLEANUP_FREE const char **files = calloc((size_t)argc, sizeof(*files));
	CLEANUP_FREE const char **hosts = calloc((size_t)argc, sizeof(*hosts));
	struct import_args a = {
		.files = files,
		.hosts = hosts,
		.opts = { .files = files, .hosts = hosts, .stamps = { .local = true }, .complain = complain, .arg = &a }
	};
	struct import *imp = NULL;
	struct err err = ERR_INIT;
	int r;

	if (!files || !hosts || cli_parse(&cli_import, parse_option, argc, argv, ARGP_IN_ORDER, &a) != 0)
		return CLI_USAGE;
	r = import_run(&a.opts, a.dir, &imp, &err);
	if (r < 0) {
		(void)fprintf(stderr, "saker import: %s\n", err.text);
	} else {
		summary_text(&a, imp);
		if (a.json)
			summary_json(&a, imp);
	}
	buf_fini(&a.complaints);
	import_free(imp);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_import = {
	.name = "import",
	.about = "make recordings of what others recorded, one for each host",
	.args_doc = "FORMAT FILE...",
	.options = import_options,
	.run = import_main,
	.example = "saker import falcon zk1.log zk2.log -o rec",
};
