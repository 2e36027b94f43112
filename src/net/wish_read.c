/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish_read - from YAML to a wish, with every error that there is.
 *
 * libyaml makes a tree of it; each mapping is read by a table of its keys, in the table's order, so that names are known
 * before they are used.  Where something is wrong it is listed, and the rest is read all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/wish_node.h"
#include "packet/wire.h"

static bool name_good(const char *name)
{
	return *name && strlen(name) < sizeof(((struct wish_if *)0)->name) && !strpbrk(name, "/ \t\n:") &&
	       name[0] != '.';
}

/* ---- backends ---- */

static const struct wish_backend *pool_find(const struct wish_if *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->nbackends; i++) {
		if (!strcmp(f->backends[i].name, name))
			return &f->backends[i];
	}
	return NULL;
}

static void b_address(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_backend *b = to;
	const char *text = node_word(r, n, "a backend");
	const struct wish_backend *named;
	unsigned line = b->line;

	if (!text)
		return;
	named = pool_find(r->f, text);
	if (named) {
		*b = *named;
		b->line = line;
	} else if (lb_addr_parse(text, &b->addr) < 0) {
		COMPLAIN(r, n, "unknown backend '%.40s': it is no address, and `backends:` has no such name", text);
	}
}

static void b_weight(struct reader *r, yaml_node_t *n, void *to)
{
	(void)node_u32(r, n, "weight", 0, 65535, &((struct wish_backend *)to)->weight);
}

static void b_mode(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_backend *b = to;

	node_mode(r, n, &b->mode);
	if (wish_mode_tunnel(b->mode))
		return;
	COMPLAIN(r, n, "mode %s is a VIP's, not a backend's", wish_mode_name(b->mode));
	b->mode = WISH_IPIP;
}

static void b_mac(struct reader *r, yaml_node_t *n, void *to)
{
	const char *text = node_word(r, n, "mac");

	if (text && wish_mac_parse(text, ((struct wish_backend *)to)->mac) < 0)
		COMPLAIN(r, n, "'%.40s' is no MAC", text);
}

static void b_interface(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_backend *b = to;
	const char *text = node_word(r, n, "interface");

	if (text && !name_good(text))
		COMPLAIN(r, n, "'%.40s' cannot be an interface's name", text);
	else if (text)
		(void)snprintf(b->interface, sizeof(b->interface), "%s", text);
}

static void b_down(struct reader *r, yaml_node_t *n, void *to)
{
	node_bool(r, n, "down", &((struct wish_backend *)to)->down);
}

static void b_local(struct reader *r, yaml_node_t *n, void *to)
{
	node_bool(r, n, "local", &((struct wish_backend *)to)->local);
}

static const struct node_field backend_fields[] = {
	{ "address", b_address }, { "weight", b_weight }, { "mode", b_mode },		{ "down", b_down },
	{ "local", b_local },	  { "mac", b_mac },	  { "interface", b_interface },
};

/* ADDRESS, NAME, or a mapping; false: there is none in it. */
static bool read_backend(struct reader *r, yaml_node_t *n, enum wish_mode mode, struct wish_backend *b)
{
	size_t before = r->errors->count;

	*b = (struct wish_backend) { .weight = 1,
				     .mode = wish_mode_tunnel(mode) ? mode : WISH_IPIP,
				     .line = node_line(n) };
	if (n->type == YAML_SCALAR_NODE)
		b_address(r, n, b);
	else
		node_fields(r, n, backend_fields, ARRAY_LEN(backend_fields), b, "a backend");
	if (!b->addr.family && r->errors->count == before)
		COMPLAIN(r, n, "a backend without an address");
	return b->addr.family;
}

