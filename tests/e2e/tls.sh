#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 400
#
# What programs say through TLS: OpenSSL in nginx, curl, Python (threads, and an event loop that moves records itself), Node
# with an OpenSSL of its own; Go's crypto/tls; and who is not seen through is told.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/lib/e2e.sh"
e2e_begin
lib=$here/lib/tls
CONNECTIONS=4
REQUESTS=5

openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout key.pem -out cert.pem 2>/dev/null
cat key.pem cert.pem >both.pem

free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve NAME COMMAND...: one server under the recorder, asked by a recorded client
serve() {
	local name=$1 server
	shift
	rm -rf rec
	"$@" >server.out 2>server.err &
	server=$!
	e2e_kill_later $server
	wait_for 30 grep -q ready server.out || cat server.err
	e2e_record -p $server,$sleeper,$$
	# the client's library is there before its first request: a hook that comes late is another case
	ok "$name: the client's requests are answered" sh -c "/usr/bin/python3 '$lib/client.py' $port $CONNECTIONS $REQUESTS >ports"
	kill -INT $RECORDER
	wait $RECORDER
	kill $server
	wait $server 2>/dev/null
	"$SAKER" show --json rec >events.json
	equal "$name: requests, each with both its ends" \
		"$("$SAKER" requests --all --json rec | jq -s '[.[] | select(.kind == "server" and .evidence == "offsets")] | length')" \
		$((CONNECTIONS * REQUESTS))
	e2e_include "$name: " < <(/usr/bin/python3 "$lib/check.py" $port $REQUESTS ports <events.json)
}

# A program that has the system's OpenSSL mapped, so that it is hooked when the first client begins
/usr/bin/python3 -c 'import ssl, sys; sys.stdin.read()' < <(sleep 1000 & echo $! >sleeper; wait) &
e2e_kill_later $!
sleeper=$!
wait_for 10 test -s sleeper
e2e_kill_later "$(cat sleeper)"

port=$(free_port)
serve "Python, threads" /usr/bin/python3 "$lib/threads.py" $port both.pem
port=$(free_port)
serve "Python, event loop" /usr/bin/python3 "$lib/loop.py" $port both.pem
port=$(free_port)
serve "Node" node "$lib/node.mjs" $port both.pem
ok "Node's own OpenSSL is told" sh -c '"$SAKER" show --json rec "type=tls_program" | jq -se "any(.seen == 1 and (.library | endswith(\"node\")))"'
if command -v go >/dev/null; then
	export GOCACHE=$WORK/gocache GO111MODULE=off
	ok "the Go server builds" go build -o goserver "$lib/server.go"
	port=$(free_port)
	serve "Go" ./goserver $port both.pem
	ok "the stripped Go server builds" go build -ldflags '-s -w' -o gostripped "$lib/server.go"
	port=$(free_port)
	serve "Go, stripped" ./gostripped $port both.pem
else
	skip "Go" "no go"
fi

# Who is not seen through: Debian's wget has GnuTLS
port=$(free_port)
/usr/bin/python3 "$lib/threads.py" $port both.pem >server.out &
e2e_kill_later $!
wait_for 30 grep -q ready server.out
rm -rf rec
ok "wget is answered" "$SAKER" record -o rec -- wget -q --no-check-certificate -O answer "https://127.0.0.1:$port/token-1-1-"
equal "wget is told as one who is not seen through, with the library" \
	"$("$SAKER" show --json rec 'type=tls_program' | jq -r '"\(.seen) \(.kind)"')" "0 GnuTLS"
equal "nothing of it is kept but greetings" \
	"$("$SAKER" show --json rec 'type=payload' | jq -r 'select(.flags | index("tls") | not) | .data')" ""
e2e_end
