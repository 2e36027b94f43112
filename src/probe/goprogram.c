/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version stands in section .go.buildinfo (src/debug/buildinfo/buildinfo.go): 14 bytes of magic, the size of a pointer,
 * flags; with flag 2 (Go 1.18 on) the version follows at byte 32, its length before it as a varint; else two pointers to
 * Go strings stand there.
 *
 * The offset of goid in runtime.g is no secret of the file but of the version: a table, read off src/runtime/runtime2.go.
 * runtime.g is found by the thread pointer: at -8, the only 8 bytes of a program's thread-local storage (PT_TLS) unless
 * C code has variables there as well, when the symbol runtime.tlsg says which.
 */
#include "probe/goprogram.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "probe/gofunction.h"

#define SECTIONS_MAX 4096
#define SEGMENTS_MAX 256
#define NAMES_MAX (1U << 20)
#define FUNCTION "runtime.runqput"
#define TLS_READ "crypto/tls.(*Conn).Read"
#define TLS_WRITE "crypto/tls.(*Conn).Write"

/* Where version 1.minor keeps things on amd64. */
struct version {
	unsigned int minor; /* from this one on */
	uint16_t goid, curg;
};

static const struct version versions[] = {
	{ 10, 152, 192 }, /* goSigStack in m */
	{ 23, 160, 192 }, /* syscallbp in g */
	{ 25, 152, 184 }, /* no more ret in gobuf */
};
#define MINOR_MAX 26 /* the last that was looked at */

/* --- the file's tables --- */

static bool head_read(struct gofile *g)
{
	Elf64_Ehdr h;

	if (!g->file->read(g->file->arg, 0, &h, sizeof(h)) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB ||
	    h.e_phentsize != sizeof(Elf64_Phdr))
		return false;
	g->machine = h.e_machine;
	g->nsegments = h.e_phnum < SEGMENTS_MAX ? h.e_phnum : 0;
	g->segments = calloc((size_t)g->nsegments + 1, sizeof(*g->segments));
	if (!g->segments || !g->file->read(g->file->arg, h.e_phoff, g->segments, g->nsegments * sizeof(*g->segments)))
		return false;
	if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum >= SECTIONS_MAX || h.e_shstrndx >= h.e_shnum)
		return true; /* without sections */
	g->sections = calloc((size_t)h.e_shnum + 1, sizeof(*g->sections));
	if (g->sections && g->file->read(g->file->arg, h.e_shoff, g->sections, h.e_shnum * sizeof(*g->sections)))
		g->nsections = h.e_shnum;
	g->names_at = g->nsections ? h.e_shstrndx : 0;
	return true;
}

char *gofile_load(const struct gofile *g, uint64_t at, uint64_t size, uint64_t max)
{
	char *data = size && size <= max ? malloc(size + 1) : NULL;

	if (data && !g->file->read(g->file->arg, at, data, size)) {
		free(data);
		return NULL;
	}
	if (data)
		data[size] = 0;
	return data;
}

static void names_read(struct gofile *g)
{
	const Elf64_Shdr *s = g->nsections ? &g->sections[g->names_at] : NULL;

	g->names = s ? gofile_load(g, s->sh_offset, s->sh_size, NAMES_MAX) : NULL;
	g->names_size = g->names ? s->sh_size : 0;
}

const Elf64_Shdr *gofile_section(const struct gofile *g, const char *name)
{
	size_t i;

	for (i = 0; i < g->nsections; i++)
		if (g->sections[i].sh_name < g->names_size && !strcmp(g->names + g->sections[i].sh_name, name))
			return &g->sections[i];
	return NULL;
}

uint64_t gofile_place(const struct gofile *g, uint64_t address)
{
	size_t i;

	for (i = 0; i < g->nsegments; i++) {
		const Elf64_Phdr *p = &g->segments[i];

		if (p->p_type == PT_LOAD && address >= p->p_vaddr && address - p->p_vaddr < p->p_filesz)
			return address - p->p_vaddr + p->p_offset;
	}
	return UINT64_MAX;
}

static bool at_address(const struct gofile *g, uint64_t address, void *to, size_t n)
{
	uint64_t place = gofile_place(g, address);

	return place != UINT64_MAX && g->file->read(g->file->arg, place, to, n);
}

/* --- the version --- */

static void text_keep(char *to, size_t cap, const char *from, size_t n)
{
	size_t i;

	n = MIN(n, cap - 1);
	for (i = 0; i < n; i++)
		to[i] = from[i] >= ' ' && from[i] < 127 ? from[i] : '?';
	to[n] = 0;
}

static bool version_inline(const struct gofile *g, uint64_t at, struct goprogram *ret)
{
	unsigned char room[2 + sizeof(ret->version)] = { 0 };
	size_t n;

	if (!g->file->read(g->file->arg, at + 32, room, sizeof(room)))
		return false;
	n = room[0] & 127;
	if (room[0] & 128)
		n |= (size_t)room[1] << 7;
	text_keep(ret->version, sizeof(ret->version), (char *)room + (room[0] & 128 ? 2 : 1), n);
	return true;
}

static bool version_by_pointer(const struct gofile *g, uint64_t at, struct goprogram *ret)
{
	uint64_t header, string[2] = { 0 };
	char text[sizeof(ret->version)] = { 0 };

	if (!g->file->read(g->file->arg, at + 16, &header, sizeof(header)) ||
	    !at_address(g, header, string, sizeof(string)) ||
	    !at_address(g, string[0], text, MIN(string[1], sizeof(text) - 1)))
		return false;
	text_keep(ret->version, sizeof(ret->version), text, strlen(text));
	return true;
}

