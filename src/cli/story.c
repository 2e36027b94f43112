/* SPDX-License-Identifier: Apache-2.0 */
/* saker story - what happened, in at most ten lines; then what was recorded. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/analyse.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "explain/story.h"
#include "explain/story_json.h"
#include "order/order.h"
#include "store/store.h"

#define PATHS_MAX 64
#define COUNTS_MAX 64
#define PROCESSES_SHOWN 8
#define LINE_HEAD 12 /* columns of the time before the text */
#define TEXT_MIN 44  /* with less room beside it the evidence has a line of its own */
#define TEXT_MAX 104 /* without a terminal */

static const struct argp_option story_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ 0 },
};

struct story_args {
	const char *paths[PATHS_MAX];
	unsigned int npaths;
	bool json;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct story_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->npaths == PATHS_MAX)
			argp_error(state, "more than %d recordings", PATHS_MAX);
		a->paths[a->npaths++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->npaths)
			argp_error(state, "name a recording");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- text --- */

/* Columns of UTF-8 text: every character that we print has one. */
static size_t columns(const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* `123`, or `host:123` where there are several hosts. */
static void ref_text(struct buf *b, const struct analysis *a, struct order_ref ref)
{
	if (store_hosts(a->reader) > 1)
		buf_printf(b, "%s:", store_host_name(a->reader, ref.host));
	buf_u64(b, ref.id);
}

/* `[observed 9034 → 9041]` */
static void evidence_text(struct buf *b, const struct analysis *a, const struct story_line *l)
{
	unsigned int i;

	buf_reset(b);
	buf_printf(b, "[%s ", l->inferred ? "inferred from" : "observed");
	for (i = 0; i < l->nrefs; i++) {
		buf_str(b, !i ? "" : i == 1 && l->leads ? " → " : ", ");
		ref_text(b, a, l->refs[i]);
	}
	buf_char(b, ']');
}

/* How much of text fits into width columns, up to a blank where there is one. */
static size_t fitting(const char *text, size_t len, size_t width)
{
	size_t i, n = 0, blank = 0;

	for (i = 0; i < len; i++) {
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (n > width)
			return blank ? blank : i;
		if (text[i] == ' ' && i)
			blank = i;
	}
	return len;
}

/* Text in a column of its own, and the evidence beside its last line if it fits there. */
static void column_text(struct buf *b, const char *text, size_t len, const char *evidence, size_t width, size_t limit)
{
	size_t n, used;

	for (n = fitting(text, len, limit ? width : len); limit && n < len; n = fitting(text, len, width)) {
		buf_add(b, text, n);
		buf_printf(b, "\n%*s", LINE_HEAD, "");
		n += text[n] == ' ';
		text += n;
		len -= n;
	}
	buf_add(b, text, len);
	used = columns(text, len);
	if (limit && (used > width ? used : width) + 2 + columns(evidence, strlen(evidence)) > limit)
		buf_printf(b, "\n%*s%s\n", LINE_HEAD, "", evidence);
	else
		buf_printf(b, "%*s  %s\n", used < width ? (int)(width - used) : 0, "", evidence);
}

static void lines_text(struct buf *b, const struct analysis *a, uint64_t first_ns)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	CLEANUP(buf_fini) struct buf evidence = BUF_INIT;
	size_t limit = cli_width(), longest = 0, beside = 0, width, i;
	const struct story_line *lines;
	size_t n = story_lines(a->story, &lines);

	for (i = 0; i < n; i++) {
		size_t len = columns(lines[i].text, strlen(lines[i].text));

		evidence_text(&evidence, a, &lines[i]);
		longest = len > longest ? len : longest;
		len = columns(evidence.data, evidence.len);
		beside = len > beside ? len : beside;
	}
	limit = limit > LINE_HEAD + TEXT_MIN ? limit - LINE_HEAD : limit ? TEXT_MIN : 0;
	width = limit && limit < TEXT_MIN + 2 + beside ? limit : limit ? limit - beside - 2 : TEXT_MAX;
	width = longest < width ? longest : width;
	for (i = 0; i < n; i++) {
		buf_reset(&text);
		buf_text(&text, lines[i].text, strlen(lines[i].text));
		evidence_text(&evidence, a, &lines[i]);
		buf_printf(b, "%+8.3f s  ", (double)(int64_t)(lines[i].boot_ns - first_ns) / 1e9);
		column_text(b, text.data, text.len, evidence.data, width, limit);
	}
}

static void number(struct buf *b, uint64_t n)
{
	char text[BUF_THOUSANDS];

	buf_str(b, buf_thousands(text, n));
}

