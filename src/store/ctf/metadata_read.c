/* SPDX-License-Identifier: Apache-2.0 */
/* Reading our comment at the end of the metadata: lines of words, believed only after each was checked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "store/ctf/metadata.h"

#define OWN_BEGIN "\n/* saker-recording "
#define SUM_BEGIN "\n/* saker-sum "
#define SUM_FORMAT "/* saker-sum %016" PRIx64 " */\n"
#define FIELDS_MAX UINT16_MAX

struct parser {
	const char *at, *end; /* of the line that is parsed */
	const char *text;
	const char *next; /* line after it */
	const char *text_end;
	struct metadata *m;
	struct event_type type; /* under construction; fields_left > 0 */
	struct event_field *fields;
	unsigned int fields_left;
	bool got_uuid, ended;
	metadata_type_fn *call;
	void *arg;
	struct err *err;
};

static int bad(struct parser *p, const char *what)
{
	const char *c;
	size_t line = 1;

	for (c = p->text; c < p->at; c++)
		line += *c == '\n';
	return err_set(p->err, EBADMSG, "metadata line %zu: %s", line, what);
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->end && *p->at == ' ')
		p->at++;
}

/* Digits of the base, at most `digits`, up to max. */
static int number(struct parser *p, int base, unsigned int digits, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned int n = 0;

	skip_blanks(p);
	for (; p->at < p->end && *p->at != ' '; p->at++, n++) {
		const char *all = "0123456789abcdef", *d = *p->at ? memchr(all, *p->at, (size_t)base) : NULL;

		if (!d || n == digits || v > (UINT64_MAX - 15) / (unsigned int)base)
			return bad(p, "expected a number");
		v = v * (unsigned int)base + (uint64_t)(d - all);
	}
	if (!n || v > max)
		return bad(p, n ? "a number is too large" : "a number is missing");
	*ret = v;
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A quoted string with its escapes undone, never with a NUL in it; the caller frees *ret. */
static int string(struct parser *p, char **ret)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	skip_blanks(p);
	if (p->at == p->end || *p->at++ != '"')
		return bad(p, "expected a string");
	buf_str(&b, "");
	while (p->at < p->end && *p->at != '"') {
		char c = *p->at++;

		if (c == '\\') {
			int high = p->end - p->at >= 3 && *p->at == 'x' ? hex_digit(p->at[1]) : -1;
			int low = high >= 0 ? hex_digit(p->at[2]) : -1;

			if (low < 0)
				return bad(p, "a broken escape in a string");
			c = (char)(high << 4 | low);
			p->at += 3;
		}
		if (!c)
			return bad(p, "a NUL in a string");
		buf_char(&b, c);
	}
	if (p->at++ >= p->end)
		return bad(p, "a string without end");
	if (b.failed)
		return -ENOMEM;
	if (!b.data)
		b.data = strdup("");
	*ret = b.data ? buf_take(&b) : NULL;
	return *ret ? 0 : -ENOMEM;
}

static void type_drop(struct parser *p)
{
	size_t i;

	for (i = 0; p->fields && i < p->type.nfields; i++) {
		free((char *)p->fields[i].name);
		free((char *)p->fields[i].about);
	}
	free(p->fields);
	free((char *)p->type.name);
	free((char *)p->type.about);
	p->fields = NULL;
	p->fields_left = 0;
	memset(&p->type, 0, sizeof(p->type));
}

static int type_done(struct parser *p)
{
	int r = p->call ? p->call(p->arg, &p->type, p->err) : 0;

	type_drop(p);
	return r;
}

static int parse_type(struct parser *p)
{
	uint64_t id, size, nfields;
	char *text;
	int r = number(p, 10, 5, UINT16_MAX, &id);

	if (!r)
		r = number(p, 10, 5, EVENT_LENGTH_MAX, &size);
	if (!r)
		r = number(p, 10, 5, FIELDS_MAX, &nfields);
	if (r < 0)
		return r;
	p->type = (struct event_type) { .id = (uint16_t)id, .size = (uint16_t)size };
	p->fields = calloc(nfields + 1, sizeof(*p->fields));
	if (!p->fields)
		return -ENOMEM;
	p->type.fields = p->fields;
	r = string(p, &text);
	if (r < 0)
		return r;
	p->type.name = text;
	r = string(p, &text);
	if (r < 0)
		return r;
	p->type.about = text;
	p->fields_left = (unsigned int)nfields;
	return nfields ? 0 : type_done(p);
}

static bool size_fits(uint64_t kind, uint64_t size)
{
	static const uint8_t sizes[] = { [EVENT_U8] = 1,  [EVENT_U16] = 2, [EVENT_U32] = 4,   [EVENT_U64] = 8,
					 [EVENT_S32] = 4, [EVENT_S64] = 8, [EVENT_ADDR] = 16, [EVENT_STR] = 0 };

	return kind == EVENT_CHARS ? size > 0 : size == sizes[kind];
}

static int parse_field(struct parser *p)
{
	struct event_field *f;
	uint64_t kind, format, offset, size;
	char *text;
	int r;

	if (!p->fields_left)
		return bad(p, "a field without its type");
	r = number(p, 10, 3, EVENT_STR, &kind);
	if (!r)
		r = number(p, 10, 3, EVENT_FMT_FLAGS, &format);
	if (!r)
		r = number(p, 10, 5, EVENT_LENGTH_MAX, &offset);
	if (!r)
		r = number(p, 10, 5, EVENT_LENGTH_MAX, &size);
	if (r < 0)
		return r;
	if (!size_fits(kind, size))
		return bad(p, "a field's size does not fit its kind");
	f = &p->fields[p->type.nfields++];
	f->kind = (uint8_t)kind;
	f->format = (uint8_t)format;
	f->offset = (uint16_t)offset;
	f->size = (uint16_t)size;
	r = string(p, &text);
	if (r < 0)
		return r;
	f->name = text;
	r = string(p, &text);
	if (r < 0)
		return r;
	f->about = text;
	return --p->fields_left ? 0 : type_done(p);
}

