/* SPDX-License-Identifier: Apache-2.0 */
/* saker show - events of recordings in the order of time, cause or thread; their edges, causes and effects. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/analyse.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/show.h"

#define WORDS_MAX 1024

enum {
	OPT_ORDER = 256,
	OPT_CAUSES,
	OPT_EFFECTS,
	OPT_EDGES,
	OPT_UNMATCHED,
	OPT_OFFSETS,
	OPT_LIMIT,
	OPT_DEPTH,
	OPT_FROM,
	OPT_TO,
	OPT_WALL,
};

static const struct argp_option show_options[] = {
	{ "json", 'j', NULL, 0, "Print a line of JSON for each event, edge or message", 0 },
	{ "order", OPT_ORDER, "ORDER", 0, "time (the default), causal (causes before effects) or thread", 0 },
	{ "from", OPT_FROM, "TIME", 0, "Only events from TIME after the beginning on (1.5s, 200ms)", 0 },
	{ "to", OPT_TO, "TIME", 0, "Only events before TIME after the beginning", 0 },
	{ "limit", OPT_LIMIT, "N", 0, "Stop after N lines", 0 },
	{ "wall", OPT_WALL, NULL, 0, "Print the time of day instead of the time since the beginning", 0 },
	{ "causes", OPT_CAUSES, "ID", 0, "Print the causal past of an event as a tree", 1 },
	{ "effects", OPT_EFFECTS, "ID", 0, "Print what the event led to as a tree", 1 },
	{ "depth", OPT_DEPTH, "N", 0, "Follow a tree N edges deep", 1 },
	{ "edges", OPT_EDGES, NULL, 0, "Print the edges of happens-before between threads instead of the events", 2 },
	{ "unmatched", OPT_UNMATCHED, NULL, 0, "Print the messages that found no other end, and why", 2 },
	{ "offsets", OPT_OFFSETS, NULL, 0, "Print the offsets between the hosts' clocks, as intervals", 2 },
	{ 0 },
};

struct show_parse {
	struct show_args args;
	char *words[WORDS_MAX];
	unsigned int nwords;
	struct buf query;
};

static uint64_t duration_arg(const char *text, struct argp_state *state)
{
	uint64_t ns;

	if (parse_duration(text + (*text == '+'), &ns) < 0)
		argp_error(state, "'%s' is no time (try 1.5s)", text);
	return ns;
}

static uint64_t number_arg(const char *text, struct argp_state *state)
{
	uint64_t n;

	if (parse_number(text, &n) < 0)
		argp_error(state, "'%s' is no number", text);
	return n;
}

static enum show_order order_arg(const char *text, struct argp_state *state)
{
	static const char *const names[] = { [SHOW_TIME] = "time", [SHOW_CAUSAL] = "causal", [SHOW_THREAD] = "thread" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(text, names[i]))
			return (enum show_order)i;
	argp_error(state, "there is no order '%s': time, causal or thread", text);
	return SHOW_TIME;
}

/* From the first word on that no file has as its name, they are a query (which a shell may have split). */
static void parse_words(struct show_parse *p, struct argp_state *state)
{
	unsigned int i, n = 1;

	if (!p->nwords)
		argp_error(state, "name a recording");
	while (n < p->nwords && access(p->words[n], F_OK) == 0)
		n++;
	if (n > SHOW_PATHS)
		argp_error(state, "more than %d recordings", SHOW_PATHS);
	for (i = 0; i < n; i++)
		p->args.paths[p->args.npaths++] = p->words[i];
	for (; i < p->nwords; i++) {
		if (i > n)
			buf_char(&p->query, ' ');
		buf_str(&p->query, p->words[i]);
	}
	p->args.query = p->query.data;
}

static error_t parse_what(int key, char *arg, struct show_args *a)
{
	switch (key) {
	case OPT_CAUSES:
	case OPT_EFFECTS:
		a->what = key == OPT_CAUSES ? SHOW_CAUSES : SHOW_EFFECTS;
		a->ref = arg;
		return 0;
	case OPT_EDGES:
		a->what = SHOW_EDGES;
		return 0;
	case OPT_UNMATCHED:
		a->what = SHOW_UNMATCHED;
		return 0;
	case OPT_OFFSETS:
		a->what = SHOW_OFFSETS;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct show_parse *p = state->input;
	struct show_args *a = &p->args;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case OPT_ORDER:
		a->order = order_arg(arg, state);
		return 0;
	case OPT_FROM:
		a->from_ns = duration_arg(arg, state);
		return 0;
	case OPT_TO:
		a->to_ns = duration_arg(arg, state);
		return 0;
	case OPT_LIMIT:
		a->limit = number_arg(arg, state);
		return 0;
	case OPT_DEPTH:
		a->depth = number_arg(arg, state);
		return 0;
	case OPT_WALL:
		a->wall = true;
		return 0;
	case ARGP_KEY_ARG:
		if (p->nwords == ARRAY_LEN(p->words))
			argp_error(state, "more than %d words", WORDS_MAX);
		p->words[p->nwords++] = arg;
		return 0;
	case ARGP_KEY_END:
		parse_words(p, state);
		return 0;
	default:
		return parse_what(key, arg, a);
	}
}

/* --- progress: on a terminal, when it takes longer than a second --- */

void show_progress(struct show *s, uint64_t events)
{
	if (!s->progress || clock_boot_ns() - s->begun_ns < NS_PER_SEC)
		return;
	(void)fprintf(stderr, "\r%.1f M events", (double)events / 1e6);
	s->progress_told = true;
}

void show_progress_end(struct show *s)
{
	if (s->progress_told)
		(void)fputs("\r\033[K", stderr);
	s->progress_told = false;
}