static void pool_add(struct reader *r, yaml_node_t *key, yaml_node_t *value)
{
	const char *name = node_word(r, key, "the name of a backend");
	struct wish_backend b, *grown;
	struct lb_addr addr;

	if (!name)
		return;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(name) ||
	    !*name || strlen(name) >= WISH_NAME || lb_addr_parse(name, &addr) == 0)
		COMPLAIN(r, key, "'%.40s' cannot be a backend's name: up to %d of a-z, A-Z, 0-9, '.', '_', '-'", name,
			 WISH_NAME - 1);
	else if (pool_find(r->f, name))
		COMPLAIN(r, key, "there are two backends '%s'", name);
	else if (r->f->nbackends >= WISH_BACKENDS)
		COMPLAIN(r, key, "more than %d backends", WISH_BACKENDS);
	else if (read_backend(r, value, r->f->mode, &b)) {
		grown = array_grown(r->f->backends, r->f->nbackends, sizeof(*grown));
		if (!grown)
			return;
		(void)snprintf(b.name, sizeof(b.name), "%s", name);
		r->f->backends = grown;
		grown[r->f->nbackends++] = b;
	}
}

static void f_backends(struct reader *r, yaml_node_t *n, void *to)
{
	yaml_node_pair_t *pair;

	(void)to;
	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "backends are to be a mapping of names");
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (key && value)
			pool_add(r, key, value);
	}
}

/* ---- VIPs ---- */

static void vip_backend(struct reader *r, yaml_node_t *n)
{
	enum wish_mode mode = r->f->mode;
	struct wish_vip *v = r->vip;
	struct wish_backend b, *grown;

	if (!read_backend(r, n, mode, &b))
		return;
	if (v->nbackends >= WISH_BACKENDS) {
		COMPLAIN(r, n, "more than %d backends", WISH_BACKENDS);
		return;
	}
	grown = array_grown(v->backends, v->nbackends, sizeof(*grown));
	if (!grown)
		return;
	v->backends = grown;
	grown[v->nbackends++] = b;
}

static void vip_flag(struct reader *r, yaml_node_t *n)
{
	const char *text = node_word(r, n, "a flag");
	uint32_t flag = text ? wish_flag_parse(text) : 0;

	if (text && !flag)
		COMPLAIN(r, n, "there is no flag '%.40s' of a VIP", text);
	r->vip->vip.flags |= flag;
}

static void v_vip(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_vip *v = to;
	const char *text = node_word(r, n, "a VIP");
	struct err err = ERR_INIT;

	if (text && wish_vip_parse(text, &v->vip, &err) < 0)
		COMPLAIN(r, n, "'%.60s' is no VIP: %s", text, err.text);
}

static void v_flags(struct reader *r, yaml_node_t *n, void *to)
{
	r->vip = to;
	node_each(r, n, "flags", vip_flag);
}

static void v_mode(struct reader *r, yaml_node_t *n, void *to)
{
	(void)to;
	node_mode(r, n, &r->f->mode); /* of this VIP's backends; read_vip() puts it back */
}

static void v_backends(struct reader *r, yaml_node_t *n, void *to)
{
	r->vip = to;
	node_each(r, n, "backends", vip_backend);
}

static void v_nat_port(struct reader *r, yaml_node_t *n, void *to)
{
	uint32_t port;

	if (node_u32(r, n, "nat-port", 1, 65535, &port))
		((struct wish_vip *)to)->vip.nat_port = (uint16_t)port;
}

static void v_health(struct reader *r, yaml_node_t *n, void *to)
{
	node_health(r, n, &((struct wish_vip *)to)->health);
}

static const struct node_field vip_fields[] = {
	{ "vip", v_vip },	    { "flags", v_flags },   { "mode", v_mode },
	{ "nat-port", v_nat_port }, { "health", v_health }, { "backends", v_backends },
};

static void read_vip(struct reader *r, yaml_node_t *n)
{
	enum wish_mode mode = r->f->mode;
	struct wish_vip v = { .line = node_line(n) }, *grown;
	size_t before = r->errors->count;

	if (r->f->nvips >= WISH_VIPS) {
		COMPLAIN(r, n, "more than %d VIPs", WISH_VIPS);
		return;
	}
	node_fields(r, n, vip_fields, ARRAY_LEN(vip_fields), &v, "a VIP");
	if (!(v.vip.flags & (LB_VIP_NAT | LB_VIP_L2)))
		wish_vip_mode_set(&v.vip, r->f->mode);
	r->f->mode = mode;
	if (!v.vip.addr.family && r->errors->count == before)
		COMPLAIN(r, n, "a VIP without `vip: ADDRESS:PORT/PROTOCOL`");
	grown = v.vip.addr.family ? array_grown(r->f->vips, r->f->nvips, sizeof(*grown)) : NULL;
	if (!grown) {
		free(v.backends);
		return;
	}
	r->f->vips = grown;
	grown[r->f->nvips++] = v;
}

