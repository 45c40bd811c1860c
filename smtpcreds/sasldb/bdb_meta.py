"""The first page of a Berkeley DB hash file, checked against the file's size."""

from struct import unpack_from
from typing import NamedTuple

from ..errors import DamagedFileError, ForeignFormatError
from . import bdb_layout as layout

SALVAGE = "restore it from a backup, or salvage what is left with `db5.3_dump -r FILE | db5.3_load NEW`"
_OTHER_KINDS = {
    layout.BTREE_MAGIC: "a btree",
    layout.QUEUE_MAGIC: "a queue",
    layout.HEAP_MAGIC: "a heap",
}
_FLAGS = {
    2: "holds several databases in one file",
}


class Meta(NamedTuple):
    """What is needed to find the records.

    Attributes:
        order: ``<`` or ``>``, the byte order of every number in the file.
        pagesize: bytes of a page.
        last_pgno: number of the last page; the first is 0.
        max_bucket: number of the last bucket; the first is 0.
        counted: records that the last writer believed to be there.
        spares: what to add to a bucket's number to get its page, by the bit length of the bucket's number.
        header: bytes before the offsets of a page.
    """

    order: str
    pagesize: int
    last_pgno: int
    max_bucket: int
    counted: int
    spares: tuple[int, ...]
    header: int

    def page_of(self, bucket: int) -> int:
        """Return the number of a bucket's first page (``BUCKET_TO_PAGE`` in hash.h)."""
        return bucket + self.spares[bucket.bit_length()]


def read_meta(data: bytes, subject: str) -> Meta:
    """Parse page 0.

    Raises:
        ForeignFormatError: not a hash file that this version can read; the reason says which kind it is.
        DamagedFileError: truncated, or numbers that contradict the file's size.
    """
    if len(data) < layout.META_SIZE:
        raise DamagedFileError(subject, f"is cut off after {len(data)} bytes of the first page", SALVAGE)
    order = _byte_order(data, subject)
    (magic, version, pagesize) = unpack_from(order + "3I", data, 12)
    _check_kind(magic, version, data, subject)
    meta = Meta(
        order=order,
        pagesize=pagesize,
        last_pgno=unpack_from(order + "I", data, 32)[0],
        max_bucket=unpack_from(order + "I", data, 72)[0],
        counted=unpack_from(order + "I", data, 88)[0],
        spares=unpack_from(order + "32I", data, 96),
        header=layout.CHECKSUMMED_HEADER if data[26] & 1 else layout.PAGE_HEADER,
    )
    _check_content(data, meta, subject)
    return meta


def _byte_order(data: bytes, subject: str) -> str:
    for order in "<>":
        if unpack_from(order + "I", data, 12)[0] in {layout.HASH_MAGIC, *_OTHER_KINDS}:
            return order
    raise ForeignFormatError(subject, "is not a Berkeley DB file")


def _check_kind(magic: int, version: int, data: bytes, subject: str) -> None:
    if kind := _OTHER_KINDS.get(magic):
        raise ForeignFormatError(subject, f"is {kind} of Berkeley DB; Cyrus SASL reads only a hash")
    if version not in layout.READABLE_VERSIONS:
        hint = "convert it with `db5.3_upgrade`" if version < layout.READABLE_VERSIONS[0] else None
        raise ForeignFormatError(subject, f"is a Berkeley DB hash of version {version}, not 7, 8 or 9", hint)
    if data[24]:
        raise ForeignFormatError(subject, "is an encrypted Berkeley DB file, which Cyrus SASL can't open")


def _check_content(data: bytes, meta: Meta, subject: str) -> None:
    flags, charkey = unpack_from(meta.order + "I", data, 48)[0], unpack_from(meta.order + "I", data, 92)[0]
    for bit, reason in _FLAGS.items():
        if flags & bit:
            raise ForeignFormatError(subject, f"{reason}; Cyrus SASL reads only a single hash")
    if meta.pagesize not in layout.PAGE_SIZES:
        raise DamagedFileError(subject, f"page 0 gives a page size of {meta.pagesize} bytes", SALVAGE)
    needed = (meta.last_pgno + 1) * meta.pagesize
    if len(data) < needed or len(data) % meta.pagesize:
        raise DamagedFileError(subject, f"is cut off: {len(data)} bytes of {needed}", SALVAGE)
    if meta.max_bucket >= meta.last_pgno:
        raise DamagedFileError(
            subject, f"page 0 counts {meta.max_bucket + 1} buckets on {meta.last_pgno} pages", SALVAGE
        )
    if data[layout.TYPE_AT] != layout.META_PAGE or charkey != layout.CHARKEY:
        raise DamagedFileError(subject, "page 0 contradicts itself (page type or hash check)", SALVAGE)
