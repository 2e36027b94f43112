/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached - memcached's text protocol (its doc/protocol.txt) with the meta commands.
 *
 * Units: a command with its data, a line of a response with its data.  Commands with noreply have no response.  Meta
 * commands with the flag q have one only if something is worth saying: they are told as one-way, and what comes before
 * the answer to the mn that closes such a batch is theirs.
 */
#include <ctype.h>
#include <string.h>

#include "proto/internal.h"

#define LINE_MAX_BYTES 4096
#define DATA_MAX (1u << 30)
#define WORDS 8

struct memcached {
	const char *goes_on; /* the response being read has lines of this word until END */
	bool quiet;	     /* requests with q were asked since the last turn */
};

/* What follows a command's name. */
enum shape { SHAPE_KEY, SHAPE_DATA, SHAPE_EXPIRY_KEY, SHAPE_META, SHAPE_META_DATA, SHAPE_NONE };

static const struct command {
	const char *name;
	enum shape shape;
} commands[] = {
	{ "get", SHAPE_KEY },
	{ "gets", SHAPE_KEY },
	{ "gat", SHAPE_EXPIRY_KEY },
	{ "gats", SHAPE_EXPIRY_KEY },
	{ "set", SHAPE_DATA },
	{ "add", SHAPE_DATA },
	{ "replace", SHAPE_DATA },
	{ "append", SHAPE_DATA },
	{ "prepend", SHAPE_DATA },
	{ "cas", SHAPE_DATA },
	{ "delete", SHAPE_KEY },
	{ "incr", SHAPE_KEY },
	{ "decr", SHAPE_KEY },
	{ "touch", SHAPE_KEY },
	{ "mg", SHAPE_META },
	{ "ms", SHAPE_META_DATA },
	{ "md", SHAPE_META },
	{ "ma", SHAPE_META },
	{ "me", SHAPE_META },
	{ "mn", SHAPE_NONE },
	{ "flush_all", SHAPE_NONE },
	{ "version", SHAPE_NONE },
	{ "stats", SHAPE_NONE },
	{ "verbosity", SHAPE_NONE },
	{ "quit", SHAPE_NONE },
	{ "slabs", SHAPE_NONE },
	{ "lru", SHAPE_NONE },
	{ "lru_crawler", SHAPE_NONE },
	{ "cache_memlimit", SHAPE_NONE },
	{ "shutdown", SHAPE_NONE },
};

/* Lines of responses.  What is no whole response: it goes on until END. */
static const struct answer {
	const char *word;
	bool data, goes_on, failed, alone;
} answers[] = {
	{ "VALUE", .data = true, .goes_on = true },
	{ "STAT", .goes_on = true },
	{ "END", .alone = true },
	{ "STORED", .alone = true },
	{ "NOT_STORED", .alone = true },
	{ "EXISTS", .alone = true },
	{ "NOT_FOUND", .alone = true },
	{ "DELETED", .alone = true },
	{ "TOUCHED", .alone = true },
	{ "OK", .alone = true },
	{ "RESET", .alone = true },
	{ .word = "VERSION" },
	{ "ERROR", .failed = true },
	{ "CLIENT_ERROR", .failed = true },
	{ "SERVER_ERROR", .failed = true },
	{ .word = "BUSY" },
	{ .word = "BADCLASS" },
	{ "VA", .data = true },
	{ .word = "HD" },
	{ "EN", .alone = true },
	{ .word = "NF" },
	{ .word = "NS" },
	{ .word = "EX" },
	{ "MN", .alone = true },
	{ .word = "ME" },
};

struct word {
	const uint8_t *s;
	size_t len;
};

struct line {
	size_t len, text; /* with its end (0: it goes on), and without */
	struct word words[WORDS];
	size_t n;
	struct word last;
};

static bool is(const struct word *w, const char *what)
{
	return w->len == strlen(what) && !memcmp(w->s, what, w->len);
}

