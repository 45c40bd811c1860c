"""Each rule catches the one thing that it is for."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from smtpcreds.errors import LintError
from smtpcreds.pki import encoding, lint
from smtpcreds.pki.issue import make_root
from smtpcreds.pki.keys import digest_for, generate, parse_key_type
from smtpcreds.pki.profiles import INTERMEDIATE, RELAY, ROOT, Profile
from smtpcreds.pki.values import (
    CERTIFIES,
    SIGNS_AND_DECRYPTS,
    Draft,
    Extension,
    Issuer,
    Request,
    basic_constraints,
    distribution_point,
    extension,
    validity,
)

from .cases import DOMAIN, NOW, YEAR, intermediate_of, key_of, leaf, root_of

HOST = f"mx.{DOMAIN}"
CA = root_of("p256")
REQUEST = Request(HOST, key_of("p256", "leaf").public_key())
GOOD = Draft(leaf(CA, RELAY, HOST), REQUEST, RELAY, CA)
GOOD_CA = Draft(
    intermediate_of("p256").certificate,
    Request("Lab Issuing p256", key_of("p256", "intermediate").public_key(), organization="Lab"),
    INTERMEDIATE,
    CA,
)
GOOD_ROOT = Draft(
    CA.certificate,
    Request("Lab Root p256", key_of("p256", "root").public_key(), (), (), "Lab", (DOMAIN,), dns_only=True),
    ROOT,
)


def names(*hosts: str, critical: bool = False) -> Extension:
    return extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=critical)


def rebuilt(
    draft: Draft = GOOD,
    *changed: Extension,
    without: type[x509.ExtensionType] | None = None,
    hash_algorithm: hashes.HashAlgorithm | None = None,
    **fields: object,
) -> Draft:
    """The draft with other extensions or other fields, signed by a key that signs like the CA's."""
    old, key = draft.certificate, generate(parse_key_type("p256"))
    replaced = {one.oid: one for one in old.extensions} | {one.oid: one for one in changed}
    kept = [one for oid, one in replaced.items() if without is None or oid != without.oid]
    values = {
        "issuer_name": old.issuer,
        "subject_name": old.subject,
        "public_key": old.public_key(),
        "serial_number": old.serial_number,
        "not_valid_before": old.not_valid_before_utc.replace(tzinfo=None),
        "not_valid_after": old.not_valid_after_utc.replace(tzinfo=None),
    }
    builder = x509.CertificateBuilder(**(values | fields), extensions=kept)  # type: ignore[arg-type]
    made = builder.sign(key, hash_algorithm or digest_for(key))  # type: ignore[arg-type]
    return Draft(made, draft.request, draft.profile, draft.issuer)


def decoded(der: bytes) -> Draft:
    """The good draft from octets that no builder would write; nothing looks at its signature."""
    return Draft(x509.load_der_x509_certificate(der), GOOD.request, GOOD.profile, GOOD.issuer)


def of_version_1() -> Draft:
    """Without the explicit version, whose default is 1, but with extensions."""
    tbs = GOOD.certificate.tbs_certificate_bytes
    _, version, fields = tbs.partition(bytes.fromhex("a003020102"))
    assert version
    rest = GOOD.certificate.public_bytes(Encoding.DER).partition(tbs)[2]
    return decoded(encoding.sequence(encoding.sequence(fields), rest))


def certified(key: object) -> Draft:
    """The draft of another key that was asked for."""
    public = key.public_key()  # type: ignore[attr-defined]
    made = rebuilt(public_key=public).certificate
    return Draft(made, Request(HOST, public), RELAY, CA)


def under(issuer_certificate: x509.Certificate, draft: Draft = GOOD) -> Draft:
    """The draft as if the CA's certificate were another one of the same name and key."""
    return Draft(draft.certificate, draft.request, draft.profile, Issuer(issuer_certificate, CA.key))


