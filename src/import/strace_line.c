/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strace_line - a line is
 *
 *	[PID | "[pid " PID "]"] SECONDS.FRACTION WHAT
 *
 * and WHAT one of: a call `name(args) = value [NAME (text)] [<seconds>]`; `name(args <unfinished ...>` and later
 * `<... name resumed>args) = value`; `--- SIGNAL {...} ---`; `--- stopped by SIGNAL ---`; `+++ exited with N +++`;
 * `+++ killed by SIGNAL [(core dumped)] +++`.
 *
 * Strings are quoted as in C, so are descriptors' names within <>: strace writes < > and " in them in octal (print_quoted_string_ex
 * in strace's util.c), but the arrow of a connection as it is.
 */
#include "import/strace_line.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define SECONDS_MAX (UINT64_MAX / 4 / NS_PER_SEC)

/* Decimal digits at *p, which moves behind them; false: none, or more than fits. */
static bool digits(char **p, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	char *at = *p;

	for (; isdigit((unsigned char)*at); at++) {
		if (v > max / 10)
			return false;
		v = v * 10 + (uint64_t)(*at - '0');
	}
	if (at == *p || v > max)
		return false;
	*p = at;
	*ret = v;
	return true;
}

static bool skip(char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len))
		return false;
	*p += len;
	return true;
}

static void skip_blanks(char **p)
{
	*p += strspn(*p, " \t");
}

/* SECONDS.FRACTION */
static bool stamp(char **p, uint64_t *ret_ns)
{
	uint64_t seconds, scale = NS_PER_SEC / 10, ns = 0;

	if (!digits(p, SECONDS_MAX, &seconds) || **p != '.')
		return false;
	for ((*p)++; isdigit((unsigned char)**p); (*p)++) {
		ns += (uint64_t)(**p - '0') * scale;
		scale /= 10;
	}
	*ret_ns = seconds * NS_PER_SEC + ns;
	return true;
}

/* `4711 ` or `[pid  4711] `; nothing: 0 */
static bool who(char **p, uint32_t *ret_tid)
{
	char *at = *p;
	bool bracket = skip(&at, "[pid");
	uint64_t tid;

	skip_blanks(&at);
	if (!digits(&at, UINT32_MAX, &tid) || (bracket ? *at++ != ']' : *at != ' ')) {
		*ret_tid = 0;
		return !bracket;
	}
	skip_blanks(&at);
	*ret_tid = (uint32_t)tid;
	*p = at;
	return true;
}

/* Cuts the text at the last occurrence of the mark, which nothing but blanks follows. */
static bool cut_end(char *text, const char *mark)
{
	size_t len = strlen(text), want = strlen(mark);

	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (len < want || strncmp(text + len - want, mark, want))
		return false;
	len -= want;
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = 0;
	return true;
}

static int parse_end(char *p, struct strace_line *l, struct err *err)
{
	uint64_t code;

	if (skip(&p, "+++ exited with ") && digits(&p, INT32_MAX, &code)) {
		l->kind = STRACE_EXITED;
		l->code = (int)code;
		return 0;
	}
	if (!strncmp(p, "+++ superseded by execve", 24)) { /* by another thread of its process */
		l->kind = STRACE_EXITED;
		return 0;
	}
	if (!skip(&p, "+++ killed by ") || !cut_end(p, "+++"))
		return err_set(err, EBADMSG, "the end of a process is not understood");
	l->kind = STRACE_KILLED;
	l->core = cut_end(p, "(core dumped)");
	l->text = p;
	return 0;
}

static int parse_what(char *p, struct strace_line *l, struct err *err)
{
	char *end;

	l->text = p;
	if (p[0] == '+')
		return parse_end(p, l, err);
	if (skip(&p, "--- stopped by ")) {
		l->kind = STRACE_STOPPED;
		l->text = p;
		return cut_end(p, "---") ? 0 : err_set(err, EBADMSG, "the line ends before its ---");
	}
	if (skip(&p, "--- ")) {
		l->kind = STRACE_SIGNAL;
		l->text = p;
		return cut_end(p, "---") ? 0 : err_set(err, EBADMSG, "the line ends before its ---");
	}
	if (skip(&p, "<... ")) {
		end = strstr(p, " resumed>");
		if (!end)
			return err_set(err, EBADMSG, "a call is resumed that has no name");
		*end = 0;
		l->kind = STRACE_RESUMED;
		l->name = p;
		l->text = end + strlen(" resumed>");
		return 0;
	}
	l->kind = cut_end(p, "<unfinished ...>") ? STRACE_UNFINISHED : STRACE_CALL;
	return 0;
}

