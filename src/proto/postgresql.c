/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgresql - version 3 of PostgreSQL's protocol ("Frontend/Backend Protocol" in its manual).
 *
 * A message is a letter and a length, behind a start-up packet without a letter.  An exchange is a simple query up to
 * ReadyForQuery; or, of the extended protocol, all messages up to an Execute (and the Sync behind it), answered up to its
 * CommandComplete (and the ReadyForQuery behind it); or those up to a Sync or Flush, where nothing is executed.  So
 * pipelined statements are exchanges of their own.  What stands behind an error up to the Sync failed with it.
 *
 * Whether a Sync, or a ReadyForQuery, goes with the statement before it, is known when the next message comes: until
 * then the end is held.  Notices, notifications and changed parameters answer nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/internal.h"
#include "proto/prepared.h"
#include "proto/sql.h"

#define HEADER 5
#define CODE_CANCEL 80877102
#define CODE_SSL 80877103
#define CODE_GSS 80877104
#define STARTUP_MAX 10000 /* as the server */
#define TEXT_WAIT 16384	  /* so much of a message is waited for */
#define LENGTH_MAX (1u << 30)
#define BEHIND_MAX 40 /* Describe, Execute and Sync behind the last message that was kept: of the same statement */

/* What an exchange is: proto_note(). */
enum {
	NOTE_SIMPLE = 1, /* ends with ReadyForQuery only */
	NOTE_STARTUP = 2,
	NOTE_PARSES = 4,
	NOTE_EXECUTES = 8,
	NOTE_SYNC = 16,
	NOTE_DESCRIBES = 32,
	NOTE_CLOSES = 64,
	NOTE_BINDS = 128,
};

struct postgresql {
	struct prepared prepared;
	bool typed;	   /* behind the start-up packet */
	bool negotiates;   /* one byte will say whether there will be encryption */
	bool gss;	   /* which one was asked for */
	bool skipping;	   /* behind an error, up to ReadyForQuery */
	bool fresh;	   /* a request has come since the answers were lost */
	uint64_t ask_held; /* where the request ends, if no Sync follows */
	uint64_t answer_held;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The bytes of a message behind its header, as far as they are there. */
struct body {
	const uint8_t *at;
	size_t len;
	bool cut; /* there is more of it */
};

/* A string that ends with NUL; its length.  Behind what is not there all are empty, and the body is cut. */
static size_t take_string(struct body *b, const char **ret)
{
	const uint8_t *end = b->len ? memchr(b->at, 0, b->len) : NULL;
	size_t len = end ? (size_t)(end - b->at) : b->len;

	*ret = (const char *)b->at;
	b->at += len + (end ? 1 : 0);
	b->len -= len + (end ? 1 : 0);
	return len;
}

/* ---- start-up ---- */

static void startup_parameters(struct proto_conn *c, struct proto_exchange *x, struct body b)
{
	const char *key, *value, *user = "", *database = "";
	size_t key_len, value_len, user_len = 0, database_len = 0;
	char peer[PROTO_ID_TEXT];

	while (b.len && *b.at) {
		key_len = take_string(&b, &key);
		value_len = take_string(&b, &value);
		if (key_len == 4 && !memcmp(key, "user", 4)) {
			user = value;
			user_len = value_len;
		} else if (key_len == 8 && !memcmp(key, "database", 8)) {
			database = value;
			database_len = value_len;
		}
	}
	if (!database_len && !b.cut) { /* the server takes the user's name then */
		database = user;
		database_len = user_len;
	}
	proto_text(peer, sizeof(peer), database, database_len);
	if (!b.cut) /* else another one may be in what was not kept, or the rest of this one */
		proto_all(c, 0, peer);
	(void)snprintf(x->peer, sizeof(x->peer), "%s", peer);
	proto_text(peer, sizeof(peer), user, user_len);
	(void)snprintf(x->resource, sizeof(x->resource), "user %s, database %s", peer, x->peer);
	if (b.cut)
		x->flags |= PROTO_TOUCHED;
}

static int64_t read_startup(struct proto_conn *c, struct postgresql *s, const struct proto_view *v)
{
	uint32_t len, code;
	size_t have;
	struct proto_exchange *x;

	if (v->have < 8)
		return PROTO_MORE;
	len = be32(v->data);
	code = be32(v->data + 4);
	if (len < 8 || len > STARTUP_MAX || (code >> 16 != 3 && code >> 16 != 1234))
		return PROTO_NONSENSE;
	have = MIN((size_t)len, v->have);
	if (have < len && !v->cut)
		return PROTO_MORE;
	x = proto_ask(c, 0, v->offset);
	if (!x)
		return len;
	if (code == CODE_SSL || code == CODE_GSS) {
		s->negotiates = true;
		s->gss = code == CODE_GSS;
		(void)snprintf(x->operation, sizeof(x->operation), "%s", s->gss ? "GSSENCREQUEST" : "SSLREQUEST");
	} else if (code == CODE_CANCEL) {
		(void)snprintf(x->operation, sizeof(x->operation), "CANCEL");
		x->flags |= PROTO_ONE_WAY;
	} else {
		s->typed = true;
		*proto_note(x) = NOTE_STARTUP;
		(void)snprintf(x->operation, sizeof(x->operation), "STARTUP");
		startup_parameters(c, x, (struct body) { v->data + 8, have - 8, have < len });
	}
	proto_ask_end(c, x, v->offset + len);
	return len;
}

static int64_t read_negotiated(struct proto_conn *c, struct postgresql *s, const struct proto_view *v)
{
	struct proto_exchange *x = proto_answer(c, 0, v->offset);
	bool agreed = v->data[0] == (s->gss ? 'G' : 'S');

	s->negotiates = false;
	if (x)
		proto_answer_end(c, x, v->offset + 1);
	if (agreed && s->gss)
		proto_turns(c, "gssapi");
	else if (agreed)
		proto_again(c);
	return 1;
}

/* ---- the asking side ---- */

static void ask_settle(struct proto_conn *c, struct postgresql *s)
{
	struct proto_exchange *x = s->ask_held ? proto_asking(c, 0) : NULL;

	if (x)
		proto_ask_end(c, x, s->ask_held);
	s->ask_held = 0;
}

/* The exchange that a message of the extended protocol belongs to. */
static struct proto_exchange *extended(struct proto_conn *c, struct postgresql *s, uint64_t offset)
{
	struct proto_exchange *x;

