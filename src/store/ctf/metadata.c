/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the metadata.  TSDL as CTF 1.8.3 (diamon.org/ctf) defines it.  Field names carry a leading underscore,
 * which readers remove, so that no name can be a keyword.  A padding that the next field's alignment implies is
 * not declared; any other is a reserved field `__padN`.
 */
#include "store/ctf/metadata.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "event/event.h"
#include "store/ctf/block.h"

static const char prologue[] =
	"/* CTF 1.8 */\n\n"
	"typealias integer { size = 8; align = 8; signed = false; } := u8;\n"
	"typealias integer { size = 16; align = 16; signed = false; } := u16;\n"
	"typealias integer { size = 32; align = 32; signed = false; } := u32;\n"
	"typealias integer { size = 64; align = 64; signed = false; } := u64;\n"
	"typealias integer { size = 8; align = 8; signed = false; base = 16; } := x8;\n"
	"typealias integer { size = 16; align = 16; signed = false; base = 16; } := x16;\n"
	"typealias integer { size = 32; align = 32; signed = false; base = 16; } := x32;\n"
	"typealias integer { size = 64; align = 64; signed = false; base = 16; } := x64;\n"
	"typealias integer { size = 32; align = 32; signed = true; } := s32;\n"
	"typealias integer { size = 64; align = 64; signed = true; } := s64;\n"
	"typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := text;\n\n";

/*
 * What is ours alone stays out of sight: the rest of the block header lies in the gap before the packet context's
 * alignment (256 bytes), the event's length in the one before the event context, whose 64-bit fields are therefore
 * declared with an alignment of 32.  babeltrace2 warns of unknown fields in headers, and prints those of contexts.
 */
static const char stream_text[] =
	"stream {\n"
	"\tid = 0;\n"
	"\tpacket.context := struct {\n"
	"\t\tboot_t timestamp_begin;\n"
	"\t\tboot_t timestamp_end;\n"
	"\t\tu64 content_size;\n"
	"\t\tu64 packet_size;\n"
	"\t} align(2048);\n"
	"\tevent.header := struct { boot_t timestamp; u16 id; };\n"
	"\tevent.context := struct {\n"
	"\t\tu16 _cpu;\n"
	"\t\tenum : u8 { task = 0, softirq = 1, hardirq = 2, nmi = 3, recorder = 4 } _context;\n"
	"\t\tu8 _flags;\n"
	"\t\tinteger { size = 64; align = 32; signed = false; } _seq;\n"
	"\t\tinteger { size = 64; align = 32; signed = false; } _start_ns;\n"
	"\t\tu32 _tgid;\n"
	"\t\tu32 _tid;\n"
	"\t} align(32);\n"
	"};\n\n";
_Static_assert(offsetof(struct block_header, begin_ns) == 256, "aligned to 2048 bits");
_Static_assert(offsetof(struct event_header, cpu) == 12, "aligned to 32 bits, behind the length");

/* A string literal of TSDL (that of C); octal escapes are at most three digits, so nothing after them is eaten. */
static void tsdl_string(struct buf *b, const char *s)
{
	buf_char(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			buf_printf(b, "\\%03o", (unsigned char)*s);
		else
			buf_char(b, *s);
	}
	buf_char(b, '"');
}

/* Any text as an identifier behind the underscore. */
static void tsdl_name(struct buf *b, const char *name)
{
	buf_char(b, '_');
	for (; *name; name++)
		buf_char(b, isalnum((unsigned char)*name) ? *name : '_');
}