/* `0 events lost · 9,871 of 9,874 messages matched, 3 unmatched: peer not recorded · Saker used 2.1 % of one CPU` */
static void totals_text(struct buf *b, const struct analysis *a, const struct story_totals *t)
{
	struct order_stats st;
	const char *sep = ", ";
	int i;

	order_get_stats(a->order, &st);
	number(b, t->lost);
	buf_str(b, t->lost == 1 ? " event lost · " : " events lost · ");
	number(b, st.matched);
	buf_str(b, " of ");
	number(b, st.messages);
	buf_str(b, " messages matched");
	for (i = 0; i < ORDER_REASONS; i++) {
		if (!st.unmatched[i])
			continue;
		buf_str(b, sep);
		number(b, st.unmatched[i]);
		buf_printf(b, " unmatched: %s", order_reason_text((enum order_reason)i));
	}
	if (t->cost_span_ns)
		buf_printf(b, " · Saker used %.1f %% of one CPU",
			   100.0 * (double)(t->cost_user_ns + t->cost_kernel_ns) / (double)t->cost_span_ns);
	buf_char(b, '\n');
	if (t->shed)
		buf_str(b, "Saker left out kinds of events to keep its budget: `saker show` with type=shed says which "
			   "and when\n");
	if (st.cycle)
		buf_printf(b, "a cycle of %zu events contradicts the order: please report it\n", st.cycle);
	if (story_left_out(a->story)) {
		buf_str(b, "there was no room for ");
		number(b, story_left_out(a->story));
		buf_str(b, " facts: the story may lack something\n");
	}
}

static void counts_text(struct buf *b, const struct story *s, char by, const char *title, size_t shown)
{
	struct story_count counts[COUNTS_MAX];
	size_t i, n = story_counts(s, by, counts, COUNTS_MAX), done = 0;

	buf_printf(b, "%s", title);
	for (i = 0; i < n && done < shown; i++) {
		if (!counts[i].events)
			continue;
		buf_str(b, done++ ? ", " : " ");
		buf_text(b, counts[i].name[0] ? counts[i].name : "(host)",
			 strlen(counts[i].name[0] ? counts[i].name : "(host)"));
		if (by == 'p')
			buf_printf(b, "[%u]", counts[i].tgid);
		buf_char(b, ' ');
		number(b, counts[i].events);
	}
	buf_str(b, i < n ? ", ...\n" : "\n");
}

static void print_text(const struct analysis *a)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct story_totals t;

	story_totals(a->story, &t);
	lines_text(&b, a, t.first_ns);
	if (!t.causes)
		buf_str(&b, "nobody was stopped, killed or cut off\n");
	if (*story_besides(a->story)) {
		buf_str(&b, t.causes ? "another matter, or no news: " : "no news: ");
		buf_text(&b, story_besides(a->story), strlen(story_besides(a->story)));
		buf_char(&b, '\n');
	}
	totals_text(&b, a, &t);
	buf_char(&b, '\n');
	number(&b, t.events);
	buf_printf(&b, " events in %.1f s\n", (double)(t.last_ns - t.first_ns) / 1e9);
	counts_text(&b, a->story, 'h', "by place:  ", COUNTS_MAX);
	counts_text(&b, a->story, 'p', "by process:", PROCESSES_SHOWN);
	counts_text(&b, a->story, 't', "by type:   ", COUNTS_MAX);
	if (b.data)
		(void)fputs(b.data, stdout);
}

/* --- JSON --- */

static const char *host_name(void *arg, uint32_t host)
{
	return store_host_name(arg, host);
}

static void print_json(const struct analysis *a)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	story_json(&b, a->story, a->order, host_name, a->reader);
	(void)puts(b.data ? b.data : "{}");
}

static int story_main(int argc, char **argv)
{
	struct story_args args = { 0 };
	struct analysis_opts opts = { .story = true, .damage = cli_complain };
	struct analysis a = { 0 };
	struct err err = ERR_INIT;

	if (cli_parse(&cli_story, parse_option, argc, argv, 0, &args) != 0)
		return CLI_USAGE;
	opts.paths = args.paths;
	opts.npaths = args.npaths;
	if (analysis_open(&opts, &a, &err) < 0) {
		(void)fprintf(stderr, "saker story: %s\n", err.text);
		return CLI_FAILED;
	}
	if (args.json)
		print_json(&a);
	else
		print_text(&a);
	analysis_close(&a);
	return CLI_OK;
}

const struct cli_command cli_story = {
	.name = "story",
	.about = "what happened, in at most ten lines, each with its evidence",
	.args_doc = "RECORDING...",
	.options = story_options,
	.run = story_main,
	.example = "saker story rec",
};
