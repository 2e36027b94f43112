/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/title.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct word {
	const char *text;
	size_t len;
};

static bool word_next(const char **at, struct word *ret)
{
	*at += strspn(*at, " ");
	*ret = (struct word) { *at, strcspn(*at, " ") };
	*at += ret->len;
	return ret->len > 0;
}

static bool word_is(struct word w, const char *text)
{
	return w.len == strlen(text) && !memcmp(w.text, text, w.len);
}

/* What follows the last of these characters; all of it if there is none, or nothing behind it. */
static struct word word_after(struct word w, const char *marks)
{
	size_t i;

	for (i = w.len ? w.len - 1 : 0; i-- > 0;)
		if (strchr(marks, w.text[i]))
			return (struct word) { w.text + i + 1, w.len - i - 1 };
	return w;
}

/* Options of java(1) that take the next word, other than those that name what is run. */
static bool takes_next(struct word w)
{
	static const char *const options[] = {
		"-cp",
		"-classpath",
		"--class-path",
		"-p",
		"--module-path",
		"--upgrade-module-path",
		"--add-modules",
		"--add-exports",
		"--add-opens",
		"--add-reads",
		"--patch-module",
		"--limit-modules",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(options); i++)
		if (word_is(w, options[i]))
			return true;
	return false;
}

/* java(1): `[options] MAINCLASS`, `[options] -jar FILE.jar`, `[options] -m MODULE[/MAINCLASS]` */
static struct word java_title(const char *args)
{
	struct word w;

	(void)word_next(&args, &w); /* java itself */
	while (word_next(&args, &w)) {
		if (word_is(w, "-jar")) {
			(void)word_next(&args, &w);
			w = word_after(w, "/");
			if (w.len > 4 && !memcmp(w.text + w.len - 4, ".jar", 4))
				w.len -= 4;
			return w;
		}
		if (word_is(w, "-m") || word_is(w, "--module")) {
			(void)word_next(&args, &w);
			return word_after(w, "./");
		}
		if (takes_next(w))
			(void)word_next(&args, &w);
		else if (*w.text != '-' && *w.text != '@') /* @FILE has more of them */
			return word_after(w, "./");
	}
	return w;
}

void title_of(const char *comm, const char *args, char *ret, size_t cap)
{
	struct word w = { NULL, 0 };

	if (!strcmp(comm, "java"))
		w = java_title(args);
	if (!w.len)
		w = (struct word) { comm, strlen(comm) };
	(void)snprintf(ret, cap, "%.*s", (int)MIN(w.len, cap - 1), w.text);
}
