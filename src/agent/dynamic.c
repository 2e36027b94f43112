/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/dynamic.h"

#include <stdlib.h>

#include "base/err.h"

struct dynamic {
	size_t n;
};

int dynamic_new(const char *const *probes, size_t n, struct event_types *types, struct dynamic **ret, struct err *err)
{
	(void)types;
	if (n)
		return err_set(err, EINVAL, "unknown probe '%s'", probes[0]);
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
}

int dynamic_attach(struct dynamic *d, struct kernel *k, struct err *err)
{
	(void)d;
	(void)k;
	(void)err;
	return 0;
}

void dynamic_detach(struct dynamic *d)
{
	(void)d;
}

struct dynamic *dynamic_free(struct dynamic *d)
{
	free(d);
	return NULL;
}
