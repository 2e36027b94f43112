/* SPDX-License-Identifier: Apache-2.0 */
/* saker requests - the requests of a recording, a line each, with the reason for the time that it took. */
#include <argp.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/traces.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "explain/requests_json.h"
#include "explain/span_query.h"
#include "explain/span_sort.h"
#include "order/order.h"
#include "store/store.h"

#define PATHS_MAX 64

enum { OPT_SORT = 256, OPT_ALL, OPT_IGNORE_IDS, OPT_TIMING, OPT_RECORD };

/* What is handed on to `saker record`: OPT_RECORD and the place in this table, or a letter. */
static const struct {
	const char *name, *option;
	char letter;
	bool flag;
} handed_on[] = {
	{ "output", "--output", 'o', false },	{ "pid", "--pid", 'p', false },
	{ "unit", "--unit", 0, false },		{ "container", "--container", 0, false },
	{ "cgroup", "--cgroup", 0, false },	{ "netns", "--netns", 0, false },
	{ "port", "--port", 0, false },		{ "host", "--all", 0, true },
	{ "duration", "--duration", 0, false }, { "with", "--with", 0, false },
	{ "without", "--without", 0, false },	{ "payload", "--payload", 0, false },
	{ "as-root", "--as-root", 0, true },
};

#define RECORD_WORDS 64
#define SLOWEST_SHOWN 20

static const struct argp_option requests_options[] = {
	{ "sort", OPT_SORT, "KEY", 0,
	  "Order by KEY: time (the default), duration, status, service, or a time class (lock, disk, ...); -KEY: "
	  "largest first",
	  0 },
	{ "number", 'n', "N", 0, "Print the first N only", 0 },
	{ "all", OPT_ALL, NULL, 0, "Every span, not only those that nobody else's request caused", 0 },
	{ "timing", OPT_TIMING, NULL, 0, "Also the turns of conversations whose protocol is not known", 0 },
	{ "ignore-ids", OPT_IGNORE_IDS, NULL, 0, "Join requests as if the messages carried no ids", 0 },
	{ "json", 'j', NULL, 0, "Print a JSON object a line", 0 },
	{ NULL, 0, NULL, 0, "To record first, until the command ends or Ctrl-C (see saker-record(1)):", 1 },
	{ "output", 'o', "DIR", 0, "Keep the recording there", 1 },
	{ "pid", 'p', "PID,...", 0, "Record running processes", 1 },
	{ "unit", OPT_RECORD + 2, "NAME", 0, "Record a systemd unit", 1 },
	{ "container", OPT_RECORD + 3, "NAME", 0, "Record a container", 1 },
	{ "cgroup", OPT_RECORD + 4, "PATH", 0, "Record a cgroup", 1 },
	{ "netns", OPT_RECORD + 5, "NAME", 0, "Record the processes of a network namespace", 1 },
	{ "port", OPT_RECORD + 6, "N", 0, "Record the processes that use a port", 1 },
	{ "host", OPT_RECORD + 7, NULL, 0, "Record every process of the host", 1 },
	{ "duration", OPT_RECORD + 8, "TIME", 0, "Stop after TIME", 1 },
	{ "with", OPT_RECORD + 9, "KIND,...", 0, "Observe these kinds as well (pipe, file, block)", 1 },
	{ "without", OPT_RECORD + 10, "KIND,...", 0, "Do not observe these", 1 },
	{ "payload", OPT_RECORD + 11, "N", 0, "Keep the first N bytes of messages", 1 },
	{ "as-root", OPT_RECORD + 12, NULL, 0, "Run the command as root", 1 },
	{ 0 },
};

struct requests_args {
	const char *paths[PATHS_MAX];
	unsigned int npaths;
	const char *query, *sort;
	uint64_t limit;
	bool all, json, ignore_ids, timing;
	/* to record first */
	char *record[RECORD_WORDS]; /* options of `saker record`; borrowed or static */
	int nrecord;
	char *const *command; /* NULL: none */
	const char *output;
	size_t told;
};

/* What is no recording is the query. */
static void parse_arg(struct requests_args *a, const char *arg, struct argp_state *state)
{
	struct stat st;

	if (a->npaths && stat(arg, &st) != 0 && !a->query) {
		a->query = arg;
		return;
	}
	if (a->npaths == PATHS_MAX)
		argp_error(state, "more than %d recordings", PATHS_MAX);
	a->paths[a->npaths++] = arg;
}

static void hand_on(struct requests_args *a, size_t i, char *arg, struct argp_state *state)
{
	if (a->nrecord + 2 > RECORD_WORDS - 8)
		argp_error(state, "too many options");
	if (handed_on[i].letter == 'o')
		a->output = arg;
	a->record[a->nrecord++] = (char *)handed_on[i].option;
	if (!handed_on[i].flag)
		a->record[a->nrecord++] = arg;
}

