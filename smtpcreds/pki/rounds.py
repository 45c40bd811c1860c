"""How many rounds a file says that its key is derived by: one that others wrote may ask for years of them."""

from collections.abc import Iterator
from math import prod

from ..errors import DataError
from . import encoding

MAX_ROUNDS = 10_000_000
"""Some seconds; OpenSSL and NSS write 2,048 to 600,000, and this program a million."""
MAX_SCRYPT = 1 << 21
"""N r p of scrypt (RFC 7914): a quarter of a gigabyte and some seconds; OpenSSL writes 2^17."""
_MAX_DEPTH = 30
_CONSTRUCTED = 0x20
_OF_SCRYPT = 3


def refuse_endless(data: bytes, subject: str) -> None:
    """Refuse a key in DER whose passphrase could not be tried in sensible time and memory.

    A salt is an OCTET STRING with the number of rounds behind it in PBKDF2 (RFC 8018 appendix A.2), in PBES1
    (A.3), and in the algorithms of PKCS #12 (RFC 7292 appendix C), which OpenSSL takes for keys; a length may
    follow. In scrypt (RFC 7914 section 7) three numbers follow at least.
    """
    found = list(_costs(data, _MAX_DEPTH))
    asked = max((numbers[0] for numbers in found if len(numbers) < _OF_SCRYPT), default=0)
    if asked > MAX_ROUNDS:
        raise _endless(subject, asked, "rounds", MAX_ROUNDS)
    asked = max((prod(numbers[:_OF_SCRYPT]) for numbers in found if len(numbers) >= _OF_SCRYPT), default=0)
    if asked > MAX_SCRYPT:
        raise _endless(subject, asked, "blocks of scrypt", MAX_SCRYPT)


def _endless(subject: str, asked: int, unit: str, most: int) -> DataError:
    shown = f"{asked:,}" if asked < 1 << 64 else "over 2^64"
    reason = f"asks for {shown} {unit} to derive its key; at most {most:,} are tried"
    return DataError(subject, reason, "write it again with OpenSSL, which takes far fewer")


def _costs(data: bytes, depth: int) -> Iterator[list[int]]:
    """Yield the numbers that follow each OCTET STRING, where there are any."""
    numbers: list[int] | None = None
    for value in _values(data):
        if numbers is not None and value.tag == encoding.INTEGER:
            numbers.append(int.from_bytes(value.body))
            continue
        if numbers:
            yield numbers
        numbers = [] if value.tag == encoding.OCTET_STRING else None
        if depth and (value.tag & _CONSTRUCTED or value.tag == encoding.OCTET_STRING):
            yield from _costs(value.body, depth - 1)
    if numbers:
        yield numbers


def _values(data: bytes) -> Iterator[encoding.Value]:
    """Yield what can be read as values; an OCTET STRING may hold anything."""
    try:
        yield from list(encoding.values(data))
    except ValueError:
        return
