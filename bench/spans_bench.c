/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans_bench - how many bytes a stored span takes, and how long it takes to put one request together again.
 *
 * usage: spans_bench [SPANS [DIR]]	(1000000, a folder of its own in /var/tmp)
 * smoke: 20000
 *
 * Made-up requests of 1, 2 and 7 spans are stored.  Each reading is done by a process of its own, which begins with the opening
 * of the file (bench run with `--read`); "whole process" is what the shell would wait for, the loading of the program with it.
 * The last lines are rows of a Markdown table.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "explain/spans_db.h"
#include "explain/spans_testing.h"

#define RUNS 11

static double seconds(void)
{
	return (double)clock_boot_ns() / 1e9;
}

static int counted(void *arg, const struct spans_db_row *row)
{
	*(unsigned int *)arg += row->spans != 0;
	return 0;
}

/* In a process of its own: `trace HIGH LOW`, `slowest`, or `all`. */
static int read_one(char **argv)
{
	struct spans_db_filter f = { .sort = SPANS_BY_DURATION, .descending = true, .limit = 20 };
	struct err err = ERR_INIT;
	struct spans_db *db = NULL;
	struct spans s = { 0 };
	unsigned int rows = 0;
	int r = spans_db_open(argv[0], NULL, &db, &err);

	if (r >= 0 && !strcmp(argv[1], "trace"))
		r = spans_db_trace(db, (uint64_t[]) { strtoull(argv[2], NULL, 16), strtoull(argv[3], NULL, 16) }, &s,
				   NULL, &err);
	else if (r >= 0 && !strcmp(argv[1], "slowest"))
		r = spans_db_list(db, &f, counted, &rows, &err);
	else if (r >= 0)
		r = spans_db_all(db, &s, NULL, &err);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.text);
	spans_fini(&s);
	spans_db_close(db);
	return r < 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median of processes, in ms; below 0: one failed. */
static double processes(const char *program, const char *dir, const char *what, const struct spans *s)
{
	double ms[RUNS];
	int i, status;

	for (i = 0; i < RUNS; i++) {
		const struct span *root = &s->rows[s->traces[(size_t)i * s->ntraces / RUNS].root];
		char high[20], low[20];
		char *words[] = { (char *)(uintptr_t)program,
				  (char *)(uintptr_t) "--read",
				  (char *)(uintptr_t)dir,
				  (char *)(uintptr_t)what,
				  high,
				  low,
				  NULL };
		double begin;
		pid_t pid;

		(void)snprintf(high, sizeof(high), "%llx", (unsigned long long)root->trace[0]);
		(void)snprintf(low, sizeof(low), "%llx", (unsigned long long)root->trace[1]);
		begin = seconds();
		if (posix_spawn(&pid, program, NULL, NULL, words, environ) || waitpid(pid, &status, 0) != pid || status)
			return -1;
		ms[i] = (seconds() - begin) * 1e3;
	}
	qsort(ms, RUNS, sizeof(ms[0]), compare);
	return ms[RUNS / 2];
}

static int run(const char *program, const char *dir, size_t spans, size_t each)
{
	struct spans_db_about about = { .key = "bench" };
	CLEANUP_FREE char *path = NULL;
	struct err err = ERR_INIT;
	struct made m;
	struct stat st;
	double begin, written, trace, slowest, all;

	made_requests(&m, spans / each, each);
	begin = seconds();
	if (asprintf(&path, "%s/" SPANS_DB_NAME, dir) < 0 || spans_db_write(dir, &m.s, &about, &err) < 0 ||
	    stat(path, &st)) {
		(void)fprintf(stderr, "spans_bench: %s\n", err.text);
		return 1;
	}
	written = seconds() - begin;
	trace = processes(program, dir, "trace", &m.s);
	slowest = processes(program, dir, "slowest", &m.s);
	all = processes(program, dir, "all", &m.s);
	printf("| %zu spans stored, %zu a request | %.1f bytes a span | 80 | %.2f s to write |\n", m.s.count, each,
	       (double)st.st_size / (double)m.s.count, written);
	printf("| one request of %zu spans put together | %.1f ms | 50 ms | whole process; the 20 slowest %.1f ms, all "
	       "spans %.0f ms |\n",
	       m.s.count, trace, slowest, all);
	spans_fini(&m.s);
	(void)unlink(path);
	return trace < 0 || slowest < 0 || all < 0;
}

int main(int argc, char **argv)
{
	static const size_t each[] = { 7, 2, 1 };
	size_t spans = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, i;
	char made[] = "/var/tmp/saker-spans-XXXXXX";
	const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
	int failed = 0;

	if (argc > 3 && !strcmp(argv[1], "--read"))
		return read_one(argv + 2);
	if (!dir || spans < 100) {
		(void)fprintf(stderr, "usage: spans_bench [SPANS [DIR]]\n");
		return 2;
	}
	for (i = 0; i < ARRAY_LEN(each) && !failed; i++)
		failed = run(argv[0], dir, spans, each[i]);
	if (argc <= 2)
		(void)rmdir(dir);
	return failed;
}