static void f_vips(struct reader *r, yaml_node_t *n, void *to)
{
	(void)to;
	node_each(r, n, "vips", read_vip);
}

/* ---- what leads to a backend without a VIP ---- */

static void t_network(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_to *t = to;
	const char *text = node_word(r, n, "a network");
	CLEANUP_FREE char *copy = text ? strdup(text) : NULL;
	struct err err = ERR_INIT;

	if (copy && wish_net_parse(copy, &t->net, &t->bits, &err) < 0)
		COMPLAIN(r, n, "'%.60s' is no network: %s", text, err.text);
}

static void t_id(struct reader *r, yaml_node_t *n, void *to)
{
	(void)node_u32(r, n, "the id", 1, UINT32_MAX, &((struct wish_to *)to)->id);
}

static void t_backend(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_to *t = to;
	size_t i, k;

	if (!read_backend(r, n, r->f->mode, &t->to))
		return;
	for (i = 0; i < r->f->nbackends; i++) {
		if (!memcmp(&r->f->backends[i].addr, &t->to.addr, sizeof(t->to.addr)))
			return;
	}
	for (i = 0; i < r->f->nvips; i++) {
		for (k = 0; k < r->f->vips[i].nbackends; k++) {
			const struct wish_backend *b = &r->f->vips[i].backends[k];

			if (memcmp(&b->addr, &t->to.addr, sizeof(b->addr)) != 0)
				continue;
			if (n->type == YAML_SCALAR_NODE)
				t->to.mode = b->mode; /* as the VIP reaches it */
			return;
		}
	}
	COMPLAIN(r, n, "unknown backend: neither a VIP nor `backends:` has it");
}

static void list_add(struct reader *r, yaml_node_t *n, struct wish_list *list, const struct node_field *fields,
		     const char *what)
{
	struct wish_to t = { .line = node_line(n) }, *grown;
	size_t before = r->errors->count;

	if (list->count >= WISH_LIST) {
		COMPLAIN(r, n, "more than %d: %s", WISH_LIST, what);
		return;
	}
	node_fields(r, n, fields, 2, &t, what);
	if (r->errors->count == before && (!t.to.addr.family || (!t.id && !t.net.family)))
		COMPLAIN(r, n, "%s wants `%s` and `%s`", what, fields[0].key, fields[1].key);
	grown = array_grown(list->rows, list->count, sizeof(*grown));
	if (!grown)
		return;
	list->rows = grown;
	grown[list->count++] = t;
}

static const struct node_field route_fields[] = { { "network", t_network }, { "backend", t_backend } };
static const struct node_field id_fields[] = { { "id", t_id }, { "backend", t_backend } };
static const struct node_field mark_fields[] = { { "mark", t_id }, { "backend", t_backend } };

static void read_route(struct reader *r, yaml_node_t *n)
{
	list_add(r, n, &r->f->routes, route_fields, "a route");
}

static void read_id(struct reader *r, yaml_node_t *n)
{
	list_add(r, n, &r->f->ids, id_fields, "a server id");
}

static void read_mark(struct reader *r, yaml_node_t *n)
{
	list_add(r, n, &r->f->marks, mark_fields, "a mark");
}

static void f_routes(struct reader *r, yaml_node_t *n, void *to)
{
	(void)to;
	node_each(r, n, "routes", read_route);
}

static void f_ids(struct reader *r, yaml_node_t *n, void *to)
{
	(void)to;
	node_each(r, n, "ids", read_id);
}

static void f_marks(struct reader *r, yaml_node_t *n, void *to)
{
	(void)to;
	node_each(r, n, "marks", read_mark);
}

/* ---- ends of tunnels ---- */

static void d_address(struct reader *r, yaml_node_t *n, void *to)
{
	(void)node_addr(r, n, "the end of a tunnel", &((struct lb_wish_decap *)to)->addr);
}

