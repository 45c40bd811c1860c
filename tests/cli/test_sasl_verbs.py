"""``sasl add``, ``list``, ``show``, ``passwd`` and ``delete``, judged by Cyrus SASL and Berkeley DB."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sasl_oracle
from admin import ACCOUNT, HUB, SASLDB, Admin, environment, peer, snapshot

from smtpcreds.sasldb.opening import open_store

SERVED = "SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN"
LEFTOVERS = ("cmusaslsecretOTP", "cmusaslsecretPLAIN", "cmusaslsecretCRAM-MD5", "authPassword", "xUnknown")


def revealed(program: Admin, account: str = "maildroid") -> str:
    return program("sasl", "show", account, "--reveal").out.removesuffix("\n")


def opens(program: Admin, password: str, user: str = "maildroid", realm: str = HUB) -> bool:
    return sasl_oracle.authenticate(program.path(SASLDB), "SCRAM-SHA-256", user, realm, password.encode())


def listed(program: Admin) -> list[str]:
    return sorted(peer("sasldblistusers2", "-f", program.path(SASLDB)).splitlines())


def give_leftovers(program: Admin) -> None:
    """Add properties as other programs leave them, with db5.3_load."""
    lines = [f"maildroid\\00{HUB}\\00{name}\n old-secret-of-{name}\n" for name in LEFTOVERS]
    head = "VERSION=3\nformat=print\ntype=hash\nHEADER=END\n "
    text = head + " ".join(lines) + "DATA=END\n"
    peer("db5.3_load", "-f", "/dev/stdin", program.path(SASLDB), stdin=text.encode())


def test_the_three_fixed_words_do_it(smtpcreds: Admin) -> None:
    ran = smtpcreds("sasl", "add", "maildroid")
    database = smtpcreds.path(SASLDB)
    assert ran.out.splitlines() == [
        f"{ACCOUNT}: relay account; clear text",
        f"  serves {SERVED}",
        f"  {database}  0600 root:root",
        "next: smtpcreds sasl auth-info maildroid --to FILE",
    ]
    assert ran.err == ""
    assert listed(smtpcreds) == [f"{ACCOUNT}: userPassword"]
    assert peer("db5.3_verify", database) == f"BDB5105 Verification of {database} succeeded.\n"
    secret = revealed(smtpcreds)
    assert re.fullmatch(r"[A-Za-z0-9._~-]{22,}", secret), "128 bits of an alphabet that needs no quoting"
    assert sasl_oracle.mechanisms(database, "maildroid", HUB, secret.encode()) == set(sasl_oracle.MECHANISMS)


def test_generated_secrets_differ(hub: Admin) -> None:
    first = revealed(hub)
    hub("sasl", "passwd", "maildroid")
    assert revealed(hub) != first
    assert opens(hub, revealed(hub))
    assert not opens(hub, first)


@pytest.mark.parametrize("source", ["file:secret", "env:SECRET", "stdin:", "cmd:cat secret", "fd:{}"])
def test_sources_of_a_password(smtpcreds: Admin, source: str) -> None:
    """The chapter's own password, with a space, a comma and a question mark, ends up byte for byte."""
    chosen = "Ch1mp? ,03fuzz fl0ppi"
    smtpcreds.write("secret", f"{chosen}\n")
    reader, writer = os.pipe()
    os.write(writer, f"{chosen}\n".encode())
    os.close(writer)
    ran = smtpcreds.run(
        "sasl",
        "add",
        "maildroid",
        "--password",
        source.format(reader),
        stdin=f"{chosen}\n".encode() if source == "stdin:" else b"",
        fds=[reader],
        env={"SECRET": chosen},
    )
    os.close(reader)
    assert (ran.status, ran.err) == (0, "")
    assert opens(smtpcreds, chosen)
    assert revealed(smtpcreds) == chosen


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 66, "secret: is empty"),
        (b"a\0b", 65, "secret: contains a NUL, which no secret can"),
        (b"a\nb", 65, "password: contains a line feed"),
        (b"trailing \n", 65, "password: ends in a space"),
        ("ﬁ".encode(), 65, "password: would be changed by SASLprep"),
    ],
)
def test_chosen_passwords_that_some_consumer_would_change(
    smtpcreds: Admin, content: bytes, status: int, said: str
) -> None:
    smtpcreds.write("secret", content)
    assert said in smtpcreds.refuses(status, "sasl", "add", "maildroid", "--password", "file:secret")


