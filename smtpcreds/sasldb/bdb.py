"""Berkeley DB hash files as a codec of the store."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from io import BytesIO
from itertools import accumulate, chain, repeat
from operator import add, itemgetter, sub
from struct import Struct, pack, unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, InexpressibleError
from .bdb_read import (
    CHARKEY,
    KEYDATA,
    META_PAGE,
    OFF_PAGE,
    OVERFLOW_PAGE,
    PAGE_HEADER,
    SALVAGE,
    SORTED_PAGE,
    VERSION,
    Meta,
    are_placed,
    are_sorted_in_pages,
    hashed,
    hashed_together,
    is_prefixed,
    order,
    read_meta,
)
from .bdb_read import (
    decode as decode_whole,
)
from .magics import BDB_HASH

# Write a Berkeley DB hash file of version 9 from nothing, so that no byte of older content can be in it.
#
# Layout: page 0 the metadata; a power of two of buckets, bucket b on page b + 1; behind them the further
# pages of full buckets and of long values. libdb opens and edits such files like its own.

PAGE_SIZE = 4096
"""What libdb takes on file systems with 4096-byte blocks."""
_FILL = 0.75
"""Share of a bucket's page that is used on average; leaves room for uneven buckets."""
_PAIR_OVERHEAD = 2 * (2 + 1)
_NOT_LOGGED = (0, 1)
_HEADER = Struct("<5I2H2B")


def encode(
    records: Mapping[bytes, bytes], *, pagesize: int = PAGE_SIZE, subject: str = "Berkeley DB file"
) -> bytes:
    """Return the file that holds exactly these records; the same records give the same bytes."""
    limit = pagesize // 4
    if (longest := max(map(len, records), default=0)) > limit:
        raise InexpressibleError(subject, f"can't hold a key of {longest} bytes; at most {limit} fit")
    buckets = _distribute(records, pagesize)
    spill = Spill(pagesize, first=len(buckets) + 1)
    file = BytesIO(bytes(pagesize))
    file.seek(pagesize)
    firsts: list[bytes] = []
    for number, bucket in enumerate(buckets, 1):
        keys = bucket[::2]
        file.write(spill.bucket(number, keys, dict(zip(keys, bucket[1::2], strict=True))))
        firsts += keys[:1]
        bucket.clear()  # of a million records
    file.writelines(spill.pages)
    identity = file_id(firsts)
    file.seek(0)
    file.write(meta(len(buckets), spill.next - 1, len(records), pagesize, identity))
    return file.getvalue()


def _distribute(records: Mapping[bytes, bytes], pagesize: int) -> list[list[bytes]]:
    """Spread the records over buckets by the low bits of their key's hash; keys and values in turn.

    To look a million of them up again would cost as much as all the rest: no cache holds so many.
    """
    size = sum(map(len, records)) + sum(map(len, records.values()))
    buckets: list[list[bytes]] = [[] for _ in range(bucket_count(size, len(records), pagesize))]
    items = iter(records.items())
    for _, hashes in hashed_together(records, (len(buckets) - 1).bit_length()):
        for bucket, pair in zip(map(buckets.__getitem__, hashes), items, strict=False):
            bucket += pair
    return buckets


def bucket_count(size: int, records: int, pagesize: int) -> int:
    """Return how many buckets a file has, a power of two; ``size`` is of all keys and values together."""
    room = (pagesize - PAGE_HEADER) * _FILL
    wanted = max(2, int((size + _PAIR_OVERHEAD * records) / room) + 1)
    return 1 << (wanted - 1).bit_length()