def other_root(draft: Draft) -> x509.Certificate:
    """The CA certificate with what the draft's builder would have put in."""
    key = key_of("p256", "root")
    old = draft.certificate
    builder = x509.CertificateBuilder(
        old.issuer,
        old.subject,
        old.public_key(),
        old.serial_number,
        old.not_valid_before_utc.replace(tzinfo=None),
        old.not_valid_after_utc.replace(tzinfo=None),
        list(old.extensions),
    )
    return builder.sign(key, hashes.SHA256())


def also(host: str) -> Draft:
    """A draft that holds one more name, as it was asked to."""
    made = rebuilt(GOOD, names(HOST, host)).certificate
    return Draft(made, Request(HOST, REQUEST.public_key, (host,)), RELAY, CA)


OTHER_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other")])
BOTH_NAMES = x509.Name(
    [
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Lab"),
        x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST),
    ]
)
BEFORE = NOW.replace(tzinfo=None)
OTHER_KEY_ID = x509.AuthorityKeyIdentifier(b"x" * 20, None, None)
USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
NO_CERT_SIGN = extension(SIGNS_AND_DECRYPTS, critical=True)
DOMAINS = x509.NameConstraints([x509.DNSName(DOMAIN)], None)
WIDER = x509.NameConstraints([x509.DNSName("org")], None)

BREAKERS: dict[str, list[Callable[[], Draft]]] = {
    "version": [of_version_1],
    "serial_number": [lambda: rebuilt(serial_number=1 << 159)],
    "signature": [lambda: of_sha224()],
    "issuer_name": [
        lambda: rebuilt(issuer_name=OTHER_NAME),
        lambda: rebuilt(GOOD_ROOT, issuer_name=OTHER_NAME),
    ],
    "validity_order": [lambda: rebuilt(not_valid_after=BEFORE - timedelta(minutes=5))],
    "validity_nested": [
        lambda: rebuilt(not_valid_after=BEFORE + YEAR * 50),
        lambda: rebuilt(not_valid_before=BEFORE - YEAR * 20),
    ],
    "subject_name": [
        lambda: rebuilt(subject_name=OTHER_NAME),
        lambda: rebuilt(subject_name=BOTH_NAMES),
        lambda: rebuilt(GOOD_CA, subject_name=x509.Name([])),
        lambda: rebuilt(GOOD_CA, subject_name=common_name("A/B")),
        lambda: rebuilt(GOOD_CA, subject_name=common_name("((( )))" * 9, "(((" * 20)),
    ],
    "public_key": [lambda: rebuilt(public_key=key_of("p256", "root").public_key())],
    "key_strength": [lambda: certified(rsa.generate_private_key(65537, 1024))],
    "basic_constraints": [
        lambda: rebuilt(without=x509.BasicConstraints),
        lambda: rebuilt(GOOD, basic_constraints(is_ca=True, path_length=None)),
        lambda: rebuilt(GOOD_CA, basic_constraints(is_ca=False, path_length=None)),
        lambda: rebuilt(GOOD, extension(x509.BasicConstraints(False, None), critical=False)),
    ],
    "path_length": [
        lambda: rebuilt(GOOD_CA, basic_constraints(is_ca=True, path_length=1)),
        lambda: rebuilt(GOOD_CA, basic_constraints(is_ca=True, path_length=None)),
        lambda: under(other_root(rebuilt(GOOD_ROOT, basic_constraints(is_ca=True, path_length=0))), GOOD_CA),
    ],
    "usage": [
        lambda: rebuilt(without=x509.KeyUsage),
        lambda: rebuilt(GOOD, extension(CERTIFIES, critical=True)),
        lambda: rebuilt(GOOD, extension(SIGNS_AND_DECRYPTS, critical=True)),
        lambda: rebuilt(GOOD_CA, extension(CERTIFIES, critical=False)),
    ],
    "issuer_may_sign": [lambda: under(other_root(rebuilt(GOOD_ROOT, NO_CERT_SIGN)))],
    "purposes": [
        lambda: rebuilt(without=x509.ExtendedKeyUsage),
        lambda: rebuilt(GOOD, extension(USAGE, critical=False)),
        lambda: rebuilt(GOOD, extension(x509.ExtendedKeyUsage(reversed(list(USAGE))), critical=True)),
        lambda: rebuilt(GOOD_CA, extension(USAGE, critical=False)),
    ],
    "alternative_names": [
        lambda: rebuilt(without=x509.SubjectAlternativeName),
        lambda: rebuilt(GOOD, names(f"other.{DOMAIN}")),
        lambda: rebuilt(GOOD, names(HOST, critical=True)),
        lambda: rebuilt(subject_name=x509.Name([])),
        lambda: rebuilt(GOOD_CA, names(HOST)),
    ],
    "host_names": [
        partial(also, bad)
        for bad in (
            "under_score.polkatistas.org",
            "a..polkatistas.org",
            "*.org",
            "m*.polkatistas.org",
            "10.0.0.1",
        )
    ],
    "subject_key_id": [
        lambda: rebuilt(without=x509.SubjectKeyIdentifier),
        lambda: rebuilt(GOOD, extension(x509.SubjectKeyIdentifier(b"short"), critical=False)),
        lambda: rebuilt(GOOD, extension(x509.SubjectKeyIdentifier(b"x" * 20), critical=True)),
    ],
    "authority_key_id": [
        lambda: rebuilt(without=x509.AuthorityKeyIdentifier),
        lambda: rebuilt(GOOD, extension(OTHER_KEY_ID, critical=False)),
        lambda: rebuilt(GOOD_ROOT, extension(OTHER_KEY_ID, critical=False)),
    ],
    "name_constraints": [
        lambda: rebuilt(GOOD, extension(DOMAINS, critical=True)),
        lambda: rebuilt(GOOD_CA, without=x509.NameConstraints),
        lambda: rebuilt(GOOD_CA, extension(WIDER, critical=True)),
        lambda: rebuilt(GOOD_ROOT, extension(DOMAINS, critical=False)),
    ],
    "distribution_point": [lambda: rebuilt(GOOD, distribution_point("http://example.org/ca.crl"))],
    "known_extensions": [lambda: rebuilt(GOOD, extension(x509.OCSPNoCheck(), critical=False))],
}


