"""A Berkeley DB file just as :mod:`.bdb_write` lays it out, read and changed page by page.

Such a file holds nothing but its records: what its pages do not use is zero, and no page is free. So the new
file is the old one with other pages in the place of the changed buckets, and no byte of an old secret can be
left. :func:`look` tells such files from others, which are read and written whole.
"""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from operator import gt
from struct import Struct, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError
from . import bdb_layout as layout
from .bdb_meta import SALVAGE, Meta, read_meta
from .bdb_read import decode
from .bdb_write import PAGE_SIZE, Spill, bucket_count, file_id, meta

Edits = Mapping[bytes, bytes | None]

_PAGE = Struct(f"<5I2H2B{PAGE_SIZE - layout.PAGE_HEADER}x")
_ZEROS = bytes(PAGE_SIZE)
_LIMIT = PAGE_SIZE // 4
_FEW = 16
"""More edits than this are made by writing the file whole."""


def look(data: bytes, *, subject: str = "Berkeley DB file") -> Mapping[bytes, bytes]:
    """Return all records of the file; :func:`.bdb_read.decode` says what is raised."""
    pages = _clean_pages(data, read_meta(data, subject))
    return decode(data, subject=subject) if pages is None else CleanFile(data, subject, pages)


def amend(records: Mapping[bytes, bytes], edits: Edits) -> bytes | None:
    """Return what ``encode`` gives for the edited records; None where only writing it whole tells that."""
    return records.amended(edits) if isinstance(records, CleanFile) else None


class _Pages(NamedTuple):
    """Of a clean file: buckets, the page behind each page (0 for none), octets of items, records."""

    buckets: int
    following: list[int]
    size: int
    records: int


def _clean_pages(data: bytes, found: Meta) -> _Pages | None:
    """Return what is needed to find records, or None for a file that is not just as we would write it."""
    buckets, last = found.max_bucket + 1, found.last_pgno
    if found.pagesize != PAGE_SIZE or len(data) != (last + 1) * PAGE_SIZE:
        return None
    if not found.max_bucket or buckets & found.max_bucket:
        return None
    if data[:PAGE_SIZE] != meta(buckets, last, found.counted, PAGE_SIZE, data[52:72]):
        return None
    heads = list(_PAGE.iter_unpack(data))
    following = [head[4] for head in heads]
    following[0] = size = entries = 0
    for number, head in enumerate(heads[1:], 1):
        if not (_is_ours(number, head, buckets, following) and _is_tidy(data, number, head[5], head[6])):
            return None
        size, entries = size + PAGE_SIZE - head[6], entries + head[5]
    is_whole = entries == 2 * found.counted and last - buckets == len(following) - following.count(0)
    return _Pages(buckets, following, size, found.counted) if is_whole else None


def _is_ours(number: int, head: tuple[int, ...], buckets: int, following: list[int]) -> bool:
    """Tell whether a page is a bucket's first one, or the one that a page before it leads to."""
    log_file, log_at, pgno, previous, _, _, _, level, kind = head
    if (log_file, log_at, pgno, level, kind) != (0, 1, number, 0, layout.SORTED_PAGE):
        return False
    return not previous if number <= buckets else previous < number == following[previous]


def _is_tidy(data: bytes, number: int, entries: int, lowest: int) -> bool:
    """Tell whether a page's items lie one behind the other up to its end, and nothing else is in it."""
    at, free = number * PAGE_SIZE, layout.PAGE_HEADER + 2 * entries
    if entries % 2 or not free <= lowest <= PAGE_SIZE:
        return False
    edges = (PAGE_SIZE, *unpack_from(f"<{entries}H", data, at + layout.PAGE_HEADER))
    return (
        edges[-1] == lowest
        and all(map(gt, edges, edges[1:]))
        and data.startswith(_ZEROS[free:lowest], at + free)
    )


