/* SPDX-License-Identifier: Apache-2.0 */
/* traffic - the command: options, the scenario tables, and the processes of a run. */
#define _GNU_SOURCE 1
#include "traffic.h"

#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ACTORS 256

static const struct scenario *const tables[] = {
	tcp_scenarios, life_scenarios, writer_scenarios, dgram_scenarios, unix_scenarios, net_scenarios, long_scenarios,
};
static pid_t actors[MAX_ACTORS];
static unsigned n_actors;

void die(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "traffic: %s: %s\n", world && world->scenario ? world->scenario : "start", text);
	_exit(1);
}

void check(bool ok, const char *what)
{
	if (!ok)
		die("%s: %s", what, strerror(errno));
}

uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t x = a * 0x9e3779b97f4a7c15ull + b * 0xc2b2ae3d27d4eb4full + c * 0x165667b19e3779f9ull +
		     world->o.seed * 0xd6e8feb86659fd93ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void sem_take(sem_t *s)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 10;
	while (sem_timedwait(s, &limit))
		if (errno != EINTR)
			die("waited 10 s for another process in vain");
}

pid_t spawn(void (*fn)(void *arg), void *arg)
{
	pid_t pid;

	if (n_actors == MAX_ACTORS)
		die("more than %d processes of one parent", MAX_ACTORS);
	pid = fork();
	check(pid >= 0, "cannot fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		n_actors = 0;
		fn(arg);
		_exit(0);
	}
	actors[n_actors++] = pid;
	return pid;
}

static void kill_all(void)
{
	for (unsigned i = 0; i < n_actors; i++)
		if (actors[i])
			kill(actors[i], SIGKILL);
}

unsigned given(unsigned option, unsigned otherwise)
{
	return option ? option : otherwise;
}

void reap(void)
{
	bool failed = false;

	for (unsigned left = n_actors; left;) {
		int status;
		pid_t pid = wait(&status);

		if (pid < 0 && errno == EINTR)
			continue;
		check(pid > 0, "cannot wait for a process");
		for (unsigned i = 0; i < n_actors; i++) {
			if (actors[i] != pid)
				continue;
			actors[i] = 0;
			left--;
			if (status && !failed) {
				failed = true;
				kill_all();
			}
		}
	}
	n_actors = 0;
	if (failed)
		die("a process of the scenario failed");
}

struct worker {
	pthread_t thread;
	void (*fn)(void *arg, unsigned idx);
	void *arg;
	unsigned idx;
};

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	w->fn(w->arg, w->idx);
	return NULL;
}

static void worker_process(void *arg)
{
	worker_thread(arg);
}

void workers_run(unsigned n, bool processes, void (*fn)(void *arg, unsigned idx), void *arg)
{
	struct worker *w = calloc(n, sizeof(*w));

	check(w, "no memory");
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker) { .fn = fn, .arg = arg, .idx = i };
		if (processes)
			spawn(worker_process, &w[i]);
		else if (pthread_create(&w[i].thread, NULL, worker_thread, &w[i]))
			die("cannot make a thread");
	}
	if (processes)
		reap();
	for (unsigned i = 0; i < n && !processes; i++)
		pthread_join(w[i].thread, NULL);
	free(w);
}

void meet_middle(void)
{
	sem_post(&world->reached);
	while (sem_wait(&world->go) && errno == EINTR)
		;
}

void meet_announce(unsigned actors_waiting)
{
	char line[64];

	for (unsigned i = 0; i < actors_waiting; i++)
		sem_take(&world->reached);
	printf("ready");
	for (unsigned i = 0; i < n_actors; i++)
		printf(" %d", actors[i]);
	if (!n_actors)
		printf(" %d", getpid());
	printf("\n");
	fflush(stdout);
	alarm(0); /* a recorder takes its time to attach */
	if (!fgets(line, sizeof(line), stdin))
		clearerr(stdin);
	alarm(300);
	for (unsigned i = 0; i < actors_waiting; i++)
		sem_post(&world->go);
}

static void too_late(int sig)
{
	static const char text[] = "traffic: the run took longer than 60 s\n";

	(void)sig;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(2);
	kill_all();
	_exit(1);
}

