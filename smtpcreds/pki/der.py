"""The few DER values that have to be written by hand (X.690 section 8 and 10.1)."""

SEQUENCE = 0x30
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
NULL = bytes((0x05, 0x00))


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
    if len(data) < 2 or data[0] != SEQUENCE:
        return False
    return _end(data) == len(data)


def first(data: bytes) -> bytes:
    """Return the first value of the data, with its tag and length."""
    return data[: _end(data)]


def _end(data: bytes) -> int:
    if data[1] < 0x80:
        return 2 + data[1]
    octets = data[1] & 0x7F
    return 2 + octets + int.from_bytes(data[2 : 2 + octets])


def _base128(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(0x80 | number & 0x7F)
    return bytes(reversed(septets))
