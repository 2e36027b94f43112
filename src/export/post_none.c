/* SPDX-License-Identifier: Apache-2.0 */
/* post_none - the static program cannot load libcurl, and Debian has no static libraries for all that it needs. */
#include "export/post.h"

#include "base/err.h"

int post_open(const struct post_opts *opts, struct post **ret, struct err *err)
{
	(void)ret;
	return err_set(err, ENOSYS,
		       "cannot send to '%s': a static saker has no libcurl; write with --file FILE, and send that with"
		       " curl --data-binary @FILE -H 'Content-Type: application/x-protobuf'",
		       opts->url);
}

struct post *post_close(struct post *p)
{
	(void)p;
	return NULL;
}

int post_send(struct post *p, const void *body, size_t len, struct post_answer *ret, struct err *err)
{
	(void)p, (void)body, (void)len, (void)ret;
	return err_set(err, ENOSYS, "a static saker has no libcurl");
}
