#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh - runs a command under another kernel of Debian, in an emulated machine that sees this one's files.
#
#	guest.sh kernel SERIES		prints the folder of Debian's newest kernel of that series (6.1, 6.12), which is
#					downloaded into $SAKER_KERNELS if it is not there yet (default: build/kernels)
#	guest.sh run [OPTION...] KERNEL OUT SECONDS COMMAND...
#					boots it; the command runs as root, and writes its results to OUT
#
#	--name NAME		the guest's host name (default: guest); its machine-id follows from it
#	--systemd UNITS		the first program is systemd, which also knows the units in the folder UNITS, and no others
#				but the journal's
#	--qemu 'ARGUMENT...'	further arguments for the emulator
#
# SECONDS are those of CPU time that the emulator may work.  It is ended as well when it did next to nothing for
# IDLE_SECONDS.  Neither depends on how busy this machine is.  OUT/ended says why; OUT/processes which processes the guest had
# last and in which function of the kernel each slept.
#
# no_timer_check: at boot Linux looks whether its timer ticks, and panics if it did not, which is so where the emulator has
# to wait for a CPU.
#
# A kernel that gives up outside of any BPF program is booted once more, which is said: the emulation of several CPUs has faults of
# its own.
#
# The emulator yields to all others (nice 19, or $SAKER_GUEST_NICE); with $SAKER_GUEST_IDLE it has only what nobody else wants, and
# gives a CPU back at once (SCHED_IDLE).
#
# The guest's root is this machine's, read only by 9p, under a file system in memory that takes what is written;
# only OUT, there /mnt, is really written to. Its console goes to OUT/console. Emulation (TCG): correct, but slow.
set -eu
trap 'exit 143' INT TERM HUP

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SAKER_KERNELS:-${here%/tests/lib}/build/kernels}
name=guest units='' qemu=''
IDLE_SECONDS=400

die() { echo "guest.sh: $*" >&2; exit 1; }

# --- kernels ---

pattern() {
	case $1 in
	6.1) echo '^linux-image-6\.1\.0-[0-9]+-amd64$' ;;
	6.12) echo '^linux-image-6\.12\.[0-9]+\+deb12-amd64$' ;;
	*) die "no kernel series is called '$1'" ;;
	esac
}

# newest SERIES: the package's name, or nothing
newest() {
	apt-cache --names-only search "$(pattern "$1")" | awk '{ print $1 }' | sort -V | tail -n 1
}

# download PACKAGE: whole, or not at all
download() {
	local new=$cache/.new-$$ file
	rm -rf "$new"
	mkdir -p "$new"
	if ! (cd "$new" && apt-get -qq -o APT::Sandbox::User=root download "$1") >&2; then
		rm -rf "$new"
		return 1
	fi
	for file in "$new"/*.deb; do
		dpkg -x "$file" "$new"
		rm "$file"
	done
	(cd "$new/lib/modules"/*/kernel && rm -rf sound drivers/{gpu,hwmon,iio,infiniband,media,scsi,staging} \
		drivers/net/{ethernet,wireless}) # half a gigabyte that no guest needs
	depmod -b "$new" "$(ls "$new/lib/modules")"
	mv "$new" "$cache/$1"
}

# Without a network one that was downloaded before does
kernel() {
	local package there
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	package=$(newest "$1")
	if [ -z "$package" ] && is_root; then
		apt-get -qq update >&2 || true
		package=$(newest "$1")
	fi
	if [ -n "$package" ] && [ ! -d "$cache/$package" ]; then
		download "$package" || { apt-get -qq update >&2 && package=$(newest "$1") && download "$package"; } || true
	fi
	there=$(find "$cache" -mindepth 1 -maxdepth 1 -type d -name 'linux-image-*' -printf '%f\n' |
		grep -E "$(pattern "$1")" | sort -V | tail -n 1 || true)
	[ -n "$there" ] || die "no package of Linux $1: neither from apt nor in $cache"
	echo "$cache/$there"
}

