#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes dist/saker_VERSION_ARCH.deb and dist/saker-VERSION-linux-ARCH.tar.gz (one static binary).
# The package has no scripts: installing it starts and enables nothing, removing it leaves nothing.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tools/common.sh
. tools/common.sh

version=$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)
export SOURCE_DATE_EPOCH

# compile DIR OPTION...: DIR/src/saker, stripped
compile() {
	local dir=$1
	shift
	[ -e "$dir/build.ninja" ] || quietly "$dir/log/setup.txt" "configuring $dir" \
		meson setup "$dir" --prefix=/usr -Dwerror=false "$@"
	quietly "$dir/log/build.txt" "building $dir" ninja -C "$dir" src/saker
	cp "$dir/src/saker" "$dir/saker"
	strip "$dir/saker"
}

# Man pages, completion, texts: manuals DIR, completion FILE, texts DIR
manuals() {
	local page
	for page in docs/man/*.[1-8]; do
		[ ! -e "$page" ] || install -Dm644 "$page" "$1/man${page##*.}/${page##*/}"
	done
}

texts() {
	mkdir -p "$1"
	install -m644 README.md ARCHITECTURE.md docs/events.md "$1"
}

# depends PROGRAM: the packages of its shared libraries, with versions; also of those that it loads late (src/base/late.h)
depends() {
	local place program
	place=$(mktemp -d)
	program=$(realpath "$1")
	mkdir "$place/debian"
	echo "Source: saker" >"$place/debian/control"
	echo | ${CC:-cc} -x c -shared -o "$place/late.so" - -Wl,--no-as-needed -lcapstone -lmicrohttpd -lcrypto
	(cd "$place" && dpkg-shlibdeps -O "$program" late.so 2>/dev/null | sed 's/^shlibs:Depends=//')
	rm -r "$place"
}

control() {
	cat <<END
Package: saker
Version: $version
Architecture: $arch
Maintainer: Saker maintainers <maintainers@localhost>
Depends: $1
Suggests: babeltrace2
Section: admin
Priority: optional
Installed-Size: $2
Description: records a distributed system from inside the kernel and says what happened
 Saker watches processes, sockets, signals and waits by eBPF, without a change to
 the applications, puts the events of all hosts into exact causal order, and tells
 what happened. Recordings are CTF traces. Installing starts and enables nothing.
END
}

debian() {
	local stage=build-package/stage deb=dist/saker_${version}_$arch.deb
	compile build-package
	rm -rf $stage
	install -Dm755 build-package/saker $stage/usr/bin/saker
	manuals $stage/usr/share/man
	find $stage/usr/share/man -type f -exec gzip -9n {} + 2>/dev/null || true
	install -Dm644 packaging/saker.bash $stage/usr/share/bash-completion/completions/saker
	install -Dm644 packaging/saker.h $stage/usr/include/saker.h
	install -Dm644 packaging/saker-flight.service $stage/lib/systemd/system/saker-flight.service
	install -Dm644 packaging/saker-agent.service $stage/lib/systemd/system/saker-agent.service
	texts $stage/usr/share/doc/saker
	cat LICENSE LICENSES/*.txt >$stage/usr/share/doc/saker/copyright
	chmod 644 $stage/usr/share/doc/saker/copyright
	mkdir $stage/DEBIAN
	control "$(depends build-package/saker)" "$(du -ks $stage | cut -f1)" >$stage/DEBIAN/control
	(cd $stage && find lib usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	find $stage -type d -exec chmod 755 {} +
	dpkg-deb --root-owner-group --build $stage "$deb" >/dev/null
	echo "$deb"
}

tarball() {
	local name=saker-$version-linux-$arch
	local stage=build-static/stage/$name
	compile build-static -Dstatic=true
	rm -rf build-static/stage
	install -Dm755 build-static/saker "$stage/saker"
	manuals "$stage/man"
	texts "$stage/docs"
	install -m644 LICENSE packaging/saker.bash packaging/saker.h packaging/saker-flight.service packaging/saker-agent.service "$stage"
	cp -r LICENSES "$stage"
	tar -C build-static/stage --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
		gzip -9n >"dist/$name.tar.gz"
	echo "dist/$name.tar.gz"
}

mkdir -p dist
debian
tarball
