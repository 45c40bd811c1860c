"""Text in the unused space of a Berkeley DB hash file: what a deletion or a new password left readable.

libdb moves items together and unlinks them, and overwrites nothing. Copies of what is still there do no harm
and are not counted.
"""

from collections.abc import Iterator
from struct import unpack_from

from ..lazy import pattern
from . import bdb_read as layout
from .bdb_read import read_meta

_TEXT = pattern(rb"[\x20-\x7e\x80-\xff]{6,}")
"""Shorter runs are offsets and page numbers."""
_NOBODY = pattern(rb"no:such:user\0[^\0]+\0userPassword")
"""The account without a secret that Debian's sasl2-bin makes and deletes, so that there is a database."""
_FREE = 0


def leftovers(data: bytes, subject: str) -> int:
    """Return how many pieces of text lie in unused space and nowhere else in the file."""
    meta = read_meta(data, subject)
    used, unused = [data[: meta.pagesize]], []  # its random number stands in former copies of it, too
    for at in range(meta.pagesize, len(data), meta.pagesize):
        page = data[at : at + meta.pagesize]
        low, high = _gap(page, meta.order, meta.header)
        used.append(page[:low] + b"\0" + page[high:])
        unused.append(page[low:high])
    alive = b"\0".join(used)
    return sum(1 for text in _texts(unused) if text not in alive)


def _texts(regions: list[bytes]) -> Iterator[bytes]:
    for region in regions:
        yield from _TEXT.findall(_NOBODY.sub(b"", region))


def _gap(page: bytes, order: str, header: int) -> tuple[int, int]:
    """Return where the unused space of a page begins and ends."""
    entries, offset = unpack_from(order + "2H", page, 20)
    kind = page[layout.TYPE_AT]
    if kind in (layout.SORTED_PAGE, layout.UNSORTED_PAGE):
        return header + 2 * entries, offset or len(page)
    if kind == layout.OVERFLOW_PAGE:
        return header + offset, len(page)
    return (header, len(page)) if kind == _FREE else (len(page), len(page))
