"""Names and secrets of accounts: what clients would change, what nobody finds, what is soon guessed.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, sasl2-bin.
"""

from pathlib import Path

import pytest
import sasl_oracle
from admin import HUB, SASLDB, SECRET, Admin, peer

from smtpcreds.model import Account, Credential
from smtpcreds.sasldb import libsasl
from smtpcreds.sasldb.opening import open_store
from smtpcreds.secret import Secret

CAPITALS = HUB.upper()


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    program = Admin(tmp_path / "root")
    program.configure()
    program.write("s", SECRET)
    return program


def refused(admin: Admin, *words: str, stdin: bytes) -> str:
    """Return what an import says that adds nothing."""
    before = admin.records()
    ran = admin("sasl", "import", "-", *words, status=65, stdin=stdin)
    assert (ran.out, admin.records()) == ("", before)
    return ran.err


def accounts(admin: Admin) -> set[str]:
    return {"@".join(key.decode().split("\0")[:2]) for key in admin.records()}


def test_the_relay_s_realm_in_capitals_is_the_relay_s_realm(admin: Admin) -> None:
    admin("sasl", "add", f"joe@{CAPITALS}", "--password", "file:s")
    admin("sasl", "add", "ann", "--realm", CAPITALS, "--password", "file:s")
    admin("sasl", "import", "-", stdin=f"bob@{CAPITALS},b0b's secret\n".encode())
    assert accounts(admin) == {f"{name}@{HUB}" for name in ("joe", "ann", "bob")}
    assert admin.opened_by("joe", SECRET)
    assert (
        f"joe@{HUB}: the password is right"
        in admin("sasl", "verify", f"joe@{CAPITALS}", "--password", "file:s").out
    )
    admin("sasl", "delete", f"joe@{CAPITALS}")
    assert accounts(admin) == {f"{name}@{HUB}" for name in ("ann", "bob")}


def test_another_realm_in_capitals_is_said_to_be_one(admin: Admin) -> None:
    said = "has to log in as joe@EX.ORG: Cyrus SASL tells capitals of a realm apart"
    assert said in admin("sasl", "add", "joe@EX.ORG", "--password", "file:s").err
    assert said in admin("sasl", "import", "-", "--database", "new", stdin=b"joe@EX.ORG,j0e's secret\n").err
    info = admin("sasl", "auth-info", "joe@EX.ORG").out.splitlines()
    assert sasl_oracle.mechanisms(admin.database, info[1], HUB, SECRET) == frozenset(sasl_oracle.MECHANISMS)
    rows = admin.json("sasl", "verify", "joe@EX.ORG", "--password", "file:s")["mechanisms"]
    assert {(row["mechanism"], row["libsasl2"]) for row in rows} == {
        (m, True) for m in sasl_oracle.MECHANISMS
    }


def test_an_account_that_saslpasswd2_made_in_the_relay_s_realm_in_capitals_is_meant_as_it_is(
    admin: Admin,
) -> None:
    admin("sasl", "add", "joe", "--password", "file:s")
    peer("saslpasswd2", "-p", "-f", admin.path(SASLDB), "-u", CAPITALS, "ann", stdin=b"other secret")
    admin("sasl", "verify", f"ann@{CAPITALS}", "--password", "stdin:", stdin=b"other secret")
    admin("sasl", "import", admin.database, "--database", "copy")
    assert admin.records(admin.directory / "copy") == admin.records()
    admin("sasl", "delete", f"ann@{CAPITALS}")
    assert accounts(admin) == {f"joe@{HUB}"}


@pytest.mark.parametrize("hashed", [(), ("--hashed", "--also", "DIGEST-MD5", "--also", "CRAM-MD5")])
@pytest.mark.parametrize("name", ["joe", "joe@other.example", "joe@OTHER.example"])
def test_verify_says_what_libsasl2_does_for_the_name_that_is_handed_out(
    admin: Admin, name: str, hashed: tuple[str, ...]
) -> None:
    admin("sasl", "add", name, *hashed, "--password", "file:s")
    login = admin("sasl", "auth-info", name, "--password", "file:s").out.splitlines()[1]
    rows = admin.run("--json", "sasl", "verify", name, "--password", "file:s").data["mechanisms"]
    for row in rows:
        said = sasl_oracle.authenticate(admin.database, row["mechanism"], login, HUB, SECRET)
        assert row["libsasl2"] is said, row
    assert any(row["libsasl2"] for row in rows)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jo\u00ade", "user name has outer spaces or unprintable characters"),
        ("joe\u200a", "user name has outer spaces or unprintable characters"),
        ("e\u0301ve", "SASLprep (RFC 4013), which replaces a character"),
        ("\uff4aoe", "SASLprep (RFC 4013), which replaces a character"),
        ("joe\U0001f436", "is refused by SASLprep (RFC 4013)"),
        ("joe@ex\u00aample.org", "SASLprep"),
    ],
)
def test_names_and_secrets_have_one_rule(admin: Admin, name: str, reason: str) -> None:
    assert reason in admin.refuses(65, "sasl", "add", name, "--password", "file:s")
    row = f"user,password\n{name},j0e's secret\n".encode()
    assert reason in refused(admin, "--allow-odd-names", stdin=row)
    assert admin("sasl", "add", "käse", "--password", "file:s").out


