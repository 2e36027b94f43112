/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mysql - the protocol of MySQL and MariaDB ("Client/Server Protocol" in the manual of MariaDB, "Protocol Basics" in MySQL's
 * documentation of its sources).
 *
 * A packet has a length of three bytes and a number, which begins with 0 at each command and goes on in the answer; packets
 * of 16 MiB - 1 go on in the next one.  The server greets; who connects answers the greeting: that is the first exchange.
 *
 * Whether EOF packets stand between definitions and rows (CLIENT_DEPRECATE_EOF) needs no knowledge of the greeting: a
 * packet of five bytes that begins with 0xfe can be nothing else there.  Only behind a prepared statement the last one
 * is seen when the next packet comes: until then the end of the answer is held.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/internal.h"
#include "proto/prepared.h"
#include "proto/sql.h"

#define HEADER 4
#define PACKET_MAX 0xffffffu
#define TEXT_WAIT 16384 /* so much of a packet is waited for */
#define CAN_CONNECT_WITH_DB 8u
#define CAN_COMPRESS 0x20u
#define CAN_PROTOCOL_41 0x200u
#define CAN_SSL 0x800u
#define CAN_PLUGIN_DATA 0x200000u
#define CAN_ZSTD 0x4000000u
#define SSL_REQUEST_BYTES 32
#define STATUS_MORE_RESULTS 8u
#define STATUS_CURSOR 0x40u

enum { OK = 0, LOCAL_INFILE = 0xfb, END = 0xfe, ERROR = 0xff };

enum command {
	COM_QUIT = 1,
	COM_INIT_DB,
	COM_QUERY,
	COM_FIELD_LIST,
	COM_STATISTICS = 9,
	COM_CHANGE_USER = 17,
	COM_BINLOG_DUMP,
	COM_TABLE_DUMP,
	COM_STMT_PREPARE = 22,
	COM_STMT_EXECUTE,
	COM_STMT_SEND_LONG_DATA,
	COM_STMT_CLOSE,
	COM_STMT_RESET,
	COM_SET_OPTION,
	COM_STMT_FETCH,
	COM_BINLOG_DUMP_GTID = 30,
	COM_RESET_CONNECTION,
	COM_STMT_BULK_EXECUTE = 250, /* MariaDB */
	NOTE_CONNECT = 256,
};
#define NOTE_LONG 512u /* with the command: it is of many packets, and the number of the answer's first one is any */

static const char *const command_names[] = {
	"SLEEP",	  "QUIT",	 "INIT_DB",	 "QUERY",
	"FIELD_LIST",	  "CREATE_DB",	 "DROP_DB",	 "REFRESH",
	"SHUTDOWN",	  "STATISTICS",	 "PROCESS_INFO", "CONNECT",
	"PROCESS_KILL",	  "DEBUG",	 "PING",	 "TIME",
	"DELAYED_INSERT", "CHANGE_USER", "BINLOG_DUMP",	 "TABLE_DUMP",
	"CONNECT_OUT",	  "REGISTER",	 "PREPARE",	 "EXECUTE",
	"SEND_LONG_DATA", "CLOSE",	 "RESET",	 "SET_OPTION",
	"FETCH",	  "DAEMON",	 "BINLOG_DUMP",	 "RESET_CONNECTION",
};

/* Where in an answer the next packet stands. */
enum stage {
	STAGE_FIRST,
	STAGE_DEFINITIONS, /* of columns: `left` of them */
	STAGE_BEHIND,	   /* them: perhaps an EOF, else rows */
	STAGE_ROWS,
	STAGE_PARAMETERS,      /* of a prepared statement: `left`, then its `columns` */
	STAGE_PARAMETERS_PAST, /* perhaps an EOF, else columns */
	STAGE_COLUMNS,
	STAGE_HELD, /* answered, but for an EOF perhaps */
};

struct mysql {
	struct prepared prepared;
	bool connecting, compressed;
	bool goes_on[2];     /* [asks]: the next packet continues one */
	bool fresh;	     /* a request has come since the answers were lost */
	uint8_t number;	     /* of the last packet of an answer, or of what the client puts into it */
	uint32_t server_can; /* capabilities of the greeting */
	enum stage stage;
	uint32_t left, columns;
	uint64_t held;
};

