"""``sasl verify``: the records, and the host's own libsasl2, say the same as libsasl2 driven by the tests.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, db5.3-util, locales, strace, util-linux.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sasl_oracle
from admin import HUB, SECRET, Admin, relay

from smtpcreds.accounts.database import AccountDatabase
from smtpcreds.accounts.verify import verify
from smtpcreds.config import Settings, Site
from smtpcreds.model import Account, Credential, Root
from smtpcreds.passwords import SCRAM_MECHANISMS, scram_secret
from smtpcreds.sasldb import libsasl, libsasl_child
from smtpcreds.secret import Secret

from .test_leftovers import ACCOUNT, CASES, CLEAR, HASHED, NEW, OLD, PLAIN

WRONG = b"not the secret"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libsasl2.so.2"
PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


def database(path: Path, held: dict[str, bytes], account: Account = ACCOUNT) -> Path:
    records: dict[bytes, bytes] = {}
    for prop, value in held.items():
        records |= sasl_oracle.record(account.authcid, account.realm, prop, value)
    sasl_oracle.write_sasldb(path, records)
    return path


def accounts(path: Path) -> AccountDatabase:
    def no_clock() -> "libsasl.Answer":
        raise AssertionError

    return AccountDatabase(Site(Root(), Settings(hub=HUB), no_clock, print), str(path))  # type: ignore[arg-type]


SETS = {name: held for name, (held, _) in CASES.items() if not name.startswith("over ")} | {
    mechanism: {"authPassword": scram_secret(Secret(OLD), mechanism)} for mechanism in SCRAM_MECHANISMS
}


@pytest.mark.parametrize("name", SETS)
def test_records_library_and_oracle_agree_on_every_mechanism(name: str, tmp_path: Path) -> None:
    path = database(tmp_path / "sasldb2", SETS[name])
    for password in (OLD, NEW + b"\r" if name == "carriage return" else NEW):
        for verdict in verify(accounts(path), ACCOUNT, Secret(password), sasl_oracle.MECHANISMS):
            said = sasl_oracle.authenticate(path, verdict.mechanism, *_who(), password)
            assert (verdict.records, verdict.libsasl2, verdict.reason) == (said, said, ""), verdict


def _who() -> tuple[str, str]:
    return ACCOUNT.authcid, ACCOUNT.realm


@pytest.mark.parametrize("name", ["élève", "a b", "o'brien", '"quoted"', "x" * 200])
def test_names_and_secrets_beyond_ascii(name: str, tmp_path: Path) -> None:
    account = Account(name, "polka.example")
    path = database(tmp_path / "sasldb2", {"userPassword": "pässwörd €".encode()}, account)
    verdicts = verify(accounts(path), account, Secret("pässwörd €"))
    assert len(verdicts) == 9
    assert all(verdict.records and verdict.libsasl2 for verdict in verdicts)
    assert not any(v.records or v.libsasl2 for v in verify(accounts(path), account, Secret("pässwörd")))


def test_yes_is_0_and_no_is_1(admin: Admin) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--hashed", "--also", "PLAIN", "--password", source)
    yes = admin.sasl("verify", "maildroid", "--password", source, "--json").data
    row = {"records": True, "libsasl2": True, "reason": None}
    assert yes == {
        "account": f"maildroid@{HUB}",
        "opens": True,
        "mechanisms": [{"mechanism": name, **row} for name in ("SCRAM-SHA-256", "PLAIN", "LOGIN")],
        "warnings": [],
    }
    ran = admin.sasl("verify", "maildroid", "--password", "stdin:", stdin=SECRET[:-1], status=1)
    assert ran.out.splitlines() == [
        f"maildroid@{HUB}: the password is wrong",
        "  SCRAM-SHA-256  records no   libsasl2 no",
        "  PLAIN          records no   libsasl2 no",
        "  LOGIN          records no   libsasl2 no",
    ]


def test_another_locale_than_utf_8(tmp_path: Path) -> None:
    """Names are typed in ISO 8859-1, and so is a directory on the way; records are UTF-8."""
    locale = tmp_path / "de_DE.ISO-8859-1"
    subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", locale], check=True)
    admin = relay(Path(os.fsdecode(bytes(tmp_path) + b"/k\xe4se")))
    name = os.fsdecode(b"k\xe4se")
    before = ("env", f"LOCPATH={tmp_path}", f"LC_ALL={locale.name}")
    admin.sasl("add", name, "--password", admin.secret("s"), before=before)
    copy = shutil.copy(admin.database, tmp_path)
    assert admin.opened_by("käse", SECRET, Path(copy)) >= {"SCRAM-SHA-256", "DIGEST-MD5"}
    found = admin.sasl("verify", name, "--password", admin.secret("s"), "--json", before=before).data
    assert found["account"] == f"käse@{HUB}"
    assert all(row["libsasl2"] for row in found["mechanisms"])


def test_one_mechanism(admin: Admin) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--hashed", "--password", source)
    words = ("verify", "maildroid", "--password", source, "--json", "--mechanism")
    assert admin.sasl(*words, "scram-sha-256").data["opens"] is True
    found = admin.sasl(*words, "SCRAM-SHA-512", "--mechanism", "SCRAM-SHA-256", status=1).data
    assert [(row["records"], row["libsasl2"]) for row in found["mechanisms"]] == [
        (False, False),
        (True, True),
    ]
    admin.sasl(*words, "NTLM", status=64)


def test_an_old_password_that_still_opens_plain(admin: Admin) -> None:
    database(admin.database, CLEAR | {PLAIN: HASHED[PLAIN]})
    ran = admin.sasl("verify", "maildroid", "--password", "stdin:", stdin=OLD, status=1)
    assert b"for some mechanisms only" in ran.octets
    assert ran.octets.count(b"records yes  libsasl2 yes") == 2
    admin.sasl("verify", "maildroid", "--password", "stdin:", stdin=NEW)


def test_what_can_t_be_checked_is_no_yes(admin: Admin) -> None:
    database(admin.database, {"cmusaslsecretOTP": b"md5\t0499\tseed\thash"})
    ran = admin.sasl("verify", "maildroid", "--password", "stdin:", stdin=OLD, status=1)
    assert b"OTP            records -    libsasl2 -  (can't be checked)" in ran.octets
    database(admin.database, {"mail": b"x"}, Account("attic", HUB))
    assert (
        b"can't log in by any mechanism"
        in admin.sasl("verify", "attic", "--password", "stdin:", stdin=OLD, status=1).octets
    )


def test_no_account_and_no_terminal(admin: Admin) -> None:
    admin.sasl("add", "maildroid")
    assert (
        "no such account" in admin.sasl("verify", "nobody", "--password", "stdin:", stdin=OLD, status=67).err
    )
    assert (
        "no terminal to ask for the password of maildroid" in admin.sasl("verify", "maildroid", status=69).err
    )


def test_a_format_that_the_host_can_t_read(admin: Admin) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--format", "gdbm", "--password", source)
    found = admin.sasl("verify", "maildroid", "--password", source, "--json").data
    assert found["opens"] is True
    reason = "this host's libsasl2 reads bdb, and the database is gdbm"
    assert {(row["libsasl2"], row["reason"]) for row in found["mechanisms"]} == {(None, reason)}


@pytest.mark.parametrize(
    ("hide", "reason"),
    [
        (f"mount --bind /dev/null {LIBRARY}", "this host has no libsasl2"),
        (f"mount -t tmpfs none {PLUGINS}", "this host's libsasl2 has no sasldb plugin"),
        (f"mount --bind /dev/null {PLUGINS}/libscram.so", "this host's libsasl2 has no SCRAM-SHA-256"),
        (f"mount --bind /dev/null {PLUGINS}/libdigestmd5.so", None),
    ],
)
def test_a_host_without_a_part_of_libsasl2(admin: Admin, hide: str, reason: str | None) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--hashed", "--password", source)
    before = ("unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh")
    (row,) = admin.sasl("verify", "maildroid", "--password", source, "--json", before=before).data[
        "mechanisms"
    ]
    expected = {"records": True, "libsasl2": None if reason else True, "reason": reason}
    assert row == {"mechanism": "SCRAM-SHA-256", **expected}


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("os.kill(os.getpid(), 11)", "libsasl2 broke off (signal 11)"),
        ("sys.exit(1)", "libsasl2 broke off (status 1)"),
        ("sys.stdout.flush(); sys.stdin = None; time.sleep(600)", "libsasl2 gave no answer in 5 seconds"),
    ],
)
def test_a_library_that_breaks_off_keeps_the_answers_before(
    ending: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process behind the pipe is replaced by one that answers once and then ends as broken plugins do."""
    child = tmp_path / "child.py"
    answer = 'print(\'["PLAIN", 0, 0, ""]\', flush=True)'
    child.write_text(f"import os, sys, time\nsys.stdin.read()\n{answer}\n{ending}\n")
    monkeypatch.setattr(libsasl_child, "__file__", str(child))
    monkeypatch.setattr(libsasl, "TIMEOUT", 5.0)
    path = database(tmp_path / "sasldb2", CLEAR)
    found = libsasl.ask(str(path), Credential(ACCOUNT, Secret(NEW), ACCOUNT.realm), ("PLAIN", "LOGIN"))
    assert found == {"PLAIN": libsasl.Answer(True), "LOGIN": libsasl.Answer(None, reason)}


