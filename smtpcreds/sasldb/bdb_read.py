"""Read a Berkeley DB hash file (versions 7 to 9, either byte order) as libdb's ``get`` would.

Page checksums are skipped over, not verified. Every page is visited at most once, so a damaged file costs no
more time and memory than a sound one of its size.
"""

from collections.abc import Iterator
from operator import gt
from struct import unpack_from

from ..errors import DamagedFileError, ForeignFormatError
from . import bdb_layout as layout
from .bdb_meta import SALVAGE, Meta, read_meta

_COUNT_DRIFT = range(2, 4096)
"""How many records may not be missing from the count. One is, where a killed writer had counted first; 4096
and more are in maps, since makemap and postmap announce that many when they make one."""


def decode(data: bytes, *, subject: str = "Berkeley DB file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: another kind of file, or one with several values under one key.
        DamagedFileError: content that contradicts itself; the reason names the page.
    """
    return _Reader(data, read_meta(data, subject), subject).records()


class _Reader:
    """One pass over a file; remembers which pages it has seen."""

    def __init__(self, data: bytes, meta: Meta, subject: str) -> None:
        self._data, self._meta, self._subject = data, meta, subject
        self._seen = bytearray(meta.last_pgno + 1)
        self._seen[0] = 1
        self._found: dict[bytes, bytes] = {}

    def records(self) -> dict[bytes, bytes]:
        for bucket in range(self._meta.max_bucket + 1):
            for pgno in self._chain(self._meta.page_of(bucket)):
                self._read_page(pgno)
        self._check_unreached()
        self._check_count()
        return self._found

    def _damaged(self, pgno: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"page {pgno} {what}", SALVAGE)

    def _visit(self, pgno: int, origin: int) -> int:
        """Return where a page starts in the file."""
        if not 0 < pgno <= self._meta.last_pgno:
            raise self._damaged(origin, f"points to page {pgno}, which does not exist")
        if self._seen[pgno]:
            raise self._damaged(pgno, "is reached twice")
        self._seen[pgno] = 1
        return pgno * self._meta.pagesize

    def _chain(self, pgno: int) -> Iterator[int]:
        """Give the page numbers of one bucket."""
        previous = 0
        while pgno:
            at = self._visit(pgno, previous)
            if self._is_blank(at):
                return
            number, back, following = unpack_from(self._meta.order + "3I", self._data, at + 8)
            if (number, back) != (pgno, previous):
                raise self._damaged(pgno, "does not belong where it is linked")
            if self._data[at + layout.TYPE_AT] not in (layout.SORTED_PAGE, layout.UNSORTED_PAGE):
                raise self._damaged(pgno, f"is of type {self._data[at + layout.TYPE_AT]}, not a hash page")
            yield pgno
            previous, pgno = pgno, following

    def _is_blank(self, at: int) -> bool:
        """Tell whether a page was never written: all zero, an empty bucket."""
        return not self._data[at + layout.TYPE_AT] and not any(self._data[at : at + self._meta.pagesize])

    def _read_page(self, pgno: int) -> None:
        """Take the records of a page, whose items lie from its end downwards."""
        meta = self._meta
        at = pgno * meta.pagesize
        page = self._data[at : at + meta.pagesize]
        (entries,) = unpack_from(meta.order + "H", page, 20)
        lowest = meta.header + 2 * entries
        if entries % 2 or lowest > meta.pagesize:
            raise self._damaged(pgno, f"can't hold {entries} items")
        edges = (meta.pagesize, *unpack_from(f"{meta.order}{entries}H", page, meta.header))
        if edges[-1] < lowest or not all(map(gt, edges, edges[1:])):
            raise self._damaged(pgno, "has items that overlap")
        expected = len(self._found) + entries // 2
        self._take(page, edges, pgno)
        if len(self._found) != expected:
            raise self._damaged(pgno, "repeats a key")

    def _take(self, page: bytes, edges: tuple[int, ...], pgno: int) -> None:
        found, plain = self._found, layout.KEYDATA
        for end, at, low in zip(edges[::2], edges[1::2], edges[2::2], strict=False):
            if page[at] == plain == page[low]:
                found[page[at + 1 : end]] = page[low + 1 : at]
            else:
                key = self._item(page[at:end], pgno)
                found[key] = self._item(page[low:at], pgno)

    def _item(self, item: bytes, pgno: int) -> bytes:
        """Return the bytes of a key or value."""
        if item[0] == layout.KEYDATA:
            return item[1:]
        if item[0] == layout.OFF_PAGE and len(item) == 12:
            return self._overflow(pgno, *unpack_from(self._meta.order + "2I", item, 4))
        if item[0] in (layout.DUPLICATE, layout.OFF_PAGE_DUPLICATES):
            raise ForeignFormatError(self._subject, f"has several values under one key (page {pgno})")
        raise self._damaged(pgno, f"has an item of unknown type {item[0]}")

    def _overflow(self, origin: int, pgno: int, length: int) -> bytes:
        """Join the pieces of an item that lies on pages of its own."""
        if length > len(self._data):
            raise self._damaged(origin, f"has an item of {length} bytes, more than the file")
        pieces, rest, order, previous = [], length, self._meta.order, origin
        while pgno:
            at = self._visit(pgno, previous)
            following, size = unpack_from(order + "I", self._data, at + 16)[0], self._piece_size(at, pgno)
            start = at + self._meta.header
            pieces.append(self._data[start : start + size])
            rest -= size
            previous, pgno = pgno, following
        if rest:
            raise self._damaged(previous, f"ends an item of {length} bytes at {length - rest}")
        return b"".join(pieces)

    def _piece_size(self, at: int, pgno: int) -> int:
        size: int = unpack_from(self._meta.order + "H", self._data, at + 22)[0]
        if self._data[at + layout.TYPE_AT] != layout.OVERFLOW_PAGE:
            raise self._damaged(pgno, "is not an overflow page")
        if size > self._meta.pagesize - self._meta.header:
            raise self._damaged(pgno, f"can't hold {size} bytes")
        return size

    def _check_unreached(self) -> None:
        """Refuse records that no bucket leads to: a writer was killed while it split a bucket.

        libdb and often db5.3_verify say nothing about them; the next write would lose them for good.
        """
        kinds = (layout.SORTED_PAGE, layout.UNSORTED_PAGE)
        for pgno, at in enumerate(range(0, len(self._data), self._meta.pagesize)):
            seen = pgno < len(self._seen) and self._seen[pgno]
            if not seen and self._data[at + layout.TYPE_AT] in kinds and any(self._data[at + 20 : at + 22]):
                raise self._damaged(pgno, "holds records that no bucket leads to")

    def _check_count(self) -> None:
        """Refuse a file that has lost records: the other trace of a split that was cut short.

        libdb 5.3 keeps the count exact; ``db5.3_verify`` does not compare it.
        """
        counted, found = self._meta.counted, len(self._found)
        if counted - found in _COUNT_DRIFT:
            raise self._damaged(0, f"counts {counted} records, and only {found} are left")
