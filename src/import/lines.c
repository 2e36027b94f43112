/* SPDX-License-Identifier: Apache-2.0 */
/* lines - a text file line by line, with a limit. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "import/internal.h"

static int grow(struct import_lines *l, struct err *err)
{
	size_t cap = l->cap ? 2 * l->cap : 4096;
	char *grown = realloc(l->text, cap);

	if (!grown)
		return err_set(err, ENOMEM, "out of memory for a line of %zu bytes", cap);
	l->text = grown;
	l->cap = cap;
	return 0;
}

int import_line_next(struct import *imp, struct import_lines *l, struct err *err)
{
	size_t len = 0;
	int c;

	while ((c = getc_unlocked(l->f)) != EOF && c != '\n') {
		if (len + 1 >= l->cap && l->cap < IMPORT_LINE_MAX && grow(l, err) < 0)
			return -ENOMEM;
		if (len + 1 < l->cap)
			l->text[len] = c ? (char)c : ' ';
		len++;
	}
	if (ferror(l->f))
		return err_errno(err, errno, "cannot read '%s'", imp->file);
	if (c == EOF && !len)
		return 0;
	imp->counts.lines++;
	l->line++;
	if (!l->cap && grow(l, err) < 0)
		return -ENOMEM;
	if (len + 1 > l->cap) {
		import_complain(imp, l->line, 1, "the line is longer than 1 MiB");
		len = 0;
	}
	while (len && l->text[len - 1] == '\r')
		len--;
	l->text[len] = 0;
	imp->counts.blank += !len;
	return 1;
}

void import_lines_fini(struct import_lines *l)
{
	free(l->text);
	l->text = NULL;
}
