/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Program files of Go, made by hand as elf(5), src/debug/buildinfo and src/debug/gosym say; the offsets are those that
 * src/runtime/runtime2.go of each version gives on amd64.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "probe/goprogram.h"
#include "probe/goprogram_testing.h"

#define BASE 0x400000 /* where the file is loaded */
#define INFO 0x400
#define TEXT 0x600
#define TABLE 0x800
#define SYMBOLS 0xa00
#define STRINGS 0xb00
#define NAMES 0xc00
#define SECTIONS 0xd00
#define SIZE 0x1000

struct file {
	const char *what;
	/* in */
	const char *version;
	bool by_pointer, big_endian, no_info, no_sections, arm, narrow_class;
	uint64_t tls_size, tls_align, tlsg; /* tlsg: value of the symbol + 1, 0: no symbols */
	uint32_t table;			    /* magic of the function table, 0: none */
	unsigned char code[6];
	/* out */
	bool go, tracked;
	int32_t tls;
	uint16_t goid, curg;
	const char *why;
	uint64_t ready;
};

#define PROLOGUE                                   \
	{                                          \
		0x49, 0x3b, 0x66, 0x10, 0x76, 0x20 \
	}
#define PROLOGUE_FAR                               \
	{                                          \
		0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86 \
	}

static const struct file files[] = {
	{ "Go 1.19, stripped", "go1.19.8", .table = 0xfffffff0, .code = PROLOGUE, .go = true, .tracked = true,
	  .tls = -8, .goid = 152, .curg = 192, .ready = TEXT + 4 },
	{ "a far jump", "go1.19.8", .table = 0xfffffff0, .code = PROLOGUE_FAR, .go = true, .tracked = true, .tls = -8,
	  .goid = 152, .curg = 192, .ready = TEXT + 4 },
	{ "another beginning of the function", "go1.19.8", .table = 0xfffffff0, .code = { 0x55 }, .go = true,
	  .tracked = true, .tls = -8, .goid = 152, .curg = 192, .why = "unknown way" },
	{ "Go 1.17: wide table, version by pointer", "go1.17", .by_pointer = true, .table = 0xfffffffa,
	  .code = PROLOGUE, .go = true, .tracked = true, .tls = -8, .goid = 152, .curg = 192, .ready = TEXT + 4 },
	{ "Go 1.13", "go1.13.15", .by_pointer = true, .go = true, .tracked = true, .tls = -8, .goid = 152, .curg = 192,
	  .why = "on the stack" },
	{ "Go 1.23", "go1.23.1", .table = 0xfffffff1, .code = PROLOGUE, .go = true, .tracked = true, .tls = -8,
	  .goid = 160, .curg = 192, .ready = TEXT + 4 },
	{ "Go 1.25, an experiment", "go1.25.0 X:greenteagc", .table = 0xfffffff1, .code = PROLOGUE, .go = true,
	  .tracked = true, .tls = -8, .goid = 152, .curg = 184, .ready = TEXT + 4 },
	{ "a release candidate", "go1.24rc2", .go = true, .tracked = true, .tls = -8, .goid = 160, .curg = 192,
	  .why = "no function" },
	{ "of the future", "go1.27.0", .go = true, .why = "not among those known" },
	{ "never released", "devel go1.23-abcdef", .go = true, .why = "none that was released" },
	{ "old", "go1.9.2", .go = true, .why = "not among those known" },
	{ "without a version", "", .go = true, .why = "does not say" },
	{ "big-endian pointers are none of this machine", "go1.17", .by_pointer = true, .big_endian = true, .go = true,
	  .why = "does not say" },
	{ "before 1.13: only the table of functions", "go1.12", .no_info = true, .table = 0xfffffffb, .go = true,
	  .why = "does not say" },
	{ "for arm64", "go1.19", .arm = true, .go = true, .why = "another processor" },
	{ "C has thread-local variables, symbols", "go1.19", .tls_size = 40, .tls_align = 16, .tlsg = 1 + 24,
	  .go = true, .tracked = true, .tls = 24 - 48, .goid = 152, .curg = 192, .why = "no function" },
	{ "C has thread-local variables, no symbols", "go1.19", .tls_size = 40, .tls_align = 16, .go = true,
	  .why = "no symbols" },
	{ "cgo without others", "go1.19", .tls_size = 8, .tls_align = 8, .go = true, .tracked = true, .tls = -8,
	  .goid = 152, .curg = 192, .why = "no function" },
	{ "a thread-local block that cannot be", "go1.19", .tls_size = 1ULL << 40, .tls_align = 8, .tlsg = 1,
	  .go = true, .why = "no symbols" },
	{ "not Go", "", .no_info = true },
	{ "no sections", "go1.19", .no_sections = true },
	{ "32 bits", "go1.19", .narrow_class = true },
};

static void put(unsigned char *to, uint64_t value, size_t bytes)
{
	memcpy(to, &value, bytes);
}

static void put_info(unsigned char *d, const struct file *f)
{
	memcpy(d + INFO, "\xff Go buildinf:", 14);
	d[INFO + 14] = 8;
	d[INFO + 15] = (f->by_pointer ? 0 : 2) | (f->big_endian ? 1 : 0);
	if (!f->by_pointer) {
		d[INFO + 32] = (unsigned char)strlen(f->version);
		memcpy(d + INFO + 33, f->version, strlen(f->version));
		return;
	}
	put(d + INFO + 16, BASE + INFO + 64, 8);
	put(d + INFO + 64, BASE + INFO + 96, 8);
	put(d + INFO + 72, strlen(f->version), 8);
	memcpy(d + INFO + 96, f->version, strlen(f->version));
}