static void uuid_text(struct buf *b, const uint8_t uuid[16])
{
	int i;

	for (i = 0; i < 16; i++)
		buf_printf(b, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void trace_text(struct buf *b, const struct metadata *m)
{
	buf_str(b, "trace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"");
	uuid_text(b, m->uuid);
	buf_str(b, "\";\n\tbyte_order = le;\n\tpacket.header := struct {\n"
		   "\t\tu32 magic;\n\t\tu8 uuid[16];\n\t\tu32 stream_id;\n\t\tu64 stream_instance_id;\n\t};\n};\n\n");
	buf_str(b, "env {\n\ttracer_name = \"saker\";\n\ttracer_version = ");
	tsdl_string(b, SAKER_VERSION);
	buf_str(b, ";\n\thostname = ");
	tsdl_string(b, m->hostname);
	buf_str(b, ";\n\tboot_id = ");
	tsdl_string(b, m->boot_id);
	buf_str(b, ";\n};\n\n");
}

/* absolute: several hosts' recordings can then be read together by any CTF reader. */
static void clock_text(struct buf *b, const struct metadata *m)
{
	buf_printf(b,
		   "clock {\n\tname = boottime;\n\tdescription = \"CLOCK_BOOTTIME\";\n\tfreq = 1000000000;\n"
		   "\toffset_s = %" PRIu64 ";\n\toffset = %" PRIu64 ";\n\tabsolute = TRUE;\n};\n\n",
		   (uint64_t)(m->epoch_ns / NS_PER_SEC), (uint64_t)(m->epoch_ns % NS_PER_SEC));
	buf_str(b, "typealias integer { size = 64; align = 64; signed = false; map = clock.boottime.value; } := "
		   "boot_t;\n\n");
	buf_str(b, stream_text);
}

static const char *integer_name(const struct event_field *f)
{
	static const char *const dec[] = { [1] = "u8", [2] = "u16", [4] = "u32", [8] = "u64" };
	static const char *const hex[] = { [1] = "x8", [2] = "x16", [4] = "x32", [8] = "x64" };

	if (f->kind == EVENT_S32 || f->kind == EVENT_S64)
		return f->kind == EVENT_S32 ? "s32" : "s64";
	return f->format == EVENT_FMT_HEX || f->format == EVENT_FMT_SOCK ? hex[f->size] : dec[f->size];
}

static void enum_text(struct buf *b, const struct event_field *f)
{
	const struct event_labels *l = f->labels;
	bool none = f->format == EVENT_FMT_FLAGS;
	size_t i;

	buf_printf(b, "enum : %s { ", integer_name(f));
	for (i = 0; i < l->count; i++) {
		none = none && l->rows[i].value;
		buf_printf(b, "%s\"%s\" = %" PRIu64, i ? ", " : "", l->rows[i].name, l->rows[i].value);
	}
	buf_printf(b, "%s } ", none ? ", \"none\" = 0" : "");
}

static bool is_integer(const struct event_field *f)
{
	return f->kind <= EVENT_S64 && (f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8);
}

/* Names that differ only in characters that TSDL does not know get the offset behind them. */
static bool name_taken(const struct event_type *t, const struct event_field *f)
{
	CLEANUP(buf_fini) struct buf mine = BUF_INIT, other = BUF_INIT;
	const struct event_field *at;
	bool taken = false;

	tsdl_name(&mine, f->name);
	for (at = t->fields; at < f && !taken; at++) {
		buf_reset(&other);
		tsdl_name(&other, at->name);
		taken = mine.data && other.data && !strcmp(mine.data, other.data);
	}
	return taken;
}

static void field_name(struct buf *b, const struct event_type *t, const struct event_field *f)
{
	tsdl_name(b, f->name);
	if (name_taken(t, f))
		buf_printf(b, "_%d", (int)(f - t->fields));
}

/* Declares what lies between at and the field, unless its alignment skips it. */
static void pad_text(struct buf *b, size_t at, const struct event_field *f, unsigned int *pads)
{
	size_t align = is_integer(f) ? f->size : 1, gap = f->offset - at;

	if ((at + align - 1) / align * align != f->offset)
		buf_printf(b, "\t\tu8 __pad%u[%zu];\n", (*pads)++, gap);
}

static void field_text(struct buf *b, const struct event_type *t, const struct event_field *f)
{
	buf_str(b, "\t\t");
	if (is_integer(f) && f->labels)
		enum_text(b, f);
	else
		buf_printf(b, "%s ", is_integer(f) ? integer_name(f) : f->kind == EVENT_CHARS ? "text" : "x8");
	field_name(b, t, f);
	if (!is_integer(f))
		buf_printf(b, "[%u]", f->size);
	buf_str(b, ";\n");
}

static void event_text(struct buf *b, const struct event_type *t)
{
	size_t at = sizeof(struct event_header);
	const struct event_field *f, *end = t->fields + t->nfields;
	bool strings = false;
	unsigned int pads = 0;

	buf_str(b, "event {\n\tname = ");
	tsdl_string(b, t->name);
	buf_printf(b, ";\n\tid = %u;\n\tstream_id = 0;\n\tfields := struct {\n", t->id);
	for (f = t->fields; f < end; f++) {
		strings = strings || f->kind == EVENT_STR;
		if (f->kind == EVENT_STR)
			continue;
		pad_text(b, at, f, &pads);
		field_text(b, t, f);
		at = f->offset + f->size;
	}
	if (strings && at < t->size)
		buf_printf(b, "\t\tu8 __pad%u[%zu];\n", pads, t->size - at);
	for (f = t->fields; f < end; f++) {
		if (f->kind != EVENT_STR)
			continue;
		buf_str(b, "\t\tstring ");
		field_name(b, t, f);
		buf_str(b, ";\n");
	}
	buf_str(b, "\t};\n};\n\n");
}

static void plain_string(struct buf *b, const char *s)
{
	buf_char(b, '"');
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr(" _-.,:;/@()", *s))
			buf_char(b, *s);
		else
			buf_printf(b, "\\x%02x", (unsigned char)*s);
	}
	buf_char(b, '"');
}

uint64_t metadata_layout(const struct event_type *t)
{
	XXH64_hash_t sum = XXH64(t->name, strlen(t->name), t->size);
	size_t i;

	for (i = 0; i < t->nfields; i++) {
		const struct event_field *f = &t->fields[i];
		uint32_t shape[] = { f->kind, f->offset, f->size };

		sum = XXH64(f->name, strlen(f->name), sum);
		sum = XXH64(shape, sizeof(shape), sum);
	}
	return sum;
}

static void type_lines(struct buf *b, const struct event_type *t)
{
	size_t i;

	if (t->id < EVENT_DYNAMIC_MIN) {
		buf_printf(b, "static %u %u %016" PRIx64 " ", t->id, t->size, metadata_layout(t));
		plain_string(b, t->name);
		buf_char(b, '\n');
		return;
	}
	buf_printf(b, "type %u %u %u ", t->id, t->size, t->nfields);
	plain_string(b, t->name);
	buf_char(b, ' ');
	plain_string(b, t->about ? t->about : "");
	buf_char(b, '\n');
	for (i = 0; i < t->nfields; i++) {
		const struct event_field *f = &t->fields[i];

		buf_printf(b, "field %u %u %u %u ", f->kind, f->format, f->offset, f->size);
		plain_string(b, f->name);
		buf_char(b, ' ');
		plain_string(b, f->about ? f->about : "");
		buf_char(b, '\n');
	}
}

static void own_text(struct buf *b, const struct metadata *m, const struct event_types *types)
{
	const struct event_type *t;
	size_t at = 0;
	int i;

	buf_str(b, "/* saker-recording 1\nuuid ");
	for (i = 0; i < 16; i++)
		buf_printf(b, "%02x", m->uuid[i]);
	buf_printf(b, "\nepoch %" PRIu64 "\nhost ", m->epoch_ns);
	plain_string(b, m->hostname);
	buf_str(b, "\nboot ");
	plain_string(b, m->boot_id);
	buf_char(b, '\n');
	while ((t = event_types_each(types, &at)))
		type_lines(b, t);
	buf_str(b, "end */\n");
}

int metadata_write(const struct metadata *m, const struct event_types *types, struct buf *out)
{
	const struct event_type *t;
	size_t at = 0, start = out->len;

	buf_str(out, prologue);
	trace_text(out, m);
	clock_text(out, m);
	while ((t = event_types_each(types, &at)))
		event_text(out, t);
	own_text(out, m, types);
	if (!out->failed)
		buf_printf(out, "/* saker-sum %016" PRIx64 " */\n",
			   (uint64_t)XXH64(out->data + start, out->len - start, 0));
	return out->failed ? -ENOMEM : 0;
}
