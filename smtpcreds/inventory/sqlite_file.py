"""SQLite: opening, migrating, and what is its own."""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from ..errors import ForeignFormatError, WriteError
from ..files import disk
from .columns import text_of
from .database import Database, Dialect, verify_version
from .faults import damaged, translated
from .place import make_private, verify_private
from .schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    import sqlite3


@contextmanager
def sqlite_database(path: str, *, read_only: bool, timeout: float) -> Iterator[Database]:
    """Open the file at an absolute path, and make or migrate it unless reading only; see :func:`connect`."""
    if read_only:
        verify_private(path)
    else:
        make_private(path)
    with closing(connect(path, read_only=read_only, timeout=timeout)) as connection:
        yield Database(connection, path, SQLITE)


@contextmanager
def sqlite_preview(path: str, *, timeout: float) -> Iterator[Database]:
    """Give a copy in memory of the file at an absolute path, or of a new one; no file is touched."""
    import sqlite3

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection, translated(path):
        if os.path.lexists(path):
            verify_private(path)
            _accept(path, _peek(path, timeout), read_only=False)
            _copy(path, connection, timeout)
        else:
            disk().ensure_directory(os.path.dirname(path), 0o700, tighten=False)
            disk().note("write", path, 0o600)
        connection.execute("PRAGMA foreign_keys = ON")
        if _number(connection, "PRAGMA user_version") != len(MIGRATIONS):
            _migrate(connection, path)
        yield Database(connection, path, SQLITE)


def _copy(path: str, target: "sqlite3.Connection", timeout: float) -> None:
    """Copy the database of one moment, and leave no trace beside it.

    One at rest is read as immutable. Where a writer lives, or a killed one left its log, log and database are
    copied, twice if they changed meanwhile: only a reader that may write could use the log in its place.
    """
    if not _has_log(path):
        before = os.stat(path)
        with closing(_connect(path, "mode=ro&immutable=1", timeout)) as source:
            source.backup(target)
        after = os.stat(path)
        if not _has_log(path) and (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino):
            return
    from shutil import copyfile
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="smtpcreds-") as directory:
        while True:
            times = _times(path)
            for suffix in ("", "-wal"):
                if os.path.exists(path + suffix):
                    copyfile(path + suffix, f"{directory}/copy{suffix}")
            if _times(path) == times:
                break
        with closing(_connect(f"{directory}/copy", "mode=rw", timeout)) as source:
            source.backup(target)


def _times(path: str) -> list[int]:
    return [os.stat(name).st_mtime_ns for name in (path, f"{path}-wal") if os.path.exists(name)]


def _is_open(connection: "sqlite3.Connection") -> bool:
    return connection.in_transaction


def _verify(database: Database) -> None:
    verdict = database.first(text_of, "PRAGMA integrity_check(1)")
    if verdict != "ok":
        raise damaged(database.path, str(verdict))
    if database.first(text_of, "PRAGMA foreign_key_check"):
        raise damaged(database.path, "a certificate or CRL of an authority that is not there")


SQLITE = Dialect(
    begin=("BEGIN IMMEDIATE",),
    is_open=_is_open,
    is_sound=_is_open,
    native=str,
    translated=translated,
    damaged=damaged,
    alone=lambda _connection, _path: nullcontext(),
    verify=_verify,
)
"""A file belongs to one host, whose lock file is enough."""


def connect(path: str, *, read_only: bool, timeout: float) -> "sqlite3.Connection":
    """Open a verified path, at the newest version of the schema.

    Args:
        path: absolute; :func:`place.verify_private` has passed.
        read_only: change nothing.
        timeout: seconds to wait for other processes' transactions.

    Raises:
        StateVersionError: the file is of a newer version; its bytes are unchanged.
        ForeignFormatError: some other program's database; its bytes are unchanged.
        ConfigError: reading only, and the file is of an older version.
        MissingInputError: reading only, and nothing was ever recorded.
        DamagedFileError, LockHeldError, WriteError: as the names say.
    """
    with translated(path):
        _accept(path, _peek(path, timeout), read_only=read_only)
        connection = _connect(path, _readable(path) if read_only else "mode=rw", timeout)
        try:
            if read_only:
                connection.execute("PRAGMA query_only = ON")
            else:
                _prepare(connection, path, timeout)
        except BaseException:
            connection.close()
            raise
        return connection


