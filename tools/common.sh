# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What check.sh, quickstart.sh and packaging/build.sh share.

is_root() {
	[ "$(id -u)" = 0 ]
}

# give_back FILE...: what root made belongs to the one who called sudo
give_back() {
	local file
	if is_root && [ -n "${SUDO_UID-}" ]; then
		for file in "$@"; do
			[ ! -e "$file" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$file"
		done
	fi
}

# quietly LOG WHAT COMMAND...: says WHAT, keeps what the command prints in LOG, shows its end when it fails
quietly() {
	local log=$1 what=$2
	shift 2
	mkdir -p "$(dirname "$log")"
	echo "$what" >&2
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 30 "$log" >&2
		echo "$what: failed; all of it is in $log" >&2
		return 1
	fi
}
