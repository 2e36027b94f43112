/* SPDX-License-Identifier: Apache-2.0 */
#include "net/overlay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"

#define HEAD "saker overlay 1 "
#define WEIGHT_MAX 65535U
#define FACTOR_MAX 100U

void overlay_fini(struct overlay *o)
{
	if (!o)
		return;
	free(o->rows);
	*o = (struct overlay) { 0 };
}

static bool same_row(const struct overlay_row *r, const struct lb_wish_vip *vip, const struct lb_addr *backend)
{
	return r->vip.port == vip->port && r->vip.proto == vip->proto && r->vip.bits == vip->bits &&
	       !memcmp(&r->vip.addr, &vip->addr, sizeof(vip->addr)) && !memcmp(&r->backend, backend, sizeof(*backend));
}

struct overlay_row *overlay_find(const struct overlay *o, const struct lb_wish_vip *vip, const struct lb_addr *backend)
{
	size_t i;

	for (i = 0; i < o->count; i++) {
		if (same_row(&o->rows[i], vip, backend))
			return &o->rows[i];
	}
	return NULL;
}

int overlay_put(struct overlay *o, const struct overlay_row *row)
{
	struct overlay_row *had = overlay_find(o, &row->vip, &row->backend), *grown;

	if (had) {
		*had = *row;
		return 0;
	}
	if (o->count >= OVERLAY_ROWS)
		return -ENOSPC;
	grown = realloc(o->rows, (o->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->rows = grown;
	grown[o->count++] = *row;
	return 0;
}

static void drop_at(struct overlay *o, size_t i)
{
	o->count--;
	memmove(&o->rows[i], &o->rows[i + 1], (o->count - i) * sizeof(*o->rows));
}

bool overlay_drop(struct overlay *o, const struct lb_wish_vip *vip, const struct lb_addr *backend)
{
	struct overlay_row *had = overlay_find(o, vip, backend);

	if (had)
		drop_at(o, (size_t)(had - o->rows));
	return had;
}

/* ---- text ---- */

void overlay_text(const struct overlay *o, const char *boot_id, struct buf *out)
{
	char vip[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	size_t i;

	buf_printf(out, HEAD "%s\n", boot_id);
	for (i = 0; i < o->count; i++) {
		const struct overlay_row *r = &o->rows[i];

		buf_printf(out,
			   "%s %s share %u down %d weight %u action %" PRIu64 " until %" PRIu64 " since %" PRIu64 "\n",
			   wish_vip_text(&r->vip, vip), lb_addr_text(&r->backend, addr), r->share, r->down, r->weight,
			   r->action, r->until_ns, r->since_ns);
	}
}

/* The word `key` and its number. */
static bool take_number(char **rest, const char *key, uint64_t most, uint64_t *ret)
{
	const char *word = strsep(rest, " "), *value = strsep(rest, " ");

	return word && value && !strcmp(word, key) && parse_number(value, ret) == 0 && *ret <= most;
}

static bool row_read(char *line, struct overlay_row *r)
{
	const char *vip = strsep(&line, " "), *backend = strsep(&line, " ");
	uint64_t share, down, weight;
	struct err err = ERR_INIT;

	memset(r, 0, sizeof(*r));
	if (!vip || !backend || wish_vip_parse(vip, &r->vip, &err) < 0 || lb_addr_parse(backend, &r->backend) < 0 ||
	    !take_number(&line, "share", 100 * OVERLAY_WHOLE, &share) || !take_number(&line, "down", 1, &down) ||
	    !take_number(&line, "weight", WEIGHT_MAX, &weight) ||
	    !take_number(&line, "action", UINT64_MAX, &r->action) ||
	    !take_number(&line, "until", UINT64_MAX, &r->until_ns) ||
	    !take_number(&line, "since", UINT64_MAX, &r->since_ns) || line)
		return false;
	r->share = (uint32_t)share;
	r->down = down;
	r->weight = (uint32_t)weight;
	return true;
}

static int rows_read(char *text, struct overlay *o, struct err *err)
{
	struct overlay_row row, *grown;
	unsigned number = 1;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		number++;
		if (!*line)
			continue;
		if (!row_read(line, &row))
			return err_set(err, EINVAL, "line %u of the overlay is none", number);
		if (o->count >= OVERLAY_ROWS)
			return err_set(err, EINVAL, "the overlay has more than %d lines", OVERLAY_ROWS);
		grown = array_grown(o->rows, o->count, sizeof(*grown));
		if (!grown)
			return err_set(err, ENOMEM, "out of memory");
		o->rows = grown;
		grown[o->count++] = row;
	}
	return 0;
}

int overlay_read(const char *text, size_t len, const char *boot_id, struct overlay *ret, struct err *err)
{
	CLEANUP_FREE char *copy = strndup(text, len);
	struct overlay o = { 0 };
	char *rest = copy, *line;
	int r;

	*ret = o;
	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	if (memchr(text, 0, len))
		return err_set(err, EINVAL, "the overlay has a byte 0");
	line = strsep(&rest, "\n");
	if (strncmp(line, HEAD, strlen(HEAD)) != 0)
		return err_set(err, EINVAL, "it does not begin with `" HEAD "`");
	if (strcmp(line + strlen(HEAD), boot_id) != 0)
		return err_set(err, ESTALE, "the overlay is of another boot");
	r = rest ? rows_read(rest, &o, err) : 0;
	if (r < 0)
		overlay_fini(&o);
	else
		*ret = o;
	return r;
}

/* ---- over a wish ---- */

static struct wish_backend *backend_of(const struct wish_if *f, const struct overlay_row *r)
{
	struct wish_vip *v = wish_vip_find(f, &r->vip);

	return v ? wish_backend_find(v, &r->backend) : NULL;
}

/* By how much a VIP's weights are multiplied, so that parts of them are whole numbers. */
static uint32_t factor(const struct wish_vip *v, const struct overlay *o)
{
	uint64_t most = 1, need;
	bool parts = false;
	size_t i;

	for (i = 0; i < v->nbackends; i++) {
		const struct overlay_row *r = overlay_find(o, &v->vip, &v->backends[i].addr);
		uint32_t share = r ? r->share : OVERLAY_WHOLE;

		parts = parts || (share != 0 && share != OVERLAY_WHOLE);
		share = share > OVERLAY_WHOLE ? share : OVERLAY_WHOLE;
		need = ((uint64_t)v->backends[i].weight * share + OVERLAY_WHOLE - 1) / OVERLAY_WHOLE;
		most = need > most ? need : most;
	}
	return parts && most <= WEIGHT_MAX ? (uint32_t)MIN((uint64_t)FACTOR_MAX, WEIGHT_MAX / most) : 1;
}

static void lay_vip(struct wish_vip *v, const struct overlay *o)
{
	uint32_t by = factor(v, o);
	size_t i;

	for (i = 0; i < v->nbackends; i++) {
		struct wish_backend *b = &v->backends[i];
		const struct overlay_row *r = overlay_find(o, &v->vip, &b->addr);
		uint64_t weight = (uint64_t)b->weight * by;

		if (r) {
			weight = (weight * r->share + OVERLAY_WHOLE - 1) / OVERLAY_WHOLE;
			b->down = b->down || r->down;
		}
		b->weight = (uint32_t)MIN(weight, (uint64_t)WEIGHT_MAX);
	}
}

size_t overlay_lay(struct overlay *o, struct wish_if *f, uint64_t now_ns)
{
	size_t i, dropped = 0;

	for (i = 0; i < o->count;) {
		const struct overlay_row *r = &o->rows[i];
		const struct wish_backend *b = backend_of(f, r);

		if (b && b->weight == r->weight && !b->down && (!r->until_ns || r->until_ns > now_ns)) {
			i++;
			continue;
		}
		drop_at(o, i);
		dropped++;
	}
	for (i = 0; o->count && i < f->nvips; i++)
		lay_vip(&f->vips[i], o);
	return dropped;
}
