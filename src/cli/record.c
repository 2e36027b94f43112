/* SPDX-License-Identifier: Apache-2.0 */
/* saker record - record a command, processes, a unit, a container, a namespace, a port, or all. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/mask_payload.h"
#include "agent/page.h"
#include "agent/record.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "probe/probe.h"

#define PIDS_MAX 4096
#define PROBES_MAX 32
#define LOGS_MAX 16

enum {
	OPT_DURATION = 256,
	OPT_UNIT,
	OPT_CONTAINER,
	OPT_CGROUP,
	OPT_NETNS,
	OPT_PORT,
	OPT_ALL,
	OPT_MAX_SIZE,
	OPT_FLIGHT,
	OPT_BUDGET,
	OPT_PROBE,
	OPT_GOROUTINES,
	OPT_RINGS,
	OPT_AS_ROOT,
	OPT_LOG,
	OPT_JSON,
	OPT_LIVE,
	OPT_WITH,
	OPT_WITHOUT,
	OPT_PAYLOAD,
	OPT_MASK,
	OPT_PACKETS,
};

static const struct argp_option record_options[] = {
	{ "output", 'o', "DIR", 0, "Directory of the recording (default: saker-rec); it must be new or empty", 0 },
	{ "pid", 'p', "PID,...", 0, "Record running processes with all their threads and children", 1 },
	{ "unit", OPT_UNIT, "NAME", 0, "Record a systemd unit", 1 },
	{ "container", OPT_CONTAINER, "NAME", 0, "Record a container, by its name or id, also when it is started again",
	  1 },
	{ "cgroup", OPT_CGROUP, "PATH", 0, "Record a cgroup", 1 },
	{ "netns", OPT_NETNS, "NAME", 0, "Record the processes of a network namespace", 1 },
	{ "port", OPT_PORT, "N", 0, "Record the processes that use a TCP or UDP port", 1 },
	{ "all", OPT_ALL, NULL, 0, "Record every process of the host", 1 },
	{ "with", OPT_WITH, "KIND,...", 0,
	  "Observe these too: process, socket, wake, log, tls, note (these by default), pipe, file, block, sched, or "
	  "all",
	  2 },
	{ "without", OPT_WITHOUT, "KIND,...", 0, "Do not observe these; their hooks cost nothing then", 2 },
	{ "duration", OPT_DURATION, "TIME", 0, "Stop after TIME (30s, 5m, 1h)", 2 },
	{ "max-size", OPT_MAX_SIZE, "SIZE", 0, "Keep the recording below SIZE: the oldest chunks go first", 2 },
	{ "flight", OPT_FLIGHT, "SIZE", 0,
	  "Flight recorder: keep the last SIZE, by default in " RECORD_FLIGHT_DIR "; `saker freeze` takes a copy", 2 },
	{ "budget", OPT_BUDGET, "PERCENT", 0, "Leave out whole kinds of events to stay below PERCENT of one CPU", 2 },
	{ "probe", OPT_PROBE, "PROBE", 0, "Add tracepoint:CATEGORY:NAME or uprobe:/PATH:FUNCTION; may be repeated", 2 },
	{ "goroutines", OPT_GOROUTINES, "HOW", 0,
	  "In Go programs: off, ids (which goroutine does it), or ready (and which makes which run; the default)", 2 },
	{ "rings", OPT_RINGS, "SIZE", 0, "Memory of all ring buffers together (default 16M)", 2 },
	{ "log", OPT_LOG, "GLOB", 0,
	  "Files with these paths are logs, too: record the lines written to them; may be repeated", 2 },
	{ "payload", OPT_PAYLOAD, "N", 0,
	  "Keep the first N bytes of messages of known protocols, secrets masked (default 256, 0: none, at most 1024)",
	  2 },
	{ "mask", OPT_MASK, "WORD", 0, "Values of that name are secrets, too: mask them; may be repeated", 2 },
	{ "packets", OPT_PACKETS, "INTERFACE", 0,
	  "Record verdicts of packets, too, that the wish's key sample draws there (see saker-apply(1))", 2 },
	{ "as-root", OPT_AS_ROOT, NULL, 0, "Run the command as root instead of as the invoking user", 2 },
	{ "live", OPT_LIVE, "ADDRESS:PORT", OPTION_ARG_OPTIONAL,
	  "Show the recording on a page in the browser while it grows (see saker-serve(1))", 2 },
	{ "json", OPT_JSON, NULL, 0, "Print the summary as JSON", 2 },
	{ 0 },
};

struct record_args {
	struct record_opts opts;
	uint32_t pids[PIDS_MAX];
	const char *probes[PROBES_MAX];
	const char *logs[LOGS_MAX];
	const char *masks[MASK_WORDS_MAX];
	struct cli_listen listen;
	struct page page;
	bool json, live;
};

static volatile sig_atomic_t record_stop;

/* The second one ends it at once. */
static void on_stop(int sig)
{
	record_stop = record_stop ? -1 : sig;
}

