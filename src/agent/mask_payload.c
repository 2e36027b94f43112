/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mask_payload.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/mask.h"

struct direction {
	uint64_t next;
	bool known;
};

struct mask_conn {
	const struct mask_words *words;
	struct direction direction[2];
};

int mask_conn_new(const struct mask_words *words, struct mask_conn **ret)
{
	struct mask_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->words = words;
	*ret = c;
	return 0;
}

struct mask_conn *mask_conn_free(struct mask_conn *c)
{
	free(c);
	return NULL;
}

bool mask_conn_expects(const struct mask_conn *c, bool sent, uint64_t offset)
{
	const struct direction *d = &c->direction[sent];

	return d->known ? d->next == offset : !offset;
}

void mask_payload(struct mask_conn *c, const struct mask_piece *p)
{
	struct direction *d = &c->direction[p->sent];

	mask_secrets((char *)p->data, p->kept);
	d->next = p->offset + p->bytes;
	d->known = true;
}
