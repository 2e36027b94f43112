#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# parallel: yes
# timeout: 120
#
# The requests that were derived from a recording are kept beside it: taken as long as it is the same, derived anew once it has
# changed, and never missed where they cannot be kept.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/e2e.sh
. "$here/lib/e2e.sh"

PY=/usr/bin/python3
FILE=rec/.requests.sqlite

# answers NAME: what three commands say of the recording
answers() {
	{
		"$SAKER" requests rec --all --json
		"$SAKER" path rec --json
		"$SAKER" path rec "$trace" --json
		"$SAKER" map rec --json
	} >"$1" 2>"$1.err"
}

made() {
	stat -c '%i %.9Y' $FILE 2>/dev/null
}

# anew WHAT COMMAND...: after that command the requests are derived again, and are the same
anew() {
	local what=$1 before
	shift
	"$SAKER" requests rec >/dev/null 2>&1
	before=$(made)
	"$@" >/dev/null 2>&1
	"$SAKER" requests rec --all --json >again.json 2>again.err
	ok "$what: derived anew" [ "$before" != "$(made)" ]
	ok "$what: and the same" cmp requests.json again.json
}

flip() {
	$PY - "$1" <<-'END'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    data = bytearray(f.read())
		    for at in range(2000, len(data), 300):
		        data[at] ^= 0x55
		    f.seek(0)
		    f.write(data)
	END
}

# All blocks but those that the list of ids names for this one: src/explain/spans_blob.h says how it is written.
others_damaged() {
	$PY - "$1" <<-END
		import sqlite3, sys
		c = sqlite3.connect("$FILE")
		wanted, keep = int(sys.argv[1][:8], 16), set()
		for first, listed in c.execute("SELECT first, list FROM ids"):
		    numbers, value, shift = [], 0, 0
		    for byte in listed:
		        value |= (byte & 127) << shift
		        shift += 7
		        if byte < 128:
		            numbers.append(value)
		            value, shift = 0, 0
		    for step, block in zip(numbers[::2], numbers[1::2]):
		        first += step
		        if first == wanted:
		            keep.add(block)
		(block,) = keep
		done = c.execute("UPDATE blocks SET spans = x'ff' WHERE n != ?", (block,))
		assert done.rowcount > 0
		c.commit()
	END
}

as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

e2e_begin
ok 'recorded' "$SAKER" record -o rec -- $PY "$here/lib/front_back.py" /dev/null 60
ok 'nothing is stored yet' [ ! -e $FILE ]
"$SAKER" requests rec --all --json >requests.json 2>requests.err
trace=$(head -n 1 requests.json | jq -r .trace)
ok 'stored' [ -s $FILE ]
equal 'with the mode of the recording' "$(stat -c %a $FILE)" 600
first=$(made)
answers stored
equal 'it is taken, not made again' "$(made)" "$first"
# Each command is the first one to look.
{
	rm -f $FILE; "$SAKER" requests rec --all --json
	rm -f $FILE; "$SAKER" path rec --json
	rm -f $FILE; "$SAKER" path rec "$trace" --json
	rm -f $FILE; "$SAKER" map rec --json
} >derived 2>/dev/null
ok 'what is stored says the same as what is derived' cmp stored derived
ok 'and there is something to say' [ "$(wc -l <stored)" -ge 5 ]
ok 'babeltrace2 reads the recording as before' babeltrace2 rec

# Of a trace that is named nothing else is read, however the id is written: that all others are damaged is not noticed.
cp $FILE whole.sqlite
"$SAKER" path rec "$trace" --json >one.json 2>/dev/null
others_damaged "$trace"
for id in "$trace" "${trace^^}" "${trace:0:16}-${trace:16:8}-${trace:24}" "${trace:0:20}" "${trace:0:8}"; do
	"$SAKER" path rec "$id" --json >named.json 2>named.err
	ok "one trace is read, named $id" cmp one.json named.json
	ok 'and no other' [ ! -s named.err ] || cat named.err
done
mv whole.sqlite $FILE

anew 'touched' touch -d '2021-01-01' rec/stream-000001.ctf
anew 'other metadata' touch -d '2021-01-01' rec/metadata
anew 'no file' rm $FILE
anew 'cut' truncate -s 4096 $FILE
anew 'empty' truncate -s 0 $FILE
ok 'that it was damaged is said' grep -q "is damaged.*derived anew" again.err
anew 'damaged in the middle' flip $FILE
anew 'of another version' $PY -c "import sqlite3; c = sqlite3.connect('$FILE'); c.execute('PRAGMA user_version = 77')"
ok 'of which nothing is said' [ ! -s again.err ] || cat again.err

first=$(made)
"$SAKER" requests rec --all --timing --json >timing.json 2>/dev/null
"$SAKER" requests rec --all --ignore-ids --json >ids.json 2>/dev/null
equal 'other wishes are not stored' "$(made)" "$first"
ok 'nor answered from there' [ "$(wc -l <timing.json)" -ge "$(wc -l <requests.json)" ]

cp -a rec copy
"$SAKER" requests copy --all --json >again.json 2>/dev/null
ok 'a copy that keeps times keeps them' cmp "$FILE" copy/.requests.sqlite
chown -R 65534:65534 copy
rm copy/.requests.sqlite
"$SAKER" requests copy >/dev/null 2>&1
equal "made by root they belong to the recording's owner" "$(stat -c %u:%g copy/.requests.sqlite)" 65534:65534
rm copy/.requests.sqlite
chown -R 0:0 copy
chmod 755 copy
chmod 644 copy/* copy/.[a-z]*
ok 'others can read it' as_nobody "$SAKER" requests copy --all --json
ok 'and store nothing' [ ! -e copy/.requests.sqlite ]
ok 'without a word of that' [ -z "$(as_nobody "$SAKER" requests copy 2>&1 >/dev/null | grep -v ' requests, in ')" ]

mkdir both
mv copy both/a
cp -a rec both/b
"$SAKER" requests both --all --json >first.json 2>/dev/null
ok 'those of a folder of recordings lie in it' [ -s both/.requests.sqlite ]
"$SAKER" requests both --all --json >second.json 2>/dev/null
ok 'and are the same' cmp first.json second.json
"$SAKER" requests both/a both/b --all --json >third.json 2>/dev/null
ok 'named one by one, too' cmp first.json third.json
e2e_end
