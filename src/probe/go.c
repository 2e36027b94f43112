/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/go.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/kernel.h"
#include "probe/probe.h"

extern const unsigned char bpf_go_data[];
extern const size_t bpf_go_size;

static const struct kernel_ladder go_ladders[] = {
	{ .observation = "goroutines",
	  .about = "goroutines that start others or end their wait",
	  .later = true,
	  .without = "the order between goroutines of one process",
	  .rungs = { { "go_ready", "uprobe:runtime.runqput", "5.15" } } },
};

const struct kernel_object probe_go = {
	.name = "go",
	.data = bpf_go_data,
	.size = &bpf_go_size,
	.ladders = go_ladders,
	.nladders = ARRAY_LEN(go_ladders),
};

int go_program_add(struct kernel *k, const struct go_file *file, const struct go_layout *layout, struct err *err)
{
	struct bpf_object *o = kernel_bpf(k, &probe_process);
	int map = o ? bpf_object__find_map_fd_by_name(o, "go_programs") : -ENOENT;

	if (map < 0 || bpf_map_update_elem(map, file, layout, BPF_ANY) < 0)
		return err_errno(err, map < 0 ? ENOENT : errno, "cannot tell the kernel side of a Go program");
	__atomic_add_fetch(&kernel_control(k)->go, 1, __ATOMIC_RELEASE);
	return 0;
}

struct bpf_link *go_ready_attach(struct kernel *k, const char *path, uint64_t place, struct err *err)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts);
	struct bpf_link *link;
	struct bpf_program *p;

	if (!kernel_bpf(k, &probe_go) && kernel_load(k, &probe_go, err) < 0)
		return NULL;
	p = bpf_object__find_program_by_name(kernel_bpf(k, &probe_go), "go_ready");
	link = p ? bpf_program__attach_uprobe_opts(p, -1, path, place, &opts) : NULL;
	if (!link)
		(void)err_errno(err, p ? errno : ENOENT, "cannot hook the run queue of '%s'", path);
	return link;
}

void go_ready_detach(struct bpf_link *link)
{
	if (link)
		(void)bpf_link__destroy(link);
}