def test_the_password_goes_through_pipes_only_and_is_not_logged(admin: Admin) -> None:
    source = admin.secret("s")
    admin.sasl("add", "maildroid", "--hashed", "--password", source)
    trace = admin.directory / "trace"
    calls = "trace=execve,connect,openat,sendto,prlimit64,prctl"
    before = ("strace", "-f", "-v", "-s", "10000", "-o", str(trace), "-e", calls)
    admin.sasl("verify", "maildroid", "--password", source, before=before)
    assert SECRET not in trace.read_bytes()
    admin.sasl("verify", "maildroid", "--password", "stdin:", stdin=WRONG, before=before, status=1)
    text = trace.read_bytes()
    assert WRONG not in text
    # Plugins may log when they are loaded; after the last look into the database nothing is logged.
    assert text.rfind(b"/dev/log") < text.rfind(b"etc/sasldb2")
    assert b"RLIMIT_CORE, {rlim_cur=0, rlim_max=0}" in text
    child = re.search(rb"^(\d+) +execve\(.*libsasl_child", text, re.MULTILINE)
    assert child
    closed = rb"^%s +prctl\(PR_SET_DUMPABLE, SUID_DUMP_DISABLE\) += 0" % child[1]
    assert re.search(closed, text, re.MULTILINE), "cores that the kernel pipes know no limit (core(5))"
