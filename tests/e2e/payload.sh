#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 300
#
# First bytes of messages: what many kinds of calls moved, compared with what the program says; real servers and clients whose
# passwords stand nowhere in the recording; what is not known is not kept; a connection that is met in its middle.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

peer=(/usr/bin/python3 "$here/lib/payload_peer.py")

# check SCENE KEPT LEVEL
check() {
	/usr/bin/python3 "$here/lib/payload_check.py" rec calls "$2" "$3" >tap
	e2e_include "$1, --payload $2: " <tap
}

# scene NAME KEPT LEVEL [COMMAND...]: recorded from its first instruction
scene() {
	rm -rf rec
	"$SAKER" record --as-root --without log -o rec --payload "$2" -- "${peer[@]}" "$1" >calls
	check "$1" "$2" "$3"
}

count() {
	"$SAKER" show rec --json "$1" | wc -l
}

# nowhere WHAT SECRET: no file of the recording has it
nowhere() {
	fails "$1: the secret is nowhere" grep -rqaF -- "$2" rec
}

# has WHAT TEXT: a payload has it, as it stands in JSON
has() {
	ok "$1" grep -qaF -- "$2" shown
}

payloads() {
	"$SAKER" show rec --json type=payload | jq .data >shown
}

free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

e2e_begin

# --- what calls moved ---
scene tcp 256 all
equal "nothing was lost" "$(count type=loss)" 0
equal "every payload is that of a send or receive" \
	"$("$SAKER" show rec --json 'type=payload' | jq -r '"\(.sock) \(.offset) \(.flags)"' | sort >a
	"$SAKER" show rec --json 'type=send or type=recv' |
		jq -r '"\(.sock) \(.offset) \(if .type == "send" then "sent" else "received" end)"' | sort >b
	sed 's/|cut//; s/,cut//' a | sort | comm -23 - b | wc -l)" 0
scene tcp 1024 all
scene tcp 40 all
scene unix 256 all
scene dgram 256 all
scene strange 256 none
scene strange_dgram 256 none
scene tcp 0 none
equal "--payload 0: there is none at all" "$(count type=payload)" 0
fails "2000 bytes are too many" "$SAKER" record -o no --payload 2000 -- true
fails "a word to mask is not empty" "$SAKER" record -o no --mask '' -- true

# --- met in the middle ---
mkfifo go
"${peer[@]}" midway <go >calls &
middle=$!
e2e_kill_later $middle
exec 9>go
halves() {
	[ "$(grep -c half calls)" = 2 ]
}
wait_for 20 halves
e2e_record -p $middle
echo >&9
exec 9>&-
wait $middle
kill -INT $RECORDER
wait $RECORDER
sed -i '/half/,/half/d' calls
check midway 256 later

# --- nginx and curl ---
port=$(free_port)
mkdir -p www logs
echo hello >www/index.html
cat >nginx.conf <<END
worker_processes 1; error_log $WORK/logs/error; pid $WORK/nginx.pid; daemon off;
events {}
http { access_log off; client_body_temp_path $WORK/b; proxy_temp_path $WORK/p; fastcgi_temp_path $WORK/f;
	uwsgi_temp_path $WORK/u; scgi_temp_path $WORK/s;
	server { listen 127.0.0.1:$port http2; root $WORK/www; }
	server { listen 127.0.0.1:$((port + 1)); root $WORK/www; } }
END
# not on the command line: that is recorded, too
cat >one.curl <<END
url = "http://127.0.0.1:$((port + 1))/?x=1&token=s3cretToken"
header = "Cookie: sid=s3cretCookie"
header = "X-Api-Key: s3cretKey"
user = "joe:s3cretBasic"
END
cat >two.curl <<END
url = "http://127.0.0.1:$((port + 1))/"
header = "Content-Type: application/json"
data = "{\"user\":\"joe\",\"password\":\"s3cretJson\"}"
END
cat >three.curl <<END
http2-prior-knowledge
header = "Authorization: Bearer s3cretTwo"
header = "X-Secret: s3cretOwn"
url = "http://127.0.0.1:$port/?password=s3cretPath"
url = "http://127.0.0.1:$port/b"
END
cat >web.sh <<END
nginx -c $WORK/nginx.conf -p $WORK &
until curl -so /dev/null http://127.0.0.1:$((port + 1))/; do :; done
for i in one two three; do curl -s -K \$i.curl; done
kill %1
wait
END
rm -rf rec
"$SAKER" record --as-root -o rec --payload 512 -- bash web.sh >web.out 2>&1
payloads
has "HTTP: a request" "GET /?x=1&token=*********** HTTP/1.1"
has "HTTP: an answer" "HTTP/1.1 200 OK"
has "HTTP: a header" "Authorization: Basic ************"
has "HTTP/2: the preface" "PRI * HTTP/2.0"
for secret in s3cretCookie s3cretKey s3cretToken s3cretJson s3cretOwn "$(printf joe:s3cretBasic | base64)"; do
	nowhere "HTTP $secret" "$secret"
