#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# root: no
# timeout: 400
#
# Requests and responses in what databases and HTTP/2 servers and their clients said: PostgreSQL with psql and pgbench, MariaDB
# with its own client, PyMySQL and DBI, nginx with curl, nghttp and h2load, nghttpx with curl, grpcio with itself.  A proxy records the pieces; what the parsers tell of them is compared with what the
# clients, or the servers' own logs, say: with all bytes kept, cut at other places, with 256 bytes of each piece, with pieces
# lost, and from the middle on.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"
feed=${PROTO_FEED:-$(dirname "$SAKER")/../tests/proto_feed}

# check NAME MODE OPTION...
check() {
	/usr/bin/python3 "$here/lib/proto_wire_check.py" "$1" "$feed" "$1.log" "$1.truth" "${@:2}" >tap
	e2e_include "${*:2}: " <tap
}

e2e_begin
for scene in pg my h2 tls; do
	ok "servers and clients talk: $scene" /usr/bin/python3 "$here/lib/proto_$scene.py" "$WORK"
done

pg="simple copy logins normalised failing bench-simple bench-extended bench-prepared bench-extended-pipeline bench-prepared-pipeline"
my="client pymysql dbi my-logins my-normalised"

h2="curl2 nghttp h2load grpc grpc-many"

# --- everything kept, as it came and cut at other places ---
for name in $pg $my $h2 tls; do
	check "$name" whole
	check "$name" whole cut=70 seed=1 client=0
	check "$name" whole cut=40 seed=2 client=-1
done
check big prefix=80 # of a statement of 17 MiB, only the beginning is looked at
check upgrade prefix=75 # what HTTP/2 answers to a request of HTTP/1.1 is told as a response that nobody asked for
check upgrade prefix=75 cut=50 seed=3

# --- the beginnings of pieces kept ---
for name in simple logins normalised failing bench-simple bench-extended bench-prepared bench-prepared-pipeline $my; do
	check "$name" prefix=75 prefix=256
	check "$name" prefix=75 prefix=256 client=-1
done
check copy prefix=50 prefix=256

check tls prefix=0 prefix=256
# of several requests in one piece, those behind its first bytes are not seen
check curl2 prefix=40 prefix=256
check h2load loss=5 prefix=256
check nghttp loss=2 prefix=256
check grpc loss=30 prefix=256
check grpc-many loss=0 prefix=256

# --- pieces lost, and from the middle on: what was prepared before is not known ---
for name in simple copy normalised client pymysql dbi my-normalised; do
	check "$name" loss=60 skip=3
	check "$name" loss=40 skip=4 prefix=256 client=-1
done
for name in bench-simple bench-extended bench-extended-pipeline; do
	check "$name" loss=75 skip=3
done
for name in h2load grpc grpc-many; do
	# what the skipped pieces defined is for good unknown: of many calls at a time these may be all names there are
	least=50 && [ "$name" != grpc-many ] || least=0
	check "$name" loss=$least skip=3
	check "$name" loss=0 skip=10 client=-1
done
for name in $pg $my $h2; do
	[ "$name" != logins ] && [ "$name" != my-logins ] || continue # a connection may be lost as a whole
	for seed in 1 2 3; do
		check "$name" loss=0 drop=5 seed=$seed
		check "$name" loss=0 drop=5 prefix=256 cut=10 seed=$seed
	done
done

e2e_end
