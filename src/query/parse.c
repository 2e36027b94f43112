/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to a tree:
 *
 *	query = any ;  any = all { "or" all } ;  all = one { "and" one } ;  one = "not" one | "(" any ")" | test
 *	test  = NAME [ op WORD { "|" WORD } ] ;  op = "=" "==" "!=" "<" "<=" ">" ">=" "~" "!~"
 *
 * A word ends at white space or one of ()|=<>~!"' ; in quotes it may hold anything, \ before a quote or a \.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "query/internal.h"

#define WORDS_MAX 256 /* in one test */

struct parser {
	const char *text, *at;
	const struct event_types *types;
	struct query *q;
	unsigned int depth, column;
	struct err *err;
};

#define FAIL(p, place, ...) \
	((p)->column = (unsigned int)((place) - (p)->text) + 1, err_set((p)->err, EINVAL, __VA_ARGS__))

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool word_char(char c)
{
	return c && !isspace((unsigned char)c) && !strchr("()|=<>~!\"'", c);
}

static size_t word_length(const char *s)
{
	size_t n = 0;

	while (word_char(s[n]))
		n++;
	return n;
}

/* Takes the keyword if it stands here. */
static bool keyword(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = word_length(p->at);
	if (n != strlen(word) || strncasecmp(p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

/* --- building --- */

static int grow(void *array, uint32_t count, uint32_t *cap, size_t size)
{
	void **place = array;
	void *grown;

	if (count < *cap)
		return 0;
	grown = realloc(*place, (*cap ? *cap * 2 : 8) * size);
	if (!grown)
		return -ENOMEM;
	*cap = *cap ? *cap * 2 : 8;
	*place = grown;
	return 0;
}

static int add_node(struct parser *p, enum query_node_kind kind, uint32_t left, uint32_t right, uint32_t *ret)
{
	struct query *q = p->q;

	if (grow(&q->nodes, q->nnodes, &q->cap_nodes, sizeof(*q->nodes)) < 0)
		return err_set(p->err, ENOMEM, "out of memory for the query");
	q->nodes[q->nnodes] = (struct query_node) { kind, left, right };
	*ret = q->nnodes++;
	return 0;
}

static int add_test(struct parser *p, struct query_test **ret)
{
	struct query *q = p->q;

	if (grow(&q->tests, q->ntests, &q->cap_tests, sizeof(*q->tests)) < 0)
		return err_set(p->err, ENOMEM, "out of memory for the query");
	q->tests[q->ntests] = (struct query_test) { .op = OP_THERE };
	*ret = &q->tests[q->ntests++];
	return 0;
}

/* --- words --- */

/* Copies what stands between the quotes at p->at. */
static int quoted_word(struct parser *p, char *out)
{
	const char *begin = p->at;
	char quote = *p->at++;

	while (*p->at && *p->at != quote) {
		if (*p->at == '\\' && (p->at[1] == quote || p->at[1] == '\\'))
			p->at++;
		*out++ = *p->at++;
	}
	if (!*p->at)
		return FAIL(p, begin, "the quote at column %zu is not closed", (size_t)(begin - p->text) + 1);
	p->at++;
	*out = 0;
	return 0;
}

static int plain_word(struct parser *p, char *out)
{
	size_t n = word_length(p->at);

	if (!n)
		return FAIL(p, p->at, "a value is missing at column %zu", (size_t)(p->at - p->text) + 1);
	memcpy(out, p->at, n);
	out[n] = 0;
	p->at += n;
	return 0;
}

static int one_word(struct parser *p, struct query_test *t)
{
	struct query_word *grown = realloc(t->words, (t->nwords + 1) * sizeof(*grown)), *w;
	int r;

	if (!grown)
		return err_set(p->err, ENOMEM, "out of memory for the query");
	t->words = grown;
	skip_space(p);
	w = &t->words[t->nwords];
	*w = (struct query_word) { .column = (unsigned int)(p->at - p->text) + 1 };
	w->text = malloc(strlen(p->at) + 1);
	if (!w->text)
		return err_set(p->err, ENOMEM, "out of memory for the query");
	t->nwords++;
	w->quoted = *p->at == '"' || *p->at == '\'';
	r = w->quoted ? quoted_word(p, w->text) : plain_word(p, w->text);
	w->glob = r >= 0 && !w->quoted && strpbrk(w->text, "*?");
	return r;
}

static int words(struct parser *p, struct query_test *t)
{
	int r;

	for (;;) {
		if (t->nwords == WORDS_MAX)
			return FAIL(p, p->at, "more than %d values at column %zu", WORDS_MAX,
				    (size_t)(p->at - p->text) + 1);
		r = one_word(p, t);
		skip_space(p);
		if (r < 0 || *p->at != '|')
			return r;
		p->at++;
	}
}

/* --- tests --- */

static const struct {
	const char *text;
	enum query_op op;
	bool negated;
} ops[] = {
	/* the longer ones first */
	{ "==", OP_IS, false },		{ "!=", OP_IS, true },	     { "<=", OP_LESS_OR_IS, false },
	{ ">=", OP_MORE_OR_IS, false }, { "!~", OP_CONTAINS, true }, { "=", OP_IS, false },
	{ "<", OP_LESS, false },	{ ">", OP_MORE, false },     { "~", OP_CONTAINS, false },
};

static bool take_op(struct parser *p, struct query_test *t)
{
	size_t i;

	skip_space(p);
	for (i = 0; i < ARRAY_LEN(ops); i++) {
		size_t n = strlen(ops[i].text);

		if (strncmp(p->at, ops[i].text, n) != 0)
			continue;
		p->at += n;
		t->op = ops[i].op;
		t->negated = ops[i].negated;
		return true;
	}
	return false;
}

static int name_of(struct parser *p, char *name, size_t cap)
{
	size_t n = word_length(p->at), column = (size_t)(p->at - p->text) + 1;

	if (!n && !*p->at)
		return FAIL(p, p->at, "a name is expected at column %zu", column);
	if (!n)
		return FAIL(p, p->at, "a name is expected at column %zu, not '%c'", column, *p->at);
	if (n >= cap)
		return FAIL(p, p->at, "there is no name so long as that at column %zu", column);
	memcpy(name, p->at, n);
	name[n] = 0;
	p->at += n;
	return 0;
}

static int test(struct parser *p, uint32_t *ret)
{
	struct query_test *t = NULL;
	const char *begin;
	char name[64];
	int r;

	skip_space(p);
	begin = p->at;
	r = name_of(p, name, sizeof(name));
	if (r >= 0)
		r = add_test(p, &t);
	if (r < 0)
		return r;
	if (take_op(p, t))
		r = words(p, t);
	if (r >= 0)
		r = query_bind_test(t, name, (unsigned int)(begin - p->text) + 1, p->types, &p->column, p->err);
	return r < 0 ? r : add_node(p, NODE_TEST, p->q->ntests - 1, NONE, ret);
}

static int any(struct parser *p, uint32_t *ret);

static int in_parentheses(struct parser *p, uint32_t *ret)
{
	const char *begin = p->at++;
	int r = any(p, ret);

	if (r < 0)
		return r;
	skip_space(p);
	if (*p->at != ')')
		return FAIL(p, begin, "the parenthesis at column %zu is not closed", (size_t)(begin - p->text) + 1);
	p->at++;
	return 0;
}

static int one(struct parser *p, uint32_t *ret)
{
	uint32_t inner;
	int r;

	if (++p->depth > QUERY_DEPTH_MAX)
		return FAIL(p, p->at, "more than %d levels deep at column %zu", QUERY_DEPTH_MAX,
			    (size_t)(p->at - p->text) + 1);
	skip_space(p);
	if (keyword(p, "not")) {
		r = one(p, &inner);
		if (r >= 0)
			r = add_node(p, NODE_NOT, inner, NONE, ret);
	} else if (*p->at == '(') {
		r = in_parentheses(p, ret);
	} else {
		r = test(p, ret);
	}
	p->depth--;
	return r;
}

static int chain(struct parser *p, const char *word, enum query_node_kind kind,
		 int (*inner)(struct parser *p, uint32_t *ret), uint32_t *ret)
{
	uint32_t right;
	int r = inner(p, ret);

	while (r >= 0 && keyword(p, word)) {
		r = inner(p, &right);
		if (r >= 0)
			r = add_node(p, kind, *ret, right, ret);
	}
	return r;
}

static int all(struct parser *p, uint32_t *ret)
{
	return chain(p, "and", NODE_AND, one, ret);
}

static int any(struct parser *p, uint32_t *ret)
{
	return chain(p, "or", NODE_OR, all, ret);
}

int query_compile(const char *text, const struct event_types *types, struct query **ret, unsigned int *ret_column,
		  struct err *err)
{
	struct parser p = { .text = text, .at = text, .types = types, .err = err, .column = 1 };
	int r;

	if (strlen(text) > QUERY_TEXT_MAX) {
		if (ret_column)
			*ret_column = QUERY_TEXT_MAX + 1;
		return err_set(err, EINVAL, "the query is longer than %d characters", QUERY_TEXT_MAX);
	}
	p.q = calloc(1, sizeof(*p.q));
	if (!p.q)
		return err_set(err, ENOMEM, "out of memory for the query");
	r = any(&p, &p.q->root);
	skip_space(&p);
	if (r >= 0 && *p.at)
		r = FAIL(&p, p.at, "'and' or 'or' is expected at column %zu", (size_t)(p.at - text) + 1);
	if (r < 0) {
		if (ret_column)
			*ret_column = p.column;
		(void)query_free(p.q);
		return r;
	}
	*ret = p.q;
	return 0;
}

struct query *query_free(struct query *q)
{
	uint32_t i, k;

	if (!q)
		return NULL;
	for (i = 0; i < q->ntests; i++) {
		for (k = 0; k < q->tests[i].nwords; k++)
			free(q->tests[i].words[k].text);
		free(q->tests[i].words);
		free(q->tests[i].binds);
		free(q->tests[i].values);
	}
	free(q->tests);
	free(q->nodes);
	free(q);
	return NULL;
}
