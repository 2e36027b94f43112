/* SPDX-License-Identifier: Apache-2.0 */
/* saker serve - recordings on a page in the browser. */
#include <argp.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/balancer_door.h"
#include "agent/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "serve/serve.h"

#define PATHS_MAX 64
#define LARGE_BYTES (128 * 1024)

enum { OPT_TOKEN = 256, OPT_OPEN, OPT_LIVE };

static const struct argp_option serve_options[] = {
	{ "listen", 'l', "ADDRESS:PORT", 0, "Where to listen (default: 127.0.0.1:7070, or the next port that is free)",
	  0 },
	{ "token", OPT_TOKEN, "TOKEN", 0, "The token that the address has (default: random)", 0 },
	{ "open", OPT_OPEN, NULL, 0, "Open the page in the browser", 0 },
	{ "live", OPT_LIVE, NULL, 0, "Follow recordings that grow", 0 },
	{ "balancer", 'b', "INTERFACE", OPTION_ARG_OPTIONAL,
	  "Show the balancer of this host, too; no recording is needed (root)", 0 },
	{ 0 },
};

struct serve_args {
	const char *paths[PATHS_MAX];
	struct cli_listen listen;
	struct serve_opts opts;
	bool open, balancer;
	const char *on; /* the only interface that is shown; "": all */
	struct door *door;
};

static void parse_listen(struct serve_args *a, const char *text, struct argp_state *state)
{
	if (!cli_listen(text, &a->listen))
		argp_error(state, "'%s' is no address to listen on (try 127.0.0.1:7070)", text);
	a->opts.address = a->listen.address[0] ? a->listen.address : NULL;
	a->opts.port_given = a->listen.port_given;
	if (a->listen.port_given)
		a->opts.port = a->listen.port;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct serve_args *a = state->input;

	switch (key) {
	case 'l':
		parse_listen(a, arg, state);
		return 0;
	case OPT_TOKEN:
		a->opts.token = arg;
		return 0;
	case OPT_OPEN:
		a->open = true;
		return 0;
	case OPT_LIVE:
		a->opts.live = true;
		return 0;
	case 'b':
		a->balancer = true;
		a->on = arg ? arg : "";
		return 0;
	case ARGP_KEY_ARG:
		if (a->opts.npaths == PATHS_MAX)
			argp_error(state, "more than %d recordings", PATHS_MAX);
		a->paths[a->opts.npaths++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->opts.npaths && !a->balancer)
			argp_error(state, "name a recording");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* sudo is not needed to look: with recordings of the user who called it, no root serves them. */
static int give_up_root(const struct serve_args *a, struct err *err)
{
	struct stat st;
	unsigned int i;
	uid_t uid;
	gid_t gid;

	child_invoker(&uid, &gid);
	for (i = 0; i < a->opts.npaths; i++)
		if (stat(a->paths[i], &st) < 0 || st.st_uid != uid)
			return 0;
	/* nobody's recordings need root, and what looks at the balancer has a process of its own */
	return child_give_up_root(!a->opts.npaths, err);
}

/* While there still is root. */
static int open_door(struct serve_args *a, struct err *err)
{
	int r;

	if (!a->balancer)
		return 0;
	if (geteuid())
		return err_set(err, EPERM, "--balancer needs root: only root may read what the balancer has counted");
	r = door_open(a->on, &a->door, err);
	a->opts.lb = door_ask;
	a->opts.lb_arg = a->door;
	return r;
}

/* The browser of whoever called; it tells itself why it cannot. */
static void open_browser(const char *url)
{
	pid_t pid = fork();

	if (pid)
		return;
	(void)signal(SIGINT, SIG_IGN);
	(void)execlp("xdg-open", "xdg-open", url, (char *)NULL);
	(void)fprintf(stderr, "saker serve: cannot run xdg-open: %s\n", strerror(errno));
	_exit(127);
}

/* Until one of the signals comes, which the threads of the server do not take. */
static void wait_for_end(const sigset_t *set)
{
	int sig;

	(void)sigwait(set, &sig);
}

static int serve_main(int argc, char **argv)
{
	struct serve_args a = { .opts = { .port = SERVE_PORT, .damage = cli_complain } };
	struct err err = ERR_INIT;
	struct serve *s = NULL;
	sigset_t set;
	int r;

	if (cli_parse(&cli_serve, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	a.opts.paths = a.paths;
	(void)mallopt(M_MMAP_THRESHOLD,
		      LARGE_BYTES); /* else it grows, and what was large and is gone stays with the heap */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	r = open_door(&a, &err);
	if (r >= 0)
		r = give_up_root(&a, &err);
	if (r >= 0)
		r = serve_start(&a.opts, &s, &err);
	if (r >= 0) {
		(void)puts(serve_url(s));
		(void)fflush(stdout);
		r = serve_loaded(s, &err);
	}
	if (r >= 0) {
		if (a.open)
			open_browser(serve_url(s));
		if (isatty(STDERR_FILENO))
			(void)fprintf(stderr, "Ctrl-C ends it\n");
		wait_for_end(&set);
	}
	serve_free(s);
	(void)door_close(a.door);
	if (r < 0)
		(void)fprintf(stderr, "saker serve: %s\n", err.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_serve = {
	.name = "serve",
	.about = "show recordings, and the balancer, on a page in the browser",
	.args_doc = "[RECORDING...]",
	.options = serve_options,
	.run = serve_main,
	.example = "saker serve rec",
};
