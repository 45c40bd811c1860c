"""Read an LMDB file (format 1, 64-bit) without liblmdb, which aborts or runs wild on damaged ones.

Source: OpenLDAP ``mdb.c`` 0.9. A writer only fills pages that the newest committed tree does not use, so
bytes read from the file are sound if :func:`generation` is the same before and after.
"""

from collections.abc import Callable, Iterator
from itertools import compress, count
from operator import gt, lt
from struct import pack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, ForeignFormatError
from .magics import LMDB

HEAD_SIZE = 2 << 16
"""Enough bytes for both meta pages of any page size."""
PAGE_HEADER = 16
_NODE_HEADER = 8
_BRANCH, _LEAF, _OVERFLOW, _META = 1, 2, 4, 8
_BIG = 1
_INTEGER_KEYS, _DATABASE_FLAGS = 8, 0x7F
"""Of a database; the other bits are those of the program that made the file."""
_MAX_MAP = 1 << 46
"""Bytes; more than a process can map."""
_NO_PAGE = 0xFFFFFFFFFFFFFFFF
SALVAGE = "restore it from a backup"


class Meta(NamedTuple):
    """A committed state: where its two trees start."""

    order: str
    pagesize: int
    map_size: int
    free_flags: int
    free_root: int
    main_flags: int
    main_root: int
    entries: int
    last_pgno: int
    txnid: int


def generation(head: bytes, subject: str) -> int:
    """Return the number of the newest committed transaction; ``head`` is the start of the file."""
    return read_meta(head, subject).txnid


