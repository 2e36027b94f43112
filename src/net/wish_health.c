/* SPDX-License-Identifier: Apache-2.0 */
/* wish_health - the keys of `health:`, which stands at an interface or at a VIP: one table for reading, writing and what is usual. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "net/wish_node.h"
#include "packet/wire.h"

#define AT(field) offsetof(struct wish_health, field)
#define HOUR 3600
#define STATUS(from, to) ((uint32_t)(from) << 16 | (to))
#define TEXT(name, field, kind)                                                                       \
	{                                                                                             \
		{ NULL, name, AT(field), kind, 0, sizeof(((struct wish_health *)0)->field), 0 }, NULL \
	}

static const char *const mode_words[] = { [WISH_OFF] = "off", [WISH_SHADOW] = "shadow", [WISH_LIVE] = "live", NULL };
static const char *const switch_words[] = { [WISH_SWITCH_OFF] = "off", [WISH_SWITCH_ON] = "on", NULL };

static const char *const kind_words[] = {
	[WISH_CHECK_NONE] = "none", [WISH_CHECK_TCP] = "tcp", [WISH_CHECK_HTTP] = "http",  [WISH_CHECK_HTTPS] = "https",
	[WISH_CHECK_TLS] = "tls",   [WISH_CHECK_UDP] = "udp", [WISH_CHECK_UDP + 1] = NULL,
};

const struct wish_health_option wish_health_options[] = {
	{ { NULL, "mode", AT(mode), WISH_WORD, 0, 0, WISH_SHADOW }, mode_words },
	{ { NULL, "rise", AT(rise), WISH_NUMBER, 1, 100, 2 }, NULL },
	{ { NULL, "fall", AT(fall), WISH_NUMBER, 1, 100, 2 }, NULL },
	{ { NULL, "eject-max", AT(eject_max), WISH_NUMBER, 1, 100, 50 }, NULL },
	{ { NULL, "base-eject", AT(base_eject_s), WISH_SECONDS, 1, 24 * HOUR, 30 }, NULL },
	{ { NULL, "max-eject", AT(max_eject_s), WISH_SECONDS, 1, 24 * HOUR, 300 }, NULL },
	{ { NULL, "slow-start", AT(slow_start_s), WISH_SECONDS, 1, HOUR, 30 }, NULL },
	{ { NULL, "window", AT(window_s), WISH_SECONDS, 1, HOUR, 10 }, NULL },
	{ { NULL, "syn-again", AT(syn_again), WISH_NUMBER, 1, UINT32_MAX - 1, 5 }, NULL },
	{ { NULL, "resets", AT(resets), WISH_NUMBER, 1, UINT32_MAX - 1, 20 }, NULL },
	{ { NULL, "overflow", AT(overflow), WISH_NUMBER, 1, UINT32_MAX - 1, 20 }, NULL },
	{ { NULL, "effect", AT(effect_s), WISH_SECONDS, 1, HOUR, 5 }, NULL },
	{ { NULL, "load", AT(load), WISH_WORD, 0, 0, WISH_SWITCH_OFF }, switch_words },
	{ { NULL, "load-step", AT(load_step), WISH_NUMBER, 1, 100, 10 }, NULL },
	{ { NULL, "load-min", AT(load_min), WISH_NUMBER, 1, 100, 50 }, NULL },
	{ { NULL, "load-max", AT(load_max), WISH_NUMBER, 100, 1000, 150 }, NULL },
	{ { NULL, "kind", AT(kind), WISH_WORD, 0, 0, WISH_CHECK_NONE }, kind_words },
	{ { NULL, "port", AT(port), WISH_NUMBER, 1, 65535, 0 }, NULL },
	/* two in a row that fail, each after half an interval at most: a silent host is known within three */
	{ { NULL, "interval", AT(interval_ms), WISH_MS, 50, 1000 * HOUR, 1000 }, NULL },
	{ { NULL, "timeout", AT(timeout_ms), WISH_MS, 10, 60000, 500 }, NULL },
	{ { NULL, "status", AT(status), WISH_STATUS, 100, 599, STATUS(200, 200) }, NULL },
	{ { NULL, "verify", AT(verify), WISH_WORD, 0, 0, WISH_SWITCH_OFF }, switch_words },
	TEXT("host", host, WISH_NAME_TEXT),
	TEXT("path", path, WISH_NAME_TEXT),
	TEXT("text", text, WISH_ANY_TEXT),
	TEXT("send", send, WISH_ANY_TEXT),
	TEXT("answer", answer, WISH_ANY_TEXT),
};
const size_t wish_health_noptions = ARRAY_LEN(wish_health_options);

