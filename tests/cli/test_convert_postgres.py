"""``sasl convert`` into PostgreSQL and out of it, judged by psql, the files' own tools and libsasl2.

Debian: postgresql, libsasl2-modules-sql, sasl2-bin, db5.3-util, python3-gdbm, lmdb-utils.
"""

import fcntl
import os
import re
import shlex
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sasl_oracle
from admin import HUB, PATIENCE, SECRET, Admin, Ran, environment, open_files, relay
from manual_examples import page_lines
from postgres_cluster import Cluster
from sasldb import peers

from smtpcreds.sasldb.opening import open_store

from .test_convert import MAKE, READ

PASSWORD = f"maildroid\0{HUB}\0userPassword".encode()
RECORDS = {
    PASSWORD: SECRET,
    "élève\0polka.example\0userPassword".encode(): "pässwörd ☃".encode(),
    b"o'brien\0r\0userPassword": b'it\'s 100% \\ "x"; DROP TABLE smtpcreds_sasl; --\t\n\r',
    b"otp\0r\0cmusaslsecretOTP": b"md5\t0499\tse1234\t0123456789abcdef\t00000000000000000000",
    b"long\0r\0userPassword": b"x" * 8189,
    b"bare\0\0userPassword": b"of no realm",
    b"hashed\0r\0authPassword": b"SCRAM-SHA-256$4096:c2FsdA==$AAAA:BBBB",
} | {b"user%d\0r\0userPassword" % number: b"secret%d" % number for number in range(300)}
OLD = {b"old\0r\0userPassword": b"an old secret"}


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


@pytest.mark.parametrize("kind", MAKE)
def test_every_format_there_and_back(
    tmp_path: Path, postgres: Cluster, name: str, url: str, kind: str
) -> None:
    admin = relay(tmp_path, '[sasl]\nmode = "0640"\nowner = "daemon"\ngroup = "mail"\n')
    MAKE[kind](admin.database, RECORDS)
    before = admin.database.read_bytes()
    report = admin.sasl("convert", url, "--json").data
    file = {"path": str(admin.database), "format": kind}
    table = {"path": url, "format": "postgresql"}
    figures: dict[str, object] = {"records": len(RECORDS), "accounts": len(RECORDS), "compared": True}
    figures |= {"carried": [], "refused": []}
    assert report == {"source": file, "target": table, **figures, "warnings": []}
    assert postgres.accounts(name) == RECORDS
    assert admin.database.read_bytes() == before

    report = admin.sasl("convert", "--database", url, "--to", kind, "back", "--json").data
    back = admin.directory / "back"
    assert len(report.pop("warnings")) == (kind == "gdbm")
    assert report == {"source": table, "target": {"path": str(back), "format": kind}, **figures}
    assert READ[kind](back) == RECORDS
    assert postgres.accounts(name) == RECORDS
    found = back.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 8, 0o640)
    assert {path.name for path in admin.directory.iterdir()} <= {"root", "back", "back-lock", "back.lock"}


def test_the_grants_that_are_named_next_are_of_the_new_table(admin: Admin, url: str) -> None:
    """The configured database, and the one that was read, may be files still."""
    admin.sasl("add", "maildroid")
    for source in ((), ("--database", admin.database)):
        said = admin.sasl("convert", *source, url, "--force").out
        hint = r"with what this prints: .* sasl (conf --database \S+ --grants)$"
        command = re.search(hint, said, re.MULTILINE)
        assert command
        words = shlex.split(command[1])
        assert words[2] == url
        assert "GRANT SELECT ON public.smtpcreds_sasl" in admin.sasl(*words).out


def test_the_page_goes_from_one_hub_to_several(admin: Admin, postgres: Cluster, name: str, url: str) -> None:
    admin.sasl("add", "maildroid")
    meant = {"postgresql://db.polkatistas.org/mail": url}
    convert, grants, *_ = page_lines("smtpcreds-sasl.1", meant)
    admin(*shlex.split(convert)[1:])
    said, pipe, into = grants.partition(" | ")
    assert pipe
    assert into.startswith("psql ")
    postgres.psql(name, admin(*shlex.split(said)[1:]).out)
    assert postgres.accounts(name).keys() == {PASSWORD}


