# SPDX-License-Identifier: Apache-2.0
"""proto_my.py DIR: MariaDB talks to its own client, to PyMySQL, and to Perl's DBI, which prepares.

Writes DIR/NAME.log (proto_tap.py), and DIR/NAME.truth (proto_wire_check.py): what the server's general log says was asked, and
what the clients say became of it.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pymysql
from pymysql.constants import CLIENT

from proto_tap import Tap, free_port

ROOT = os.geteuid() == 0

STATEMENTS = """
create table things (id int primary key, name varchar(30), size double)
insert into things values (1, 'one', 1.5), (2, "two", -2), (3, 'it''s', 3e2)
insert into things values (1, 'again', 0)
select * from things where id = 2
select name, size from things where id in (1, 2, 3) order by size desc limit 2
SELECT   count(*)	from `things`   # how many
/* a comment */ select 1
select * from nowhere
selekt 1
update things set name = "it\\"s" where id = -1
delete from things where name like 'o%'
begin
rollback
select 1; select 2; select * from things; update things set id = 9 where id = 17
select 1; select * from nowhere
do 1
set @a = 5
show variables like 'version'
select repeat('wide ', 20000)
select seq, 'row of many' from seq_1_to_3000
signal sqlstate '45000' set message_text = 'out of order'
create procedure p() begin select 1; select 2, 3; end
call p()
truncate things
""".strip().split("\n")

NORMALISED = """
select * from s where id = 2
select a.name, a.size * 2 from s a join s b using (id) where a.size > 1.5 and b.name = 'x'
select case when id = 3 then 'three' else "other" end as what from s
insert into s (name, id) values ('it''s', 77)
update s set size = size + 5, name = 'a\\'b' where id = 1
delete from s where size between 1 and 2 or name = "quoted"
select upper('y'), coalesce(size, 0) from s where id not in (1, 2, 3) limit 3
""".strip().split("\n")

PERL = r"""
use DBI; use JSON::PP; $| = 1;
my $db = DBI->connect("DBI:MariaDB:host=127.0.0.1;port=$ARGV[0];database=test", "root", "",
    {mariadb_server_prepare => 1, mariadb_server_prepare_disable_fallback => 1, PrintError => 0, RaiseError => 0});
sub say_it { my ($sql, $h) = @_; print encode_json({sql => $sql, failed => $h->err ? \1 : \0, code => ($h->err || 0) + 0,
    error => $h->err ? $h->state . " " . $h->errstr : ""}), "\n"; }
$db->do("create table if not exists p (id int, name varchar(40), blob_ longtext)");
my %kept;
for my $round (1 .. 3) {
    for my $sql ("insert into p values (?, ?, ?)", "select name from p where id = ? and name <> 'x'", "select * from p",
                 "update p set name = ? where id in (1, 2, ?)", "insert into p (id, name) values (?, 'long name of whom')") {
        my $sth = $kept{$sql} ||= $db->prepare($sql);
        my $n = () = $sql =~ /\?/g;
        $sth->execute(map { $round + $_ } 1 .. $n);
        say_it($sql, $sth);
        if ($sql =~ /^select/) { 1 while $sth->fetchrow_arrayref; }
    }
}
my $bad = $db->prepare("select * from absent where id = ?");
say_it("PREPARE", $db);
my $late = $db->prepare("insert into p (id) values (?)");
$late->execute("no number");
say_it("insert into p (id) values (?)", $late);
undef %kept;
$db->disconnect;
"""


class Server:
    def __init__(self, work):
        self.dir, self.port = f"{work}/my", free_port()
        os.mkdir(self.dir)
        user = ["--user=mysql"] if ROOT else []
        if ROOT:
            shutil.chown(self.dir, "mysql")
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.dir}/data", "--auth-root-authentication-method=normal",
                        "--skip-test-db", *user], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out",
                        f"{self.dir}/crt", "-keyout", f"{self.dir}/key"], check=True, stderr=subprocess.DEVNULL)
        os.chmod(f"{self.dir}/key", 0o644)
        self.server = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={self.dir}/data", f"--port={self.port}", "--bind-address=127.0.0.1",
             f"--socket={self.dir}/s", f"--pid-file={self.dir}/pid", "--skip-name-resolve", "--general-log=1", "--log-output=TABLE",
             f"--ssl-cert={self.dir}/crt", f"--ssl-key={self.dir}/key", "--performance-schema=ON", "--local-infile=1",
             "--max-allowed-packet=64M", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", *user],
            stderr=subprocess.DEVNULL)
        self.db = self.connect()
        self.sql("create database test")
        self.sql("create user alice@'%' identified by 'secret'")
        self.sql("create database shop")
        self.sql("grant all on shop.* to alice@'%'")

    def connect(self):
        end = time.monotonic() + 30
        while True:
            try:
                return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)
            except pymysql.err.OperationalError:
                if time.monotonic() > end or self.server.poll() is not None:
                    raise
                time.sleep(0.05)

    def sql(self, text):
        with self.db.cursor() as c:
            c.execute(text)
            return c.fetchall()

    def log(self):
        """What the server was asked since the last time: (thread, command, text)."""
        rows = self.sql("select thread_id, command_type, convert(argument using utf8mb4) from mysql.general_log where thread_id <> "
                        "connection_id()")
        self.sql("truncate mysql.general_log")
        return rows

    def stop(self):
        self.server.terminate()
        self.server.wait()


def first_word(sql):
    return re.sub(r"^(/\*.*?\*/|\s)*", "", sql).split()[0].strip(";").upper()


# as the general log names them, and as they are in the protocol
COMMANDS = {"Connect": "CONNECT", "Quit": "QUIT", "Prepare": "PREPARE", "Close stmt": "CLOSE", "Init DB": "INIT_DB", "Ping": "PING",
            "Statistics": "STATISTICS", "Reset stmt": "RESET", "Long Data": "SEND_LONG_DATA", "Field List": "FIELD_LIST",
            "Reset connection": "RESET_CONNECTION", "Set option": "SET_OPTION"}


def sequences(rows, said):
    """The log's connections; what clients say (sql, failed, code, error), in the order in which they asked."""
    conns, said = {}, list(said)
    for thread, command, text in rows:
        what = {"operation": COMMANDS.get(command)}
        if command in ("Query", "Execute"):
            what["operation"] = first_word(text)
            for i, (sql, failed, code, error) in enumerate(said):
                if sql == text or command == "Execute" and re.fullmatch(re.sub(r"\\\?", "(NULL|[^,()]*)", re.escape(sql)), text):
                    what.update(failed=failed, status=code, error=error[:70])
                    del said[i]
                    break
        if what["operation"] is None:
            raise SystemExit(f"the general log has a command '{command}'")
        conns.setdefault(thread, []).append(what)
    if said:
        raise SystemExit(f"not in the general log: {said}, but {rows}")
    return list(conns.values())