@pytest.mark.parametrize(
    ("mode", "said"), [(0o640, "has mode 0640, so others may read it\n  hint: chmod 600 secret")]
)
def test_a_source_that_others_may_read(smtpcreds: Admin, mode: int, said: str) -> None:
    smtpcreds.write("secret", "x", mode)
    assert said in smtpcreds.refuses(77, "sasl", "add", "maildroid", "--password", "file:secret")


def test_a_mistyped_password_is_not_repeated(smtpcreds: Admin) -> None:
    assert "hunter2" not in smtpcreds.refuses(64, "sasl", "add", "maildroid", "--password", "hunter2")
    assert "hunter2" not in smtpcreds.refuses(64, "sasl", "add", "maildroid", "--password", "hunter2:x")


def test_the_password_of_a_login_account_is_refused(smtpcreds: Admin) -> None:
    login = peer("openssl", "passwd", "-6", "-salt", "abc", "geheim").strip()
    smtpcreds.write("/etc/shadow", f"polka:{login}:19000:0:99999:7:::\n")
    smtpcreds.write("secret", "geheim")
    said = smtpcreds.refuses(65, "sasl", "add", "maildroid", "--password", "file:secret")
    assert "is that of the login account polka" in said


@pytest.mark.parametrize("known", ["etc/passwd of the root", "the host"])
def test_the_name_of_a_login_account_is_refused(smtpcreds: Admin, known: str) -> None:
    name = "root"
    if known != "the host":
        name = "polka"
        smtpcreds.write("/etc/passwd", "polka:x:1000:1000::/home/polka:/bin/sh\n", 0o644)
    said = smtpcreds.refuses(65, "sasl", "add", name)
    assert said.startswith(f"smtpcreds: {name}: is a login account on this host")
    assert "--allow-login-name" in said
    smtpcreds("sasl", "add", name, "--allow-login-name")
    assert listed(smtpcreds) == [f"{name}@{HUB}: userPassword"]


@pytest.mark.parametrize(
    ("words", "realm"),
    [
        (["droid@example.net"], "example.net"),
        (["droid", "--realm", "example.net"], "example.net"),
        (["droid@example.net", "--realm", "example.net"], "example.net"),
        (["droid"], HUB),
    ],
)
def test_realms(smtpcreds: Admin, words: list[str], realm: str) -> None:
    ran = smtpcreds("sasl", "add", *words)
    assert listed(smtpcreds) == [f"droid@{realm}: userPassword"]
    to_type = "droid" if realm == HUB else f"droid@{realm}"
    assert ran.out.splitlines()[-1] == f"next: smtpcreds sasl auth-info {to_type} --to FILE", (
        "what was typed works"
    )
    smtpcreds("sasl", "auth-info", to_type, "--to", "out")


def test_the_configured_realm(smtpcreds: Admin) -> None:
    smtpcreds.configure('hub = "dmzmail.polkatistas.org"\n[sasl]\nrealm = "polka"\n')
    assert smtpcreds("sasl", "add", "droid").out.startswith("droid@polka: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a@b@c"], "a@b@c: has more than one @; write user or user@realm"),
        (["a", "--realm", "b@c"], "a: realm contains an @"),
        (["@b"], "@b: has an empty user name"),
        (["a@"], "a@: has no realm behind the @"),
        ([""], '"": has an empty user name'),
        ([" a"], '" a": user name has outer spaces'),
        (["a\nb"], r"a\nb: user name contains a line feed"),
        (["a:b"], "a:b: user name contains a colon"),
        (["x" * 256], f"{'x' * 80}...: user name is over 255 octets"),
        (["a@" + "x" * 256], f"a@{'x' * 78}...: realm is over 255 octets"),
        (["a@b", "--realm", "c"], "a@b: names the realm b, and --realm says c"),
    ],
)
def test_names_that_cyrus_or_a_file_would_misread(smtpcreds: Admin, words: list[str], said: str) -> None:
    assert f"smtpcreds: {said}" in smtpcreds.refuses(65, "sasl", "add", *words)