const char *wish_check_name(uint32_t kind)
{
	return kind_words[kind < ARRAY_LEN(kind_words) - 1 && kind ? kind : WISH_CHECK_NONE];
}

bool wish_health_is_text(const struct wish_health_option *o)
{
	return o->o.kind == WISH_NAME_TEXT || o->o.kind == WISH_ANY_TEXT;
}

static uint32_t *value_at(struct wish_health *h, size_t offset)
{
	return (uint32_t *)(void *)((char *)h + offset);
}

uint32_t wish_health_value(const struct wish_health *h, const struct wish_health_option *o)
{
	return *(const uint32_t *)(const void *)((const char *)h + o->o.offset);
}

static void text_of(const struct wish_if *f, const struct wish_vip *v, const struct wish_health_option *o,
		    struct wish_health *ret)
{
	const char *here = v ? (const char *)&v->health + o->o.offset : "";

	(void)snprintf((char *)ret + o->o.offset, o->o.max, "%s",
		       *here ? here : (const char *)&f->health + o->o.offset);
}

void wish_health_of(const struct wish_if *f, const struct wish_vip *v, struct wish_health *ret)
{
	size_t i;

	*ret = (struct wish_health) { 0 };
	for (i = 0; i < wish_health_noptions; i++) {
		const struct wish_health_option *o = &wish_health_options[i];
		uint32_t value;

		if (wish_health_is_text(o)) {
			text_of(f, v, o, ret);
			continue;
		}
		value = v ? wish_health_value(&v->health, o) : 0;
		if (!value)
			value = wish_health_value(&f->health, o);
		*value_at(ret, o->o.offset) = value ? value : (uint32_t)o->o.usual;
	}
	if (!ret->path[0])
		(void)snprintf(ret->path, sizeof(ret->path), "/");
}

bool wish_health_checks(const struct wish_if *f, const struct wish_vip *v, struct wish_health *ret)
{
	wish_health_of(f, v, ret);
	if (ret->kind == WISH_CHECK_NONE)
		return false;
	/* of the interface's, each VIP takes what speaks its protocol */
	return v->health.kind || (ret->kind == WISH_CHECK_UDP) == (v->vip.proto == PROTO_UDP);
}

bool wish_if_checks(const struct wish_if *f)
{
	struct wish_health h;
	size_t i;

	for (i = 0; i < f->nvips; i++) {
		if (wish_health_checks(f, &f->vips[i], &h))
			return true;
	}
	return false;
}

/* ---- reading ---- */

static void read_ms(struct reader *r, const yaml_node_t *n, const struct wish_option *o, uint32_t *to)
{
	const char *text = node_word(r, n, o->name);
	uint64_t ns = 0;

	if (!text)
		return;
	if (parse_duration(text, &ns) < 0 || ns / NS_PER_MS < o->min || ns / NS_PER_MS > o->max)
		COMPLAIN(r, n, "%s is a time from %llu ms to %llu s, not '%.40s'", o->name, (unsigned long long)o->min,
			 (unsigned long long)o->max / 1000, text);
	else
		*to = (uint32_t)(ns / NS_PER_MS);
}

static void read_status(struct reader *r, const yaml_node_t *n, const struct wish_option *o, uint32_t *to)
{
	const char *text = node_word(r, n, o->name), *dash = text ? strchr(text, '-') : NULL;
	char first[8] = "";
	uint64_t from = 0, last = 0;

	if (!text)
		return;
	(void)snprintf(first, sizeof(first), "%.*s", dash ? (int)MIN(dash - text, 7L) : 7, text);
	if (parse_number(first, &from) < 0 || parse_number(dash ? dash + 1 : text, &last) < 0 || from < o->min ||
	    last > o->max || from > last)
		COMPLAIN(r, n, "status is a number from 100 to 599, or two as in 200-399, not '%.40s'", text);
	else
		*to = STATUS(from, last);
}

/* Names become part of a request's head, so nothing in them may end a line of it; texts are what YAML can write again. */
static void read_text(struct reader *r, const yaml_node_t *n, const struct wish_option *o, char *to)
{
	const char *text = node_word(r, n, o->name), *at;
	bool name = o->kind == WISH_NAME_TEXT;

	if (!text)
		return;
	for (at = text; *at; at++) {
		if ((*at > ' ' && *at < 0x7f) || (!name && strchr(" \t\r\n", *at)))
			continue;
		COMPLAIN(r, n, "%s is to be ASCII%s", o->name, name ? " without spaces" : "");
		return;
	}
	if (at == text || (size_t)(at - text) >= o->max)
		COMPLAIN(r, n, "%s has 1 to %llu letters", o->name, (unsigned long long)o->max - 1);
	else if (!strcmp(o->name, "path") && *text != '/')
		COMPLAIN(r, n, "path begins with '/', as '%.40s' does not", text);
	else
		memcpy(to, text, (size_t)(at - text) + 1);
}