static void analysis_progress(void *arg, unsigned long long events)
{
	show_progress(arg, events);
}

/* --- what is open while it runs --- */

static const char *host_name(void *arg, uint32_t host)
{
	return store_host_name(arg, host);
}

static uint64_t scope_since(void *arg, const struct event *ev)
{
	return show_since_ns(arg, ev);
}

/* The query, and a mark below the column that is wrong.  Columns count bytes; what is shown has escapes. */
static void mark_column(const char *text, unsigned int column)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	size_t i, width = 0, upto = MIN((size_t)column - 1, strlen(text));

	buf_text(&b, text, upto);
	for (i = 0; i < b.len; i++)
		width += ((unsigned char)b.data[i] & 0xc0) != 0x80;
	buf_text(&b, text + upto, strlen(text + upto));
	(void)fprintf(stderr, "    %s\n    %*s^\n", b.data ? b.data : "", (int)width, "");
}

static int open_query(struct show *s)
{
	const char *text = s->args->query;
	unsigned int column = 1;
	int r;

	if (!text)
		return 0;
	r = query_compile(text, store_types(s->reader), &s->query, &column, s->err);
	if (r == -EINVAL)
		mark_column(text, column);
	if (r < 0 && !strpbrk(text, "=<>~ "))
		return err_prefix(s->err, "there is no recording '%s', and as a query", text);
	return r < 0 ? err_prefix(s->err, "cannot understand the query") : 0;
}

static int open_order(struct show *s, struct analysis *an)
{
	const struct show_args *a = s->args;
	struct analysis_opts opts = {
		.paths = a->paths, .npaths = a->npaths, .damage = cli_complain, .progress = analysis_progress, .arg = s
	};
	int r;

	if (a->what == SHOW_EVENTS && a->order != SHOW_CAUSAL)
		return store_open(a->paths, a->npaths, &s->reader, s->err);
	r = analysis_open(&opts, an, s->err);
	show_progress_end(s);
	s->reader = an->reader;
	s->order = an->order;
	return r;
}

/* One pass before the first: names that come after the first event that mentions them, and when it began. */
static int open_names(struct show *s)
{
	struct store_read_opts ro = { 0 };
	struct event_source *source;
	const struct event *ev;
	int r = store_read(s->reader, &ro, &source, s->err);
	bool whole = !s->args->json || s->args->what == SHOW_OFFSETS || query_needs_scope(s->query);
	bool first = true;
	uint64_t n = 0;

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, s->err)) > 0) {
		if (++n % SHOW_PROGRESS_EVERY == 0)
			show_progress(s, n);
		if (first)
			s->first_unix_ns = store_host_epoch(s->reader, ev->host) + ev->boot_ns;
		first = false;
		if (!whole)
			break;
		who_learn_names(s->who, ev);
		s->last_unix_ns = MAX(s->last_unix_ns, store_host_epoch(s->reader, ev->host) + ev->boot_ns);
	}
	show_progress_end(s);
	event_source_close(source);
	return r;
}

static int run(struct show *s)
{
	switch (s->args->what) {
	case SHOW_EDGES:
		return show_edges(s);
	case SHOW_UNMATCHED:
		return show_unmatched(s);
	case SHOW_OFFSETS:
		return show_offsets(s);
	case SHOW_CAUSES:
	case SHOW_EFFECTS:
		return show_tree(s);
	default:
		return show_events(s);
	}
}

static int open_and_run(struct show *s)
{
	struct analysis an = { 0 };
	int r = open_order(s, &an);

	if (r < 0 && strpbrk(s->args->paths[0], "=<>~"))
		(void)err_prefix(s->err, "a recording comes before the query");
	if (r >= 0)
		r = open_query(s);
	if (r >= 0 && who_new(host_name, s->reader, store_hosts(s->reader) > 1, &s->who) < 0)
		r = err_set(s->err, ENOMEM, "out of memory");
	if (r >= 0)
		r = open_names(s);
	s->scope = who_scope(s->who, scope_since, s);
	if (r >= 0)
		r = run(s);
	if (r >= 0 && s->res < 0)
		r = s->res;
	if (!s->write_errno && fflush(stdout) != 0)
		s->write_errno = errno;
	if (r >= 0 && s->write_errno && s->write_errno != EPIPE) /* a reader may have enough */
		r = err_errno(s->err, s->write_errno, "cannot write to the standard output");
	s->who = who_free(s->who);
	s->query = query_free(s->query);
	if (s->order)
		analysis_close(&an);
	else
		s->reader = store_reader_free(s->reader);
	return r;
}

static int show_main(int argc, char **argv)
{
	struct show_parse p = { .args = { .limit = UINT64_MAX, .to_ns = UINT64_MAX } };
	struct err err = ERR_INIT;
	struct show *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return CLI_FAILED;
	if (cli_parse(&cli_show, parse_option, argc, argv, 0, &p) != 0) {
		free(s);
		return CLI_USAGE;
	}
	s->args = &p.args;
	s->err = &err;
	s->terminal = isatty(STDOUT_FILENO);
	s->colour = s->terminal && !getenv("NO_COLOR");
	s->progress = isatty(STDERR_FILENO);
	s->begun_ns = clock_boot_ns();
	r = open_and_run(s);
	buf_fini(&s->line);
	buf_fini(&p.query);
	free(s);
	if (r >= 0)
		return CLI_OK;
	(void)fprintf(stderr, "saker show: %s\n", err.text);
	return CLI_FAILED;
}

const struct cli_command cli_show = {
	.name = "show",
	.about = "the events of recordings in order of time, cause or thread; causes, effects, edges",
	.args_doc = "RECORDING... [QUERY]",
	.options = show_options,
	.run = show_main,
	.example = "saker show rec 'type=send and bytes>1000' --order causal",
};
