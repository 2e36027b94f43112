/* SPDX-License-Identifier: Apache-2.0 */
/* lb_import - what ipvsadm-save wrote, as a wish. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"
#include "net/ipvs.h"

static int import_apply(const struct wish_if *f, struct err *err)
{
	struct balancer b;
	int r = balancer_open(&b, f->name, true, err);

	if (r < 0)
		return r;
	r = lb_wish_apply(&b, f, 0, err);
	balancer_close(&b);
	return r;
}

int lb_import(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP(wish_errors_fini) struct wish_errors errors = { 0 };
	CLEANUP(wish_fini) struct wish wish = { 0 };
	size_t i;
	int r = lb_wish_read(a->words[1], &text, err);

	if (r < 0)
		return r;
	if (ipvs_read(text.data ? text.data : "", text.len, a->on, &wish, &errors) < 0)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < errors.count; i++)
		(void)fprintf(stderr, "line %u cannot be said, or will be otherwise: %s\n", errors.rows[i].line,
			      errors.rows[i].text);
	if (!wish.ifs[0].nvips)
		return err_set(err, EINVAL, "there is no service in '%s' that a wish can say", a->words[1]);
	lb_hook_set(a, &wish.ifs[0]);
	errors.count = 0;
	wish_check(&wish.ifs[0], &errors);
	if (errors.count)
		return err_set(err, EINVAL, "%s", errors.rows[0].text);
	if (a->apply)
		return import_apply(&wish.ifs[0], err);
	(a->json ? wish_json : wish_yaml)(&wish, &out);
	return cli_put(&out, err);
}
