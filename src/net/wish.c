/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wish.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/wish_internal.h"

#define ERRORS_MAX 200 /* more are of no use to anybody */

#define AT(field) offsetof(struct wish_if, field)

const struct wish_option wish_options[] = {
	{ NULL, "generic", AT(generic), WISH_SWITCH, 0, 0, 0 },
	{ NULL, "frame-max", AT(frame_max), WISH_NUMBER, 576, 9216, 0 },
	{ NULL, "drop-too-big", AT(drop_too_big), WISH_SWITCH, 0, 0, 0 },
	{ NULL, "ring", AT(ring), WISH_NUMBER, 3, LB_RING, LB_RING },
	{ NULL, "flood-rate", AT(flood_rate), WISH_NUMBER, 1, UINT32_MAX, 125000 },
	{ NULL, "udp-idle", AT(udp_idle_s), WISH_SECONDS, 1, 86400, 30 },
	{ NULL, "nat-idle", AT(nat_idle_s), WISH_SECONDS, 1, 604800, 3600 },
	{ NULL, "nat-udp-idle", AT(nat_udp_idle_s), WISH_SECONDS, 1, 86400, 0 }, /* 0: as udp-idle */
	{ NULL, "nat-table", AT(nat_table), WISH_NUMBER, 1024, 1U << 24, 65536 },
	{ NULL, "table", AT(table), WISH_NUMBER, 64, 1U << 24, 65536 },
	{ NULL, "sample", AT(sample), WISH_NUMBER, 0, 1000000000, 0 },
	{ NULL, "sample-drops", AT(sample_drops), WISH_NUMBER, 0, 1000000000, 0 },
	{ NULL, "global", AT(global), WISH_SWITCH, 0, 0, 0 },
	{ NULL, "room", AT(room), WISH_NUMBER, 1, WISH_VIPS, 64 },
	{ "gue", "port", AT(gue_port), WISH_NUMBER, 1, 65535, 6080 },
	{ "gue", "source4", AT(gue_source4), WISH_ADDR4, 0, 0, 0 },
	{ "gue", "source6", AT(gue_source6), WISH_ADDR6, 0, 0, 0 },
	{ "ipip", "source4", AT(ipip_source4), WISH_ADDR4, 0, 0, 0 },
	{ "ipip", "source6", AT(ipip_source6), WISH_ADDR6, 0, 0, 0 },
	{ "decap", "ipip", AT(decap_ipip), WISH_SWITCH, 0, 0, 0 },
	{ "decap", "gue", AT(decap_gue), WISH_SWITCH, 0, 0, 0 },
	{ "decap", "strict", AT(decap_strict), WISH_SWITCH, 0, 0, 0 },
	{ "decap", "ttl", AT(decap_ttl), WISH_SWITCH, 0, 0, 0 },
	{ "decap", "whole", AT(decap_whole), WISH_SWITCH, 0, 0, 0 },
	{ "decap", "source", AT(decap_source), WISH_SWITCH, 0, 0, 0 },
};
const size_t wish_noptions = ARRAY_LEN(wish_options);

/* ---- life cycle ---- */

void wish_if_init(struct wish_if *f, const char *name)
{
	size_t i;

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	for (i = 0; i < wish_noptions; i++) {
		if (wish_options[i].kind == WISH_NUMBER || wish_options[i].kind == WISH_SECONDS)
			*(uint32_t *)((char *)f + wish_options[i].offset) = (uint32_t)wish_options[i].usual;
	}
}

void wish_if_fini(struct wish_if *f)
{
	size_t i;

	for (i = 0; i < f->nvips; i++)
		free(f->vips[i].backends);
	free(f->vips);
	free(f->backends);
	free(f->routes.rows);
	free(f->ids.rows);
	free(f->marks.rows);
	free(f->decaps);
	memset(f, 0, sizeof(*f));
}

void wish_fini(struct wish *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->nifs; i++)
		wish_if_fini(&w->ifs[i]);
	free(w->ifs);
	memset(w, 0, sizeof(*w));
}

static bool copied(void *to, const void *from, size_t count, size_t size)
{
	void *rows = malloc(count ? count * size : 1);

	memcpy(to, &rows, sizeof(rows));
	if (rows && count)
		memcpy(rows, from, count * size);
	return rows;
}

