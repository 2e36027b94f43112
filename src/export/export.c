/* SPDX-License-Identifier: Apache-2.0 */
#include "export/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "export/internal.h"

static const struct export_format *const formats[] = { &export_falcon, &export_shiviz, &export_chrome };

const struct export_format *export_format_nth(unsigned int n)
{
	return n < ARRAY_LEN(formats) ? formats[n] : NULL;
}

const struct export_format *export_format_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

const char *export_format_name(const struct export_format *f)
{
	return f->name;
}

const char *export_format_about(const struct export_format *f)
{
	return f->about;
}

bool export_format_ordered(const struct export_format *f)
{
	return f->ordered;
}

int export_new(const struct export_opts *opts, struct export **ret, struct err *err)
{
	struct export *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return err_set(err, ENOMEM, "out of memory for an export");
	x->opts = opts;
	r = names_init(x, err);
	if (r < 0) {
		export_free(x);
		return r;
	}
	*ret = x;
	return 0;
}

struct export *export_free(struct export *x)
{
	if (!x)
		return NULL;
	names_fini(&x->names);
	buf_fini(&x->line);
	free(x->left);
	free(x);
	return NULL;
}

int export_learn(struct export *x, const struct event *ev, struct err *err)
{
	return names_learn(x, ev, err);
}

int export_flush(struct export *x, struct err *err)
{
	if (x->line.failed)
		return err_set(err, ENOMEM, "out of memory for a line of the export");
	if (x->line.len && fwrite(x->line.data, 1, x->line.len, x->out) != x->line.len)
		return err_errno(err, errno, "cannot write the export");
	buf_reset(&x->line);
	return 0;
}

int export_leave_out(struct export *x, const struct event *ev, struct err *err)
{
	struct export_left *l = x->left;
	size_t i;

	for (i = 0; i < x->nleft && l[i].type != ev->type; i++)
		;
	if (i == x->nleft) {
		l = realloc(l, (i + 1) * sizeof(*l));
		if (!l)
			return err_set(err, ENOMEM, "out of memory for an export");
		x->left = l;
		l[x->nleft++] = (struct export_left) { .type = ev->type };
	}
	l[i].count++;
	x->counts.left_out++;
	return 0;
}

int export_each(struct export *x, export_each_fn *each, void *arg, struct err *err)
{
	struct event_source *source = NULL;
	const struct event *ev;
	int r = x->opts->events(x->opts->arg, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0) {
		r = each(x, ev, arg, err);
		if (r < 0)
			break;
	}
	event_source_close(source);
	return r;
}

int export_write(struct export *x, const struct order *order, FILE *out, struct err *err)
{
	int r;

	x->order = order;
	x->out = out;
	r = x->opts->format->write(x, err);
	if (r >= 0)
		r = export_flush(x, err);
	if (r >= 0 && fflush(out))
		return err_errno(err, errno, "cannot write the export");
	return r;
}

void export_get_counts(const struct export *x, struct export_counts *ret)
{
	*ret = x->counts;
}

const char *export_left_out(const struct export *x, size_t nth, uint64_t *ret_count)
{
	if (nth >= x->nleft)
		return NULL;
	*ret_count = x->left[nth].count;
	return x->left[nth].type->name;
}
