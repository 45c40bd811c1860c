"""CRLs that we make, in the hands of OpenSSL, GnuTLS and pkilint; CRLs that others make, in ours."""

import datetime
import sysconfig
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from smtpcreds.errors import DamagedFileError, DataError, ForeignFormatError, UsageError
from smtpcreds.pki.crl import BACKDATE, build_crl, read_crl, to_pem, verify_crl
from smtpcreds.pki.keys import digest_for
from smtpcreds.pki.revocation import Reason, Revoked, parse_reason

from .x509_scene import DAY, KEYS, NOW, Pair, attempt, authority, common_name, leaf, run, sign_with

LINT = Path(sysconfig.get_path("scripts")) / "lint_crl"
MONTH = 30 * DAY
EARLY, LATE = (datetime.datetime(year, 2, 28, 23, 59, tzinfo=datetime.UTC) for year in (1999, 2050))
"""In the two forms that a time has (RFC 5280 section 4.1.2.5)."""
ALL_REASONS = [Revoked(0x1000 + n, NOW - DAY, reason) for n, reason in enumerate(Reason)]


def pem(ca: Pair, *revoked: Revoked, number: int = 7) -> bytes:
    return to_pem(build_crl(ca.certificate, ca.key, number, revoked, NOW, MONTH))


def lint(path: Path) -> str:
    done = attempt(str(LINT), "lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE", str(path))
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "revoked"),
    [("p256", []), ("p256", ALL_REASONS), ("rsa", ALL_REASONS), ("p384", []), ("ed25519", ALL_REASONS)],
)
def test_peers_accept_the_list(kind: str, revoked: list[Revoked], tmp_path: Path) -> None:
    ca = authority(kind)
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    (tmp_path / "crl.pem").write_bytes(pem(ca, *revoked))
    assert lint(tmp_path / "crl.pem").strip() == ""
    assert "verify OK" in run(
        "openssl", "crl", "-verify", "-CAfile", "ca.pem", "-in", "crl.pem", "-noout", cwd=tmp_path
    )
    verify = ("certtool", "--verify-crl", "--load-ca-certificate", "ca.pem", "--infile", "crl.pem")
    assert "Verified" in run(*verify, cwd=tmp_path)


