"""The authority's key in a PKCS #11 token: SoftHSM holds it, OpenSSL and GnuTLS judge what it signed."""

import os
import sys
from pathlib import Path

import pkcs11
import pytest
import softhsm
from admin import DOMAIN, HUB, SETTINGS, STATE, Admin, peer, snapshot
from place import PLACE
from readme_blocks import readme_words
from softhsm import LABEL, PIN, Token

from smtpcreds.ca.layout import CaFiles
from smtpcreds.ca.token import TokenKey, new_key
from smtpcreds.pkcs11 import KeyUri
from smtpcreds.pki.keys import KEY_TYPES, encode_remote
from smtpcreds.secret import Secret

PIN_BEFORE = "4710"


def judged(admin: Admin, host: str, status: int = 0) -> str:
    """Ask OpenSSL and GnuTLS whether the host's certificate is valid and not revoked."""
    certificate = admin.certs / f"{host}-cert.pem"
    said = admin.verify(certificate, status=status)
    lists = ("--load-ca-certificate", admin.certs / "cacert.pem", "--load-crl", admin.certs / "crl.pem")
    return said + peer("certtool", "--verify", *lists, "--infile", certificate, status=1 if status else 0)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "rsa3072", "ed25519"])
def test_what_the_token_signs_is_accepted(with_token: Admin, token: Token, kind: str) -> None:
    with_token("ca", "init", "--token", token.uri, "--key-type", kind)
    with_token("cert", "issue", "dmzmail", "attic")
    judged(with_token, "dmzmail")
    with_token("cert", "revoke", "attic", "--reason", "keyCompromise")
    assert "revoked" in judged(with_token, "attic", status=2)
    judged(with_token, "dmzmail")


def test_the_key_is_made_in_the_token_and_never_leaves_it(with_token: Admin, token: Token) -> None:
    tokened, uri = with_token, "pkcs11:token=relays?module-path=/usr/lib/softhsm/libsofthsm2.so"
    (words,) = readme_words("test_the_key_is_made_in_the_token_and_never_leaves_it", {uri: token.uri})
    tokened(*words)
    said = token.objects("--list-privkeys")
    assert token.keys() == 1
    for flag in ("CKA_SENSITIVE", "CKA_NEVER_EXTRACTABLE", "CKA_PRIVATE"):
        assert flag in said, said
    assert "CKA_EXTRACTABLE" not in said
    named = tokened.path(f"{STATE}/ca/ca-key.pem").read_text()
    assert named.startswith(f"pkcs11:token={LABEL};object=polkatistas.org%20Mail%20CA%20")
    assert "PRIVATE KEY-----" not in named
    for path in tokened.root.rglob("*"):
        assert path.is_dir() or PIN.encode() not in path.read_bytes(), path


def test_everything_that_signs_works(tokened: Admin, tmp_path: Path) -> None:
    tokened("cert", "issue", *(f"host{number}" for number in range(40)))
    tokened("cert", "issue", "dmzmail")
    tokened("cert", "renew", "dmzmail")
    tokened("cert", "renew", "dmzmail", "--new-key")
    tokened("cert", "request", "mx")
    tokened("cert", "sign", tokened.certs / "mx.csr", "--server", "--client", "--to", tmp_path / "answer.pem")
    tokened("cert", "install", tmp_path / "answer.pem")
    tokened("ca", "crl", "--to", tmp_path / "crl.der", "--der")
    tokened("sasl", "add", "maildroid")
    tokened("bundle", "attic", "-o", tmp_path / "attic.tar")
    for host in ("dmzmail", "mx", "host0", "host39"):
        judged(tokened, host)
    tokened.openssl("crl", "-inform", "DER", "-in", tmp_path / "crl.der", "-noout")
    tokened("cert", "retire", "mx")
    tokened("inventory", "check")
    assert tokened.at("+250 days").run("cert", "renew", "--due").status == 0


