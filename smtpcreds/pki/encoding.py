"""Certificates as text (RFC 7468) and as DER."""

import base64
import binascii
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    InvalidVersion,
    UnsupportedGeneralNameType,
    load_der_x509_certificate,
)

from ..errors import DamagedFileError, DataError, ForeignFormatError
from ..lazy import dataclass, pattern

# Just enough DER (X.690 sections 8, 10): write the few values that no library writes, take raw fields.
#
# Raw fields matter where a hash covers the bytes as the issuer wrote them: decoding and encoding again
# changes string types and elliptic curve point forms.

BOOLEAN_TRUE = bytes((0x01, 0x01, 0xFF))
SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
UTF8_STRING = 0x0C
VISIBLE_STRING = 0x1A
OBJECT_IDENTIFIER = 0x06
NULL = bytes((0x05, 0x00))


@dataclass(frozen=True)
class Value:
    """One tag, length, value triple: ``raw`` is all of it, ``body`` the value alone."""

    tag: int
    raw: bytes
    body: bytes


def values(data: bytes) -> Iterator[Value]:
    """Yield the values that lie side by side in the data."""
    at = 0
    while at < len(data):
        start, end = _bounds(data, at)
        yield Value(data[at], data[at:end], data[start:end])
        at = end


def first(data: bytes) -> Value:
    """Return the first value.

    Raises:
        ValueError: as for :func:`values`, or there is none.
    """
    for value in values(data):
        return value
    raise ValueError("DER: no value")


def tlv(tag: int, content: bytes) -> bytes:
    """Return one value: tag, definite length in the shortest form, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of values that are DER already."""
    return tlv(SEQUENCE, b"".join(parts))


def integer(number: int) -> bytes:
    """Return an INTEGER; the number is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def bit_string(content: bytes) -> bytes:
    """Return a BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\0" + content)


@lru_cache
def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER written as ``1.2.840``."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(map(_base128, (first * 40 + second, *rest))))


def time(moment: datetime) -> bytes:
    """Return UTCTime to the year 2049, GeneralizedTime from 2050 on, in whole seconds.

    Source: RFC 5280 sections 4.1.2.5 and 5.1.2.4.
    """
    there = moment.astimezone(UTC)
    year, rest = there.year, (there.month, there.day, there.hour, there.minute, there.second)
    if 1950 <= year < 2050:  # strftime would take as long as all the rest
        return b"\x17\x0d%02d%02d%02d%02d%02d%02dZ" % (year % 100, *rest)
    return b"\x18\x0f%04d%02d%02d%02d%02d%02dZ" % (year, *rest)


def whole(data: bytes) -> bool:
    """Tell whether the data is exactly one SEQUENCE of the length it announces."""
    try:
        return data[:1] == bytes((SEQUENCE,)) and first(data).raw == data
    except ValueError:
        return False


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    if data[at] & 0x1F == 0x1F or at + 1 >= len(data):
        raise ValueError("DER: long tag or no length")
    size, start = data[at + 1], at + 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[at + 2 : start], "big")
    if (start == at + 2 and data[at + 1] == 0x80) or start + size > len(data):
        raise ValueError("DER: indefinite length or length over the end")
    return start, start + size


def _base128(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(0x80 | number & 0x7F)
    return bytes(reversed(septets))


DAMAGE = (ValueError, TypeError, InvalidVersion, DuplicateExtension, UnsupportedGeneralNameType)
"""What the library raises of octets that are not what they should be; no two of them have a common class."""
UNREADABLE = (*DAMAGE, UnsupportedAlgorithm)
"""The same, and of what may be sound, and it doesn't know."""

_EDGE = pattern(rb"-----(?:BEGIN ([A-Z0-9# ]+)-----[ \t]*\r?\n|END ([A-Z0-9# ]+)(?=-----))")
_CERTIFICATE_LABELS = {"CERTIFICATE", "X509 CERTIFICATE"}
_FOREIGN_LABELS = {
    "TRUSTED CERTIFICATE": "openssl x509 -in FILE -out NEW",
    "PKCS7": "openssl pkcs7 -print_certs -in FILE -out NEW",
    "CMS": "openssl cms -cmsout -print -in FILE",
}


@dataclass(frozen=True)
class Block:
    """One encapsulated text: its label, and what stands between the two lines.

    ``repr`` leaves the body out, because it may be a private key.
    """

    label: str
    body: bytes

    def __repr__(self) -> str:
        return f"Block({self.label!r})"

    def text(self) -> bytes:
        """Return the block with its two lines and nothing around it."""
        label = self.label.encode("ascii")
        return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, self.body, label)

    def decode(self) -> bytes | None:
        """Return the octets, or None where the body is not base64 of one whole DER value."""
        try:
            data = base64.b64decode(b"".join(self.body.split()), validate=True)
        except binascii.Error:
            return None
        return data if whole(data) else None


@dataclass(frozen=True)
class Parsed:
    """The certificates of a file in their order, and the encoding they had: ``PEM`` or ``DER``."""

    certificates: tuple[Certificate, ...]
    encoding: str