class Spill:
    """The pages behind the buckets, numbered as they are made."""

    def __init__(self, pagesize: int, first: int) -> None:
        self._pagesize, self.next = pagesize, first
        self._room, self._limit = pagesize - PAGE_HEADER, pagesize // 4
        self.pages: list[bytes] = []

    def bucket(self, pgno: int, keys: list[bytes], records: Mapping[bytes, bytes]) -> bytes:
        """Return a bucket's first page; further ones are appended."""
        keys.sort()
        if is_prefixed(keys):
            keys.sort(key=order)
        items = [b""] * (2 * len(keys))
        items[::2], items[1::2] = keys, map(records.__getitem__, keys)
        if page := self._plain_page(pgno, items):
            return page
        first, *others = self._fill(keys, records)
        page = self._hash_page(pgno, 0, self.next if others else 0, first)
        previous = pgno
        for number, items in enumerate(others, 1):
            following = self.next + 1 if number < len(others) else 0
            self.pages.append(self._hash_page(self.next, previous, following, items))
            previous, self.next = self.next, self.next + 1
        return page

    def _plain_page(self, pgno: int, items: list[bytes]) -> bytes | None:
        """Return the only page of a bucket; None where the items need more."""
        if max(map(len, items), default=0) > self._limit:
            return None
        sizes = map(add, map(len, items), repeat(len(_MARK)))
        _, *offsets = accumulate(sizes, sub, initial=self._pagesize)
        lowest = offsets[-1] if offsets else self._pagesize
        free = lowest - PAGE_HEADER - 2 * len(items)
        if free < 0:
            return None
        head = _HEADER.pack(*_NOT_LOGGED, pgno, 0, 0, len(items), lowest & 0xFFFF, 0, SORTED_PAGE)
        offset = pack(f"<{len(items)}H", *offsets)
        return b"".join((head, offset, bytes(free), _MARK if items else b"", _MARK.join(items[::-1])))

    def _fill(self, keys: list[bytes], records: Mapping[bytes, bytes]) -> list[list[bytes]]:
        """Return the items of each page, in order, keys and values in turn."""
        items: list[bytes] = []
        filled = [items]
        room, limit = self._room, self._limit
        for key in keys:
            value = records[key]
            item = b"\x01" + value if len(value) <= limit else self._off_page(value)
            room -= len(key) + len(item) + 5
            if room < 0:
                items, room = [], self._room - (len(key) + len(item) + 5)
                filled.append(items)
            items += (b"\x01" + key, item)
        return filled

    def _hash_page(self, pgno: int, previous: int, following: int, items: list[bytes]) -> bytes:
        offsets = [self._pagesize - used for used in accumulate(map(len, items))]
        lowest = offsets[-1] if offsets else self._pagesize
        kind, offset = SORTED_PAGE, lowest & 0xFFFF  # 65536 is written as 0 by libdb, too
        head = _HEADER.pack(*_NOT_LOGGED, pgno, previous, following, len(items), offset, 0, kind)
        head += pack(f"<{len(offsets)}H", *offsets)
        return head + bytes(lowest - len(head)) + b"".join(reversed(items))

    def _off_page(self, value: bytes) -> bytes:
        """Put a value on pages of its own and return the item that points there."""
        first, last = self.next, self.next + (len(value) - 1) // self._room
        self.next = last + 1
        for number in range(first, self.next):
            start = (number - first) * self._room
            back, following = number - 1 if start else 0, number + 1 if number < last else 0
            self.pages.append(self._overflow_page(number, back, following, value[start : start + self._room]))
        return pack("<B3x2I", OFF_PAGE, first, len(value))

    def _overflow_page(self, pgno: int, previous: int, following: int, piece: bytes) -> bytes:
        kind = OVERFLOW_PAGE
        head = _HEADER.pack(*_NOT_LOGGED, pgno, previous, following, 1, len(piece), 0, kind)
        return (head + piece).ljust(self._pagesize, b"\0")


def file_id(firsts: Iterable[bytes]) -> bytes:
    """Return 20 bytes that tell the files which one process opens apart; they hold nothing of the values.

    Args:
        firsts: the first key of each bucket that has one.
    """
    try:
        from _blake2 import blake2b  # hashlib loads OpenSSL first, 3 ms
    except ImportError:
        from hashlib import blake2b

    return blake2b(b"".join(firsts), digest_size=20).digest()


