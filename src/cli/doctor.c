/* SPDX-License-Identifier: Apache-2.0 */
/* saker doctor - what this host lets Saker observe, by which hook, and what is missing. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/doctor.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/cli.h"

static const struct argp_option doctor_options[] = {
	{ "json", 'j', NULL, 0, "Print one JSON object", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
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
		(void)printf("not seen here: %s\n", f->ladder->without);
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

static int doctor_main(int argc, char **argv)
{
	struct doctor_report *r;
	bool json = false, all;

	if (cli_parse(&cli_doctor, parse_option, argc, argv, 0, &json) != 0)
		return CLI_USAGE;
	r = doctor_look();
	if (!r) {
		(void)fputs("saker doctor: out of memory\n", stderr);
		return CLI_FAILED;
	}
	if (json)
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