/* The first line, as far as it is there; false: it is no line of text. */
static bool line_of(const struct proto_view *v, struct line *l)
{
	memset(l, 0, sizeof(*l));
	l->len = proto_line(v->data, v->have, &l->text);
	if (!l->len)
		l->text = v->have;
	for (size_t i = 0, n; i < l->text; i += n + 1) {
		for (n = 0; i + n < l->text && v->data[i + n] != ' '; n++)
			if (v->data[i + n] < ' ' || v->data[i + n] == 0x7f)
				return !l->len && i + n + 1 == l->text && v->data[i + n] == '\r';
		l->last = (struct word) { v->data + i, n };
		if (n && l->n < WORDS)
			l->words[l->n++] = l->last;
	}
	return true;
}

static bool number(const struct word *w, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < w->len; i++) {
		if (!isdigit(w->s[i]) || i > 18)
			return false;
		*ret = *ret * 10 + (w->s[i] - '0');
	}
	return w->len > 0;
}

static const struct command *command_of(const struct line *l)
{
	if (l->n && (l->len || l->n > 1 || l->last.len < l->words[0].len))
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (is(&l->words[0], commands[i].name))
				return &commands[i];
	return NULL;
}

/* Could the beginning of a line become a command? */
static bool may_be_command(const struct line *l)
{
	if (l->len || l->n != 1)
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (l->words[0].len <= strlen(commands[i].name) &&
		    !memcmp(l->words[0].s, commands[i].name, l->words[0].len))
			return true;
	return false;
}

/* ---- requests ---- */

static bool has_flag(const struct line *l, char flag, size_t from)
{
	for (size_t i = from; i < l->n; i++)
		if (l->words[i].len && l->words[i].s[0] == flag)
			return true;
	return false;
}

/* How long the data behind the command is, with its line end; false: that is not said properly. */
static bool data_len(const struct command *cmd, const struct line *l, uint64_t *ret)
{
	const size_t at = cmd->shape == SHAPE_DATA ? 4 : 2;

	*ret = 0;
	if (cmd->shape != SHAPE_DATA && cmd->shape != SHAPE_META_DATA)
		return true;
	if (l->n <= at || !number(&l->words[at], ret) || *ret > DATA_MAX)
		return false;
	*ret += 2;
	return true;
}

static void say_request(struct proto_exchange *x, const struct command *cmd, const struct line *l)
{
	const size_t key = cmd->shape == SHAPE_EXPIRY_KEY ? 2 : 1;

	proto_upper(x->operation, sizeof(x->operation), cmd->name, strlen(cmd->name));
	if (cmd->shape != SHAPE_NONE && l->n > key)
		proto_key(x->resource, sizeof(x->resource), l->words[key].s, l->words[key].len);
}

static int64_t request(struct proto_conn *c, struct memcached *m, const struct proto_view *v)
{
	const struct command *cmd;
	struct proto_exchange *x;
	struct line l;
	uint64_t data;
	bool meta;

	if (!line_of(v, &l))
		return PROTO_NONSENSE;
	if (!l.len && !v->cut)
		return v->have > LINE_MAX_BYTES ? PROTO_NONSENSE : PROTO_MORE;
	cmd = command_of(&l);
	if (!cmd) /* an unknown command has an answer, too */
		return !l.len || !l.n || !isalpha(v->data[0]) ? PROTO_NONSENSE : PROTO_LOST;
	x = proto_ask(c, 0, v->offset);
	if (!x)
		return PROTO_LOST;
	say_request(x, cmd, &l);
	if (!l.len)
		return PROTO_LOST;
	meta = cmd->shape == SHAPE_META || cmd->shape == SHAPE_META_DATA;
	if ((!meta && is(&l.last, "noreply")) || is(&l.words[0], "quit") || is(&l.words[0], "shutdown"))
		x->flags |= PROTO_ONE_WAY;
	if (meta && has_flag(&l, 'q', cmd->shape == SHAPE_META_DATA ? 3 : 2)) {
		x->flags |= PROTO_ONE_WAY;
		m->quiet = true;
	}
	if (!data_len(cmd, &l, &data))
		data = 0; /* the server answers CLIENT_ERROR */
	proto_ask_end(c, x, v->offset + l.len + data);
	return (int64_t)(l.len + data);
}