def test_accounts_of_saslpasswd2_open_from_the_table_and_from_the_way_back(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    admin.database.parent.mkdir(exist_ok=True)
    for who, secret in (("maildroid", SECRET), ("o'brien", b"another one")):
        peers.run("saslpasswd2", "-p", "-c", "-f", str(admin.database), "-u", HUB, who, stdin=secret)
    admin.sasl("add", "hashed", "--hashed", "--password", admin.secret("chosen", b"scram only"))
    admin.sasl("convert", url, "--to", "postgresql")
    role = postgres.role()
    postgres.psql(name, admin.sasl("conf", "--grants", "--role", role).out)
    conf = admin.directory / "Sendmail.conf"
    admin.sasl("conf", "--database", url, "--role", role, "--to", conf)
    right = [("maildroid", HUB, SECRET), ("o'brien", HUB, b"another one"), ("hashed", HUB, b"scram only")]
    offered = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"})
    opened = [offered, offered, {"SCRAM-SHA-256"}]
    assert sasl_oracle.configured(conf, *right) == opened
    wrong = [(who, HUB, b"wrong") for who, _, _ in right]
    assert sasl_oracle.configured(conf, *wrong) == [frozenset()] * 3

    kept = admin.directory / "kept"
    admin.sasl("convert", "--database", url, "--to", "bdb", kept)
    peers.db_verify(kept)
    assert [sasl_oracle.mechanisms(kept, *login) & offered for login in right] == opened


UNFIT = {
    b"binary\0r\0cmusaslsecretPLAIN": (bytes(range(33)), "binary@r: its cmusaslsecretPLAIN is binary, and"),
    b"latin\0r\0userPassword": (b"caf\xe9-s3cret", "latin@r: its userPassword is binary, and"),
    b"nul\0r\0userPassword": (b"s3cret\0x", "nul@r: its userPassword is binary, and"),
    b"none\0r\0userPassword": (b"", "none@r: its userPassword is empty, which"),
    b"much\0r\0userPassword": (b"s3cret" * 1400, "much@r: its userPassword has 8400 bytes; Cyrus SASL reads"),
    b"x\xff\0r\0userPassword": (b"s3cret", r"x\udcff@r: has a name that is empty or no UTF-8"),
    b"\0r\0userPassword": (b"s3cret", "@r: has a name that is empty or no UTF-8"),
    b"prop\0r\0a\nb": (b"s3cret\xff", r"prop@r: its a\nb is binary"),
    b"a\nb\0r\0userPassword": (b"s3cret\xff", r"a\nb@r: its userPassword is binary"),
    b"u" * 1010 + b"\0r\0userPassword": (b"s3cret", f"{'u' * 1010}@r: has a key of 1025 octets, too long"),
}


def test_accounts_that_text_can_t_hold_are_all_named_and_nothing_is_written(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    MAKE["gdbm"](admin.database, RECORDS | {key: value for key, (value, _) in UNFIT.items()})
    before = len(postgres.log)
    told = admin.sasl("convert", url, "--json", status=65)
    refused = admin.sasl("convert", url, "--dry-run", status=65)
    assert (told.data["converted"], refused.octets) == (False, b"")
    *lines, hint = refused.err.splitlines()
    assert hint.startswith("  hint: nothing was written; ")
    starts = [f"smtpcreds: {reason}" for _, reason in UNFIT.values()]
    assert len(lines) == len(starts)
    assert [start for start in starts if not any(line.startswith(start) for line in lines)] == []
    rows = {f"{row['account']}: {row['reason']}" for row in told.data["refused"]}
    assert {line.removeprefix("smtpcreds: ") for line in lines} == rows
    assert postgres.run(name, "SELECT to_regclass('smtpcreds_sasl')") == [(None,)]
    assert "s3cret" not in refused.err + told.out + postgres.log[before:]


def test_keys_of_no_account_stay_behind_and_are_listed(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    strays = {b"a key of nobody": b"x", b"a\0b\0c\0d": b"\xff", b"": b"x"}
    MAKE["gdbm"](admin.database, RECORDS | strays)
    report = admin.sasl("convert", url, "--json").data
    assert (report["records"], report["accounts"], report["carried"]) == (len(RECORDS), len(RECORDS), [])
    assert sorted(report["refused"]) == ["", "a key of nobody", r"a\x00b\x00c\x00d"]
    assert postgres.accounts(name) == RECORDS


def test_what_is_in_the_table_is_replaced_only_by_force(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    open_store(url).apply(lambda _: {**OLD, PASSWORD: b"an older secret"})
    MAKE["bdb"](admin.database, RECORDS)
    refused = admin.sasl("convert", url, status=73)
    assert "holds 2 records already, which were not changed\n  hint: name another database" in refused.err
    assert postgres.accounts(name) == {**OLD, PASSWORD: b"an older secret"}
    assert f"smtpcreds: change {url}\n" in admin.sasl("convert", url, "--force", "-v").err
    assert postgres.accounts(name) == RECORDS


def test_all_of_it_or_nothing(admin: Admin, postgres: Cluster, name: str, url: str) -> None:
    open_store(url).apply(lambda _: OLD)
    postgres.run(name, "ALTER TABLE smtpcreds_sasl ADD CHECK (username <> 'user299')")
    MAKE["bdb"](admin.database, RECORDS)
    refused = admin.sasl("convert", url, "--force", status=65)
    assert "violates check constraint" in refused.err
    assert "secret299" not in refused.err
    assert postgres.accounts(name) == OLD


def test_it_is_one_transaction_whose_secrets_the_server_does_not_log(
    admin: Admin, postgres: Cluster, url: str
) -> None:
    open_store(url).apply(lambda _: OLD)
    MAKE["bdb"](admin.database, RECORDS)
    before = len(postgres.log)
    admin.sasl("convert", url, "--force")
    admin.sasl("convert", "--database", url, "--to", "bdb", "back")
    log = postgres.log[before:]
    deeds = re.findall(r"(?:statement|execute [^:]*): +\s*(BEGIN|LOCK|DELETE|COPY|COMMIT)", log)
    assert deeds == ["BEGIN", "LOCK", "DELETE", "COPY", "COMMIT"]
    assert not [value for value in RECORDS.values() if value.decode() in log]


def test_every_record_is_compared(admin: Admin, postgres: Cluster, name: str, url: str) -> None:
    open_store(url).apply(lambda _: OLD)
    body = "BEGIN IF NEW.username = 'user7' THEN NEW.value = upper(NEW.value); END IF; RETURN NEW; END"
    made = f"CREATE OR REPLACE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    trigger = "CREATE TRIGGER change BEFORE INSERT ON smtpcreds_sasl FOR EACH ROW EXECUTE FUNCTION change()"
    postgres.run(name, made, trigger)
    MAKE["bdb"](admin.database, RECORDS)
    assert "reads back with 1 other records" in admin.sasl("convert", url, "--force", status=65).err


def test_a_dry_run_makes_nothing(admin: Admin, postgres: Cluster, name: str, url: str) -> None:
    MAKE["bdb"](admin.database, RECORDS)
    said = f"would write {url}\nwould change {len(RECORDS)} accounts  ({url})\n"
    assert admin.sasl("convert", url, "-n").out == said
    assert postgres.run(name, "SELECT to_regclass('smtpcreds_sasl')") == [(None,)]
    open_store(url).apply(lambda _: RECORDS)
    note = f"({len(RECORDS)} records as bdb)"
    planned = admin.sasl("convert", "--database", url, "--to", "bdb", "new", "-n").out
    assert f"would write {admin.directory}/new  0600  {note}\n" in planned
    assert not (admin.directory / "new").exists()


def test_nothing_is_converted_into_nothing(admin: Admin, url: str) -> None:
    assert (
        "holds no accounts yet"
        in admin.sasl("convert", "--database", url, "--to", "bdb", "new", status=66).err
    )
    MAKE["bdb"](admin.database, {})
    assert admin.sasl("convert", url, "--json").data["records"] == 0


def test_an_existing_file_is_replaced_by_force_and_keeps_its_own(admin: Admin, url: str) -> None:
    open_store(url).apply(lambda _: RECORDS)
    target = admin.directory / "new"
    MAKE["bdb"](target, OLD)
    os.chown(target, 1, 2)
    target.chmod(0o660)
    words = ("convert", "--database", url, "--to", "bdb", target)
    assert "pass --force" in admin.sasl(*words, status=73).err
    admin.sasl(*words, "--force")
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 2, 0o660)
    assert peers.db_dump(target) == RECORDS


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("new", "--to", "postgresql"), 64, "is not a URL"),
        (("postgresql:///mail", "--to", "bdb"), 64, "--to: says bdb, and the target is PostgreSQL"),
        (("postgresql:///mail", "--database", "postgresql:///mail"), 64, "is the database itself"),
        (("postgresql://u:pw5ecret@db/mail",), 64, "carries a password"),
        (("new", "--to", "bdb", "--database", "postgresql://u:pw5ecret@db/mail"), 64, "carries a password"),
        (("sqlite:///etc/accounts",), 65, "a login without a password"),
    ],
)
def test_what_can_t_be_meant(admin: Admin, words: tuple[str, ...], status: int, reason: str) -> None:
    MAKE["bdb"](admin.database, RECORDS)
    refused = admin.sasl("convert", *words, status=status)
    assert reason in refused.err
    assert "pw5ecret" not in refused.err
    assert not (admin.directory / "new").exists()


