/* SPDX-License-Identifier: Apache-2.0 */
/* wish_write - a wish as YAML, which reads as the same wish, and as JSON, which is YAML too. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "net/wish_internal.h"
#include "packet/wire.h"

/* ---- one writer for both: JSON with quotes and braces, YAML with indents ---- */

struct writer {
	struct buf *out;
	bool json;
	bool first; /* nothing stands in this mapping or list yet */
	unsigned depth;
};

static void separate(struct writer *w)
{
	unsigned i;

	if (w->json) {
		if (!w->first)
			buf_char(w->out, ',');
	} else {
		buf_char(w->out, '\n');
		for (i = 1; i < w->depth; i++)
			buf_str(w->out, "  ");
	}
	w->first = false;
}

static void put_key(struct writer *w, const char *key)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	separate(w);
	/* names of interfaces may have any character: what YAML could take for something else is quoted */
	if (w->json || strspn(key, plain) != strlen(key) || !strcmp(key, "-"))
		buf_json(w->out, key, strlen(key));
	else
		buf_str(w->out, key);
	buf_str(w->out, w->json ? ":" : ": ");
}

/* Addresses in YAML are quoted: `::1` and `1:2` would be something else there. */
static void put_text(struct writer *w, const char *key, const char *text)
{
	put_key(w, key);
	buf_json(w->out, text, strlen(text));
}

static void put_number(struct writer *w, const char *key, uint64_t v)
{
	put_key(w, key);
	buf_u64(w->out, v);
}

static void put_true(struct writer *w, const char *key)
{
	put_key(w, key);
	buf_str(w->out, "true");
}

static void put_addr(struct writer *w, const char *key, const struct lb_addr *addr)
{
	char text[LB_ADDR_TEXT];

	put_text(w, key, lb_addr_text(addr, text));
}

/* In YAML what begins stands in lines of its own: nothing stays behind `key:`. */
static void block_begin(struct writer *w, char bracket)
{
	struct buf *b = w->out;

	if (w->json)
		buf_char(b, bracket);
	else if (b->len && b->data[b->len - 1] == ' ')
		b->data[--b->len] = 0;
}

static void map_begin(struct writer *w)
{
	block_begin(w, '{');
	w->first = true;
	w->depth++;
}

static void map_end(struct writer *w)
{
	if (w->json)
		buf_char(w->out, '}');
	w->first = false;
	w->depth--;
}

static void list_begin(struct writer *w, const char *key)
{
	put_key(w, key);
	block_begin(w, '[');
	w->first = true;
	w->depth++;
}

static void list_end(struct writer *w)
{
	if (w->json)
		buf_char(w->out, ']');
	w->first = false;
	w->depth--;
}

/* Each row of a list stands in a line of its own, as a mapping in one line. */
static void row_begin(struct writer *w)
{
	separate(w);
	buf_str(w->out, w->json ? "{" : "- {");
	w->json = true;
	w->first = true;
}

static void row_end(struct writer *w, bool json)
{
	buf_char(w->out, '}');
	w->json = json;
	w->first = false;
}

/* ---- parts ---- */

static void put_rest(struct writer *w, const struct wish_backend *b)
{
	static const uint8_t none[6];
	char text[24];

	if (b->down)
		put_true(w, "down");
	if (b->local)
		put_true(w, "local");
	if (memcmp(b->mac, none, sizeof(none)) != 0) {
		(void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b->mac[0], b->mac[1], b->mac[2],
			       b->mac[3], b->mac[4], b->mac[5]);
		put_text(w, "mac", text);
	}
	if (b->interface[0])
		put_text(w, "interface", b->interface);
}

static void put_backend(struct writer *w, const struct wish_backend *b, enum wish_mode usual)
{
	bool json = w->json;

	row_begin(w);
	if (b->name[0])
		put_text(w, "address", b->name);
	else
		put_addr(w, "address", &b->addr);
	if (b->weight != 1 || b->name[0])
		put_number(w, "weight", b->weight);
	if (b->mode != usual || b->name[0])
		put_text(w, "mode", wish_mode_name(b->mode));
	put_rest(w, b);
	row_end(w, json);
}

