"""MD5's compression function (RFC 1321 section 3.4), which hashlib hides.

CRAM-MD5 verifiers are two intermediate states of the hash, after one block each.
"""

import math

State = tuple[int, int, int, int]

BLOCK = 64
INITIAL: State = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)

_MASK = 0xFFFFFFFF
_SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_STRIDES = ((1, 0), (5, 1), (3, 5), (7, 0))
"""Of each round: word index = (stride * step + start) mod 16."""


def compress(state: State, block: bytes) -> State:
    """Return the state after one block of exactly 64 octets.

    Raises:
        ValueError: another length.
    """
    if len(block) != BLOCK:
        raise ValueError("an MD5 block has 64 octets")
    words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, BLOCK, 4)]
    a, b, c, d = state
    for step in range(64):
        turn = step // 16
        stride, start = _STRIDES[turn]
        total = a + _mix(turn, b, c, d) + words[(stride * step + start) % 16] + _sine(step)
        a, d, c, b = d, c, b, (b + _rotate(total & _MASK, _SHIFTS[turn][step % 4])) & _MASK
    return tuple((old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True))  # type: ignore[return-value]


def _mix(turn: int, b: int, c: int, d: int) -> int:
    if turn == 0:
        return (b & c) | (~b & d)
    if turn == 1:
        return (b & d) | (c & ~d)
    return b ^ c ^ d if turn == 2 else c ^ (b | (~d & _MASK))


def _sine(step: int) -> int:
    return int(abs(math.sin(step + 1)) * 2**32)


def _rotate(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _MASK
