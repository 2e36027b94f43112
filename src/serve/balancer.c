/* SPDX-License-Identifier: Apache-2.0 */
/* balancer - what is asked of the balancers of this host, and what there is where no recording is served. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/internal.h"

static bool ask(struct serve *s, enum serve_lb_ask what, const char *on, const char *text, struct buf *out,
		struct err *err)
{
	struct serve_lb_question q = { .what = what, .text = text ? text : "" };

	if (!s->opts.lb)
		return err_set(err, ENOENT, "no balancer is looked at: `saker serve --balancer`") >= 0;
	if (on && strlen(on) >= sizeof(q.on))
		return err_set(err, ENOENT, "an interface's name has less than %zu bytes", sizeof(q.on)) >= 0;
	(void)snprintf(q.on, sizeof(q.on), "%s", on ? on : "");
	return s->opts.lb(s->opts.lb_arg, &q, out, err) >= 0;
}

static unsigned int status_of(int code)
{
	return code == ENOENT ? 404 : code == EINVAL || code == E2BIG ? 400 : 503;
}

void answer_balancer(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	struct err err = ERR_INIT;

	if (!ask(s, SERVE_LB_STATE, request_param(rq, "on"), request_param(rq, "open"), &rs->body, &err))
		response_error(rs, status_of(err.code), "%s", err.text);
}

void answer_why(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	struct err err = ERR_INIT;

	if (!ask(s, SERVE_LB_WHY, request_param(rq, "on"), request_param(rq, "packet"), &rs->body, &err))
		response_error(rs, status_of(err.code), "%s", err.text);
}

/* Nothing is told of what cannot be asked but that it is so. */
void balancer_metrics(struct serve *s, struct buf *out, bool open)
{
	CLEANUP(buf_fini) struct buf told = BUF_INIT;
	struct err err = ERR_INIT;
	bool up;

	if (!s->opts.lb)
		return;
	up = ask(s, open ? SERVE_LB_OPENMETRICS : SERVE_LB_METRICS, NULL, NULL, &told, &err);
	buf_printf(out,
		   "# HELP saker_lb_up Whether a balancer runs and could be asked.\n# TYPE saker_lb_up "
		   "gauge\nsaker_lb_up %d\n",
		   up);
	if (up)
		buf_add(out, told.data, told.len);
}

static void bare_info(struct buf *b)
{
	buf_str(b, "{\"version\":\"" SAKER_VERSION
		   "\",\"recordings\":[],\"hosts\":[],\"t0\":\"0\",\"generation\":0,\"span_ns\":0,"
		   "\"events\":0,\"lost\":0,\"max_clock\":0,\"live\":false,\"balancer\":true,\"lanes\":0,\"lanes_left_"
		   "out\":0,"
		   "\"arrows\":0,\"cycle\":0,\"kinds\":[]}");
}

void answer_bare(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	if (!strcmp(rq->path, "/api/info"))
		bare_info(&rs->body);
	else if (!strcmp(rq->path, "/metrics"))
		answer_metrics(s, NULL, rq, rs);
	else
		response_error(rs, 404, "no recording is served: only the balancer is looked at");
}
