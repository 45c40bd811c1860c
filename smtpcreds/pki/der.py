"""Just enough DER (X.690 sections 8, 10): write the few values that no library writes, take raw fields.

Raw fields matter where a hash covers the bytes as the issuer wrote them: decoding and encoding again changes
string types and elliptic curve point forms.
"""

from collections.abc import Iterator
from dataclasses import dataclass

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
NULL = bytes((0x05, 0x00))


@dataclass(frozen=True, slots=True)
class Value:
    """One tag, length, value triple: ``raw`` is all of it, ``body`` the value alone."""

    tag: int
    raw: bytes
    body: bytes


def values(data: bytes) -> Iterator[Value]:
    """Yield the values that lie side by side in the data.

    Raises:
        ValueError: a length that runs over the end, an indefinite length, or a tag number above 30.
    """
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


def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER written as ``1.2.840``."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(map(_base128, (first * 40 + second, *rest))))


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