is_root() { [ "$(id -u)" = 0 ]; }

# --- the guest ---

# early DIR: the modules that the root needs before it is there, in the order of need
early() {
	local module
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$1" -S "$(ls "$1/lib/modules")" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# The first program in the guest: makes the root and goes there
init_script() {
	cat <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
mkdir /below /above
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro root /below
mount -t tmpfs memory /above
mkdir /above/new /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/new,workdir=/above/work overlay /root
for dir in proc sys dev; do mount --move /$dir /root/$dir; done
mount -t tmpfs run /root/run
mount -t tmpfs tmp /root/tmp
chmod 1777 /root/tmp
mkdir -p /root/mnt
rm -f /root/.dockerenv
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /root/mnt
. /settings
mkdir -p /root/usr/lib/modules
ln -s "$modules" "/root/usr/lib/modules/${modules##*/}"
hostname "$name"
echo "$name" >/root/etc/hostname
echo -n "$name" | md5sum | cut -c 1-32 >/root/etc/machine-id
ip link set lo up
mkdir -p /root/run/guest
cp /second /command /root/run/guest
if [ -d /units ]; then
	rm -rf /root/etc/systemd/system /root/run/systemd
	mv /units /root/etc/systemd/system
	exec switch_root /root /lib/systemd/systemd --unit=guest.target --show-status=no
fi
exec switch_root /root /bin/bash /run/guest/second first
END
}

# What comes after it, under the root: as process 1, or as systemd's guest.service
second_script() {
	cat <<'END'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
if [ "${1-}" = first ]; then
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs shm /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t tracefs tracefs /sys/kernel/tracing
	mount -t bpf bpf /sys/fs/bpf
fi
while sleep 30; do
	{ cat /proc/uptime; ps --ppid 2 -p 2 -N -o pid,ppid,stat,wchan:24,time,args; } >/mnt/processes.new
	mv /mnt/processes.new /mnt/processes
done >/dev/null 2>&1 </dev/null &
cd /
/bin/bash /run/guest/command </dev/null >/mnt/output 2>&1
echo $? >/mnt/status
sync
busybox poweroff -f
END
}

# The few units that a guest has with systemd as its first program
unit_files() {
	cat >"$1/guest.target" <<'END'
[Unit]
Requires=guest.service systemd-journald.service
END
	cat >"$1/guest.service" <<'END'
[Unit]
DefaultDependencies=no
Requires=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
After=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
[Service]
ExecStart=/bin/bash /run/guest/second
StandardOutput=null
StandardError=null
TimeoutStopSec=5
END
}

# build_initramfs KERNEL FILE COMMAND
build_initramfs() {
	local place=$2.d file n=10
	mkdir -p "$place"/{bin,proc,sys,dev,root,modules}
	cp "$(command -v busybox)" "$place/bin/busybox"
	for file in $(early "$1"); do
		n=$((n + 1))
		case $file in
		*.xz) xz -dc "$file" >"$place/modules/$n.ko" ;;
		*) cp "$file" "$place/modules/$n.ko" ;;
		esac
	done
	init_script >"$place/init"
	chmod 755 "$place/init"
	second_script >"$place/second"
	echo "$3" >"$place/command"
	printf 'modules=%q\nname=%q\n' "$(echo "$1"/lib/modules/*)" "$name" >"$place/settings"
	if [ -n "$units" ]; then
		cp -r "$units" "$place/units"
		unit_files "$place/units"
	fi
	(cd "$place" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$2"
	rm -rf "$place"
}