/* A compiled-in type must be as we know it: its events are read as C structs. */
static int parse_static(struct parser *p)
{
	CLEANUP_FREE char *name = NULL;
	const struct event_type *ours;
	uint64_t id, size, layout;
	int r = number(p, 10, 5, EVENT_DYNAMIC_MIN - 1, &id);

	if (!r)
		r = number(p, 10, 5, EVENT_LENGTH_MAX, &size);
	if (!r)
		r = number(p, 16, 16, UINT64_MAX, &layout);
	if (!r)
		r = string(p, &name);
	if (r < 0)
		return r;
	ours = event_static_type((uint16_t)id);
	if (!ours || metadata_layout(ours) != layout)
		return err_set(p->err, ENOTSUP,
			       "it was made by another version of Saker: event type '%s' (%u) is %s; "
			       "'saker import ctf' can still show its events",
			       name, (unsigned int)id, ours ? "laid out differently here" : "not known here");
	return 0;
}

static int parse_name(struct parser *p, char out[METADATA_NAME_MAX])
{
	CLEANUP_FREE char *s = NULL;
	int r = string(p, &s);

	if (r < 0)
		return r;
	if (strlen(s) >= METADATA_NAME_MAX)
		return bad(p, "a name is too long");
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int parse_host(struct parser *p)
{
	return parse_name(p, p->m->hostname);
}

static int parse_boot(struct parser *p)
{
	return parse_name(p, p->m->boot_id);
}

static int parse_uuid(struct parser *p)
{
	int i;

	skip_blanks(p);
	for (i = 0; i < 16; i++, p->at += 2) {
		if (p->end - p->at < 2 || hex_digit(p->at[0]) < 0 || hex_digit(p->at[1]) < 0)
			return bad(p, "a broken uuid");
		p->m->uuid[i] = (uint8_t)(hex_digit(p->at[0]) << 4 | hex_digit(p->at[1]));
	}
	p->got_uuid = true;
	return 0;
}

static int parse_epoch(struct parser *p)
{
	return number(p, 10, 20, INT64_MAX, &p->m->epoch_ns);
}

static int parse_end(struct parser *p)
{
	if (strncmp(p->at, " */", 3))
		return bad(p, "expected the end of the comment");
	p->at = p->end;
	p->ended = true;
	return 0;
}

static const struct {
	const char *word;
	int (*parse)(struct parser *p);
} lines[] = {
	{ "uuid", parse_uuid },	    { "epoch", parse_epoch }, { "host", parse_host },	{ "boot", parse_boot },
	{ "static", parse_static }, { "type", parse_type },   { "field", parse_field }, { "end", parse_end },
};

static int parse_line(struct parser *p)
{
	size_t i, n;
	int r;

	for (i = 0; i < ARRAY_LEN(lines); i++) {
		n = strlen(lines[i].word);
		if (p->end - p->at <= n || memcmp(p->at, lines[i].word, n) || p->at[n] != ' ')
			continue;
		if (p->fields_left && lines[i].parse != parse_field)
			return bad(p, "a type ends before its last field");
		p->at += n;
		r = lines[i].parse(p);
		skip_blanks(p);
		return r < 0 || p->at == p->end ? r : bad(p, "something follows where the line should end");
	}
	return bad(p, "a word that this version does not know");
}

/* The next line is [at, end). */
static bool next_line(struct parser *p)
{
	const char *nl;

	if (p->next >= p->text_end)
		return false;
	nl = memchr(p->next, '\n', (size_t)(p->text_end - p->next));
	p->at = p->next;
	p->end = nl ? nl : p->text_end;
	p->next = p->end + 1;
	return true;
}

static int parse_lines(struct parser *p)
{
	int r;

	while (!p->ended) {
		if (!next_line(p))
			return bad(p, "it ends too early");
		r = parse_line(p);
		if (r < 0)
			return r;
	}
	return p->got_uuid ? 0 : bad(p, "no uuid");
}

int metadata_intact(const char *text, size_t len)
{
	const char *line = memmem(text, len, SUM_BEGIN, strlen(SUM_BEGIN));
	char want[64];

	if (!line)
		return 0;
	line++;
	(void)snprintf(want, sizeof(want), SUM_FORMAT, (uint64_t)XXH64(text, (size_t)(line - text), 0));
	return (size_t)(text + len - line) == strlen(want) && !memcmp(line, want, strlen(want));
}

int metadata_parse(const char *text, size_t len, struct metadata *ret, metadata_type_fn *type, void *arg,
		   struct err *err)
{
	const char *own = memmem(text, len, OWN_BEGIN, strlen(OWN_BEGIN));
	struct metadata m = { 0 };
	struct parser p = { .text = text, .text_end = text + len, .m = &m, .call = type, .arg = arg, .err = err };
	int r;

	if (!own)
		return err_set(err, ENOTSUP,
			       "its metadata has no saker-recording block, so it is no recording of Saker");
	p.next = own + 1;
	(void)next_line(&p);
	if (p.end - p.at != strlen(OWN_BEGIN) || p.end[-1] != '1')
		return err_set(err, ENOTSUP, "its format is of another version of Saker");
	r = parse_lines(&p);
	type_drop(&p);
	if (r < 0)
		return r == -ENOMEM ? err_set(err, ENOMEM, "out of memory for the metadata") : r;
	*ret = m;
	return 0;
}
