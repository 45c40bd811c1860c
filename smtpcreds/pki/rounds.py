"""How many rounds a file says that its key is derived by: one that others wrote may ask for years of them."""

from collections.abc import Iterator

from ..errors import DataError
from . import encoding

MAX_ROUNDS = 10_000_000
"""Some seconds; OpenSSL and NSS write 2,048 to 600,000, and this program a million."""
_MAX_DEPTH = 30
_CONSTRUCTED = 0x20


def refuse_endless(data: bytes, subject: str) -> None:
    """Refuse a key in DER whose passphrase could not be tried in sensible time.

    A salt is an OCTET STRING with the number of rounds behind it in PBKDF2 (RFC 8018 appendix A.2), in PBES1
    (A.3), and in the algorithms of PKCS #12 (RFC 7292 appendix C), which OpenSSL takes for keys, too.
    """
    asked = max(_rounds(data, _MAX_DEPTH), default=0)
    if asked > MAX_ROUNDS:
        shown = f"{asked:,}" if asked < 1 << 64 else "over 2^64"
        reason = f"asks for {shown} rounds to derive its key; at most {MAX_ROUNDS:,} are tried"
        raise DataError(subject, reason, "write it again with OpenSSL, which takes a few thousand")


def _rounds(data: bytes, depth: int) -> Iterator[int]:
    before = 0
    for value in _values(data):
        if before == encoding.OCTET_STRING and value.tag == encoding.INTEGER:
            yield int.from_bytes(value.body)
        if depth and (value.tag & _CONSTRUCTED or value.tag == encoding.OCTET_STRING):
            yield from _rounds(value.body, depth - 1)
        before = value.tag


def _values(data: bytes) -> Iterator[encoding.Value]:
    """Yield what can be read as values; an OCTET STRING may hold anything."""
    try:
        yield from list(encoding.values(data))
    except ValueError:
        return
