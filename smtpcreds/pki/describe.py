"""What people and JSON are told about a certificate. Never key material."""

from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ..lazy import dataclass
from .encoding import encode_der
from .keys import key_label, public_id
from .names import names_of, permitted_domains, sendmail_dn, title
from .profiles import Purpose

_ROLES = {
    ExtendedKeyUsageOID.SERVER_AUTH: (Purpose.SERVER,),
    ExtendedKeyUsageOID.CLIENT_AUTH: (Purpose.CLIENT,),
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: (Purpose.SERVER, Purpose.CLIENT),
}


@dataclass(frozen=True)
class Description:
    """A certificate in words.

    Attributes:
        title: common name, else first DNS name, else DN.
        subject: DN as in RFC 4514.
        issuer: likewise.
        access_subject: DN as a ``CertSubject:`` key of Sendmail's access map.
        access_issuer: DN as a ``CertIssuer:`` key.
        serial: lower-case hex, two digits an octet.
        dns_names: host names as A-labels.
        addresses: IP addresses as text.
        roles: ``server``, ``client``; empty for CAs and for certificates of other kinds.
        key_type: ``P-256``, ``RSA 3072``, ...
        not_before: first second, aware, UTC.
        not_after: last second, aware, UTC.
        fingerprint: SHA-256 of the DER, lower-case hex.
        public_id: SHA-256 of the SubjectPublicKeyInfo, lower-case hex.
        is_ca: whether it signs others.
        path_length: of a CA, how many CAs may stand below; None is any number.
        permitted_domains: of a CA, what it may certify; empty is anything.
        is_self_issued: subject and issuer are the same.
    """

    title: str
    subject: str
    issuer: str
    access_subject: str
    access_issuer: str
    serial: str
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    roles: tuple[str, ...]
    key_type: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    public_id: str
    is_ca: bool
    path_length: int | None
    permitted_domains: tuple[str, ...]
    is_self_issued: bool


def describe(certificate: x509.Certificate) -> Description:
    """Return the certificate in words."""
    names = names_of(certificate)
    is_ca, path_length = authority_of(certificate)
    return Description(
        title=title(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        access_subject=sendmail_dn(certificate.subject),
        access_issuer=sendmail_dn(certificate.issuer),
        serial=serial_hex(certificate.serial_number),
        dns_names=names.dns_names,
        addresses=tuple(map(str, names.addresses)),
        roles=() if is_ca else tuple(purpose.value for purpose in purposes_of(certificate)),
        key_type=key_label(certificate.public_key()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=fingerprint(certificate),
        public_id=public_id(certificate),
        is_ca=is_ca,
        path_length=path_length,
        permitted_domains=permitted_domains(certificate),
        is_self_issued=certificate.subject == certificate.issuer,
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the lower-case hex SHA-256 of the DER."""
    return sha256(encode_der(certificate)).hexdigest()


def serial_hex(serial: int) -> str:
    """Return a serial number as lower-case hex, two digits an octet, as ``openssl x509 -serial`` has it."""
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8)).hex()


def authority_of(certificate: x509.Certificate) -> tuple[bool, int | None]:
    """Tell whether a certificate may sign others, and its path length."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False, None
    return value.ca, value.path_length


def purposes_of(certificate: x509.Certificate) -> tuple[Purpose, ...]:
    """Return the TLS roles that a certificate allows; one without extendedKeyUsage allows all."""
    try:
        listed = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return tuple(Purpose)
    allowed = {purpose for usage in listed for purpose in _ROLES.get(usage, ())}
    return tuple(purpose for purpose in Purpose if purpose in allowed)


def ocsp_responders(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the URLs of OCSP responders that a certificate names (RFC 5280 section 4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    ocsp = (item for item in access if item.access_method == AuthorityInformationAccessOID.OCSP)
    return tuple(str(item.access_location.value) for item in ocsp)
