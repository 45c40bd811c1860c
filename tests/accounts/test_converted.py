"""Secrets and records of other programs, as those programs write them; libsasl2 says whether they open.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, dovecot-core, db5.3-util, lmdb-utils, gdbmtool.
"""

import subprocess
from pathlib import Path

import pytest
import sasl_oracle
from admin import HUB, Admin, peer

from smtpcreds.passwords import derive_scram
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store
from smtpcreds.secret import Secret

RIGHT = "r1ght, £%:{secret}"


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    program = Admin(tmp_path / "root")
    program.configure()
    return program


def refused(admin: Admin, *words: str, stdin: bytes, status: int = 65) -> str:
    """Return what an import says that adds nothing."""
    ran = admin("sasl", "import", "-", *words, status=status, stdin=stdin)
    assert (ran.out, admin.database.exists()) == ("", False)
    return ran.err


def dovecot(scheme: str, login: str, secret: str = RIGHT) -> str:
    """Return a line of a passwd-file whose value Dovecot made."""
    return f"{login}:{peer('doveadm', '-O', 'pw', '-s', scheme, '-u', login, '-p', secret)}"


def opened_by(admin: Admin, login: str, secret: str, realm: str = HUB) -> set[str]:
    return set(sasl_oracle.mechanisms(admin.database, login, realm, secret.encode()))


@pytest.mark.parametrize("scheme", ["CRAM-MD5", "HMAC-MD5", "CRAM-MD5.b64", "CRAM-MD5.hex"])
@pytest.mark.parametrize("secret", ["r1ght, secret", "x" * 80])
def test_cram_md5_of_dovecot_opens_the_account(admin: Admin, scheme: str, secret: str) -> None:
    ran = admin("sasl", "import", "-", stdin=dovecot(scheme, "joe", secret).encode())
    assert "Dovecot's passwd-file" in ran.err
    assert opened_by(admin, "joe", secret) == {"CRAM-MD5"}
    assert not opened_by(admin, "joe", secret + "x")


@pytest.mark.parametrize("scheme", ["DIGEST-MD5", "DIGEST-MD5.b64"])
def test_digest_md5_of_dovecot_opens_the_account(admin: Admin, scheme: str) -> None:
    admin("sasl", "import", "-", stdin=dovecot(scheme, f"joe@{HUB}", "r1ght, secret").encode())
    assert opened_by(admin, "joe", "r1ght, secret") == {"DIGEST-MD5"}
    assert not opened_by(admin, "joe", "wrong")
    shown = admin("sasl", "show", "joe").out
    assert "mechanisms  DIGEST-MD5" in shown


def test_digest_md5_of_another_realm_opens_by_the_relay_s_realm_nothing(admin: Admin) -> None:
    """Dovecot hashes the realm: an empty one for a bare name."""
    for line, reason in (
        (dovecot("DIGEST-MD5", "joe"), "made for a name without a realm"),
        (dovecot("DIGEST-MD5", f"joe@{HUB.upper()}"), "made for the realm in capitals"),
    ):
        assert reason in refused(admin, stdin=line.encode())


@pytest.mark.parametrize("value", ["{CRAM-MD5}00", "{CRAM-MD5}" + "zz" * 32, "{DIGEST-MD5}" + "00" * 15])
def test_a_value_that_is_none_is_refused(admin: Admin, value: str) -> None:
    said = refused(admin, stdin=f"joe@ex.org:{value}\n".encode())
    assert f"its secret is no {value[1:].partition('}')[0]} value" in said


def test_a_table_of_dovecot_s_values_is_told_the_way(admin: Admin) -> None:
    value = dovecot("CRAM-MD5", "joe").partition(":")[2]
    said = refused(admin, stdin=f"user,password\njoe,{value}\n".encode())
    assert "write a line user:{CRAM-MD5}value, as Dovecot does: --as dovecot" in said


RECORDS = {
    f"joe\0{HUB}\0userPassword".encode(): RIGHT.encode(),
    f"bäck\\slash\0{HUB}\0userPassword".encode(): b"back\\slash \\41",
    f"ann\0{HUB}\0authPassword".encode(): derive_scram(Secret("4nn's secret")).cyrus(),
    b"bob\0other.example\0cmusaslsecretOTP": b"md5\t0499\tse\0ed\xff\n",
}
DUMPS = {
    "db5.3_dump": Format.BDB,
    "db5.3_dump -p": Format.BDB,
    "mdb_dump -n": Format.LMDB,
}


