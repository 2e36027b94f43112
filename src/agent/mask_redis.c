/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP (redis.io, "Redis serialization protocol"): the arguments of a command are strings with their lengths, and which of
 * them is a secret the command says: AUTH, HELLO, CONFIG SET, ACL SETUSER, MIGRATE.  What follows an argument that is called
 * like a secret is taken for one as well (HSET user:1 password x; and so it comes back).
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/mask_internal.h"
#include "base/cleanup.h"

static bool is(const char *arg, const char *word)
{
	return !strcmp(arg, word);
}

/* Adds to the end of what is kept of an argument, lower case. */
static void arg_add(struct mask_redis *r, const uint8_t *data, size_t len)
{
	size_t keep = sizeof(r->arg) - 1, i, n;

	if (len > keep) {
		data += len - keep;
		len = keep;
	}
	if (r->narg + len > keep) {
		n = r->narg + len - keep;
		memmove(r->arg, r->arg + n, r->narg - n);
		r->narg = (uint8_t)(r->narg - n);
	}
	for (i = 0; i < len; i++)
		r->arg[r->narg++] = (char)tolower(data[i]);
	r->arg[r->narg] = 0;
}

static void arg_end(struct mask_redis *r)
{
	memcpy(r->before, r->arg, sizeof(r->before));
	if (!r->index)
		memcpy(r->command, r->arg, sizeof(r->command));
	r->index++;
	r->narg = 0;
	r->arg[0] = 0;
}

static bool names_user(struct mask_redis *r)
{
	if (is(r->command, "hello") && is(r->before, "auth"))
		return true;
	return is(r->command, "migrate") && is(r->before, "auth2");
}

static bool is_secret(struct mask_redis *r, const struct mask_words *words)
{
	size_t len = strlen(r->before);

	if (r->index >= r->args)
		return r->doubt;
	if (!r->index)
		return false;
	if (is(r->command, "auth"))
		return r->index == r->args - 1;
	if (names_user(r)) {
		r->user_at = r->index;
		return false;
	}
	if (r->user_at && r->index == r->user_at + 1)
		return true;
	if (is(r->command, "migrate") && is(r->before, "auth"))
		return true;
	if (is(r->command, "config"))
		return r->index >= 3 && (strstr(r->before, "pass") || strstr(r->before, "auth"));
	return mask_name_ends(words, (const uint8_t *)r->before, len);
}

/* --- strings --- */

static void string_begin(struct mask_redis *r, const struct mask_words *words, uint64_t len)
{
	r->left = len + 2;
	r->secret = is_secret(r, words);
	r->narg = 0;
	r->arg[0] = 0;
	mask_text_reset(&r->text);
}

/* ACL SETUSER u >password: the sign stays. */
static size_t string_sign(struct mask_redis *r, const uint8_t *data, size_t len)
{
	if (!is(r->command, "acl") || r->index < 3 || r->narg || !len || !strchr("<>#!", data[0]) || !data[0])
		return 0;
	r->secret = true;
	return 1;
}

/* Bytes of a string; the last two are CR LF. */
static size_t string_part(struct mask_redis *r, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t n = MIN(r->left, (uint64_t)len), body = r->left > 2 ? MIN(r->left - 2, (uint64_t)n) : 0;
	size_t sign = string_sign(r, data, body);

	if (body && r->secret)
		memset(data + sign, '*', body - sign);
	else
		mask_text(&r->text, words, data, body);
	arg_add(r, data, body);
	r->left -= n;
	if (!r->left)
		arg_end(r);
	return n;
}

/* --- lines --- */

static bool line_number(const struct mask_redis *r, uint64_t *ret)
{
	size_t i;

	*ret = 0;
	if (r->nline < 2)
		return false;
	for (i = 1; i < r->nline; i++) {
		if (!isdigit((unsigned char)r->line[i]) || i > 12)
			return false;
		*ret = *ret * 10 + (uint64_t)(r->line[i] - '0');
	}
	return true;
}

static void line_end(struct mask_redis *r, const struct mask_words *words)
{
	uint64_t n;

	switch (r->nline ? r->line[0] : 0) {
	case '*':
	case '~':
	case '>':
	case '%':
		r->args = line_number(r, &n) ? n << (r->line[0] == '%') : 0;
		r->index = r->user_at = 0;
		r->command[0] = r->before[0] = 0;
		r->doubt = false;
		break;
	case '$':
	case '=':
	case '!':
		if (line_number(r, &n))
			string_begin(r, words, n);
		else
			arg_end(r);
		break;
	case 0:
		break;
	default:
		if (r->index < r->args)
			arg_end(r); /* a number, a nothing: one of an array's */
		r->doubt = false;
		break;
	}
	r->nline = 0;
	r->inlined = false;
}

/* `AUTH x` as a line: how redis-cli does not do it, but telnet. */
static bool line_is_secret(const struct mask_redis *r)
{
	static const char *const commands[] = { "auth ", "hello ", "config ", "acl ", "migrate " };
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (r->nline == strlen(commands[i]) && !strncasecmp(r->line, commands[i], r->nline))
			return true;
	return false;
}

static void line_byte(struct mask_redis *r, const struct mask_words *words, uint8_t *at)
{
	if (*at == '\n') {
		line_end(r, words);
		return;
	}
	if (*at == '\r')
		return;
	if (r->inlined) {
		*at = '*';
		return;
	}
	if (r->nline < sizeof(r->line)) {
		r->line[r->nline++] = (char)*at;
		r->inlined = line_is_secret(r);
	}
}

void mask_redis(struct mask_redis *r, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t at = 0;

	if (r->lost) {
		memset(data, '*', len);
		return;
	}
	while (at < len) {
		if (r->left) {
			at += string_part(r, words, data + at, len - at);
			continue;
		}
		line_byte(r, words, data + at);
		at++;
	}
}

void mask_redis_skip(struct mask_redis *r, uint64_t bytes)
{
	if (!bytes)
		return;
	if (bytes > r->left) {
		mask_redis_lost(r);
		return;
	}
	mask_text_break(&r->text);
	r->left -= bytes;
	if (!r->left)
		arg_end(r);
}

void mask_redis_lost(struct mask_redis *r)
{
	memset(r, 0, sizeof(*r));
	r->doubt = r->lost = true;
}
