#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 150
#
# Containers of crun and podman: selected by name, also when they are started again or made anew under the name; named in
# the events, in queries and in the story; process ids and paths as they are inside.  Units: by groups of systemd's form.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
# shellcheck source=tests/lib/cgroups.sh
. "$here/lib/cgroups.sh"
# shellcheck source=tests/lib/containers.sh
. "$here/lib/containers.sh"

tag=sk$$
crun_names=()
groups=()
# in a container: programs one after another until it is ended
LOOP='while :; do echo said MARK; /bin/true MARK; /bin/sleep 0.05; done'

# podman's monitors write below its folder until they end
no_monitor() { ! pgrep -f "conmon .*$WORK/pod"; }

e2e_clean() {
	local name dir
	for name in "${crun_names[@]}"; do
		container_crun delete -f "$name" 2>/dev/null
	done
	[ ! -d pod ] || container_podman "$WORK/pod" rm -a -f -t 0
	wait_for 10 no_monitor
	for dir in "${groups[@]}"; do
		cgroup_del "$dir"
	done
} >/dev/null 2>&1

finish() {
	kill -INT $RECORDER
	wait $RECORDER
	"$SAKER" show --json rec >events
}

# ran PID: it has had children that ended
ran() { [ "$(awk '{ print $2 }' "/proc/$1/schedstat" 2>/dev/null)" -gt 0 ] && [ "$(awk '/^NSpid/ { print $NF }' "/proc/$1/status")" = 1 ]; }

# count QUERY: events
count() { "$SAKER" show --json rec "$1" | wc -l; }

# seen MARK: it was run by a recorded process
seen() { jq -es --arg mark "/bin/true $1" 'any(.[]; .type == "exec" and .args == $mark)' events; }

# names LABEL NAME ID RUNTIME PID COMM: what the recording must say of a container and its first process
names() {
	local label=$1 name=$2 id=$3 runtime=$4 pid=$5
	equal "$label: its name, id and runtime" \
		"$(jq -r --arg id "$id" 'select(.type == "container" and .id == $id) | [.name, .runtime] | join(" ")' events | head -n 1)" \
		"$name $runtime"
	equal "$label: its network has its name" "$(jq -r --arg name "$name" 'select(.type == "netns" and .name == $name) | .name' events | head -n 1)" "$name"
	equal "$label: its first process is 1 inside" \
		"$(jq -r --argjson pid "$pid" 'select(.type == "inside" and .tgid == $pid) | .pid' events | head -n 1)" 1
	equal "$label: it runs what it calls /bin/busybox" \
		"$(jq -r --argjson pid "$pid" 'select((.type == "process" or .type == "exec") and .tgid == $pid) | .exe' events | grep -c 'bin/\(busybox\|sh\)$')" \
		"$(jq -r --argjson pid "$pid" 'select((.type == "process" or .type == "exec") and .tgid == $pid and .comm != "crun") | .exe' events | wc -l)"
	ok "$label: container=$name finds it" test "$(count "container=$name and pid=$pid")" -gt 0
	equal "$label: host=$name finds the same" "$(count "host=$name and pid=$pid")" "$(count "container=$name and pid=$pid")"
}

# crun_start NAME MARK: sets PID
crun_start() {
	crun_names+=("$1")
	container_bundle "bundle-$1" "$WORK/root" /bin/sh -c "${LOOP//MARK/$2}"
	container_crun run -d --bundle "bundle-$1" --pid-file "$WORK/pid" "$1" </dev/null >/dev/null 2>crun.err || cat crun.err
	PID=$(cat pid)
}

check_crun() {
	local name=$tag-crun first second
	crun_start "$name" first
	first=$PID
	e2e_record --container "$name"
	wait_for 20 saw first
	crun_start "$name-other" other
	wait_for 20 ran "$PID"
	container_crun delete -f "$name-other"
	container_crun delete -f "$name"
	crun_start "$name" second
	second=$PID
	wait_for 20 saw second
	finish
	fails 'crun: nothing of one with a longer name' seen other
	names 'crun' "$name" "$name" crun "$first"
	ok 'crun: it is recorded' seen first
	equal 'crun: who ended it from outside is not in it' "$(count "process=crun and sig=SIGKILL and container")" 0
	ok 'crun: who ended it is recorded' test "$(count 'process=crun and sig=SIGKILL')" -gt 0
	ok 'crun: and when it is started again' seen second
	ok 'crun: the story says who ended it' grep -Eq "sent SIGKILL to sh\[$first\] on $name" <("$SAKER" story rec)
	# but for what is said of it on its way into the control groups
	equal 'crun: the second start has its name' "$(count "pid=$second and not type=process|inside")" \
		"$(count "pid=$second and not type=process|inside and container=$name")"
	container_crun delete -f "$name"
}

