/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_PAGE_H
#define SAKER_SERVE_PAGE_H
/* page - the files of ui/, built into the program by tools/embed_page.py. */
#include <stddef.h>

struct page_file {
	const char *path; /* in the URL */
	const char *type; /* media type */
	const char *etag; /* with its quotes */
	const unsigned char *data;
	size_t size;
};

extern const struct page_file page_files[];
extern const size_t page_count;

#endif