def test_the_linter_can_fail(tmp_path: Path) -> None:
    ca = authority()
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW, NOW + DAY)
    (tmp_path / "crl.pem").write_bytes(builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert "ERROR" in lint(tmp_path / "crl.pem")


def test_verifiers_refuse_the_revoked_certificate_and_no_other(tmp_path: Path) -> None:
    ca, good, bad = authority(), leaf(authority()), leaf(authority())
    entry = Revoked(bad.certificate.serial_number, NOW - DAY, Reason.SUPERSEDED)
    for name, data in {"ca": ca.pem, "good": good.pem, "bad": bad.pem, "crl": pem(ca, entry)}.items():
        (tmp_path / name).write_bytes(data)
    openssl = ("openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "ca", "-CRLfile", "crl")
    gnutls = ("certtool", "--verify", "--load-ca-certificate", "ca", "--load-crl", "crl", "--infile")
    assert "OK" in attempt(*openssl, "good", cwd=tmp_path).stdout
    assert "certificate revoked" in attempt(*openssl, "bad", cwd=tmp_path).stderr
    assert attempt(*gnutls, "good", cwd=tmp_path).returncode == 0
    assert "revoked" in attempt(*gnutls, "bad", cwd=tmp_path).stdout


def test_openssl_reads_number_reasons_and_times(tmp_path: Path) -> None:
    (tmp_path / "crl").write_bytes(pem(authority(), *ALL_REASONS, number=0x1234))
    text = run("openssl", "crl", "-in", "crl", "-noout", "-text", "-crlnumber", cwd=tmp_path)
    assert "crlNumber=0x1234" in text
    assert "Version 2" in text
    for words in ("Key Compromise", "Superseded", "Cessation Of Operation", "Affiliation Changed"):
        assert words in text
    assert "Unspecified" not in text
    assert text.count("X509v3 CRL Reason Code") == len(ALL_REASONS) - 1


def test_no_revoked_certificates_field_when_nothing_is_revoked(tmp_path: Path) -> None:
    (tmp_path / "crl").write_bytes(pem(authority()))
    assert "No Revoked Certificates." in run("openssl", "crl", "-in", "crl", "-noout", "-text", cwd=tmp_path)


def test_what_was_written_is_read_back() -> None:
    ca = authority()
    crl = build_crl(ca.certificate, ca.key, 9, ALL_REASONS, NOW, MONTH)
    for data in (to_pem(crl), crl):
        read = read_crl(data, "crl.pem", ca.certificate)
        assert (read.number, read.count, read.issuer) == (9, len(ALL_REASONS), "CN=Polkatistas CA")
        assert (read.this_update, read.next_update) == (NOW - BACKDATE, NOW + MONTH)
        assert list(read.entries()) == ALL_REASONS
        assert read.is_revoked(0x1000)
        assert not read.is_revoked(0x999)
        assert read.find(0x1001) == ALL_REASONS[1]
        assert read.find(1) is None


def test_times_in_other_zones_are_the_same_instants() -> None:
    ca, east = authority(), datetime.timezone(datetime.timedelta(hours=9))
    entry = Revoked(5, NOW.astimezone(east))
    crl = build_crl(ca.certificate, ca.key, 1, [entry], NOW.astimezone(east), DAY)
    read = read_crl(crl, "crl", ca.certificate)
    assert read.find(5) == Revoked(5, NOW)
    assert read.next_update == NOW + DAY


def test_a_time_without_a_zone_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="zone"):
        Revoked(1, NOW.replace(tzinfo=None))


def test_a_list_is_current_between_its_updates() -> None:
    read = read_crl(pem(authority()), "crl", authority().certificate)
    assert read.fault(NOW) is None
    assert f"expired on {NOW + MONTH:%Y-%m-%d %H:%M} UTC, so " in (read.fault(NOW + MONTH + DAY) or "")
    assert "is not valid before" in (read.fault(NOW - DAY) or "")


@pytest.mark.parametrize(
    ("revoked", "number", "lifetime", "words"),
    [
        ([Revoked(5, NOW), Revoked(5, NOW)], 1, DAY, "twice"),
        ([Revoked(0, NOW)], 1, DAY, "outside"),
        ([Revoked(-3, NOW)], 1, DAY, "outside"),
        ([Revoked(1 << 159, NOW)], 1, DAY, "outside"),
        ([], -1, DAY, "CRL number -1"),
        ([], 1 << 159, DAY, "outside"),
        ([], 1, datetime.timedelta(0), "lifetime"),
    ],
)
def test_impossible_lists_are_refused(
    revoked: list[Revoked], number: int, lifetime: datetime.timedelta, words: str
) -> None:
    ca = authority()
    with pytest.raises(DataError, match=words):
        build_crl(ca.certificate, ca.key, number, revoked, NOW, lifetime)


def test_the_largest_serial_fits(tmp_path: Path) -> None:
    (tmp_path / "crl").write_bytes(pem(authority(), Revoked((1 << 159) - 1, NOW), number=(1 << 159) - 1))
    assert "Serial Number: 7FFF" in run("openssl", "crl", "-in", "crl", "-noout", "-text", cwd=tmp_path)
    assert lint(tmp_path / "crl").strip() == ""


def test_only_the_right_key_of_a_ca_that_may_sign_lists_is_used() -> None:
    ca, other = authority(), authority(name="Other CA")
    with pytest.raises(DataError, match="is not the key of"):
        build_crl(ca.certificate, other.key, 1, [], NOW, DAY)
    mute = authority(name="Mute CA", crl_sign=False)
    with pytest.raises(DataError, match="cRLSign"):
        build_crl(mute.certificate, mute.key, 1, [], NOW, DAY)


def test_another_cas_list_is_refused() -> None:
    ca, other, namesake = authority(), authority(name="Other CA"), authority("rsa")
    data = pem(ca)
    with pytest.raises(DataError, match="was issued by CN=Polkatistas CA, not by CN=Other CA"):
        read_crl(data, "crl", other.certificate)
    with pytest.raises(DataError, match="not signed with the key"):
        read_crl(data, "crl", namesake.certificate)
    assert read_crl(data, "crl", None).count == 0


def test_one_changed_bit_is_noticed() -> None:
    data = bytearray(build_crl(authority().certificate, authority().key, 1, ALL_REASONS, NOW, DAY))
    data[-1] ^= 1
    unverified = read_crl(bytes(data), "crl", None)
    with pytest.raises(DataError, match="not signed"):
        verify_crl(unverified, authority().certificate, "crl")


def test_names_are_compared_as_openssl_does() -> None:
    ca = authority()
    shouting = x509.CertificateRevocationListBuilder(common_name("  POLKATISTAS   ca "), NOW, NOW + DAY)
    data = shouting.sign(ca.key, sign_with(ca.key)).public_bytes(Encoding.DER)
    assert read_crl(data, "crl", ca.certificate).number is None


CRITICAL = [
    x509.DeltaCRLIndicator(3),
    x509.IssuingDistributionPoint(None, None, True, False, None, False, False),
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
]


@pytest.mark.parametrize("extension", CRITICAL, ids=lambda e: type(e).__name__)
def test_partial_lists_are_refused(extension: x509.ExtensionType) -> None:
    ca = authority()
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW, NOW + DAY)
    crl = builder.add_extension(extension, True).sign(ca.key, sign_with(ca.key))
    with pytest.raises(DataError, match=type(extension).__name__):
        read_crl(crl.public_bytes(Encoding.DER), "crl", ca.certificate)


