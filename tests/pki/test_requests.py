"""Requests that we make, judged by OpenSSL and GnuTLS; requests that others make, judged by us."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from smtpcreds.errors import DamagedFileError, DataError, ForeignFormatError, NameRefusedError
from smtpcreds.pki.requests import Requested, make_request, read_request

from .x509_scene import KEYS, common_name, key_of, run

HOST = "dmzmail.polkatistas.org"
LONG = "a" * 60 + ".polkatistas.org"


def signed(name: x509.Name, *alternative: x509.GeneralName, key: object = None) -> bytes:
    """A request that our own maker would refuse to make."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), False)
    signer = key or key_of("p256")
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KEYS)
def test_ours_are_accepted_by_openssl_and_gnutls(kind: str, tmp_path: Path) -> None:
    addresses = [ip_address("192.0.2.25"), ip_address("2001:db8::25")]
    data = make_request(key_of(kind), HOST, ["mx.polkatistas.org", "bücher.example"], addresses)
    (tmp_path / "csr").write_bytes(data)
    text = run("openssl", "req", "-in", "csr", "-verify", "-noout", "-text", cwd=tmp_path)
    assert "verify OK" in text
    assert f"Subject: CN={HOST}" in text.replace("CN = ", "CN=")  # OpenSSL before 3.2 has blanks
    assert f"DNS:{HOST}, DNS:mx.polkatistas.org, DNS:xn--bcher-kva.example, IP Address:192.0.2.25" in text
    info = run("certtool", "--crq-info", "--infile", "csr", cwd=tmp_path)
    assert "Self signature: verified" in info
    assert "IPAddress: 2001:db8::25" in info
    read = read_request(data, "csr")
    assert read.public_key == key_of(kind).public_key()
    assert (read.common_name, read.ip_addresses, read.ignored) == (HOST, tuple(addresses), ())
    assert read.dns_names == (HOST, "mx.polkatistas.org", "xn--bcher-kva.example")


def test_a_long_name_stands_in_a_critical_alternative_name_alone(tmp_path: Path) -> None:
    data = make_request(key_of("p256"), LONG)
    (tmp_path / "csr").write_bytes(data)
    text = run("openssl", "req", "-in", "csr", "-verify", "-noout", "-text", cwd=tmp_path)
    assert "X509v3 Subject Alternative Name: critical" in text
    assert "Subject: \n" in text
    assert read_request(data, "csr") == Requested(None, (LONG,), (), key_of("p256").public_key(), ())


def test_names_are_put_in_order_and_not_repeated() -> None:
    data = make_request(key_of("p256"), "DMZmail.Polkatistas.org.", [HOST, "MX.polkatistas.org"])
    assert read_request(data, "csr").dns_names == (HOST, "mx.polkatistas.org")


@pytest.mark.parametrize("host", ["bad..host_name!", "x y", "-lead.org", "a_b.org", "10.0.0.1", ""])
def test_we_ask_for_no_bad_name(host: str) -> None:
    with pytest.raises(NameRefusedError):
        make_request(key_of("p256"), host)


