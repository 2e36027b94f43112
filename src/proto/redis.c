/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis - the Redis serialization protocol, RESP2 and RESP3 (redis.io, "Redis serialization protocol specification").
 *
 * A unit is one element: the line that says how many follow, or one value (bulk strings with their bytes, which need not
 * have been kept).  All that has to be known of nesting is how many elements are still to come: an aggregate of n takes
 * its own place and adds n.
 *
 * No response is: what was published to a subscriber, what MONITOR shows, RESP3's pushes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/internal.h"

#define ELEMENTS_MAX (1u << 24)
#define BULK_MAX (1ull << 30)
#define INLINE_MAX 1024

struct redis {
	uint64_t left[2]; /* [asks]: elements to come of the message being read */
	bool push;	  /* what is being read answers nothing */
	bool subscribed, monitor;
	uint32_t arg; /* of the request being read: its next argument */
	uint8_t keys; /* enum keys of its command */
};

/* Where a command has its key. */
enum keys {
	KEY_FIRST,
	KEY_NONE,
	KEY_SUB,     /* the first argument is a subcommand and part of the operation */
	KEY_SUB_KEY, /* likewise, then the key */
	KEY_EVAL,    /* script, number of keys, key */
	KEY_SECOND,
	KEY_STREAMS, /* behind the word STREAMS */
};

static const struct command {
	const char *name;
	enum keys keys;
} commands[] = {
	{ "ACL", KEY_SUB },
	{ "ASKING", KEY_NONE },
	{ "AUTH", KEY_NONE },
	{ "BGREWRITEAOF", KEY_NONE },
	{ "BGSAVE", KEY_NONE },
	{ "BITOP", KEY_SECOND },
	{ "CLIENT", KEY_SUB },
	{ "CLUSTER", KEY_SUB },
	{ "COMMAND", KEY_NONE },
	{ "CONFIG", KEY_SUB },
	{ "DBSIZE", KEY_NONE },
	{ "DEBUG", KEY_SUB },
	{ "DISCARD", KEY_NONE },
	{ "ECHO", KEY_NONE },
	{ "EVAL", KEY_EVAL },
	{ "EVALSHA", KEY_EVAL },
	{ "EVALSHA_RO", KEY_EVAL },
	{ "EVAL_RO", KEY_EVAL },
	{ "EXEC", KEY_NONE },
	{ "FCALL", KEY_EVAL },
	{ "FCALL_RO", KEY_EVAL },
	{ "FLUSHALL", KEY_NONE },
	{ "FLUSHDB", KEY_NONE },
	{ "FUNCTION", KEY_SUB },
	{ "HELLO", KEY_NONE },
	{ "INFO", KEY_NONE },
	{ "LASTSAVE", KEY_NONE },
	{ "LATENCY", KEY_SUB },
	{ "MEMORY", KEY_SUB_KEY },
	{ "MIGRATE", KEY_NONE },
	{ "MODULE", KEY_SUB },
	{ "MONITOR", KEY_NONE },
	{ "MULTI", KEY_NONE },
	{ "OBJECT", KEY_SUB_KEY },
	{ "PING", KEY_NONE },
	{ "PSYNC", KEY_NONE },
	{ "PUBSUB", KEY_SUB },
	{ "QUIT", KEY_NONE },
	{ "RANDOMKEY", KEY_NONE },
	{ "READONLY", KEY_NONE },
	{ "READWRITE", KEY_NONE },
	{ "REPLCONF", KEY_SUB },
	{ "REPLICAOF", KEY_NONE },
	{ "RESET", KEY_NONE },
	{ "ROLE", KEY_NONE },
	{ "SAVE", KEY_NONE },
	{ "SCAN", KEY_NONE },
	{ "SCRIPT", KEY_SUB },
	{ "SELECT", KEY_NONE },
	{ "SHUTDOWN", KEY_NONE },
	{ "SLAVEOF", KEY_NONE },
	{ "SLOWLOG", KEY_SUB },
	{ "SWAPDB", KEY_NONE },
	{ "SYNC", KEY_NONE },
	{ "TIME", KEY_NONE },
	{ "UNWATCH", KEY_NONE },
	{ "WAIT", KEY_NONE },
	{ "XGROUP", KEY_SUB_KEY },
	{ "XINFO", KEY_SUB_KEY },
	{ "XREAD", KEY_STREAMS },
	{ "XREADGROUP", KEY_STREAMS },
};