class CleanFile(Mapping[bytes, bytes]):
    """The records of a clean file; one of them costs a page, all of them the whole file, once."""

    def __init__(self, data: bytes, subject: str, pages: _Pages) -> None:
        self._data, self._subject, self._pages = data, subject, pages
        self._whole: dict[bytes, bytes] | None = None

    def __len__(self) -> int:
        return self._pages.records

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._all())

    def __getitem__(self, key: bytes) -> bytes:
        if self._whole is None and (held := self._bucket(*self._numbers([key]))) is not None:
            return held[key]
        return self._all()[key]

    def items(self) -> ItemsView[bytes, bytes]:
        """Return keys and values."""
        return self._all().items()

    def values(self) -> ValuesView[bytes]:
        """Return the values."""
        return self._all().values()

    def starting(self, prefix: bytes) -> list[bytes]:
        """Return the keys that begin so; the other ones are not read.

        Raises:
            DamagedFileError: one of them is not where its hash says.
        """
        found, item = [], bytes((layout.KEYDATA,)) + prefix
        at = self._data.find(item)
        while at >= 0:
            start = at - at % PAGE_SIZE
            edges = _edges(self._data[start : start + PAGE_SIZE])
            if at - start in edges[1::2]:
                end = edges[edges.index(at - start) - 1]
                found.append(self._data[at + 1 : start + end])
            at = self._data.find(item, at + 1)
        if any(key not in self for key in found):
            raise DamagedFileError(self._subject, "has a key in another bucket than its own", SALVAGE)
        return found

    def amended(self, edits: Edits) -> bytes | None:
        """Return the file after the edits, or None where they touch more than single pages of few buckets."""
        if len(edits) > _FEW or any(len(item or b"") > _LIMIT for pair in edits.items() for item in pair):
            return None
        changed: dict[int, dict[bytes, bytes]] = {}
        for number, (key, value) in zip(self._numbers(edits), edits.items(), strict=True):
            held = changed[number] if number in changed else self._bucket(number)
            if held is None or self._pages.following[number]:
                return None
            changed[number] = {k: v for k, v in {**held, key: value}.items() if v is not None}
        return self._replaced(changed)

    def _replaced(self, changed: Mapping[int, dict[bytes, bytes]]) -> bytes | None:
        """Return the file with other records in some buckets; None if that needs more pages, or buckets."""
        pages, old = (
            [self._data[at : at + PAGE_SIZE] for at in range(0, len(self._data), PAGE_SIZE)],
            self._pages,
        )
        size, count, spill = old.size, old.records, Spill(PAGE_SIZE, first=len(pages))
        for number, held in changed.items():
            made = spill.bucket(number, list(held), held)
            before, after = _edges(pages[number]), _edges(made)
            size, count = size + before[-1] - after[-1], count + (len(after) - len(before)) // 2
            pages[number] = made
        if spill.pages or bucket_count(size - 2 * count, count, PAGE_SIZE) != old.buckets:
            return None
        firsts = (page[_edges_first(page) + 1 :] for page in pages[1 : old.buckets + 1] if any(page[20:22]))
        pages[0] = meta(old.buckets, len(pages) - 1, count, PAGE_SIZE, file_id(firsts))
        return b"".join(pages)

    def _all(self) -> dict[bytes, bytes]:
        if self._whole is None:
            self._whole = self._plain() or decode(self._data, subject=self._subject)
        return self._whole

    def _plain(self) -> dict[bytes, bytes] | None:
        """Return all records of pages found tidy; None where there is more to say."""
        found: dict[bytes, bytes] = {}
        for start in range(PAGE_SIZE, len(self._data), PAGE_SIZE):
            if not _take(self._data[start : start + PAGE_SIZE], found):
                return None
        return found if len(found) == self._pages.records else None

    def _numbers(self, keys: Iterable[bytes]) -> list[int]:
        """Return the first page of each key's bucket."""
        wanted = list(keys)
        hashes = dict(layout.hashed(wanted))
        return [(hashes[key] & (self._pages.buckets - 1)) + 1 for key in wanted]

    def _bucket(self, number: int) -> dict[bytes, bytes] | None:
        """Return the records of a bucket; None where an item is not on its page."""
        held: dict[bytes, bytes] = {}
        while number:
            if not _take(self._data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE], held):
                return None
            number = self._pages.following[number]
        return held


def _take(page: bytes, found: dict[bytes, bytes]) -> bool:
    """Add the records of a tidy page; False where an item is not on it."""
    end, *edges = _edges(page)
    pairs = iter(edges)
    for at, low in zip(pairs, pairs, strict=True):
        if not page[at] == page[low] == layout.KEYDATA:
            return False
        found[page[at + 1 : end]] = page[low + 1 : at]
        end = low
    return True


def _edges(page: bytes) -> tuple[int, ...]:
    """Return the page's end and where each item begins, downwards; keys and values in turn."""
    (entries,) = unpack_from("<H", page, 20)
    return (PAGE_SIZE, *unpack_from(f"<{entries}H", page, layout.PAGE_HEADER))


def _edges_first(page: bytes) -> int:
    first: int = unpack_from("<H", page, layout.PAGE_HEADER)[0]
    return first
