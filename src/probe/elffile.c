/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/elffile.h"

#include <gelf.h>
#include <stdint.h>
#include <string.h>

static Elf *open_elf(int fd)
{
	return elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
}

static bool symbols_have(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	Elf_Data *data = header->sh_entsize ? elf_getdata(section, NULL) : NULL;
	size_t i, n = data ? data->d_size / header->sh_entsize : 0;
	const char *found;
	GElf_Sym symbol;

	for (i = 0; i < n && i < INT32_MAX; i++) {
		if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		found = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (found && !strcmp(found, name))
			return true;
	}
	return false;
}

bool elffile_function(int fd, const char *name)
{
	Elf *elf = open_elf(fd);
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;

	while (elf && !found && (section = elf_nextscn(elf, section)))
		found = gelf_getshdr(section, &header) &&
			(header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM) &&
			symbols_have(elf, section, &header, name);
	(void)elf_end(elf);
	return found;
}

bool elffile_section(int fd, const char *section_name, const void *bytes, size_t n)
{
	Elf *elf = open_elf(fd);
	Elf_Scn *section = NULL;
	const char *name;
	GElf_Shdr header;
	Elf_Data *data;
	bool found = false;
	size_t names;

	if (elf && elf_getshdrstrndx(elf, &names) < 0) {
		(void)elf_end(elf);
		return false;
	}
	while (elf && !found && (section = elf_nextscn(elf, section))) {
		name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
		data = name && !strcmp(name, section_name) ? elf_rawdata(section, NULL) : NULL;
		found = data && data->d_buf && memmem(data->d_buf, data->d_size, bytes, n);
	}
	(void)elf_end(elf);
	return found;
}
