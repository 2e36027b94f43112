/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stored.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "explain/requests.h"
#include "explain/spans_db.h"

static void say(const struct analysis_opts *opts, const struct err *err, const char *then)
{
	char text[ERR_TEXT_MAX + 64];

	if (!opts->damage)
		return;
	(void)snprintf(text, sizeof(text), "%s%s", err->text, then);
	opts->damage(opts->arg, text);
}

/* "": they are not to be stored. */
static int key_of(struct store_reader *reader, const struct analysis_opts *opts, char key[STORED_KEY_MAX],
		  struct err *err)
{
	key[0] = 0;
	if (opts->npaths != 1 || opts->ignore_ids || opts->timing || store_growing(reader))
		return 0;
	return store_fingerprint(reader, key, err);
}

int stored_open(struct store_reader *reader, const struct analysis_opts *opts, char key[STORED_KEY_MAX],
		struct spans_db **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r = key_of(reader, opts, key, err);

	if (r < 0 || !key[0])
		return r;
	r = spans_db_open(opts->paths[0], key, ret, &why);
	if (r >= 0)
		return 1;
	if (r == -EBADMSG)
		stored_complain(opts, &why);
	return 0;
}

void stored_complain(const struct analysis_opts *opts, const struct err *why)
{
	say(opts, why, "; its requests are derived anew");
}

static size_t logs(void *arg, uint32_t span, const struct order_ref **ret)
{
	return requests_logs(arg, span, ret);
}

void stored_write(const struct analysis *a, const struct analysis_opts *opts, const char *key)
{
	struct spans_db_about about = {
		.key = key, .left_out = requests_left_out(a->requests), .logs = logs, .arg = a->requests
	};
	struct err err = ERR_INIT;
	char now[STORED_KEY_MAX];
	int r;

	if (!key[0] || key_of(a->reader, opts, now, &err) < 0 || strcmp(now, key) != 0)
		return;
	r = spans_db_write(opts->paths[0], requests_spans(a->requests), &about, &err);
	/* Of others, or of a medium that is only read: that is not worth a word. */
	if (r < 0 && r != -EACCES && r != -EPERM && r != -EROFS)
		say(opts, &err, "; its requests are derived again the next time");
}
