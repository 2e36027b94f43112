/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime needs the names of its functions for stack traces, so its table (section .gopclntab) survives strip(1).
 * src/debug/gosym/pclntab.go: a head of magic, two zeros, quantum, size of a pointer, then words: number of functions,
 * number of files, (from 1.18 on) where the text begins, and the offsets of the names, units, files, lines and functions.
 * The table of functions has pairs of an entry and the offset of a record, which begins with the entry and the offset of
 * the name; up to 1.17 all these are words, from 1.18 on 32-bit numbers, and entries count from the text's begin.
 */
#include "probe/gofunction.h"

#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#include "base/cleanup.h"
#include "base/late.h"
#include "probe/goprogram.h"

#define MAGIC_1_16 0xfffffffaU
#define MAGIC_1_18 0xfffffff0U
#define MAGIC_1_20 0xfffffff1U
#define HEAD 8
#define FUNCTION_MAX (64U << 10)

#define CAPSTONE(X) X(cs_open) X(cs_close) X(cs_malloc) X(cs_free) X(cs_disasm_iter)
CAPSTONE(LATE_POINTER)
static const struct late_symbol capstone[] = { CAPSTONE(LATE_SYMBOL) };

bool gofunction_symbol(const struct gofile *g, const char *name, uint64_t *ret)
{
	CLEANUP_FREE char *symbols = NULL, *strings = NULL;
	const Elf64_Shdr *s = gofile_section(g, ".symtab"), *t = gofile_section(g, ".strtab");
	const Elf64_Sym *sym;
	size_t i;

	if (!s || !t)
		return false;
	symbols = gofile_load(g, s->sh_offset, s->sh_size, GOPROGRAM_TABLE_MAX);
	strings = gofile_load(g, t->sh_offset, t->sh_size, GOPROGRAM_TABLE_MAX);
	sym = (const void *)symbols;
	for (i = 0; symbols && strings && i < s->sh_size / sizeof(*sym); i++) {
		if (sym[i].st_name >= t->sh_size || strcmp(strings + sym[i].st_name, name) != 0)
			continue;
		*ret = sym[i].st_value;
		return true;
	}
	return false;
}

struct table {
	const char *data;
	uint64_t size;
	bool narrow; /* 32-bit numbers, entries from text on */
	uint64_t text, count, names, functions;
};

/* An unsigned number of that many bytes; beyond the end: 0. */
static uint64_t number(const struct table *t, uint64_t at, size_t bytes)
{
	uint64_t value = 0;

	if (at <= t->size && t->size - at >= bytes)
		memcpy(&value, t->data + at, bytes);
	return value;
}

static bool table_head(struct table *t)
{
	uint64_t magic = number(t, 0, 4), at = HEAD + 16;

	if ((magic != MAGIC_1_16 && magic != MAGIC_1_18 && magic != MAGIC_1_20) || number(t, 7, 1) != 8)
		return false;
	t->narrow = magic != MAGIC_1_16;
	t->count = number(t, HEAD, 8);
	if (t->narrow) {
		t->text = number(t, at, 8);
		at += 8;
	}
	t->names = number(t, at, 8);
	t->functions = number(t, at + 32, 8);
	return t->names < t->size && t->functions < t->size;
}

/* The offset of a name among the names; -1: it is not there. */
static int64_t name_find(const struct table *t, const char *name)
{
	const char *names = t->data + t->names, *at = names, *end = t->data + t->size;
	size_t n = strlen(name) + 1;

	while ((at = memmem(at, (size_t)(end - at), name, n))) {
		if (at > names && !at[-1])
			return at - names;
		at++;
	}
	return -1;
}

static bool function_find(const struct table *t, uint64_t name, uint64_t *ret)
{
	size_t width = t->narrow ? 4 : 8;
	uint64_t i, record;

	for (i = 0; i < t->count && i < t->size / (2 * width); i++) {
		record = t->functions + number(t, t->functions + (2 * i + 1) * width, width);
		if (number(t, record + width, 4) != name)
			continue;
		*ret = t->text + number(t, t->functions + 2 * i * width, width);
		return true;
	}
	return false;
}

