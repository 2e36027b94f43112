/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_tables.h"

#include <inttypes.h>

#include "agent/balancer_seen.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "net/chain.h"
#include "net/lb/look.h"

/* ---- what was found ---- */

static uint64_t counted(const struct seen *s, uint32_t reason)
{
	struct seen_count n = { 0 };

	return seen_reason(s->c, reason, &n) ? n.packets : 0;
}

/* VIPs that are networks are the only ones that are found there, each packet once. */
static uint64_t by_prefix(const struct seen *s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->nvips; i++) {
		if (s->vips[i].vip.bits < (s->vips[i].vip.addr.family == 4 ? 32 : 128))
			n += s->vips[i].sent.packets;
	}
	return n;
}

size_t tables_looks(const struct seen *s, struct table_looks rows[TABLES_LOOKS])
{
	uint64_t other = counted(s, CHAIN_LB_OTHER_CPU), miss = counted(s, CHAIN_LB_MISS);
	uint64_t table = counted(s, CHAIN_LB_TABLE), udp = counted(s, CHAIN_LB_MISS_UDP);
	const struct table_looks all[] = {
		{ "connections", "of this CPU; SYNs are not looked for", table > other ? table - other : 0,
		  miss + udp + other },
		{ "elsewhere", "other CPUs' tables, or that of all CPUs", other, miss },
		{ "spare", "of CPUs without a table; put in", counted(s, CHAIN_LB_SPARE_TABLE), TABLES_UNCOUNTED },
		{ "nat", "of backends' replies", counted(s, CHAIN_LB_REPLY) + counted(s, CHAIN_LB_REPLY_ERROR),
		  counted(s, CHAIN_LB_NAT_AGED) + counted(s, CHAIN_LB_NAT_STRANGE) },
		{ "prefixes", "VIPs that are networks; sent", by_prefix(s), TABLES_UNCOUNTED },
		{ "routes", "clients' networks", counted(s, CHAIN_LB_ROUTE), counted(s, CHAIN_LB_ROUTE_MISS) },
		{ "ids", "server ids",
		  counted(s, CHAIN_LB_QUIC) + counted(s, CHAIN_LB_SERVER_ID) + counted(s, CHAIN_LB_STABLE),
		  counted(s, CHAIN_LB_ID_UNKNOWN) },
		{ "decaps", "ends of tunnels",
		  counted(s, CHAIN_DECAP_TO_HOST) + counted(s, CHAIN_DECAP_AGAIN) + counted(s, CHAIN_DECAP_RETURNED),
		  counted(s, CHAIN_DECAP_FOREIGN) },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(all); i++)
		rows[i] = all[i];
	return ARRAY_LEN(all);
}

/* ---- ends of tunnels ---- */

struct ends {
	struct buf *out;
	const struct seen_writing *writing; /* for Prometheus */
	bool json, bytes;
	size_t n;
};

static int end_put(void *arg, const struct lb_addr *end, const struct chain_count *count)
{
	struct ends *e = arg;
	uint64_t packets = count->packets, bytes = count->bytes;
	char text[LB_ADDR_TEXT];

	(void)lb_addr_text(end, text);
	if (e->writing) {
		seen_sample(e->writing, e->bytes ? "tunnel_bytes_total" : "tunnel_packets_total");
		buf_printf(e->out, ",end=\"%s\"} %" PRIu64 "\n", text, e->bytes ? bytes : packets);
	} else if (e->json) {
		buf_printf(e->out, "%s{\"end\":\"%s\",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", e->n ? "," : "",
			   text, packets, bytes);
	} else {
		buf_printf(e->out, "%s  %-42s %12" PRIu64 " packets %14" PRIu64 " bytes\n",
			   e->n ? "" : "ends of tunnels\n", text, packets, bytes);
	}
	e->n++;
	return 0;
}

