/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hostid.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/map.h"

uint64_t hostid_get(void)
{
	CLEANUP_FCLOSE FILE *f = fopen("/etc/machine-id", "re");
	unsigned long long high = 0, low = 0;
	struct stat st = { 0 };

	/* hashed: machine-id(5) asks not to show it on networks */
	if (!f || fscanf(f, "%16llx%16llx", &high, &low) != 2)
		(void)!getrandom(&high, sizeof(high), 0);
	(void)stat("/proc/self/ns/net", &st);
	return map_hash(map_hash(high ^ 0x73616b6572706565ULL) ^ map_hash(low) ^ st.st_ino) | 1;
}