static void d_to(struct reader *r, yaml_node_t *n, void *to)
{
	struct lb_wish_decap *d = to;
	const char *text = node_word(r, n, "to");

	if (!text)
		return;
	if (!strcmp(text, "host"))
		d->what = LB_DECAP_TO_HOST;
	else if (!strcmp(text, "stages"))
		d->what = LB_DECAP_AGAIN;
	else if (!strcmp(text, "sender"))
		d->what = LB_DECAP_RETURN;
	else
		COMPLAIN(r, n, "what was in a tunnel goes to: host, stages or sender, not '%.40s'", text);
}

static const struct node_field decap_end_fields[] = { { "address", d_address }, { "to", d_to } };

static void read_decap_end(struct reader *r, yaml_node_t *n)
{
	struct lb_wish_decap d = { .what = LB_DECAP_TO_HOST }, *grown;

	if (n->type == YAML_SCALAR_NODE)
		d_address(r, n, &d);
	else
		node_fields(r, n, decap_end_fields, ARRAY_LEN(decap_end_fields), &d, "the end of a tunnel");
	if (!d.addr.family)
		return;
	if (r->f->ndecaps >= LB_DECAPS) {
		COMPLAIN(r, n, "more than %d ends of tunnels", LB_DECAPS);
		return;
	}
	grown = array_grown(r->f->decaps, r->f->ndecaps, sizeof(*grown));
	if (!grown)
		return;
	r->f->decaps = grown;
	grown[r->f->ndecaps++] = d;
}

/* ---- an interface ---- */

static void read_router(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_if *f = to;
	const char *text = node_word(r, n, "router");
	struct lb_addr addr;
	uint8_t mac[6];

	if (!text)
		return;
	if (lb_addr_parse(text, &addr) < 0 && wish_mac_parse(text, mac) < 0 && strcmp(text, WISH_BY_ROUTES) != 0 &&
	    strcmp(text, WISH_TO_SENDER) != 0)
		COMPLAIN(r, n, "router is an address, a MAC, `routes` or `sender`, not '%.40s'", text);
	else
		(void)snprintf(f->router, sizeof(f->router), "%s", text);
}

static void read_hook(struct reader *r, yaml_node_t *n, void *to)
{
	struct wish_if *f = to;
	const char *text = node_word(r, n, "hook");

	if (!text)
		return;
	if (strcmp(text, "xdp") != 0 && strcmp(text, "tc") != 0)
		COMPLAIN(r, n, "hook is xdp or tc, not '%.40s'", text);
	f->tc = !strcmp(text, "tc");
	if (f->tc && f->generic)
		COMPLAIN(r, n, "generic is a kind of XDP: with `hook: tc` it means nothing");
}

static void f_mode(struct reader *r, yaml_node_t *n, void *to)
{
	node_mode(r, n, &((struct wish_if *)to)->mode);
}

static void group_option(struct reader *r, yaml_node_t *key, yaml_node_t *value, const char *group)
{
	size_t i;

	for (i = 0; i < wish_noptions; i++) {
		const struct wish_option *o = &wish_options[i];

		if (!o->group == !group && (!group || !strcmp(o->group, group)) && node_is(key, o->name)) {
			node_option(r, value, o, (char *)r->f + o->offset);
			return;
		}
	}
	if (group && !strcmp(group, "decap") && node_is(key, "ends"))
		node_each(r, value, "ends", read_decap_end);
	else if (key->type == YAML_SCALAR_NODE)
		COMPLAIN(r, key, "there is no key '%.40s' here", (const char *)key->data.scalar.value);
}

static void read_group(struct reader *r, yaml_node_t *n, const char *group)
{
	yaml_node_pair_t *pair;

	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "%s is to be a mapping", group);
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (key && value)
			group_option(r, key, value, group);
	}
}

static void f_health(struct reader *r, yaml_node_t *n, void *to)
{
	node_health(r, n, &((struct wish_if *)to)->health);
}

static const struct node_field if_fields[] = {
	{ "health", f_health },	    { "mode", f_mode },	  { "router", read_router },
	{ "backends", f_backends }, { "vips", f_vips },	  { "routes", f_routes },
	{ "ids", f_ids },	    { "marks", f_marks }, { "hook", read_hook },
};