static void ends_prometheus(const struct seen_writing *w, const struct seen *s, bool bytes)
{
	struct ends e = { .out = w->out, .writing = w, .bytes = bytes };

	seen_family(w, bytes ? "tunnel_bytes" : "tunnel_packets", "counter",
		    bytes ? "Bytes of what was taken out of tunnels, by where they ended."
			  : "Packets taken out of tunnels, by where they ended.");
	(void)lb_look_decaps(s->c, end_put, &e);
}

/* ---- for people ---- */

void tables_name_text(struct buf *out, const struct lb_fill *f)
{
	if (f->cpu >= 0)
		buf_printf(out, "%s of CPU %d: ", f->table, f->cpu);
	else
		buf_printf(out, "%s: ", f->table);
}

static void fill_words(struct buf *out, const struct lb_fill *f)
{
	buf_printf(out, "%" PRIu64 " of %" PRIu64, f->entries, f->room);
	if (!f->full_in_s && f->unused_s != LB_FILL_UNKNOWN)
		buf_printf(out, ": full; a new one takes the place of one that was unused for about %" PRIu64 " s",
			   f->unused_s);
	else if (!f->full_in_s)
		buf_str(out, ": full; a new one takes the place of the least recently used");
	else if (f->full_in_s == LB_FILL_UNKNOWN)
		buf_str(out, "; none is new in the last second");
	else
		buf_printf(out,
			   "; full in about %" PRIu64 " s at %" PRIu64
			   " new a second; from then on the least recently used",
			   f->full_in_s, f->fresh);
	if (f->full_in_s && f->full_in_s != LB_FILL_UNKNOWN && f->unused_s != LB_FILL_UNKNOWN)
		buf_printf(out, ", unused for about %" PRIu64 " s", f->unused_s);
	if (f->full_in_s && f->full_in_s != LB_FILL_UNKNOWN)
		buf_str(out, ", go");
	if (f->young)
		buf_printf(out, "; of 1000 new ones %u take the place of one that was used in the last %u s", f->young,
			   f->idle_s);
}

void tables_fill_text(struct buf *out, const struct lb_fill *f)
{
	fill_words(out, f);
	buf_char(out, '\n');
}

void tables_urgent(struct buf *out, const struct seen *s)
{
	size_t i;

	for (i = 0; i < s->nfills; i++) {
		if (!lb_fill_urgent(&s->fills[i]))
			continue;
		buf_str(out, "  ");
		tables_name_text(out, &s->fills[i]);
		tables_fill_text(out, &s->fills[i]);
	}
}

void tables_text(struct buf *out, const struct seen *s)
{
	struct table_looks rows[TABLES_LOOKS];
	struct ends ends = { .out = out };
	size_t i, n = tables_looks(s, rows);

	(void)lb_look_decaps(s->c, end_put, &ends);
	buf_str(out, "tables\n");
	for (i = 0; i < s->nfills; i++) {
		buf_str(out, "  ");
		tables_name_text(out, &s->fills[i]);
		tables_fill_text(out, &s->fills[i]);
	}
	for (i = 0; i < n; i++) {
		if (!rows[i].hits && (!rows[i].misses || rows[i].misses == TABLES_UNCOUNTED))
			continue;
		buf_printf(out, "  %-12s %14" PRIu64 " found", rows[i].table, rows[i].hits);
		if (rows[i].misses != TABLES_UNCOUNTED)
			buf_printf(out, " %14" PRIu64 " not", rows[i].misses);
		buf_printf(out, "  (%s)\n", rows[i].about);
	}
}

/* ---- as JSON ---- */

static void number_json(struct buf *out, const char *key, uint64_t value)
{
	if (value == UINT64_MAX)
		buf_printf(out, ",\"%s\":null", key);
	else
		buf_printf(out, ",\"%s\":%" PRIu64, key, value);
}

