"""Which format a database has, told from its first bytes, and which one this host's Cyrus SASL reads."""

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from struct import pack

from ..errors import DamagedFileError, ForeignFormatError, number_of
from ..systems import PLUGIN_DIRECTORIES
from . import magics


class Format(StrEnum):
    """A record file format; the value is its name on the command line."""

    BDB = "bdb"
    GDBM = "gdbm"
    LMDB = "lmdb"


HEAD_SIZE = 512
"""Bytes that :func:`identify` looks at."""

_OLD_BDB = "is a Berkeley DB 1.85 file (BSD ndbm), which holds no sasldb2 that this program can write"
_OLD_BDB_HINT = (
    "list its records with the host's own sasldblistusers2 and make a Berkeley DB, GDBM or LMDB file anew"
)
_BDB_MAGICS = (magics.BDB_HASH, magics.BDB_BTREE, magics.BDB_QUEUE, magics.BDB_HEAP)
_NUMBERS = (
    *((12, magic, Format.BDB) for magic in _BDB_MAGICS),
    *((0, magic, Format.GDBM) for magic in magics.GDBM_WIDE + magics.GDBM_NARROW),
    (magics.LMDB_AT, magics.LMDB, Format.LMDB),
)
_TABLE = tuple((at, pack(order + "I", magic), kind) for at, magic, kind in _NUMBERS for order in "<>")
_NARROW_LMDB = (
    "is an LMDB file of a 32-bit machine",
    "there run `mdb_dump -n FILE`, and here `mdb_load -n NEWFILE` on its output",
)
_FOREIGN = (
    (0, b"\x00\x06\x15\x61", _OLD_BDB, _OLD_BDB_HINT),
    (0, b"\x61\x15\x06\x00", _OLD_BDB, _OLD_BDB_HINT),
    (0, b"\x00\x05\x31\x62", "is a Berkeley DB 1.85 btree, not a sasldb2", None),
    (0, b"\x62\x31\x05\x00", "is a Berkeley DB 1.85 btree, not a sasldb2", None),
    *((12, pack(order + "I", magics.LMDB), *_NARROW_LMDB) for order in "<>"),
    (0, b"SQLite format 3\0", "is an SQLite database, not a sasldb2", None),
    (0, b"-----BEGIN", "is a PEM file, not a sasldb2", None),
)
_LIBRARIES = ((b"libdb-", Format.BDB), (b"libgdbm.so", Format.GDBM), (b"liblmdb.so", Format.LMDB))


def identify(head: bytes, subject: str) -> Format:
    """Return the format of a file.

    Args:
        head: its first HEAD_SIZE bytes, or all if it is shorter.
        subject: what error messages call it.
    """
    if not head:
        raise DamagedFileError(
            subject, "is empty (0 bytes)", "remove it, and adding an account makes it anew"
        )
    for at, magic, reason, hint in _FOREIGN:
        if head.startswith(magic, at):
            raise ForeignFormatError(subject, reason, hint)
    for at, magic, kind in _TABLE:
        if head[at : at + 4] == magic:
            return kind
    if len(head) < HEAD_SIZE:
        raise DamagedFileError(subject, f"has {number_of(len(head), 'byte')}, too few for any database")
    raise ForeignFormatError(
        subject, "is not a database that Cyrus SASL reads (no Berkeley DB, GDBM or LMDB magic)"
    )


def host_format(directories: Iterable[str] = PLUGIN_DIRECTORIES) -> Format | None:
    """Return the format that this host's ``sasldb`` plugin is linked to; None if there is no plugin.

    Args:
        directories: glob patterns, tried in order.
    """
    for path in _plugins("libsasldb.so", directories):
        if kind := _linked(path):
            return kind
    return None


def has_plugin(name: str, directories: Iterable[str] = PLUGIN_DIRECTORIES) -> bool:
    """Tell whether this host's Cyrus SASL has a plugin of this file name."""
    return any(_plugins(name, directories))


def _plugins(name: str, directories: Iterable[str]) -> Iterator[str]:
    from glob import glob

    for directory in directories:
        yield from sorted(glob(os.path.join(directory, f"{name}*")))


def _linked(path: str) -> Format | None:
    """Return the format whose library a plugin's bytes name; running it is not needed."""
    try:
        with open(path, "rb") as plugin:
            content = plugin.read()
    except OSError:
        return None
    return next((kind for name, kind in _LIBRARIES if name in content), None)