static void put_flags(struct writer *w, uint32_t flags)
{
	bool first = true;
	uint32_t bit;

	put_key(w, "flags");
	buf_char(w->out, '[');
	for (bit = 1; bit; bit <<= 1) {
		const char *name = flags & bit ? wish_flag_name(bit) : NULL;

		if (!name)
			continue;
		buf_str(w->out, first ? "" : ",");
		buf_json(w->out, name, strlen(name));
		first = false;
	}
	buf_char(w->out, ']');
}

static void put_health_value(struct writer *w, const struct wish_health_option *o, const struct wish_health *h)
{
	uint32_t value = wish_health_is_text(o) ? 0 : wish_health_value(h, o);
	char text[32];

	if (o->o.kind == WISH_MS)
		(void)snprintf(text, sizeof(text), "%ums", value);
	else
		(void)snprintf(text, sizeof(text), "%u-%u", value >> 16, value & 0xffff);
	if (o->words)
		put_text(w, o->o.name, o->words[value]);
	else if (wish_health_is_text(o))
		put_text(w, o->o.name, (const char *)h + o->o.offset);
	else if (o->o.kind == WISH_MS || o->o.kind == WISH_STATUS)
		put_text(w, o->o.name, text);
	else
		put_number(w, o->o.name, value);
}

static bool health_said(const struct wish_health_option *o, const struct wish_health *h)
{
	return wish_health_is_text(o) ? ((const char *)h)[o->o.offset] : wish_health_value(h, o);
}

static void put_health(struct writer *w, const struct wish_health *h)
{
	bool json = w->json, any = false;
	size_t i;

	for (i = 0; i < wish_health_noptions; i++) {
		const struct wish_health_option *o = &wish_health_options[i];

		if (!health_said(o, h))
			continue;
		if (!any) {
			put_key(w, "health");
			buf_char(w->out, '{');
			w->json = w->first = true;
		}
		any = true;
		put_health_value(w, o, h);
	}
	if (any)
		row_end(w, json);
}

static void put_vip(struct writer *w, const struct wish_vip *v, enum wish_mode usual)
{
	enum wish_mode mode = wish_vip_mode(&v->vip);
	char text[WISH_VIP_TEXT];
	size_t i;

	separate(w);
	buf_str(w->out, w->json ? "{" : "-");
	w->first = true;
	w->depth++;
	put_text(w, "vip", wish_vip_text(&v->vip, text));
	if (v->vip.flags & ~(uint32_t)(LB_VIP_NAT | LB_VIP_L2))
		put_flags(w, v->vip.flags);
	if (mode != usual && !(wish_mode_tunnel(mode) && wish_mode_tunnel(usual)))
		put_text(w, "mode", wish_mode_name(mode));
	if (v->vip.nat_port)
		put_number(w, "nat-port", v->vip.nat_port);
	put_health(w, &v->health);
	if (v->nbackends) {
		list_begin(w, "backends");
		for (i = 0; i < v->nbackends; i++)
			put_backend(w, &v->backends[i],
				    wish_mode_tunnel(mode) && wish_mode_tunnel(usual) ? usual : WISH_IPIP);
		list_end(w);
	}
	map_end(w);
}

static void put_pool(struct writer *w, const struct wish_if *f)
{
	size_t i;

	put_key(w, "backends");
	map_begin(w);
	for (i = 0; i < f->nbackends; i++) {
		const struct wish_backend *b = &f->backends[i];
		bool json = w->json;

		put_key(w, b->name);
		buf_char(w->out, '{');
		w->json = w->first = true;
		put_addr(w, "address", &b->addr);
		put_number(w, "weight", b->weight);
		put_text(w, "mode", wish_mode_name(b->mode));
		if (b->down)
			put_true(w, "down");
		if (b->local)
			put_true(w, "local");
		row_end(w, json);
	}
	map_end(w);
}

static void put_list(struct writer *w, const char *name, const char *key, const struct wish_list *list)
{
	size_t i;

	if (!list->count)
		return;
	list_begin(w, name);
	for (i = 0; i < list->count; i++) {
		const struct wish_to *t = &list->rows[i];
		char addr[LB_ADDR_TEXT], net[LB_ADDR_TEXT + 8];
		bool json = w->json;

		row_begin(w);
		(void)snprintf(net, sizeof(net), "%s/%u", lb_addr_text(&t->net, addr), t->bits);
		if (t->net.family)
			put_text(w, key, net);
		else
			put_number(w, key, t->id);
		put_key(w, "backend");
		buf_str(w->out, "{\"address\":");
		(void)lb_addr_text(&t->to.addr, addr);
		buf_json(w->out, t->to.name[0] ? t->to.name : addr, strlen(t->to.name[0] ? t->to.name : addr));
		buf_printf(w->out, ",\"mode\":\"%s\"}", wish_mode_name(t->to.mode));
		row_end(w, json);
	}
	list_end(w);
}