done
# Huffman's code of s3cretTwo and s3cretPath (RFC 7541, appendix B), their whole bytes
ok "HTTP/2: coded secrets are nowhere" /usr/bin/python3 - rec <<'END'
import pathlib, sys
codes = {"s": "01000", "3": "011001", "c": "00100", "r": "101100", "e": "00101", "t": "01001", "T": "1101111", "w": "1111000",
         "o": "00111", "P": "1101011", "a": "00011", "h": "100111"}
raw = b"".join(p.read_bytes() for p in pathlib.Path(sys.argv[1]).glob("stream-*.ctf"))
for secret in ("s3cretTwo", "s3cretPath"):
    bits = "".join(codes[c] for c in secret)
    for shift in range(8):
        part = bits[shift:shift + (len(bits) - shift) // 8 * 8]
        if int(part, 2).to_bytes(len(part) // 8, "big") in raw:
            sys.exit(secret)
END

# --- Redis ---
cat >redis.conf <<END
port $port
bind 127.0.0.1
save ""
dir $WORK
requirepass s3cretRedis
END
cat >redis.sh <<END
ask() {
	REDISCLI_AUTH=\$1 redis-cli -p $port --no-auth-warning <\$2
}
redis-server redis.conf >redis.log &
until ask s3cretRedis ping | grep -q PONG; do :; done 2>/dev/null
ask s3cretRedis one
ask s3cretOther two
kill %1
wait
END
echo ping >ping
printf 'set k vvv\nget k\nhello 3 auth default s3cretRedis\nconfig set requirepass s3cretOther\n' >one
printf 'hset u:1 password s3cretField name joe\nhgetall u:1\nacl setuser joe on >s3cretAcl\n' >two
rm -rf rec
"$SAKER" record --as-root --without log -o rec -- bash redis.sh >redis.out 2>&1
payloads
# its answers stand on standard output: no log lines
has "Redis: a command" "*3\r\n\$3\r\nset\r\n\$1\r\nk\r\n\$3\r\nvvv\r\n"
has "Redis: AUTH" "AUTH\r\n\$11\r\n***********\r\n"
has "Redis: what is no secret stays" "name"
for secret in s3cretRedis s3cretOther s3cretField s3cretAcl; do
	nowhere "Redis $secret" $secret
done

# --- PostgreSQL, of the password method and with SQL that sets one ---
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if [ -x "$bin/initdb" ]; then
	user=$(stat -c %U /var/lib/postgresql)
	mkdir pg
	chown "$user" pg
	echo s3cretPg >pw
	chmod 644 pw
	setpriv --reuid "$user" --regid "$user" --clear-groups "$bin/initdb" -D pg/data -U joe --pwfile pw -A password >pg.log 2>&1
	cat >pg.sh <<-END
		setpriv --reuid $user --regid $user --clear-groups $bin/postgres -D pg/data -p $port -c listen_addresses=127.0.0.1 \
			-c unix_socket_directories=$WORK/pg 2>pg.err &
		until grep -q 'ready to accept' pg.err; do :; done
		psql 'host=127.0.0.1 port=$port user=joe dbname=postgres sslmode=disable' -f one.sql
		psql 'host=$WORK/pg port=$port user=joe dbname=postgres' -f one.sql
		kill %1
		wait
	END
	echo "*:*:*:joe:s3cretPg" >pgpass
	chmod 600 pgpass
	printf "select 'seen' as a;\ncreate role role_of_mine password 's3cretSql';\ndrop role role_of_mine;\n" >one.sql
	rm -rf rec
	PGPASSFILE=$WORK/pgpass "$SAKER" record --as-root -o rec -- bash pg.sh >pg.out 2>&1
	payloads
	has "PostgreSQL: a query" "select 'seen' as a;"
	equal "PostgreSQL: over TCP and AF_UNIX" \
		"$("$SAKER" show rec --json 'type=payload and flags=sent' | jq -r .data | grep -c "select 'seen' as a")" 2
	has "PostgreSQL: SQL with a password" "create role role_of_mine password '*********'"
	for secret in s3cretPg s3cretSql; do
		nowhere "PostgreSQL $secret" $secret
	done
else
	skip "PostgreSQL" "it is not installed"
fi

# --- words of the user ---
cat >word.sh <<END
nginx -c $WORK/nginx.conf -p $WORK &
until curl -so /dev/null "http://127.0.0.1:$((port + 1))/?kennwort=s3cretWord&a=b"; do :; done
kill %1
wait
END
rm -rf rec
"$SAKER" record --as-root --without log -o rec --mask kennwort --mask other -- bash word.sh >web.out 2>&1
payloads
has "--mask" "GET /?kennwort=**********&a=b HTTP/1.1"

e2e_end
