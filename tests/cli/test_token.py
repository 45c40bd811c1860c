"""The authority's key in a PKCS #11 token: SoftHSM holds it, OpenSSL and GnuTLS judge what it signed."""

import os
import subprocess
from pathlib import Path

import pytest
import softhsm
from admin import DOMAIN, HUB, SETTINGS, STATE, Admin, peer, snapshot
from softhsm import LABEL, PIN, Token

PIN_BEFORE = "4710"


@pytest.fixture
def token(tmp_path: Path) -> Token:
    return softhsm.make(tmp_path / "hsm")


@pytest.fixture
def site(smtpcreds: Admin, token: Token) -> Admin:
    """A host with a token and without an authority; the configuration says where the PIN is."""
    admin = token.for_(smtpcreds)
    pin = admin.secret("pin", PIN.encode())
    admin.configure(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n[ca]\npin = "{pin}"\n')
    return admin


@pytest.fixture
def ours(site: Admin, token: Token) -> Admin:
    """The same with an authority whose key is in the token."""
    site("ca", "init", "--token", token.uri)
    return site


def judged(admin: Admin, host: str, status: int = 0) -> str:
    """Ask OpenSSL and GnuTLS whether the host's certificate is valid and not revoked."""
    certificate = admin.certs / f"{host}-cert.pem"
    said = admin.verify(certificate, status=status)
    lists = ("--load-ca-certificate", admin.certs / "cacert.pem", "--load-crl", admin.certs / "crl.pem")
    return said + peer("certtool", "--verify", *lists, "--infile", certificate, status=1 if status else 0)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "rsa3072"])
def test_what_the_token_signs_is_accepted(site: Admin, token: Token, kind: str) -> None:
    site("ca", "init", "--token", token.uri, "--key-type", kind)
    site("cert", "issue", "dmzmail", "attic")
    judged(site, "dmzmail")
    site("cert", "revoke", "attic", "--reason", "keyCompromise")
    assert "revoked" in judged(site, "attic", status=2)
    judged(site, "dmzmail")


def test_the_key_is_made_in_the_token_and_never_leaves_it(ours: Admin, token: Token) -> None:
    said = token.objects("--list-privkeys")
    assert token.keys() == 1
    for flag in ("CKA_SENSITIVE", "CKA_NEVER_EXTRACTABLE", "CKA_PRIVATE"):
        assert flag in said, said
    assert "CKA_EXTRACTABLE" not in said
    named = ours.path(f"{STATE}/ca/ca-key.pem").read_text()
    assert named.startswith(f"pkcs11:token={LABEL};object=polkatistas.org%20Mail%20CA%20")
    assert "PRIVATE KEY-----" not in named
    for path in ours.root.rglob("*"):
        assert path.is_dir() or PIN.encode() not in path.read_bytes(), path


def test_everything_that_signs_works(ours: Admin, tmp_path: Path) -> None:
    ours("cert", "issue", *(f"host{number}" for number in range(40)))
    ours("cert", "issue", "dmzmail")
    ours("cert", "renew", "dmzmail")
    ours("cert", "renew", "dmzmail", "--new-key")
    ours("cert", "request", "mx")
    ours("cert", "sign", ours.certs / "mx.csr", "--to", tmp_path / "answer.pem")
    ours("cert", "install", tmp_path / "answer.pem")
    ours("ca", "crl", "--to", tmp_path / "crl.der", "--der")
    ours("sasl", "add", "maildroid")
    ours("bundle", "attic", "-o", tmp_path / "attic.tar")
    for host in ("dmzmail", "mx", "host0", "host39"):
        judged(ours, host)
    ours.openssl("crl", "-inform", "DER", "-in", tmp_path / "crl.der", "-noout")
    ours("cert", "retire", "mx")
    ours("inventory", "check")
    assert ours.at("+250 days").run("cert", "renew", "--due").status == 0


def test_a_rollover_makes_another_key_in_the_token(ours: Admin, token: Token) -> None:
    ours("cert", "issue", "dmzmail", "attic")
    ours("ca", "rollover")
    assert token.keys() == 2
    ours("cert", "renew", "dmzmail")
    ours("cert", "revoke", "attic")
    judged(ours, "dmzmail")
    ours("cert", "retire", "attic")
    ours("ca", "rollover", "--retire-old")
    judged(ours, "dmzmail")
    ours("inventory", "check")


