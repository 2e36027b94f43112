/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_import_ctf - any bytes as a CTF trace, see fuzz_import.c. An input is the length of the metadata (16 bit), the metadata, and
 * the one stream.
 */
#define FORMAT import_ctf
#define OWN_INPUT
#include "fuzz_import.c"

#include <sys/stat.h>

/* libbabeltrace2's parser of metadata loses memory when it refuses some; leaks of ours would show in the other importers. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static char folder[64], metadata[96], stream[96];

static void clean(void)
{
	(void)unlink(metadata);
	(void)unlink(stream);
	(void)rmdir(folder);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "we");

	MUST(f && fwrite(data, 1, size, f) == size && !fclose(f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t head;

	if (size < 2)
		return 0;
	if (!folder[0]) {
		(void)snprintf(folder, sizeof(folder), "/dev/shm/fuzz-import-ctf-%d", (int)getpid());
		(void)snprintf(metadata, sizeof(metadata), "%s/metadata", folder);
		(void)snprintf(stream, sizeof(stream), "%s/stream", folder);
		MUST(!mkdir(folder, 0700) && !atexit(clean));
	}
	head = data[0] | (size_t)data[1] << 8;
	head = head < size - 2 ? head : size - 2;
	put(metadata, data + 2, head);
	put(stream, data + 2 + head, size - 2 - head);
	check_path(folder);
	return 0;
}