	ask_settle(c, s);
	x = proto_asking(c, 0);
	return x ? x : proto_ask(c, 0, offset);
}

static void put_sql(struct proto_exchange *x, const char *sql, size_t len, bool cut)
{
	char parent[64];

	sql_normalise(SQL_POSTGRESQL, sql, len, cut, x->operation, x->resource);
	if (cut)
		x->flags |= PROTO_TOUCHED;
	if (sql_comment_value(sql, len, "traceparent", parent, sizeof(parent)))
		(void)proto_id_header(&x->ids, "traceparent", 11, parent, strlen(parent));
}

static void put_prepared(struct postgresql *s, struct proto_exchange *x, uint64_t key)
{
	const struct prepared_row *row = prepared_get(&s->prepared, key);

	if (row) {
		memcpy(x->operation, row->operation, sizeof(x->operation));
		memcpy(x->resource, row->resource, sizeof(x->resource));
	} else if (!x->resource[0]) {
		x->flags |= PROTO_TOUCHED; /* prepared before the recording, or what did it was lost */
	}
}

static void on_query(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end, struct body b)
{
	struct proto_exchange *x;
	const char *sql;
	size_t len;

	ask_settle(c, s);
	x = proto_ask(c, 0, offset);
	if (!x)
		return;
	len = take_string(&b, &sql);
	put_sql(x, sql, len, b.cut);
	*proto_note(x) = NOTE_SIMPLE | NOTE_SYNC;
	proto_ask_end(c, x, end);
}

static void on_parse(struct postgresql *s, struct proto_exchange *x, struct body b)
{
	const char *name, *sql;
	size_t name_len = take_string(&b, &name), len = take_string(&b, &sql);

	put_sql(x, sql, len, b.cut && !b.len);
	*proto_note(x) |= NOTE_PARSES;
	prepared_set(&s->prepared, prepared_key('S', name, name_len), x->operation, x->resource);
}

static void on_bind(struct postgresql *s, struct proto_exchange *x, struct body b)
{
	const char *portal, *name;
	size_t portal_len = take_string(&b, &portal), len = take_string(&b, &name);
	uint64_t key = prepared_key('P', portal, portal_len);

	prepared_alias(&s->prepared, key, prepared_key('S', name, len));
	put_prepared(s, x, key);
	*proto_note(x) |= NOTE_BINDS;
}

/* Describe and Close: of a statement or a portal. */
static void on_named(struct postgresql *s, struct proto_exchange *x, struct body b, bool close)
{
	const char *name;
	char kind = b.len ? (char)*b.at++ : 'S';
	size_t len;

	b.len -= b.len ? 1 : 0;
	len = take_string(&b, &name);
	*proto_note(x) |= close ? NOTE_CLOSES : NOTE_DESCRIBES;
	if (!x->resource[0])
		put_prepared(s, x, prepared_key(kind, name, len));
	if (close && !b.cut)
		prepared_del(&s->prepared, prepared_key(kind, name, len));
}

static void on_execute(struct postgresql *s, struct proto_exchange *x, struct body b)
{
	const char *portal;
	size_t len = take_string(&b, &portal);

	put_prepared(s, x, prepared_key('P', portal, len));
	*proto_note(x) |= NOTE_EXECUTES;
}

static const char *without_execute(uint64_t note)
{
	if (note & NOTE_PARSES)
		return "PREPARE";
	if (note & NOTE_DESCRIBES)
		return "DESCRIBE";
	return note & NOTE_CLOSES ? "CLOSE" : "SYNC";
}

static void on_sync(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end, bool flush)
{
	struct proto_exchange *x = proto_asking(c, 0);

	s->ask_held = 0;
	if (!x && flush)
		return;
	if (!x)
		x = proto_ask(c, 0, offset);
	if (!x)
		return;
	if (!(*proto_note(x) & NOTE_EXECUTES))
		(void)snprintf(x->operation, sizeof(x->operation), "%s", without_execute(*proto_note(x)));
	*proto_note(x) |= flush ? 0 : NOTE_SYNC;
	proto_ask_end(c, x, end);
}

static void on_function(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end)
{
	struct proto_exchange *x;

	ask_settle(c, s);
	x = proto_ask(c, 0, offset);
	if (!x)
		return;
	(void)snprintf(x->operation, sizeof(x->operation), "FUNCTION");
	*proto_note(x) = NOTE_SIMPLE | NOTE_SYNC;
	proto_ask_end(c, x, end);
}

static void on_ask(struct proto_conn *c, struct postgresql *s, const struct proto_view *v, uint64_t end, struct body b)
{
	struct proto_exchange *x = NULL;
	const char type = (char)v->data[0];

	switch (type) {
	case 'Q':
		on_query(c, s, v->offset, end, b);
		break;
	case 'F':
		on_function(c, s, v->offset, end);
		break;
	case 'S':
	case 'H':
		on_sync(c, s, v->offset, end, type == 'H');
		break;
	case 'P':
	case 'B':
	case 'E':
	case 'D':
	case 'C':
		x = extended(c, s, v->offset);
		break;
	default: /* passwords, data of COPY, the end: no requests */
		break;
	}
	if (!x)
		return;
	if (type == 'P')
		on_parse(s, x, b);
	else if (type == 'B')
		on_bind(s, x, b);
	else if (type == 'E')
		on_execute(s, x, b);
	else
		on_named(s, x, b, type == 'C');
	if (v->cut && v->offset + v->have < end + HEADER && v->offset + v->fed > end + BEHIND_MAX)
		x->flags |= PROTO_TOUCHED; /* behind what was kept there may be other statements */
	s->ask_held = type == 'E' ? end : 0;
}

/* ---- the answering side ---- */

static struct proto_exchange *answered(struct proto_conn *c)
{
	struct proto_exchange *x = proto_answering(c, 0);

