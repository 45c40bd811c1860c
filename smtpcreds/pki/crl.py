"""Certificate revocation lists: make them, read them (RFC 5280 section 5).

Sendmail needs PEM, reads only the first CRL of its file, and treats all certificates of a CA as bad once that
CA's list has expired; a file in DER is logged and then ignored, so revocation silently stops.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from cryptography import x509

from ..errors import DamagedFileError, DataError
from ..lazy import dataclass
from . import encoding, fields
from .dates import Period, crl_fault
from .keys import SigningKey, scheme_of
from .names import title
from .pair_rules import key_fault
from .revocation import Reason, Revoked

# The DER of a certificate list (RFC 5280 section 5.1), written directly.
#
# cryptography's builder makes an object of each entry, and copies the list of them for each one that is
# added: a million entries take half an hour, or twice as long as here when its constructor gets the whole
# list.

SERIAL_LIMIT = 1 << 159
"""Twenty octets (RFC 5280 sections 4.1.2.2 and 5.2.3)."""

_AT_ONCE = 10_000
"""Entries of which each is an object at one time; there may be a million."""
_EXTENSIONS = 0xA0
_VERSION_2 = encoding.integer(1)


def extension(value: x509.ExtensionType) -> bytes:
    """Return a non-critical Extension."""
    oid = encoding.object_identifier(value.oid.dotted_string)
    content = oid + encoding.tlv(encoding.OCTET_STRING, value.public_bytes())
    return encoding.tlv(encoding.SEQUENCE, content)


_REASON_CODES: dict[Reason, bytes] = {
    reason: encoding.tlv(encoding.SEQUENCE, extension(x509.CRLReason(x509.ReasonFlags(reason.value))))
    for reason in Reason
    if reason is not Reason.UNSPECIFIED  # section 5.3.1: absent rather than "unspecified"
}


def to_be_signed(
    algorithm: bytes,
    issuer: bytes,
    updates: tuple[datetime, datetime],
    revoked: Iterable[Revoked],
    extensions: Iterable[x509.ExtensionType],
) -> bytes:
    """Return the DER of a TBSCertList of version 2.

    Args:
        algorithm: DER of the AlgorithmIdentifier.
        issuer: DER of the issuer's name.
        updates: this_update and next_update, aware.
        revoked: the entries; no revokedCertificates field is written when there are none.
        extensions: of the list, all non-critical.
    """
    made, entries = _entries(revoked), bytearray()
    while some := b"".join(islice(made, _AT_ONCE)):
        entries += some
    listed = encoding.tlv(encoding.SEQUENCE, bytes(entries)) if entries else b""
    extra = encoding.tlv(encoding.SEQUENCE, b"".join(map(extension, extensions)))
    head = _VERSION_2 + algorithm + issuer + b"".join(map(encoding.time, updates))
    return encoding.tlv(encoding.SEQUENCE, head + listed + encoding.tlv(_EXTENSIONS, extra))


def signed(body: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return the DER of the CertificateList."""
    return encoding.tlv(encoding.SEQUENCE, body + algorithm + encoding.bit_string(signature))


def _entries(revoked: Iterable[Revoked]) -> Iterator[bytes]:
    seen: set[int] = set()
    time = encoding.time
    for entry in revoked:
        serial = entry.serial
        if not 0 < serial < SERIAL_LIMIT:
            raise DataError(f"serial {serial:x}", "is outside of 1 to 2**159-1 and can't be listed in a CRL")
        if serial in seen:
            raise DataError(f"serial {serial:x}", "is to be listed twice in one CRL")
        seen.add(serial)
        # Lengths stay under 128, so they take one octet; der.tlv() would double the time of a long list.
        octets = serial.bit_length() // 8 + 1
        number = b"\x02%c%b" % (octets, serial.to_bytes(octets, "big"))
        content = number + time(entry.at) + _REASON_CODES.get(entry.reason, b"")
        yield b"\x30%c%b" % (len(content), content)


T = TypeVar("T", bound=x509.ExtensionType)

BACKDATE = timedelta(minutes=5)
"""How far this_update lies in the past, for verifiers whose clock is slow."""

_REASONS = {reason.value: reason for reason in Reason}


