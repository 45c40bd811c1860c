"""Order and verdict of chains, with reasons that people understand."""

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from itertools import permutations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from smtpcreds.pki.chains import ChainError, has_signature_of, is_self_signed, order, verify_chain
from smtpcreds.pki.encoding import encode_certificates, parse_certificate
from smtpcreds.pki.keys import encode_key
from smtpcreds.pki.names import Names, refusal
from smtpcreds.pki.profiles import CLIENT, RELAY, SERVER, Purpose
from smtpcreds.pki.values import CERTIFIES, SIGNS, Issuer, basic_constraints, extension

from .cases import DOMAIN, NOW, YEAR, intermediate_of, key_of, leaf, root_of
from .peers import run

HOST = f"mx.{DOMAIN}"
LOWER = intermediate_of("p256", dns_only=False)
INTERMEDIATE, ROOT = LOWER.path
MADE = leaf(LOWER, RELAY, HOST, addresses=("192.0.2.25",))
OTHER = root_of("p384").certificate


def made_by_hand(
    name: str,
    issuer: x509.Certificate | None,
    *extensions: x509.Extension[x509.ExtensionType],
    key: object = None,
    start: datetime = NOW - timedelta(days=1),
) -> x509.Certificate:
    """A certificate that our own rules would not let pass; all of them have the keys of role "hand"."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    hand = key or key_of("p256", "hand")
    builder = x509.CertificateBuilder(
        issuer.subject if issuer else subject,
        subject,
        hand.public_key(),  # type: ignore[attr-defined]
        7,
        extensions=list(extensions),
    )
    builder = builder.not_valid_before(start).not_valid_after(NOW + YEAR)
    return builder.sign(key_of("p256", "hand"), hashes.SHA256())


CA = basic_constraints(is_ca=True, path_length=None)
TOP = made_by_hand("Top", None, CA)


def why(
    certificate: x509.Certificate,
    *between: x509.Certificate,
    roots: tuple[x509.Certificate, ...] = (TOP,),
    purposes: tuple[Purpose, ...] = (),
    host: str | None = None,
    now: datetime = NOW,
) -> str:
    with pytest.raises(ChainError) as caught:
        verify_chain(certificate, between, roots, now, purposes, host)
    assert caught.value.exit_status == 65
    return caught.value.reason


@pytest.mark.parametrize("bag", list(permutations((MADE, INTERMEDIATE, ROOT))))
def test_a_bag_is_put_in_order(bag: tuple[x509.Certificate, ...]) -> None:
    assert order((*bag, bag[0])) == (MADE, INTERMEDIATE, ROOT)


def test_a_part_of_a_chain_is_in_order_too() -> None:
    assert order([ROOT]) == (ROOT,)
    assert order([INTERMEDIATE, MADE]) == (MADE, INTERMEDIATE)


@pytest.mark.parametrize("bag", [(), (MADE, OTHER), (MADE, ROOT)], ids=["empty", "stranger", "gap"])
def test_what_is_no_chain_is_refused(bag: tuple[x509.Certificate, ...]) -> None:
    with pytest.raises(ChainError):
        order(bag)


def test_the_path_is_returned() -> None:
    assert verify_chain(MADE, [OTHER, INTERMEDIATE], [OTHER, ROOT], NOW) == (MADE, INTERMEDIATE, ROOT)
    assert verify_chain(ROOT, [], [ROOT], NOW) == (ROOT,)


def test_an_intermediate_in_the_bundle_of_roots_helps_but_is_not_trusted() -> None:
    assert verify_chain(MADE, [], [ROOT, INTERMEDIATE], NOW)
    assert "of Lab Issuing p256 (CN=Lab Root p256,O=Lab) was not found" in why(MADE, roots=(INTERMEDIATE,))


def test_missing_issuers_are_named() -> None:
    assert why(MADE, roots=(ROOT,)) == (
        "the certificate of the issuer (CN=Lab Issuing p256,O=Lab) was not found"
    )
    assert why(MADE, INTERMEDIATE, roots=(OTHER,)) == (
        "the certificate of the issuer of Lab Issuing p256 (CN=Lab Root p256,O=Lab) was not found"
    )


def test_an_untrusted_root_is_named() -> None:
    assert (
        why(MADE, INTERMEDIATE, ROOT, roots=(OTHER,))
        == "ends in CN=Lab Root p256,O=Lab, which is not trusted"
    )
    assert why(ROOT, roots=(OTHER,)) == "is self-signed and not trusted"


def test_a_signature_by_another_key_of_that_name() -> None:
    fake = made_by_hand("Top", None, CA, key=key_of("p256", "stranger"))
    assert why(made_by_hand("x", TOP), roots=(OTHER,)).endswith("was not found")
    assert "not by the key of CN=Top" in why(made_by_hand("x", fake), fake, roots=(OTHER,))


def test_time() -> None:
    assert why(MADE, *LOWER.path, roots=(ROOT,), now=NOW + YEAR + timedelta(seconds=1)).startswith(
        "expired on 20"
    )
    assert verify_chain(MADE, LOWER.path, [ROOT], NOW + YEAR), "the last second counts"
    assert why(MADE, *LOWER.path, roots=(ROOT,), now=NOW - YEAR).startswith("is not valid before")
    late = made_by_hand("Late", TOP, CA, start=NOW + timedelta(days=1))
    assert why(made_by_hand("x", late), late).startswith("its CA Late is not valid before")


def test_purposes() -> None:
    server, client = leaf(LOWER, SERVER, HOST), leaf(LOWER, CLIENT, HOST)
    both = tuple(Purpose)
    assert verify_chain(MADE, LOWER.path, [ROOT], NOW, both)
    assert (
        why(server, *LOWER.path, roots=(ROOT,), purposes=both) == "is not for TLS clients (extendedKeyUsage)"
    )
    assert (
        why(client, *LOWER.path, roots=(ROOT,), purposes=both) == "is not for TLS servers (extendedKeyUsage)"
    )
    assert why(ROOT, roots=(ROOT,), purposes=both) == "may not sign TLS handshakes (keyUsage)"


def test_purposes_of_a_ca_bind_what_it_signs() -> None:
    usage = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    narrow = made_by_hand("Narrow", TOP, CA, usage)
    made = made_by_hand("x", narrow)
    assert verify_chain(made, [narrow], [TOP], NOW, [Purpose.CLIENT])
    reason = why(made, narrow, purposes=(Purpose.SERVER,))
    assert reason == "its CA Narrow is not for TLS servers (extendedKeyUsage)"


def test_names() -> None:
    for host in (HOST, "192.0.2.25"):
        parsed = host if host == HOST else IPv4Address(host)
        assert verify_chain(MADE, LOWER.path, [ROOT], NOW, [Purpose.SERVER], parsed)
    reason = why(MADE, *LOWER.path, roots=(ROOT,), host="imap.polkatistas.org")
    assert reason == "is not for imap.polkatistas.org; it holds mx.polkatistas.org, 192.0.2.25"
    assert why(made_by_hand(HOST, TOP), host=HOST) == f"is not for {HOST}; it holds no name"


def test_hosts_may_not_sign() -> None:
    host = made_by_hand("Host", TOP, basic_constraints(is_ca=False, path_length=None))
    assert why(made_by_hand("x", host), host) == "its CA Host is not a CA certificate"
    old = made_by_hand("Old", TOP)
    assert why(made_by_hand("x", old), old) == "its CA Old is not a CA certificate"
    mute = made_by_hand("Mute", TOP, CA, extension(SIGNS, critical=True))
    assert why(made_by_hand("x", mute), mute) == "its CA Mute may not sign certificates (keyUsage)"
    able = made_by_hand("Able", TOP, CA, extension(CERTIFIES, critical=True))
    assert verify_chain(made_by_hand("x", able), [able], [TOP], NOW)


def test_path_length() -> None:
    short = made_by_hand("Short", TOP, basic_constraints(is_ca=True, path_length=0))
    below = made_by_hand("Below", short, CA)
    assert verify_chain(made_by_hand("x", short), [short], [TOP], NOW)
    assert (
        why(made_by_hand("x", below), below, short) == "its CA Short allows only 0 CA certificates below it"
    )
    again = made_by_hand("Short", short, CA)
    assert verify_chain(made_by_hand("x", again), [again, short], [TOP], NOW), "self-issued ones don't count"


def test_unknown_critical_extensions() -> None:
    oid = x509.ObjectIdentifier("1.2.3.4")
    odd = made_by_hand("x", TOP, extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), critical=True))
    assert why(odd) == "has the unknown critical extension 1.2.3.4"
    harmless = made_by_hand("x", TOP, extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), critical=False))
    assert verify_chain(harmless, [], [TOP], NOW)


def test_weak_hashes(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(encode_certificates([TOP]))
    (tmp_path / "key.pem").write_bytes(encode_key(key_of("p256", "hand")))
    request = run("openssl", "req", "-new", "-key", tmp_path / "key.pem", "-subj", "/CN=old").stdout
    authority = ("-CA", tmp_path / "ca.pem", "-CAkey", tmp_path / "key.pem", "-set_serial", "1")
    made = run("openssl", "x509", "-req", "-sha1", *authority, input=request).stdout
    old = parse_certificate(made, "old.pem")
    assert why(old) == "the signature uses a hash that is no longer safe"
    assert has_signature_of(old, TOP)
    assert not has_signature_of(old, made_by_hand("Top", None, CA, key=key_of("p256", "other")))


def test_a_root_may_be_old(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(encode_key(key_of("p256", "hand")))
    made = run("openssl", "req", "-x509", "-sha1", "-key", tmp_path / "key.pem", "-subj", "/CN=Top").stdout
    root = parse_certificate(made, "old.pem")
    assert is_self_signed(root)
    assert verify_chain(made_by_hand("x", TOP), [], [root], NOW + timedelta(days=1))


@pytest.mark.parametrize("padding", [(), ("-sigopt", "rsa_padding_mode:pss")])
def test_a_signature_by_rsa_and_an_old_hash_is_still_one(tmp_path: Path, padding: tuple[str, ...]) -> None:
    (tmp_path / "key.pem").write_bytes(encode_key(key_of("rsa2048", "hand")))
    words: tuple[str | Path, ...] = (
        "req",
        "-x509",
        "-sha1",
        *padding,
        "-key",
        tmp_path / "key.pem",
        "-subj",
        "/CN=Top",
    )
    root = parse_certificate(run("openssl", *words).stdout, "old.pem")
    assert has_signature_of(root, root)
    assert not has_signature_of(root, TOP)
    assert not has_signature_of(root, made_by_hand("x", TOP, key=key_of("rsa2048", "other")))


def test_weak_keys() -> None:
    weak = made_by_hand("x", TOP, key=rsa.generate_private_key(65537, 1024))
    assert why(weak) == "has a key that is an RSA key of 1024 bits; 2048 to 8192 are accepted"


def test_constraints_of_every_ca_bind() -> None:
    permitted = x509.NameConstraints([x509.DNSName("a.example")], None)
    narrow = made_by_hand("Narrow", TOP, CA, extension(permitted, critical=True))
    between = made_by_hand("Between", narrow, CA)
    names = x509.SubjectAlternativeName([x509.DNSName("b.example")])
    reason = why(made_by_hand("x", between, extension(names, critical=False)), between, narrow)
    assert reason == "b.example is outside what the CA may certify (a.example)"


def test_a_ring_of_cas_ends() -> None:
    one, two = made_by_hand("One", None, CA), made_by_hand("Two", None, CA)
    across = [made_by_hand("One", two, CA), made_by_hand("Two", one, CA)]
    assert why(made_by_hand("x", across[0]), *across) == "its CAs sign each other; no root is among them"


def test_a_cross_signed_ca_finds_the_root_that_is_trusted() -> None:
    crossed, made = made_by_hand("Top", made_by_hand("Elder", None, CA), CA), made_by_hand("x", TOP)
    assert verify_chain(made, [crossed], [TOP], NOW) == (made, TOP)


def test_roots_sign_themselves() -> None:
    assert is_self_signed(ROOT)
    assert not is_self_signed(INTERMEDIATE)
    assert Issuer(INTERMEDIATE, key_of("p256", "intermediate"), (ROOT,)).path == (INTERMEDIATE, ROOT)


def bound(
    permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None = None
) -> x509.NameConstraints:
    return x509.NameConstraints(permitted, excluded)


NET4, NET6 = (
    x509.IPAddress(IPv4Network("10.0.0.0/8")),
    x509.IPAddress(IPv6Network("fd00::/8")),
)
LAB = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Lab")]))


@pytest.mark.parametrize(
    ("constraint", "host", "permitted"),
    [
        (bound([x509.DNSName("a.example")]), "a.example", True),
        (bound([x509.DNSName("a.example")]), "mx.a.example", True),
        (bound([x509.DNSName("A.Example")]), "mx.a.example", True),
        (bound([x509.DNSName("a.example")]), "*.a.example", True),
        (bound([x509.DNSName("mx.a.example")]), "*.a.example", False),
        (bound([x509.DNSName("a.example")]), "xa.example", False),
        (bound([x509.DNSName(".a.example")]), "mx.a.example", True),
        (bound([x509.DNSName(".a.example")]), "*.a.example", True),
        (bound([x509.DNSName(".a.example")]), "a.example", False),
        (bound(None, [x509.DNSName("a.example")]), "b.example", True),
        (bound(None, [x509.DNSName("a.example")]), "mx.a.example", False),
        (bound(None, [x509.DNSName("mx.a.example")]), "*.a.example", False),
        (bound(None, [x509.DNSName("")]), "b.example", False),
        (bound([NET4]), "b.example", True),
    ],
)
def test_dns_constraints(constraint: x509.NameConstraints, host: str, permitted: bool) -> None:
    assert (refusal([constraint], Names((host,))) is None) is permitted


@pytest.mark.parametrize(
    ("constraint", "address", "permitted"),
    [
        (bound([NET4]), "10.1.2.3", True),
        (bound([NET4]), "192.0.2.1", False),
        (bound([NET4]), "fd00::1", False),
        (bound([NET4, NET6]), "fd00::1", True),
        (bound(None, [NET4]), "10.1.2.3", False),
        (bound([x509.DNSName("a.example")]), "192.0.2.1", True),
    ],
)
def test_address_constraints(constraint: x509.NameConstraints, address: str, permitted: bool) -> None:
    names = Names(addresses=(ip_address(address),))
    assert (refusal([constraint], names) is None) is permitted


@pytest.mark.parametrize(("organization", "permitted"), [("Lab", True), ("Else", False), (None, True)])
def test_directory_constraints(organization: str | None, permitted: bool) -> None:
    parts = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]
    parts.insert(0, x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization or "-"))
    subject = x509.Name(parts if organization else [])
    assert (refusal([x509.NameConstraints([LAB], None)], Names(subject=subject)) is None) is permitted
