"""Alterations of files: octets, lines of text, the values of DER; what sums and signs them is made anew."""

from collections.abc import Callable
from functools import cache
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

Alter = Callable[[bytes, Random], bytes]

_LINES = (
    b"", b"=", b" ", b"\t x", b"#", b"{", b"}", b"\xff", b"\0", b"a = 1", b'"', b"'''", b"[", b"x" * 300,
    b"-----BEGIN CERTIFICATE-----", b"[[a]]", b"[" * 3000, b'{"a":' * 3000, b"a." * 300 + b"b = 1",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\\", b"${", b"9" * 5000, b"1e999999", b"0o7", b"-1", b"\x0b", b"\xc2\x85",
    "\u2028".encode(), "\u0663".encode(),
)  # fmt: skip
_WORDS = (
    b"=",
    b":",
    b",",
    b'"',
    b"\\",
    b"\0",
    b"\n",
    b" ",
    b"${",
    b"}",
    b"\xff",
    b"99999999999999999999",
    b"-1",
)


def octets(data: bytes, dice: Random) -> bytes:
    """Flip bits, cut, repeat, exchange."""
    made = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        start = dice.randrange(len(made) + 1)
        end = min(len(made), start + dice.choice((1, 1, 2, 4, 30, 512)))
        kind = dice.randrange(6)
        if kind == 0 and start < len(made):
            made[start] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del made[start:end]
        elif kind == 2:
            made[start:start] = made[start:end]
        elif kind == 3:
            made[start:end] = dice.randbytes(end - start)
        elif kind == 4:
            made[start:end] = dice.choice((b"\0", b"\xff", b"\x7f")) * (end - start)
        else:
            made[start:start] = dice.choice(_WORDS)
    return bytes(made)


def octets_in_use(data: bytes, dice: Random) -> bytes:
    """Alter octets of pages that hold something; a file of LMDB is mostly empty."""
    pages = [at for at in range(0, len(data), 4096) if any(data[at : at + 4096])]
    at = dice.choice(pages)
    start = at + dice.choice((dice.randrange(64), dice.randrange(4096)))
    made = bytearray(data)
    for place in range(start, min(start + dice.choice((1, 1, 2, 8)), len(made))):
        made[place] = dice.choice((0, 1, 0xFF, made[place] ^ 1 << dice.randrange(8), dice.randrange(256)))
    return bytes(made[: dice.choice((len(made),) * 9 + (at,))])


def lines(data: bytes, dice: Random) -> bytes:
    """Leave out, repeat, move, replace and continue lines."""
    made = data.split(b"\n")
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(made))
        kind = dice.randrange(4)
        if kind == 0 and len(made) > 1:
            del made[at]
        elif kind == 1:
            made.insert(dice.randrange(len(made)), made[at])
        elif kind == 2:
            made.insert(at, dice.choice(_LINES))
        else:
            cut = dice.randrange(len(made[at]) + 1)
            made[at] = made[at][:cut] + dice.choice((*_LINES, *_WORDS)) + made[at][cut:]
    return b"\n".join(made)


def text(data: bytes, dice: Random) -> bytes:
    return dice.choice((lines, lines, octets))(data, dice)


# DER (X.690): values within values; lengths are those of the altered content.

_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0xA0, 0xA3)


def tlv(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes(4).lstrip(b"\0")
    return bytes((tag, 0x80 | len(size))) + size + content


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """Return tags and contents of values that follow each other; nothing if the octets are no such."""
    found, at = [], 0
    while at + 2 <= len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets_ = size & 0x7F
            size = int.from_bytes(data[at : at + octets_])
            at += octets_
        if at + size > len(data):
            return []
        found.append((tag, data[at : at + size]))
        at += size
    return found if at == len(data) else []


def der(data: bytes, dice: Random) -> bytes:
    """Alter one value, at any depth."""
    found = parts(data)
    if not found:
        return octets(data, dice)
    at = dice.randrange(len(found))
    tag, content = found[at]
    kind = dice.randrange(12)
    if kind >= 5 and tag & 0x20 and content:
        found[at] = tag, der(content, dice)
    elif kind == 0:
        del found[at]
    elif kind == 1:
        found.insert(at, found[dice.randrange(len(found))])
    elif kind == 2:
        found[at] = dice.choice(_TAGS), content
    elif kind == 3:
        found[at] = tag, dice.choice((b"", b"\0", b"\xff" * 9, content * 2, content[:-1], b"\x80"))
    elif kind == 4:
        dice.shuffle(found)
    else:
        inner = content[1:] if tag == 0x03 else content
        found[at] = tag, der(inner, dice) if parts(inner) else octets(content, dice)
    return b"".join(tlv(*one) for one in found)


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """Return the key that signs all that is altered; always the same one."""
    return ec.derive_private_key(0x5EED, ec.SECP256R1())


def signed(data: bytes, dice: Random) -> bytes:
    """Alter what is signed in a certificate, a CRL or a request, and sign it again."""
    ((tag, content),) = parts(data)
    body, algorithm, _ = parts(content)
    altered = der(tlv(*body), dice)
    signature = key().sign(altered, ec.ECDSA(SHA256()))
    return tlv(tag, altered + tlv(*algorithm) + tlv(0x03, b"\0" + signature))


def either(*ways: Alter) -> Alter:
    return lambda data, dice: dice.choice(ways)(data, dice)


# tar: the sum of a header is made anew.


def tar(data: bytes, dice: Random) -> bytes:
    """Alter one block of 512 octets, and make its sum right if it is a header."""
    made = bytearray(data)
    at = 512 * dice.randrange(len(made) // 512)
    for _ in range(dice.randrange(1, 4)):
        place, size = dice.choice(((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (265, 64)))
        if dice.randrange(2):
            place, size = place + dice.randrange(size), 1
        value = dice.choice((b"\0" * size, b"7" * size, b"\xff" * size, b"/" * size, dice.randbytes(size)))
        made[at + place : at + place + size] = value
    block = bytes(made[at : at + 512])
    total = 256 + sum(block[:148]) + sum(block[156:])
    made[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(made)
