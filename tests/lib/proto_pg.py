# SPDX-License-Identifier: Apache-2.0
"""proto_pg.py DIR: PostgreSQL talks to psql and pgbench, in its several ways.

Writes DIR/NAME.log (proto_tap.py), and DIR/NAME.truth: what the clients, or the server itself, say of it (see proto_wire_check.py).
"""
import collections
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

from proto_tap import Tap, free_port

BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
AS = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

# statement, operation; what becomes of them psql says
STATEMENTS = """
create table things (id int primary key, name text, size float8)
insert into things values (1, 'one', 1.5), (2, 'two', -2), (3, 'it''s', 3e2)
insert into things (id, name) values (4, $x$dollars$x$)
insert into things values (1, 'again', 0)
select * from things where id = 2
select name, size from things where id in (1, 2, 3) order by size desc limit 2
SELECT   count(*)	from things   -- how many
/* a comment */ select 1
select * from nowhere
selekt 1
update things set size = size + -4.5 where id > 1
update things set name = 'x' where id = 17 returning *
delete from things where name like 'o%'
begin
insert into things values (10, 'ten', 10)
select 1 / 0
select 2
rollback
prepare p (int) as select name from things where id = $1
execute p (3)
deallocate p
do $$ begin raise notice 'nothing'; raise warning 'much'; end $$
do $$ begin raise exception 'out of order' using errcode = 'XX123'; end $$
listen news
notify news, 'a message'
drop table if exists nothing
set application_name = 'mine'
show server_version
select repeat('wide ', 20000)
select generate_series(1, 3000), 'row of many'
values (1, 2), (3, 4)
with t as (select 1 as a) select * from t where a = 1
truncate things
""".strip().split("\n")

# what pg_stat_statements tells of, in its own words
NORMALISED = """
select * from s where id = 2
select a.name, a.size * 2 from s a join s b using (id) where a.size > -1.5 and b.name <> 'x'
select count(*) from s where name in ('a', 'b', 'c', 'd')
select case when id = 3 then 'three' else 'other' end as what from s
insert into s values (1, 'a', 0.5)
insert into s (name, id) values ('it''s', 77)
update s set size = size + 5, name = E'a\\'b' where id = 1
delete from s where size between 1 and 2 or name = $q$quoted$q$
select name || 'x', upper('y'), coalesce(size, 0) from s where id <> all (array[1, 2, 3])
select s.id::text, '5'::int + 4 from s order by name desc limit 5 offset 2
select x'1f', b'101', 1e10, .5, 0.25 from "S pace" t1 where t1."Id" = 1
""".strip().split("\n")


class Server:
    def __init__(self, work):
        self.dir, self.port = f"{work}/pg", free_port()
        os.mkdir(self.dir)
        if AS:
            subprocess.run(["chown", "postgres", self.dir], check=True)
        self.run("initdb", "-D", f"{self.dir}/data", "-A", "trust", "-U", "postgres", "-N")
        subprocess.run([*AS, "openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out",
                        f"{self.dir}/data/server.crt", "-keyout", f"{self.dir}/data/server.key"], check=True,
                       stderr=subprocess.DEVNULL, cwd=self.dir)
        os.chmod(f"{self.dir}/data/server.key", 0o600)
        with open(f"{self.dir}/data/postgresql.conf", "a", encoding="ascii") as f:
            f.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.dir}'\nssl = on\n"
                    "fsync = off\nshared_preload_libraries = 'pg_stat_statements'\nautovacuum = off\n")
        with open(f"{self.dir}/data/pg_hba.conf", "r+", encoding="ascii") as f:
            rest = f.read()
            f.seek(0)
            f.write("host all alice 127.0.0.1/32 scram-sha-256\n" + rest)
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-l", f"{self.dir}/log", "-w", "start")

    def run(self, program, *args):
        subprocess.run([*AS, f"{BIN}/{program}", *args], check=True, stdout=subprocess.DEVNULL, cwd=self.dir)

    def stop(self):
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-m", "immediate", "stop")

    def sql(self, text, db="postgres"):
        return psql(self.port, "-At", "-c", text, db=db).stdout