static bool is_if_field(const yaml_node_t *key)
{
	static const char *const groups[] = { "gue", "ipip", "decap" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(groups); i++) {
		if (node_is(key, groups[i]))
			return false;
	}
	for (i = 0; i < ARRAY_LEN(if_fields); i++) {
		if (node_is(key, if_fields[i].key))
			return true;
	}
	return false;
}

/* Options first, then what hangs on them, in the table's order. */
static void read_if_body(struct reader *r, yaml_node_t *n)
{
	yaml_node_pair_t *pair;
	size_t i;

	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "the wish of interface '%s' is to be a mapping", r->f->name);
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (!key || !value || is_if_field(key))
			continue;
		if (node_is(key, "gue") || node_is(key, "ipip") || node_is(key, "decap"))
			read_group(r, value, (const char *)key->data.scalar.value);
		else
			group_option(r, key, value, NULL);
	}
	for (i = 0; i < ARRAY_LEN(if_fields); i++) {
		for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
			yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

			if (key && value && node_is(key, if_fields[i].key))
				if_fields[i].read(r, value, r->f);
		}
	}
}

static void read_if(struct reader *r, yaml_node_t *key, yaml_node_t *value)
{
	const char *name = node_word(r, key, "the name of an interface");

	if (!name)
		return;
	if (!name_good(name)) {
		COMPLAIN(r, key, "'%.40s' cannot be an interface's name", name);
		return;
	}
	if (wish_find(r->wish, name)) {
		COMPLAIN(r, key, "interface '%s' stands in line %u, too", name, wish_find(r->wish, name)->line);
		return;
	}
	r->f = wish_add(r->wish, name);
	if (!r->f) {
		COMPLAIN(r, key, "more than %d interfaces", WISH_INTERFACES);
		return;
	}
	r->f->line = node_line(key);
	if (value->type == YAML_SCALAR_NODE && !value->data.scalar.length)
		return; /* `eth0:` and no more: an empty chain */
	read_if_body(r, value);
	wish_check(r->f, r->errors);
}

static void top_interfaces(struct reader *r, yaml_node_t *n, void *to)
{
	yaml_node_pair_t *pair;

	(void)to;
	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "interfaces are to be a mapping of their names");
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (key && value)
			read_if(r, key, value);
	}
}

static const struct node_field top_fields[] = { { "interfaces", top_interfaces } };

static void read_document(struct reader *r)
{
	yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (!root)
		wish_complain(r->errors, 1, "the document is empty: it wants `interfaces:`");
	else
		node_fields(r, root, top_fields, ARRAY_LEN(top_fields), NULL, "a wish");
	if (r->visits > NODE_VISITS)
		wish_complain(r->errors, 0, "the document is too large: its aliases make more than %u nodes",
			      NODE_VISITS);
	if (root && !r->wish->nifs && !r->errors->count)
		wish_complain(r->errors, 1, "there is no interface in it");
}

static int error_compare(const void *a, const void *b)
{
	const struct wish_error *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

int wish_read(const char *text, size_t len, struct wish *ret, struct wish_errors *errors)
{
	struct wish wish = { 0 };
	struct reader r = { .errors = errors, .wish = &wish };
	yaml_parser_t parser;

	if (len > WISH_BYTES) {
		wish_complain(errors, 0, "the document has more than %u bytes", WISH_BYTES);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&parser)) {
		wish_complain(errors, 0, "out of memory");
		return -EINVAL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (yaml_parser_load(&parser, &r.doc)) {
		read_document(&r);
		yaml_document_delete(&r.doc);
	} else {
		wish_complain(errors, (unsigned)parser.problem_mark.line + 1, "this is no YAML: %s%s%s",
			      parser.problem ? parser.problem : "unreadable", parser.context ? ", " : "",
			      parser.context ? parser.context : "");
	}
	yaml_parser_delete(&parser);
	if (errors->count) {
		qsort(errors->rows, errors->count, sizeof(*errors->rows), error_compare);
		wish_fini(&wish);
		return -EINVAL;
	}
	*ret = wish;
	return 0;
}