static void parse_end(struct requests_args *a, struct argp_state *state)
{
	bool record = a->nrecord || a->command;

	if (!record && !a->npaths)
		argp_error(state, "name a recording, or whom to record: -- COMMAND, -p PID, --container NAME, ...");
	if (record && a->npaths == 1 && !a->query)
		a->query = a->paths[--a->npaths];
	if (record && a->npaths)
		argp_error(state, "either a recording is read, or one is made");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct requests_args *a = state->input;

	if (key == 'o' || key == 'p' || (key >= OPT_RECORD && key < OPT_RECORD + (int)ARRAY_LEN(handed_on))) {
		hand_on(a, key == 'o' ? 0 : key == 'p' ? 1 : (size_t)(key - OPT_RECORD), arg, state);
		return 0;
	}
	switch (key) {
	case OPT_SORT:
		if (!span_sort_key(arg))
			argp_error(state, "requests cannot be sorted by '%s'", arg);
		a->sort = arg;
		return 0;
	case 'n':
		if (parse_number(arg, &a->limit) < 0 || !a->limit)
			argp_error(state, "'%s' is no number of requests", arg);
		return 0;
	case OPT_ALL:
		a->all = true;
		return 0;
	case OPT_TIMING:
		a->timing = true;
		return 0;
	case OPT_IGNORE_IDS:
		a->ignore_ids = true;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_arg(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		parse_end(a, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- which --- */

static const char *host_name(void *arg, uint32_t host)
{
	return arg ? store_host_name(arg, host) : NULL;
}

/* The spans to print; the caller frees them.  NULL: err says why. */
static uint32_t *select_rows(const struct requests_args *args, const struct traces *t, size_t *ret_n, struct err *err)
{
	const struct spans *s = t->s;
	CLEANUP_FREE uint32_t *rows = malloc((s->count + 1) * sizeof(*rows));
	struct span_query *q = NULL;
	size_t n = 0;
	uint32_t i;

	if (!rows) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (args->query && span_query_new(args->query, host_name, t->a.reader, &q, err) < 0)
		return NULL;
	for (i = 0; i < s->count; i++)
		if ((args->all || s->rows[i].parent == SPAN_NONE) &&
		    (!q || span_query_match(q, s, i, s->rows[0].begin_ns)))
			rows[n++] = i;
	(void)span_query_free(q);
	span_sort(s, args->sort ? args->sort : "time", rows, n);
	*ret_n = n;
	return TAKE(rows);
}

/* --- printing --- */

/* Text in a column of its own, cut at its end; a blank behind it. */
static void column(struct buf *b, const char *text, size_t width)
{
	size_t before = b->len, i, n = 0;

	buf_text(b, text, strlen(text));
	for (i = before; i < b->len; i++)
		n += ((unsigned char)b->data[i] & 0xc0) != 0x80;
	for (; n < width; n++)
		buf_char(b, ' ');
	buf_char(b, ' ');
}

static void status_text(struct buf *b, const struct span *s)
{
	CLEANUP(buf_fini) struct buf t = BUF_INIT;

	if (s->flags & SPAN_UNANSWERED)
		buf_str(&t, "none");
	else if (s->status)
		buf_printf(&t, "%d", s->status);
	else
		buf_str(&t, s->flags & SPAN_FAILED ? "failed" : s->flags & SPAN_UNASKED ? "?" : "ok");
	column(b, t.data ? t.data : "", 6);
}

static void line_text(struct buf *b, const struct spans *s, uint32_t i, const size_t width[2])
{
	CLEANUP(buf_fini) struct buf t = BUF_INIT;
	const struct span *row = &s->rows[i];

	buf_printf(b, "%+9.3f s  %08" PRIx32 "  ", (double)(row->begin_ns - s->rows[0].begin_ns) / 1e9,
		   (uint32_t)(row->trace[0] >> 32));
	column(b, spans_text(s, row->service), width[0]);
	buf_printf(&t, "%s %s", *spans_text(s, row->operation) ? spans_text(s, row->operation) : spans_protocol(s, row),
		   *spans_text(s, row->resource) ? spans_text(s, row->resource) : spans_text(s, row->peer));
	column(b, t.data ? t.data : "", width[1]);
	status_text(b, row);
	buf_reset(&t);
	span_duration_text(&t, row->end_ns - row->begin_ns);
	buf_printf(b, "%9s  ", t.data ? t.data : "");
	span_reason_text(b, s, i);
	if (row->flags & SPAN_INCOMPLETE)
		buf_str(b, " [incomplete: events were lost]");
	if (row->flags & SPAN_AMBIGUOUS)
		buf_printf(b, " [parent likely, %u %%]", row->confidence);
	buf_char(b, '\n');
}

#define COLUMN_MAX 40

/* As wide as what stands in them, up to COLUMN_MAX. */
static void widths(const struct spans *s, const uint32_t *rows, size_t n, size_t width[2])
{
	size_t i;

	width[0] = 7;
	width[1] = 9;
	for (i = 0; i < n; i++) {
		const struct span *row = &s->rows[rows[i]];
		size_t a = strlen(spans_text(s, row->service));
		size_t c = strlen(spans_text(s, row->operation)) + 1 + strlen(spans_text(s, row->resource));

		a = MIN(a, (size_t)COLUMN_MAX);
		c = MIN(c, (size_t)COLUMN_MAX);
		width[0] = MAX(width[0], a);
		width[1] = MAX(width[1], c);
	}
}

static void print_text(const struct traces *t, const uint32_t *rows, size_t n, size_t found)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	const struct spans *s = t->s;
	size_t width[2], i;

	widths(s, rows, n, width);
	if (n) {
		buf_printf(&b, "%11s  %-8s  ", "time", "trace");
		column(&b, "service", width[0]);
		column(&b, "operation", width[1]);
		buf_printf(&b, "%-6s %9s  %s\n", "status", "duration", "mostly");
	}
	for (i = 0; i < n; i++)
		line_text(&b, s, rows[i], width);
	if (b.data)
		(void)fputs(b.data, stdout);
	(void)fprintf(stderr, "%zu of %zu requests, in %zu traces of %zu spans\n", n, found, s->ntraces, s->count);
	if (t->left_out)
		(void)fprintf(stderr, "there was no room for %" PRIu64 " facts: requests may lack something\n",
			      t->left_out);
}

static void print_json(const struct traces *t, const uint32_t *rows, size_t n)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	const struct order_ref *logs = NULL;
	size_t i, nlogs;

	for (i = 0; i < n; i++) {
		buf_reset(&b);
		nlogs = traces_logs(t, rows[i], &logs);
		span_json(&b, t->s, rows[i], logs, nlogs, host_name, t->a.reader);
		if (b.data)
			(void)puts(b.data);
	}
}

static int tell(struct requests_args *a)
{
	struct analysis_opts opts = { .requests = true, .damage = cli_complain };
	CLEANUP_FREE uint32_t *rows = NULL;
	struct traces t = { 0 };
	struct err err = ERR_INIT;
	size_t found = 0, n;
	int r;

	opts.paths = a->paths;
	opts.npaths = a->npaths;
	opts.ignore_ids = a->ignore_ids;
	opts.timing = a->timing;
	r = traces_open(&opts, &t, &err);
	if (r >= 0)
		rows = select_rows(a, &t, &found, &err);
	if (!rows) {
		(void)fprintf(stderr, "saker requests: %s\n", err.text);
		traces_close(&t);
		return r >= 0 && err.code == EINVAL ? CLI_USAGE : CLI_FAILED;
	}
	n = a->limit && a->limit < found ? (size_t)a->limit : found;
	a->told = n;
	if (a->json)
		print_json(&t, rows, n);
	else
		print_text(&t, rows, n, found);
	traces_close(&t);
	return CLI_OK;
}

/* --- record first --- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int record(struct requests_args *a, const char *dir)
{
	char *argv[RECORD_WORDS + 64] = { (char *)"record" };
	int n = 1, i;

	for (i = 0; i < a->nrecord; i++)
		argv[n++] = a->record[i];
	if (!a->output) {
		argv[n++] = (char *)"--output";
		argv[n++] = (char *)dir;
	}
	argv[n++] = (char *)"--with";
	argv[n++] = (char *)"sched";
	if (a->command)
		argv[n++] = (char *)"--";
	for (i = 0; a->command && a->command[i]; i++) {
		if (n == (int)ARRAY_LEN(argv) - 1) {
			(void)fprintf(stderr, "saker requests: the command has too many arguments\n");
			return CLI_USAGE;
		}
		argv[n++] = a->command[i];
	}
	return cli_record.run(n, argv);
}

/* Records, then tells the requests, the slowest first, and explains the slowest. */
static int record_and_tell(struct requests_args *a)
{
	char made[] = "/tmp/saker-requests-XXXXXX";
	const char *dir = a->output;
	char *path[3] = { (char *)"path", NULL, NULL };
	int code, told;

	if (!dir && !(dir = mkdtemp(made))) {
		(void)fprintf(stderr, "saker requests: cannot make a folder in /tmp: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	code = record(a, dir);
	a->paths[0] = path[1] = (char *)dir;
	a->npaths = 1;
	a->sort = a->sort ? a->sort : "-duration";
	a->limit = a->limit ? a->limit : SLOWEST_SHOWN;
	told = tell(a);
	if (told == CLI_OK && !a->json && a->told) {
		(void)putchar('\n');
		(void)cli_path.run(2, path);
	}
	if (!a->output)
		(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return code != CLI_OK ? code : told;
}

static int requests_main(int argc, char **argv)
{
	struct requests_args args = { 0 };
	int i, own = argc;

	for (i = 1; i < argc && own == argc; i++)
		if (!strcmp(argv[i], "--"))
			own = i;
	if (own < argc - 1)
		args.command = argv + own + 1;
	if (cli_parse(&cli_requests, parse_option, own, argv, 0, &args) != 0)
		return CLI_USAGE;
	return args.nrecord || args.command ? record_and_tell(&args) : tell(&args);
}

const struct cli_command cli_requests = {
	.name = "requests",
	.about = "the requests of a recording, a line each, with the reason for the time that it took",
	.args_doc = "RECORDING... [QUERY]\n[QUERY] -- COMMAND [ARG...]",
	.options = requests_options,
	.run = requests_main,
	.example = "saker requests rec 'duration>50ms' --sort -duration",
};
