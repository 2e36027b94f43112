/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/mapped.h"
#include "agent/mask.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "probe/elffile.h"
#include "probe/note.h"

struct notes {
	struct kernel *kernel;
	struct map seen; /* keys of files */
	struct note_hooks hooks[NOTES_FILES_MAX];
	size_t nhooks;
};

int notes_new(struct kernel *k, struct notes **ret)
{
	struct notes *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->kernel = k;
	*ret = n;
	return 0;
}

void notes_unhook(struct notes *n)
{
	size_t i;

	for (i = 0; n && i < n->nhooks; i++)
		note_detach(&n->hooks[i]);
}

struct notes *notes_free(struct notes *n)
{
	if (!n)
		return NULL;
	notes_unhook(n);
	map_fini(&n->seen);
	free(n);
	return NULL;
}

int notes_see_file(void *notes, const struct mapped_file *f)
{
	struct notes *n = notes;
	uint64_t inode, key;
	CLEANUP_CLOSE int fd = n ? mapped_open(f->at, &inode, &key) : -1;
	char path[64];

	if (fd < 0 || map_get(&n->seen, key))
		return 0;
	if (map_set(&n->seen, key, 1) < 0)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (n->nhooks < NOTES_FILES_MAX && elffile_section(fd, ".note.stapsdt", "saker", sizeof("saker")) &&
	    note_attach(n->kernel, path, &n->hooks[n->nhooks], NULL) > 0)
		n->nhooks++;
	return 0;
}

void notes_mask(struct event_header *h)
{
	struct event_note *e = (void *)h;
	size_t left = h->length - sizeof(*e), key = strnlen(e->tail, left);
	char *value = e->tail + key + 1;
	size_t len = key < left ? strnlen(value, left - key - 1) : 0;

	if (!len)
		return;
	value[-1] = '='; /* as an assignment, for a moment */
	mask_secrets(e->tail, key + 1 + len);
	value[-1] = 0;
}