int strace_line_parse(char *text, struct strace_line *ret, struct err *err)
{
	struct strace_line l = { .kind = STRACE_CALL };
	char *p = text;

	skip_blanks(&p);
	if (!who(&p, &l.tid))
		return err_set(err, EBADMSG, "the process id is not understood");
	if (!stamp(&p, &l.ns))
		return err_set(err, EBADMSG, "there is no time stamp in seconds since 1970 (strace -ttt)");
	skip_blanks(&p);
	if (parse_what(p, &l, err) < 0)
		return -EBADMSG;
	*ret = l;
	return 0;
}

/* Behind the string that begins at p with its quote; NULL: it does not end. */
static char *string_end(char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : NULL;
}

/* Behind the <...> that begins at p. */
static char *angle_end(char *p)
{
	for (p++; *p; p++) {
		if (*p == '<')
			p = angle_end(p) - 1;
		else if (*p == '>' && p[-1] != '-')
			return p + 1;
	}
	return p;
}

/* A descriptor's name begins here, not a comparison or a shift. */
static bool names_fd(const char *begin, const char *p)
{
	return p > begin && p[1] != '<' && (isdigit((unsigned char)p[-1]) || p[-1] == 'D');
}

/* The next character of p that is `,` or `)` on the level of the call itself; NULL: the line ends before. */
static char *argument_end(char *begin)
{
	char *p = begin;
	int depth = 0;

	while (p && *p) {
		if (*p == '"') {
			p = string_end(p);
			continue;
		}
		if (*p == '<' && names_fd(begin, p)) {
			p = angle_end(p);
			continue;
		}
		if (strchr("([{", *p))
			depth++;
		else if (!depth && (*p == ',' || *p == ')'))
			return p;
		else if (strchr(")]}", *p))
			depth--;
		p++;
	}
	return NULL;
}

/* Cuts `args) = ...` into argv; returns what stands behind the parenthesis, NULL: there is none. */
static char *cut_arguments(char *p, struct strace_call *c)
{
	char *end;

	for (;;) {
		skip_blanks(&p);
		end = argument_end(p);
		if (!end)
			return NULL;
		if (c->argc < STRACE_ARGS && (end > p || *end == ','))
			c->argv[c->argc++] = p;
		if (*end == ')') {
			*end = 0;
			return end + 1;
		}
		if (c->argc < STRACE_ARGS)
			*end = 0;
		p = end + 1;
	}
}

/* `-1 ECONNREFUSED (Connection refused) <0.000012>`, `3</tmp/x>`, `? ERESTARTSYS (...)`, `0x7f00 (flags ...)` */
static void parse_value(char *p, struct strace_call *c)
{
	char *end = strrchr(p, '<');

	if (end && cut_end(end, ">")) {
		char *at = end + 1;

		if (stamp(&at, &c->spent_ns) && !*at)
			*end = 0;
		else
			end[strlen(end)] = '>';
	}
	c->returned = *p != '?';
	if (!c->returned)
		return;
	errno = 0;
	c->value = strtoll(p, &end, 0);
	if (errno)
		c->value = (int64_t)strtoull(p, &end, 0);
	if (*end == '<') {
		c->value_fd = end + 1;
		*(angle_end(end) - 1) = 0;
		return;
	}
	skip_blanks(&end);
	if (*end != 'E')
		return;
	c->error = end;
	end[strcspn(end, " ")] = 0;
}

int strace_call_parse(char *text, struct strace_call *ret, struct err *err)
{
	struct strace_call c = { .name = text };
	char *p = text + strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), *end;

	if (p == text || *p != '(')
		return err_set(err, EBADMSG, "no call: a name and ( are missing");
	*p++ = 0;
	c.args_at = (size_t)(p - text);
	end = cut_arguments(p, &c);
	if (!end)
		return err_set(err, EBADMSG, "the call '%.40s' does not end", text);
	c.args_len = (size_t)(end - 1 - p);
	skip_blanks(&end);
	if (!skip(&end, "= "))
		return err_set(err, EBADMSG, "the call '%.40s' has no value", text);
	parse_value(end, &c);
	*ret = c;
	return 0;
}

int strace_fd(char *arg, char **ret_what)
{
	uint64_t fd;
	char *end;

	*ret_what = NULL;
	if (!digits(&arg, INT32_MAX, &fd))
		return -1;
	if (*arg == '<') {
		end = angle_end(arg);
		if (end[-1] == '>')
			end[-1] = 0;
		*ret_what = arg + 1;
	}
	return (int)fd;
}

