"""Read an LMDB file (format 1, 64-bit) without liblmdb, which aborts or runs wild on damaged ones.

Source: OpenLDAP ``mdb.c`` 0.9. A writer only fills pages that the newest committed tree does not use, so
bytes read from the file are sound if :func:`generation` is the same before and after.
"""

from collections.abc import Iterator
from struct import pack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, ForeignFormatError

MAGIC = 0xBEEFC0DE
MAGIC_AT = 16
HEAD_SIZE = 2 << 16
"""Enough bytes for both meta pages of any page size."""
PAGE_HEADER = 16
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG = 1
_NO_PAGE = 0xFFFFFFFFFFFFFFFF
SALVAGE = "restore it from a backup"


class Meta(NamedTuple):
    """A committed state: where its two trees start."""

    order: str
    pagesize: int
    map_size: int
    free_root: int
    main_root: int
    entries: int
    last_pgno: int
    txnid: int


def generation(head: bytes, subject: str) -> int:
    """Return the number of the newest committed transaction; ``head`` is the start of the file."""
    return read_meta(head, subject).txnid


def read_meta(data: bytes, subject: str) -> Meta:
    """Return the newest committed state."""
    order = next((o for o in "<>" if data[16:20] == pack(o + "I", MAGIC)), None)
    if order is None:
        raise ForeignFormatError(subject, "is not an LMDB file")
    (pagesize,) = unpack_from(order + "I", data, 40) if len(data) >= 44 else (0,)
    if pagesize not in (1 << n for n in range(9, 17)) or len(data) < pagesize + 152:
        raise DamagedFileError(subject, f"is cut off or has a wrong page size ({pagesize})", SALVAGE)
    metas = [_meta(data, at, order, subject) for at in (0, pagesize)]
    newest = max(metas, key=lambda meta: meta.txnid)
    if newest.pagesize != pagesize:
        raise DamagedFileError(subject, "has meta pages that contradict each other", SALVAGE)
    return newest


def _meta(data: bytes, at: int, order: str, subject: str) -> Meta:
    magic, version, _, map_size = unpack_from(order + "IIQQ", data, at + 16)
    if magic != MAGIC:
        raise DamagedFileError(subject, "has lost its second meta page", SALVAGE)
    if version != 1:
        raise ForeignFormatError(subject, f"is LMDB of format {version}, not 1")
    pagesize, *_, free_root = unpack_from(order + "IHHQQQQQ", data, at + 40)
    *_, entries, main_root = unpack_from(order + "IHHQQQQQ", data, at + 88)
    last_pgno, txnid = unpack_from(order + "QQ", data, at + 136)
    return Meta(order, pagesize, map_size, free_root, main_root, entries, last_pgno, txnid)