static void put_ends(struct writer *w, const struct wish_if *f)
{
	static const char *const to[] = {
		[LB_DECAP_TO_HOST] = "host", [LB_DECAP_AGAIN] = "stages", [LB_DECAP_RETURN] = "sender"
	};
	size_t i;

	list_begin(w, "ends");
	for (i = 0; i < f->ndecaps; i++) {
		bool json = w->json;

		row_begin(w);
		put_addr(w, "address", &f->decaps[i].addr);
		put_text(w, "to", to[f->decaps[i].what]);
		row_end(w, json);
	}
	list_end(w);
}

static bool option_said(const struct wish_if *f, const struct wish_option *o)
{
	const char *at = (const char *)f + o->offset;

	if (o->kind == WISH_SWITCH)
		return *(const bool *)at;
	if (o->kind == WISH_ADDR4 || o->kind == WISH_ADDR6)
		return ((const struct lb_addr *)at)->family;
	return *(const uint32_t *)at != o->usual;
}

static void put_options(struct writer *w, const struct wish_if *f, const char *group)
{
	bool any = false, ends = group && !strcmp(group, "decap") && f->ndecaps;
	size_t i;

	for (i = 0; i < wish_noptions; i++) {
		const struct wish_option *o = &wish_options[i];
		const char *at = (const char *)f + o->offset;

		if (!o->group != !group || (group && strcmp(o->group, group) != 0) || !option_said(f, o))
			continue;
		if (group && !any) {
			put_key(w, group);
			map_begin(w);
		}
		any = true;
		if (o->kind == WISH_SWITCH)
			put_true(w, o->name);
		else if (o->kind == WISH_ADDR4 || o->kind == WISH_ADDR6)
			put_addr(w, o->name, (const struct lb_addr *)at);
		else
			put_number(w, o->name, *(const uint32_t *)at);
	}
	if (ends && !any) {
		put_key(w, group);
		map_begin(w);
	}
	if (ends)
		put_ends(w, f);
	if (group && (any || ends))
		map_end(w);
}

static void put_if(struct writer *w, const struct wish_if *f)
{
	size_t i;

	put_key(w, f->name);
	map_begin(w);
	put_text(w, "mode", wish_mode_name(f->mode));
	if (f->router[0])
		put_text(w, "router", f->router);
	if (f->tc)
		put_text(w, "hook", "tc");
	put_options(w, f, NULL);
	put_options(w, f, "gue");
	put_options(w, f, "ipip");
	put_options(w, f, "decap");
	put_health(w, &f->health);
	if (f->nbackends)
		put_pool(w, f);
	if (f->nvips) {
		list_begin(w, "vips");
		for (i = 0; i < f->nvips; i++)
			put_vip(w, &f->vips[i], f->mode);
		list_end(w);
	}
	put_list(w, "routes", "network", &f->routes);
	put_list(w, "ids", "id", &f->ids);
	put_list(w, "marks", "mark", &f->marks);
	map_end(w);
}

static void put_wish(struct writer *w, const struct wish *wish)
{
	size_t i;

	map_begin(w);
	put_key(w, "interfaces");
	map_begin(w);
	for (i = 0; i < wish->nifs; i++)
		put_if(w, &wish->ifs[i]);
	map_end(w);
	map_end(w);
}

void wish_yaml(const struct wish *wish, struct buf *out)
{
	struct writer w = { .out = out };
	struct buf body = { 0 };

	w.out = &body;
	put_wish(&w, wish);
	/* every key begins with a line feed: not the first one */
	buf_add(out, body.data ? body.data + 1 : "", body.len ? body.len - 1 : 0);
	buf_char(out, '\n');
	out->failed = out->failed || body.failed;
	buf_fini(&body);
}

void wish_json(const struct wish *wish, struct buf *out)
{
	struct writer w = { .out = out, .json = true };

	put_wish(&w, wish);
}