void tables_json(struct buf *out, const struct seen *s)
{
	struct table_looks rows[TABLES_LOOKS];
	struct ends ends = { .out = out, .json = true };
	size_t i, n = tables_looks(s, rows);

	buf_str(out, "\"tunnels\":[");
	(void)lb_look_decaps(s->c, end_put, &ends);
	buf_str(out, "],\"tables\":[");
	for (i = 0; i < s->nfills; i++) {
		const struct lb_fill *f = &s->fills[i];

		buf_printf(out, "%s{\"table\":\"%s\"", i ? "," : "", f->table);
		number_json(out, "cpu", f->cpu < 0 ? UINT64_MAX : (uint64_t)f->cpu);
		number_json(out, "entries", f->entries);
		number_json(out, "room", f->room);
		number_json(out, "new_a_second", f->fresh);
		number_json(out, "full_in_s", f->full_in_s);
		number_json(out, "unused_s", f->unused_s);
		number_json(out, "young_permille", f->young);
		number_json(out, "idle_s", f->idle_s);
		buf_printf(out, ",\"urgent\":%s,\"text\":\"", lb_fill_urgent(f) ? "true" : "false");
		fill_words(out, f); /* words and numbers: nothing to escape */
		buf_str(out, "\"}");
	}
	buf_str(out, "],\"lookups\":[");
	for (i = 0; i < n; i++) {
		buf_printf(out, "%s{\"table\":\"%s\"", i ? "," : "", rows[i].table);
		number_json(out, "hits", rows[i].hits);
		number_json(out, "misses", rows[i].misses);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

/* ---- for Prometheus ---- */

static void fill_samples(const struct seen_writing *w, const struct seen *s, const char *name, const char *help,
			 uint64_t (*value)(const struct lb_fill *f))
{
	size_t i;

	seen_family(w, name, "gauge", help);
	for (i = 0; i < s->nfills; i++) {
		if (value(&s->fills[i]) == UINT64_MAX)
			continue;
		seen_sample(w, name);
		buf_printf(w->out, ",table=\"%s\"} %" PRIu64 "\n", s->fills[i].table, value(&s->fills[i]));
	}
}

#define VALUE(field)                                           \
	static uint64_t value_##field(const struct lb_fill *f) \
	{                                                      \
		return f->field;                               \
	}
VALUE(entries)
VALUE(room)
VALUE(fresh)
VALUE(full_in_s)
VALUE(unused_s)
VALUE(young)

static void looks_sample(const struct seen_writing *w, const char *table, const char *found, uint64_t value)
{
	if (value == TABLES_UNCOUNTED)
		return;
	seen_sample(w, "lookups_total");
	buf_printf(w->out, ",table=\"%s\",found=\"%s\"} %" PRIu64 "\n", table, found, value);
}

void tables_prometheus(const struct seen_writing *w, const struct seen *s)
{
	struct table_looks rows[TABLES_LOOKS];
	size_t i, n = tables_looks(s, rows);

	fill_samples(w, s, "fill_entries", "Entries of a table; of connections, that of the CPU which is full first.",
		     value_entries);
	fill_samples(w, s, "fill_room", "Entries that it has room for.", value_room);
	fill_samples(w, s, "fill_new", "New connections in the last second that may need an entry.", value_fresh);
	fill_samples(w, s, "fill_full_seconds", "When it will be full at this rate.", value_full_in_s);
	fill_samples(w, s, "fill_unused_seconds", "How long that was not used by then which gives way.",
		     value_unused_s);
	fill_samples(w, s, "fill_young_permille",
		     "Of 1000 new entries, how many take the place of one in use (udp-idle).", value_young);
	seen_family(w, "lookups", "counter", "What was looked for in a table, and found or not.");
	for (i = 0; i < n; i++) {
		looks_sample(w, rows[i].table, "yes", rows[i].hits);
		looks_sample(w, rows[i].table, "no", rows[i].misses);
	}
	ends_prometheus(w, s, false);
	ends_prometheus(w, s, true);
}