def build_crl(
    issuer: x509.Certificate,
    key: SigningKey,
    number: int,
    revoked: Iterable[Revoked],
    now: datetime,
    lifetime: timedelta,
    *,
    is_trial: bool = False,
) -> bytes:
    """Return the DER of a signed, complete version 2 list with CRLNumber, key identifier and reason codes.

    Args:
        issuer: the certificate of the CA.
        key: its private key.
        number: greater than that of every list before (RFC 5280 section 5.2.3).
        revoked: in the order in which they are to be listed; may be empty.
        now: aware; this_update is :data:`BACKDATE` before it.
        lifetime: from ``now`` to next_update.
        is_trial: the key is a throw-away one of :meth:`.values.Issuer.trial`.
    """
    verify_may_sign(issuer, key, is_trial=is_trial)
    if not 0 <= number < SERIAL_LIMIT:
        raise DataError(f"CRL number {number}", "is outside of 0 to 2**159-1 (RFC 5280 section 5.2.3)")
    if lifetime <= timedelta(0):
        raise DataError("CRL lifetime", f"must be positive, not {lifetime}")
    scheme = scheme_of(key)
    updates = (now - BACKDATE, now + lifetime)
    extensions = (x509.CRLNumber(number), _key_identifier(issuer))
    body = to_be_signed(scheme.algorithm, fields.subject(issuer), updates, revoked, extensions)
    return signed(body, scheme.algorithm, scheme.sign(body))


def may_sign_crls(issuer: x509.Certificate) -> bool:
    """Tell whether verifiers take CRLs of this CA; mkcert makes CAs whose keyUsage lacks cRLSign."""
    usage = _extension(issuer.extensions, x509.KeyUsage)
    return usage is None or usage.crl_sign