	return x ? x : proto_awaiting(c, 0);
}

static void answer_settle(struct proto_conn *c, struct postgresql *s)
{
	struct proto_exchange *x = s->answer_held ? proto_answering(c, 0) : NULL;

	if (x)
		proto_answer_end(c, x, s->answer_held);
	s->answer_held = 0;
}

static struct proto_exchange *answer(struct proto_conn *c, struct postgresql *s, uint64_t offset)
{
	struct proto_exchange *x;

	answer_settle(c, s);
	x = proto_answering(c, 0);
	return x ? x : proto_answer(c, 0, offset);
}

/* Fields are a letter and a string: C the SQLSTATE, M the message. */
static void put_error(struct proto_exchange *x, struct body b)
{
	char state[8] = "", text[PROTO_ERROR_TEXT] = "";

	while (b.len && *b.at) {
		const char field = (char)*b.at++;
		const char *value;
		size_t len;

		b.len--;
		len = take_string(&b, &value);
		if (field == 'C')
			proto_text(state, sizeof(state), value, len);
		else if (field == 'M')
			proto_text(text, sizeof(text), value, len);
	}
	x->flags |= PROTO_FAILED | (b.cut && !b.len && strlen(text) < sizeof(text) - 1 ? PROTO_TOUCHED : 0);
	(void)snprintf(x->error, sizeof(x->error), "%s %.*s", state, (int)(sizeof(x->error) - sizeof(state) - 1), text);
}

static void on_error(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end, struct body b)
{
	struct proto_exchange *x;

	answer_settle(c, s);
	if (!answered(c))
		return; /* the server ends the connection by itself */
	x = answer(c, s, offset);
	if (!x)
		return;
	put_error(x, b);
	if (*proto_note(x) & NOTE_STARTUP) {
		proto_answer_end(c, x, end);
	} else if (!(*proto_note(x) & NOTE_SIMPLE)) {
		s->skipping = true;
		if (!(*proto_note(x) & NOTE_SYNC))
			proto_answer_end(c, x, end);
	}
}

/* A command is complete; its tag begins with what it was. */
static void on_complete(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end, struct body b)
{
	struct proto_exchange *x = answer(c, s, offset);
	size_t len = 0;

	if (!x)
		return;
	while (len < b.len && b.at[len] >= 'A' && b.at[len] <= 'Z')
		len++;
	if (!x->operation[0])
		proto_text(x->operation, sizeof(x->operation), b.at, len);
	if (*proto_note(x) & NOTE_EXECUTES)
		s->answer_held = end;
}

/* What stood between the error and the Sync was not done. */
static void skip_failed(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end)
{
	struct proto_exchange *x;
	bool last;

	s->skipping = false;
	while ((x = answered(c))) {
		last = *proto_note(x) & NOTE_SYNC;
		x = answer(c, s, offset);
		if (!x)
			return;
		if (!(x->flags & PROTO_FAILED)) {
			x->flags |= PROTO_FAILED;
			(void)snprintf(x->error, sizeof(x->error), "not done: a statement before it failed");
		}
		proto_answer_end(c, x, end);
		if (last)
			return;
	}
}

static void on_ready(struct proto_conn *c, struct postgresql *s, uint64_t offset, uint64_t end)
{
	struct proto_exchange *x;

	if (s->skipping) {
		skip_failed(c, s, offset, end);
		return;
	}
	x = proto_answering(c, 0);
	s->answer_held = 0; /* it ends here */
	if (!x && proto_awaiting(c, 0))
		x = proto_answer(c, 0, offset);
	if (x)
		proto_answer_end(c, x, end);
}

static void on_answer(struct proto_conn *c, struct postgresql *s, const struct proto_view *v, uint64_t end,
		      struct body b)
{
	switch (v->data[0]) {
	case 'N':
	case 'A':
	case 'S':
	case 'K':
	case 'v':
		break;
	case 'R': /* only the last one is the answer: others ask for a password */
		if (b.len >= 4 && !be32(b.at) && proto_awaiting(c, 0))
			(void)answer(c, s, v->offset);
		break;
	case 'E':
		on_error(c, s, v->offset, end, b);
		break;
	case 'C':
	case 'I':
	case 's':
		on_complete(c, s, v->offset, end, b);
		break;
	case 'Z':
		on_ready(c, s, v->offset, end);
		break;
	default:
		(void)answer(c, s, v->offset);
	}
}

/* ---- the messages ---- */

/* A length that its letter allows. */
static bool plausible(bool asks, uint8_t type, uint32_t len)
{
	static const char asked[] = "QPBEDCSHFpXdcf", said[] = "RKSZTDCENnt123sIAGHWdcVv";

	if (!type || !strchr(asks ? asked : said, type) || len < 4 || len > LENGTH_MAX)
		return false;
	if (asks)
		return strchr("SHXc", type) ? len == 4 : len > 4;
	if (strchr("123nsIc", type))
		return len == 4;
	return type == 'Z' ? len == 5 : type == 'K' ? len == 12 : len > 4;
}

/* How many messages follow one another; 0: none, or one does not fit.  *ret_last: the last one ends where the bytes do. */
static unsigned int chain(const struct proto_view *v, uint8_t *ret_last)
{
	uint64_t at = 0;
	unsigned int n = 0;

	*ret_last = 0;
	while (at + HEADER <= v->have) {
		uint32_t len = be32(v->data + at + 1);
		uint8_t type = v->data[at];

		if (!plausible(v->asks, type, len))
			return 0;
		n++;
		at += 1 + (uint64_t)len;
		*ret_last = at == v->fed ? type : 0;
	}
	return n;
}

static bool is_startup(const struct proto_view *v)
{
	uint32_t len = v->have >= 8 ? be32(v->data) : 0, code = len ? be32(v->data + 4) : 0;

	if (code == CODE_SSL || code == CODE_GSS)
		return len == 8 && v->fed == 8;
	if (code == CODE_CANCEL)
		return len == 16;
	return code >> 16 == 3 && len > 8 && len <= STARTUP_MAX && v->fed == len;
}

static bool is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] < ' ' && !strchr("\t\n\r\f", data[i]))
			return false;
	}
	return len > 0;
}

