/* SPDX-License-Identifier: Apache-2.0 */
/* saker apply, check, confirm - a whole wish of packet functions at once. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/apply_shadow.h"
#include "cli/cli.h"
#include "cli/lb.h"

#define CONFIRM_MAX_S 86400

struct apply_args {
	const char *file; /* NULL: what is kept */
	bool json;
	uint32_t confirm_s;
	struct apply_shadow shadow;
	bool shadow_said; /* something that --shadow only takes */
};

/* ---- reading a document ---- */

static void errors_text(const char *file, const struct wish_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->count; i++) {
		const struct wish_error *e = &errors->rows[i];

		if (e->line)
			(void)fprintf(stderr, "%s:%u: %s\n", file, e->line, e->text);
		else
			(void)fprintf(stderr, "%s: %s\n", file, e->text);
	}
}

static void errors_json(const char *file, const struct wish_errors *errors)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	size_t i;

	buf_str(&b, "{\"file\":");
	buf_json(&b, file, strlen(file));
	buf_printf(&b, ",\"right\":%s,\"errors\":[", errors->count ? "false" : "true");
	for (i = 0; i < errors->count; i++) {
		buf_printf(&b, "%s{\"line\":%u,\"text\":", i ? "," : "", errors->rows[i].line);
		buf_json(&b, errors->rows[i].text, strlen(errors->rows[i].text));
		buf_char(&b, '}');
	}
	buf_str(&b, "]}\n");
	(void)cli_put(&b, &err);
}

/* The document's wish; -EINVAL: its errors were told. */
static int document(const char *file, bool json, struct wish *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	CLEANUP(wish_errors_fini) struct wish_errors errors = { 0 };
	int r = lb_wish_read(file, &text, err);

	if (r < 0)
		return r;
	r = wish_read(text.data ? text.data : "", text.len, ret, &errors);
	if (json)
		errors_json(file, &errors);
	else
		errors_text(file, &errors);
	return r < 0 ? err_set(err, EINVAL, "'%s' has %zu error%s", file, errors.count, errors.count == 1 ? "" : "s")
		     : 0;
}

/* ---- apply ---- */

static int apply_one(const struct wish_if *f, const struct apply_args *a, struct err *err)
{
	struct balancer b;
	uint64_t began = clock_boot_ns();
	int r = balancer_open(&b, f->name, true, err);

	if (r < 0)
		return r;
	r = lb_wish_apply(&b, f, a->confirm_s, err);
	if (!r)
		(void)fprintf(stderr, "interface '%s': %zu VIPs, %s, applied in %.0f ms\n", f->name, f->nvips,
			      attach_mode_text(b.attach.mode), (double)(clock_boot_ns() - began) / 1e6);
	if (!r && a->confirm_s)
		(void)fprintf(stderr, "it is undone in %u s, unless you type: saker confirm %s\n", a->confirm_s,
			      f->name);
	balancer_close(&b);
	return r;
}

/* What was kept before a restart of the host. */
static int apply_kept(void *arg, const char *interface)
{
	const struct apply_args *a = arg;
	struct err err = ERR_INIT;
	struct balancer b;
	struct wish wish = { 0 };
	int r = balancer_open(&b, interface, true, &err);

	if (!r) {
		r = balancer_overdue(&b, &err);
		if (r > 0)
			(void)fwrite(b.said.data, b.said.len, 1, stderr);
		if (!r)
			r = balancer_wish(&b, &wish, &err);
		balancer_close(&b);
	}
	if (!r && wish.nifs)
		r = apply_one(&wish.ifs[0], a, &err);
	wish_fini(&wish);
	if (r < 0)
		(void)fprintf(stderr, "saker apply: %s\n", err.text);
	return r < 0 ? r : 0;
}

static int apply_document(const struct apply_args *a)
{
	CLEANUP(wish_fini) struct wish wish = { 0 };
	struct err err = ERR_INIT;
	size_t i;
	int r = document(a->file, false, &wish, &err);

	for (i = 0; i < wish.nifs && !r; i++) {
		r = apply_one(&wish.ifs[i], a, &err);
		if (r < 0 && i)
			(void)fprintf(stderr, "saker apply: %zu of %zu interfaces were changed before this one\n", i,
				      wish.nifs);
	}
	if (r < 0)
		(void)fprintf(stderr, "saker apply: %s\n", err.text);
	return r;
}