static void on_pipe(int sig)
{
	(void)sig;
}

/* Returns which of them the caller ignored: a bit each. */
static uint64_t signals_handle(void)
{
	static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	uint64_t ignored = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(handled); i++) {
		struct sigaction sa = { .sa_handler = handled[i] == SIGPIPE ? on_pipe : on_stop }, old;

		(void)sigaction(handled[i], &sa, &old);
		if (old.sa_handler != SIG_IGN)
			continue;
		ignored |= 1ULL << handled[i];
		if (handled[i] == SIGHUP) /* nohup(1) stays what it is */
			(void)sigaction(SIGHUP, &old, NULL);
	}
	return ignored;
}

static void parse_pids(struct record_args *a, char *text, struct argp_state *state)
{
	char *save = NULL, *one;
	uint64_t pid;

	for (one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (parse_number(one, &pid) < 0 || !pid || pid > UINT32_MAX)
			argp_error(state, "'%s' is no process id", one);
		if (a->opts.npids == PIDS_MAX)
			argp_error(state, "more than %d process ids", PIDS_MAX);
		a->pids[a->opts.npids++] = (uint32_t)pid;
	}
	a->opts.pids = a->pids;
}

static uint64_t size_arg(const char *text, struct argp_state *state)
{
	uint64_t v;

	if (parse_size(text, &v) < 0 || !v)
		argp_error(state, "'%s' is no size (try 512M)", text);
	return v;
}

/* In the order of the command line; process stays, as the selection rests on it. */
static void parse_kinds(int key, const char *arg, struct record_opts *o, struct argp_state *state)
{
	struct err err = ERR_INIT;
	uint32_t bits = 0;

	if (probe_kinds_parse(arg, &bits, &err) < 0)
		argp_error(state, "%s", err.text);
	if (key == OPT_WITH) {
		o->observe |= bits;
		o->demanded |= bits == OBSERVE_ALL ? 0 : bits;
		return;
	}
	if (bits != OBSERVE_ALL && (bits & OBSERVE_PROCESS))
		argp_error(state, "process cannot be left out: who is recorded follows from it");
	o->observe &= ~bits | OBSERVE_PROCESS;
	o->demanded &= ~bits;
}

static void goroutines_arg(const char *text, struct record_args *a, struct argp_state *state)
{
	static const char *const words[] = {
		[GOROUTINES_OFF] = "off", [GOROUTINES_IDS] = "ids", [GOROUTINES_READY] = "ready"
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		a->opts.goroutines = (enum goroutines_how)i;
		return;
	}
	argp_error(state, "'%s' is none of off, ids, ready", text);
}

static void mask_arg(const char *word, struct record_args *a, struct argp_state *state)
{
	if (!*word || strlen(word) > MASK_WORD_BYTES)
		argp_error(state, "a word to mask has 1 to %d characters", MASK_WORD_BYTES);
	if (a->opts.nmasks == MASK_WORDS_MAX)
		argp_error(state, "more than %d words to mask", MASK_WORDS_MAX);
	a->masks[a->opts.nmasks++] = word;
	a->opts.masks = a->masks;
}