bool gofunction_table(const struct gofile *g, const char *name, uint64_t *ret)
{
	const Elf64_Shdr *s = gofile_section(g, ".gopclntab");
	CLEANUP_FREE char *data = NULL;
	struct table t = { .size = s ? s->sh_size : 0 };
	int64_t at;

	if (!s)
		s = gofile_section(g, ".data.rel.ro.gopclntab");
	t.size = s ? s->sh_size : 0;
	t.data = data = s ? gofile_load(g, s->sh_offset, s->sh_size, GOPROGRAM_TABLE_MAX) : NULL;
	if (!data || !table_head(&t))
		return false;
	at = name_find(&t, name);
	return at > 0 && function_find(&t, (uint64_t)at, ret);
}

bool gofunction_find(const struct gofile *g, const char *name, uint64_t *ret)
{
	return gofunction_symbol(g, name, ret) || gofunction_table(g, name, ret);
}

/* Does what follows look like the beginning of another function? */
static bool next_is_function(const uint8_t *code, size_t len)
{
	static const uint8_t compare[2] = { 0x49, 0x3b }, lea[2] = { 0x4c, 0x8d };

	return len < 2 || !memcmp(code, compare, 2) || !memcmp(code, lea, 2);
}

uint64_t gofunction_jump(const struct gofile *g, uint64_t address)
{
	/* cmp 16(%r14),%rsp; with a large frame: lea -n(%rsp),%r12; cmp 16(%r14),%r12 */
	static const struct {
		unsigned char begin[4], compare[4];
		size_t compares; /* where the comparison stands */
	} looks[] = {
		{ { 0x49, 0x3b, 0x66, 0x10 }, { 0x49, 0x3b, 0x66, 0x10 }, 0 },
		{ { 0x4c, 0x8d, 0x64, 0x24 }, { 0x4d, 0x3b, 0x66, 0x10 }, 5 },
		{ { 0x4c, 0x8d, 0xa4, 0x24 }, { 0x4d, 0x3b, 0x66, 0x10 }, 8 },
	};
	unsigned char code[16];
	uint64_t place = gofile_place(g, address);
	size_t i, jump;

	if (place == UINT64_MAX || !g->file->read(g->file->arg, place, code, sizeof(code)))
		return 0;
	for (i = 0; i < ARRAY_LEN(looks); i++) {
		jump = looks[i].compares + 4;
		if (!memcmp(code, looks[i].begin, 4) && !memcmp(code + looks[i].compares, looks[i].compare, 4) &&
		    (code[jump] == 0x76 || (code[jump] == 0x0f && code[jump + 1] == 0x86)))
			return place + jump;
	}
	return 0;
}

/*
 * Functions of Go have no data between their instructions (jump tables stand elsewhere), and between two functions there are
 * int3s (cmd/internal/obj/x86/obj6.go), unless the first ends where the next one has to begin: then its last instruction is
 * the jump back that follows the call of runtime.morestack.
 */
size_t gofunction_returns(const struct gofile *g, uint64_t address, uint64_t *ret, size_t cap)
{
	uint64_t place = gofile_place(g, address), begin = place, at = address;
	CLEANUP_FREE char *code = NULL;
	size_t left = FUNCTION_MAX, n = 0;
	const uint8_t *next;
	cs_insn *insn;
	bool ended = false;
	csh handle;

	while (left > 64 && !(code = place == UINT64_MAX ? NULL : gofile_load(g, place, left, FUNCTION_MAX)))
		left /= 2; /* it stands near the file's end */
	if (!code || late_load(SAKER_LATE_CAPSTONE, capstone, ARRAY_LEN(capstone), NULL) < 0 ||
	    late_cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		return 0;
	next = (const void *)code;
	insn = late_cs_malloc(handle);
	while (insn && !ended && late_cs_disasm_iter(handle, &next, &left, &at, insn)) {
		uint64_t where = begin + (insn->address - address);

		ended = insn->id == X86_INS_INT3 || (insn->id == X86_INS_JMP && n && next_is_function(next, left));
		if (insn->id == X86_INS_RET && n++ < cap)
			ret[n - 1] = where;
	}
	late_cs_free(insn, 1);
	(void)late_cs_close(&handle);
	return ended && n <= cap ? n : 0;
}