# worked PID: hundredths of a second of CPU time that it has had, and those that it had to wait for a CPU
worked() {
	local line delay
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return
	# shellcheck disable=SC2086
	set -- "$1" ${line##*) }
	delay=$(cat "/proc/$1"/task/*/schedstat 2>/dev/null | awk '{ d += $2 } END { printf "%d", d / 1e7 }')
	echo $((${13} + ${14})) "$delay"
}

# watch PID SECONDS FILE: see SECONDS above; why it was ended is in FILE
watch() {
	local pid=$1 seconds=$2 file=$3 rounds=0 cpu delay before=0
	while sleep 5 && read -r cpu delay < <(worked "$pid"); do
		rounds=$((rounds + 1))
		if [ "$cpu" -gt $((100 * seconds)) ]; then
			echo "it worked for $seconds s of CPU time and did not come to its end" >"$file"
		elif [ $((5 * rounds)) -ge $IDLE_SECONDS ]; then
			[ $((cpu + delay - before)) -ge $((15 * IDLE_SECONDS)) ] ||
				echo "it did next to nothing for $IDLE_SECONDS s" >"$file"
			rounds=0 before=$((cpu + delay))
		fi
		if [ -e "$file" ]; then
			kill "$pid"
			return
		fi
	done
}

# boot KERNEL OUT SECONDS: once, until it ends or is ended
boot() {
	local dir=$1 out=$2 emulator last=(nice -n "${SAKER_GUEST_NICE:-19}")
	[ -z "${SAKER_GUEST_IDLE-}" ] || last=(chrt --idle 0 "${last[@]}")
	# shellcheck disable=SC2086
	"${last[@]}" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 2 -m 3G \
		-nodefaults -no-reboot -display none -serial stdio -monitor none \
		-kernel "$dir"/boot/vmlinuz-* -initrd "$out/initramfs" -append "console=ttyS0 quiet panic=-1 no_timer_check" \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=root \
		-fsdev local,id=out,path="$out",security_model=none -device virtio-9p-pci,fsdev=out,mount_tag=out \
		$qemu </dev/null >"$out/console" 2>&1 &
	emulator=$!
	watch $emulator "$3" "$out/ended" &
	# shellcheck disable=SC2064
	trap "kill $emulator $! 2>/dev/null || true" EXIT
	wait $emulator || true
	kill $! 2>/dev/null || true
	trap - EXIT
}

# gave_up CONSOLE: its kernel did, and no BPF program stands in what it says of that
gave_up() {
	grep -aq 'Kernel panic' "$1" && ! grep -aq 'bpf_prog_\|bpf_trampoline_' "$1"
}

run() {
	local dir=$1 out=$2 seconds=$3
	shift 3
	rm -f "$out/status" "$out/ended"
	build_initramfs "$dir" "$out/initramfs" "$*"
	boot "$dir" "$out" "$seconds"
	if [ ! -e "$out/status" ] && [ ! -e "$out/ended" ] && gave_up "$out/console"; then
		echo "guest.sh: $name: its kernel gave up, not in a program of BPF; it is booted once more" >&2
		mv "$out/console" "$out/console.first"
		boot "$dir" "$out" "$seconds"
	fi
	rm -f "$out/initramfs"
	[ -e "$out/status" ] || die "the guest did not come to its end: $(cat "$out/ended" 2>/dev/null || echo 'the emulator ended before')"
	return "$(cat "$out/status")"
}

usage() {
	sed -n '3,/^set -eu/p' "${BASH_SOURCE[0]}" | sed '/^set/d; s/^# \{0,1\}//'
	exit 2
}

what=${1-}
[ $# = 0 ] || shift
while [ "$what" = run ]; do
	case ${1-} in
	--name) name=$2 ;;
	--systemd) units=$2 ;;
	--qemu) qemu=$2 ;;
	*) break ;;
	esac
	shift 2
done
case $what in
kernel) [ $# = 1 ] || die "kernel SERIES"; kernel "$1" ;;
run) [ $# -ge 4 ] || die "run [OPTION...] KERNEL OUT SECONDS COMMAND..."; run "$@" ;;
*) usage ;;
esac