def test_an_empty_realm_is_not_the_default(smtpcreds: Admin) -> None:
    assert "'--realm': is empty" in smtpcreds.refuses(64, "sasl", "add", "a", "--realm", "")


def test_an_account_that_exists_keeps_its_secret(hub: Admin) -> None:
    said = hub.refuses(73, "sasl", "add", "maildroid")
    assert said == (
        f"smtpcreds: {ACCOUNT}: the account exists; its secret was not changed\n"
        "  hint: smtpcreds sasl passwd maildroid"
    )


@pytest.mark.parametrize("verb", ["passwd", "delete", "show", "auth-info"])
def test_an_account_that_does_not_exist(hub: Admin, verb: str) -> None:
    said = hub.refuses(67, "sasl", verb, "nobody-here")
    assert said.startswith(f"smtpcreds: nobody-here@{HUB}: no such account in {hub.path(SASLDB)}\n")


@pytest.mark.parametrize("verb", ["passwd", "delete", "show", "auth-info"])
def test_an_account_of_another_realm_is_pointed_at(hub: Admin, verb: str) -> None:
    hub("sasl", "add", "droid@example.net")
    assert "there is droid@example.net; give the realm" in hub.refuses(67, "sasl", verb, "droid")


def test_a_new_password_takes_every_old_property_along(hub: Admin) -> None:
    give_leftovers(hub)
    old = revealed(hub)
    assert len(listed(hub)) == 1 + len(LEFTOVERS)
    hub("sasl", "passwd", "maildroid")
    assert listed(hub) == [f"{ACCOUNT}: userPassword"]
    content = hub.path(SASLDB).read_bytes()
    assert old.encode() not in content
    assert b"old-secret" not in content


def test_deleting_takes_every_property_along(hub: Admin) -> None:
    give_leftovers(hub)
    secret = revealed(hub)
    hub("sasl", "add", "other")
    assert hub("sasl", "delete", "maildroid").out == f"{ACCOUNT}: deleted\n"
    assert listed(hub) == [f"other@{HUB}: userPassword"]
    content = hub.path(SASLDB).read_bytes()
    assert secret.encode() not in content
    assert b"maildroid" not in content


def test_a_database_that_is_named_has_to_be_there(hub: Admin) -> None:
    said = hub.refuses(66, "sasl", "list", "--database", "typo")
    assert "typo: does not exist" in said
    hub("sasl", "add", "tuba", "--database", "other one")
    said = hub.refuses(67, "sasl", "show", "nobody-here", "--database", "other one")
    assert f"hint: smtpcreds sasl list --database '{hub.root.parent / 'other one'}'" in said


def test_the_last_account_may_go(hub: Admin) -> None:
    hub("sasl", "delete", "maildroid")
    assert hub("sasl", "list").out == f"no accounts in {hub.path(SASLDB)}\n"
    peer("db5.3_verify", hub.path(SASLDB))
    peer("saslpasswd2", "-p", "-f", hub.path(SASLDB), "-u", HUB, "again", stdin=b"geheim")
    assert hub("sasl", "list").out == f"again@{HUB}  {SERVED}\n"


def test_accounts_that_saslpasswd2_edits_in_our_file(hub: Admin) -> None:
    database = hub.path(SASLDB)
    for name in ("droid1", "droid2"):
        peer("saslpasswd2", "-p", "-f", database, "-u", HUB, name, stdin=b"geheim1\n")
    peer("saslpasswd2", "-p", "-f", database, "-u", HUB, "maildroid", stdin=b"geheim2\n")
    peer("saslpasswd2", "-d", "-f", database, "-u", HUB, "droid2")
    assert revealed(hub, "droid1") == "geheim1"
    assert revealed(hub) == "geheim2"
    hub("sasl", "passwd", "droid1")
    assert listed(hub) == [f"droid1@{HUB}: userPassword", f"{ACCOUNT}: userPassword"]
    peer("db5.3_verify", database)


ODD_NAMES = (
    b"caf\xe9\0" + HUB.encode(),
    b"esc\x1b[31mred\0" + HUB.encode(),
    b"co:lon\0" + HUB.encode(),
    b"space \0" + HUB.encode(),
    b"realmless\0",
    b"a@b\0" + HUB.encode(),
    b"\0nameless",
)


