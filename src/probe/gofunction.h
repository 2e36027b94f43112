/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_GOFUNCTION_H
#define SAKER_PROBE_GOFUNCTION_H
/* gofunction - the addresses of functions in a Go program, stripped or not.  Inside of probe/ only; see goprogram.h. */
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct goprogram_file;

struct gofile {
	const struct goprogram_file *file;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	char *names; /* of sections, with a NUL behind */
	size_t nsegments, nsections, names_at, names_size;
	uint16_t machine;
};

/* That part of the file and a NUL behind it, or NULL; the caller frees. */
char *gofile_load(const struct gofile *g, uint64_t at, uint64_t size, uint64_t max);
const Elf64_Shdr *gofile_section(const struct gofile *g, const char *name);
uint64_t gofile_place(const struct gofile *g, uint64_t address); /* in the file; UINT64_MAX: nowhere */

bool gofunction_symbol(const struct gofile *g, const char *name, uint64_t *ret); /* by the symbol table */
bool gofunction_table(const struct gofile *g, const char *name, uint64_t *ret);	 /* by the runtime's own table */
bool gofunction_find(const struct gofile *g, const char *name, uint64_t *ret);	 /* by either */

/*
 * Place in the file of the jump with which a function of Go begins, behind its look at how much stack is left: cmp
 * 16(%r14),%rsp; jbe.  A probe there costs a twentieth of one on the comparison, because the kernel carries out jumps itself
 * instead of stepping over them.  0: the function begins in another way.
 */
uint64_t gofunction_jump(const struct gofile *g, uint64_t address);
/* Places in the file of its `ret` instructions; how many, 0: it could not be followed to its end, or there are more than cap. */
size_t gofunction_returns(const struct gofile *g, uint64_t address, uint64_t *ret, size_t cap);

#endif