def meta(buckets: int, last_pgno: int, records: int, pagesize: int, identity: bytes) -> bytes:
    """Return page 0."""
    levels = buckets.bit_length()
    parts = (
        pack("<7I", *_NOT_LOGGED, 0, BDB_HASH, VERSION, pagesize, META_PAGE << 8),
        pack("<6I", 0, last_pgno, 0, 0, 0, 0),
        identity,
        pack("<6I", buckets - 1, buckets - 1, buckets // 2 - 1, 0, records, CHARKEY),
        pack("<32I", *[1] * levels, *[0] * (32 - levels)),
    )
    return b"".join(parts).ljust(pagesize, b"\0")


# A Berkeley DB file just as :func:`encode` lays it out, read and changed page by page.
#
# Such a file holds nothing but its records: what its pages do not use is zero, and no page is free. So the
# new file is the old one with other pages in the place of the changed buckets, and no byte of an old secret
# can be left. :func:`look` tells such files from others, which are read and written whole.

Edits = Mapping[bytes, bytes | None]

_PAGE = Struct(f"<5I2H2B{PAGE_SIZE - PAGE_HEADER}x")
_ZEROS = bytes(PAGE_SIZE)
_LIMIT = PAGE_SIZE // 4
_MARK = bytes((KEYDATA,))
_AT_ONCE = 40
"""Pages that are read together: about as many keys as are hashed side by side, few enough for a cache."""
_FEW = 16
"""More edits than this are made by writing the file whole."""


def look(data: bytes, *, subject: str = "Berkeley DB file") -> Mapping[bytes, bytes]:
    """Return all records of the file; :func:`decode` says what is raised."""
    pages = _clean_pages(data, read_meta(data, subject))
    return decode_whole(data, subject=subject) if pages is None else CleanFile(data, subject, pages)


def decode(data: bytes, *, subject: str = "Berkeley DB file") -> dict[bytes, bytes]:
    """Return all records of the file; see :func:`.bdb_read.decode`."""
    return dict(look(data, subject=subject).items())


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
    if (log_file, log_at, pgno, level, kind) != (0, 1, number, 0, SORTED_PAGE):
        return False
    return not previous if number <= buckets else previous < number == following[previous]


def _is_tidy(data: bytes, number: int, entries: int, lowest: int) -> bool:
    """Tell whether a page's items lie one behind the other up to its end, and nothing else is in it."""
    at, free = number * PAGE_SIZE, PAGE_HEADER + 2 * entries
    if entries % 2 or not free <= lowest <= PAGE_SIZE:
        return False
    edges = (PAGE_SIZE, *unpack_from(f"<{entries}H", data, at + PAGE_HEADER))
    return (
        edges[-1] == lowest
        and len({*edges}) == len(edges)
        and [*edges] == sorted(edges, reverse=True)
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
        """Return the keys that begin so; the other ones are not read."""
        found, item = [], bytes((KEYDATA,)) + prefix
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

    def runs(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Give keys and values of all pages, of some at a time; each is looked at as :func:`decode` does.

        A key that comes twice, on two pages of a bucket, goes unseen.
        """
        owners = self._owners()
        for first in range(1, len(owners), _AT_ONCE):
            keys: list[bytes] = []
            values: list[bytes] = []
            counts = []
            for number in range(first, min(first + _AT_ONCE, len(owners))):
                found = _items(self._data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])
                if found is None:
                    raise self._damage()
                keys += found[0]
                values += found[1]
                counts.append(len(found[0]))
            if not are_sorted_in_pages(keys, counts):
                raise self._damage()
            buckets = [*chain.from_iterable(map(repeat, owners[first : first + _AT_ONCE], counts))]
            if not are_placed(keys, buckets, self._pages.buckets.bit_length() - 1):
                raise self._damage()
            yield keys, values

    def holds(self, records: Mapping[bytes, bytes]) -> bool:
        """Tell whether these are the records, without having all of them in memory once more."""
        if len(self) != len(records) or self._repeats():
            return False
        return all([*map(records.get, keys)] == values for keys, values in self.runs())

    def _repeats(self) -> bool:
        """Tell whether a key comes twice in a bucket of several pages."""
        return any(
            self._counted(number) != len(self._bucket(number) or ())
            for number in range(1, self._pages.buckets + 1)
            if self._pages.following[number]
        )

    def _counted(self, number: int) -> int:
        """Return how many records a bucket has on its pages."""
        count = 0
        while number:
            count += unpack_from("<H", self._data, number * PAGE_SIZE + 20)[0] // 2
            number = self._pages.following[number]
        return count

    def _owners(self) -> list[int]:
        """Return the bucket of each page."""
        following = self._pages.following
        owners = [*range(-1, len(following) - 1)]
        for number, behind in enumerate(following):  # which is always further on
            if behind:
                owners[behind] = owners[number]
        return owners

    def _damage(self) -> DamagedFileError:
        """Raise what names the page."""
        decode_whole(self._data, subject=self._subject)
        return DamagedFileError(self._subject, "contradicts itself", SALVAGE)

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
            whole: dict[bytes, bytes] = {}
            for keys, values in self.runs():
                whole.update(zip(keys, values, strict=True))
            if len(whole) != len(self):
                raise self._damage()
            self._whole = whole
        return self._whole

    def _numbers(self, keys: Iterable[bytes]) -> list[int]:
        """Return the first page of each key's bucket."""
        wanted = list(keys)
        hashes = dict(hashed(wanted, self._pages.buckets.bit_length()))
        return [(hashes[key] & (self._pages.buckets - 1)) + 1 for key in wanted]

    def _bucket(self, number: int) -> dict[bytes, bytes] | None:
        """Return the records of a bucket; None where an item is not on its page."""
        held: dict[bytes, bytes] = {}
        while number:
            if not _take(self._data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE], held):
                return None
            number = self._pages.following[number]
        return held


def _items(page: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """Return keys and values of a tidy page, split at their marks; None where an item is not on it.

    Where a key or value holds that octet, too, they are taken one by one.
    """
    edges = _edges(page)[1:]
    if not edges:
        return [], []
    pieces = page[edges[-1] :].split(_MARK)
    if len(pieces) == len(edges) + 1 and {*itemgetter(*edges)(page)} == {KEYDATA}:
        return pieces[:0:-2], pieces[-2::-2]
    found: dict[bytes, bytes] = {}
    return ([*found], [*found.values()]) if _take(page, found) else None


def _take(page: bytes, found: dict[bytes, bytes]) -> bool:
    """Add the records of a tidy page; False where an item is not on it."""
    end, *edges = _edges(page)
    pairs = iter(edges)
    for at, low in zip(pairs, pairs, strict=True):
        if not page[at] == page[low] == KEYDATA:
            return False
        found[page[at + 1 : end]] = page[low + 1 : at]
        end = low
    return True


def _edges(page: bytes) -> tuple[int, ...]:
    """Return the page's end and where each item begins, downwards; keys and values in turn."""
    (entries,) = unpack_from("<H", page, 20)
    return (PAGE_SIZE, *unpack_from(f"<{entries}H", page, PAGE_HEADER))


def _edges_first(page: bytes) -> int:
    first: int = unpack_from("<H", page, PAGE_HEADER)[0]
    return first


def holds(data: bytes, records: Mapping[bytes, bytes], *, subject: str = "Berkeley DB file") -> bool:
    """Tell whether a file holds exactly these records; each is looked at as :func:`decode` does."""
    found = look(data, subject=subject)
    return found.holds(records) if isinstance(found, CleanFile) else found == records


LOCKED = False
"""Cyrus SASL takes no lock on these files."""
