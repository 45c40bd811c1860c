"""Read a GDBM file (64-bit offsets, either byte order) through its directory of buckets."""

from dataclasses import dataclass
from struct import Struct, unpack_from

from ..errors import DamagedFileError, ForeignFormatError
from . import gdbm_layout as layout

_ELSEWHERE = "on the machine that wrote it run `gdbm_dump FILE` and load that here with `gdbm_load`"
SALVAGE = "restore it from a backup, or salvage what is left with `gdbmtool FILE recover`"


@dataclass(frozen=True, slots=True)
class _Header:
    """Places and sizes that the rest of the file is read by."""

    order: str
    directory: int
    directory_size: int
    bits: int
    bucket_size: int
    elements: int


def decode(data: bytes, *, subject: str = "GDBM file") -> dict[bytes, bytes]:
    """Return all records of the file.

    Args:
        data: the whole file.
        subject: what error messages call it.

    Raises:
        ForeignFormatError: not a GDBM file, or one with 32-bit offsets.
        DamagedFileError: content that contradicts itself.
    """
    header = _header(data, subject)
    directory = unpack_from(f"{header.order}{1 << header.bits}q", data, header.directory)
    addresses = dict.fromkeys(directory)
    if len(addresses) * header.bucket_size > len(data):
        raise DamagedFileError(
            subject, f"has a directory of {len(addresses)} buckets, more than fit", SALVAGE
        )
    reader = _Reader(data, header, directory, subject)
    for address in addresses:
        reader.bucket(address)
    reader.check_hashes()
    return reader.found


def _header(data: bytes, subject: str) -> _Header:
    if len(data) < layout.HEADER_SIZE:
        raise DamagedFileError(subject, f"is cut off after {len(data)} bytes of the header", SALVAGE)
    order = _byte_order(data, subject)
    fields = unpack_from(order + layout.HEADER, data)
    header = _Header(order, *fields[2:7])
    if not 0 <= header.bits < layout.MAX_BITS or header.directory_size != 8 << header.bits:
        raise DamagedFileError(subject, f"has a directory of {header.directory_size} bytes", SALVAGE)
    if not 0 < header.directory <= len(data) - header.directory_size:
        raise DamagedFileError(subject, "is cut off: its directory lies behind its end", SALVAGE)
    if header.elements == layout.elements_of(header.bucket_size, layout.PACKED_HEAD):
        raise ForeignFormatError(subject, "is a GDBM file of a 32-bit x86 machine", _ELSEWHERE)
    if header.bucket_size < layout.BUCKET_HEAD or header.elements != layout.elements_of(header.bucket_size):
        raise DamagedFileError(subject, f"has buckets of {header.bucket_size} bytes", SALVAGE)
    return header


def _byte_order(data: bytes, subject: str) -> str:
    for order in "<>":
        (magic,) = unpack_from(order + "I", data)
        if magic in layout.MAGICS:
            return order
        if magic in layout.NARROW_MAGICS:
            raise ForeignFormatError(subject, "is a GDBM file with 32-bit offsets", _ELSEWHERE)
    raise ForeignFormatError(subject, "is not a GDBM file")


class _Reader:
    """Takes the records of one bucket after the other; no more bytes than the file has."""

    def __init__(self, data: bytes, header: _Header, directory: tuple[int, ...], subject: str) -> None:
        self._data, self._header, self._subject = data, header, subject
        self._directory, self._shift = directory, layout.MAX_BITS - header.bits
        self._hashes: dict[bytes, int] = {}
        self._element = Struct(header.order + layout.ELEMENT)
        self._left = len(data)
        self.found: dict[bytes, bytes] = {}

    def bucket(self, address: int) -> None:
        size = self._header.bucket_size
        if not 0 < address <= len(self._data) - size:
            raise self._damaged(address, "lies outside the file")
        (count,) = unpack_from(self._header.order + "i", self._data, address + layout.BUCKET_BITS_AT + 4)
        before = len(self.found)
        start = address + layout.BUCKET_HEAD
        table = self._data[start : start + self._header.elements * layout.ELEMENT_SIZE]
        for value, beginning, place, key_size, data_size in self._element.iter_unpack(table):
            if value == -1:
                continue
            if value < 0 or self._directory[value >> self._shift] != address:
                raise self._damaged(address, "has a record that belongs to another one")
            key = self._take(address, place, key_size, data_size)
            if key[:4] != beginning[:key_size]:
                raise self._damaged(address, "has a key that begins otherwise than it says")
            self._hashes[key] = value
        if len(self.found) - before != count:
            raise self._damaged(address, f"counts {count} records and has others")

    def check_hashes(self) -> None:
        """Refuse keys that libgdbm would not find: they are not those that were hashed once."""
        signed = layout.host_signs_char()
        made = layout.hashes(self._hashes, signed_char=signed)
        wrong = [key for key, value in made if value != self._hashes[key]]
        for key in wrong:  # perhaps written where char has the other sign
            if layout.hashed(key, signed_char=not signed) != self._hashes[key]:
                raise DamagedFileError(
                    self._subject, "has a key that is not the one that was stored", SALVAGE
                )

    def _take(self, address: int, place: int, key_size: int, data_size: int) -> bytes:
        """Note a record and return its key."""
        self._left -= key_size + data_size
        end = place + key_size + data_size
        if min(place, key_size, data_size) < 0 or end > len(self._data) or self._left < 0:
            raise self._damaged(address, "has a record that lies outside the file")
        key = self._data[place : place + key_size]
        self.found[key] = self._data[place + key_size : end]
        return key

    def _damaged(self, address: int, what: str) -> DamagedFileError:
        return DamagedFileError(self._subject, f"the bucket at byte {address} {what}", SALVAGE)