/* `127.0.0.1:80` or `[::1]:80`, ending at end */
static bool parse_end_point(const char *p, const char *end, uint8_t addr[16], uint16_t *ret_port)
{
	const char *colon = end;
	char text[INET6_ADDRSTRLEN + 2], *rest;
	unsigned long port;
	size_t len;

	while (colon > p && *colon != ':')
		colon--;
	len = (size_t)(colon - p);
	if (*colon != ':' || len >= sizeof(text))
		return false;
	port = strtoul(colon + 1, &rest, 10);
	if (rest != end || port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	memcpy(text, p, len);
	text[len] = 0;
	memset(addr, 0, 16);
	if (text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = 0;
		return inet_pton(AF_INET6, text + 1, addr) == 1;
	}
	addr[10] = addr[11] = 0xff; /* RFC 4291 section 2.5.5.2 */
	return inet_pton(AF_INET, text, addr + 12) == 1;
}

bool strace_sock_parse(const char *what, struct strace_sock *ret)
{
	static const struct {
		const char *head;
		uint8_t protocol;
	} heads[] = { { "TCP:[", PROTOCOL_TCP },
		      { "TCPv6:[", PROTOCOL_TCP },
		      { "UDP:[", PROTOCOL_UDP },
		      { "UDPv6:[", PROTOCOL_UDP } };
	struct strace_sock s = { 0 };
	const char *end = what + strlen(what), *arrow;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (!strncmp(what, heads[i].head, strlen(heads[i].head)))
			break;
	if (i == sizeof(heads) / sizeof(heads[0]) || end[-1] != ']')
		return false;
	s.protocol = heads[i].protocol;
	what += strlen(heads[i].head);
	end--;
	arrow = strstr(what, "->");
	if (!arrow) {
		s.bound = parse_end_point(what, end, s.local, &s.local_port);
		s.inode = s.bound ? 0 : strtoull(what, NULL, 10);
	} else {
		s.bound = parse_end_point(what, arrow, s.local, &s.local_port);
		s.connected = s.bound && parse_end_point(arrow + 2, end, s.remote, &s.remote_port);
	}
	*ret = s;
	return s.bound || s.inode;
}

bool strace_addr_parse(const char *arg, uint8_t addr[16], uint16_t *ret_port)
{
	const char *port = strstr(arg, "port=htons("), *text;
	char room[INET6_ADDRSTRLEN];
	size_t len;

	if (!port)
		return false;
	*ret_port = (uint16_t)strtoul(port + strlen("port=htons("), NULL, 10);
	text = strstr(arg, "inet_addr(\"");
	if (text)
		text += strlen("inet_addr(\"");
	else if ((text = strstr(arg, "inet_pton(AF_INET6, \"")))
		text += strlen("inet_pton(AF_INET6, \"");
	if (!text)
		return false;
	len = strcspn(text, "\"");
	if (len >= sizeof(room))
		return false;
	memcpy(room, text, len);
	room[len] = 0;
	memset(addr, 0, 16);
	if (inet_pton(AF_INET6, room, addr) == 1)
		return true;
	addr[10] = addr[11] = 0xff;
	return inet_pton(AF_INET, room, addr + 12) == 1;
}

/* The character behind a backslash at *p, which moves behind it. */
static char escaped(const char **p)
{
	static const char names[] = "n\nt\tr\rv\vf\fb\ba\a";
	const char *found;
	int n = 0, v = 0;

	if (**p >= '0' && **p <= '7') {
		for (; n < 3 && **p >= '0' && **p <= '7'; n++)
			v = v * 8 + *(*p)++ - '0';
		return (char)v;
	}
	found = **p ? strchr(names, **p) : NULL;
	if (found && (found - names) % 2 == 0) {
		(*p)++;
		return found[1];
	}
	return **p ? *(*p)++ : '\\';
}

int strace_string(const char *arg, char *out, int cap, bool *ret_whole)
{
	const char *p = arg + 1;
	int n = 0;

	if (arg[0] != '"')
		return -1;
	while (*p && *p != '"') {
		char c = *p++;

		if (c == '\\')
			c = escaped(&p);
		if (n < cap)
			out[n] = c;
		n++;
	}
	*ret_whole = n <= cap && *p == '"' && strncmp(p + 1, "...", 3) != 0;
	return n < cap ? n : cap;
}
