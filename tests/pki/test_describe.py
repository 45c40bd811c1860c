"""What is told about a certificate is what OpenSSL tells, and holds no key."""

from dataclasses import asdict

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.pki.describe import describe, serial_hex
from smtpcreds.pki.encoding import encode_certificates
from smtpcreds.pki.names import one_line, sendmail_dn, title
from smtpcreds.pki.profiles import RELAY

from .cases import DOMAIN, LONG_HOST, NOW, YEAR, calm, key_of, leaf, root_of
from .peers import run

MADE = leaf(root_of("p256", dns_only=False), RELAY, f"mx.{DOMAIN}", addresses=("192.0.2.25",))


def openssl_says(made: x509.Certificate, *options: str) -> str:
    answer = run("openssl", "x509", "-noout", *options, input=encode_certificates([made]))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.decode()


def test_serial_fingerprint_and_names_are_those_of_openssl() -> None:
    told = describe(MADE)
    said = openssl_says(MADE, "-serial", "-fingerprint", "-sha256", "-ext", "subjectAltName,extendedKeyUsage")
    assert f"serial={told.serial.upper()}" in said
    assert told.fingerprint.upper() in said.replace(":", "")
    assert f"DNS:{told.dns_names[0]}, IP Address:{told.addresses[0]}" in said
    assert told.roles == ("server", "client")
    assert "Server Authentication" in said
    assert "Client Authentication" in said


def test_small_serials_have_whole_octets() -> None:
    assert [serial_hex(number) for number in (1, 0xAB, 0x1234567)] == ["01", "ab", "01234567"]


def test_times_are_aware() -> None:
    told = describe(MADE)
    assert told.not_before.utcoffset() == told.not_after.utcoffset() == NOW.utcoffset()
    assert told.not_after == NOW + YEAR


def test_a_ca_tells_its_limits() -> None:
    told = describe(root_of("p256").certificate)
    assert (told.is_ca, told.path_length, told.permitted_domains) == (True, 1, (DOMAIN,))
    assert told.is_self_issued
    assert told.title == "Lab Root p256"


def test_a_certificate_without_cn_goes_by_its_first_name() -> None:
    made = leaf(root_of("p256"), RELAY, LONG_HOST + f".{DOMAIN}")
    assert describe(made).title == LONG_HOST + f".{DOMAIN}"
    assert describe(made).access_subject == ""


def test_the_description_holds_plain_values_and_no_key() -> None:
    kinds = {type(value).__name__ for value in asdict(describe(MADE)).values()}
    assert kinds <= {"str", "tuple", "bool", "datetime", "NoneType"}


printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30)


def named(name: x509.Name) -> x509.Certificate:
    """A certificate of that name, which our own builder might refuse."""
    key = key_of("p256", "root")
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0xABC)
    return builder.not_valid_before(NOW).not_valid_after(NOW + YEAR).sign(key, hashes.SHA256())


@calm
@given(printable)
def test_one_line_is_openssls(text: str) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    assert openssl_says(named(name), "-subject", "-nameopt", "compat") == f"subject={one_line(name)}\n"


def test_sendmail_encodes_as_it_was_seen_to() -> None:
    parts = [
        x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "Lab Root CA"),
    ]
    assert sendmail_dn(x509.Name(parts)) == "/C=US/O=Example/CN=Lab+20Root+20CA"
    odd = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a/b+cé")])
    assert sendmail_dn(odd) == "/CN=a+5C/b+5C+2Bc+5CxC3+5CxA9"


def test_a_nameless_certificate_goes_by_its_serial() -> None:
    assert title(named(x509.Name([]))) == "serial abc"


def test_without_cn_or_names_the_dn_serves() -> None:
    lab = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Lab")])
    assert title(named(lab)) == "O=Lab"
    assert describe(named(lab)).roles == ("server", "client"), "no extendedKeyUsage allows all"
