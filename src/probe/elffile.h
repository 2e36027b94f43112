/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_ELFFILE_H
#define SAKER_PROBE_ELFFILE_H
/*
 * elffile - two questions to an executable file or library, before anything is loaded for its sake.
 *
 * Threads: any.  Memory: libelf maps the file.  Failure: what is no ELF file has nothing.
 */
#include <stdbool.h>
#include <stddef.h>

/* Does a symbol table have a function of that name that is not only wanted from elsewhere? */
bool elffile_function(int fd, const char *name);
/* Is there a section of that name that contains those bytes? */
bool elffile_section(int fd, const char *section, const void *bytes, size_t n);

#endif