def common_name(name: str, organization: str = "Lab") -> x509.Name:
    parts = {x509.NameOID.ORGANIZATION_NAME: organization, x509.NameOID.COMMON_NAME: name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def of_sha224() -> Draft:
    """ECDSA with SHA-224 instead of SHA-256, inside and outside: same length, and as unwanted as SHA-1."""
    sha256, sha224 = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040301")
    octets = GOOD.certificate.public_bytes(Encoding.DER)
    assert octets.count(sha256) == 2
    return decoded(octets.replace(sha256, sha224))


def broken(draft: Draft) -> set[str]:
    return {rule.name for rule, _ in lint.findings(draft)}


def test_every_rule_has_something_that_breaks_it() -> None:
    assert list(BREAKERS) == [rule.name for rule in lint.RULES]


@pytest.mark.parametrize("draft", [GOOD, GOOD_CA, GOOD_ROOT], ids=["relay", "intermediate", "root"])
def test_good_certificates_break_none(draft: Draft) -> None:
    assert broken(draft) == set()
    assert broken(rebuilt(draft)) == set(), "the way of breaking does not break by itself"


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, number) for rule, made in BREAKERS.items() for number in range(len(made))]
)
def test_a_rule_catches_what_breaks_it(rule: str, number: int) -> None:
    assert rule in broken(BREAKERS[rule][number]())


def test_the_error_is_one_line_with_the_sections() -> None:
    with pytest.raises(LintError) as caught:
        lint.verify_draft(rebuilt(without=x509.KeyUsage))
    assert str(caught.value) == (
        "mx.polkatistas.org: keyUsage does not fit profile and key (RFC 5280 section 4.2.1.3)"
    )


def test_a_root_of_sixty_years_and_odd_names_is_fine() -> None:
    key = key_of("p256", "root")
    made = make_root("Lab (old) <ca@x>", "", key, 1, validity(NOW, YEAR * 60), path_length=None)
    request = Request("Lab (old) <ca@x>", key.public_key())
    assert broken(Draft(made, request, Profile("root", "", is_ca=True))) == set()