def test_whatever_other_programs_made_can_be_shown_and_deleted(hub: Admin) -> None:
    store = open_store(str(hub.path(SASLDB)))
    before = dict(store.load())
    store.apply(lambda _: {name + b"\0userPassword": b"x" for name in ODD_NAMES})
    for name in ODD_NAMES:
        account = os.fsdecode(name.replace(b"\0", b"@"))
        typed = account if b"@" in name else account.removesuffix(f"@{HUB}")
        assert hub("sasl", "show", typed, "--json").data["account"] == account
        assert hub("sasl", "show", account, "--json").data["account"] == account
        hub.refuses(65, "sasl", "show", account, "--realm", "elsewhere")
        hub("-q", "sasl", "delete", typed)
        hub.refuses(65, "sasl", "delete", typed)
    assert dict(store.load()) == before


def test_a_path_that_is_not_utf_8(smtpcreds: Admin, tmp_path: Path) -> None:
    place = os.fsdecode(bytes(tmp_path) + b"/caf\xe9")
    for words in (("add", "droid"), ("passwd", "droid"), ("delete", "droid")):
        assert smtpcreds("-q", "sasl", *words, "--database", place).err == ""


def test_list_says_what_each_account_can_serve(hub: Admin) -> None:
    give_leftovers(hub)
    hub("sasl", "add", "z@a.example.net")
    ran = hub("sasl", "list", "--json")
    accounts = {row["account"]: row for row in ran.data["accounts"]}
    assert list(accounts) == ["z@a.example.net", ACCOUNT], "by realm, then name"
    assert accounts["z@a.example.net"]["mechanisms"] == SERVED.split()
    assert accounts[ACCOUNT]["properties"] == sorted([*LEFTOVERS, "userPassword"])


def test_names_of_other_programs_forge_no_line_and_no_json(hub: Admin, tmp_path: Path) -> None:
    """saslpasswd2 takes any name; on a terminal nothing would strip what moves the cursor."""
    path, names = tmp_path / "db", ("a\x1b[31mred", "two\nlines", b"\xff".decode(errors="surrogateescape"))
    for name in names:
        peer("saslpasswd2", "-f", path, "-p", "-u", "r", name, stdin=b"secret")
    typed = f"{sys.executable} -m smtpcreds --root {hub.root} sasl list --database {path}"
    done = subprocess.run(["script", "-qec", typed, "/dev/null"], capture_output=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(b" ")]
    assert [line.split()[0] for line in lines] == [rb"a\x1b[31mred@r", rb"two\nlines@r", rb"\udcff@r"]
    listed = json.loads(hub("sasl", "list", "--json", "--database", path).out)
    assert [entry["account"] for entry in listed["accounts"]] == [f"{name}@r" for name in names]


def test_show_reveals_only_when_asked(hub: Admin) -> None:
    secret = revealed(hub)
    assert hub("sasl", "show", "maildroid").out.splitlines() == [
        ACCOUNT,
        "  properties  userPassword",
        f"  mechanisms  {SERVED}",
    ]
    assert secret not in hub("sasl", "show", "maildroid", "--json").out
    assert "a secret is not printed as JSON" in hub.refuses(
        64, "sasl", "show", "maildroid", "--reveal", "--json"
    )


