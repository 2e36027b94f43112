/* SPDX-License-Identifier: Apache-2.0 */
/* saker doctor - what this host lets Saker observe, by which hook, and what is missing. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/doctor_on.h"
#include "probe/goprogram.h"

static const struct argp_option doctor_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ "pid", 'p', "PID", 0, "What the program of a process lets Saker tell of its goroutines", 0 },
	{ "on", 'i', "INTERFACE", 0, "What an interface lets packet functions do", 0 },
	{ "program", 'P', "FILE", 0, "Likewise of a program file", 0 },
	{ 0 },
};

struct doctor_args {
	bool json;
	const char *on;
	char program[4096]; /* empty: the host */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct doctor_args *a = state->input;

	if (key == 'j')
		a->json = true;
	else if (key == 'i')
		a->on = arg;
	else if (key == 'p')
		(void)snprintf(a->program, sizeof(a->program), "/proc/%.20s/exe", arg);
	else if (key == 'P')
		(void)snprintf(a->program, sizeof(a->program), "%s", arg);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static void host_json(struct buf *b, const struct doctor_host *h)
{
	buf_str(b, "\"kernel\":");
	buf_json(b, h->kernel, strlen(h->kernel));
	buf_printf(b, ",\"tested\":%s,\"cpus\":%u,\"btf\":%s,\"capabilities\":{\"bpf\":%s,\"perfmon\":%s}",
		   h->tested ? "true" : "false", h->cpus, h->btf ? "true" : "false", h->cap_bpf ? "true" : "false",
		   h->cap_perfmon ? "true" : "false");
}

static void finding_json(struct buf *b, const struct doctor_finding *f)
{
	size_t i;

	buf_str(b, "{\"probe\":");
	buf_json(b, f->probe, strlen(f->probe));
	buf_str(b, ",\"observation\":");
	buf_json(b, f->ladder->observation, strlen(f->ladder->observation));
	buf_printf(b, ",\"works\":%s,\"hook\":", f->rung ? "true" : "false");
	if (f->rung)
		buf_json(b, f->rung->hook, strlen(f->rung->hook));
	else
		buf_str(b, "null");
	buf_str(b, ",\"about\":");
	buf_json(b, f->ladder->about, strlen(f->ladder->about));
	buf_str(b, ",\"refused\":[");
	for (i = 0; i < f->refused; i++) {
		buf_str(b, i ? ",{\"hook\":" : "{\"hook\":");
		buf_json(b, f->ladder->rungs[i].hook, strlen(f->ladder->rungs[i].hook));
		buf_str(b, ",\"since\":");
		buf_json(b, f->ladder->rungs[i].since, strlen(f->ladder->rungs[i].since));
		buf_str(b, ",\"why\":");
		buf_json(b, f->why[i], strlen(f->why[i]));
		buf_char(b, '}');
	}
	buf_str(b, "]}");
}

static void report_json(const struct doctor_report *r)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	size_t i;

	buf_char(&b, '{');
	host_json(&b, &r->host);
	buf_str(&b, ",\"observations\":[");
	for (i = 0; i < r->count; i++) {
		if (i)
			buf_char(&b, ',');
		finding_json(&b, &r->findings[i]);
	}
	buf_str(&b, "]}");
	(void)puts(b.data ? b.data : "{}");
}

static void finding_text(const struct doctor_finding *f)
{
	size_t i;

	(void)printf("  %s  %-8s %-20s ", f->rung ? "ok" : "--", f->probe, f->ladder->observation);
	if (f->rung)
		(void)printf("%-34s %s\n", f->rung->hook, f->ladder->about);
	else
		(void)printf("not %s here: %s\n", f->ladder->cheaper ? "had" : "seen", f->ladder->without);
	for (i = 0; i < f->refused; i++)
		(void)printf("      not %s (since %s): %s\n", f->ladder->rungs[i].hook, f->ladder->rungs[i].since,
			     f->why[i]);
}

static void report_text(const struct doctor_report *r)
{
	size_t i;

	(void)printf("kernel %s%s, %u CPUs, BTF: %s\n", r->host.kernel, r->host.tested ? "" : " (untested)",
		     r->host.cpus,
		     r->host.btf ? "yes" : "no (CONFIG_DEBUG_INFO_BTF is missing: nothing can be attached)");
	if (!r->host.cap_bpf || !r->host.cap_perfmon)
		(void)printf("missing here:%s%s (run it with sudo)\n", r->host.cap_bpf ? "" : " CAP_BPF",
			     r->host.cap_perfmon ? "" : " CAP_PERFMON");
	for (i = 0; i < r->count; i++)
		finding_text(&r->findings[i]);
}

static void program_json(const char *path, bool go, const struct goprogram *p)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	buf_str(&b, "{\"program\":");
	buf_json(&b, path, strlen(path));
	buf_printf(&b, ",\"go\":%s,\"version\":", go ? "true" : "false");
	buf_json(&b, p->version, strlen(p->version));
	buf_printf(&b, ",\"goroutines\":%s,\"ready\":%s,\"why\":", p->tracked ? "true" : "false",
		   p->ready ? "true" : "false");
	buf_json(&b, p->tracked ? p->why_not_ready : p->why, strlen(p->tracked ? p->why_not_ready : p->why));
	buf_char(&b, '}');
	(void)puts(b.data ? b.data : "{}");
}

static void program_text(const char *path, bool go, const struct goprogram *p)
{
	if (!go)
		(void)printf("%s: no Go program: its events are its threads'\n", path);
	else if (!p->tracked)
		(void)printf("%s: %s: goroutines are not told apart: %s\n", path, p->version, p->why);
	else if (!p->ready)
		(void)printf("%s: %s: goroutines are told apart, but not which makes which run: %s\n", path, p->version,
			     p->why_not_ready);
	else
		(void)printf("%s: %s: goroutines are told apart, and which makes which run\n", path, p->version);
}

/* Of one program: exit status as for the host, 0: all can be seen. */
static int program_main(const struct doctor_args *a)
{
	CLEANUP_CLOSE int fd = open(a->program, O_RDONLY | O_CLOEXEC);
	char exe[1024];
	ssize_t n = readlink(a->program, exe, sizeof(exe) - 1);
	struct goprogram p;
	bool go;

	if (fd < 0) {
		(void)fprintf(stderr, "saker doctor: cannot open '%s': %s\n", a->program, strerror(errno));
		return CLI_FAILED;
	}
	exe[n < 0 ? 0 : n] = 0;
	go = goprogram_read_fd(fd, &p);
	(a->json ? program_json : program_text)(n < 0 ? a->program : exe, go, &p);
	return go && (!p.tracked || !p.ready) ? CLI_FAILED : CLI_OK;
}

static int doctor_main(int argc, char **argv)
{
	struct doctor_args a = { 0 };
	struct doctor_report *r;
	bool all;

	if (cli_parse(&cli_doctor, parse_option, argc, argv, 0, &a) != 0)
		return CLI_USAGE;
	if (a.on)
		return doctor_on(a.on, a.json);
	if (*a.program)
		return program_main(&a);
	r = doctor_look();
	if (!r) {
		(void)fputs("saker doctor: out of memory\n", stderr);
		return CLI_FAILED;
	}
	if (a.json)
		report_json(r);
	else
		report_text(r);
	all = r->working == r->count;
	free(r);
	return all ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_doctor = {
	.name = "doctor",
	.about = "what this host lets Saker observe, by which hook, and what is missing",
	.options = doctor_options,
	.run = doctor_main,
	.example = "sudo saker doctor",
};