def write(name, conns=(), contains=(), by_shape=()):
    with open(name + ".truth", "w", encoding="utf-8") as f:
        json.dump({"protocol": "mysql", "conns": conns, "counts": {}, "contains": contains, "shapes": by_shape}, f)


def with_client(server):
    """mariadb's own client: `ERROR 1146 (42S02) at line 3: ...`."""
    tap = Tap(("127.0.0.1", server.port), "client.log")
    server.log()
    single = [s for s in STATEMENTS if ";" not in s]
    out = subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{tap.port}", "-uroot", "--skip-ssl", "--force", "--batch", "-c", "test"],
                         input="".join(f"{s}\n;\n" for s in single), text=True, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, check=False).stderr
    tap.close()
    errors = {int(line): (int(code), f"{state} {text}"[:70])
              for code, state, line, text in re.findall(r"ERROR (\d+) \((\S+)\) at line (\d+): (.*)", out)}
    rows = [(t, c, a.strip()) for t, c, a in server.log()]
    assert len(errors) == 5, out
    said = [(s, 2 * i + 1 in errors, *errors.get(2 * i + 1, (0, ""))) for i, s in enumerate(single)]
    write("client", sequences(rows, said))


def with_pymysql(server):
    """Several results of one query, a file that the client sends, other commands."""
    tap = Tap(("127.0.0.1", server.port), "pymysql.log")
    server.sql("drop procedure if exists test.p")
    server.sql("drop table test.things")
    server.log()
    db = pymysql.connect(host="127.0.0.1", port=tap.port, user="root", database="test", client_flag=CLIENT.MULTI_STATEMENTS,
                         local_infile=True, max_allowed_packet=64 << 20)
    said = []
    with open("rows", "w", encoding="ascii") as f:
        f.write("".join(f"{n}\trow {n}\t0\n" for n in range(100, 9000)))
    for sql in STATEMENTS + ["load data local infile 'rows' into table things"]:
        c = db.cursor()
        try:
            c.execute(sql)
            while c.nextset():
                pass
            said.append((sql, False, 0, ""))
        except pymysql.err.Error as e:
            said.append((sql, True, e.args[0], ""))
    db.ping(reconnect=False)
    db.select_db("shop")
    db.close()
    tap.close()
    rows = [(t, c, a) for t, c, a in server.log()]
    conns = sequences(merged(rows), said)
    conns[0].insert(-2, {"operation": "PING", "failed": False})  # which is not logged
    for x in conns[0]:
        x["peer"] = "test"
    write("pymysql", conns)