/* Two functions; the second is the one that is looked for. */
static void put_table(unsigned char *d, const struct file *f)
{
	bool narrow = f->table != 0xfffffffa;
	size_t width = narrow ? 4 : 8, at = TABLE + 24;
	uint64_t names = 0x60, functions = 0xa0, text = BASE + TEXT - 0x40, bias = narrow ? text : 0;

	put(d + TABLE, f->table, 4);
	d[TABLE + 6] = 1;
	d[TABLE + 7] = 8;
	put(d + TABLE + 8, 2, 8);
	if (narrow) {
		put(d + at, text, 8);
		at += 8;
	}
	put(d + at, names, 8);
	put(d + at + 32, functions, 8);
	memcpy(d + TABLE + names, "\0runtime.runqputx\0runtime.runqput", 34);
	put(d + TABLE + functions, text - bias, width);
	put(d + TABLE + functions + width, 0x60, width);
	put(d + TABLE + functions + 2 * width, BASE + TEXT - bias, width);
	put(d + TABLE + functions + 3 * width, 0x80, width);
	put(d + TABLE + functions + 0x60 + width, 1, 4);
	put(d + TABLE + functions + 0x80 + width, 18, 4);
}

static void put_section(unsigned char *d, int i, const char *name, uint64_t at, uint64_t size)
{
	static size_t end;
	Elf64_Shdr s = { .sh_offset = at, .sh_size = size };

	end = i ? end : 0;
	s.sh_name = (uint32_t)end;
	memcpy(d + NAMES + end, name, strlen(name) + 1);
	end += strlen(name) + 1;
	memcpy(d + SECTIONS + (size_t)i * sizeof(s), &s, sizeof(s));
}

static int put_sections(unsigned char *d, const struct file *f)
{
	Elf64_Sym sym = { .st_name = 1, .st_value = f->tlsg - 1 };
	int n = 0;

	put_section(d, n++, "", 0, 0);
	put_section(d, n++, ".shstrtab", NAMES, 0x100);
	if (!f->no_info)
		put_section(d, n++, ".go.buildinfo", INFO, 0x100);
	if (f->table)
		put_section(d, n++, ".gopclntab", TABLE, 0x200);
	if (f->tlsg) {
		put_section(d, n++, ".symtab", SYMBOLS, sizeof(sym));
		put_section(d, n++, ".strtab", STRINGS, 0x40);
		memcpy(d + SYMBOLS, &sym, sizeof(sym));
		memcpy(d + STRINGS, "\0runtime.tlsg", 14);
	}
	return n;
}

static void make(unsigned char *d, const struct file *f)
{
	Elf64_Ehdr h = { .e_ident = ELFMAG,
			 .e_phoff = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 2,
			 .e_shoff = SECTIONS,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shstrndx = 1 };
	Elf64_Phdr p[2] = {
		{ .p_type = PT_LOAD, .p_vaddr = BASE, .p_filesz = SIZE, .p_memsz = SIZE },
		{ .p_type = f->tls_size ? PT_TLS : PT_NULL, .p_memsz = f->tls_size, .p_align = f->tls_align }
	};

	h.e_ident[EI_CLASS] = f->narrow_class ? ELFCLASS32 : ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_machine = f->arm ? EM_AARCH64 : EM_X86_64;
	memset(d, 0, SIZE);
	put_info(d, f);
	if (f->table)
		put_table(d, f);
	memcpy(d + TEXT, f->code, sizeof(f->code));
	h.e_shnum = f->no_sections ? 0 : (uint16_t)put_sections(d, f);
	memcpy(d, &h, sizeof(h));
	memcpy(d + sizeof(h), p, sizeof(p));
}

static void check(const struct file *f)
{
	unsigned char data[SIZE];
	struct bytes b = { data, sizeof(data) };
	struct goprogram_file file = { bytes_read, &b };
	struct goprogram p;
	const char *why;

	make(data, f);
	if (goprogram_read(&file, &p) != f->go)
		fail_msg("%s: it is %sa Go program", f->what, f->go ? "no" : "");
	if (!f->go)
		return;
	why = p.tracked ? p.why_not_ready : p.why;
	if (p.tracked != f->tracked || (f->why ? !strstr(why, f->why) : *why))
		fail_msg("%s: tracked %d, '%s'", f->what, p.tracked, why);
	if (f->tracked && (p.layout.tls != f->tls || p.layout.goid != f->goid || p.layout.curg != f->curg))
		fail_msg("%s: g at %d, goid at %u, curg at %u", f->what, p.layout.tls, p.layout.goid, p.layout.curg);
	if (p.ready != f->ready)
		fail_msg("%s: the jump is at %#llx", f->what, (unsigned long long)p.ready);
}

static void test_files(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(files); i++)
		check(&files[i]);
}

/* Cut off anywhere, nothing is read beyond the end, and nothing else is found. */
static void test_cut(void **state)
{
	unsigned char data[SIZE];
	struct bytes b = { data, 0 };
	struct goprogram_file file = { bytes_read, &b };
	struct goprogram p;

	(void)state;
	make(data, &files[0]);
	for (; b.size < SIZE; b.size++)
		if (goprogram_read(&file, &p) && p.ready)
			assert_int_equal(p.ready, TEXT + 4);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_files), cmocka_unit_test(test_cut) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
