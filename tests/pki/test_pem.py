"""Certificates from files of all sorts."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.errors import DamagedFileError, ForeignFormatError, SmtpcredsError
from smtpcreds.pki.encoding import (
    blocks,
    encode_certificates,
    encode_der,
    parse_certificate,
    parse_certificates,
)
from smtpcreds.pki.keys import encode_key
from smtpcreds.pki.profiles import RELAY

from .cases import DOMAIN, calm, intermediate_of, key_of, leaf
from .peers import run

CHAIN = (leaf(intermediate_of("p256"), RELAY, f"mx.{DOMAIN}"), *intermediate_of("p256").path)
PEM = encode_certificates(CHAIN)


def test_round_trip_says_the_encoding() -> None:
    parsed = parse_certificates(PEM, "chain.pem")
    assert (parsed.certificates, parsed.encoding) == (CHAIN, "PEM")
    parsed = parse_certificates(encode_der(CHAIN[0]), "cert.der")
    assert (parsed.certificates, parsed.encoding) == (CHAIN[:1], "DER")


def test_the_text_is_openssls() -> None:
    assert run("openssl", "x509", input=PEM).stdout == encode_certificates(CHAIN[:1])


def test_keys_text_and_line_ends_around_are_passed_over() -> None:
    text = run("openssl", "x509", "-text", input=PEM).stdout
    mixed = encode_key(key_of("p256", "leaf")) + b"a note\n" + text
    assert parse_certificate(mixed, "both.pem") == CHAIN[0]
    assert parse_certificates(PEM.replace(b"\n", b"\r\n"), "dos.pem").certificates == CHAIN


def test_one_is_one() -> None:
    with pytest.raises(DamagedFileError, match="holds 3 certificates"):
        parse_certificate(PEM, "chain.pem")


LINES = PEM.splitlines(keepends=True)
BAD = {
    "empty": b"",
    "key": encode_key(key_of("p256", "leaf")),
    "cut": PEM[:-200],
    "line gone": b"".join(LINES[:3] + LINES[4:]),
    "no end": LINES[0] + PEM,
    "not base64": PEM.replace(b"\nMII", b"\n!II", 1),
    "not a certificate": PEM.replace(LINES[1], b"MAA=\n", 1),
    "extension": encode_der(CHAIN[0]).replace(b"\x82\x12mx.", b"\x82\x7fmx."),
    "negative serial": re.sub(
        rb"(?s)(\xa0\x03\x02\x01\x02\x02.).", lambda found: found[1] + b"\x81", encode_der(CHAIN[0]), count=1
    ),
    "version 2": encode_der(CHAIN[0]).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1),
    "der cut": encode_der(CHAIN[0])[:-1],
    "der of another kind": b"\x30\x03\x02\x01\x05",
}


@pytest.mark.parametrize("what", BAD)
def test_damage_is_named(what: str) -> None:
    with pytest.raises(DamagedFileError) as caught:
        parse_certificates(BAD[what], "cacert.pem")
    assert str(caught.value).startswith("cacert.pem: ")
    assert "\n" not in str(caught.value)


def test_the_place_of_a_damaged_certificate_is_told() -> None:
    second = LINES.index(b"-----BEGIN CERTIFICATE-----\n", 1)
    broken = b"".join(LINES[: second + 2] + LINES[second + 3 :])
    with pytest.raises(DamagedFileError, match="certificate 2 of 3"):
        parse_certificates(broken, "chain.pem")


def test_containers_come_with_the_way_to_convert_them(tmp_path: Path) -> None:
    trusted = run("openssl", "x509", "-trustout", input=PEM).stdout
    chain = tmp_path / "chain.pem"
    chain.write_bytes(PEM)
    pkcs7 = run("openssl", "crl2pkcs7", "-nocrl", "-certfile", chain).stdout
    for data in (trusted, pkcs7):
        with pytest.raises(ForeignFormatError) as caught:
            parse_certificates(data, "other.pem")
        assert "openssl" in str(caught.value.hint)


def test_keys_that_mail_programs_do_not_know(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    run("openssl", "genpkey", "-algorithm", "ED448", "-out", key)
    made = run("openssl", "req", "-x509", "-key", key, "-subj", "/CN=odd").stdout
    assert parse_certificate(made, "odd.pem"), "it may be shown"


def test_a_block_does_not_show_its_body() -> None:
    (block,) = blocks(encode_key(key_of("p256", "leaf")))
    assert repr(block) == "Block('PRIVATE KEY')"


@calm
@given(st.integers(0, len(PEM) - 1), st.binary(min_size=1, max_size=4))
def test_damage_shows_as_no_other_kind_of_error(place: int, junk: bytes) -> None:
    try:
        parse_certificates(PEM[:place] + junk + PEM[place + len(junk) :], "chain.pem")
    except SmtpcredsError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said


@calm
@given(st.integers(0, len(encode_der(CHAIN[0])) - 1), st.integers(0, 255))
def test_damaged_der_likewise(place: int, octet: int) -> None:
    der = encode_der(CHAIN[0])
    changed = der[:place] + bytes([octet]) + der[place + 1 :]
    try:
        parse_certificates(changed, "cert.der")
    except SmtpcredsError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
