/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fingerprint.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/folder.h"
#include "store/recording.h"

static int add_file(const struct recording *rec, const char *name, uint64_t *sum, struct err *err)
{
	struct stat st;
	int64_t facts[3];

	if (fstatat(rec->dirfd, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT) /* gone since it was listed, or never there */
			return 0;
		return err_errno(err, errno, "cannot look at '%s/%s'", rec->path, name);
	}
	facts[0] = (int64_t)st.st_size;
	facts[1] = (int64_t)st.st_mtim.tv_sec;
	facts[2] = (int64_t)st.st_mtim.tv_nsec;
	*sum = XXH64(name, strlen(name), *sum);
	*sum = XXH64(facts, sizeof(facts), *sum);
	return 0;
}

int fingerprint_add(const struct recording *rec, uint64_t *sum, struct err *err)
{
	CLEANUP_FREE uint32_t *chunks = NULL;
	char name[FOLDER_NAME_MAX];
	size_t n = 0, i;
	int r = folder_chunks(rec->dirfd, &chunks, &n);

	if (r < 0)
		return err_errno(err, -r, "cannot list '%s'", rec->path);
	*sum = XXH64(rec->meta.uuid, sizeof(rec->meta.uuid), *sum);
	r = add_file(rec, FOLDER_METADATA, sum, err);
	for (i = 0; r >= 0 && i < n; i++) {
		folder_chunk_name(name, chunks[i]);
		r = add_file(rec, name, sum, err);
	}
	return r;
}