def verify_may_sign(issuer: x509.Certificate, key: SigningKey, *, is_trial: bool = False) -> None:
    """Check that a list signed with this key will be accepted as the issuer's; that of a trial never is."""
    name = issuer.subject.rfc4514_string()
    if not is_trial and (fault := key_fault(issuer, key, "this CA certificate")):
        raise DataError(name, f"the private key {fault}")
    usage = _extension(issuer.extensions, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise DataError(name, "this certificate may not sign CRLs (keyUsage lacks cRLSign)")


def to_pem(crl: bytes) -> bytes:
    """Return a list in DER (which is what is published by HTTP, RFC 2585) as PEM, which mail servers read."""
    return encoding.armor("X509 CRL", crl)


_FEW = 10
"""Searches for one serial number each that take less time than one pass, which makes each entry an object."""


@dataclass(frozen=True)
class Crl:
    """What a list says; ``issuer`` in RFC 4514 form, times aware, ``number`` None where the CA gave none.

    ``parsed`` is for :func:`smtpcreds.pki.chains.links`.
    """

    issuer: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    count: int
    canonical_issuer: bytes = field(repr=False)
    parsed: x509.CertificateRevocationList = field(repr=False)

    def find(self, serial: int) -> Revoked | None:
        """Return the entry of a serial number; a linear search, 50 ms in a million."""
        entry = self.parsed.get_revoked_certificate_by_serial_number(serial)
        return None if entry is None else _revoked(entry, self.issuer)

    def is_revoked(self, serial: int) -> bool:
        """Tell whether the serial number is listed."""
        return self.parsed.get_revoked_certificate_by_serial_number(serial) is not None

    def among(self, serials: Collection[int]) -> Container[int]:
        """Return those of the serial numbers that are listed; many are looked for in one pass."""
        if len(serials) <= _FEW:
            return {serial for serial in serials if self.is_revoked(serial)}
        return {entry.serial_number for entry in self.parsed if entry.serial_number in serials}

    @property
    def period(self) -> Period:
        """From when until when verifiers accept the list."""
        return Period(self.this_update, self.next_update)

    def fault(self, now: datetime) -> str | None:
        """Return why verifiers do not accept the list at that time, and what follows; None where they do."""
        return crl_fault(self.period, now)

    def entries(self, known: Container[int] = ()) -> Iterator[Revoked]:
        """Yield the entries in the list's order, but those of known serial numbers."""
        return (_revoked(entry, self.issuer) for entry in self.parsed if entry.serial_number not in known)


def read_crl(data: bytes, subject: str, issuer: x509.Certificate | None) -> Crl:
    """Read one list, PEM or DER.

    Args:
        data: the file's content.
        subject: the file's name, for messages.
        issuer: the CA whose signature must be on it; None reads without any check of origin.
    """
    encoded = encoding.single(data, ("X509 CRL", "CRL"), "a certificate revocation list", subject)
    try:
        description = _described(encoded, subject)
    except encoding.DAMAGE as error:
        raise DamagedFileError(subject, f"is not a readable CRL ({error})") from None
    if issuer is not None:
        verify_crl(description, issuer, subject)
    return description


def verify_crl(crl: Crl, issuer: x509.Certificate, subject: str) -> None:
    """Check name and signature.

    Raises:
        DataError: another CA's name, or a signature that this CA's key did not make.
    """
    if crl.canonical_issuer != fields.canonical(fields.subject(issuer)):
        raise DataError(subject, f"was issued by {crl.issuer}, not by {issuer.subject.rfc4514_string()}")
    if not _is_signed_by(crl.parsed, issuer):
        raise DataError(subject, f"is not signed with the key of {issuer.subject.rfc4514_string()}")


def is_crl_of(crl: Crl, issuer: x509.Certificate) -> bool:
    """Tell whether a list is this CA's, by name and signature."""
    try:
        verify_crl(crl, issuer, "")
    except DataError:
        return False
    return True


def verify_unlisted(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Iterable[tuple[str, Crl]],
    now: datetime,
    hint: Callable[[Period, datetime], str] | None = None,
) -> Crl | None:
    """Return the CRL that was asked whether a certificate is revoked; None where there is none of its issuer.

    Args:
        certificate: of which it is asked.
        issuer: its CA.
        lists: CRLs with the files that they were read from; the first of the issuer counts.
        now: aware.
        hint: gives what to do about a list that is not current.

    Raises:
        DataError: it is revoked, or the list is not current, so that nobody believes the certificate.
    """
    path, crl = next((item for item in lists if is_crl_of(item[1], issuer)), ("", None))
    if crl is None:
        return None
    if fault := crl.fault(now):
        raise DataError(path, fault, hint and hint(crl.period, now))
    if entry := crl.find(certificate.serial_number):
        raise DataError(title(certificate), str(entry))
    return crl


def not_revoked(ends: Iterable[datetime | None]) -> str:
    """Return in words that no CRL lists a certificate, and until when the first of them ends that says."""
    known = [end for end in ends if end]
    return "not revoked" + (f"; CRL valid to {min(known):%Y-%m-%d}" if known else "")


def _is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    try:
        return crl.is_signature_valid(key)  # type: ignore[arg-type]  # other kinds raise TypeError
    except encoding.UNREADABLE:
        return False


def _described(encoded: bytes, subject: str) -> Crl:
    crl = x509.load_der_x509_crl(encoded)
    for extension in crl.extensions:
        if extension.critical:
            name = f"{type(extension.value).__name__} ({extension.oid.dotted_string})"
            raise DataError(subject, f"has the critical extension {name}; only complete lists are understood")
    number = _extension(crl.extensions, x509.CRLNumber)
    return Crl(
        crl.issuer.rfc4514_string(),
        None if number is None else number.crl_number,
        crl.last_update_utc,
        crl.next_update_utc,
        len(crl),
        fields.canonical(fields.crl_issuer(encoded)),
        crl,
    )


def _revoked(entry: x509.RevokedCertificate, subject: str) -> Revoked:
    try:
        reason = _extension(entry.extensions, x509.CRLReason)
    except encoding.DAMAGE as error:
        raise DamagedFileError(subject, f"entry {entry.serial_number:x} is broken ({error})") from None
    named = Reason.UNSPECIFIED if reason is None else _REASONS.get(reason.reason.value, Reason.UNSPECIFIED)
    return Revoked(entry.serial_number, entry.revocation_date_utc, named)


def _extension(extensions: x509.Extensions, kind: type[T]) -> T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = _extension(issuer.extensions, x509.SubjectKeyIdentifier)
    if own is None:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