def blocks(data: bytes) -> list[Block]:
    """Return all blocks of a text; whatever stands between them is ignored (RFC 7468 section 2)."""
    edges = list(_EDGE.finditer(data))
    ends: dict[bytes, list[int]] = {}
    for edge in edges:
        ends.setdefault(edge[2], []).append(edge.start())
    found, behind = [], 0
    for begin in edges:
        label, places = begin[1], ends.get(begin[1], ())
        if not label or not places or begin.start() < behind:
            continue
        if (place := bisect_left(places, begin.end())) < len(places):
            end = places[place]
            found.append(Block(label.decode("ascii"), data[begin.end() : end]))
            behind = end + len(b"-----END -----") + len(label)
    return found


def armor(label: str, content: bytes) -> bytes:
    """Return DER as text, 64 characters a line."""
    text = base64.b64encode(content)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return Block(label, b"\n".join(lines) + b"\n").text()


def parse_certificates(data: bytes, subject: str, known: str | None = None) -> Parsed:
    """Return every certificate of a PEM text, or the one of a DER file.

    Blocks of other kinds (keys, requests, parameters) are passed over, as in the bundles that servers read.

    Args:
        data: content of the file.
        subject: name of the file, for messages.
        known: SHA-256 in hex of a certificate that decoded before, which is not tried again.

    Raises:
        DamagedFileError: no certificate, or one that does not decode; the reason gives its place.
        ForeignFormatError: a container that is not a list of certificates; the hint converts it.
    """
    if whole(data):
        return Parsed((_load(data, subject, "the DER certificate", known),), "DER")
    found = blocks(data)
    if foreign := next((block.label for block in found if block.label in _FOREIGN_LABELS), None):
        raise ForeignFormatError(subject, f"holds a {foreign} block", f"try {_FOREIGN_LABELS[foreign]}")
    chosen = [block for block in found if block.label in _CERTIFICATE_LABELS]
    if not chosen or len(chosen) != _begun(data):
        raise DamagedFileError(
            subject, "holds a cut-off certificate" if _begun(data) else "holds no certificate"
        )
    places = (f"certificate {place} of {len(chosen)}" for place in range(1, len(chosen) + 1))
    pieces = zip(chosen, places, strict=False)
    loaded = (_load(block.decode(), subject, place, known) for block, place in pieces)
    return Parsed(tuple(loaded), "PEM")


def parse_certificate(data: bytes, subject: str) -> Certificate:
    """Return the only certificate of a PEM or DER file."""
    certificates = parse_certificates(data, subject).certificates
    if len(certificates) > 1:
        raise DamagedFileError(subject, f"holds {len(certificates)} certificates where one is expected")
    return certificates[0]


def encode_certificates(certificates: Iterable[Certificate]) -> bytes:
    """Return the certificates as PEM, in the given order."""
    return b"".join(armor("CERTIFICATE", encode_der(certificate)) for certificate in certificates)


def encode_der(certificate: Certificate) -> bytes:
    """Return the certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def decode_der(der: bytes) -> Certificate:
    """Return the certificate of DER that this program encoded."""
    return load_der_x509_certificate(der)


def _begun(data: bytes) -> int:
    return sum(data.count(f"-----BEGIN {label}-----".encode()) for label in _CERTIFICATE_LABELS)


def _load(data: bytes | None, subject: str, place: str, known: str | None) -> Certificate:
    if data is None:
        raise DamagedFileError(subject, f"{place} is not whole")
    if known and sha256(data).hexdigest() == known:
        return decode_der(data)
    try:
        certificate = _decode(data)
    except DAMAGE as error:
        raise DamagedFileError(subject, f"{place} does not decode ({_one_line(error)})") from None
    except UnsupportedAlgorithm:
        raise ForeignFormatError(
            subject, f"{place} has a key of a kind that mail programs don't know"
        ) from None
    return certificate


@lru_cache(maxsize=256)
def _decode(data: bytes) -> Certificate:
    """Decode all at once, so that damage shows here: the library would do it on demand, in mid-work."""
    with warnings.catch_warnings():
        # Old roots have serial number 0 or odd name lengths; what matters is checked where it is used.
        warnings.simplefilter("ignore")
        certificate = load_der_x509_certificate(data)
        _ = (
            certificate.subject,
            certificate.issuer,
            certificate.extensions,
            certificate.signature_hash_algorithm,
        )
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if certificate.serial_number < 0:
            raise ValueError("negative serial number")
    certificate.public_key()
    return certificate


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


# One object out of a file that may be PEM (RFC 7468) or DER.


def single(data: bytes, labels: tuple[str, ...], what: str, subject: str) -> bytes:
    """Return the DER of the only object of its kind in the data.

    Args:
        data: PEM with any text around it, or bare DER.
        labels: the PEM labels that name this kind of object.
        what: the kind, for messages ("a certificate request").
        subject: the file the data came from.
    """
    if data[:1] == bytes((SEQUENCE,)):
        return data
    found = blocks(data)
    if not found:
        raise ForeignFormatError(subject, f"is neither PEM nor DER; expected {what}" if data else "is empty")
    wanted = [block for block in found if block.label in labels]
    if not wanted:
        others = ", ".join(sorted({block.label for block in found}))
        raise ForeignFormatError(subject, f"holds {others}, not {what}")
    if len(wanted) > 1:
        raise DataError(subject, f"holds {len(wanted)} objects where one is expected: {what}")
    decoded = wanted[0].decode()
    if decoded is None:
        raise DamagedFileError(subject, f"its base64 text does not hold {what} whole")
    return decoded
