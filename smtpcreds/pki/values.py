"""The values that meet when a certificate is signed: request, validity, issuer, extensions, draft."""

from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..errors import DataError, UsageError
from ..lazy import dataclass
from . import fields
from .keys import PublicKey, RemoteKey, SigningKey, restriction, throw_away, weakness
from .names import (
    Address,
    Names,
    constraints_of,
    is_dns_only,
    name_constraints,
    permitted_domains,
    sort_names,
    title,
)
from .pair_rules import key_fault
from .profiles import HOST_PROFILES, Profile, Purpose

# The values that meet when a certificate is signed: request, validity, issuer.
#
# The fourth, the profile, has its own module.

Certificate = x509.Certificate
"""For rooms that hand certificates on without looking inside."""

BACKDATE = timedelta(minutes=5)
"""For hosts whose clock is behind ours."""


@dataclass(frozen=True)
class Request:
    """Who wants a certificate for which key.

    Attributes:
        name: host name as lower-case A-labels, or the name of a CA.
        public_key: the key to certify.
        dns_names: further host names, likewise; the host itself need not be repeated.
        addresses: IP addresses to certify.
        organization: of a CA; hosts have none, so that their DN stays short.
        permitted_domains: of a CA, what it may certify; empty inherits the issuer's.
        dns_only: of a CA, it may certify no name but those of hosts; False inherits the issuer's.
    """

    name: str
    public_key: PublicKey = field(repr=False)
    dns_names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    organization: str = ""
    permitted_domains: tuple[str, ...] = ()
    dns_only: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host and its further names, each once."""
        return tuple(dict.fromkeys((self.name, *self.dns_names)))


@dataclass(frozen=True)
class Validity:
    """First and last second of a certificate, aware and in UTC; ``shortened`` to the end of its issuer."""

    not_before: datetime
    not_after: datetime
    shortened: bool = False


@dataclass(frozen=True)
class Issuer:
    """A CA certificate with its key and the certificates above it.

    Attributes:
        certificate: of the CA that signs.
        key: its private key, here or in a token.
        parents: the CA certificates above, nearest first; empty for a root.
        is_trial: the key is a throw-away one, so that nothing it signs verifies anywhere.
        crl_url: where its CRL is handed out, for the certificates that it signs; empty leaves that out.
    """

    certificate: Certificate
    key: SigningKey = field(repr=False)
    parents: tuple[Certificate, ...] = ()
    is_trial: bool = False
    crl_url: str = ""

    @classmethod
    def trial(cls, certificate: Certificate, parents: tuple[Certificate, ...] = ()) -> "Issuer":
        """Return an issuer that signs like the CA, with a throw-away key, for a preview."""
        return cls(certificate, throw_away(certificate.public_key()), parents, is_trial=True)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if fault := self._fault():
            raise DataError(title(self.certificate), fault)

    def _fault(self) -> str | None:
        if not self.is_trial and (fault := key_fault(self.certificate, self.key, "this CA certificate")):
            return f"the private key {fault}"
        if not self._is_ca():
            return "is not a CA certificate, so it can't sign others"
        key = self.certificate.public_key()
        return weakness(key) or restriction(fields.public_key_info(self.certificate), key)  # type: ignore[arg-type]

    def _is_ca(self) -> bool:
        try:
            return self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            return False

    def close(self) -> None:
        """Log out of the token, where the key is in one."""
        if isinstance(self.key, RemoteKey):
            self.key.close()

    @cached_property
    def key_identifier(self) -> bytes:
        """The identifier that its certificates repeat (RFC 5280 section 4.2.1.1)."""
        return key_identifier(self.certificate)

    @cached_property
    def key_usage(self) -> x509.KeyUsage | None:
        """What the key may be used for; None is anything."""
        try:
            return self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return None

    @cached_property
    def name(self) -> x509.Name:
        """The subject of the CA certificate."""
        return self.certificate.subject

    @cached_property
    def path(self) -> tuple[Certificate, ...]:
        """The CA certificate and those above it."""
        return (self.certificate, *self.parents)

    @cached_property
    def constraints(self) -> tuple[x509.NameConstraints, ...]:
        """The name constraints of the whole path."""
        return tuple(found for ca in self.path if (found := constraints_of(ca)) is not None)

    @cached_property
    def not_before(self) -> datetime:
        """First second at which the whole path is valid."""
        return max(ca.not_valid_before_utc for ca in self.path)

    @cached_property
    def not_after(self) -> datetime:
        """Last second at which the whole path is valid."""
        return min(ca.not_valid_after_utc for ca in self.path)


def key_identifier(ca: Certificate) -> bytes:
    """Return the subject key identifier of a CA certificate, computed where it has none."""
    try:
        return ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(ca.public_key()).digest


def validity(now: datetime, lifetime: timedelta, issuer: Issuer | None = None) -> Validity:
    """Return the time during which a new certificate is valid.

    It starts five minutes back, and ends with the issuer when the lifetime would go beyond.

    Args:
        now: aware.
        lifetime: counted from now.
        issuer: None for a root.
    """
    start = now.astimezone(UTC).replace(microsecond=0)
    end = start + _checked(lifetime, start)
    if issuer is None:
        return Validity(start - BACKDATE, end)
    if start > issuer.not_after:
        hint = "make a new one: smtpcreds ca rollover"
        raise DataError(
            title(issuer.certificate), f"this CA expired on {issuer.not_after:%Y-%m-%d %H:%M} UTC", hint
        )
    if start < issuer.not_before:
        begin = f"this CA is not valid before {issuer.not_before:%Y-%m-%d %H:%M} UTC"
        raise DataError(title(issuer.certificate), begin, "check the clock of this host")
    not_before = max(start - BACKDATE, issuer.not_before)
    return Validity(not_before, min(end, issuer.not_after), shortened=end > issuer.not_after)


def _checked(lifetime: timedelta, start: datetime) -> timedelta:
    if lifetime < timedelta(seconds=1):
        raise UsageError("lifetime", "must be positive")
    if lifetime > datetime.max.replace(tzinfo=UTC) - start:
        raise UsageError("lifetime", f"of {lifetime.days} days ends after the year 9999, the last in X.509")
    return lifetime


# The extensions that a profile asks for, with the criticality that every verifier was seen to take.
#
# Those that never vary are built once: building them costs more time than a P-256 signature.

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
    constraints: x509.NameConstraints | None,
) -> list[Extension]:
    """Return the extensions of a CA's certificate.

    Args:
        request: the key.
        profile: root or intermediate.
        issuer_key_id: key identifier of the CA above; its own for a root.
        path_length: how many CA certificates may stand below.
        constraints: what it may certify; None leaves it free.
    """
    listed = [
        basic_constraints(is_ca=True, path_length=path_length),
        extension(key_usage(profile, request.public_key), critical=True),
        _subject_key_id(request.public_key),
        _issuer_key_id(issuer_key_id),
    ]
    if constraints:
        listed.append(extension(constraints, critical=True))
    return listed


def distribution_point(url: str) -> Extension:
    """Return where the issuer's CRL is handed out (RFC 5280 section 4.2.1.13)."""
    name = [x509.UniformResourceIdentifier(url)]
    point = x509.DistributionPoint(full_name=name, relative_name=None, reasons=None, crl_issuer=None)
    return extension(x509.CRLDistributionPoints([point]), critical=False)