def merged(rows):
    """Of several statements in one query the log has a line each; those that failed at the start are there, too."""
    known, out, rest = {s: s.split("; ") for s in STATEMENTS if "; " in s and "procedure" not in s}, [], []
    inside = False
    for t, c, a in rows:
        if rest and a == rest[0]:
            rest.pop(0)
            continue
        whole = [s for s, parts in known.items() if c == "Query" and a in (s, parts[0])]
        if whole and not inside:
            out.append((t, c, whole[0]))
            rest = known.pop(whole[0])[1:]
        elif not (c == "Query" and a in ("select 1", "select 2", "select 2, 3") and inside):
            out.append((t, c, a))
        inside = a == "call p()" or (inside and a.startswith("select"))
    return out


def with_dbi(server):
    """Statements that are prepared and executed with other values."""
    tap = Tap(("127.0.0.1", server.port), "dbi.log")
    server.log()
    out = subprocess.run(["perl", "-e", PERL, str(tap.port)], stdout=subprocess.PIPE, check=True, text=True).stdout
    tap.close()
    said = [(j["sql"], j["failed"], j["code"], j["error"]) for j in map(json.loads, out.splitlines())]
    rows = server.log()
    unlogged = [s for s in said if s[0] == "PREPARE"]
    said = [s for s in said if s[0] != "PREPARE"]
    conns = sequences(rows, said)
    last = max(i for i, x in enumerate(conns[0]) if x["operation"] == "PREPARE")
    conns[0].insert(last, {"operation": "PREPARE", "failed": True, "status": unlogged[0][2], "error": unlogged[0][3][:70]})
    write("dbi", conns, sorted({re.sub(r"\d+|'[^']*'", "?", s[0]).replace("(?, ?, ?)", "(?)").replace("(?, ?)", "(?)")
                                for s in said}))


def big(server):
    """Packets of more than 16 MiB, in both directions."""
    tap, ok = Tap(("127.0.0.1", server.port), "big.log"), {"failed": False, "peer": "test"}
    db = pymysql.connect(host="127.0.0.1", port=tap.port, user="root", database="test", max_allowed_packet=64 << 20)
    for sql in f"select length('{'x' * (17 << 20)}')", "select repeat('y', 17 * 1024 * 1024)", "select 3":
        with db.cursor() as c:
            c.execute(sql)
    db.close()
    tap.close()
    write("big", [[{"operation": "CONNECT"}, {"operation": "SET"}, {"operation": "SELECT", **ok},
                   {"operation": "SELECT", "resource": "select repeat(?, ? * ? * ?)", **ok},
                   {"operation": "SELECT", "resource": "select ?", **ok}, {"operation": "QUIT"}]])


def logins(server):
    tap = Tap(("127.0.0.1", server.port), "my-logins.log")
    pymysql.connect(host="127.0.0.1", port=tap.port, user="alice", password="secret", database="shop").close()
    try:
        pymysql.connect(host="127.0.0.1", port=tap.port, user="alice", password="wrong")
    except pymysql.err.OperationalError as e:
        code = e.args[0]
    pymysql.connect(host="127.0.0.1", port=tap.port, user="root", ssl={"ca": f"{server.dir}/crt", "check_hostname": False}).close()
    subprocess.run(["mariadb-admin", "--no-defaults", "-h127.0.0.1", f"-P{tap.port}", "-uroot", "--skip-ssl", "status"], check=True,
                   stdout=subprocess.DEVNULL)
    tap.close()
    write("my-logins", [
        [{"operation": "CONNECT", "resource": "user alice, database shop", "peer": "shop", "failed": False},
         {"operation": "SET", "failed": False}, {"operation": "QUIT", "flag": "one_way"}],
        [{"operation": "CONNECT", "resource": "user alice", "failed": True, "status": code, "error": "28000 Access denied for user 'alice'@"}],
        [{"operation": "SSLREQUEST", "flag": "one_way"}, {"operation": "HELLO", "protocol": "tls", "flag": "encrypted"}],
        [{"operation": "CONNECT", "resource": "user root", "failed": False}, {"operation": "STATISTICS", "failed": False},
         {"operation": "QUIT", "flag": "one_way"}],
    ])


def normalised(server):
    """The server's own digests, which are written otherwise."""
    server.sql("create table test.s (id int, name varchar(30), size double)")
    server.sql("truncate performance_schema.events_statements_summary_by_digest")
    tap = Tap(("127.0.0.1", server.port), "my-normalised.log")
    db = pymysql.connect(host="127.0.0.1", port=tap.port, user="root", database="test")
    for sql in NORMALISED:
        with db.cursor() as c:
            c.execute(sql)
    db.close()
    tap.close()
    rows = server.sql("select digest_text from performance_schema.events_statements_summary_by_digest where schema_name = 'test' "
                      "and digest_text regexp '`s`'")
    assert len(rows) == len(NORMALISED), rows
    write("my-normalised", by_shape=[r[0].replace("(...)", "(?)") for r in rows])


def main():
    os.chdir(sys.argv[1])
    server = Server(os.getcwd())
    try:
        with_client(server)
        with_pymysql(server)
        with_dbi(server)
        big(server)
        logins(server)
        normalised(server)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
