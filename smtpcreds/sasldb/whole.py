"""A whole new database in any format: made under another name, given its own when it is complete."""

import os
from collections.abc import Mapping

from ..errors import ExistsError, SmtpcredsError
from ..files import exclusive, explained
from . import lmdbfile
from .bdb_write import PAGE_SIZE
from .detect import Format
from .opening import codec_of
from .replace import PRIVATE, Replacement, open_regular, read_whole, resolve, sweep, temporary_name
from .store import TIMEOUT

_MAX_KEY = {Format.BDB: PAGE_SIZE // 4, Format.LMDB: lmdbfile.MAX_KEY}


def fits(kind: Format, key: bytes) -> bool:
    """Tell whether the format can hold the key."""
    return len(key) <= _MAX_KEY.get(kind, len(key)) and (kind is not Format.LMDB or bool(key))


def create(path: str, kind: Format, records: Mapping[bytes, bytes], like: str) -> None:
    """Make a database with exactly these records, and owner, mode, ACL and other attributes of another file.

    Args:
        path: of the new file; its directory exists.
        kind: its format.
        records: what to write.
        like: the file to take the rest from.

    Raises:
        ExistsError: something has the name already.
        InexpressibleError: a key that the format can't hold.
        UnavailableError: LMDB, and the package ``lmdb`` is not installed.
        LockHeldError: another run writes this file.
        DeniedError, WriteError, MissingInputError: the system refused.
    """
    target = resolve(path)
    with exclusive(target + ".lock", TIMEOUT):
        sweep(target)
        _create(target, path, kind, records, like)
    if kind is Format.LMDB:
        lmdbfile.LmdbStore(target).apply(lambda _: {})  # makes the lock file as its readers need it


def _create(target: str, path: str, kind: Format, records: Mapping[bytes, bytes], like: str) -> None:
    content = _lmdb(target, records) if kind is Format.LMDB else codec_of(kind).encode(records, subject=path)
    old = open_regular(resolve(like))
    try:
        with Replacement(target) as new:
            new.prepare(content, old, PRIVATE)
            if not new.install(None):
                raise ExistsError(path, "was made meanwhile by somebody else and was left alone")
    finally:
        if old is not None:
            os.close(old)


def _lmdb(target: str, records: Mapping[bytes, bytes]) -> bytes:
    """Return what liblmdb makes of the records, in a directory that nobody else can enter."""
    private = temporary_name(target)
    with explained(target):
        os.mkdir(private, 0o700)
    try:
        path = os.path.join(private, "data")
        lmdbfile.LmdbStore(path).apply(lambda _: dict(records))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_whole(descriptor)[0]
        finally:
            os.close(descriptor)
    except SmtpcredsError as error:
        raise type(error)(target, error.reason, error.hint) from error
    finally:
        sweep(target)
