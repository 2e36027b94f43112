/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/export.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "explain/who.h"
#include "query/query.h"
#include "store/store.h"

struct exporting {
	const struct export_run_opts *opts;
	struct store_reader *reader;
	struct order *order;
	struct export *export;
	struct query *query;
	struct who *who;   /* for the query */
	uint64_t first_ns; /* Unix time of the first event */
	struct event fetched;
	uint64_t room[EVENT_LENGTH_MAX / 8];
};

static const char *host_name(void *arg, uint32_t host)
{
	const struct exporting *e = arg;

	return store_host_name(e->reader, host);
}

static uint64_t host_epoch(void *arg, uint32_t host)
{
	const struct exporting *e = arg;

	return store_host_epoch(e->reader, host);
}

static int events(void *arg, struct event_source **ret, struct err *err)
{
	const struct exporting *e = arg;

	return store_read(e->reader, NULL, ret, err);
}

static int fetch(void *arg, struct order_ref a, const struct event **ret, struct err *err)
{
	struct exporting *e = arg;
	int r = store_fetch(e->reader, a.host, a.id, e->room, sizeof(e->room), &e->fetched, err);

	if (r < 0)
		return r;
	e->fetched.host = a.host;
	*ret = &e->fetched;
	return 0;
}

/* What a query may ask */
/* On the first host's clock as far as the hosts knew it; late events may lie before the beginning. */
static uint64_t scope_since(void *arg, const struct event *ev)
{
	const struct exporting *e = arg;
	uint64_t now = ev->boot_ns + store_host_epoch(e->reader, ev->host);

	return now > e->first_ns ? now - e->first_ns : 0;
}

static bool wanted(void *arg, const struct event *ev)
{
	const struct exporting *e = arg;
	const struct query_scope scope = who_scope(e->who, scope_since, arg);

	return query_match(e->query, ev, &scope);
}

/* The first pass. */
static int learn(struct exporting *e, struct err *err)
{
	struct store_read_opts ro = { .damage = e->opts->damage, .arg = e->opts->arg };
	struct event_source *source = NULL;
	const struct event *ev;
	int r = store_read(e->reader, &ro, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0) {
		if (!e->first_ns)
			e->first_ns = ev->boot_ns + store_host_epoch(e->reader, ev->host);
		if (e->who)
			who_learn(e->who, ev);
		r = export_learn(e->export, ev, err);
		if (r >= 0 && e->order)
			r = order_add(e->order, ev, err);
		if (r < 0)
			break;
	}
	event_source_close(source);
	if (r >= 0 && e->order)
		r = order_solve(e->order, err);
	return r;
}

static int run(struct exporting *e, FILE *out, struct export_counts *ret, struct err *err)
{
	struct export_opts o = { .format = e->opts->format,
				 .hosts = store_hosts(e->reader),
				 .host_name = host_name,
				 .host_epoch = host_epoch,
				 .wanted = e->query ? wanted : NULL,
				 .events = events,
				 .fetch = fetch,
				 .arg = e };
	const char *type;
	uint64_t count;
	size_t i;
	int r = export_new(&o, &e->export, err);

	if (r >= 0 && export_format_ordered(o.format))
		r = order_new(NULL, &e->order, err);
	if (r >= 0)
		r = learn(e, err);
	if (r >= 0)
		r = export_write(e->export, e->order, out, err);
	if (r < 0)
		return r;
	for (i = 0; e->opts->left_out && (type = export_left_out(e->export, i, &count)); i++)
		e->opts->left_out(e->opts->arg, type, count);
	export_get_counts(e->export, ret);
	return 0;
}

static int compile(struct exporting *e, struct err *err)
{
	int r = query_compile(e->opts->query, store_types(e->reader), &e->query, NULL, err);

	if (r < 0)
		return err_prefix(err, "cannot understand the query");
	r = who_new(host_name, e, store_hosts(e->reader) > 1, &e->who);
	return r < 0 ? err_set(err, ENOMEM, "out of memory for the query") : 0;
}

int export_run(const struct export_run_opts *opts, FILE *out, struct export_counts *ret, struct err *err)
{
	struct exporting *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return err_set(err, ENOMEM, "out of memory for an export");
	e->opts = opts;
	r = store_open(opts->paths, opts->npaths, &e->reader, err);
	if (r >= 0 && opts->query)
		r = compile(e, err);
	if (r >= 0)
		r = run(e, out, ret, err);
	export_free(e->export);
	order_free(e->order);
	query_free(e->query);
	who_free(e->who);
	store_reader_free(e->reader);
	free(e);
	return r;
}
