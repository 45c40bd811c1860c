"""The extensions that a profile asks for, with the criticality that every verifier was seen to take.

Those that never vary are built once: building them costs more time than a P-256 signature.
"""

from functools import cache
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from .keys import PublicKey
from .profiles import HOST_PROFILES, Profile, Purpose
from .values import Request

Extension = x509.Extension[x509.ExtensionType]
_T = TypeVar("_T", bound=x509.ExtensionType)

PURPOSE_OIDS = {
    Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _usage(*chosen: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in chosen for usage in _USAGES})


SIGNS = _usage("digital_signature")
SIGNS_AND_DECRYPTS = _usage("digital_signature", "key_encipherment")
CERTIFIES = _usage("key_cert_sign", "crl_sign")


def key_usage(profile: Profile, key: PublicKey) -> x509.KeyUsage:
    """Return the key usage (RFC 5280 section 4.2.1.3).

    Key encipherment is for the RSA key exchange of TLS 1.2 servers; without it NSS refuses the certificate.
    RFC 8813 section 3 forbids it for elliptic curves, RFC 9295 section 3 for Ed25519.
    """
    if profile.is_ca:
        return CERTIFIES
    decrypts = isinstance(key, rsa.RSAPublicKey) and Purpose.SERVER in profile.purposes
    return SIGNS_AND_DECRYPTS if decrypts else SIGNS


def host_extensions(
    request: Request, profile: Profile, issuer_key_id: bytes, *, nameless: bool
) -> list[Extension]:
    """Return the extensions of a host's certificate.

    Args:
        request: the names and the key.
        profile: the roles.
        issuer_key_id: key identifier of the CA.
        nameless: the subject is empty, which makes the alternative names critical (section 4.2.1.6).
    """
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in request.hosts]
    names += [x509.IPAddress(address) for address in request.addresses]
    return [
        basic_constraints(is_ca=False, path_length=None),
        extension(key_usage(profile, request.public_key), critical=True),
        _PURPOSES[profile.name],
        extension(x509.SubjectAlternativeName(names), critical=nameless),
        _subject_key_id(request.public_key),
        _issuer_key_id(issuer_key_id),
    ]


def ca_extensions(
    request: Request,
    profile: Profile,
    issuer_key_id: bytes,
    path_length: int | None,
    domains: tuple[str, ...],
) -> list[Extension]:
    """Return the extensions of a CA's certificate.

    Args:
        request: the key.
        profile: root or intermediate.
        issuer_key_id: key identifier of the CA above; its own for a root.
        path_length: how many CA certificates may stand below.
        domains: what it may certify; empty leaves it free.
    """
    listed = [
        basic_constraints(is_ca=True, path_length=path_length),
        extension(key_usage(profile, request.public_key), critical=True),
        _subject_key_id(request.public_key),
        _issuer_key_id(issuer_key_id),
    ]
    if domains:
        permitted = x509.NameConstraints([x509.DNSName(domain) for domain in domains], None)
        listed.append(extension(permitted, critical=True))
    return listed


def extension(value: _T, *, critical: bool) -> Extension:
    """Return an extension from its value."""
    return x509.Extension[x509.ExtensionType](value.oid, critical, value)


def key_id(key: PublicKey) -> bytes:
    """Return the key identifier: SHA-1 of the key bits (RFC 5280 section 4.2.1.2, method 1)."""
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


@cache
def basic_constraints(*, is_ca: bool, path_length: int | None) -> Extension:
    """Return the extension of section 4.2.1.9."""
    return extension(x509.BasicConstraints(is_ca, path_length), critical=True)


def _purposes(profile: Profile) -> Extension:
    return extension(
        x509.ExtendedKeyUsage([PURPOSE_OIDS[purpose] for purpose in profile.purposes]), critical=False
    )


def _subject_key_id(key: PublicKey) -> Extension:
    return extension(x509.SubjectKeyIdentifier(key_id(key)), critical=False)


@cache
def _issuer_key_id(identifier: bytes) -> Extension:
    return extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)


_PURPOSES = {name: _purposes(profile) for name, profile in HOST_PROFILES.items()}