@pytest.mark.parametrize("name", DUMPS)
def test_a_dump_is_read_with_all_properties(admin: Admin, tmp_path: Path, name: str) -> None:
    command = name.split()
    open_store(str(tmp_path / "old"), new=DUMPS[name]).apply(lambda _: RECORDS)
    dump = subprocess.run([*command, tmp_path / "old"], capture_output=True, check=True).stdout
    ran = admin("sasl", "import", "-", stdin=dump)
    assert "a dump of a sasldb" in ran.err
    assert admin.records() == RECORDS
    assert "PLAIN" in opened_by(admin, "joe", RIGHT)
    for damage in (dump[:-20], dump.replace(b"HEADER=END", b""), dump.replace(b"\n ", b"\nx", 1)):
        assert admin.run("sasl", "import", "-", "--as", "dump", stdin=damage).status == 65


def test_a_printable_dump_of_lmdb_is_told_the_way(admin: Admin, tmp_path: Path) -> None:
    """Up to LMDB 0.9.24 it has one backslash for a backslash, and so the same text for several secrets."""
    open_store(str(tmp_path / "old"), new=Format.LMDB).apply(lambda _: RECORDS)
    dump = subprocess.run(["mdb_dump", "-n", "-p", tmp_path / "old"], capture_output=True, check=True).stdout
    assert b" back\\slash \\41\n" in dump.replace(b"\\\\", b"\\")
    assert "leave -p out of mdb_dump" in refused(admin, stdin=dump)


def test_a_dump_of_gdbm_is_told_the_way(admin: Admin, tmp_path: Path) -> None:
    open_store(str(tmp_path / "old"), new=Format.GDBM).apply(lambda _: RECORDS)
    peer("gdbm_dump", tmp_path / "old", tmp_path / "dump")
    said = refused(admin, stdin=(tmp_path / "dump").read_bytes())
    assert "seems to be a dump of GDBM\n  hint: gdbm_load FILE NEWFILE" in said
    peer("gdbm_load", tmp_path / "dump", tmp_path / "new")
    (tmp_path / "new").chmod(0o600)
    admin("sasl", "import", tmp_path / "new")
    assert admin.records() == RECORDS


def test_an_authinfo_map_of_ours_comes_back(admin: Admin) -> None:
    admin("sasl", "add", "maildroid")
    admin("sasl", "add", "fern@other.example")
    before = admin.records()
    source = "".join(
        f'AuthInfo:{HUB}\t"U:{name}" "I:{name}" "P:{admin("sasl", "show", name, "--reveal").out.strip()}"\n'
        for name in ("maildroid", "fern@other.example")
    )
    admin("sasl", "import", "-", "--database", "new", stdin=source.encode())
    assert admin.records(admin.directory / "new") == before


def test_what_was_understood_is_said_before_anything_is_added(admin: Admin) -> None:
    path = admin.write(
        "people.csv", "Benutzer;Kennwort;Abteilung\njoe;j0e-secret;7\nann;4nn-secret;8\nbob;pa55word;9\n"
    )
    ran = admin("sasl", "import", path)
    form = (
        'values separated by semicolons; line 1 is the header: user from "Benutzer", password from "Kennwort"'
    )
    form += '; left out: "Abteilung"'
    assert ran.err.splitlines() == [
        f"{path}: {form}",
        f"  line 2: joe@{HUB}",
        "  and 2 more",
        (
            f"smtpcreds: warning: {path}: line 4: bob@{HUB}: "
            "its secret is among the first passwords that attackers try"
        ),
    ]
    planned = admin("sasl", "import", path, "--database", "new", "-n").err.splitlines()
    assert planned[1:4] == [f"  line {n}: {who}@{HUB}" for n, who in ((2, "joe"), (3, "ann"), (4, "bob"))]
    data = admin.json("sasl", "import", path, "--database", "new")
    assert data["taken_for"] == form
    assert admin("-q", "sasl", "import", path, "--database", "newer").out == ""


def test_a_hundred_thousand_rows_are_still_told_in_one_line(admin: Admin) -> None:
    rows = "".join(f"user{n},generated-secret-{n:08d}\n" for n in range(100_000))
    ran = admin("sasl", "import", "-", "--no-header", stdin=rows.encode())
    assert len(ran.err.splitlines()) == 3
    assert len(admin.records()) == 100_000


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--columns", "password,realm"), 64, "names each column once, among them user and a secret"),
        (("--columns", "user,user,password"), 64, "names each column once"),
        (("--columns", "user,secret"), 64, "secret is not one of user, password, realm, PROPERTY:base64, -"),
        (("--columns", "user,password,-"), 65, "line 1 may name the columns"),
        (("--no-header", "--columns", "user,password,-"), 65, "has 2 fields, not 3"),
        (("--as", "jsonl", "--header"), 64, "is for tables, and standard input is jsonl"),
        (("--header",), 65, "names no column for the user"),
    ],
)
def test_options_that_do_not_fit(admin: Admin, words: tuple[str, ...], status: int, said: str) -> None:
    assert said in refused(admin, *words, stdin=b"joe,s3cret-1\n", status=status)
