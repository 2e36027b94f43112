/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_goprogram - an input is an executable file that says that it is a Go program.
 *
 * Nothing is read beyond it; what is found lies within sane bounds, and every answer that is no has its reason.
 */
#include <stdlib.h>
#include <string.h>

#include "probe/goprogram.h"
#include "probe/goprogram_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool so)
{
	if (!so)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct goprogram_file f = { bytes_read, &b };
	struct goprogram p;

	if (!goprogram_read(&f, &p))
		return 0;
	require(strnlen(p.version, sizeof(p.version)) < sizeof(p.version));
	require(p.tracked ? !*p.why : *p.why != 0);
	if (!p.tracked)
		return 0;
	require(p.layout.goid >= 152 && p.layout.goid <= 160 && p.layout.curg >= 184 && p.layout.curg <= 192);
	require(p.ready ? p.ready < size : *p.why_not_ready != 0);
	return 0;
}