# saw MARK: while recording; a recording can be read as it grows
saw() { "$SAKER" show --json rec 'type=exec' 2>/dev/null | grep -q "/bin/true $1\""; }

podman_run() {
	container_podman "$WORK/pod" run -d --name "$1" --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --network none \
		--rootfs "$WORK/root" /bin/sh -c "${LOOP//MARK/$2}"
}

podman_pid() { container_podman "$WORK/pod" inspect -f '{{.State.Pid}}' "$1"; }

check_podman() {
	local name=$tag-pod id first again new
	id=$(podman_run "$name" first)
	first=$(podman_pid "$name")
	e2e_record --container "$name"
	wait_for 20 saw first
	container_podman "$WORK/pod" restart -t 0 "$name" >/dev/null
	again=$(podman_pid "$name")
	wait_for 20 eval "\"\$SAKER\" show --json rec 'pid=$again and type=fork' 2>/dev/null | grep -q fork"
	container_podman "$WORK/pod" rm -f -t 0 "$name" >/dev/null
	podman_run "$tag-stranger" stranger >/dev/null
	new=$(podman_run "$name" new)
	wait_for 20 saw new
	finish
	names 'podman' "$name" "$id" podman "$first"
	equal 'podman: a line that it wrote, in its words' \
		"$("$SAKER" show --json rec "container=$name and type=log and text~first" | jq -r .text | sort -u)" 'said first'
	ok 'podman: an export has its name' grep -q "$name" <("$SAKER" export chrome rec)
	ok 'podman: it is recorded when it is started again' test "$(count "container=$name and pid=$again and type=fork")" -gt 0
	ok 'podman: and when it is made anew' seen new
	equal 'podman: the new one has its name' \
		"$(jq -r --arg id "$new" 'select(.type == "container" and .id == $id) | .name' events | head -n 1)" "$name"
	fails 'podman: nothing of another container' seen stranger
	equal 'podman: who ends with its first process is no news' "$("$SAKER" story rec | grep -c 'which the kernel sent it')" 0
	ok 'podman: the story says who died where' grep -Eq "SIGKILL to sh\[$first\] on $name, which died of it" <("$SAKER" story rec)
}

# units: processes in groups as systemd makes them
check_units() {
	local top group pid
	top=$(cgroup_v2)
	[ -n "$top" ] || { skip 'units' 'no cgroup of version 2'; return; }
	group=$top/$tag.slice/$tag-web.service
	mkdir -p "$group/below"
	groups=("$group/below" "$group" "$top/$tag.slice")
	sh -c 'while [ ! -e go ]; do /bin/sleep 0.05; done; /bin/true unit; :' &
	pid=$!
	e2e_kill_later $pid
	echo "$pid" >"$group/below/cgroup.procs"
	e2e_record --unit "$tag-web"
	: >go
	wait $pid
	finish
	ok 'unit: it is recorded' seen unit
	equal 'unit: unit= finds all that its process did' "$(count "unit=$tag-web.service and pid=$pid")" "$(count "pid=$pid")"
	equal 'unit: it is no container' "$(count "container and pid=$pid")" 0
	ok 'unit: its path' test "$(count "cgroup_path=/$tag.slice/$tag-web.service/below")" -gt 0
}

e2e_begin
container_root "$WORK/root"
check_units
if container_bundle try "$WORK/root" /bin/true && container_crun run --bundle try "$tag-try" >try.log 2>&1 </dev/null; then
	check_crun
else
	skip 'crun' "it cannot run a container here: $(tail -n 1 try.log)"
fi
if container_podman "$WORK/pod" run --rm --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --network none \
	--rootfs "$WORK/root" /bin/true >try.log 2>&1; then
	check_podman
else
	skip 'podman' "it cannot run a container here: $(tail -n 1 try.log)"
fi
e2e_end