def constraints_below(request: Request, issuer: Issuer | None) -> x509.NameConstraints | None:
    """Return the constraints of a CA that is asked for: its own, and what it inherits from the issuer."""
    above = issuer.certificate if issuer else None
    domains = request.permitted_domains or (permitted_domains(above) if above else ())
    return name_constraints(domains, dns_only=request.dns_only or (above is not None and is_dns_only(above)))


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


# What is linted: a certificate that nobody can use, beside what it was made from.


@dataclass(frozen=True)
class Draft:
    """A certificate without a signature, and what it was made from; ``issuer`` None for a root."""

    certificate: x509.Certificate
    request: Request
    profile: Profile
    issuer: Issuer | None = None

    @cached_property
    def extensions(self) -> dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]:
        """The extensions by their object identifier."""
        return {extension.oid: extension for extension in self.certificate.extensions}

    @cached_property
    def names(self) -> Names:
        """The subject and the alternative names."""
        alternatives = self.value(x509.SubjectAlternativeName)
        return sort_names(alternatives or (), self.certificate.subject)

    @cached_property
    def public_key(self) -> object:
        """The certified key."""
        return self.certificate.public_key()

    def value(self, kind: type[_T]) -> _T | None:
        """Return the value of an extension, or None."""
        found = self.extensions.get(kind.oid)
        return found.value if found else None  # type: ignore[return-value]  # the class is that of the oid

    def is_critical(self, kind: type[x509.ExtensionType]) -> bool:
        """Tell whether the extension is there and critical."""
        found = self.extensions.get(kind.oid)
        return bool(found and found.critical)
