"""The DER of a certificate list (RFC 5280 section 5.1), written directly.

cryptography's builder makes an object of each entry, and copies the list of them for each one that is added:
a million entries take half an hour, or twice as long as here when its constructor gets the whole list.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from cryptography import x509

from ..errors import DataError
from . import der
from .revocation import Reason, Revoked

SERIAL_LIMIT = 1 << 159
"""Twenty octets (RFC 5280 sections 4.1.2.2 and 5.2.3)."""

_EXTENSIONS = 0xA0
_VERSION_2 = der.integer(1)


def extension(value: x509.ExtensionType) -> bytes:
    """Return a non-critical Extension."""
    oid = der.object_identifier(value.oid.dotted_string)
    content = oid + der.tlv(der.OCTET_STRING, value.public_bytes())
    return der.tlv(der.SEQUENCE, content)


_REASONS: dict[Reason, bytes] = {
    reason: der.tlv(der.SEQUENCE, extension(x509.CRLReason(x509.ReasonFlags(reason.value))))
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

    Raises:
        DataError: a serial number that is out of range or listed twice.
    """
    entries = b"".join(_entries(revoked))
    listed = der.tlv(der.SEQUENCE, entries) if entries else b""
    extra = der.tlv(der.SEQUENCE, b"".join(map(extension, extensions)))
    head = _VERSION_2 + algorithm + issuer + b"".join(map(_time, updates))
    return der.tlv(der.SEQUENCE, head + listed + der.tlv(_EXTENSIONS, extra))


def signed(body: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return the DER of the CertificateList."""
    return der.tlv(der.SEQUENCE, body + algorithm + der.bit_string(signature))


def _entries(revoked: Iterable[Revoked]) -> Iterator[bytes]:
    seen: set[int] = set()
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
        content = number + _time(entry.at) + _REASONS.get(entry.reason, b"")
        yield b"\x30%c%b" % (len(content), content)


def _time(moment: datetime) -> bytes:
    """UTCTime to the year 2049, GeneralizedTime from 2050 on (section 5.1.2.4); whole seconds."""
    there = moment.astimezone(UTC)
    year, rest = there.year, (there.month, there.day, there.hour, there.minute, there.second)
    if 1950 <= year < 2050:  # strftime would take as long as all the rest
        return b"\x17\x0d%02d%02d%02d%02d%02d%02dZ" % (year % 100, *rest)
    return b"\x18\x0f%04d%02d%02d%02d%02d%02dZ" % (year, *rest)