def _connect(path: str, options: str, timeout: float) -> "sqlite3.Connection":
    import sqlite3

    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{name}?{options}", uri=True, timeout=timeout, isolation_level=None)


def _has_log(path: str) -> bool:
    """Tell whether transactions wait in the write-ahead log."""
    try:
        return os.path.getsize(path + "-wal") > 0
    except FileNotFoundError:
        return False


def _peek(path: str, timeout: float) -> int:
    """Return the version, creating no file beside a database of ours that is at rest.

    Raises:
        ForeignFormatError: tables of another program.
    """
    # a run that was killed while it made the file leaves a journal, which only a writer can roll back
    shared = "mode=rw" if os.path.exists(path + "-journal") else "mode=ro"
    at_rest = shared == "mode=ro" and not _has_log(path)
    with closing(_connect(path, "mode=ro&immutable=1" if at_rest else shared, timeout)) as look:
        if _number(look, "PRAGMA application_id") == APPLICATION_ID:
            return _number(look, "PRAGMA user_version")
    with closing(_connect(path, shared, timeout)) as look:
        return _version_of_ours(look, path)


def _version_of_ours(look: "sqlite3.Connection", path: str) -> int:
    look.execute("BEGIN")  # one moment for all three: another process may be creating it
    objects = _number(look, "SELECT count(*) FROM sqlite_master")
    if objects and _number(look, "PRAGMA application_id") != APPLICATION_ID:
        raise ForeignFormatError(path, "is a database of some other program", "move it out of the way")
    return _number(look, "PRAGMA user_version")


def _number(connection: "sqlite3.Connection", sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _accept(path: str, version: int, *, read_only: bool) -> None:
    if version < 0:
        raise damaged(path, f"version {version}")
    verify_version(path, version, newest=len(MIGRATIONS), read_only=read_only)


def _readable(path: str) -> str:
    """Return the options with which the file can be read, also where nothing can be created beside it.

    SQLite reads beside a writer only through the -shm file (sqlite.org/wal.html section 6). Where that is not
    there, can't be made, and no transaction waits in the log, nobody is writing: it is taken as immutable.
    """
    if disk().is_preview and not _has_log(path):
        return "mode=ro&immutable=1"
    may_create = os.access(os.path.dirname(path), os.W_OK)
    if may_create and os.access(path, os.W_OK):
        return "mode=rw"  # only who may write takes log and -shm file away, when it leaves as the last
    may_share = os.path.exists(path + "-shm") or may_create
    return "mode=ro" if may_share or _has_log(path) else "mode=ro&immutable=1"


def _prepare(connection: "sqlite3.Connection", path: str, timeout: float) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    _enter_wal(connection, path, timeout)
    connection.execute("PRAGMA synchronous = FULL")
    if _number(connection, "PRAGMA user_version") != len(MIGRATIONS):
        _migrate(connection, path)


def _enter_wal(connection: "sqlite3.Connection", path: str, timeout: float) -> None:
    """Switch to the write-ahead log; two processes that do so at once get SQLITE_BUSY without waiting."""
    import sqlite3

    deadline = time.monotonic() + timeout
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise WriteError(
            path, "this file system has no shared memory for a write-ahead log", "keep it on a local disk"
        )


def _migrate(connection: "sqlite3.Connection", path: str) -> None:
    with Database(connection, path, SQLITE).transaction():
        version = _number(connection, "PRAGMA user_version")
        _accept(path, version, read_only=False)  # another process may have migrated meanwhile
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    if version:
        disk().note("migrate", path)