static uint32_t payload_arg(const char *text, struct argp_state *state)
{
	uint64_t n;

	if (parse_number(text, &n) < 0 || n > PAYLOAD_MAX)
		argp_error(state, "'%s' is no number of bytes from 0 to %d", text, PAYLOAD_MAX);
	return (uint32_t)n;
}

static int parse_how(int key, char *arg, struct record_args *a, struct argp_state *state)
{
	char *end;

	switch (key) {
	case OPT_DURATION:
		if (parse_duration(arg, &a->opts.duration_ns) < 0 || !a->opts.duration_ns)
			argp_error(state, "'%s' is no duration (try 30s)", arg);
		return 0;
	case OPT_FLIGHT:
		a->opts.flight = true;
		__attribute__((fallthrough));
	case OPT_MAX_SIZE:
		a->opts.max_bytes = size_arg(arg, state);
		return 0;
	case OPT_RINGS:
		a->opts.ring_bytes = size_arg(arg, state);
		return 0;
	case OPT_BUDGET:
		a->opts.budget_percent = strtod(arg, &end);
		if (*end == '%')
			end++;
		if (end == arg || *end || a->opts.budget_percent <= 0)
			argp_error(state, "'%s' is no budget (try 2%%)", arg);
		return 0;
	case OPT_PROBE:
		if (a->opts.nprobes == PROBES_MAX)
			argp_error(state, "more than %d probes", PROBES_MAX);
		a->probes[a->opts.nprobes++] = arg;
		a->opts.probes = a->probes;
		return 0;
	case OPT_WITH:
	case OPT_WITHOUT:
		parse_kinds(key, arg, &a->opts, state);
		return 0;
	case OPT_LOG:
		if (a->opts.nlogs == LOGS_MAX)
			argp_error(state, "more than %d patterns of log files", LOGS_MAX);
		a->logs[a->opts.nlogs++] = arg;
		a->opts.logs = a->logs;
		return 0;
	case OPT_PAYLOAD:
		a->opts.payload = payload_arg(arg, state);
		return 0;
	case OPT_MASK:
		mask_arg(arg, a, state);
		return 0;
	case OPT_PACKETS:
		a->opts.packets = arg;
		return 0;
	case OPT_GOROUTINES:
		goroutines_arg(arg, a, state);
		return 0;
	case OPT_AS_ROOT:
		a->opts.as_root = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_LIVE:
		a->live = true;
		if (arg && !cli_listen(arg, &a->listen))
			argp_error(state, "'%s' is no address to listen on (try 127.0.0.1:7070)", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct record_args *a = state->input;
	struct record_opts *o = &a->opts;
	uint64_t n;

	switch (key) {
	case 'o':
		o->dir = arg;
		return 0;
	case 'p':
		parse_pids(a, arg, state);
		return 0;
	case OPT_UNIT:
		o->unit = arg;
		return 0;
	case OPT_CONTAINER:
		o->container = arg;
		return 0;
	case OPT_CGROUP:
		o->cgroup = arg;
		return 0;
	case OPT_NETNS:
		o->netns = arg;
		return 0;
	case OPT_PORT:
		if (parse_number(arg, &n) < 0 || !n || n > UINT16_MAX)
			argp_error(state, "'%s' is no port", arg);
		o->port = (uint16_t)n;
		return 0;
	case OPT_ALL:
		o->all = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->command = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		if (!o->command && !o->npids && !o->unit && !o->container && !o->cgroup && !o->netns && !o->port &&
		    !o->all)
			argp_error(state,
				   "say what to record: a command after --, or -p, --unit, --netns, --port, --all ...");
		return 0;
	default:
		return parse_how(key, arg, a, state);
	}
}

static void record_ready(void *arg)
{
	struct record_args *a = arg;
	const struct record_opts *o = &a->opts;

	/* who attaches to what runs wants to know from when on; a command's own words stand alone on stderr */
	if (!o->command)
		(void)fprintf(stderr, "recording into '%s'; Ctrl-C ends it\n", o->dir);
	else if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "recording into '%s'\n", o->dir);
	page_ready(&a->page);
}

static void summary_text(const struct record_args *a, const struct record_result *r)
{
	double span = (double)(r->span_ns ? r->span_ns : 1);

	(void)fprintf(stderr, "'%s': %" PRIu64 " events in %.1f s, %" PRIu64 " lost", a->opts.dir, r->events,
		      span / 1e9, r->lost);
	if (r->missed)
		(void)fprintf(stderr, ", %" PRIu64 " runs of programs refused by the kernel", r->missed);
	if (r->retired)
		(void)fprintf(stderr, ", %" PRIu64 " retired", r->retired);
	(void)fprintf(stderr, ", %.1f MB; recorder %.1f %% of one CPU", (double)r->bytes / 1e6,
		      100.0 * (double)r->user_ns / span);
	if (r->measured_kernel)
		(void)fprintf(stderr, ", its programs in the kernel %.1f %%", 100.0 * (double)r->kernel_ns / span);
	(void)fputc('\n', stderr);
}

static void summary_json(const struct record_args *a, const struct record_result *r)
{
	(void)printf("{\"events\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"produced\":%" PRIu64 ",\"missed\":%" PRIu64
		     ",\"late\":%" PRIu64 ",\"retired\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"span_ns\":%" PRIu64
		     ",\"user_ns\":%" PRIu64 ",\"kernel_ns\":%" PRIu64 ",\"rss_bytes\":%" PRIu64
		     ",\"exit_code\":%d,\"command\":%s}\n",
		     r->events, r->lost, r->produced, r->missed, r->late, r->retired, r->bytes, r->span_ns, r->user_ns,
		     r->kernel_ns, r->rss_bytes, r->exit_code, a->opts.command ? "true" : "false");
}

/* Before anything is loaded or opened that the other process should not have. */
static int start_page(struct record_args *a, struct err *err)
{
	struct page_opts po = { .who = "saker record",
				.dir = a->opts.dir,
				.address = a->listen.address[0] ? a->listen.address : NULL,
				.port = a->listen.port,
				.port_given = a->listen.port_given };
	int r = a->live ? page_start(&a->page, &po, err) : 0;

	a->opts.page_tgid = (uint32_t)a->page.pid;
	return r;
}

static int record_main(int argc, char **argv)
{
	CLEANUP_FREE struct record_args *a = calloc(1, sizeof(*a));
	struct record_result result = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (!a)
		return CLI_FAILED;
	a->opts.observe = probe_kinds_default();
	a->opts.goroutines = GOROUTINES_READY;
	a->opts.payload = RECORD_PAYLOAD;
	if (cli_parse(&cli_record, parse_option, argc, argv, ARGP_IN_ORDER, a) != 0)
		return CLI_USAGE;
	if (!a->opts.dir)
		a->opts.dir = a->opts.flight ? RECORD_FLIGHT_DIR : "saker-rec";
	a->opts.ignored = signals_handle();
	a->page = (struct page)PAGE_INIT;
	r = start_page(a, &err);
	if (r >= 0)
		r = record_run(&a->opts, &record_stop, record_ready, a, &result, &err);
	if (result.events)
		summary_text(a, &result);
	if (a->json && result.events)
		summary_json(a, &result);
	if (result.left)
		(void)fprintf(stderr, "saker record: '%s' does not end: it still runs as process %d\n",
			      a->opts.command[0], result.left);
	if (r < 0)
		(void)fprintf(stderr, "saker record: %s\n", err.text);
	page_end(&a->page, r >= 0 && isatty(STDERR_FILENO), &record_stop);
	if (r < 0 || result.left)
		return CLI_FAILED;
	return result.exit_code;
}

const struct cli_command cli_record = {
	.name = "record",
	.about = "record a command, processes, a unit, a container, a namespace, a port, or the whole host",
	.args_doc = "[-- COMMAND [ARG...]]",
	.options = record_options,
	.run = record_main,
	.example = "sudo saker record -o rec -- ./start-my-cluster.sh",
};