def test_an_authority_moves_from_its_file_into_a_token(smtpcreds: Admin, token: Token) -> None:
    admin, opens = token.for_(smtpcreds), ("--passphrase", smtpcreds.secret("passphrase"))
    admin("ca", "init", *opens)
    admin("cert", "issue", "dmzmail", "attic", *opens)
    pin = ("--pin", admin.secret("pin", PIN.encode()))
    admin("ca", "rollover", "--token", token.uri, *opens, *pin)
    admin.configure(
        f'domain = "{DOMAIN}"\nhub = "{HUB}"\n[ca]\npassphrase = "{opens[1]}"\npin = "{pin[1]}"\n'
    )
    ran = admin("cert", "renew", "dmzmail")
    assert ran.warnings == []
    admin("cert", "revoke", "attic")
    judged(admin, "dmzmail")
    assert "revoked" in admin.verify(admin.certs / "attic-cert.pem", status=2)
    admin("ca", "passphrase", "--new-passphrase", admin.secret("another", b"Another passphrase"))


def test_a_key_that_is_in_the_token_is_taken_on_request(site: Admin, token: Token) -> None:
    token.make_key("made-before", "01")
    uri = token.uri.replace("?", ";object=made-before;id=%01?")
    assert "--existing-key" in site.refuses(73, "ca", "init", "--token", uri)
    site("ca", "init", "--token", uri, "--existing-key")
    assert token.keys() == 1
    site("cert", "issue", "dmzmail")
    judged(site, "dmzmail")


def test_a_dry_run_asks_no_token(ours: Admin, token: Token) -> None:
    softhsm.unplug(token)
    before = snapshot(ours.root)
    assert "attic-cert.pem" in ours("cert", "issue", "attic", "--dry-run").out
    assert "would make pkcs11:token=" in ours("ca", "rollover", "--dry-run").out
    assert snapshot(ours.root) == before


def test_the_dry_run_of_a_new_authority_names_the_key(site: Admin, token: Token) -> None:
    said = site("ca", "init", "--token", token.uri, "--dry-run").out
    assert f"would make pkcs11:token={LABEL};object=polkatistas.org%20Mail%20CA%20" in said
    assert token.keys() == 0


def test_a_token_that_is_gone_changes_nothing(ours: Admin, token: Token) -> None:
    ours("cert", "issue", "dmzmail")
    softhsm.unplug(token)
    for words in (
        ("cert", "issue", "attic"),
        ("cert", "revoke", "dmzmail"),
        ("ca", "crl"),
        ("ca", "rollover"),
    ):
        said = ours.refuses(69, *words)
        assert f"token {LABEL}: is not there" in said
    ours("cert", "list")
    assert LABEL in ours("ca", "show").out


