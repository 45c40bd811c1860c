"""What reader and writer of GDBM files share.

Source: gdbm 1.23 ``gdbmdefs.h``, ``gdbmconst.h``, ``hash.c``.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import cycle
from operator import lshift
from struct import calcsize, unpack

from .lanes import groups

MAGIC = 0x13579ACF
OLD_MAGIC = 0x13579ACE
SYNC_MAGIC = 0x13579AD1
"""With an extended header, written by programs that open with GDBM_NUMSYNC."""
MAGICS = (MAGIC, OLD_MAGIC, SYNC_MAGIC)
NARROW_MAGICS = (0x13579ACD, 0x13579AD0)
"""Files with 32-bit offsets."""

HOST_ORDER = "<" if sys.byteorder == "little" else ">"
HEADER = "Iiq4iq"
"""Magic, block size, directory's place, its size in bytes, its bits, bucket size, elements, end of file."""
HEADER_SIZE = calcsize("<" + HEADER)
BUCKET_HEAD = 112
"""Bytes before a bucket's elements: a table of free space, then bits and count."""
PACKED_HEAD = 84
"""The same where numbers of 64 bits lie at multiples of 4: 32-bit x86."""
BUCKET_BITS_AT = 104
ELEMENT = "i4sq2i"
"""Hash (-1 = unused), start of the key, place of the data, key size, value size."""
ELEMENT_SIZE = calcsize("<" + ELEMENT)
MAX_BITS = 31

_SHIFTS = tuple(5 * i % 24 for i in range(24))
_LOW = 0x7FFFFFFF
_UNSIGNED_CHAR = ("aarch64", "arm", "ppc", "s390", "riscv")


def elements_of(bucket_size: int, head: int = BUCKET_HEAD) -> int:
    """Return how many elements a bucket has behind its head."""
    return (bucket_size - head - ELEMENT_SIZE) // ELEMENT_SIZE + 1


def host_signs_char() -> bool:
    """Tell whether C's ``char`` is signed here; the hash of keys that are not ASCII depends on it."""
    return not os.uname().machine.startswith(_UNSIGNED_CHAR)


def hashed(key: bytes, *, signed_char: bool) -> int:
    """Return gdbm's 31-bit hash (``_gdbm_hash``)."""
    characters = memoryview(key).cast("b") if signed_char else key
    value: int = 0x238F13AF * len(key) + sum(map(lshift, characters, cycle(_SHIFTS)))
    return 1103515243 * (value & _LOW) + 12345 & _LOW


def hashes(keys: Iterable[bytes], *, signed_char: bool) -> Iterator[tuple[bytes, int]]:
    """Give each key with its hash, in no particular order; :func:`hashed` for many, and faster."""
    for length, some in groups(keys):
        text = b"".join(some)
        if signed_char and not text.isascii():
            yield from ((key, hashed(key, signed_char=True)) for key in some)
        else:
            yield from zip(some, _side_by_side(text, length, len(some)), strict=True)


def _side_by_side(text: bytes, length: int, count: int) -> tuple[int, ...]:
    """Hash keys of one length, each in its own 64-bit lane of one large integer; none ever spills."""
    lanes = bytearray(8 * count)
    one = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
    state = 0x238F13AF * length % (1 << 40) * one
    for column in range(length):
        lanes[::8] = text[column::length]
        state += int.from_bytes(lanes, "little") << _SHIFTS[column % 24]
    low = _LOW * one
    state = 1103515243 * (state & low) + 12345 * one & low
    return unpack(f"<{count}Q", state.to_bytes(len(lanes), "little"))
