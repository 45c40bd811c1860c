"""TLSA records, held against ``danetool`` and ``openssl``."""

import re
from pathlib import Path

import pytest
from cryptography import x509

from smtpcreds.errors import NameRefusedError, UsageError
from smtpcreds.pki.tlsa import Tlsa, end_entity, trust_anchor, zone_line

from .x509_scene import KEYS, authority, leaf, run

HOST = "dmzmail.polkatistas.org"
_DANETOOL = re.compile(r"(\S+) IN TLSA \( (\d\d) (\d\d) (\d\d) ([0-9a-f]+) \)")


def by_danetool(tmp_path: Path, *options: str) -> str:
    text = run("danetool", "--tlsa-rr", "--load-certificate", "cert", "--host", HOST, *options, cwd=tmp_path)
    match = _DANETOOL.search(text)
    assert match, text
    owner, usage, selector, matching, digest = match.groups()
    return f"{owner} IN TLSA {int(usage)} {int(selector)} {int(matching)} {digest}"


@pytest.mark.parametrize("kind", KEYS)
def test_a_servers_record_is_that_of_danetool(kind: str, tmp_path: Path) -> None:
    host = leaf(authority(), HOST, kind)
    (tmp_path / "cert").write_bytes(host.pem)
    line = zone_line(end_entity(host.certificate), HOST)
    assert line.startswith("_25._tcp.dmzmail.polkatistas.org. IN TLSA 3 1 1 ")
    assert line == by_danetool(tmp_path, "--port", "25")


@pytest.mark.parametrize("kind", KEYS)
def test_a_cas_record_is_that_of_danetool(kind: str, tmp_path: Path) -> None:
    ca = authority(kind)
    (tmp_path / "cert").write_bytes(ca.pem)
    line = zone_line(trust_anchor(ca.certificate), HOST, 587)
    assert line == by_danetool(tmp_path, "--port", "587", "--ca")
    assert " 2 1 1 " in line


def test_the_key_is_hashed_as_it_stands_in_the_certificate(tmp_path: Path) -> None:
    """A compressed point stays compressed; decoding and encoding would expand it."""
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "plain", cwd=tmp_path)
    run("openssl", "ec", "-in", "plain", "-conv_form", "compressed", "-out", "key", cwd=tmp_path)
    run("openssl", "req", "-x509", "-key", "key", "-subj", f"/CN={HOST}", "-out", "cert", cwd=tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "cert").read_bytes())
    run("openssl", "x509", "-in", "cert", "-pubkey", "-noout", "-out", "public", cwd=tmp_path)
    run("openssl", "pkey", "-pubin", "-in", "public", "-outform", "DER", "-out", "spki", cwd=tmp_path)
    digest = run("openssl", "dgst", "-sha256", "-r", "spki", cwd=tmp_path).split()[0]
    assert (tmp_path / "spki").stat().st_size == 59
    assert str(end_entity(certificate)) == f"3 1 1 {digest}"


def test_a_record_can_carry_its_ttl() -> None:
    assert zone_line(Tlsa(3, b"\1\2"), "MX.polkatistas.org.", ttl=3600) == (
        "_25._tcp.mx.polkatistas.org. 3600 IN TLSA 3 1 1 0102"
    )


@pytest.mark.parametrize("host", ["dmzmail", "", "a_b.org", "192.0.2.1"])
def test_a_record_needs_a_whole_host_name(host: str) -> None:
    with pytest.raises(NameRefusedError):
        zone_line(Tlsa(3, b""), host)


@pytest.mark.parametrize(("port", "ttl"), [(0, None), (65536, None), (25, -1), (25, 1 << 31)])
def test_numbers_out_of_range_are_refused(port: int, ttl: int | None) -> None:
    with pytest.raises(UsageError, match="between"):
        zone_line(Tlsa(3, b""), HOST, port, ttl)
