"""Signing: request + profile + issuer make a certificate.

A draft has no signature, and is linted; then the CA key signs the very bytes that were linted.
"""

import secrets
from functools import lru_cache

from cryptography import x509

from ..errors import NameRefusedError
from . import encoding
from .keys import Scheme, SigningKey, scheme_of, spki
from .lint import verify_draft
from .names import Names, ca_name, host_name, name_constraints, refusal
from .profiles import ROOT, Profile
from .values import (
    Draft,
    Extension,
    Issuer,
    Request,
    Validity,
    ca_extensions,
    constraints_below,
    distribution_point,
    host_extensions,
    key_id,
)

SERIAL_BITS = 159
"""The most that fit in 20 octets of a positive INTEGER (RFC 5280 section 4.1.2.2)."""


def new_serial() -> int:
    """Return 159 random bits, not zero."""
    return secrets.randbits(SERIAL_BITS) or new_serial()


def sign(
    request: Request, profile: Profile, issuer: Issuer, serial: int, validity: Validity
) -> x509.Certificate:
    """Return a new certificate.

    Args:
        request: names and public key; host names are lower-case A-labels.
        profile: what it is for; any but ``ROOT``.
        issuer: the CA.
        serial: 1 to 159 bits, never used before by this CA; record it first.
        validity: from :func:`.values.validity`.
    """
    subject = _subject(request, profile)
    _check_permitted(request, profile, issuer, subject)
    extensions = _extensions(request, profile, issuer, nameless=not len(subject))
    scheme = scheme_of(issuer.key)
    draft = _draft(scheme, issuer.name, subject, request, extensions, serial, validity)
    verify_draft(Draft(draft, request, profile, issuer))
    return _signed(draft, scheme)


def make_root(
    name: str,
    organization: str,
    key: SigningKey,
    serial: int,
    validity: Validity,
    *,
    permitted_domains: tuple[str, ...] = (),
    dns_only: bool = False,
    path_length: int | None = 0,
) -> x509.Certificate:
    """Return the self-signed certificate of a new CA.

    Args:
        name: common name.
        organization: may be empty.
        key: the CA's private key.
        serial: 1 to 159 bits.
        validity: from :func:`.values.validity`.
        permitted_domains: what it may certify, as lower-case A-labels; empty leaves it free. Java ignores the
            constraints of a root, so an intermediate repeats them.
        dns_only: it may certify no name but those of hosts.
        path_length: how many CA certificates may stand below: 1 for one intermediate, None for any number.
    """
    request = Request(
        name,
        key.public_key(),
        organization=organization,
        permitted_domains=permitted_domains,
        dns_only=dns_only,
    )
    subject = _subject(request, ROOT)
    constraints = name_constraints(permitted_domains, dns_only=dns_only)
    extensions = ca_extensions(request, ROOT, key_id(request.public_key), path_length, constraints)
    scheme = scheme_of(key)
    draft = _draft(scheme, subject, subject, request, extensions, serial, validity)
    verify_draft(Draft(draft, request, ROOT))
    return _signed(draft, scheme)


def _check_permitted(request: Request, profile: Profile, issuer: Issuer, subject: x509.Name) -> None:
    hosts = request.permitted_domains if profile.is_ca else request.hosts
    if fault := refusal(issuer.constraints, Names(hosts, request.addresses, subject)):
        hint = "add the domain to the configuration before the next ca rollover, or choose another name"
        raise NameRefusedError(request.name, fault, hint)


def _subject(request: Request, profile: Profile) -> x509.Name:
    return ca_name(request.name, request.organization) if profile.is_ca else host_name(request.name)


def _extensions(request: Request, profile: Profile, issuer: Issuer, *, nameless: bool) -> list[Extension]:
    return [
        *_of_profile(request, profile, issuer, nameless=nameless),
        *([distribution_point(issuer.crl_url)] if issuer.crl_url else []),
    ]


def _of_profile(request: Request, profile: Profile, issuer: Issuer, *, nameless: bool) -> list[Extension]:
    if profile.is_ca:
        constraints = constraints_below(request, issuer)
        return ca_extensions(request, profile, issuer.key_identifier, profile.path_length, constraints)
    return host_extensions(request, profile, issuer.key_identifier, nameless=nameless)


def _draft(
    scheme: Scheme,
    issuer: x509.Name,
    subject: x509.Name,
    request: Request,
    extensions: list[Extension],
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """Return a certificate that is whole but for its signature, which is empty."""
    if serial <= 0:
        raise ValueError("a serial number is positive (RFC 5280 section 4.1.2.2)")
    algorithm = scheme.algorithm
    tbs = encoding.sequence(
        _VERSION_3,
        encoding.integer(serial),
        algorithm,
        _name(issuer),
        encoding.sequence(encoding.time(validity.not_before), encoding.time(validity.not_after)),
        _name(subject),
        spki(request.public_key),
        encoding.tlv(_EXTENSIONS, encoding.sequence(*map(_encoded, extensions))),
    )
    return _certificate(tbs, algorithm, b"")


_VERSION_3 = encoding.tlv(0xA0, encoding.integer(2))
_EXTENSIONS = 0xA3


@lru_cache(16)
def _name(name: x509.Name) -> bytes:
    return name.public_bytes()


@lru_cache(16)
def _encoded(extension: Extension) -> bytes:
    """Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }."""
    return encoding.sequence(
        encoding.object_identifier(extension.oid.dotted_string),
        encoding.BOOLEAN_TRUE if extension.critical else b"",
        encoding.tlv(encoding.OCTET_STRING, extension.value.public_bytes()),
    )


def _certificate(tbs: bytes, algorithm: bytes, signature: bytes) -> x509.Certificate:
    """Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }."""
    return x509.load_der_x509_certificate(encoding.sequence(tbs, algorithm, encoding.bit_string(signature)))


def _signed(draft: x509.Certificate, scheme: Scheme) -> x509.Certificate:
    """Return the draft with its signature."""
    tbs = draft.tbs_certificate_bytes
    return _certificate(tbs, scheme.algorithm, scheme.sign(tbs))
