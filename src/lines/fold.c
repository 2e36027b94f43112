/* SPDX-License-Identifier: Apache-2.0 */
/* fold - which lines go on with the one before: what runtimes print of an error takes many lines. */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "lines/line.h"

static bool begins(const char *text, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(text, with, n);
}

/* Lines that never stand alone, whatever was before. */
static const char *const followers[] = {
	"Caused by: ",
	"Suppressed: ",
	"stack backtrace:",
	"note: run with `RUST_BACKTRACE",
};

/* Between two tracebacks of Python. */
static const char *const chains[] = {
	"During handling of the above exception, another exception occurred:",
	"The above exception was the direct cause of the following exception:",
};

static const char *const go_followers[] = { "goroutine ",     "created by ",  "[signal ",
					    "runtime stack:", "exit status ", "\trax " };

static bool follows_any(const char *text, size_t len, const char *const *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (begins(text, len, list[i]))
			return true;
	return false;
}

static bool blank_first(const char *text, size_t len)
{
	return !len || text[0] == ' ' || text[0] == '\t';
}

/* `main.work(0xc000, ...)`: a frame of Go, whose place stands on the next line */
static bool go_frame(const char *text, size_t len)
{
	const char *open = memchr(text, '(', len);

	return open && open > text && text[len - 1] == ')' && !memchr(text, ' ', (size_t)(open - text));
}

static bool closes(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!strchr("}]); ,", text[i]))
			return false;
	return len && text[0] != ';' && text[0] != ',';
}

static uint8_t state_of(const char *text, size_t len)
{
	/* may stand behind a logger's prefix */
	if (memmem(text, len, "Traceback (most recent call last)", 33))
		return FOLD_PYTHON;
	if (begins(text, len, "panic: ") || begins(text, len, "fatal error: ") || begins(text, len, "goroutine ") ||
	    begins(text, len, "SIGQUIT: ") || begins(text, len, "SIGABRT: "))
		return FOLD_GO;
	return FOLD_PLAIN;
}

void fold_begin(struct fold *f, const char *text, size_t len, const struct line_info *info)
{
	*f = (struct fold) { .state = info->twofold ? FOLD_TWOFOLD : state_of(text, len),
			     .level = info->level,
			     .stamped = info->stamped };
}

/* The line without blanks before it that ends a traceback: `ValueError: no number`, `KeyError` */
static bool python_end(const char *text, size_t len)
{
	return level_exception(text, len) ||
	       (len && (isalpha((unsigned char)text[0]) || text[0] == '_') && memchr(text, ':', len));
}

static bool traceback(const char *text, size_t len)
{
	return begins(text, len, "Traceback (most recent call last)");
}

static bool in_trace(struct fold *f, const char *text, size_t len)
{
	switch (f->state) {
	case FOLD_PYTHON:
		if (blank_first(text, len))
			return true;
		f->state = FOLD_PLAIN;
		return python_end(text, len);
	case FOLD_GO:
		return blank_first(text, len) || follows_any(text, len, go_followers, ARRAY_LEN(go_followers)) ||
		       go_frame(text, len);
	case FOLD_CHAIN:
		f->state = !len ? FOLD_CHAIN : traceback(text, len) ? FOLD_PYTHON : FOLD_PLAIN;
		return f->state != FOLD_PLAIN;
	case FOLD_TWOFOLD:
		f->state = FOLD_PLAIN;
		return true;
	default:
		return blank_first(text, len) && len;
	}
}

bool fold_continues(struct fold *f, const char *text, size_t len, const struct line_info *info, bool same_call)
{
	if (info->stamped)
		return false;
	if (in_trace(f, text, len))
		return true;
	if (traceback(text, len) && (same_call || (f->stamped && f->level >= LEVEL_WARNING))) {
		f->state = FOLD_PYTHON;
		return true;
	}
	if (follows_any(text, len, chains, ARRAY_LEN(chains))) {
		f->state = FOLD_CHAIN;
		return true;
	}
	if (follows_any(text, len, followers, ARRAY_LEN(followers)) || closes(text, len))
		return true;
	/* log4j prints an exception below the line that tells of it */
	if (f->level >= LEVEL_WARNING && f->stamped && level_exception(text, len))
		return true;
	return same_call && f->stamped && len;
}
