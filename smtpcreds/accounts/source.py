"""From a file's name to the accounts in it."""

import os
import stat
from collections.abc import Iterator
from shlex import quote

from ..errors import DataError, UnsafePathError, UsageError
from ..files import explained, is_directory, is_file, read_private
from ..postgres import is_url
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import in_order, strays
from .readers import KINDS, Fault, Row, detect

SASLDB = "sasldb"
FORMATS = (*KINDS, SASLDB)
"""Names of the formats on the command line."""
MAX_TEXT = 1 << 30
"""Octets; a million hashed accounts are a quarter of it as lines of JSON."""


def accounts_of(path: str, kind: str | None) -> Iterator[Row | Fault]:
    """Read the accounts of a file, or of a database in PostgreSQL.

    Args:
        path: of the file, or a URL.
        kind: one of FORMATS; None to tell it from the content.

    Raises:
        UsageError: there is no such format; or a URL that can't be used, or is said to be a text.
        UnsafePathError: others may read it.
        MissingInputError, DataError, AmbiguousError: it is not there, empty, or of no certain format.
        DamagedFileError, ForeignFormatError: a database that can't be read.
    """
    _verify_kind(kind)
    if is_url(path):
        return _of_url(path, kind)
    if os.path.exists(path) and not (is_file(path) or is_directory(path)):
        reason = "is not a regular file"
        raise UnsafePathError(path, reason, "give a pipe as standard input: smtpcreds sasl import -")
    if kind == SASLDB or (kind is None and _is_sasldb(path)):
        _refuse_public(path)
        return _of_database(path)
    return accounts_in(read_private(path, MAX_TEXT), kind, path)


def accounts_in(content: bytes, kind: str | None, subject: str) -> Iterator[Row | Fault]:
    """Read the accounts of a text; see :func:`accounts_of`.

    Raises:
        UsageError: there is no such format.
        DataError: a database, which only a file can be, or nothing.
        AmbiguousError: the format can't be told.
    """
    _verify_kind(kind)
    if kind == SASLDB:
        raise DataError(subject, "a database is read from a file, not from standard input")
    return (KINDS[kind] if kind else detect(content, subject)).read(content)


def _verify_kind(kind: str | None) -> None:
    if kind is not None and kind not in FORMATS:
        raise UsageError(kind, f"is none of {', '.join(FORMATS)}")


def _is_sasldb(path: str) -> bool:
    try:
        return format_at(path) is not None
    except DataError:
        return False


def _of_url(url: str, kind: str | None) -> Iterator[Row | Fault]:
    open_store(url)
    if kind not in (None, SASLDB):
        raise UsageError("--as", f"says {kind}, and the source is PostgreSQL", "leave --as out")
    return _of_database(url)


def _refuse_public(path: str) -> None:
    """Accept a database that its server's group may read, but not everybody."""
    with explained(path):
        mode = os.stat(path).st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        reason = f"has mode {stat.S_IMODE(mode):04o}; everybody may use it"
        raise UnsafePathError(path, reason, f"chmod o-rwx {quote(path)}")


def _of_database(path: str) -> Iterator[Row | Fault]:
    records = open_store(path).load()
    for account, properties in in_order(records):
        where = f"account {ascii(str(account))[1:-1]}"
        if account.realm:
            yield Row(where, account.authcid, account.realm, properties)
        else:
            yield Fault(where, "has an empty realm")
    for key in strays(records):
        yield Fault("database", f"a record's key is no account's: {ascii(key)[2:-1]}")