static uint32_t le(const uint8_t *p, unsigned int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* What a packet holds, as far as it is there; len is all of it. */
struct packet {
	const uint8_t *at;
	size_t have;
	uint32_t len;
	uint64_t begin, end; /* in the stream */
};

/* A number of 1, 3, 4 or 9 bytes; its size; 0: not there. */
static size_t lenenc(const struct packet *p, size_t i, uint64_t *ret)
{
	static const uint8_t sizes[] = { 2, 3, 8 };
	size_t size;

	if (i >= p->have)
		return 0;
	*ret = p->at[i];
	if (p->at[i] < 0xfb)
		return 1;
	if (p->at[i] < 0xfc || p->at[i] > 0xfe)
		return 0;
	size = sizes[p->at[i] - 0xfc];
	if (p->have - i - 1 < size)
		return 0;
	*ret = le(p->at + i + 1, MIN(size, (size_t)4));
	return 1 + size;
}

/* The status word of an OK packet, or of an EOF. */
static uint32_t status_of(const struct packet *p)
{
	uint64_t number;
	size_t i = 1, n;

	if (p->at[0] == END && p->len == 5)
		return p->have >= 5 ? le(p->at + 3, 2) : 0;
	for (int numbers = 0; numbers < 2; numbers++) { /* rows affected, id inserted last */
		n = lenenc(p, i, &number);
		if (!n)
			return 0;
		i += n;
	}
	return p->have - i >= 2 ? le(p->at + i, 2) : 0;
}

static void put_error(struct proto_exchange *x, const struct packet *p)
{
	char state[8] = "", text[PROTO_ERROR_TEXT];
	size_t i = 3;

	if (p->have < p->len && p->have < PROTO_ERROR_TEXT)
		x->flags |= PROTO_TOUCHED;
	if (p->have < 3)
		return;
	if (p->have >= 9 && p->at[3] == '#') {
		proto_text(state, sizeof(state), p->at + 4, 5);
		i = 9;
	}
	proto_text(text, sizeof(text), p->at + i, p->have - i);
	x->flags |= PROTO_FAILED;
	x->status = (int32_t)le(p->at + 1, 2);
	(void)snprintf(x->error, sizeof(x->error), "%s%s%.*s", state, state[0] ? " " : "",
		       (int)(sizeof(x->error) - sizeof(state) - 1), text);
}

/* ---- the asking side ---- */

static void held_settle(struct proto_conn *c, struct mysql *s)
{
	struct proto_exchange *x = s->held ? proto_answering(c, 0) : NULL;

	if (x)
		proto_answer_end(c, x, s->held);
	if (s->held)
		s->stage = STAGE_FIRST;
	s->held = 0;
}

static size_t text_len(const struct packet *p, size_t i)
{
	const uint8_t *end = i < p->have ? memchr(p->at + i, 0, p->have - i) : NULL;

	return end ? (size_t)(end - p->at) - i : p->have - MIN(i, p->have);
}

/* Behind the user's name stands the proof of who that is, then the database. */
static void put_connect(struct proto_conn *c, struct proto_exchange *x, const struct packet *p, uint32_t can)
{
	size_t i = 32, user = i, n = text_len(p, i);
	char text[PROTO_ID_TEXT];
	uint64_t proof = 0;

	proto_text(text, sizeof(text), p->at + MIN(user, p->have), n);
	i += n + 1;
	if (can & CAN_PLUGIN_DATA)
		i += lenenc(p, i, &proof);
	else if (i < p->have)
		proof = p->at[i++];
	i += MIN(proof, (uint64_t)PACKET_MAX);
	if (can & CAN_CONNECT_WITH_DB && i < p->have && memchr(p->at + i, 0, p->have - i))
		proto_text(x->peer, sizeof(x->peer), p->at + i, text_len(p, i));
	(void)snprintf(x->resource, sizeof(x->resource), "user %s%s%s", text, x->peer[0] ? ", database " : "", x->peer);
	if (p->have < p->len)
		x->flags |= PROTO_TOUCHED;
	proto_all(c, 0, x->peer);
}

static void on_connect(struct proto_conn *c, struct mysql *s, const struct packet *p)
{
	uint32_t can = p->have >= 4 ? le(p->at, 4) : 0;
	struct proto_exchange *x;

	s->connecting = false;
	x = proto_ask(c, 0, p->begin);
	if (!x)
		return;
	if (can & CAN_SSL && p->len == SSL_REQUEST_BYTES) {
		(void)snprintf(x->operation, sizeof(x->operation), "SSLREQUEST");
		x->flags |= PROTO_ONE_WAY;
		proto_ask_end(c, x, p->end);
		proto_again(c);
		return;
	}
	(void)snprintf(x->operation, sizeof(x->operation), "CONNECT");
	if (can & CAN_PROTOCOL_41)
		put_connect(c, x, p, can);
	s->compressed = can & s->server_can & (CAN_COMPRESS | CAN_ZSTD);
	*proto_note(x) = NOTE_CONNECT;
	proto_ask_end(c, x, p->end);
}

static void put_sql(struct proto_exchange *x, const struct packet *p)
{
	const char *sql = (const char *)p->at + 1;
	size_t len = p->have - 1;
	bool cut = p->have < p->len || p->len == PACKET_MAX;
	char parent[64];

	sql_normalise(SQL_MYSQL, sql, len, cut, x->operation, x->resource);
	if (cut)
		x->flags |= PROTO_TOUCHED;
	if (sql_comment_value(sql, len, "traceparent", parent, sizeof(parent)))
		(void)proto_id_header(&x->ids, "traceparent", 11, parent, strlen(parent));
}

static void put_prepared(struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	const struct prepared_row *row = NULL;

	if (p->have >= 5)
		row = prepared_get(&s->prepared, prepared_key('S', p->at + 1, 4));
	if (!row) {
		x->flags |= PROTO_TOUCHED; /* prepared before the recording, or what did it was lost */
		return;
	}
	if (p->at[0] == COM_STMT_EXECUTE || p->at[0] == COM_STMT_BULK_EXECUTE)
		memcpy(x->operation, row->operation, sizeof(x->operation));
	memcpy(x->resource, row->resource, sizeof(x->resource));
}

/* MariaDB's clients may execute what was prepared last, before they have its number. */
static const uint8_t last_prepared[4] = { 0xff, 0xff, 0xff, 0xff };

static void on_command(struct proto_conn *c, struct mysql *s, const struct packet *p)
{
	const uint8_t command = p->at[0];
	struct proto_exchange *x;

	held_settle(c, s);
	x = proto_ask(c, 0, p->begin);
	if (!x)
		return;
	*proto_note(x) = command | (p->len == PACKET_MAX ? NOTE_LONG : 0);
	if (command < ARRAY_LEN(command_names))
		(void)snprintf(x->operation, sizeof(x->operation), "%s", command_names[command]);
	switch (command) {
	case COM_QUERY:
		put_sql(x, p);
		break;
	case COM_STMT_PREPARE:
		put_sql(x, p);
		prepared_set(&s->prepared, prepared_key('S', last_prepared, 4), x->operation, x->resource);
		(void)snprintf(x->operation, sizeof(x->operation), "PREPARE");
		break;
	case COM_STMT_EXECUTE:
	case COM_STMT_BULK_EXECUTE:
	case COM_STMT_SEND_LONG_DATA:
	case COM_STMT_CLOSE:
	case COM_STMT_RESET:
	case COM_STMT_FETCH:
		put_prepared(s, x, p);
		break;
	case COM_INIT_DB:
		proto_text(x->resource, sizeof(x->resource), p->at + 1, p->have - 1);
		break;
	default:
		break;
	}
	if (command == COM_STMT_CLOSE && p->have >= 5)
		prepared_del(&s->prepared, prepared_key('S', p->at + 1, 4));
	if (command == COM_STMT_CLOSE || command == COM_STMT_SEND_LONG_DATA || command == COM_QUIT)
		x->flags |= PROTO_ONE_WAY;
	proto_ask_end(c, x, p->end);
}

static void on_ask(struct proto_conn *c, struct mysql *s, const struct packet *p, uint8_t number)
{
	if (!p->len || s->goes_on[1]) { /* an end of data, or a part of it */
		s->number = number;
		return;
	}
	if ((s->connecting || !p->begin) && number) {
		on_connect(c, s, p);
		return;
	}
	if (number) { /* proofs of who it is, the content of a file */
		s->number = number;
		return;
	}
	s->fresh = true;
	s->connecting = false;
	on_command(c, s, p);
}

/* ---- the answering side ---- */

static void answer_end(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	s->stage = STAGE_FIRST;
	s->held = 0;
	proto_answer_end(c, x, p->end);
}

/* An OK, or what ends rows: another result may follow. */
static void result_end(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	if (status_of(p) & STATUS_MORE_RESULTS)
		s->stage = STAGE_FIRST;
	else
		answer_end(c, s, x, p);
}

static void on_prepared(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	char operation[PROTO_OPERATION];

	if (p->have < 9) {
		x->flags |= PROTO_TOUCHED;
		answer_end(c, s, x, p);
		return;
	}
	sql_operation(x->resource, operation);
	if (!(x->flags & PROTO_UNASKED))
		prepared_set(&s->prepared, prepared_key('S', p->at + 1, 4), operation, x->resource);
	s->columns = le(p->at + 5, 2);
	s->left = le(p->at + 7, 2);
	if (!s->columns && !s->left) {
		answer_end(c, s, x, p);
		return;
	}
	s->stage = s->left ? STAGE_PARAMETERS : STAGE_COLUMNS;
	s->left = s->left ? s->left : s->columns;
}

static void on_result(struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	uint64_t columns = 0;
	size_t n = lenenc(p, 0, &columns);

	if (!n || columns > 65535) {
		x->flags |= PROTO_TOUCHED;
		columns = 0;
	}
	/* MariaDB leaves out the definitions that the client has, and says so in one more byte */
	if (p->len == n + 1 && p->have > n && !p->at[n])
		columns = 0;
	s->left = (uint32_t)columns;
	s->stage = columns ? STAGE_DEFINITIONS : STAGE_BEHIND;
}

static void on_connected(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	if (p->at[0] != OK)
		return; /* more is asked of the client */
	answer_end(c, s, x, p);
	if (s->compressed)
		proto_turns(c, "mysql");
}

static void on_first(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	const uint64_t note = *proto_note(x) & ~(uint64_t)NOTE_LONG;

	switch (note) {
	case NOTE_CONNECT:
	case COM_CHANGE_USER:
		on_connected(c, s, x, p);
		return;
	case COM_BINLOG_DUMP:
	case COM_BINLOG_DUMP_GTID:
	case COM_TABLE_DUMP:
		return; /* until the connection ends */
	case COM_STATISTICS:
		answer_end(c, s, x, p);
		return;
	case COM_FIELD_LIST:
	case COM_STMT_FETCH:
		s->stage = STAGE_ROWS;
		if (p->at[0] == END && p->len < 9)
			answer_end(c, s, x, p);
		return;
	default:
		break;
	}
	if (note == COM_STMT_PREPARE && p->at[0] == OK)
		on_prepared(c, s, x, p);
	else if (p->at[0] == OK || (p->at[0] == END && p->len < 9))
		result_end(c, s, x, p);
	else if (p->at[0] != LOCAL_INFILE) /* the client sends a file; then comes an OK */
		on_result(s, x, p);
}

static void on_row(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	s->stage = STAGE_ROWS;
	if (p->at[0] == END && p->len < PACKET_MAX)
		result_end(c, s, x, p);
}

static bool is_eof(const struct packet *p)
{
	return p->len == 5 && p->at[0] == END;
}

/* The definitions of one kind are past; a prepared statement may have those of its columns still to come. */
static void definition_past(struct mysql *s, const struct packet *p)
{
	if (--s->left)
		return;
	if (s->stage == STAGE_DEFINITIONS) {
		s->stage = STAGE_BEHIND;
	} else if (s->stage == STAGE_PARAMETERS && s->columns) {
		s->stage = STAGE_PARAMETERS_PAST;
		s->left = s->columns;
	} else {
		s->stage = STAGE_HELD;
		s->held = p->end;
	}
}

static void on_stage(struct proto_conn *c, struct mysql *s, struct proto_exchange *x, const struct packet *p)
{
	switch (s->stage) {
	case STAGE_FIRST:
		on_first(c, s, x, p);
		break;
	case STAGE_BEHIND:
		s->stage = STAGE_ROWS;
		if (!is_eof(p))
			on_row(c, s, x, p);
		else if (status_of(p) & STATUS_CURSOR) /* rows are fetched by further commands */
			answer_end(c, s, x, p);
		break;
	case STAGE_ROWS:
		on_row(c, s, x, p);
		break;
	case STAGE_PARAMETERS_PAST:
		s->stage = STAGE_COLUMNS;
		if (!is_eof(p))
			definition_past(s, p);
		break;
	case STAGE_DEFINITIONS:
	case STAGE_PARAMETERS:
	case STAGE_COLUMNS:
		definition_past(s, p);
		break;
	case STAGE_HELD:
		answer_end(c, s, x, p);
		break;
	}
}

static void on_greeting(struct mysql *s, const struct packet *p)
{
	size_t i = 1 + text_len(p, 1) + 1 + 4 + 8 + 1;

	s->connecting = true;
	if (i + 2 <= p->have)
		s->server_can = le(p->at + i, 2);
	if (i + 7 <= p->have)
		s->server_can |= le(p->at + i + 5, 2) << 16;
}

static bool is_progress(const struct packet *p)
{
	return p->at[0] == ERROR && p->have >= 3 && le(p->at + 1, 2) == 0xffff;
}

/* The packets of an answer are numbered, the first one with 1 unless the client has said more than its command. */
static bool is_next(struct proto_conn *c, struct mysql *s, uint8_t number)
{
	struct proto_exchange *x = proto_answering(c, 0);

	if (x)
		return number == (uint8_t)(s->number + 1);
	x = proto_awaiting(c, 0);
	return number == 1 || (x && (*proto_note(x) & (NOTE_CONNECT | NOTE_LONG) || *proto_note(x) == COM_CHANGE_USER));
}

/* False: something between was missed, or misunderstood. */
static bool on_answer(struct proto_conn *c, struct mysql *s, const struct packet *p, uint8_t number)
{
	struct proto_exchange *x;

	if (p->begin == 0 && !number && p->len && p->at[0] != ERROR) {
		on_greeting(s, p);
		return true;
	}
	if (s->stage == STAGE_HELD && (number <= 1 || !is_eof(p)))
		held_settle(c, s);
	x = proto_answering(c, 0);
	if (!is_next(c, s, number)) {
		if (x)
			x->flags |= PROTO_TOUCHED;
		return false;
	}
	s->number = number;
	if (!p->len || s->goes_on[0] || is_progress(p))
		return true;
	if (!x) {
		s->stage = STAGE_FIRST;
		x = proto_answer(c, 0, p->begin);
	}
	if (!x)
		return true;
	if (p->at[0] == ERROR && s->stage != STAGE_DEFINITIONS && s->stage != STAGE_PARAMETERS) {
		put_error(x, p);
		answer_end(c, s, x, p);
		return true;
	}
	on_stage(c, s, x, p);
	return true;
}

/* ---- packets ---- */

static int64_t mysql_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct mysql *s = state;
	struct packet p;

	if (v->have < HEADER)
		return PROTO_MORE;
	p.len = le(v->data, 3);
	p.at = v->data + HEADER;
	p.have = MIN((size_t)p.len, v->have - HEADER);
	p.begin = v->offset;
	p.end = v->offset + HEADER + p.len;
	if (p.len && !p.have && v->cut)
		return PROTO_LOST;
	if (p.have < p.len && p.have < TEXT_WAIT && !v->cut)
		return PROTO_MORE;
	if (v->asks)
		on_ask(c, s, &p, v->data[3]);
	else if (!on_answer(c, s, &p, v->data[3]))
		return PROTO_LOST;
	s->goes_on[v->asks] = p.len == PACKET_MAX;
	return HEADER + (int64_t)p.len;
}

