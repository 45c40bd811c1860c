"""Hash links, held against ``openssl x509``, ``openssl crl`` and ``openssl rehash``."""

import os
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.pki.chains import is_link_name, issuer_hash, links, subject_hash
from smtpcreds.pki.crl import build_crl

from .x509_scene import DAY, NOW, Pair, authority, key_of, leaf, run, sign_with

NAMES = {
    "plain": "/CN=Polkatistas CA",
    "case": "/C=ES/O=POLKAtistas/CN=CA",
    "spaces": "/O=  Polka   tistas  \t x /CN= ca ",
    "only spaces": "/O= /CN=x",
    "utf-8": "/O=Señores de la Polka ÄÖÜ/CN=Ñandú €",
    "beyond the BMP": "/CN=polka 💃 CA",
    "mail address": "/CN=CA/emailAddress=Postmaster@Polkatistas.ORG",
    "domain components": "/DC=org/DC=Polkatistas/CN=CA",
    "two values in one RDN": "/O=Polkatistas/CN=B  b+OU=a A+UID=Z",
    "long": "/O=" + "Polkatistas " * 5 + "/OU=" + "dmz" * 20 + "/L=" + "x" * 127,
    "empty": "/",
}
# RFC 4520 string types by openssl's string_mask: printable, T61, BMP, UTF-8.
MASKS = {
    "default": "default",
    "printable": "MASK:2",
    "t61": "MASK:4",
    "bmp": "MASK:0x800",
    "utf8only": "utf8only",
}


def made_by_openssl(tmp_path: Path, subject: str, mask: str) -> x509.Certificate:
    (tmp_path / "config").write_text(f"[req]\nstring_mask = {mask}\ndistinguished_name = dn\n[dn]\n")
    (tmp_path / "key").write_bytes(authority().key_pem)
    made = ("openssl", "req", "-x509", "-key", "key", "-config", "config", "-utf8", "-out", "cert")
    run(*made, "-subj", subject, cwd=tmp_path)
    return x509.load_pem_x509_certificate((tmp_path / "cert").read_bytes())


def expected(tmp_path: Path) -> str:
    return run("openssl", "x509", "-in", "cert", "-noout", "-subject_hash", cwd=tmp_path).strip()


@pytest.mark.parametrize("name", NAMES)
def test_as_openssl_for_names_of_all_kinds(name: str, tmp_path: Path) -> None:
    certificate = made_by_openssl(tmp_path, NAMES[name], "default")
    assert subject_hash(certificate) == expected(tmp_path)


@pytest.mark.parametrize("mask", MASKS)
def test_as_openssl_for_string_types_of_all_kinds(mask: str, tmp_path: Path) -> None:
    subject = "/O=  Polka   tistas/CN=Ca" + ("" if mask == "printable" else " Ñandú")
    certificate = made_by_openssl(tmp_path, subject, MASKS[mask])
    assert subject_hash(certificate) == expected(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # cryptography: country names of other than 2 letters
@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME, NameOID.LOCALITY_NAME]),
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_as_openssl_for_any_text(attributes: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])
    builder = x509.CertificateBuilder(name, name, key_of("p256").public_key(), 5, NOW, NOW + DAY)
    certificate = builder.sign(key_of("p256"), sign_with(key_of("p256")))
    pem = certificate.public_bytes(Encoding.PEM).decode()
    assert subject_hash(certificate) == run("openssl", "x509", "-noout", "-subject_hash", stdin=pem).strip()


@cache
def crl_of(ca: Pair, number: int = 1) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(build_crl(ca.certificate, ca.key, number, [], NOW, DAY))


def test_a_list_has_the_hash_of_its_issuer(tmp_path: Path) -> None:
    ca = authority(name="Señores  de la POLKA")
    (tmp_path / "crl").write_bytes(crl_of(ca).public_bytes(Encoding.PEM))
    assert issuer_hash(crl_of(ca)) == subject_hash(ca.certificate)
    assert (
        issuer_hash(crl_of(ca))
        == run("openssl", "crl", "-in", "crl", "-noout", "-hash", cwd=tmp_path).strip()
    )


def test_links_of_a_directory_are_those_of_rehash(tmp_path: Path) -> None:
    ca, namesake, other = authority(), authority("rsa"), authority(name="Other CA")
    certificates = {
        "b-cacert.pem": ca.certificate,
        "a-old.crt": namesake.certificate,
        "Zz.cer": authority("p384").certificate,
        "copy-of-b.pem": ca.certificate,
        "other.pem": other.certificate,
        "dmzmail-cert.pem": leaf(ca).certificate,
    }
    crls = {
        "crl.pem": crl_of(ca),
        "newer.crl": crl_of(ca, 2),
        "a-copy.pem": crl_of(ca),
        "other-crl.pem": crl_of(other),
    }
    for name, certificate in certificates.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    for name, crl in crls.items():
        (tmp_path / name).write_bytes(crl.public_bytes(Encoding.PEM))
    run("openssl", "rehash", str(tmp_path))
    made = {
        name: os.readlink(tmp_path / name) for name in os.listdir(tmp_path) if (tmp_path / name).is_symlink()
    }
    assert links(certificates, crls) == made
    assert len(made) == 5 + 3
    assert {name for name in os.listdir(tmp_path) if is_link_name(name)} == made.keys()


def test_openssl_finds_the_issuer_and_its_list_through_our_links(tmp_path: Path) -> None:
    ca, host = authority(), leaf(authority())
    (tmp_path / "cacert.pem").write_bytes(ca.pem)
    (tmp_path / "crl.pem").write_bytes(crl_of(ca).public_bytes(Encoding.PEM))
    (tmp_path / "host").write_bytes(host.pem)
    for name, target in links({"cacert.pem": ca.certificate}, {"crl.pem": crl_of(ca)}).items():
        (tmp_path / name).symlink_to(target)
    verify = ("openssl", "verify", "-no-CAfile", "-no-CAstore", "-CApath", ".", "-crl_check", "host")
    assert run(*verify, cwd=tmp_path) == "host: OK\n"


@pytest.mark.parametrize(
    "name", ["cacert.pem", "0123abcd", "0123abcd.", "0123abcd.r", "0123ABCD.0", "0123abcd.0.pem"]
)
def test_other_names_are_no_links(name: str) -> None:
    assert not is_link_name(name)
