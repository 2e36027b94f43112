/* SPDX-License-Identifier: Apache-2.0 */
/* wish_health - the keys of `health:`, which stands at an interface or at a VIP: one table for reading, writing and what is usual. */
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/wish_node.h"

#define AT(field) offsetof(struct wish_health, field)
#define HOUR 3600

static const char *const mode_words[] = { [WISH_OFF] = "off", [WISH_SHADOW] = "shadow", [WISH_LIVE] = "live", NULL };
static const char *const switch_words[] = { [WISH_SWITCH_OFF] = "off", [WISH_SWITCH_ON] = "on", NULL };

const struct wish_health_option wish_health_options[] = {
	{ { NULL, "mode", AT(mode), WISH_WORD, 0, 0, WISH_SHADOW }, mode_words },
	{ { NULL, "rise", AT(rise), WISH_NUMBER, 1, 100, 2 }, NULL },
	{ { NULL, "fall", AT(fall), WISH_NUMBER, 1, 100, 3 }, NULL },
	{ { NULL, "eject-max", AT(eject_max), WISH_NUMBER, 1, 100, 50 }, NULL },
	{ { NULL, "base-eject", AT(base_eject_s), WISH_SECONDS, 1, 24 * HOUR, 30 }, NULL },
	{ { NULL, "max-eject", AT(max_eject_s), WISH_SECONDS, 1, 24 * HOUR, 300 }, NULL },
	{ { NULL, "slow-start", AT(slow_start_s), WISH_SECONDS, 1, HOUR, 30 }, NULL },
	{ { NULL, "window", AT(window_s), WISH_SECONDS, 1, HOUR, 10 }, NULL },
	{ { NULL, "syn-again", AT(syn_again), WISH_NUMBER, 1, UINT32_MAX - 1, 5 }, NULL },
	{ { NULL, "resets", AT(resets), WISH_NUMBER, 1, UINT32_MAX - 1, 20 }, NULL },
	{ { NULL, "overflow", AT(overflow), WISH_NUMBER, 1, UINT32_MAX - 1, 20 }, NULL },
	{ { NULL, "effect", AT(effect_s), WISH_SECONDS, 1, HOUR, 5 }, NULL },
	{ { NULL, "load", AT(load), WISH_WORD, 0, 0, WISH_SWITCH_OFF }, switch_words },
	{ { NULL, "load-step", AT(load_step), WISH_NUMBER, 1, 100, 10 }, NULL },
	{ { NULL, "load-min", AT(load_min), WISH_NUMBER, 1, 100, 50 }, NULL },
	{ { NULL, "load-max", AT(load_max), WISH_NUMBER, 100, 1000, 150 }, NULL },
};
const size_t wish_health_noptions = ARRAY_LEN(wish_health_options);

static uint32_t *value_at(struct wish_health *h, size_t offset)
{
	return (uint32_t *)(void *)((char *)h + offset);
}

uint32_t wish_health_value(const struct wish_health *h, const struct wish_health_option *o)
{
	return *(const uint32_t *)(const void *)((const char *)h + o->o.offset);
}

void wish_health_of(const struct wish_if *f, const struct wish_vip *v, struct wish_health *ret)
{
	size_t i;

	*ret = (struct wish_health) { 0 };
	for (i = 0; i < wish_health_noptions; i++) {
		const struct wish_health_option *o = &wish_health_options[i];
		uint32_t value = v ? wish_health_value(&v->health, o) : 0;

		if (!value)
			value = wish_health_value(&f->health, o);
		*value_at(ret, o->o.offset) = value ? value : (uint32_t)o->o.usual;
	}
}

/* ---- reading ---- */

static void read_word(struct reader *r, const yaml_node_t *n, const struct wish_health_option *o, uint32_t *to)
{
	const char *text = node_word(r, n, o->o.name);
	uint32_t i;

	for (i = 1; text && o->words[i]; i++) {
		if (strcmp(text, o->words[i]) != 0)
			continue;
		*to = i;
		return;
	}
	if (text)
		COMPLAIN(r, n, "%s is %s%s%s%s%s, not '%.40s'", o->o.name, o->words[1], i > 3 ? ", " : " or ",
			 o->words[2], i > 3 ? " or " : "", i > 3 ? o->words[3] : "", text);
}

static void read_key(struct reader *r, const yaml_node_t *key, const yaml_node_t *value, struct wish_health *h)
{
	size_t i;

	for (i = 0; i < wish_health_noptions; i++) {
		const struct wish_health_option *o = &wish_health_options[i];

		if (!node_is(key, o->o.name))
			continue;
		if (o->o.kind == WISH_WORD)
			read_word(r, value, o, value_at(h, o->o.offset));
		else
			node_option(r, value, &o->o, value_at(h, o->o.offset));
		return;
	}
	if (key->type == YAML_SCALAR_NODE)
		COMPLAIN(r, key, "there is no key '%.40s' of health", (const char *)key->data.scalar.value);
}

void node_health(struct reader *r, yaml_node_t *n, struct wish_health *to)
{
	yaml_node_pair_t *pair;

	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "health is to be a mapping, as {mode: live}");
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

		if (key && value)
			read_key(r, key, value, to);
	}
}

/* ---- contradictions ---- */

void wish_health_check(const struct wish_if *f, const struct wish_vip *v, struct wish_errors *errors)
{
	unsigned line = v ? v->line : f->line;
	struct wish_health h;

	wish_health_of(f, v, &h);
	if (h.max_eject_s < h.base_eject_s)
		wish_complain(errors, line, "max-eject (%u s) is less than base-eject (%u s)", h.max_eject_s,
			      h.base_eject_s);
}