static void complain_word(struct reader *r, const yaml_node_t *n, const struct wish_health_option *o, const char *text)
{
	char words[80] = "";
	uint32_t i;

	for (i = 1; o->words[i]; i++)
		(void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
			       i == 1		 ? ""
			       : o->words[i + 1] ? ", "
						 : " or ",
			       o->words[i]);
	COMPLAIN(r, n, "%s is %s, not '%.40s'", o->o.name, words, text);
}

static void read_word(struct reader *r, const yaml_node_t *n, const struct wish_health_option *o, uint32_t *to)
{
	const char *text = node_word(r, n, o->o.name);
	uint32_t i;

	for (i = 1; text && o->words[i]; i++) {
		if (strcmp(text, o->words[i]) != 0)
			continue;
		*to = i;
		return;
	}
	if (text)
		complain_word(r, n, o, text);
}

static void read_key(struct reader *r, const yaml_node_t *key, const yaml_node_t *value, struct wish_health *h)
{
	size_t i;

	for (i = 0; i < wish_health_noptions; i++) {
		const struct wish_health_option *o = &wish_health_options[i];

		if (!node_is(key, o->o.name))
			continue;
		if (o->o.kind == WISH_WORD)
			read_word(r, value, o, value_at(h, o->o.offset));
		else if (o->o.kind == WISH_MS)
			read_ms(r, value, &o->o, value_at(h, o->o.offset));
		else if (o->o.kind == WISH_STATUS)
			read_status(r, value, &o->o, value_at(h, o->o.offset));
		else if (wish_health_is_text(o))
			read_text(r, value, &o->o, (char *)h + o->o.offset);
		else
			node_option(r, value, &o->o, value_at(h, o->o.offset));
		return;
	}
	if (key->type == YAML_SCALAR_NODE)
		COMPLAIN(r, key, "there is no key '%.40s' of health", (const char *)key->data.scalar.value);
}

void node_health(struct reader *r, yaml_node_t *n, struct wish_health *to)
{
	yaml_node_pair_t *pair;

	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "health is to be a mapping, as {mode: live}");
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (key && value)
			read_key(r, key, value, to);
	}
}

/* ---- contradictions ---- */

static void check_checks(const struct wish_vip *v, const struct wish_health *h, struct wish_errors *errors)
{
	char text[WISH_VIP_TEXT];
	unsigned line = v->line;

	if (h->timeout_ms > h->interval_ms)
		wish_complain(errors, line, "a check's timeout (%u ms) is longer than its interval (%u ms)",
			      h->timeout_ms, h->interval_ms);
	if (h->verify == WISH_SWITCH_ON && !h->host[0])
		wish_complain(errors, line, "`verify` wants `host`: the name that the certificate is for");
	if (h->kind == WISH_CHECK_UDP && !h->send[0])
		wish_complain(errors, line, "a check of kind udp wants `send`: what it asks");
	if (!h->port && !v->vip.port)
		wish_complain(errors, line,
			      "VIP %s has any port: say which `port` its checks go to, or `health: {kind: none}`",
			      wish_vip_text(&v->vip, text));
}

void wish_marks_check(const struct wish_if *f, struct wish_errors *errors)
{
	size_t i;

	for (i = 0; i < f->marks.count; i++) {
		const struct wish_to *m = &f->marks.rows[i];

		if (m->id >= LB_CHECK_MARKS && m->id < LB_CHECK_MARKS_END)
			wish_complain(errors, m->line,
				      "mark 0x%x is one of those that Saker's own checks take: 0x%x to 0x%x", m->id,
				      LB_CHECK_MARKS, LB_CHECK_MARKS_END - 1);
	}
}

void wish_health_check(const struct wish_if *f, const struct wish_vip *v, struct wish_errors *errors)
{
	unsigned line = v ? v->line : f->line;
	struct wish_health h;

	if (v && wish_health_checks(f, v, &h))
		check_checks(v, &h, errors);
	wish_health_of(f, v, &h);
	if (h.max_eject_s < h.base_eject_s)
		wish_complain(errors, line, "max-eject (%u s) is less than base-eject (%u s)", h.max_eject_s,
			      h.base_eject_s);
}