bool wish_if_copy(struct wish_if *to, const struct wish_if *from)
{
	size_t i;

	*to = *from;
	to->backends = NULL;
	to->vips = NULL;
	to->routes.rows = to->ids.rows = to->marks.rows = NULL;
	to->decaps = NULL;
	to->nvips = 0;
	if (!copied(&to->backends, from->backends, from->nbackends, sizeof(*from->backends)) ||
	    !copied(&to->routes.rows, from->routes.rows, from->routes.count, sizeof(*from->routes.rows)) ||
	    !copied(&to->ids.rows, from->ids.rows, from->ids.count, sizeof(*from->ids.rows)) ||
	    !copied(&to->marks.rows, from->marks.rows, from->marks.count, sizeof(*from->marks.rows)) ||
	    !copied(&to->decaps, from->decaps, from->ndecaps, sizeof(*from->decaps)))
		return false;
	to->vips = calloc(from->nvips ? from->nvips : 1, sizeof(*to->vips));
	for (i = 0; to->vips && i < from->nvips; i++) {
		to->vips[to->nvips++] = from->vips[i];
		if (!copied(&to->vips[i].backends, from->vips[i].backends, from->vips[i].nbackends,
			    sizeof(*from->vips[i].backends)))
			return false;
	}
	return to->vips;
}

/* ---- errors ---- */

void wish_errors_fini(struct wish_errors *e)
{
	free(e->rows);
	memset(e, 0, sizeof(*e));
}

void wish_complain(struct wish_errors *errors, unsigned line, const char *fmt, ...)
{
	struct wish_error *grown;
	va_list ap;

	if (errors->count >= ERRORS_MAX)
		return;
	grown = array_grown(errors->rows, errors->count, sizeof(*grown));
	if (!grown)
		return;
	errors->rows = grown;
	grown[errors->count].line = line;
	va_start(ap, fmt);
	(void)vsnprintf(grown[errors->count].text, sizeof(grown->text), fmt, ap);
	va_end(ap);
	errors->count++;
}

/* ---- contradictions ---- */