/* ---- responses ---- */

static const struct answer *answer_of(const struct line *l)
{
	static const struct answer count = { "number", .alone = true };
	uint64_t n;

	for (size_t i = 0; l->n && i < sizeof(answers) / sizeof(answers[0]); i++)
		if (is(&l->words[0], answers[i].word))
			return answers[i].alone && l->n > 1 && answers[i].word[2] ? NULL : &answers[i];
	return l->n == 1 && number(&l->words[0], &n) && l->len && l->text <= 22 ? &count : NULL;
}

/* The exchange that a line belongs to; NULL: to a quiet request, or no memory. */
static struct proto_exchange *exchange_of(struct proto_conn *c, struct memcached *m, const struct proto_view *v,
					  const struct line *l)
{
	struct proto_exchange *x = proto_answering(c, 0);

	if (x)
		return x;
	if (m->quiet) {
		x = proto_awaiting(c, 0);
		if (!x || (!strcmp(x->operation, "MN") && !is(&l->words[0], "MN")))
			return NULL;
		if (strcmp(x->operation, "MN"))
			x->flags |= PROTO_TOUCHED; /* it may be the quiet one's */
		else
			m->quiet = false;
	}
	return proto_answer(c, 0, v->offset);
}

static int64_t response(struct proto_conn *c, struct memcached *m, const struct proto_view *v)
{
	const struct answer *a;
	struct proto_exchange *x;
	struct line l;
	uint64_t data = 0;

	if (!line_of(v, &l))
		return PROTO_NONSENSE;
	if (!l.len)
		return v->have > LINE_MAX_BYTES ? PROTO_NONSENSE : PROTO_MORE;
	a = answer_of(&l);
	if (!a)
		return PROTO_NONSENSE;
	if (a->data) {
		const size_t at = a->goes_on ? 3 : 1;

		if (l.n <= at || !number(&l.words[at], &data) || data > DATA_MAX)
			return PROTO_NONSENSE;
		data += 2;
	}
	x = exchange_of(c, m, v, &l);
	m->goes_on = a->goes_on ? a->word : NULL;
	if (x && a->failed) {
		x->flags |= PROTO_FAILED;
		proto_text(x->error, sizeof(x->error), v->data, l.text);
	}
	if (x && !a->goes_on)
		proto_answer_end(c, x, v->offset + l.len + data);
	return (int64_t)(l.len + data);
}

/* A line of an answer that ends with END. */
static bool memcached_continues(void *state, const struct proto_view *v)
{
	const struct memcached *m = state;
	struct line l;

	if (v->asks || !m->goes_on || !line_of(v, &l) || !l.len || !l.n)
		return false;
	return is(&l.words[0], "END") || is(&l.words[0], m->goes_on);
}

static int64_t memcached_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	return v->asks ? request(c, state, v) : response(c, state, v);
}

static int memcached_bid(const struct proto_view *v)
{
	struct line l;

	if (!line_of(v, &l))
		return PROTO_NEVER;
	if (!v->asks)
		return answer_of(&l) ? (l.len ? PROTO_LIKELY : PROTO_MAYBE) : l.len ? PROTO_NEVER : PROTO_NO;
	if (may_be_command(&l))
		return PROTO_NO;
	return command_of(&l) ? PROTO_MAYBE : PROTO_NEVER;
}

static bool memcached_begins(void *state, const struct proto_view *v)
{
	struct line l;

	(void)state;
	if (!line_of(v, &l))
		return false;
	return v->asks ? command_of(&l) != NULL : l.len && answer_of(&l);
}

const struct proto_ops proto_memcached = {
	.name = "memcached",
	.stream = true,
	.pipelines = true,
	.state_bytes = sizeof(struct memcached),
	.bid = memcached_bid,
	.begins = memcached_begins,
	.continues = memcached_continues,
	.read = memcached_read,
};
