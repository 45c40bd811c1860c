"""``ca init``: the certificate, how its key is kept, and that nothing is ever overwritten."""

from datetime import timedelta
from pathlib import Path

import pytest
from admin import PASSPHRASE, STATE, Admin, peer
from cryptography import x509
from cryptography.x509.oid import NameOID

KEY = f"{STATE}/ca/ca-key.pem"
CERTIFICATE = f"{STATE}/ca/ca-cert.pem"


def certificate(program: Admin) -> x509.Certificate:
    return x509.load_pem_x509_certificate(program.path(CERTIFICATE).read_bytes())


def test_the_bare_call_always_works(bare: Admin) -> None:
    ran = bare("ca", "init")
    assert ran.out.splitlines()[-1] == "next: smtpcreds cert issue HOST"
    assert len(ran.warnings) == 1
    assert "is not encrypted" in ran.warnings[0]
    assert "smtpcreds ca passphrase" in ran.warnings[0]
    assert len(ran.err.splitlines()) == 1
    assert {
        path: bare.mode(path) for path in (STATE, f"{STATE}/ca", KEY, CERTIFICATE, f"{STATE}/ca/crl.pem")
    } == {
        STATE: 0o700,
        f"{STATE}/ca": 0o700,
        KEY: 0o600,
        CERTIFICATE: 0o600,
        f"{STATE}/ca/crl.pem": 0o600,
    }
    peer("openssl", "pkey", "-in", bare.path(KEY), "-noout")


def test_the_certificate(authority: Admin) -> None:
    found = certificate(authority)
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert usage.critical
    assert usage.value == x509.KeyUsage(*(name in {5, 6} for name in range(9)))
    ski = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert ski == x509.SubjectKeyIdentifier.from_public_key(found.public_key())
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=3650, minutes=5)
    assert found.subject == found.issuer
    assert [(a.oid, a.value) for a in found.subject] == [(NameOID.COMMON_NAME, "polkatistas.org Mail CA")]
    found.verify_directly_issued_by(found)


def test_peers_take_it_as_a_root(authority: Admin) -> None:
    path = authority.path(CERTIFICATE)
    assert peer("openssl", "verify", "-x509_strict", "-CAfile", path, path) == f"{path}: OK\n"
    text = peer("openssl", "x509", "-in", path, "-noout", "-text")
    assert "NIST CURVE: P-256" in text
    assert "Certificate Sign, CRL Sign\n" in text
    assert "DNS:polkatistas.org" in text, "name constraints"


@pytest.mark.parametrize(
    ("key_type", "said"),
    [
        ("rsa2048", "Public-Key: (2048 bit)"),
        ("p384", "NIST CURVE: P-384"),
        ("ed25519", "ED25519 Public-Key"),
    ],
)
def test_key_types(smtpcreds: Admin, key_type: str, said: str) -> None:
    smtpcreds("ca", "init", "--no-passphrase", "--key-type", key_type)
    path = smtpcreds.path(CERTIFICATE)
    assert said in peer("openssl", "x509", "-in", path, "-noout", "-text")
    peer("openssl", "verify", "-x509_strict", "-CAfile", path, path)


def test_name_and_organisation_from_options_and_configuration(smtpcreds: Admin) -> None:
    smtpcreds.configure(
        '[ca]\nname = "Polka CA"\norganization = "Configured"\ndays = 30\nkey_type = "p384"\n'
    )
    smtpcreds("ca", "init", "--no-passphrase", "--organization", "Polkatistas")
    subject = peer(
        "openssl", "x509", "-in", smtpcreds.path(CERTIFICATE), "-noout", "-subject", "-nameopt", "RFC2253"
    )
    assert subject == "subject=CN=Polka CA,O=Polkatistas\n"
    found = certificate(smtpcreds)
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 30
    assert found.public_key().public_numbers().curve.name == "secp384r1"  # type: ignore[union-attr]