def psql(port, *args, db="postgres", user="postgres", options="sslmode=disable gssencmode=disable", **kw):
    env = {**os.environ, "PGPASSWORD": kw.pop("password", "")}
    return subprocess.run(["psql", "-X", "-q", f"host=127.0.0.1 port={port} dbname={db} user={user} {options}", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, check=False, **kw)


def first_word(sql):
    return re.sub(r"^/\*.*?\*/ *", "", sql).split()[0].upper()


class Truth:
    """exchanges: of each connection, in order, those words that somebody else than Saker says."""

    def __init__(self, name):
        self.name, self.conns, self.counts, self.contains = name, [], collections.Counter(), []

    def write(self):
        with open(self.name + ".truth", "w", encoding="utf-8") as f:
            json.dump({"protocol": "postgresql", "conns": self.conns, "counts": self.counts, "contains": self.contains}, f)


def asked(sql, failed, state, message):
    what = {"operation": first_word(sql), "failed": failed}
    if failed:
        what["error"] = f"{state} {message}"[:70]
    return what


STARTUP = {"operation": "STARTUP", "resource": "user postgres, database postgres", "failed": False, "peer": "postgres"}


def with_psql(server, name, statements, stop=""):
    """psql tells of each statement whether it failed, and how."""
    tap, truth = Tap(("127.0.0.1", server.port), name + ".log"), Truth(name)
    script = "\\set VERBOSITY terse\n"
    for sql in statements:
        script += f"{sql}\n;\n\\echo @@ :ERROR :SQLSTATE :LAST_ERROR_MESSAGE\n"
    out = psql(tap.port, "-f", "-", input=script + stop).stdout
    tap.close()
    said = re.findall(r"^@@ (true|false) (\S+) (.*)$", out, re.M)
    assert len(said) == len(statements), out
    truth.conns.append([STARTUP] + [asked(sql, error == "true", state, message)
                                    for sql, (error, state, message) in zip(statements, said)])
    return truth


def simple(server):
    truth = with_psql(server, "simple", STATEMENTS)
    truth.write()


def copies(server):
    """COPY in both directions; \\copy asks the same."""
    server.sql("create table c (a int, b text)")
    with open("rows", "w", encoding="ascii") as f:
        f.write("".join(f"{n}\trow {n}\n" for n in range(20000)))
    tap, truth = Tap(("127.0.0.1", server.port), "copy.log"), Truth("copy")
    psql(tap.port, "-c", "\\copy c from 'rows'", "-c", "\\copy c to '/dev/null'", "-c", "copy c from stdin",
         "-c", "select count(*) from c", "-c", "copy c (a) to stdout", "-c", "\\copy c (a) from '/dev/null'", stdin=subprocess.DEVNULL)
    tap.close()
    ok = {"operation": "COPY", "failed": False}
    truth.conns.append([STARTUP, ok, ok, ok, {"operation": "SELECT", "failed": False}, ok, ok])
    truth.write()


def logins(server):
    """Passwords, a wrong one, no such database, TLS, and a query that is cancelled."""
    server.sql("create user alice password 'secret'")
    server.sql("create database shop owner alice")
    tap, truth = Tap(("127.0.0.1", server.port), "logins.log"), Truth("logins")
    alice = {"operation": "STARTUP", "resource": "user alice, database shop", "peer": "shop"}
    select = {"operation": "SELECT", "resource": "select ?", "failed": False, "peer": "shop"}
    psql(tap.port, "-c", "select 1", db="shop", user="alice", password="secret")
    truth.conns.append([{**alice, "failed": False}, select])
    wrong = psql(tap.port, "-c", "select 1", db="shop", user="alice", password="wrong")
    assert "password authentication failed" in wrong.stderr
    truth.conns.append([{**alice, "failed": True, "error": '28P01 password authentication failed for user "alice"'}])
    psql(tap.port, "-c", "select 1", db="absent")
    truth.conns.append([{"operation": "STARTUP", "failed": True, "error": '3D000 database "absent" does not exist', "peer": "absent"}])
    psql(tap.port, "-c", "select 1", options="sslmode=require gssencmode=disable")
    truth.conns.append([{"operation": "SSLREQUEST", "failed": False}, {"protocol": "tls", "operation": "HELLO", "flag": "encrypted"}])
    with subprocess.Popen(["psql", "-X", "-q", f"host=127.0.0.1 port={tap.port} dbname=postgres user=postgres sslmode=disable "
                           "gssencmode=disable", "-c", "select pg_sleep(600)"], stderr=subprocess.DEVNULL) as client:
        end = time.monotonic() + 20
        while server.sql("select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'").strip() == "0":
            assert time.monotonic() < end
        client.send_signal(signal.SIGINT)
        client.wait()
    tap.close()
    truth.conns.append([STARTUP, {"operation": "SELECT", "failed": True, "error": "57014 canceling statement due to user request"}])
    truth.conns.append([{"operation": "CANCEL", "flag": "one_way"}])
    truth.write()


def bench(server, mode, script=None, pipeline=False):
    """pgbench says how many transactions it made; its script says of what."""
    name = f"bench-{mode}" + ("-pipeline" if pipeline else "")
    tap, truth = Tap(("127.0.0.1", server.port), name + ".log"), Truth(name)
    env = {**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
    args = ["-f", script] if script else []
    out = subprocess.run([f"{BIN}/pgbench", "-n", "-h", "127.0.0.1", "-p", str(tap.port), "-U", "postgres", "-M", mode, "-c", "3",
                          "-t", "60", *args, "postgres"], stdout=subprocess.PIPE, check=True, text=True, env=env,
                         stderr=subprocess.DEVNULL).stdout
    tap.close()
    count = int(re.search(r"transactions actually processed: (\d+)", out).group(1))
    if script:
        with open(script, encoding="ascii") as f:
            text = f.read()
    else:
        text = subprocess.run([f"{BIN}/pgbench", "--show-script=tpcb-like"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=True, text=True).stdout
    for s in re.findall(r"^([A-Za-z].*?);?$", text, re.M):
        resource = re.sub(r"\?(, \?)+(?=[^()]*\))", "?", re.sub(r":\w+|\b\d+\b", "?", s))
        truth.counts[f"{first_word(s)} {resource}"] += count
    truth.write()


def benches(server):
    subprocess.run([f"{BIN}/pgbench", "-i", "-q", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "postgres"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for mode in "simple", "extended", "prepared":
        bench(server, mode)
    with open("pipeline.sql", "w", encoding="ascii") as f:
        f.write("\\set aid random(1, 1000)\n\\startpipeline\nselect abalance from pgbench_accounts where aid = :aid;\n"
                "update pgbench_accounts set abalance = 7 where aid = :aid;\nselect 5;\n\\endpipeline\nselect 6;\n")
    bench(server, "extended", "pipeline.sql", True)
    bench(server, "prepared", "pipeline.sql", True)


def failing_pipeline(server):
    """What stands between an error and the end of the pipeline is not done."""
    with open("failing.sql", "w", encoding="ascii") as f:
        f.write("\\startpipeline\nselect 1;\nselect 1 / 0;\nselect 3;\n\\endpipeline\n")
    tap, truth = Tap(("127.0.0.1", server.port), "failing.log"), Truth("failing")
    env = {**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
    subprocess.run([f"{BIN}/pgbench", "-n", "-h", "127.0.0.1", "-p", str(tap.port), "-U", "postgres", "-M", "extended", "-t", "1",
                    "-f", "failing.sql", "postgres"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, check=False)
    tap.close()
    # pgbench looks around on a connection of its own first
    truth.conns.append([STARTUP])
    truth.conns.append([STARTUP, {"operation": "SELECT", "resource": "select ?", "failed": False},
                        {"operation": "SELECT", "resource": "select ? / ?", "failed": True, "error": "22012 division by zero"},
                        {"operation": "SELECT", "resource": "select ?", "failed": True}])
    truth.write()


def normalised(server):
    """PostgreSQL's own account of what was asked, without the values."""
    server.sql("create extension pg_stat_statements")
    server.sql("create table s (id int, name text, size float8)")
    server.sql('create table "S pace" ("Id" int)')
    server.sql("select pg_stat_statements_reset()")
    truth = with_psql(server, "normalised", NORMALISED)
    said = json.loads(server.sql("select json_agg(query) from pg_stat_statements where query like '% s%' or query like '%S pace%'"))
    for text in said:
        if "pg_stat" not in text:
            text = re.sub(r"\$\d+", "?", text)
            truth.contains.append(re.sub(r"([(\[])\?(, \?)+([)\]])", r"\1?\3", text))
    assert len(truth.contains) == len(NORMALISED), said
    truth.write()


def main():
    os.chdir(sys.argv[1])
    server = Server(os.getcwd())
    try:
        simple(server)
        copies(server)
        logins(server)
        benches(server)
        failing_pipeline(server)
        normalised(server)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