def test_a_rollover_makes_another_key_in_the_token(tokened: Admin, token: Token) -> None:
    tokened("cert", "issue", "dmzmail", "attic")
    tokened("ca", "rollover")
    assert token.keys() == 2
    tokened("cert", "renew", "dmzmail")
    tokened("cert", "revoke", "attic")
    judged(tokened, "dmzmail")
    tokened("cert", "retire", "attic")
    tokened("ca", "rollover", "--retire-old")
    judged(tokened, "dmzmail")
    tokened("inventory", "check")


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


def test_a_key_that_is_in_the_token_is_taken_on_request(with_token: Admin, token: Token) -> None:
    token.make_key("made-before", "01")
    uri = token.uri.replace("?", ";object=made-before;id=%01?")
    for named in (uri, uri.replace(";id=%01", ""), uri.replace(";object=made-before", "")):
        assert "--existing-key" in with_token.refuses(73, "ca", "init", "--token", named)
    with_token("ca", "init", "--token", uri, "--existing-key")
    assert token.keys() == 1
    with_token("cert", "issue", "dmzmail")
    judged(with_token, "dmzmail")


def test_a_dry_run_asks_no_token(tokened: Admin, token: Token) -> None:
    softhsm.unplug(token)
    before = snapshot(tokened.root)
    assert "attic-cert.pem" in tokened("cert", "issue", "attic", "--dry-run").out
    assert "would make pkcs11:token=" in tokened("ca", "rollover", "--dry-run").out
    assert snapshot(tokened.root) == before


def test_the_dry_run_of_a_new_authority_names_the_key(with_token: Admin, token: Token) -> None:
    said = with_token("ca", "init", "--token", token.uri, "--dry-run").out
    assert f"would make pkcs11:token={LABEL};object=polkatistas.org%20Mail%20CA%20" in said
    assert token.keys() == 0


def test_a_token_that_is_gone_changes_nothing(tokened: Admin, token: Token) -> None:
    tokened("cert", "issue", "dmzmail")
    softhsm.unplug(token)
    for words in (
        ("cert", "issue", "attic"),
        ("cert", "revoke", "dmzmail"),
        ("ca", "crl"),
        ("ca", "rollover"),
    ):
        said = tokened.refuses(69, *words)
        assert f"token {LABEL}: is not there" in said
    tokened("cert", "list")
    assert LABEL in tokened("ca", "show").out