OPENSSL_CONFIG = """
[req]
prompt = no
distinguished_name = dn
req_extensions = ext
attributes = attr
[dn]
C = ES
O = Polkatistas
CN = DMZmail.polkatistas.org
[attr]
challengePassword = hush-hush-hush
[ext]
subjectAltName = @san
basicConstraints = CA:TRUE
keyUsage = keyCertSign
1.2.3.4 = ASN1:NULL
[san]
DNS.1 = dmzmail.polkatistas.org
DNS.2 = MX.polkatistas.org.
email = postmaster@polkatistas.org
IP = 192.0.2.1
"""


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_from_openssl_only_names_and_key_are_taken(form: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(OPENSSL_CONFIG)
    made = ("openssl", "req", "-new", "-config", "config", "-newkey", "rsa:2048", "-nodes", "-keyout", "key")
    run(*made, "-outform", form, "-out", "csr", cwd=tmp_path)
    read = read_request((tmp_path / "csr").read_bytes(), "csr")
    assert read.common_name == HOST
    assert read.dns_names == (HOST, "mx.polkatistas.org")
    assert read.ip_addresses == (ip_address("192.0.2.1"),)
    assert set(read.ignored) == {
        "subject attribute C",
        "subject attribute O",
        "extension BasicConstraints (2.5.29.19)",
        "extension KeyUsage (2.5.29.15)",
        "extension UnrecognizedExtension (1.2.3.4)",
        "attribute challengePassword",
        "subjectAltName RFC822Name",
    }
    assert "hush" not in repr(read)


def test_from_gnutls_with_text_around_the_block(tmp_path: Path) -> None:
    (tmp_path / "template").write_text(f'cn = "{HOST}"\ndns_name = "{HOST}"\n')
    run("certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", "key", cwd=tmp_path)
    made = ("certtool", "--generate-request", "--load-privkey", "key", "--template", "template")
    run(*made, "--outfile", "csr", cwd=tmp_path)
    data = (tmp_path / "csr").read_bytes()
    assert b"NEW CERTIFICATE REQUEST" in data
    assert read_request(data, "csr").dns_names == (HOST,)


def test_from_keytool_with_a_common_name_only(tmp_path: Path) -> None:
    store = ("-keystore", "store", "-storepass:env", "STORE")
    env = {"STORE": "changeit"}
    pair = ("keytool", "-genkeypair", "-alias", "a", "-keyalg", "EC", "-groupname", "secp256r1")
    run(*pair, "-dname", f"CN={HOST}", *store, cwd=tmp_path, env=env)
    run("keytool", "-certreq", "-alias", "a", "-file", "csr", *store, cwd=tmp_path, env=env)
    read = read_request((tmp_path / "csr").read_bytes(), "csr")
    assert (read.common_name, read.dns_names) == (HOST, ())
    assert read.ignored == ("extension SubjectKeyIdentifier (2.5.29.14)",)


def test_possession_must_be_proven() -> None:
    data = make_request(key_of("p256"), HOST)
    der = bytearray(x509.load_pem_x509_csr(data).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(DataError, match="not proven"):
        read_request(bytes(der), "csr")


def test_a_key_swapped_into_a_request_is_noticed(tmp_path: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    mine, other = (k.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for k in keys)
    der = x509.load_pem_x509_csr(make_request(keys[0], HOST)).public_bytes(Encoding.DER)
    with pytest.raises(DataError, match="not proven"):
        read_request(der.replace(mine, other), "csr")


WEAK: dict[str, Callable[[], object]] = {
    "1024 bits": lambda: rsa.generate_private_key(65537, 1024),
    "exponent": lambda: rsa.generate_private_key(3, 2048),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "DSA key": lambda: dsa.generate_private_key(2048),
}


@pytest.mark.parametrize("words", WEAK)
def test_weak_and_odd_keys_are_refused(words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_request(signed(common_name(HOST), x509.DNSName(HOST), key=WEAK[words]()), "csr")


@pytest.mark.parametrize("curve", ["secp224r1", "prime192v1", "sect283k1"])
def test_curves_that_openssl_offers_and_we_refuse(curve: str, tmp_path: Path) -> None:
    made = ("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes")
    run(*made, "-keyout", "key", "-subj", f"/CN={HOST}", "-out", "csr", cwd=tmp_path)
    with pytest.raises(DataError, match=r"curve|kind"):
        read_request((tmp_path / "csr").read_bytes(), "csr")


def test_explicit_curve_parameters_never_reach_a_certificate(tmp_path: Path) -> None:
    made = ("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    explicit = ("-pkeyopt", "ec_param_enc:explicit", "-nodes", "-keyout", "key", "-subj", f"/CN={HOST}")
    run(*made, *explicit, "-out", "csr", cwd=tmp_path)
    assert "Prime:" in run("openssl", "req", "-in", "csr", "-noout", "-text", cwd=tmp_path)
    with suppress(DataError):  # cryptography 44 refuses the key, later ones recognise the curve
        key = read_request((tmp_path / "csr").read_bytes(), "csr").public_key
        assert len(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) == 91


def test_a_signature_by_md5_is_no_proof(tmp_path: Path) -> None:
    made = ("openssl", "req", "-new", "-newkey", "rsa:2048", "-md5", "-nodes", "-keyout", "key")
    run(*made, "-subj", f"/CN={HOST}", "-out", "csr", cwd=tmp_path)
    with pytest.raises(DataError, match="not proven"):
        read_request((tmp_path / "csr").read_bytes(), "csr")


@pytest.mark.parametrize(
    ("name", "words"),
    [("a_b.polkatistas.org", "underscore"), ("x y.org", "character"), ("*.polkatistas.org", "character")],
)
def test_bad_names_in_a_request_are_refused(name: str, words: str) -> None:
    with pytest.raises(NameRefusedError, match=words):
        read_request(signed(common_name(HOST), x509.DNSName(name)), "csr")
    with pytest.raises(NameRefusedError, match=words):
        read_request(signed(common_name(name)), "csr")


def test_a_wildcard_is_taken_when_allowed() -> None:
    data = signed(common_name(HOST), x509.DNSName("*.polkatistas.org"))
    assert read_request(data, "csr", wildcard=True).dns_names == ("*.polkatistas.org",)


def test_raw_utf8_in_a_dns_name_is_refused() -> None:
    data = x509.load_pem_x509_csr(make_request(key_of("p256"), "buecher.polkatistas.org"))
    raw = data.public_bytes(Encoding.DER).replace(b"buecher.polk", "bücher.polk".encode())
    with pytest.raises(DataError):
        read_request(raw, "csr")


def test_networks_are_no_addresses() -> None:
    from ipaddress import ip_network

    with pytest.raises(NameRefusedError, match="network"):
        read_request(signed(common_name(HOST), x509.IPAddress(ip_network("192.0.2.0/24"))), "csr")


def test_a_title_as_common_name_is_passed_over_when_there_are_others() -> None:
    read = read_request(signed(common_name("Mail Gateway"), x509.DNSName(HOST)), "csr")
    assert (read.common_name, read.ignored) == (None, ("common name that is not a host name",))
    with pytest.raises(NameRefusedError, match="Mail Gateway"):
        read_request(signed(common_name("Mail Gateway")), "csr")


def test_names_are_needed_and_only_one_common_name() -> None:
    with pytest.raises(NameRefusedError, match="names no host"):
        read_request(signed(x509.Name([])), "csr")
    two = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n) for n in (HOST, "mx.polkatistas.org")])
    with pytest.raises(DataError, match="2 common names"):
        read_request(signed(two), "csr")


GOOD = make_request(key_of("p256"), HOST)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", ForeignFormatError, "is empty"),
        (b"\x00\xff", ForeignFormatError, "neither PEM nor DER"),
        (GOOD * 2, DataError, "2 objects"),
        (GOOD.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"), ForeignFormatError, "holds CERTIFICATE"),
        (GOOD[:200], ForeignFormatError, "neither"),
        (b"\x30\x82\xff\xff" + bytes(100), DamagedFileError, "readable"),
    ],
    ids=["empty", "binary", "two", "certificate", "cut", "length"],
)
def test_bad_files_are_named(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read_request(data, "host.csr")
    assert str(caught.value).startswith("host.csr: ")
    assert "\n" not in str(caught.value)


def test_no_cut_of_a_request_gets_through() -> None:
    der = x509.load_pem_x509_csr(GOOD).public_bytes(Encoding.DER)
    for size in range(1, len(der), 7):
        with pytest.raises((DataError, NameRefusedError)):
            read_request(der[:size], "csr")