static const struct scenario *scenario_next(unsigned *at)
{
	for (unsigned i = 0, n = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			if (n++ == *at) {
				++*at;
				return s;
			}
	return NULL;
}

static void list(void)
{
	const struct scenario *s;

	for (unsigned at = 0; (s = scenario_next(&at));)
		printf("%-16s %s%s\n", s->name, s->about, s->alone ? " [not in all]" : "");
	printf("%-16s %s\n", "all", "everything else, one after the other, into one truth");
}

/* What an earlier run left there would be taken for this one's */
static void clean(const char *dir)
{
	static const char *const files[] = { "truth.jsonl", "calls.jsonl",  "conns.jsonl",
					     "other.jsonl", "summary.json", "forks.jsonl" };
	char path[512];

	if (mkdir(dir, 0700) && errno != EEXIST)
		die("cannot make '%s': %s", dir, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		if (unlink(path) && errno != ENOENT)
			die("cannot remove '%s': %s", path, strerror(errno));
	}
}

static void run(const char *name)
{
	const struct scenario *s;
	bool found = false;

	clean(world->o.truth);
	signal(SIGALRM, too_late);
	signal(SIGPIPE, SIG_IGN);
	alarm(300);
	if (world->o.wait)
		meet_announce(0);
	for (unsigned at = 0; (s = scenario_next(&at));) {
		if (strcmp(name, s->name) && (strcmp(name, "all") || s->alone))
			continue;
		found = true;
		world->scenario = s->name;
		s->run(s);
	}
	if (!found)
		die("no scenario is called '%s'; 'traffic list' names them", name);
	world->scenario = name;
	join_write(world->o.truth);
}

enum {
	O_TRUTH = 256,
	O_CNS,
	O_SNS,
	O_LISTEN,
	O_DIAL,
	O_BIND,
	O_CONNS,
	O_MSGS,
	O_SIZE,
	O_CONC,
	O_SEED,
	O_PROCS,
	O_WAIT
};

static const struct argp_option options[] = {
	{ "truth", O_TRUTH, "DIR", 0, "where the truth goes (made if it is missing)", 0 },
	{ "connections", O_CONNS, "N", 0, "how many connections", 0 },
	{ "messages", O_MSGS, "N", 0, "messages of each connection or writer", 0 },
	{ "size", O_SIZE, "N", 0, "largest message, bytes", 0 },
	{ "concurrency", O_CONC, "N", 0, "connections at a time, 1..64", 0 },
	{ "seed", O_SEED, "N", 0, "sizes and shapes are drawn from it", 0 },
	{ "processes", O_PROCS, NULL, 0, "processes instead of threads", 0 },
	{ "wait", O_WAIT, NULL, 0, "print 'ready PID' and wait for a line before any traffic", 0 },
	{ "client-netns", O_CNS, "NAME", 0, "where the clients run", 0 },
	{ "server-netns", O_SNS, "NAME", 0, "where the servers run", 0 },
	{ "listen", O_LISTEN, "ADDR:PORT", 0, "netns, nat: where the server listens", 0 },
	{ "connect", O_DIAL, "ADDR:PORT", 0, "netns, nat: what the client connects to", 0 },
	{ 0 }
};

static unsigned number(struct argp_state *st, const char *text, unsigned max)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*rest || !n || n > max)
		argp_error(st, "'%s' is not a number from 1 to %u", text, max);
	return n;
}

static error_t parse_more(int key, char *arg, struct opts *o)
{
	switch (key) {
	case O_TRUTH:
		o->truth = arg;
		return 0;
	case O_CNS:
		o->client_netns = arg;
		return 0;
	case O_SNS:
		o->server_netns = arg;
		return 0;
	case O_LISTEN:
		o->listen = arg;
		return 0;
	case O_DIAL:
		o->dial = arg;
		return 0;
	case O_SEED:
		o->seed = strtoull(arg, NULL, 0);
		return 0;
	case O_PROCS:
		o->processes = true;
		return 0;
	case O_WAIT:
		o->wait = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

struct words {
	char *word[2];
	unsigned n;
};

static error_t parse(int key, char *arg, struct argp_state *st)
{
	struct opts *o = &world->o;
	struct words *words = st->input;

	switch (key) {
	case O_CONNS:
		o->connections = number(st, arg, MAX_STREAMS / 2);
		return 0;
	case O_MSGS:
		o->messages = number(st, arg, 10000000);
		return 0;
	case O_SIZE:
		o->size = number(st, arg, 1u << 30);
		return 0;
	case O_CONC:
		o->concurrency = number(st, arg, 64);
		return 0;
	case ARGP_KEY_ARG:
		if (words->n == 2)
			argp_usage(st);
		words->word[words->n++] = arg;
		return 0;
	default:
		return parse_more(key, arg, o);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "SCENARIO\ncheck DIR\nlist",
	.doc = "Real socket traffic that knows which send each received byte came from."
	       "\vExample: traffic tcp4 --concurrency 16 --truth /tmp/t && traffic check /tmp/t",
};

int main(int argc, char **argv)
{
	struct words words = { 0 };

	world_open();
	world->o.seed = 1;
	argp_parse(&argp, argc, argv, 0, NULL, &words);
	if (words.n && !strcmp(words.word[0], "list")) {
		list();
		return 0;
	}
	if (words.n == 2 && !strcmp(words.word[0], "check"))
		return check_dir(words.word[1]);
	if (words.n != 1)
		die("one scenario is needed; 'traffic list' names them");
	if (!world->o.truth)
		die("--truth DIR is needed");
	run(words.word[0]);
	return 0;
}