def test_a_wrong_pin_is_tried_once_and_not_again_at_night(tokened: Admin, token: Token) -> None:
    right = tokened.path(SETTINGS).read_text()
    wrong = tokened.secret("wrong", PIN_BEFORE.encode())
    tokened.configure(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n[ca]\npin = "{wrong}"\n')
    assert f"token {LABEL}: refuses the PIN" in tokened.refuses(77, "cert", "issue", "attic", "mx")
    again = tokened.refuses(77, "ca", "crl")
    assert "was given a wrong PIN the last time" in again
    tokened.configure(right)
    assert "on a terminal" in tokened.refuses(77, "ca", "crl")
    token.objects()
    tokened("ca", "crl")


def test_no_pin_is_a_clear_no(tokened: Admin) -> None:
    tokened.configure()
    said = tokened.refuses(77, "cert", "issue", "attic")
    assert "needs its PIN, and none was given" in said
    assert "set ca.pin" in said


def test_a_configured_passphrase_is_never_tried_as_a_pin(tokened: Admin, token: Token) -> None:
    tokened.configure(f'domain = "{DOMAIN}"\n[ca]\npassphrase = "{tokened.secret("wrong", b"0000")}"\n')
    assert "none was given" in tokened.refuses(77, "ca", "crl")


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
def test_what_names_no_token_is_refused(with_token: Admin, uri: str, status: int, said: str) -> None:
    problem = with_token.refuses(status, "ca", "init", "--token", uri)
    assert said in problem
    assert PIN not in problem


@pytest.mark.parametrize(
    ("owner", "mode", "said"),
    [(0, 0o777, "everybody may change it"), (4711, 0o755, "belongs to uid 4711"), (0, 0o755, "below")],
)
def test_a_library_that_another_user_could_change_is_not_loaded(
    with_token: Admin, tmp_path: Path, owner: int, mode: int, said: str
) -> None:
    """A constructor in it would run as root. The last one lies in a directory that is open to all."""
    library = tmp_path / "open/library.so"
    library.parent.mkdir()
    source = '#include <stdlib.h>\n__attribute__((constructor)) void f(void) { system("touch WITNESS"); }\n'
    witness = tmp_path / "witness"
    (tmp_path / "library.c").write_text(source.replace("WITNESS", str(witness)))
    peer("cc", "-shared", "-fPIC", "-o", library, tmp_path / "library.c")
    os.chown(library, owner, 0)
    library.chmod(mode)
    library.parent.chmod(0o777 if said == "below" else 0o755)
    uri = f"pkcs11:token={LABEL}?module-path={library}"
    assert said in with_token.refuses(77, "ca", "init", "--token", uri)
    assert not witness.exists()


def test_two_tokens_of_one_label_are_told_apart_by_serial(with_token: Admin, token: Token) -> None:
    softhsm.make(token.home, LABEL)
    problem = with_token.refuses(65, "ca", "init", "--token", token.uri)
    serial = problem.rsplit(", ", 1)[-1].split()[-1]
    with_token("ca", "init", "--token", token.uri.replace("?", f";serial={serial}?"))


def test_what_a_token_does_not_do_is_refused(tokened: Admin, tmp_path: Path) -> None:
    said = tokened.refuses(65, "ca", "export", "--key", "--to", tmp_path / "key.pem")
    assert "no program gets that out of it" in said
    new = tokened.secret("new")
    assert "has a PIN instead" in tokened.refuses(65, "ca", "passphrase", "--new-passphrase", new)
    tokened("ca", "export", "--to", tmp_path / "cas.pem")


@pytest.mark.parametrize("more", [["--key-type", "p521"], ["--no-passphrase"], ["--existing-key"]])
def test_what_does_not_go_with_a_token_is_refused(with_token: Admin, token: Token, more: list[str]) -> None:
    with_token.refuses(64, "ca", "init", "--token", token.uri, *more)
    assert token.keys() == 0


def test_a_key_goes_again_if_the_authority_was_not_made(with_token: Admin, token: Token) -> None:
    with_token.path(STATE).mkdir(parents=True, mode=0o700)
    with_token.path(f"{STATE}/inventory.sqlite3").write_text("no database\n" * 100)
    with_token.path(f"{STATE}/inventory.sqlite3").chmod(0o600)
    with_token.run("ca", "init", "--token", token.uri)
    assert not with_token.path(f"{STATE}/ca").exists()
    assert token.keys() == 0


@pytest.mark.parametrize(("is_named", "left"), [(True, 1), (False, 0)])
def test_an_interrupted_run_destroys_no_key_that_its_file_names(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_named: bool, left: int
) -> None:
    monkeypatch.setenv(*next(iter(token.env.items())))
    path = tmp_path / "ca/ca-key.pem"
    wanted = TokenKey(KeyUri.parse(token.uri)), KEY_TYPES["p256"], "CA", lambda: Secret(PIN.encode())

    def interrupted() -> None:
        with new_key(*wanted, CaFiles(str(path.parent)), lambda: None) as key:
            path.parent.mkdir()
            path.touch(0o600)
            path.write_bytes(encode_remote(key.uri) if is_named else b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert token.keys() == left
    pkcs11.unload(softhsm.MODULE)


def test_another_key_under_the_same_name_signs_nothing(tokened: Admin, token: Token) -> None:
    token.replace_key(tokened.path(f"{STATE}/ca/ca-key.pem").read_text())
    assert "is not the key of the CA certificate" in tokened.refuses(65, "ca", "crl")


def test_a_signature_of_another_key_is_given_up(tokened: Admin, token: Token) -> None:
    """The token keeps no public key, so only the signature tells."""
    token.replace_key(tokened.path(f"{STATE}/ca/ca-key.pem").read_text())
    token.delete("type=public")
    ran = tokened("cert", "issue", "attic", "mx", status=65)
    assert "is not the key of the CA certificate; nothing was signed" in ran.err
    assert not list(tokened.certs.glob("attic*"))
    states = {row[0] for row in tokened.query("SELECT state FROM certificates")}
    assert states == {"discarded"}


def test_a_key_that_wants_its_pin_for_each_signature_gets_it(with_token: Admin, token: Token) -> None:
    token.make_key("card", "02", "--mark-always-authenticate")
    uri = token.uri.replace("?", ";id=%02?")
    with_token("ca", "init", "--token", uri, "--existing-key")
    with_token("cert", "issue", "dmzmail", "attic")
    judged(with_token, "dmzmail")


def test_a_passphrase_option_is_the_pin(with_token: Admin, token: Token) -> None:
    with_token.configure()
    pin = ("--passphrase", with_token.secret("pin", PIN.encode()))
    with_token("ca", "init", "--token", token.uri, *pin)
    with_token("cert", "issue", "dmzmail", *pin)
    judged(with_token, "dmzmail")


def test_audit_and_status_have_nothing_against_it(tokened: Admin) -> None:
    tokened("cert", "issue", "dmzmail")
    assert "ca-key" not in tokened.run("audit")
    assert tokened("status").out.splitlines()[-1] == "nothing is due"


def test_an_authority_of_a_token_is_taken_over(tokened: Admin, token: Token, tmp_path: Path) -> None:
    tokened("cert", "issue", "attic")
    key = tokened.path(f"{STATE}/ca/ca-key.pem").read_text().splitlines()[0]
    other = token.for_(Admin(tmp_path / "other/root"))
    other.configure(tokened.path(SETTINGS).read_text())
    given = ("--cert", tokened.path(f"{STATE}/ca/ca-cert.pem"), "--token", key)
    assert "would write" in other("ca", "import", *given, "--dry-run").out
    assert other("ca", "import", *given).warnings == []
    other("cert", "issue", "dmzmail")
    judged(other, "dmzmail")
    assert (other.certs / "cacert.pem").read_bytes() == (tokened.certs / "cacert.pem").read_bytes()
    other("inventory", "check")


def test_only_the_certificate_of_the_key_is_taken_over(tokened: Admin, token: Token) -> None:
    key = tokened.path(f"{STATE}/ca/ca-key.pem").read_text().splitlines()[0]
    given = ("--cert", tokened.directory / "ca.pem", "--token", key)
    other = token.for_(Admin(tokened.directory / "other/root"))
    other.configure()
    tokened.openssl(
        *(
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            "/CN=Other",
        ),
        *("-keyout", tokened.directory / "ca.key", "-out", tokened.directory / "ca.pem"),
    )
    pin = ("--passphrase", tokened.secret("pin", PIN.encode()))
    assert "is not the key of the CA certificate" in other("ca", "import", *given, *pin, status=65).err


def test_show_says_where_the_key_is(tokened: Admin) -> None:
    shown = tokened.json("ca", "show")
    assert shown["token"].startswith(f"pkcs11:token={LABEL};object=")
    assert shown["encrypted"] is None
    assert shown["token"] in tokened("ca", "show").out


def test_without_the_python_package_it_is_said_how_to_get_it(
    with_token: Admin, token: Token, tmp_path: Path
) -> None:
    (tmp_path / "none/pkcs11").mkdir(parents=True)
    (tmp_path / "none/pkcs11/__init__.py").write_text("raise ImportError\n")
    path = f"{tmp_path}/none:{PLACE}"
    ran = with_token.run("ca", "init", "--token", token.uri, env={"PYTHONPATH": path})
    assert (ran.status, f"hint: {sys.executable} -m pip install python-pkcs11" in ran.problem) == (69, True)


def test_the_pin_stands_in_no_argument(tokened: Admin) -> None:
    """Every process of a run, as strace sees it start."""
    log = tokened.directory / "trace"
    words = ("strace", "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", str(log))
    tokened.behind(*words)("cert", "issue", "attic")
    assert PIN not in log.read_text().replace(str(tokened.directory), "")


def test_the_key_file_has_the_form_that_openssl_takes_by_a_provider(tokened: Admin) -> None:
    text = tokened.openssl("asn1parse", "-in", tokened.path(f"{STATE}/ca/ca-key.pem"))
    assert "VISIBLESTRING     :PKCS#11 Provider URI v1.0" in text
    assert "UTF8STRING        :pkcs11:token=" in text
