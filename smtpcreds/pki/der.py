"""Just enough DER (X.690 section 10) to take raw fields out of objects that were parsed elsewhere.

Raw fields matter where a hash covers the bytes as the issuer wrote them: decoding and encoding again changes
string types and elliptic curve point forms.
"""

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, OCTET_STRING, SEQUENCE, SET = 0x02, 0x04, 0x30, 0x31


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


def encode(tag: int, body: bytes) -> bytes:
    """Return the value with its tag and definite, shortest length."""
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def encode_integer(number: int) -> bytes:
    """Return a non-negative INTEGER."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


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
