/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/tracepoint.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/header.h"

#define COMMON_BYTES 8 /* common_type, _flags, _preempt_count, _pid */

struct format_field {
	char type[64], name[48];
	unsigned int offset, size;
	int is_signed;
};

/* `	field:char comm[16];	offset:8;	size:16;	signed:0;` */
static bool line_parse(const char *line, struct format_field *f)
{
	char declaration[128], *space, *bracket;

	if (sscanf(line, " field:%127[^;]; offset:%u; size:%u; signed:%d;", declaration, &f->offset, &f->size,
		   &f->is_signed) != 4)
		return false;
	bracket = strchr(declaration, '[');
	/* `__data_loc char[] comm` has its bracket in the type */
	if (bracket && strchr(bracket, ' '))
		bracket = NULL;
	if (bracket)
		*bracket = 0;
	space = strrchr(declaration, ' ');
	if (!space || strlen(space + 1) >= sizeof(f->name))
		return false;
	(void)stpcpy(f->name, space + 1);
	*space = 0;
	(void)snprintf(f->type, sizeof(f->type), "%.63s", declaration);
	return true;
}

/* The event kind of a fixed field, or -1 for what has no place in one (other arrays, structures). */
static int field_kind(const struct format_field *f)
{
	if (strstr(f->type, "char") && f->size > 1)
		return EVENT_CHARS;
	if (f->offset % f->size)
		return -1;
	switch (f->size) {
	case 1:
		return EVENT_U8;
	case 2:
		return EVENT_U16;
	case 4:
		return f->is_signed ? EVENT_S32 : EVENT_U32;
	case 8:
		return f->is_signed ? EVENT_S64 : EVENT_U64;
	default:
		return -1;
	}
}

static struct event_field *field_add(struct tracepoint *tp, const char *name)
{
	struct event_field *f = &tp->fields[tp->type.nfields];

	(void)snprintf(tp->names[tp->type.nfields], sizeof(tp->names[0]), "%s", name);
	f->name = tp->names[tp->type.nfields++];
	f->about = "";
	return f;
}

static void fixed_add(struct tracepoint *tp, const struct format_field *from)
{
	int kind = field_kind(from);
	struct event_field *f;

	if (kind < 0 || from->offset + from->size > COMMON_BYTES + DYNAMIC_BYTES)
		return;
	f = field_add(tp, from->name);
	f->kind = (uint8_t)kind;
	f->format = kind == EVENT_CHARS ? EVENT_FMT_CHAR : strchr(from->type, '*') ? EVENT_FMT_HEX : EVENT_FMT_DEC;
	f->offset = (uint16_t)(sizeof(struct event_header) + from->offset - COMMON_BYTES);
	f->size = (uint16_t)from->size;
}

static void string_add(struct tracepoint *tp, const struct format_field *from)
{
	struct event_field *f;

	if (tp->wire.nstrings == DYNAMIC_STRINGS)
		return;
	tp->wire.strings[tp->wire.nstrings++] = (uint16_t)from->offset;
	f = field_add(tp, from->name);
	f->kind = EVENT_STR;
	f->format = EVENT_FMT_CHAR;
}

/* One pass for the fixed fields, one for the strings, which stand behind them in the event. */
static void fields_add(struct tracepoint *tp, const char *text, bool strings)
{
	const char *line;
	size_t end;

	for (line = text; *line; line += end + (line[end] == '\n')) {
		struct format_field f;
		char one[512];
		bool is_string;

		end = strcspn(line, "\n");
		(void)snprintf(one, sizeof(one), "%.*s", (int)MIN(end, sizeof(one) - 1), line);
		if (!line_parse(one, &f) || !strncmp(f.name, "common_", 7) || !f.size || f.offset < COMMON_BYTES)
			continue;
		is_string = strstr(f.type, "__data_loc") && strstr(f.type, "char");
		if (tp->type.nfields == TRACEPOINT_FIELDS || is_string != strings)
			continue;
		if (is_string)
			string_add(tp, &f);
		else
			fixed_add(tp, &f);
	}
}

int tracepoint_parse(const char *name, const char *text, struct tracepoint *ret, struct err *err)
{
	size_t end = 0, i;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%.63s", name);
	fields_add(ret, text, false);
	for (i = 0; i < ret->type.nfields; i++)
		end = MAX(end, (size_t)ret->fields[i].offset + ret->fields[i].size);
	fields_add(ret, text, true);
	if (!ret->type.nfields)
		return err_set(err, EINVAL, "the tracepoint '%s' has no field that can be recorded", name);
	end = end ? end : sizeof(struct event_header);
	ret->type.size = (uint16_t)((end + 7) & ~7UL);
	ret->wire.bytes = (uint16_t)(ret->type.size - sizeof(struct event_header));
	ret->type.name = ret->name;
	ret->type.about = "tracepoint";
	ret->type.fields = ret->fields;
	return 0;
}

static int tracefs_open(void)
{
	CLEANUP_CLOSE int fs = fsopen("tracefs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

static int file_read(int dir, const char *path, char *out, size_t cap)
{
	CLEANUP_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);

	if (n < 0)
		return -errno;
	out[n] = 0;
	return 0;
}

int tracepoint_read(const char *category, const char *name, struct tracepoint *ret, int *ret_id, struct err *err)
{
	CLEANUP_CLOSE int fs = tracefs_open();
	char path[256], text[8192];
	int r;

	if (fs < 0)
		return err_errno(err, errno, "cannot mount tracefs");
	(void)snprintf(path, sizeof(path), "events/%s/%s/id", category, name);
	r = file_read(fs, path, text, sizeof(text));
	if (r < 0)
		return err_set(err, -r, "there is no tracepoint '%s:%s' on this kernel", category, name);
	*ret_id = atoi(text);
	(void)snprintf(path, sizeof(path), "events/%s/%s/format", category, name);
	r = file_read(fs, path, text, sizeof(text));
	if (r < 0)
		return err_errno(err, -r, "cannot read the format of the tracepoint '%s:%s'", category, name);
	return tracepoint_parse(name, text, ret, err);
}
