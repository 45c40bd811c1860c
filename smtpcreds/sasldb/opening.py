"""From a path or URL to the store that fits what is there, or a new one."""

import os
import stat
from collections.abc import Mapping

from ..errors import ExistsError, ForeignFormatError, SmtpcredsError, UsageError, number_of
from ..files import disk, exclusive, exists, explained
from ..files.write import temporary_name
from ..postgres import is_url, parse_url, scheme_of
from .detect import HEAD_SIZE, Format, host_format, identify
from .limits import SQL
from .observed import Observed, foresee_locks, hold, made_as, observed
from .replace import PRIVATE, NewFile, Replacement, open_regular, read_whole, resolve, resolve_to_write, sweep
from .store import TIMEOUT, Codec, ReplacingStore, Store

REPLACED = (Format.BDB, Format.GDBM)
"""Formats that are replaced whole."""

_INJECTION = (
    "Cyrus SASL's sqlite3 engine allows a login without a password by SQL in the name: "
    "it escapes ' as \\', which SQLite does not understand"
)
_FILE_OR_POSTGRES = "keep the accounts in a file, or in postgresql://HOST/DATABASE"
_SERVED = "accounts are served from a sasldb file and from PostgreSQL; {} can only be imported from"
_BY_CSV = "export user and password as CSV, and import that file: sasl import, without --database"
_BY_LDIF = (
    "print the entries with ldapsearch -LLL or slapcat, and import that: sasl import, without --database"
)
REFUSED = {
    **dict.fromkeys(("sqlite", "sqlite3"), (ForeignFormatError, _INJECTION, _FILE_OR_POSTGRES)),
    **dict.fromkeys(("mysql", "mariadb"), (UsageError, _SERVED.format("MySQL and MariaDB"), _BY_CSV)),
    **dict.fromkeys(("ldap", "ldaps", "ldapi"), (UsageError, _SERVED.format("LDAP"), _BY_LDIF)),
}
"""Databases that Cyrus SASL's plugins would read and that accounts are not kept in, by scheme."""


def kind_of(path: str, new: Format | None) -> str:
    """Return what a database is, or would be made as: ``SQL`` for a URL, else a format.

    Args:
        path: of the database, or a URL.
        new: format of a new one; None is what this host's Cyrus SASL reads, else Berkeley DB.
    """
    if is_url(path):
        return SQL
    return (format_at(path) if exists(path) else None) or _format_of_new(new)


def format_at(path: str) -> Format | None:
    """Return the format of an existing database; None if there is no file.

    Raises:
        DamagedFileError, ForeignFormatError: it is none that can be read.
    """
    if is_url(path):
        _open_url(path, TIMEOUT)
        raise UsageError(path, "is not a database file, so it has no format", "name a file")
    if (made := made_as(path)) is not None:
        return made
    if disk().is_preview and not exists(path):
        return None
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
    origin: NewFile = PRIVATE,
    timeout: float = TIMEOUT,
) -> Observed:
    """Return the store for a database that exists or is to be made.

    Args:
        path: of the database; a symbolic link is followed. Or a ``postgresql://`` URL.
        new: format of a new one; None is what this host's Cyrus SASL reads, else Berkeley DB.
        origin: mode and owner of a new one.
        timeout: seconds to wait for locks.

    Raises:
        ForeignFormatError: the file exists and has another format than ``new``, or none that can be read.
        DamagedFileError, UnsafePathError, DeniedError, MissingInputError: as :func:`format_at`.
    """
    return observed(*_store(path, new, origin, timeout), origin.mode)


def _store(path: str, new: Format | None, origin: NewFile, timeout: float) -> tuple[Store, Format | None]:
    if is_url(path):
        return _open_url(path, timeout), None
    found = format_at(path)
    if found and new and found != new:
        raise ForeignFormatError(
            path, f"has format {found}, not {new}", "convert it, or leave the format away"
        )
    kind = found or _format_of_new(new)
    if kind == Format.LMDB:
        from .lmdb import LmdbStore

        return LmdbStore(path, origin=origin, timeout=timeout), kind
    return ReplacingStore(path, codec_of(kind), origin=origin, timeout=timeout), kind


def _format_of_new(wanted: Format | None) -> Format:
    return wanted or host_format() or Format.BDB


def codec_of(kind: Format) -> Codec:
    """Return the codec of a format that is replaced whole."""
    if kind is Format.GDBM:
        from . import gdbm

        return gdbm
    from . import bdb

    return bdb


def refuse_url(url: str) -> None:
    """Raise for a database that Cyrus SASL would read and that no accounts should be kept in."""
    scheme = scheme_of(url)
    if scheme in REFUSED:
        kind, reason, hint = REFUSED[scheme]
        raise kind(f"{scheme}:", reason, hint)


def _open_url(url: str, timeout: float) -> Store:
    from .sql import PostgresStore

    refuse_url(url)
    return PostgresStore(parse_url(url), timeout=timeout)


# A whole new database in any format: made under another name, given its own when it is complete.


def create(path: str, kind: Format, records: Mapping[bytes, bytes], like: str | NewFile) -> None:
    """Make a database with exactly these records.

    Args:
        path: of the new file; its directory exists.
        kind: its format.
        records: what to write.
        like: the file to take owner, mode, ACL and other attributes from; or owner and mode alone.

    Raises:
        ExistsError: something has the name already.
    """
    target = resolve_to_write(path)
    mode = like.mode if isinstance(like, NewFile) else stat.S_IMODE(os.stat(resolve(like)).st_mode)
    disk().note("write", path, mode, f"{number_of(len(records), 'record')} as {kind}")
    if disk().is_preview:
        foresee_locks(path, kind, mode)
        hold(path, records, kind)
        return
    with exclusive(target + ".lock", TIMEOUT):
        sweep(target)
        _create(target, path, kind, records, like)


def _create(
    target: str, path: str, kind: Format, records: Mapping[bytes, bytes], like: str | NewFile
) -> None:
    content = _lmdb(target, records) if kind is Format.LMDB else codec_of(kind).encode(records, subject=path)
    origin, old = (like, None) if isinstance(like, NewFile) else (PRIVATE, open_regular(resolve(like)))
    try:
        with Replacement(target) as new:
            new.prepare(content, old, origin)
            if kind is Format.LMDB:
                from . import lmdb_lock

                lmdb_lock.prepare(target, new.descriptor)  # before the name: its readers need both
            if not new.install(None):
                raise ExistsError(path, "was made meanwhile by somebody else and was not changed")
    finally:
        if old is not None:
            os.close(old)


def _lmdb(target: str, records: Mapping[bytes, bytes]) -> bytes:
    """Return what liblmdb makes of the records, in a directory that nobody else can enter."""
    from .lmdb import LmdbStore

    private = temporary_name(target)
    with explained(target):
        os.mkdir(private, 0o700)
    try:
        path = os.path.join(private, "data")
        LmdbStore(path).apply(lambda _: dict(records))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_whole(descriptor)[0]
        finally:
            os.close(descriptor)
    except SmtpcredsError as error:
        raise type(error)(target, error.reason, error.hint) from error
    finally:
        sweep(target)
