"""From a path to the store that fits the file there, or a new one."""

import os

from ..errors import ForeignFormatError
from ..files import explained
from . import bdb, gdbm
from .detect import HEAD_SIZE, Format, host_format, identify
from .lmdbfile import LmdbStore
from .replace import PRIVATE, Origin, open_regular, resolve
from .store import TIMEOUT, Codec, ReplacingStore, Store

CODECS: dict[Format, Codec] = {Format.BDB: bdb, Format.GDBM: gdbm}
"""Formats that are replaced whole."""


def format_at(path: str) -> Format | None:
    """Return the format of an existing database; None if there is no file.

    Raises:
        DamagedFileError, ForeignFormatError: it is none that can be read.
        UnsafePathError, DeniedError, MissingInputError: it can't be opened; or its directory can't.
    """
    descriptor = open_regular(resolve(path))
    if descriptor is None:
        return None
    try:
        with explained(path):
            head = os.pread(descriptor, HEAD_SIZE, 0)
    finally:
        os.close(descriptor)
    return identify(head, path)


def open_store(
    path: str,
    *,
    new: Format | None = None,
    origin: Origin = PRIVATE,
    timeout: float = TIMEOUT,
) -> Store:
    """Return the store for a database that exists or is to be made.

    Args:
        path: of the database; a symbolic link is followed.
        new: format of a new one; None is what this host's Cyrus SASL reads, else Berkeley DB.
        origin: mode and owner of a new one.
        timeout: seconds to wait for locks.

    Raises:
        ForeignFormatError: the file exists and has another format than ``new``, or none that can be read.
        DamagedFileError, UnsafePathError, DeniedError, MissingInputError: as :func:`format_at`.
    """
    found = format_at(path)
    if found and new and found != new:
        raise ForeignFormatError(
            path, f"has format {found}, not {new}", "convert it, or leave the format away"
        )
    kind = found or new or host_format() or Format.BDB
    if kind == Format.LMDB:
        return LmdbStore(path, origin=origin, timeout=timeout)
    return ReplacingStore(path, CODECS[kind], origin=origin, timeout=timeout)