@pytest.mark.parametrize("verb", [("show", "maildroid", "--reveal"), ("auth-info", "maildroid")])
@pytest.mark.parametrize(("mode", "status"), [(0o600, 0), (0o644, 77), (0o660, 77)])
def test_a_secret_does_not_go_into_a_file_that_others_read(
    hub: Admin, verb: tuple[str, ...], mode: int, status: int, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    path.touch()
    path.chmod(mode)
    with path.open("wb") as out:
        done = subprocess.run(
            hub.command("sasl", *verb),
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    assert done.returncode == status
    assert bool(path.read_bytes()) == (status == 0)
    assert status == 0 or b"umask 077" in done.stderr


def test_a_database_elsewhere(smtpcreds: Admin, tmp_path: Path) -> None:
    smtpcreds("sasl", "add", "droid", "--database", "other.db")
    assert peer("sasldblistusers2", "-f", tmp_path / "other.db") == f"droid@{HUB}: userPassword\n"
    assert not smtpcreds.path(SASLDB).exists()
    assert "'--database': is empty" in smtpcreds.refuses(64, "sasl", "delete", "droid", "--database", "")


def test_mode_and_owner_of_an_existing_database_stay(hub: Admin) -> None:
    database = hub.path(SASLDB)
    os.chown(database, 0, 8)
    database.chmod(0o640)
    hub("sasl", "passwd", "maildroid")
    found = database.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 0, 8)


@pytest.mark.parametrize("format_", ["gdbm", "lmdb", "bdb"])
def test_the_configured_format_of_a_new_database(smtpcreds: Admin, format_: str) -> None:
    smtpcreds.configure(f'hub = "{HUB}"\n[sasl]\nformat = "{format_}"\nmode = "0640"\n')
    smtpcreds("sasl", "add", "maildroid")
    smtpcreds("sasl", "add", "second")
    assert len(smtpcreds("sasl", "list").out.splitlines()) == 2
    assert smtpcreds.mode(SASLDB) == 0o640
    magic = {
        "bdb": (12, b"\x61\x15\x06\x00"),
        "gdbm": (0, b"\xcf\x9a\x57\x13"),
        "lmdb": (16, b"\xde\xc0\xef\xbe"),
    }
    at, octets = magic[format_]
    assert smtpcreds.path(SASLDB).read_bytes()[at : at + 4] == octets


def test_dry_runs_change_nothing_and_ask_nothing(hub: Admin) -> None:
    before = snapshot(hub.root)
    database = hub.path(SASLDB)
    for words, said in [
        (("add", "new", "--password", "cmd:false"), f"would add new@{HUB}  ({database})"),
        (("passwd", "maildroid", "--password", "prompt:"), f"would change {ACCOUNT}  ({database})"),
        (("delete", "maildroid"), f"would delete {ACCOUNT}  ({database})"),
    ]:
        foreseen = hub("sasl", *words, "--dry-run").out.splitlines()
        assert {f"would change {database}", said} <= {*foreseen}
    refused = hub("sasl", "add", "new", "--password", "file:/nonexistent", "--dry-run", status=66)
    assert "there is no such file" in refused.problem
    assert snapshot(hub.root) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mechanism", "x y"), "not a name of a mechanism"),
        (("--mechanism", "PLAIN\nsasldb_path: /tmp/mine"), "not a name of a mechanism"),
        (("--saslauthd", "--mechanism", "SCRAM-SHA-256"), "can check PLAIN and LOGIN only"),
        (("--saslauthd", "--database", "/etc/sasldb2"), "asks no database"),
    ],
)
def test_conf_that_would_let_nobody_in(hub: Admin, words: tuple[str, ...], said: str) -> None:
    assert said in hub.refuses(64, "sasl", "conf", *words)


def test_conf_says_where_the_mail_server_looks(hub: Admin) -> None:
    there = hub.path("/etc/sasl2/other.conf")
    there.parent.mkdir(exist_ok=True)
    out = hub("sasl", "conf", "--mechanism", "plain", "--to", there).out
    assert "next: copy it to /etc/sasl2/Sendmail.conf; sendmail reads that when it starts" in out
    assert there.read_text().endswith("mech_list: PLAIN\n")
    out = hub("sasl", "conf", "--to", hub.path("/etc/sasl2/Sendmail.conf"), "--force").out
    assert "next: sendmail reads it when it starts" in out


def test_an_account_of_another_realm_is_said_once_and_the_audit_only_notes_it(hub: Admin) -> None:
    other = "scanner@polkatistas.org"
    said = f"{other}: is not in the realm of bare names, {HUB}; clients have to log in with the whole name"
    assert said in hub("sasl", "add", other).err
    assert hub("sasl", "add", "scanner").err == ""
    assert "realm" not in hub("sasl", "passwd", other).err
    ran = hub("audit", "--only", "SASL001")
    assert f"SASL001 note  {other}" in ran.out
    hub("audit", "--only", "SASL001", "--fail-on", "note", status=1)
    data = hub.json("sasl", "auth-info", other, "--to", hub.path("/etc/info"))
    assert data["login"] == other
    assert hub("status").out.endswith("nothing is due\n")
