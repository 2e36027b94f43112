/* SPDX-License-Identifier: Apache-2.0 */
#include "import/ctf_field.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event/header.h"

#define DEPTH_MAX 8

static bool is_number(bt_field_class_type t)
{
	return t == BT_FIELD_CLASS_TYPE_BOOL || t == BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER ||
	       t == BT_FIELD_CLASS_TYPE_SIGNED_INTEGER || t == BT_FIELD_CLASS_TYPE_BIT_ARRAY;
}

static bool skipped(const char *name, const char *const *skip)
{
	for (; skip && *skip; skip++)
		if (!strcmp(name, *skip))
			return true;
	return false;
}

/* A name as an identifier, made unique. */
static void name_field(struct ctf_shape *s, unsigned int n, const char *prefix, const char *name)
{
	char *out = s->names[n], *p;
	unsigned int i;

	(void)snprintf(out, CTF_NAME_MAX, "%s%s%.40s", prefix, prefix[0] ? "_" : "", name[0] ? name : "field");
	for (p = out; *p; p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	if (isdigit((unsigned char)out[0]))
		out[0] = '_';
	for (i = 0; i < n; i++) {
		if (strcmp(s->names[i], out))
			continue;
		(void)snprintf(out + strnlen(out, CTF_NAME_MAX - 12), 12, "_%u", n);
		break;
	}
}

static void shape_walk(struct ctf_shape *s, const bt_field_class *c, const char *prefix, const char *const *skip,
		       int depth)
{
	uint64_t count = bt_field_class_structure_get_member_count(c), i;

	for (i = 0; i < count; i++) {
		const bt_field_class_structure_member *m = bt_field_class_structure_borrow_member_by_index_const(c, i);
		const bt_field_class *inner = bt_field_class_structure_member_borrow_field_class_const(m);
		const char *name = bt_field_class_structure_member_get_name(m);
		bt_field_class_type type = bt_field_class_get_type(inner);
		unsigned int n = s->numbers + s->texts;

		if (skipped(name, skip))
			continue;
		if (type == BT_FIELD_CLASS_TYPE_STRUCTURE && depth < DEPTH_MAX) {
			char longer[CTF_NAME_MAX];

			(void)snprintf(longer, sizeof(longer), "%.20s%s%.20s", prefix, prefix[0] ? "_" : "", name);
			shape_walk(s, inner, longer, NULL, depth + 1);
			continue;
		}
		if (n == CTF_FIELDS_MAX) {
			s->left_out++;
			continue;
		}
		name_field(s, n, prefix, name);
		s->fields[n] = (struct event_field) {
			.name = s->names[n], .about = "", .kind = EVENT_STR, .format = EVENT_FMT_CHAR
		};
		if (is_number(type)) {
			s->fields[n].kind = type == BT_FIELD_CLASS_TYPE_SIGNED_INTEGER ? EVENT_S64 : EVENT_U64;
			s->fields[n].format = EVENT_FMT_DEC;
			s->fields[n].size = 8;
		}
		*(is_number(type) ? &s->numbers : &s->texts) += 1;
	}
}

void ctf_shape_add(struct ctf_shape *s, const bt_field_class *structure, const char *const *skip)
{
	if (structure)
		shape_walk(s, structure, "", skip, 0);
}

void ctf_shape_finish(struct ctf_shape *s)
{
	struct event_field sorted[CTF_FIELDS_MAX];
	unsigned int n = s->numbers + s->texts, i, numbers = 0, texts = s->numbers;

	for (i = 0; i < n; i++) {
		bool text = s->fields[i].kind == EVENT_STR;
		struct event_field *f = &sorted[text ? texts++ : numbers++];

		*f = s->fields[i];
		if (!text)
			f->offset = (uint16_t)(sizeof(struct event_header) + 8 * (numbers - 1));
		else
			f->offset = (uint16_t)(texts - 1 - s->numbers);
	}
	memcpy(s->fields, sorted, n * sizeof(*sorted));
}

static void text_scalar(struct buf *b, const bt_field *f, int depth);

static void text_array(struct buf *b, const bt_field *f, int depth)
{
	uint64_t n = bt_field_array_get_length(f), i;

	buf_char(b, '[');
	for (i = 0; i < n && b->len < CTF_TEXT_MAX; i++) {
		if (i)
			buf_str(b, ", ");
		text_scalar(b, bt_field_array_borrow_element_field_by_index_const(f, i), depth + 1);
	}
	buf_char(b, ']');
}

static void text_structure(struct buf *b, const bt_field *f, int depth)
{
	const bt_field_class *c = bt_field_borrow_class_const(f);
	uint64_t n = bt_field_class_structure_get_member_count(c), i;

	buf_char(b, '{');
	for (i = 0; i < n && b->len < CTF_TEXT_MAX; i++) {
		buf_printf(b, "%s%s=", i ? ", " : "",
			   bt_field_class_structure_member_get_name(
				   bt_field_class_structure_borrow_member_by_index_const(c, i)));
		text_scalar(b, bt_field_structure_borrow_member_field_by_index_const(f, i), depth + 1);
	}
	buf_char(b, '}');
}

/* The label, or the number where there is none. */
static void text_enumeration(struct buf *b, const bt_field *f, bool is_signed)
{
	bt_field_class_enumeration_mapping_label_array labels = NULL;
	uint64_t count = 0;
	int r = is_signed ? (int)bt_field_enumeration_signed_get_mapping_labels(f, &labels, &count)
			  : (int)bt_field_enumeration_unsigned_get_mapping_labels(f, &labels, &count);

	if (!r && count)
		buf_str(b, labels[0]);
	else if (is_signed)
		buf_printf(b, "%" PRId64, bt_field_integer_signed_get_value(f));
	else
		buf_u64(b, bt_field_integer_unsigned_get_value(f));
}

static void text_scalar(struct buf *b, const bt_field *f, int depth)
{
	const bt_field *inner;

	if (depth > DEPTH_MAX)
		return;
	switch (bt_field_get_class_type(f)) {
	case BT_FIELD_CLASS_TYPE_BOOL:
		buf_str(b, bt_field_bool_get_value(f) ? "true" : "false");
		return;
	case BT_FIELD_CLASS_TYPE_BIT_ARRAY:
		buf_printf(b, "0x%" PRIx64, bt_field_bit_array_get_value_as_integer(f));
		return;
	case BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER:
		buf_u64(b, bt_field_integer_unsigned_get_value(f));
		return;
	case BT_FIELD_CLASS_TYPE_SIGNED_INTEGER:
		buf_printf(b, "%" PRId64, bt_field_integer_signed_get_value(f));
		return;
	case BT_FIELD_CLASS_TYPE_UNSIGNED_ENUMERATION:
		text_enumeration(b, f, false);
		return;
	case BT_FIELD_CLASS_TYPE_SIGNED_ENUMERATION:
		text_enumeration(b, f, true);
		return;
	case BT_FIELD_CLASS_TYPE_SINGLE_PRECISION_REAL:
		buf_printf(b, "%.9g", (double)bt_field_real_single_precision_get_value(f));
		return;
	case BT_FIELD_CLASS_TYPE_DOUBLE_PRECISION_REAL:
		buf_printf(b, "%.17g", bt_field_real_double_precision_get_value(f));
		return;
	case BT_FIELD_CLASS_TYPE_STRING:
		buf_add(b, bt_field_string_get_value(f), bt_field_string_get_length(f));
		return;
	case BT_FIELD_CLASS_TYPE_STRUCTURE:
		text_structure(b, f, depth);
		return;
	case BT_FIELD_CLASS_TYPE_STATIC_ARRAY:
	case BT_FIELD_CLASS_TYPE_DYNAMIC_ARRAY_WITHOUT_LENGTH_FIELD:
	case BT_FIELD_CLASS_TYPE_DYNAMIC_ARRAY_WITH_LENGTH_FIELD:
		text_array(b, f, depth);
		return;
	default:
		break;
	}
	if (bt_field_class_type_is(bt_field_get_class_type(f), BT_FIELD_CLASS_TYPE_OPTION))
		inner = bt_field_option_borrow_field_const(f);
	else
		inner = bt_field_variant_borrow_selected_option_field_const(f);
	if (inner)
		text_scalar(b, inner, depth + 1);
}

static uint64_t number_of(const bt_field *f)
{
	switch (bt_field_get_class_type(f)) {
	case BT_FIELD_CLASS_TYPE_BOOL:
		return bt_field_bool_get_value(f);
	case BT_FIELD_CLASS_TYPE_BIT_ARRAY:
		return bt_field_bit_array_get_value_as_integer(f);
	case BT_FIELD_CLASS_TYPE_SIGNED_INTEGER:
		return (uint64_t)bt_field_integer_signed_get_value(f);
	default:
		return bt_field_integer_unsigned_get_value(f);
	}
}

/* One more text, cut where the event is full; strings of the store end at a NUL, so there is none in it. */
static void push_text(struct ctf_values *v, const bt_field *f)
{
	size_t begin = v->texts.len, i;

	text_scalar(&v->texts, f, 0);
	if (v->texts.len > CTF_TEXT_MAX) {
		v->texts.len = begin > CTF_TEXT_MAX ? begin : CTF_TEXT_MAX;
		v->cut = true;
	}
	for (i = begin; i < v->texts.len; i++)
		if (!v->texts.data[i])
			v->texts.data[i] = ' ';
	buf_char(&v->texts, 0);
	v->ntexts++;
}

static void values_walk(struct ctf_values *v, const bt_field *s, const char *const *skip, int depth)
{
	const bt_field_class *c = bt_field_borrow_class_const(s);
	uint64_t count = bt_field_class_structure_get_member_count(c), i;

	for (i = 0; i < count; i++) {
		const bt_field *f = bt_field_structure_borrow_member_field_by_index_const(s, i);
		bt_field_class_type type = bt_field_get_class_type(f);
		const bt_field_class_structure_member *m = bt_field_class_structure_borrow_member_by_index_const(c, i);

		if (skipped(bt_field_class_structure_member_get_name(m), skip))
			continue;
		if (type == BT_FIELD_CLASS_TYPE_STRUCTURE && depth < DEPTH_MAX)
			values_walk(v, f, NULL, depth + 1);
		else if (v->n + v->ntexts == CTF_FIELDS_MAX)
			v->cut = true;
		else if (is_number(type))
			v->numbers[v->n++] = number_of(f);
		else
			push_text(v, f);
	}
}

void ctf_values_clear(struct ctf_values *v)
{
	v->n = v->ntexts = 0;
	v->cut = false;
	buf_reset(&v->texts);
}

void ctf_values_add(struct ctf_values *v, const bt_field *structure, const char *const *skip)
{
	if (structure)
		values_walk(v, structure, skip, 0);
}

bool ctf_member_number(const bt_field *structure, const char *name, uint64_t *ret)
{
	const bt_field *f = structure ? bt_field_structure_borrow_member_field_by_name_const(structure, name) : NULL;

	if (!f || !is_number(bt_field_get_class_type(f)))
		return false;
	*ret = number_of(f);
	return true;
}

const char *ctf_member_text(const bt_field *structure, const char *name)
{
	const bt_field *f = structure ? bt_field_structure_borrow_member_field_by_name_const(structure, name) : NULL;

	return f && bt_field_get_class_type(f) == BT_FIELD_CLASS_TYPE_STRING ? bt_field_string_get_value(f) : NULL;
}