def test_a_wrong_pin_is_tried_once_and_not_again_at_night(ours: Admin, token: Token) -> None:
    right = ours.path(SETTINGS).read_text()
    wrong = ours.secret("wrong", PIN_BEFORE.encode())
    ours.configure(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n[ca]\npin = "{wrong}"\n')
    assert f"token {LABEL}: refuses the PIN" in ours.refuses(77, "cert", "issue", "attic", "mx")
    again = ours.refuses(77, "ca", "crl")
    assert "was given a wrong PIN the last time" in again
    ours.configure(right)
    assert "on a terminal" in ours.refuses(77, "ca", "crl")
    token.objects()
    ours("ca", "crl")


def test_no_pin_is_a_clear_no(ours: Admin) -> None:
    ours.configure()
    said = ours.refuses(77, "cert", "issue", "attic")
    assert "needs its PIN, and none was given" in said
    assert "set ca.pin" in said


def test_a_configured_passphrase_is_never_tried_as_a_pin(ours: Admin, token: Token) -> None:
    ours.configure(f'domain = "{DOMAIN}"\n[ca]\npassphrase = "{ours.secret("wrong", b"0000")}"\n')
    assert "none was given" in ours.refuses(77, "ca", "crl")


@pytest.mark.parametrize(
    ("uri", "status", "said"),
    [
        ("pkcs11:token=relays", 64, "absolute path of the token's library"),
        (f"pkcs11:object=x?module-path={softhsm.MODULE}", 64, "names no token"),
        (f"pkcs11:token=relays?module-path={softhsm.MODULE}&pin-value=4711", 64, "has a pin-value"),
        (f"pkcs11:token=relays;slot-id=1?module-path={softhsm.MODULE}", 64, "attribute 'slot-id'"),
        ("file:/dev/null", 64, "takes a PKCS #11 URI"),
        (
            "pkcs11:token=relays?module-path=/nonexistent.so",
            69,
            "/nonexistent.so: the token's library is not there",
        ),
        ("pkcs11:token=relays?module-path=/bin/true", 69, "does not answer"),
        (
            f"pkcs11:token=other?module-path={softhsm.MODULE}",
            69,
            "token other: is not there; its library finds relays",
        ),
    ],
)
def test_what_names_no_token_is_refused(site: Admin, uri: str, status: int, said: str) -> None:
    problem = site.refuses(status, "ca", "init", "--token", uri)
    assert said in problem
    assert PIN not in problem


def test_two_tokens_of_one_label_are_told_apart_by_serial(site: Admin, token: Token) -> None:
    softhsm.make(token.home, LABEL)
    problem = site.refuses(65, "ca", "init", "--token", token.uri)
    serial = problem.rsplit(", ", 1)[-1].split()[-1]
    site("ca", "init", "--token", token.uri.replace("?", f";serial={serial}?"))


def test_what_a_token_does_not_do_is_refused(ours: Admin, tmp_path: Path) -> None:
    said = ours.refuses(65, "ca", "export", "--key", "--to", tmp_path / "key.pem")
    assert "no program gets that out of it" in said
    new = ours.secret("new")
    assert "has a PIN instead" in ours.refuses(65, "ca", "passphrase", "--new-passphrase", new)
    ours("ca", "export", "--to", tmp_path / "cas.pem")


@pytest.mark.parametrize(
    "more", [["--key-type", "ed25519"], ["--intermediate"], ["--no-passphrase"], ["--existing-key"]]
)
def test_what_does_not_go_with_a_token_is_refused(site: Admin, token: Token, more: list[str]) -> None:
    site.refuses(64, "ca", "init", "--token", token.uri, *more)
    assert token.keys() == 0


def test_a_key_goes_again_if_the_authority_was_not_made(site: Admin, token: Token) -> None:
    site.path(STATE).mkdir(parents=True, mode=0o700)
    site.path(f"{STATE}/inventory.sqlite3").write_text("no database\n" * 100)
    site.path(f"{STATE}/inventory.sqlite3").chmod(0o600)
    site.run("ca", "init", "--token", token.uri)
    assert not site.path(f"{STATE}/ca").exists()
    assert token.keys() == 0


def test_another_key_under_the_same_name_signs_nothing(ours: Admin, token: Token) -> None:
    uri = ours.path(f"{STATE}/ca/ca-key.pem").read_text().splitlines()[0]
    key_id = uri.partition("id=")[2].partition(";")[0].replace("%", "").lower()
    label = uri.partition("object=")[2].partition(";")[0].replace("%20", " ")
    token.tool("--delete", "--batch", uri.partition(";type=")[0])
    token.make_key(label, key_id)
    assert "is not the key of the CA certificate" in ours.refuses(65, "ca", "crl")


def test_show_says_where_the_key_is(ours: Admin) -> None:
    shown = ours.json("ca", "show")
    assert shown["token"].startswith(f"pkcs11:token={LABEL};object=")
    assert shown["encrypted"] is None
    assert shown["token"] in ours("ca", "show").out


def test_without_the_python_package_it_is_said_how_to_get_it(
    site: Admin, token: Token, tmp_path: Path
) -> None:
    (tmp_path / "none/pkcs11").mkdir(parents=True)
    (tmp_path / "none/pkcs11/__init__.py").write_text("raise ImportError\n")
    path = f"{tmp_path}/none:{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[2]}"
    ran = site.run("ca", "init", "--token", token.uri, env={"PYTHONPATH": path})
    assert (ran.status, "pip install 'smtpcreds[pkcs11]'" in ran.problem) == (69, True)


def test_the_pin_stands_in_no_argument(ours: Admin) -> None:
    """Every process of a run, as strace sees it start."""
    log = ours.directory / "trace"
    words = ("strace", "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", str(log))
    ours.behind(*words)("cert", "issue", "attic")
    assert PIN not in log.read_text().replace(str(ours.directory), "")


def test_the_certificate_and_key_file_are_as_openssl_has_them(ours: Admin) -> None:
    text = subprocess.run(
        ["openssl", "asn1parse", "-in", ours.path(f"{STATE}/ca/ca-key.pem")], capture_output=True, text=True
    ).stdout
    assert "VISIBLESTRING     :PKCS#11 Provider URI v1.0" in text
    assert "UTF8STRING        :pkcs11:token=" in text