/* What people type, or scripts send, without the framing: enough to recognise it. */
static const char *const inline_words[] = {
	"PING",	  "INFO",   "MONITOR", "QUIT",	  "AUTH",      "SELECT", "DBSIZE",  "FLUSHALL", "FLUSHDB", "ECHO",
	"CONFIG", "CLIENT", "EXISTS",  "DEL",	  "HGETALL",   "HGET",	 "LPUSH",   "RPUSH",	"LPOP",	   "SADD",
	"KEYS",	  "TTL",    "EXPIRE",  "PUBLISH", "SUBSCRIBE", "HELLO",	 "COMMAND", "SLOWLOG",
};

static int by_name(const void *key, const void *command)
{
	return strcmp(key, ((const struct command *)command)->name);
}

static enum keys keys_of(const char *name)
{
	const struct command *c =
		bsearch(name, commands, sizeof(commands) / sizeof(commands[0]), sizeof(commands[0]), by_name);

	return c ? c->keys : KEY_FIRST;
}

/* A line "TYPE number CRLF" at the beginning: its length, 0: it goes on, -1: it is none. */
static int number_line(const uint8_t *s, size_t have, int64_t *ret)
{
	const bool minus = have > 1 && s[1] == '-';
	size_t i = minus ? 2 : 1;
	const size_t digits = i;
	int64_t n = 0;

	for (; i < have && isdigit(s[i]); i++) {
		if (i - digits > 17)
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	if (i == have)
		return 0;
	if (i == digits || s[i] != '\r' || (i + 1 < have && s[i + 1] != '\n'))
		return -1;
	if (i + 1 == have)
		return 0;
	*ret = minus ? -n : n;
	return (int)i + 2;
}

/* ---- requests ---- */

static void say_key(struct proto_exchange *x, const uint8_t *s, size_t len)
{
	proto_key(x->resource, sizeof(x->resource), s, len);
}

static void subcommand(struct proto_exchange *x, const uint8_t *s, size_t len)
{
	const size_t n = strlen(x->operation);

	if (!len || n + 2 >= sizeof(x->operation))
		return;
	x->operation[n] = ' ';
	proto_upper(x->operation + n + 1, sizeof(x->operation) - n - 1, s, len);
}

static bool says(const uint8_t *s, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp((const char *)s, word, len);
}

static void argument(struct redis *r, struct proto_exchange *x, const uint8_t *s, size_t len)
{
	const uint32_t arg = r->arg++;

	if (!arg) {
		proto_upper(x->operation, sizeof(x->operation), s, len);
		r->keys = keys_of(x->operation);
		return;
	}
	if (arg == 1 && (r->keys == KEY_SUB || r->keys == KEY_SUB_KEY))
		subcommand(x, s, len);
	else if ((arg == 1 && r->keys == KEY_FIRST) ||
		 (arg == 2 && (r->keys == KEY_SUB_KEY || r->keys == KEY_SECOND)) || (arg == 3 && r->keys == KEY_EVAL))
		say_key(x, s, len);
	else if (arg == 2 && r->keys == KEY_EVAL && says(s, len, "0"))
		r->keys = KEY_NONE;
	else if (r->keys == KEY_STREAMS && says(s, len, "STREAMS"))
		r->keys = KEY_SECOND, r->arg = 2;
}

static void asked(struct proto_conn *c, struct redis *r, struct proto_exchange *x, uint64_t end)
{
	if (strstr(x->operation, "SUBSCRIBE"))
		r->subscribed = true;
	else if (!strcmp(x->operation, "MONITOR"))
		r->monitor = true;
	else if (!strcmp(x->operation, "RESET"))
		r->subscribed = r->monitor = false;
	else if (!strcmp(x->operation, "PSYNC") || !strcmp(x->operation, "SYNC"))
		proto_turns(c, "redis replication");
	proto_ask_end(c, x, end);
}

/* A command in one line of words. */
static int64_t inline_command(struct proto_conn *c, struct redis *r, const struct proto_view *v)
{
	size_t len, line = proto_line(v->data, v->have, &len);
	struct proto_exchange *x;

	if (!line)
		return v->have > INLINE_MAX ? PROTO_NONSENSE : PROTO_MORE;
	if (!len)
		return (int64_t)line;
	for (size_t i = 0; i < len; i++)
		if (v->data[i] < ' ' && v->data[i] != '\t')
			return PROTO_NONSENSE;
	if (!isalpha(v->data[0]))
		return PROTO_NONSENSE;
	x = proto_ask(c, 0, v->offset);
	if (!x)
		return PROTO_LOST;
	r->arg = 0;
	for (size_t i = 0, n; i < len; i += n + 1) {
		const uint8_t *blank = memchr(v->data + i, ' ', len - i);

		n = blank ? (size_t)(blank - (v->data + i)) : len - i;
		if (n)
			argument(r, x, v->data + i, n);
	}
	asked(c, r, x, v->offset + line);
	return (int64_t)line;
}

static int64_t request_begin(struct proto_conn *c, struct redis *r, const struct proto_view *v)
{
	int64_t n;
	int line;

	if (v->data[0] != '*')
		return inline_command(c, r, v);
	line = number_line(v->data, v->have, &n);
	if (line <= 0)
		return line < 0 ? PROTO_NONSENSE : PROTO_MORE;
	if (n > (int64_t)ELEMENTS_MAX)
		return PROTO_NONSENSE;
	if (n <= 0)
		return line;
	if (!proto_ask(c, 0, v->offset))
		return PROTO_LOST;
	r->left[1] = (uint64_t)n;
	r->arg = 0;
	return line;
}

static int64_t request_argument(struct proto_conn *c, struct redis *r, const struct proto_view *v)
{
	struct proto_exchange *x = proto_asking(c, 0);
	size_t have;
	int64_t n;
	int line;

	if (v->data[0] != '$')
		return PROTO_NONSENSE;
	line = number_line(v->data, v->have, &n);
	if (line <= 0)
		return line < 0 ? PROTO_NONSENSE : PROTO_MORE;
	if (n < 0 || (uint64_t)n > BULK_MAX)
		return PROTO_NONSENSE;
	have = v->have - line;
	if (r->arg < 4 && have < (uint64_t)n && have < PROTO_RESOURCE && !v->cut)
		return PROTO_MORE;
	if (x && r->arg < 4 && have < (uint64_t)n && have < PROTO_RESOURCE)
		x->flags |= PROTO_TOUCHED; /* the end of a key was not kept */
	if (x)
		argument(r, x, v->data + line, have < (uint64_t)n ? have : (size_t)n);
	if (!--r->left[1] && x)
		asked(c, r, x, v->offset + line + n + 2);
	return line + n + 2;
}

/* ---- responses ---- */

/* The line of an element that is none of a number: its length with its end, 0: it goes on. */
static int64_t text_element(const struct proto_view *v, size_t *ret_len)
{
	const size_t line = proto_line(v->data, v->have, ret_len);

	return (int64_t)line;
}

/* One element: its length; *ret_more: elements that it adds. */
static int64_t element(const struct proto_view *v, uint64_t *ret_more)
{
	int64_t n;
	size_t len;
	int line;

	*ret_more = 0;
	switch (v->data[0]) {
	case '+':
	case '-':
	case ',':
	case '(':
	case '#':
	case '_':
		return text_element(v, &len);
	case ':':
		line = number_line(v->data, v->have, &n);
		return line < 0 ? PROTO_NONSENSE : line;
	}
	if (!strchr("$=!*~>%|", v->data[0]) || !v->data[0])
		return PROTO_NONSENSE;
	line = number_line(v->data, v->have, &n);
	if (line <= 0)
		return line < 0 ? PROTO_NONSENSE : PROTO_MORE;
	if (strchr("$=!", v->data[0]))
		return n < 0 ? line : (uint64_t)n > BULK_MAX ? PROTO_NONSENSE : line + n + 2;
	if (n > (int64_t)ELEMENTS_MAX)
		return PROTO_NONSENSE;
	if (n > 0)
		*ret_more = (uint64_t)n;
	if (v->data[0] == '%' || v->data[0] == '|')
		*ret_more *= 2;
	if (v->data[0] == '|') /* precedes the value that it describes */
		(*ret_more)++;
	return line;
}

/* The first word in an aggregate of strings at the beginning; -1: not enough of it is there. */
static int first_word(const struct proto_view *v, char *word, size_t size)
{
	int64_t n;
	int line = number_line(v->data, v->have, &n), bulk;

	word[0] = 0;
	if (line <= 0)
		return line < 0 ? 0 : -1;
	if ((size_t)line >= v->have)
		return n > 0 ? -1 : 0;
	if (v->data[line] != '$')
		return 0;
	bulk = number_line(v->data + line, v->have - line, &n);
	if (bulk <= 0)
		return bulk < 0 ? 0 : -1;
	if (n < 0 || (uint64_t)n >= size)
		return 0;
	if (v->have < (uint64_t)(line + bulk + n))
		return -1;
	proto_text(word, size, v->data + line + bulk, (size_t)n);
	return 1;
}

/* Does what begins here answer nothing?  -1: not enough is there to say. */
static int is_push(struct proto_conn *c, const struct redis *r, const struct proto_view *v)
{
	struct proto_exchange *x;
	char word[16];

	if (v->data[0] == '>' || v->data[0] == '*') {
		const bool look = r->subscribed || v->data[0] == '>' || !proto_awaiting(c, 0);
		const int known = look ? first_word(v, word, sizeof(word)) : 0;

		if (known < 0 && !v->cut)
			return -1;
		if (known > 0 && strstr(word, "subscribe")) { /* one for each channel: the first answers */
			x = proto_awaiting(c, 0);
			return !x || !strstr(x->operation, "SUBSCRIBE");
		}
		return v->data[0] == '>' || (known > 0 && strstr(word, "message"));
	}
	return r->monitor && v->data[0] == '+' && v->have > 1 && isdigit(v->data[1]);
}

static void say_error(struct proto_exchange *x, const struct proto_view *v)
{
	size_t len = v->have;

	(void)proto_line(v->data, v->have, &len);
	proto_text(x->error, sizeof(x->error), v->data + 1, len - 1);
	if (strncmp(x->error, "MOVED ", 6) && strncmp(x->error, "ASK ", 4))
		x->flags |= PROTO_FAILED;
}

static int64_t response(struct proto_conn *c, struct redis *r, const struct proto_view *v)
{
	struct proto_exchange *x = NULL;
	uint64_t more;
	int64_t n = element(v, &more);
	int push;

	if (n < 0 || (!n && !v->cut))
		return n;
	if (!r->left[0]) {
		push = is_push(c, r, v);
		if (push < 0)
			return PROTO_MORE;
		r->push = push;
		r->left[0] = 1;
		x = push ? NULL : proto_answer(c, 0, v->offset);
		if (x && v->data[0] == '-')
			say_error(x, v);
	} else if (!r->push) {
		x = proto_answering(c, 0);
	}
	if (!n)
		return PROTO_LOST;
	if (more > ELEMENTS_MAX - r->left[0] % ELEMENTS_MAX)
		return PROTO_LOST;
	r->left[0] += more - 1;
	if (!r->left[0] && x)
		proto_answer_end(c, x, v->offset + (uint64_t)n);
	return n;
}

/* ---- recognition ---- */

/* "*N CRLF $N CRLF": 1; as far as it goes: -1 */
static int array_of_strings(const struct proto_view *v)
{
	int64_t n;
	int line = number_line(v->data, v->have, &n), bulk;

	if (v->data[0] != '*' || line < 0 || (line > 0 && (n < 1 || n > (int64_t)ELEMENTS_MAX)))
		return 0;
	if (!line || (size_t)line == v->have)
		return -1;
	bulk = v->data[line] == '$' ? number_line(v->data + line, v->have - line, &n) : -1;
	return bulk < 0 || n < 0 ? 0 : bulk ? 1 : -1;
}

static bool inline_word(const struct proto_view *v)
{
	size_t len, n;

	if (!proto_line(v->data, v->have, &len))
		return false;
	for (size_t i = 0; i < sizeof(inline_words) / sizeof(inline_words[0]); i++) {
		n = strlen(inline_words[i]);
		if (len >= n && !strncasecmp((const char *)v->data, inline_words[i], n) &&
		    (len == n || v->data[n] == ' '))
			return true;
	}
	return false;
}

/* A line of text as the server writes it: printable, and soon at its end. */
static bool text_line(const struct proto_view *v)
{
	size_t len, line = proto_line(v->data, v->have, &len);

	if (!line || line != len + 2)
		return false;
	for (size_t i = 1; i < len; i++)
		if (v->data[i] < ' ' || v->data[i] >= 0x7f)
			return false;
	return true;
}

static int answer_bid(const struct proto_view *v)
{
	uint64_t more;
	int64_t n;

	if (!v->data[0] || !strchr("+-:$*%~_#,(!=|>", v->data[0]))
		return PROTO_NEVER;
	n = element(v, &more);
	if (n < 0)
		return PROTO_NEVER;
	if (strchr("+-,(#_", v->data[0]))
		return !n ? PROTO_NO : !text_line(v) ? PROTO_NEVER : v->data[0] == '-' ? PROTO_LIKELY : PROTO_MAYBE;
	return n ? PROTO_LIKELY : PROTO_MAYBE;
}

static int redis_bid(const struct proto_view *v)
{
	char word[16];
	int strings;

	if (!v->asks)
		return answer_bid(v);
	if (v->data[0] == '*' && first_word(v, word, sizeof(word)) > 0 && strstr(word, "message"))
		return PROTO_NEVER; /* what a subscriber gets */
	strings = array_of_strings(v);
	if (strings)
		return strings > 0 ? PROTO_SURE : PROTO_MAYBE;
	return inline_word(v) ? PROTO_MAYBE : PROTO_NEVER;
}

static bool redis_begins(void *state, const struct proto_view *v)
{
	bool yes;

	(void)state;
	if (v->asks)
		return array_of_strings(v) != 0 || inline_word(v);
	yes = answer_bid(v) >= PROTO_MAYBE;
	return yes && (v->data[0] != '-' || (v->have > 1 && isupper(v->data[1])));
}

static int64_t redis_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct redis *r = state;

	if (!v->asks)
		return response(c, r, v);
	return r->left[1] ? request_argument(c, r, v) : request_begin(c, r, v);
}

static void redis_lost(struct proto_conn *c, void *state, bool asks)
{
	struct redis *r = state;
	struct proto_exchange *x = asks && r->left[1] ? proto_asking(c, 0) : NULL;

	if (x && r->arg < 4 && !x->resource[0])
		x->flags |= PROTO_TOUCHED; /* a key may have been in it */
	r->left[asks] = 0;
}

const struct proto_ops proto_redis = {
	.name = "redis",
	.stream = true,
	.pipelines = true,
	.state_bytes = sizeof(struct redis),
	.bid = redis_bid,
	.begins = redis_begins,
	.read = redis_read,
	.lost = redis_lost,
};