static int shadow_document(const struct apply_args *a)
{
	CLEANUP(wish_fini) struct wish wish = { 0 };
	struct err err = ERR_INIT;
	int r = document(a->file, false, &wish, &err);

	if (!r && wish.nifs != 1)
		r = err_set(&err, EINVAL, "--shadow looks at one interface, and '%s' is of %zu", a->file, wish.nifs);
	if (!r)
		r = apply_shadow(&wish.ifs[0], &a->shadow, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker apply: %s\n", err.text);
	return r;
}

static const struct argp_option apply_options[] = {
	{ "confirm", 'c', "SECONDS", 0, "Undo it after this time, unless `saker confirm` comes before", 0 },
	{ "shadow", 's', NULL, 0, "Change nothing: count what it would do with the packets that pass", 0 },
	{ "for", 'f', "SECONDS", 0, "With --shadow: for so long; else until it is ended", 0 },
	{ "one-in", 'n', "N", 0, "With --shadow: look at 1 in N packets (100)", 0 },
	{ "json", 'j', NULL, 0, "With --shadow: print one JSON object", 0 },
	{ 0 },
};

static void parse_one_in(const char *arg, struct apply_args *a, struct argp_state *state)
{
	uint64_t n;

	if (parse_number(arg, &n) < 0 || !n || n > UINT32_MAX)
		argp_error(state, "--one-in wants a number from 1 on, not '%s'", arg);
	a->shadow.one_in = (uint32_t)n;
}

static void check_apply(const struct apply_args *a, struct argp_state *state)
{
	if (a->shadow_said && !a->shadow.on)
		argp_error(state, "--for, --one-in and --json are for --shadow");
	if (a->shadow.on && a->confirm_s)
		argp_error(state, "--shadow changes nothing that could be confirmed");
	if (a->shadow.on && !a->file)
		argp_error(state, "say which document --shadow is to look at");
}

static error_t parse_apply(int key, char *arg, struct argp_state *state)
{
	struct apply_args *a = state->input;
	uint64_t ns;

	a->shadow_said = a->shadow_said || key == 'f' || key == 'n' || key == 'j';
	switch (key) {
	case 'c':
		if (parse_duration(arg, &ns) < 0 || ns < NS_PER_SEC || ns / NS_PER_SEC > CONFIRM_MAX_S)
			argp_error(state, "--confirm wants a time from 1 s to a day, not '%s'", arg);
		a->confirm_s = (uint32_t)(ns / NS_PER_SEC);
		return 0;
	case 's':
		a->shadow.on = true;
		return 0;
	case 'f':
		if (parse_duration(arg, &a->shadow.for_ns) < 0 || !a->shadow.for_ns)
			argp_error(state, "--for wants a time, not '%s'", arg);
		return 0;
	case 'n':
		parse_one_in(arg, a, state);
		return 0;
	case 'j':
		a->shadow.json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(state, "one document at a time");
		a->file = arg;
		return 0;
	case ARGP_KEY_END:
		check_apply(a, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int apply_main(int argc, char **argv)
{
	struct apply_args a = { .shadow.one_in = SHADOW_ONE_IN };
	struct err err = ERR_INIT;

	if (cli_parse(&cli_apply, parse_apply, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	if (balancer_may(true, &err) < 0) {
		(void)fprintf(stderr, "saker apply: %s\n", err.text);
		return CLI_FAILED;
	}
	if (a.shadow.on)
		return shadow_document(&a) < 0 ? CLI_FAILED : CLI_OK;
	return (a.file ? apply_document(&a) : balancer_each(apply_kept, &a)) < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- check ---- */

static const struct argp_option check_options[] = {
	{ "json", 'j', NULL, 0, "Print the errors as one JSON object", 0 },
	{ 0 },
};

static error_t parse_check(int key, char *arg, struct argp_state *state)
{
	struct apply_args *a = state->input;

	if (key == 'j')
		a->json = true;
	else if (key == ARGP_KEY_ARG && !a->file)
		a->file = arg;
	else if (key == ARGP_KEY_END && !a->file)
		argp_error(state, "say which document");
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int check_main(int argc, char **argv)
{
	struct apply_args a = { 0 };
	CLEANUP(wish_fini) struct wish wish = { 0 };
	struct err err = ERR_INIT;
	int r;

	if (cli_parse(&cli_check, parse_check, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	r = document(a.file, a.json, &wish, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker check: %s\n", err.text);
	else if (!a.json)
		(void)fprintf(stderr, "'%s' is right: %zu interface%s\n", a.file, wish.nifs, wish.nifs == 1 ? "" : "s");
	return r < 0 ? CLI_FAILED : CLI_OK;
}

/* ---- confirm ---- */

static error_t parse_confirm(int key, char *arg, struct argp_state *state)
{
	struct apply_args *a = state->input;

	(void)state;
	if (key != ARGP_KEY_ARG || a->file)
		return ARGP_ERR_UNKNOWN;
	a->file = arg;
	return 0;
}

static int confirm_one(void *arg, const char *interface)
{
	struct err err = ERR_INIT;
	struct balancer b;
	unsigned *confirmed = arg;
	int r = balancer_open(&b, interface, true, &err);

	if (!r) {
		r = balancer_confirm(&b, &err);
		balancer_close(&b);
	}
	if (!r) {
		(*confirmed)++;
		(void)fprintf(stderr, "interface '%s': confirmed\n", interface);
	} else if (r != -ENOENT) {
		(void)fprintf(stderr, "saker confirm: %s\n", err.text);
		return r;
	}
	return 0;
}

static int confirm_main(int argc, char **argv)
{
	struct apply_args a = { 0 };
	struct err err = ERR_INIT;
	unsigned confirmed = 0;
	int r;

	if (cli_parse(&cli_confirm, parse_confirm, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	r = balancer_may(true, &err);
	if (r < 0)
		(void)fprintf(stderr, "saker confirm: %s\n", err.text);
	else
		r = a.file ? confirm_one(&confirmed, a.file) : balancer_each(confirm_one, &confirmed);
	if (!r && !confirmed)
		(void)fputs("saker confirm: no change waits to be confirmed\n", stderr);
	return r < 0 || !confirmed ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_apply = {
	.name = "apply",
	.about = "make a wish of packet functions run, as a whole",
	.args_doc = "[FILE|-]",
	.options = apply_options,
	.run = apply_main,
	.example = "sudo saker apply lb.yaml --confirm 30",
};

const struct cli_command cli_check = {
	.name = "check",
	.about = "what is wrong with a wish, with its lines",
	.args_doc = "FILE|-",
	.options = check_options,
	.run = check_main,
	.example = "saker check lb.yaml",
};

static const struct argp_option confirm_options[] = { { 0 } };

const struct cli_command cli_confirm = {
	.name = "confirm",
	.about = "keep what was applied with --confirm",
	.args_doc = "[INTERFACE]",
	.options = confirm_options,
	.run = confirm_main,
	.example = "sudo saker confirm eth0",
};