static bool same_vip(const struct lb_wish_vip *a, const struct lb_wish_vip *b)
{
	return a->port == b->port && a->proto == b->proto && a->bits == b->bits &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static bool same_addr(const struct lb_addr *a, const struct lb_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void check_backends(const struct wish_vip *v, struct wish_errors *errors)
{
	char text[LB_ADDR_TEXT], vip[WISH_VIP_TEXT];
	size_t i, k;

	for (i = 0; i < v->nbackends; i++) {
		for (k = 0; k < i && !same_addr(&v->backends[i].addr, &v->backends[k].addr); k++)
			;
		if (k < i)
			wish_complain(errors, v->backends[i].line,
				      "VIP %s has backend %s twice (the first is in line %u)",
				      wish_vip_text(&v->vip, vip), lb_addr_text(&v->backends[i].addr, text),
				      v->backends[k].line);
	}
}

/* What an address of one host cannot be, or NULL. */
static const char *addr_odd(const struct lb_addr *a)
{
	const uint8_t *b = (const uint8_t *)a->addr;
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, none[16];

	if (a->family == 4)
		return b[0] >= 224 && b[0] < 240 ? "a multicast address"
		       : b[0] == 127		 ? "a loopback address"
		       : !memcmp(b, none, 4)	 ? "no address of a host"
		       : a->addr[0] == ~0U	 ? "the broadcast address"
						 : NULL;
	return b[0] == 0xff		? "a multicast address"
	       : !memcmp(b, mapped, 12) ? "an IPv4 address written as IPv6 (RFC 4291 section 2.5.5.2): no packet has it"
	       : memcmp(b, none, 15) != 0 ? NULL
	       : b[15] == 1		  ? "a loopback address"
	       : !b[15]			  ? "no address of a host"
					  : NULL;
}

static void check_addresses(const struct wish_vip *v, struct wish_errors *errors)
{
	bool net = v->vip.bits < (v->vip.addr.family == 4 ? 32 : 128);
	const char *odd = net && v->vip.bits < 8 ? NULL : addr_odd(&v->vip.addr);
	char text[LB_ADDR_TEXT];
	size_t i;

	if (odd)
		wish_complain(errors, v->line, "%s cannot be a VIP: it is %s", lb_addr_text(&v->vip.addr, text), odd);
	for (i = 0; i < v->nbackends; i++) {
		odd = v->backends[i].local ? NULL : addr_odd(&v->backends[i].addr);
		if (odd)
			wish_complain(errors, v->backends[i].line, "%s cannot be a backend: it is %s",
				      lb_addr_text(&v->backends[i].addr, text), odd);
	}
}

struct seen { /* a backend, and where it was said how it is reached */
	const struct wish_backend *b;
};

static int seen_compare(const void *a, const void *b)
{
	const struct wish_backend *x = ((const struct seen *)a)->b, *y = ((const struct seen *)b)->b;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return r ? r : (x->line > y->line) - (x->line < y->line);
}

/* One address, one way: the programs keep one entry for each backend. */
static void check_ways(const struct wish_if *f, struct wish_errors *errors)
{
	size_t n = f->routes.count + f->ids.count, i, k, distinct = 0;
	CLEANUP_FREE struct seen *all = NULL;
	char text[LB_ADDR_TEXT];

	for (i = 0; i < f->nvips; i++)
		n += f->vips[i].nbackends;
	all = calloc(n ? n : 1, sizeof(*all));
	if (!all)
		return;
	for (i = n = 0; i < f->nvips; i++) {
		for (k = 0; k < f->vips[i].nbackends; k++)
			all[n++].b = &f->vips[i].backends[k];
	}
	for (i = 0; i < f->routes.count; i++)
		all[n++].b = &f->routes.rows[i].to;
	for (i = 0; i < f->ids.count; i++)
		all[n++].b = &f->ids.rows[i].to;
	qsort(all, n, sizeof(*all), seen_compare);
	for (i = 0; i < n; i++) {
		bool first = !i || !same_addr(&all[i].b->addr, &all[i - 1].b->addr);

		distinct += first;
		if (!first && (all[i].b->mode != all[i - 1].b->mode || all[i].b->local != all[i - 1].b->local))
			wish_complain(errors, all[i].b->line,
				      "backend %s is wished in another way in line %u: it has one mode for all VIPs",
				      lb_addr_text(&all[i].b->addr, text), all[i - 1].b->line);
	}
	if (distinct > WISH_BACKENDS)
		wish_complain(errors, f->line, "interface '%s' has %zu backends: at most %d are possible", f->name,
			      distinct, WISH_BACKENDS);
}

static void check_list(const struct wish_list *list, const char *what, struct wish_errors *errors)
{
	size_t i, k;

	/* lists are short, or long and made by programs: of long ones the kernel's tables find what is double */
	for (i = 0; i < MIN(list->count, 4096UL); i++) {
		for (k = 0; k < i; k++) {
			const struct wish_to *a = &list->rows[i], *b = &list->rows[k];

			if (a->id == b->id && a->bits == b->bits && same_addr(&a->net, &b->net))
				wish_complain(errors, a->line, "the same %s stands in line %u", what, b->line);
		}
	}
}

static bool is_prime(uint32_t n)
{
	uint32_t i;

	for (i = 2; i * i <= n; i++) {
		if (n % i == 0)
			return false;
	}
	return n > 1;
}

void wish_check(const struct wish_if *f, struct wish_errors *errors)
{
	char text[WISH_VIP_TEXT];
	size_t i, k;

	for (i = 0; i < f->nvips; i++) {
		for (k = 0; k < i && !same_vip(&f->vips[i].vip, &f->vips[k].vip); k++)
			;
		if (k < i)
			wish_complain(errors, f->vips[i].line, "overlapping VIPs: %s stands in line %u, too",
				      wish_vip_text(&f->vips[i].vip, text), f->vips[k].line);
		check_backends(&f->vips[i], errors);
		check_addresses(&f->vips[i], errors);
		wish_health_check(f, &f->vips[i], errors);
	}
	wish_health_check(f, NULL, errors);
	check_ways(f, errors);
	check_list(&f->routes, "network", errors);
	check_list(&f->ids, "id", errors);
	check_list(&f->marks, "mark", errors);
	wish_marks_check(f, errors);
	if (!is_prime(f->ring))
		wish_complain(errors, f->line, "the ring of interface '%s' has %u places: it must be a prime", f->name,
			      f->ring);
	if (f->ndecaps && !f->decap_ipip && !f->decap_gue)
		wish_complain(errors, f->line,
			      "interface '%s' has ends of tunnels, and neither `ipip: true` nor `gue: true`", f->name);
	if (f->decap_strict && !f->ndecaps)
		wish_complain(errors, f->line, "interface '%s' opens tunnels strictly, but no `ends` are said",
			      f->name);
}

/* ---- changing ---- */

struct wish_if *wish_find(const struct wish *w, const char *interface)
{
	size_t i;

	for (i = 0; i < w->nifs; i++) {
		if (!strcmp(w->ifs[i].name, interface))
			return &w->ifs[i];
	}
	return NULL;
}

struct wish_if *wish_add(struct wish *w, const char *interface)
{
	struct wish_if *grown = wish_find(w, interface);

	if (grown)
		return grown;
	if (w->nifs >= WISH_INTERFACES)
		return NULL;
	grown = array_grown(w->ifs, w->nifs, sizeof(*grown));
	if (!grown)
		return NULL;
	w->ifs = grown;
	wish_if_init(&grown[w->nifs], interface);
	return &grown[w->nifs++];
}

struct wish_vip *wish_vip_find(const struct wish_if *f, const struct lb_wish_vip *vip)
{
	size_t i;

	for (i = 0; i < f->nvips; i++) {
		if (same_vip(&f->vips[i].vip, vip))
			return &f->vips[i];
	}
	return NULL;
}

struct wish_backend *wish_backend_find(const struct wish_vip *vip, const struct lb_addr *addr)
{
	size_t i;

	for (i = 0; i < vip->nbackends; i++) {
		if (same_addr(&vip->backends[i].addr, addr))
			return &vip->backends[i];
	}
	return NULL;
}

int wish_vip_add(struct wish_if *f, const struct lb_wish_vip *vip, struct err *err)
{
	char text[WISH_VIP_TEXT];
	struct wish_vip *grown;

	if (wish_vip_find(f, vip))
		return err_set(err, EEXIST, "interface '%s' has VIP %s already", f->name, wish_vip_text(vip, text));
	if (f->nvips >= WISH_VIPS)
		return err_set(err, ENOSPC, "interface '%s' has %d VIPs: there is no room for more", f->name,
			       WISH_VIPS);
	/* a copy has no more room than rows */
	grown = realloc(f->vips, (f->nvips + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory");
	f->vips = grown;
	grown[f->nvips++] = (struct wish_vip) { .vip = *vip };
	return 0;
}

int wish_vip_del(struct wish_if *f, const struct lb_wish_vip *vip, struct err *err)
{
	struct wish_vip *v = wish_vip_find(f, vip);
	char text[WISH_VIP_TEXT];

	if (!v)
		return err_set(err, ENOENT, "interface '%s' has no VIP %s", f->name, wish_vip_text(vip, text));
	free(v->backends);
	f->nvips--;
	memmove(v, v + 1, (size_t)(&f->vips[f->nvips] - v) * sizeof(*v));
	return 0;
}

int wish_backend_add(struct wish_vip *vip, const struct wish_backend *b, struct err *err)
{
	char text[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	struct wish_backend *grown;

	if (wish_backend_find(vip, &b->addr))
		return err_set(err, EEXIST, "VIP %s has backend %s already", wish_vip_text(&vip->vip, text),
			       lb_addr_text(&b->addr, addr));
	if (vip->nbackends >= WISH_BACKENDS)
		return err_set(err, ENOSPC, "VIP %s has %d backends: there is no room for more",
			       wish_vip_text(&vip->vip, text), WISH_BACKENDS);
	grown = realloc(vip->backends, (vip->nbackends + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory");
	vip->backends = grown;
	grown[vip->nbackends++] = *b;
	return 0;
}

int wish_backend_del(struct wish_vip *vip, const struct lb_addr *addr, struct err *err)
{
	struct wish_backend *b = wish_backend_find(vip, addr);
	char text[WISH_VIP_TEXT], out[LB_ADDR_TEXT];

	if (!b)
		return err_set(err, ENOENT, "VIP %s has no backend %s", wish_vip_text(&vip->vip, text),
			       lb_addr_text(addr, out));
	vip->nbackends--;
	memmove(b, b + 1, (size_t)(&vip->backends[vip->nbackends] - b) * sizeof(*b));
	return 0;
}