def started(admin: Admin, *words: object) -> "subprocess.Popen[bytes]":
    """Start a conversion that something will hold up."""
    return subprocess.Popen(
        admin.command("sasl", "convert", *map(str, words)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=admin.directory,
        env=environment(),
    )


def ended(process: "subprocess.Popen[bytes]") -> Ran:
    out, err = process.communicate(timeout=PATIENCE)
    return Ran(process.returncode, out, err)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(100 * PATIENCE):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


@contextmanager
def reserved(postgres: Cluster, name: str) -> Iterator[None]:
    """Hold the table against all writers."""
    with psycopg.connect(postgres.url(name, "super")) as other:
        other.execute("LOCK TABLE smtpcreds_sasl IN SHARE ROW EXCLUSIVE MODE")
        yield


def waiting(postgres: Cluster, name: str) -> int:
    found = postgres.run(name, "SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(str(found[0][0]))


def test_a_change_of_the_file_meanwhile_is_noticed(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    MAKE["bdb"](admin.database, RECORDS)
    open_store(url).apply(lambda _: OLD)
    with reserved(postgres, name):
        process = started(admin, url, "--force")
        until(lambda: waiting(postgres, name) == 1)
        peers.run("saslpasswd2", "-p", "-c", "-f", str(admin.database), "-u", "r", "late", stdin=b"too late")
    ran = ended(process)
    assert (ran.status, postgres.accounts(name)) == (0, RECORDS)
    assert f"warning: {admin.database} was changed during the conversion; convert it again" in ran.err


def test_a_change_of_the_table_meanwhile_is_noticed(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    open_store(url).apply(lambda _: RECORDS)
    target = admin.directory / "new"
    MAKE["bdb"](target, OLD)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = started(admin, "--database", url, "--to", "bdb", target, "--force")
        until(lambda: lock.name in open_files(process.pid))  # so it has read the table
        postgres.psql(name, "UPDATE smtpcreds_sasl SET value = 'changed' WHERE username = 'user7'")
    ran = ended(process)
    assert (ran.status, peers.db_dump(target).keys()) == (0, RECORDS.keys())
    assert f"warning: {url} was changed during the conversion; convert it again" in ran.err


def test_of_two_at_once_the_second_finds_the_table_full(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    MAKE["bdb"](admin.database, RECORDS)
    open_store(url).apply(lambda _: OLD)
    postgres.run(name, "DELETE FROM smtpcreds_sasl")
    with reserved(postgres, name):
        pair = [started(admin, url) for _ in range(2)]
        until(lambda: waiting(postgres, name) == 2)
    statuses = sorted(ended(process).status for process in pair)
    assert statuses == [0, 73]
    assert postgres.accounts(name) == RECORDS
