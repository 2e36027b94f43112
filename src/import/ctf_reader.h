/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_CTF_READER_H
#define SAKER_IMPORT_CTF_READER_H
/*
 * ctf_reader - reads CTF traces with libbabeltrace2 and tells what is in them as frames. It runs in a process of its own, because
 * the library aborts on some damaged traces (fuzz_import_ctf finds them within seconds).
 *
 * A frame is a struct ctf_frame and `length` bytes:
 *	TYPE	  u32 numbers, u32 texts, u32 left out; name; then for each field u8 kind (enum event_kind) and its name
 *	EVENT	  struct ctf_event; names of host, stream and process; numbers (u64 each); texts
 *	COMPLAINT text
 *	FAILED	  text: the rest could not be read
 *	END	  nothing; a reader that ends without it has crashed
 * All names and texts end with NUL. Types count from 0 in the order in which they are told.
 */
#include <stdint.h>
#include <stdio.h>

#define CTF_FRAME_MAX (64 * 1024)

enum ctf_frame_kind { CTF_TYPE = 1, CTF_EVENT, CTF_COMPLAINT, CTF_FAILED, CTF_END };

struct ctf_frame {
	uint32_t kind, length;
};

struct ctf_event {
	uint64_t ns;	   /* since 1970, or since the clock's own origin */
	uint64_t tid, pid; /* 0: not told */
	uint32_t type;
	uint32_t cut; /* some text was too long */
};

/* All traces at or below path. */
void ctf_reader_run(const char *path, FILE *out);

#endif