/* Packets that follow one another with numbers that do (each command begins anew); 0: they do not.  *ret_exact: they end
 * where the bytes do. */
static unsigned int chain(const struct proto_view *v, bool *ret_exact)
{
	uint64_t at = 0;
	unsigned int n = 0;
	uint8_t next = v->have >= HEADER ? v->data[3] : 0;

	*ret_exact = false;
	while (at + HEADER <= v->have) {
		if (v->data[at + 3] != next && (!v->asks || v->data[at + 3]))
			return 0;
		next = v->data[at + 3] + 1;
		n++;
		at += HEADER + (uint64_t)le(v->data + at, 3);
		*ret_exact = at == v->fed;
	}
	return n;
}

static bool is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] < ' ' && !strchr("\t\n\r\f", data[i]))
			return false;
	}
	return len > 0;
}

static bool is_greeting(const struct proto_view *v, bool exact)
{
	size_t i = HEADER + 1;

	if (!exact || v->data[3] || v->have < HEADER + 20 || v->data[HEADER] != 10)
		return false;
	while (i < v->have && v->data[i] >= ' ' && v->data[i] < 127)
		i++;
	return i < v->have && !v->data[i] && i > HEADER + 3;
}

static bool is_command(const struct proto_view *v)
{
	return v->have > HEADER && !v->data[3] && le(v->data, 3) &&
	       (v->data[HEADER] < ARRAY_LEN(command_names) || v->data[HEADER] == COM_STMT_BULK_EXECUTE);
}

