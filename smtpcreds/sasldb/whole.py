"""A whole new database in any format: made under another name, given its own when it is complete."""

import os
import stat
from collections.abc import Mapping

from ..errors import ExistsError, SmtpcredsError
from ..files import disk, exclusive, explained
from . import lmdbfile
from .detect import Format
from .observed import foresee_locks, hold
from .opening import codec_of
from .replace import PRIVATE, Origin, Replacement, open_regular, read_whole, resolve, sweep, temporary_name
from .store import TIMEOUT


def create(path: str, kind: Format, records: Mapping[bytes, bytes], like: str | Origin) -> None:
    """Make a database with exactly these records.

    Args:
        path: of the new file; its directory exists.
        kind: its format.
        records: what to write.
        like: the file to take owner, mode, ACL and other attributes from; or owner and mode alone.

    Raises:
        ExistsError: something has the name already.
        InexpressibleError: a key that the format can't hold.
        UnavailableError: LMDB, and the package ``lmdb`` is not installed.
        LockHeldError: another run writes this file.
        DeniedError, WriteError, MissingInputError: the system refused.
    """
    target = resolve(path)
    mode = like.mode if isinstance(like, Origin) else stat.S_IMODE(os.stat(resolve(like)).st_mode)
    disk().note("write", path, mode, f"{len(records)} records as {kind}")
    if disk().is_preview:
        foresee_locks(path, kind, mode)
        hold(path, records, kind)
        return
    with exclusive(target + ".lock", TIMEOUT):
        sweep(target)
        _create(target, path, kind, records, like)
    if kind is Format.LMDB:
        lmdbfile.LmdbStore(target).apply(lambda _: {})  # makes the lock file as its readers need it


def _create(target: str, path: str, kind: Format, records: Mapping[bytes, bytes], like: str | Origin) -> None:
    content = _lmdb(target, records) if kind is Format.LMDB else codec_of(kind).encode(records, subject=path)
    origin, old = (like, None) if isinstance(like, Origin) else (PRIVATE, open_regular(resolve(like)))
    try:
        with Replacement(target) as new:
            new.prepare(content, old, origin)
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