def test_the_key_is_encrypted_as_no_incumbent_does(smtpcreds: Admin) -> None:
    """A million rounds of HMAC-SHA512, then AES-256: the strongest that OpenSSL 3.0 opens."""
    path = smtpcreds.write("passphrase", f"{PASSPHRASE}\n")
    smtpcreds("ca", "init", "--passphrase", f"file:{path}")
    key = smtpcreds.path(KEY)
    assert key.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    structure = peer("openssl", "asn1parse", "-in", key)
    for word in ("PBES2", "PBKDF2", "hmacWithSHA512", "aes-256-cbc", ":0F4240"):
        assert word in structure, word
    opened = peer("openssl", "pkey", "-in", key, "-passin", f"file:{path}", "-pubout")
    assert opened == peer("openssl", "x509", "-in", smtpcreds.path(CERTIFICATE), "-noout", "-pubkey")


def test_no_passphrase_is_a_choice_and_needs_no_warning(smtpcreds: Admin) -> None:
    assert smtpcreds("ca", "init", "--no-passphrase").err == ""


def test_an_authority_is_never_overwritten(authority: Admin) -> None:
    said = authority.refuses(73, "ca", "init", "--no-passphrase")
    assert f"{authority.path(STATE)}/ca: holds an authority and is never overwritten" in said


@pytest.mark.parametrize("left", ["ca-key.pem", "ca-cert.pem", "notes.txt", ""])
def test_nor_is_half_of_one_nor_what_stands_in_its_place(smtpcreds: Admin, left: str) -> None:
    smtpcreds.path(f"{STATE}/ca").mkdir(parents=True, mode=0o700)
    if left:
        smtpcreds.write(f"{STATE}/ca/{left}", "precious")
    smtpcreds.refuses(73, "ca", "init", "--no-passphrase")


def test_a_dry_run_makes_nothing_asks_nobody_and_refuses_as_the_run(bare: Admin, tmp_path: Path) -> None:
    ran = bare("ca", "init", "-n", "--passphrase", f"cmd:touch {tmp_path}/asked")
    assert f"would write {bare.path(KEY)}  0600\n" in ran.out
    assert "there is no such file" in bare.refuses(
        66, "ca", "init", "-n", "--passphrase", "file:/nonexistent"
    )
    assert not bare.root.exists()
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (65, ("--name", "Überlange"), "Überlange: CA name is not ASCII"),
        (65, ("--name", "x" * 65), "CA name is 65 octets long; X.509 allows 64"),
        (65, ("--name", " "), '" ": CA name is empty or has outer spaces'),
        (64, ("--name", ""), "'--name': is empty"),
        (64, ("--key-type", "dsa"), "dsa: is not a key type\n  hint: known: p256"),
        (64, ("--days", "99999999999999999999"), "--days: takes 1 to"),
        (64, ("--days", "ten"), "'ten' is not a valid integer"),
        (64, ("--passphrase", ""), "'--passphrase': is empty"),
        (64, ("--passphrase", "hunter2"), "secret source: unknown; use "),
        (64, ("--passphrase", "env:X", "--no-passphrase"), "--no-passphrase: contradicts --passphrase"),
        (66, ("--passphrase", "env:X"), "env:X: is not set"),
        (66, ("--passphrase", "file:/nonexistent"), "/nonexistent: there is no such file"),
        (69, ("--passphrase", "prompt:"), "prompt: there is no terminal to ask for"),
    ],
)
def test_refusals(bare: Admin, status: int, words: tuple[str, ...], said: str) -> None:
    assert said in bare.refuses(status, "ca", "init", *words)
    assert not bare.root.exists(), "not even a directory is left"


@pytest.mark.parametrize(("mode", "content", "status"), [(0o644, "x", 77), (0o620, "x", 77), (0o600, "", 66)])
def test_a_source_that_others_can_read_or_that_is_empty(
    bare: Admin, mode: int, content: str, status: int, tmp_path: Path
) -> None:
    path = bare.write("pass", content, mode)
    assert str(path) in bare.refuses(status, "ca", "init", "--passphrase", f"file:{path}")