static int postgresql_bid(const struct proto_view *v)
{
	uint8_t last;
	unsigned int n;

	if (v->asks && v->offset == 0)
		return is_startup(v) ? PROTO_SURE : PROTO_NEVER;
	n = chain(v, &last);
	if (!n)
		return !v->asks && v->offset == 0 && v->fed == 1 ? PROTO_NO : PROTO_NEVER;
	if (!v->asks)
		return n >= 2 && last == 'Z' ? PROTO_SURE : n >= 2 ? PROTO_LIKELY : PROTO_MAYBE;
	if (v->data[0] == 'Q' && n == 1 && v->have > HEADER && (v->cut || last) &&
	    is_text(v->data + HEADER, v->have - HEADER - !v->cut))
		return last ? PROTO_SURE : PROTO_LIKELY;
	return n >= 3 && (last == 'S' || last == 'H') ? PROTO_SURE : n >= 2 ? PROTO_LIKELY : PROTO_MAYBE;
}

static bool postgresql_begins(void *state, const struct proto_view *v)
{
	const struct postgresql *s = state;
	uint8_t last;

	if (v->asks && !s->typed && is_startup(v))
		return true;
	if (!chain(v, &last))
		return false;
	if (v->asks)
		return last || v->cut;
	/* in the middle of an answer there may be anything; a new one follows a request */
	return s->fresh && v->data[0] != 'D' && v->data[0] != 'Z' && v->data[0] != 'd';
}

