#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh - runs a command under another kernel of Debian, in an emulated machine that sees this one's files.
#
#	guest.sh fetch PATTERN DIR		newest kernel package whose name matches: downloaded, unpacked into DIR
#	guest.sh run DIR OUT SECONDS COMMAND...	boots it; the command runs as root, and writes its results to OUT
#
# The guest's root is this machine's, read only by 9p, under a file system in memory that takes what is written;
# only OUT is really written to. Its console goes to OUT/console. Emulation (TCG): correct, but slow.
set -eu
trap 'exit 143' INT TERM HUP

die() { echo "guest.sh: $*" >&2; exit 1; }

# early DIR: the modules that the root needs before it is there, in the order of need
early() {
	local name
	for name in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$1" -S "$(ls "$1/lib/modules")" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

fetch() {
	local name file
	name=$(apt-cache --names-only search "$1" | awk '{ print $1 }' | sort -V | tail -n 1)
	[ -n "$name" ] || die "apt knows no package '$1'"
	mkdir -p "$2"
	(cd "$2" && apt-get -qq download "$name") >&2 || die "cannot download $name"
	for file in "$2"/*.deb; do
		dpkg -x "$file" "$2"
		rm "$file"
	done
	find "$2/lib/modules" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$2" "$(ls "$2/lib/modules")"
}

# The first program in the guest
init_script() {
	cat <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro root /below
mount -t tmpfs memory /above
mkdir /above/new /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/new,workdir=/above/work overlay /root
for dir in proc sys dev; do mount --bind /$dir /root/$dir; done
mount -t tmpfs run /root/run
mount -t tmpfs tmp /root/tmp
mount -t tracefs tracefs /root/sys/kernel/tracing
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mkdir -p /root/mnt /root/dev/pts
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /root/mnt
ip link set lo up
ln -s /proc/self/fd /dev/fd
. /command
mkdir /lib /sbin
ln -s "/below$modules" /lib/modules
ln -s /bin/busybox /sbin/modprobe
cd /
chroot /root /bin/bash -c "$command" </dev/null
echo $? >/root/mnt/status
sync
poweroff -f
END
}

# build_initramfs DIR FILE COMMAND
build_initramfs() {
	local place file n=10
	place=$2.d
	mkdir -p "$place"/{bin,proc,sys,dev,below,above,root,modules}
	cp "$(command -v busybox)" "$place/bin/busybox"
	for file in $(early "$1"); do
		n=$((n + 1))
		cp "$file" "$place/modules/$n-${file##*/}"
	done
	init_script >"$place/init"
	chmod 755 "$place/init"
	printf 'modules=%q\ncommand=%q\n' "$1/lib/modules" "$3" >"$place/command"
	(cd "$place" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$2"
	rm -rf "$place"
}

run() {
	local dir=$1 out=$2 seconds=$3
	shift 3
	rm -f "$out/status"
	build_initramfs "$dir" "$out/initramfs" "$*"
	nice -n 19 timeout --foreground -k 5 "$seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3G \
		-nodefaults -no-reboot -display none -serial stdio -monitor none \
		-kernel "$dir"/boot/vmlinuz-* -initrd "$out/initramfs" -append "console=ttyS0 quiet panic=-1" \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=root \
		-fsdev local,id=out,path="$out",security_model=none -device virtio-9p-pci,fsdev=out,mount_tag=out \
		</dev/null >"$out/console" 2>&1 &
	# shellcheck disable=SC2064
	trap "kill $! 2>/dev/null || true" EXIT
	wait $! || true
	trap - EXIT
	rm -f "$out/initramfs"
	[ -e "$out/status" ] || die "the guest did not end: see $out/console"
	return "$(cat "$out/status")"
}

case ${1-} in
fetch) [ $# = 3 ] || die "fetch PATTERN DIR"; fetch "$2" "$3" ;;
run) [ $# -ge 5 ] || die "run DIR OUT SECONDS COMMAND..."; shift; run "$@" ;;
*) sed -n '3,/^set -eu/p' "$0" | sed '/^set/d; s/^# \{0,1\}//'; exit 2 ;;
esac
