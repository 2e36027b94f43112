/* SPDX-License-Identifier: Apache-2.0 */
#include "base/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "base/err.h"

#ifdef SAKER_STATIC
int late_load(const char *soname, const struct late_symbol *symbols, size_t n, struct err *err)
{
	(void)soname;
	(void)symbols;
	(void)n;
	(void)err;
	return 0;
}
#else
static int load(const char *soname, const struct late_symbol *symbols, size_t n, struct err *err)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL), *found;
	size_t i;

	if (!library)
		return err_set(err, ELIBACC, "cannot load the library %s: %s", soname, dlerror());
	for (i = 0; i < n; i++)
		if (!dlsym(library, symbols[i].name)) {
			err_set(err, ELIBACC, "the library %s has no function %s", soname, symbols[i].name);
			(void)dlclose(library);
			return -ELIBACC;
		}
	/* the first one last: by it the others are known to be there */
	for (i = n; i-- > 0;) {
		found = dlsym(library, symbols[i].name);
		*symbols[i].at = found;
	}
	return 0;
}

int late_load(const char *soname, const struct late_symbol *symbols, size_t n, struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int r = 0;

	(void)pthread_mutex_lock(&lock);
	if (!*symbols[0].at)
		r = load(soname, symbols, n, err);
	(void)pthread_mutex_unlock(&lock);
	return r;
}
#endif