static int64_t postgresql_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct postgresql *s = state;
	uint32_t len;
	size_t have;
	struct body b;

	if (v->asks && !s->typed) {
		if (v->offset == 0 || v->data[0] == 0)
			return read_startup(c, s, v);
		s->typed = true;
	}
	if (!v->asks && s->negotiates && v->data[0] != 'E')
		return read_negotiated(c, s, v);
	if (v->have < HEADER)
		return PROTO_MORE;
	len = be32(v->data + 1);
	if (!plausible(v->asks, v->data[0], len))
		return PROTO_NONSENSE;
	have = MIN((uint64_t)len + 1, v->have);
	if (have < (uint64_t)len + 1 && have < TEXT_WAIT && !v->cut && !strchr("dD", v->data[0]))
		return PROTO_MORE;
	b = (struct body) { v->data + HEADER, have - HEADER, have < (uint64_t)len + 1 };
	s->fresh |= v->asks;
	if (v->asks)
		on_ask(c, s, v, v->offset + 1 + len, b);
	else
		on_answer(c, s, v, v->offset + 1 + len, b);
	return 1 + (int64_t)len;
}

static void postgresql_lost(struct proto_conn *c, void *state, bool asks)
{
	struct postgresql *s = state;

	if (asks) {
		struct proto_exchange *x = proto_asking(c, 0);

		if (x && *proto_note(x) & NOTE_PARSES && !(*proto_note(x) & NOTE_BINDS))
			x->flags |= PROTO_TOUCHED; /* whether it is executed is not known */
		s->ask_held = 0;
		return;
	}
	s->answer_held = 0; /* more of it may have been in what is missing */
	s->skipping = s->negotiates = s->fresh = false;
}

static void postgresql_fini(void *state)
{
	struct postgresql *s = state;

	prepared_fini(&s->prepared);
}

const struct proto_ops proto_postgresql = {
	.name = "postgresql",
	.stream = true,
	.state_bytes = sizeof(struct postgresql),
	.bid = postgresql_bid,
	.begins = postgresql_begins,
	.read = postgresql_read,
	.lost = postgresql_lost,
	.fini = postgresql_fini,
};