def read_meta(data: bytes, subject: str) -> Meta:
    """Return the newest committed state."""
    order = next((o for o in "<>" if data[16:20] == pack(o + "I", LMDB)), None)
    if order is None:
        raise ForeignFormatError(subject, "is not an LMDB file")
    (pagesize,) = unpack_from(order + "I", data, 40) if len(data) >= 44 else (0,)
    if pagesize not in (1 << n for n in range(9, 17)) or len(data) < pagesize + 152:
        raise DamagedFileError(subject, f"is cut off or has a wrong page size ({pagesize})", SALVAGE)
    metas = [_meta(data, at, order, subject) for at in (0, pagesize)]
    newest = max(metas, key=lambda meta: meta.txnid)
    if newest.pagesize != pagesize or metas[newest.txnid & 1] != newest:
        raise DamagedFileError(subject, "has meta pages that contradict each other", SALVAGE)
    if newest.map_size > _MAX_MAP:
        raise DamagedFileError(subject, f"wants a map of {newest.map_size} bytes", SALVAGE)
    if newest.last_pgno >= max(newest.map_size // pagesize, 2):
        raise DamagedFileError(
            subject, f"has a last page ({newest.last_pgno}) that is beyond its map", SALVAGE
        )
    _check_flags(newest, subject)
    return newest


def _check_flags(meta: Meta, subject: str) -> None:
    """Accept the flags of Cyrus SASL's databases; others change the order of keys, or what values are."""
    if meta.free_flags & _DATABASE_FLAGS != _INTEGER_KEYS:
        raise DamagedFileError(subject, f"has wrong flags ({meta.free_flags:#x}) on its free pages", SALVAGE)
    if meta.main_flags:
        reason = f"has database flags ({meta.main_flags:#x}) that Cyrus SASL never sets"
        raise ForeignFormatError(subject, reason, "make a new one from what `mdb_dump -n FILE` prints")


def _meta(data: bytes, at: int, order: str, subject: str) -> Meta:
    (kind,) = unpack_from(order + "H", data, at + 10)
    magic, version, _, map_size = unpack_from(order + "IIQQ", data, at + 16)
    if magic != LMDB or not kind & _META:
        raise DamagedFileError(subject, "has lost a meta page", SALVAGE)
    if version != 1:
        raise ForeignFormatError(subject, f"is LMDB of format {version}, not 1")
    pagesize, free_flags, *_, free_root = unpack_from(order + "IHHQQQQQ", data, at + 40)
    _, main_flags, *_, entries, main_root = unpack_from(order + "IHHQQQQQ", data, at + 88)
    last_pgno, txnid = unpack_from(order + "QQ", data, at + 136)
    return Meta(
        *(order, pagesize, map_size, free_flags, free_root, main_flags, main_root, entries, last_pgno, txnid)
    )


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


class _Page(NamedTuple):
    """A page of a tree that is still to be read.

    Attributes:
        pgno: its number.
        depth: pages above it.
        low: the least key that may be under it.
        high: the key that all under it are before; None for the last page.
    """

    pgno: int
    depth: int = 0
    low: bytes = b""
    high: bytes | None = None


class _Node(NamedTuple):
    """An entry of a page: where its value is, the two halves and the flags of its head, its key."""

    at: int
    low: int
    high: int
    flags: int
    key: bytes


class _Reader:
    """One walk over both trees; visits each page at most once."""

    def __init__(self, data: bytes, subject: str) -> None:
        self._data, self._subject = data, subject
        self._meta = meta = read_meta(data, subject)
        self.used = bytearray(len(data) // meta.pagesize)
        self.used[:2] = b"\1\1"

    def records(self) -> dict[bytes, bytes]:
        found = dict(self._tree(self._meta.main_root, bytes))
        if len(found) != self._meta.entries:
            raise self._damaged(
                self._meta.main_root, f"leads to {len(found)} records of {self._meta.entries}"
            )
        self._check_free([ids for _, ids in self._tree(self._meta.free_root, self._transaction)])
        return found

    def _damaged(self, pgno: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"page {pgno} {what}", SALVAGE)

    def _transaction(self, key: bytes) -> bytes:
        """Return the key of a list of free pages, a number in this machine's order, as it sorts."""
        if len(key) not in (0, 8):
            raise self._damaged(self._meta.free_root, "has a list of free pages without a number")
        return key[::-1] if self._meta.order == "<" else key

    def _visit(self, pgno: int, count: int = 1) -> int:
        """Mark pages as used and return where they start; a file need not reach to its last free ones."""
        if not 1 < pgno <= pgno + count - 1 <= self._meta.last_pgno:
            raise self._damaged(pgno, "does not exist")
        if pgno + count > len(self.used):
            reason = f"is cut off after {len(self._data)} bytes, before page {pgno + count - 1}"
            raise DamagedFileError(self._subject, reason, SALVAGE)
        if any(self.used[pgno : pgno + count]):
            raise self._damaged(pgno, "is reached twice")
        self.used[pgno : pgno + count] = b"\1" * count
        return pgno * self._meta.pagesize

    def _tree(self, root: int, rank: Callable[[bytes], bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Give the records under a page, in the order of their keys, which is that of what rank returns."""
        todo, leaves = [] if root == _NO_PAGE else [_Page(root)], None
        while todo:
            page = todo.pop()
            kind, nodes = self._nodes(page.pgno)
            self._check_order(page, kind, [rank(node.key) for node in nodes])
            if kind == _BRANCH:
                todo += reversed(self._children(page, nodes, rank))
                continue
            if page.depth != (leaves := page.depth if leaves is None else leaves):
                raise self._damaged(page.pgno, "is not as deep in the tree as others")
            for node in nodes:
                yield node.key, self._value(page.pgno, node)

    def _nodes(self, pgno: int) -> tuple[int, list[_Node]]:
        """Return the kind of a page and its entries."""
        at, order = self._visit(pgno), self._meta.order
        number, _, kind, lower, upper = unpack_from(order + "QHHHH", self._data, at)
        if number != pgno or kind not in (_BRANCH, _LEAF):
            raise self._damaged(pgno, "is not a page of the tree")
        if not PAGE_HEADER < lower <= upper <= self._meta.pagesize or lower % 2:
            raise self._damaged(pgno, "has wrong bounds")
        places = unpack_from(f"{order}{(lower - PAGE_HEADER) // 2}H", self._data, at + PAGE_HEADER)
        if min(places) < upper or max(places) > self._meta.pagesize - _NODE_HEADER:
            raise self._damaged(pgno, "has a node out of bounds")
        nodes = [self._node(at + place) for place in places]
        if max(node.at for node in nodes) > at + self._meta.pagesize:
            raise self._damaged(pgno, "has a key out of bounds")
        return kind, nodes

    def _node(self, at: int) -> _Node:
        low, high, flags, key_size = unpack_from(self._meta.order + "4H", self._data, at)
        if self._meta.order == ">":  # mn_lo and mn_hi change places
            low, high = high, low
        start = at + _NODE_HEADER
        return _Node(start + key_size, low, high, flags, self._data[start : start + key_size])

    def _check_order(self, page: _Page, kind: int, keys: list[bytes]) -> None:
        """Refuse keys that liblmdb would not find; the first of a branch page stands for none."""
        if kind == _BRANCH:
            keys = keys[1:]
        if not keys or not keys[0]:
            raise self._damaged(page.pgno, "has too few keys, or an empty one")
        is_within = page.low <= keys[0] and (page.high is None or keys[-1] < page.high)
        if not is_within or not all(map(lt, keys, keys[1:])):
            raise self._damaged(page.pgno, "has keys out of order, which liblmdb does not find")

    def _children(self, page: _Page, nodes: list[_Node], rank: Callable[[bytes], bytes]) -> list[_Page]:
        lows = [page.low, *(rank(node.key) for node in nodes[1:])]
        highs = [*lows[1:], page.high]
        return [
            _Page(node.low | node.high << 16 | node.flags << 32, page.depth + 1, low, high)
            for node, low, high in zip(nodes, lows, highs, strict=True)
        ]

    def _value(self, pgno: int, node: _Node) -> bytes:
        start, size = node.at, node.low | node.high << 16
        if node.flags & ~_BIG:
            raise ForeignFormatError(self._subject, "holds named databases or several values under one key")
        if node.flags & _BIG:
            start = self._big(pgno, start, size)
        elif start + size > (pgno + 1) * self._meta.pagesize:
            raise self._damaged(pgno, "has a value out of bounds")
        return self._data[start : start + size]

    def _big(self, pgno: int, start: int, size: int) -> int:
        """Return where a value on pages of its own starts; they stay when a smaller one takes its place."""
        if start + 8 > (pgno + 1) * self._meta.pagesize:
            raise self._damaged(pgno, "has a value out of bounds")
        (first,) = unpack_from(self._meta.order + "Q", self._data, start)
        needed = (PAGE_HEADER - 1 + size) // self._meta.pagesize + 1
        at = self._visit(first)
        number, _, kind, pages = unpack_from(self._meta.order + "QHHI", self._data, at)
        if number != first or kind != _OVERFLOW or pages < needed:
            raise self._damaged(first, f"is not the value that page {pgno} points to")
        if pages > 1:
            self._visit(first + 1, pages - 1)
        return at + PAGE_HEADER

    def _check_free(self, lists: list[bytes]) -> None:
        """Refuse lists of free pages that name pages in use: the next write would overwrite records."""
        listed = set(compress(count(), self.used))
        for ids in lists:
            length = unpack_from(self._meta.order + "Q", ids)[0] if len(ids) >= 8 else -1
            if not 8 <= 8 * (length + 1) <= len(ids):
                raise self._damaged(self._meta.free_root, "has a list of free pages that is cut off")
            pages = unpack_from(f"{self._meta.order}{length}Q", ids, 8)
            if not all(map(gt, pages, pages[1:])):
                raise self._damaged(self._meta.free_root, "has a list of free pages out of order")
            for pgno in pages:
                if not 1 < pgno <= self._meta.last_pgno or pgno in listed:
                    raise self._damaged(self._meta.free_root, f"lists page {pgno} as free, which it is not")
                listed.add(pgno)


def empty(map_size: int, pagesize: int = 4096) -> bytes:
    """Return a new file without records, in this machine's byte order."""
    return b"".join(_empty_meta(number, map_size, pagesize) for number in (0, 1))


def _empty_meta(number: int, map_size: int, pagesize: int) -> bytes:
    parts = (
        pack("=QHHI", number, 0, 8, 0),
        pack("=IIQQ", LMDB, 1, 0, map_size),
        pack("=IHHQQQQQ", pagesize, 8, 0, 0, 0, 0, 0, _NO_PAGE),
        pack("=IHHQQQQQ", 0, 0, 0, 0, 0, 0, 0, _NO_PAGE),
        pack("=QQ", 1, 0),
    )
    return b"".join(parts).ljust(pagesize, b"\0")