static int command_bid(const struct proto_view *v)
{
	const uint8_t command = v->data[HEADER];

	if (command != COM_QUERY && command != COM_STMT_PREPARE)
		return PROTO_MAYBE;
	return is_text(v->data + HEADER + 1, v->have - HEADER - 1) ? PROTO_LIKELY : PROTO_NEVER;
}

static int mysql_bid(const struct proto_view *v)
{
	bool exact;
	unsigned int n = chain(v, &exact);

	if (!n)
		return PROTO_NEVER;
	if (!v->asks && v->offset == 0)
		return is_greeting(v, exact) ? PROTO_SURE : PROTO_NEVER;
	if (v->asks && v->offset == 0) /* the answer to the greeting */
		return v->data[3] == 1 && exact && n == 1 && le(v->data, 3) >= 32 ? PROTO_LIKELY : PROTO_NEVER;
	if (v->asks)
		return is_command(v) && exact && n == 1 ? command_bid(v) : PROTO_NEVER;
	if (v->data[3] != 1)
		return PROTO_NO;
	return n >= 3 ? PROTO_LIKELY : PROTO_MAYBE;
}

static bool mysql_begins(void *state, const struct proto_view *v)
{
	const struct mysql *s = state;
	bool exact;
	unsigned int n = v->have > HEADER ? chain(v, &exact) : 0;

	if (!n)
		return false;
	if (v->asks)
		return is_command(v) && (exact || v->cut || v->fed > v->have);
	/* the middle of rows looks like anything; an answer begins behind a request */
	return s->fresh && v->data[3] == 1 && (!v->mid || exact || n >= 2);
}

static void mysql_lost(struct proto_conn *c, void *state, bool asks)
{
	struct mysql *s = state;

	s->goes_on[asks] = false;
	(void)c;
	if (asks) {
		s->connecting = false;
		return;
	}
	s->held = 0; /* more of it may have been in what is missing: it ends with the turn */
	s->stage = STAGE_FIRST;
	s->fresh = false;
}

static void mysql_fini(void *state)
{
	struct mysql *s = state;

	prepared_fini(&s->prepared);
}

const struct proto_ops proto_mysql = {
	.name = "mysql",
	.stream = true,
	.state_bytes = sizeof(struct mysql),
	.bid = mysql_bid,
	.begins = mysql_begins,
	.read = mysql_read,
	.lost = mysql_lost,
	.fini = mysql_fini,
};
