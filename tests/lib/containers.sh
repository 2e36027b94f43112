# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# containers.sh - containers of crun and podman without images or a registry; to be sourced.
#
#	container_root DIR		a root file system of busybox
#	container_crun ARGS...		crun
#	container_bundle DIR ROOT COMMAND...	an OCI bundle that runs the command in ROOT
#	container_podman DIR ARGS...	podman with all that it keeps below DIR
#
# crun refuses where control groups of version 1 and 2 are mounted both (hybrid) and version 2 has a controller: it is
# shown version 1 alone then, by a mount namespace of its own. Limits that need CAP_SYS_RESOURCE are not asked for.

container_root() {
	local name
	mkdir -p "$1"/{bin,proc,sys,dev,tmp,etc,run}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for name in sh sleep nc cat true; do
		ln -sf busybox "$1/bin/$name"
	done
}

# container_run COMMAND...
container_run() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m bash -c '
		mount --make-rprivate /
		for dir in $(awk "\$3 == \"cgroup2\" && \$2 != \"/sys/fs/cgroup\" { print \$2 }" /proc/mounts); do
			umount -l "$dir"
		done
		exec "$@"' container_run "$@"
}

container_crun() { container_run crun "$@"; }

container_podman() {
	local dir=$1
	shift
	container_run podman --cgroup-manager cgroupfs --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" "$@"
}

container_bundle() {
	local dir=$1 root=$2
	shift 2
	mkdir -p "$dir"
	(cd "$dir" && rm -f config.json && crun spec)
	jq --arg root "$root" '.root = {path: $root, readonly: true} | .process.terminal = false | .process.rlimits = []
		| .process.args = $ARGS.positional' "$dir/config.json" --args -- "$@" >"$dir/config"
	mv "$dir/config" "$dir/config.json"
}