def test_gnutls_lists_are_read(tmp_path: Path) -> None:
    ca, bad = authority(), leaf(authority())
    for name, data in {"ca": ca.pem, "key": ca.key_pem, "bad": bad.pem}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "template").write_text("crl_next_update = 10\ncrl_number = 77\n")
    made = ("certtool", "--generate-crl", "--load-ca-privkey", "key", "--load-ca-certificate", "ca")
    run(*made, "--load-certificate", "bad", "--template", "template", "--outfile", "crl", cwd=tmp_path)
    read = read_crl((tmp_path / "crl").read_bytes(), "crl", ca.certificate)
    assert (read.number, read.count) == (77, 1)
    assert read.is_revoked(bad.certificate.serial_number)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", ForeignFormatError, "is empty"),
        (b"hello", ForeignFormatError, "neither PEM nor DER"),
        (authority().pem, ForeignFormatError, "holds CERTIFICATE, not"),
        (pem(authority()) * 2, DataError, "holds 2 objects"),
        (b"\x30\x03\x02\x01\x01", DamagedFileError, "not a readable CRL"),
        (b"0", DamagedFileError, "not a readable CRL"),
        (pem(authority()).replace(b"A", b"!", 1), DamagedFileError, "base64"),
        (pem(authority()).replace(b"\n-----END", b"A\n-----END"), DamagedFileError, "base64"),
    ],
    ids=["empty", "text", "other PEM", "two", "other DER", "stub", "bad letter", "bad length"],
)
def test_bad_files_are_named(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read_crl(data, "/etc/mail/certs/crl.pem", authority().certificate)
    assert "/etc/mail/certs/crl.pem" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reasons_have_the_names_of_the_rfc() -> None:
    assert parse_reason("keyCompromise") is parse_reason("KEYCOMPROMISE") is Reason.KEY_COMPROMISE
    for wrong in ("removeFromCRL", "", "stolen", "\n"):
        with pytest.raises(UsageError) as caught:
            parse_reason(wrong)
        assert "superseded" in str(caught.value.hint)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("number", [0, 127, 128, 1 << 64])
def test_the_encoding_is_that_of_cryptographys_builder(kind: str, number: int) -> None:
    ca = authority(kind)
    revoked = [*ALL_REASONS, Revoked(128, LATE), Revoked(1 << 158, EARLY)]
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW - BACKDATE, NOW + MONTH)
    builder = builder.add_extension(x509.CRLNumber(number), False)
    own = x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    builder = builder.add_extension(identifier, False)
    for entry in revoked:
        one = x509.RevokedCertificateBuilder(entry.serial, entry.at.replace(tzinfo=None))
        if entry.reason is not Reason.UNSPECIFIED:
            one = one.add_extension(x509.CRLReason(x509.ReasonFlags(entry.reason.value)), False)
        builder = builder.add_revoked_certificate(one.build())
    theirs = builder.sign(ca.key, digest_for(ca.key))
    ours = x509.load_der_x509_crl(build_crl(ca.certificate, ca.key, number, revoked, NOW, MONTH))
    assert ours.tbs_certlist_bytes == theirs.tbs_certlist_bytes
    assert ours.signature_algorithm_oid == theirs.signature_algorithm_oid
    assert ours.is_signature_valid(ca.certificate.public_key())  # type: ignore[arg-type]
    assert to_pem(theirs.public_bytes(Encoding.DER)) == theirs.public_bytes(Encoding.PEM)


def test_many_entries_are_listed_once_each() -> None:
    ca, count = authority(), 50_000
    revoked = (Revoked(n, NOW - DAY, Reason.SUPERSEDED) for n in range(1, count + 1))
    crl = build_crl(ca.certificate, ca.key, 1, revoked, NOW, DAY)
    read = read_crl(to_pem(crl), "crl", ca.certificate)
    assert read.count == count
    assert read.is_revoked(count)
    assert not read.is_revoked(count + 1)