def test_a_name_that_is_taken_for_an_option_is_refused(admin: Admin) -> None:
    reason = "begins with a hyphen, so commands take it for an option"
    assert reason in admin.refuses(65, "sasl", "add", "--password", "file:s", "--", "-joe")
    assert reason in refused(admin, "--allow-odd-names", stdin=b"user,password\n-joe,j0e's secret\n")
    admin("sasl", "add", "joe", "--password", "file:s")
    assert reason in admin.refuses(65, "sasl", "rotate", "joe", "--successor=-joe")


def test_an_account_of_another_program_with_such_a_name_can_be_deleted(admin: Admin) -> None:
    open_store(str(admin.database)).apply(lambda _: {f"-joe\0{HUB}\0userPassword".encode(): b"secret"})
    assert "-joe@" in admin("sasl", "list").out
    admin("sasl", "delete", "--", "-joe")
    assert accounts(admin) == set()


WEAK = {
    b"a": "has under 8 characters",
    b"password": "is among the first passwords that attackers try",
    b"Passw0rd!": "is among the first passwords that attackers try",
    b"Kennwort1": "is among the first passwords that attackers try",
    "contraseña".encode(): "is among the first passwords that attackers try",
    b"maildroid": "is the account's own name",
    b"Maildroid2024!": "is the account's own name",
    HUB.encode(): "is the account's own name",
    b"aaaaaaaaaaaa": "repeats a few characters",
    b"1234567890": "is of digits alone",
}


@pytest.mark.parametrize("secret", WEAK)
def test_a_secret_that_is_soon_guessed_is_refused(admin: Admin, secret: bytes) -> None:
    admin.write("weak", secret)
    said = admin.refuses(65, "sasl", "add", "maildroid", "--password", "file:weak")
    assert WEAK[secret] in said
    assert "or accept a weak one: --allow-weak" in said
    admin("sasl", "add", "maildroid", "--password", "file:weak", "--allow-weak")
    assert admin.opened_by("maildroid", secret)
    for verb in ("passwd", "rotate"):
        assert WEAK[secret] in admin.refuses(65, "sasl", verb, "maildroid", "--password", "file:weak")
    assert (
        WEAK[secret]
        in admin.run(
            "setup",
            HUB,
            "--no-passphrase",
            "--account",
            "maildroid",
            "--password",
            "file:weak",
            "--root",
            admin.root / "x",
        ).err
    )


def test_generated_secrets_and_long_ones_are_not_weak(admin: Admin) -> None:
    for number, secret in enumerate(
        (SECRET, b"incorrect horse battery staple", b"hub-Tuba7-lantern", b"x7Kq-0pZ")
    ):
        admin.write("strong", secret)
        admin("sasl", "add", f"joe{number}", "--password", "file:strong")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:s3cret@db/mail", "MySQL and MariaDB can only be imported from"),
        ("mariadb://db/mail", "MySQL and MariaDB can only be imported from"),
        ("ldap://ldap.ex.org/", "LDAP can only be imported from"),
        ("ldaps://ldap.ex.org/", "LDAP can only be imported from"),
    ],
)
def test_a_url_of_another_server_is_told_what_is_served(admin: Admin, url: str, said: str) -> None:
    for words in (("list",), ("add", "joe"), ("export",), ("rotate", "joe")):
        refused = admin.refuses(64, "sasl", *words, "--database", url)
        assert f"accounts are served from a sasldb file and from PostgreSQL; {said}" in refused
        assert "s3cret" not in refused
    assert said in admin.refuses(64, "sasl", "import", url)


def test_the_reason_of_a_failed_login_is_shown(admin: Admin, tmp_path: Path) -> None:
    admin("sasl", "add", "joe", "--password", "file:s")
    content = admin.database.read_bytes()
    (tmp_path / "bad").write_bytes(content[:5000])
    who = Credential(Account("joe", HUB), Secret(SECRET), HUB)
    reasons = {m: a.reason for m, a in libsasl.ask(str(tmp_path / "bad"), who, ("PLAIN", "CRAM-MD5")).items()}
    for reason in reasons.values():
        assert reason.startswith("libsasl2 answered -1: ")
        assert reason.endswith(f"unable to open Berkeley db {tmp_path}/bad: Invalid argument")
        assert SECRET.decode() not in reason