static bool version_read(const struct gofile *g, struct goprogram *ret)
{
	static const char magic[14] = "\xff Go buildinf:";
	const Elf64_Shdr *s = gofile_section(g, ".go.buildinfo");
	char head[16];

	if (!s)
		return gofile_section(g, ".gopclntab");
	if (!g->file->read(g->file->arg, s->sh_offset, head, sizeof(head)) || memcmp(head, magic, sizeof(magic)) != 0)
		return true;
	if (head[15] & 2)
		(void)version_inline(g, s->sh_offset, ret);
	else if (head[14] == 8 && !(head[15] & 1))
		(void)version_by_pointer(g, s->sh_offset, ret);
	return true;
}

/* go1.19.8, go1.21rc2, go1.22.1 X:nocoverageredesign; not: devel go1.23-a1b2c3d */
static int version_minor(const char *version)
{
	unsigned int minor;
	int end = 0;

	if (sscanf(version, "go1.%3u%n", &minor, &end) != 1 || (version[end] && !strchr(".rb -", version[end])))
		return -EINVAL;
	return (int)minor;
}

static const struct version *version_find(unsigned int minor)
{
	size_t i = ARRAY_LEN(versions);

	while (i-- > 0)
		if (minor >= versions[i].minor)
			return minor > MINOR_MAX ? NULL : &versions[i];
	return NULL;
}

/* --- where things are --- */

/* runtime.g's place from the thread pointer; false: unknown. */
static bool tls_find(const struct gofile *g, int32_t *ret)
{
	uint64_t size = 8, align = 8, at = 0;
	size_t i;

	for (i = 0; i < g->nsegments; i++) {
		if (g->segments[i].p_type != PT_TLS)
			continue;
		size = g->segments[i].p_memsz;
		align = g->segments[i].p_align ? g->segments[i].p_align : 1;
	}
	if (size > 8 && !gofunction_symbol(g, "runtime.tlsg", &at))
		return false;
	if (size > 1U << 20 || align > 4096 || at >= size + 8)
		return false;
	*ret = (int32_t)at - (int32_t)((size + align - 1) / align * align);
	return true;
}

static void layout_find(const struct gofile *g, struct goprogram *ret)
{
	int minor = version_minor(ret->version);
	const struct version *v = minor < 0 ? NULL : version_find((unsigned int)minor);

	if (g->machine != EM_X86_64)
		(void)snprintf(ret->why, sizeof(ret->why), "it is for another processor than x86-64");
	else if (!*ret->version)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "it does not say its version of Go (before 1.13, or cut out)");
	else if (minor < 0)
		(void)snprintf(ret->why, sizeof(ret->why), "its version of Go is none that was released");
	else if (!v)
		(void)snprintf(ret->why, sizeof(ret->why), "its version of Go is not among those known (1.%u to 1.%u)",
			       versions[0].minor, MINOR_MAX);
	else if (!tls_find(g, &ret->layout.tls))
		(void)snprintf(ret->why, sizeof(ret->why),
			       "it has other thread-local variables, and no symbols that say which is Go's");
	else
		ret->tracked = true;
	ret->layout.goid = v ? v->goid : 0;
	ret->layout.curg = v ? v->curg : 0;
}

static void ready_find(const struct gofile *g, struct goprogram *ret)
{
	uint64_t address;

	if (version_minor(ret->version) < 17)
		(void)snprintf(ret->why_not_ready, sizeof(ret->why_not_ready),
			       "Go before 1.17 passes arguments on the stack");
	else if (!gofunction_find(g, FUNCTION, &address))
		(void)snprintf(ret->why_not_ready, sizeof(ret->why_not_ready), "it has no function " FUNCTION);
	else if (!(ret->ready = gofunction_jump(g, address)))
		(void)snprintf(ret->why_not_ready, sizeof(ret->why_not_ready), FUNCTION " begins in an unknown way");
}

/* crypto/tls, where the program has it. */
static void crypto_find(const struct gofile *g, struct goprogram *ret)
{
	struct gotls *t = &ret->tls;
	uint64_t read, write;

	if (!gofunction_find(g, TLS_READ, &read) || !gofunction_find(g, TLS_WRITE, &write))
		return;
	t->present = true;
	if (version_minor(ret->version) < 17)
		(void)snprintf(t->why, sizeof(t->why), "Go before 1.17 passes arguments on the stack");
	else if (!(t->read = gofunction_jump(g, read)) || !(t->write = gofunction_jump(g, write)))
		(void)snprintf(t->why, sizeof(t->why), "its functions of crypto/tls begin in an unknown way");
	else if (!(t->nreturns = gofunction_returns(g, read, t->returns, ARRAY_LEN(t->returns))))
		(void)snprintf(t->why, sizeof(t->why), "the ends of " TLS_READ " were not found");
}

bool goprogram_read(const struct goprogram_file *f, struct goprogram *ret)
{
	struct gofile g = { .file = f };
	bool is = false;

	*ret = (struct goprogram) { 0 };
	if (head_read(&g)) {
		names_read(&g);
		is = version_read(&g, ret);
	}
	if (is)
		layout_find(&g, ret);
	if (is && ret->tracked)
		ready_find(&g, ret);
	if (is && g.machine == EM_X86_64)
		crypto_find(&g, ret);
	free(g.segments);
	free(g.sections);
	free(g.names);
	return is;
}

static bool fd_read(void *arg, uint64_t at, void *to, size_t n)
{
	char *p = to;
	ssize_t got;

	for (; n; p += got, at += (uint64_t)got, n -= (size_t)got) {
		got = at > INT64_MAX ? -1 : pread(*(int *)arg, p, n, (off_t)at);
		if (got <= 0)
			return false;
	}
	return true;
}

bool goprogram_read_fd(int fd, struct goprogram *ret)
{
	struct goprogram_file f = { fd_read, &fd };

	return goprogram_read(&f, ret);
}