def decode(data: bytes, *, subject: str = "LMDB file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: another kind of file, or named databases inside.
        DamagedFileError: content that contradicts itself; the reason names the page.
    """
    return _Reader(data, subject).records()


def pages_in_use(data: bytes, *, subject: str = "LMDB file") -> bytearray:
    """Return one byte for each page: 1 if the newest committed state needs it."""
    reader = _Reader(data, subject)
    reader.records()
    return reader.used


class _Reader:
    """One walk over both trees; visits each page at most once."""

    def __init__(self, data: bytes, subject: str) -> None:
        self._data, self._subject = data, subject
        self._meta = meta = read_meta(data, subject)
        if len(data) < (meta.last_pgno + 1) * meta.pagesize:
            raise DamagedFileError(subject, f"is cut off after {len(data)} bytes", SALVAGE)
        self.used = bytearray(len(data) // meta.pagesize)
        self.used[:2] = b"\1\1"

    def records(self) -> dict[bytes, bytes]:
        found = dict(self._tree(self._meta.main_root))
        if len(found) != self._meta.entries:
            raise self._damaged(
                self._meta.main_root, f"leads to {len(found)} records of {self._meta.entries}"
            )
        self._check_free([ids for _, ids in self._tree(self._meta.free_root)])
        return found

    def _damaged(self, pgno: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"page {pgno} {what}", SALVAGE)

    def _visit(self, pgno: int, count: int = 1) -> int:
        """Mark pages as used and return where they start."""
        if not 1 < pgno <= pgno + count - 1 <= self._meta.last_pgno:
            raise self._damaged(pgno, "does not exist")
        if any(self.used[pgno : pgno + count]):
            raise self._damaged(pgno, "is reached twice")
        self.used[pgno : pgno + count] = b"\1" * count
        return pgno * self._meta.pagesize

    def _tree(self, root: int) -> Iterator[tuple[bytes, bytes]]:
        todo = [] if root == _NO_PAGE else [root]
        while todo:
            pgno = todo.pop()
            at = self._visit(pgno)
            number, _, flags, lower, upper = unpack_from(self._meta.order + "QHHHH", self._data, at)
            if number != pgno or flags & 0xF not in (_BRANCH, _LEAF):
                raise self._damaged(pgno, "is not a page of the tree")
            if not PAGE_HEADER <= lower <= upper <= self._meta.pagesize or lower % 2:
                raise self._damaged(pgno, "has wrong bounds")
            if flags & _BRANCH:
                todo += self._children(pgno, at, lower, upper)
            else:
                yield from self._leaf(pgno, at, lower, upper)

    def _nodes(self, pgno: int, at: int, lower: int, upper: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Give place, two halves of a number, flags and key size of each node."""
        order, count = self._meta.order, (lower - PAGE_HEADER) // 2
        for place in unpack_from(f"{order}{count}H", self._data, at + PAGE_HEADER):
            if not upper <= place <= self._meta.pagesize - 8:
                raise self._damaged(pgno, "has a node out of bounds")
            low, high, flags, key_size = unpack_from(order + "4H", self._data, at + place)
            if place + 8 + key_size > self._meta.pagesize:
                raise self._damaged(pgno, "has a key out of bounds")
            if order == ">":  # mn_lo and mn_hi change places
                low, high = high, low
            yield place, low, high, flags, key_size

    def _children(self, pgno: int, at: int, lower: int, upper: int) -> list[int]:
        nodes = self._nodes(pgno, at, lower, upper)
        return [low | high << 16 | flags << 32 for _, low, high, flags, _ in nodes]

    def _leaf(self, pgno: int, at: int, lower: int, upper: int) -> Iterator[tuple[bytes, bytes]]:
        for place, low, high, flags, key_size in self._nodes(pgno, at, lower, upper):
            start, size = at + place + 8 + key_size, low | high << 16
            key = self._data[start - key_size : start]
            if flags & ~_BIG:
                raise ForeignFormatError(
                    self._subject, "holds named databases or several values under one key"
                )
            if flags & _BIG:
                start = self._big(pgno, start, size)
            elif start + size > at + self._meta.pagesize:
                raise self._damaged(pgno, "has a value out of bounds")
            yield key, self._data[start : start + size]

    def _big(self, pgno: int, start: int, size: int) -> int:
        """Return where a value on pages of its own starts."""
        if start + 8 > (pgno + 1) * self._meta.pagesize:
            raise self._damaged(pgno, "has a value out of bounds")
        (first,) = unpack_from(self._meta.order + "Q", self._data, start)
        count = (PAGE_HEADER - 1 + size) // self._meta.pagesize + 1
        at = self._visit(first, count)
        number, _, flags, pages = unpack_from(self._meta.order + "QHHI", self._data, at)
        if number != first or not flags & _OVERFLOW or pages != count:
            raise self._damaged(first, f"is not the value that page {pgno} points to")
        return at + PAGE_HEADER

    def _check_free(self, lists: list[bytes]) -> None:
        """Refuse lists of free pages that name pages in use: the next write would overwrite records."""
        listed = bytearray(len(self.used))
        for ids in lists:
            count = unpack_from(self._meta.order + "Q", ids)[0] if len(ids) >= 8 else -1
            if not 8 <= 8 * (count + 1) <= len(ids):
                raise self._damaged(self._meta.free_root, "has a list of free pages that is cut off")
            for pgno in unpack_from(f"{self._meta.order}{count}Q", ids, 8):
                if not 1 < pgno <= self._meta.last_pgno or self.used[pgno] or listed[pgno]:
                    raise self._damaged(self._meta.free_root, f"lists page {pgno} as free, which it is not")
                listed[pgno] = 1


def empty(map_size: int, pagesize: int = 4096) -> bytes:
    """Return a new file without records, in this machine's byte order."""
    return b"".join(_empty_meta(number, map_size, pagesize) for number in (0, 1))


def _empty_meta(number: int, map_size: int, pagesize: int) -> bytes:
    parts = (
        pack("=QHHI", number, 0, 8, 0),
        pack("=IIQQ", MAGIC, 1, 0, map_size),
        pack("=IHHQQQQQ", pagesize, 8, 0, 0, 0, 0, 0, _NO_PAGE),
        pack("=IHHQQQQQ", 0, 0, 0, 0, 0, 0, 0, _NO_PAGE),
        pack("=QQ", 1, 0),
    )
    return b"".join(parts).ljust(pagesize, b"\0")
