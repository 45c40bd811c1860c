"""The seam to SQLite: opening, migrating, transactions. Nothing here knows what the rows mean."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError, ForeignFormatError, MissingInputError, StateVersionError, WriteError
from .faults import damaged, translated
from .schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[object]


class Database:
    """One connection, used by one thread."""

    def __init__(self, connection: "sqlite3.Connection", path: str) -> None:
        self._connection = connection
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it; inner ones are savepoints."""
        inner = self._connection.in_transaction
        self.write("SAVEPOINT deed" if inner else "BEGIN IMMEDIATE")
        try:
            yield
            self._verify_open()
            self.write("RELEASE deed" if inner else "COMMIT")
        except BaseException:
            self._undo(inner=inner)
            raise

    def _verify_open(self) -> None:
        if (
            not self._connection.in_transaction
        ):  # a full disk may end all of it (sqlite.org/lang_transaction.html)
            raise WriteError(self._path, "an earlier error ended the transaction; nothing was changed")

    def _undo(self, *, inner: bool) -> None:
        if not self._connection.in_transaction:
            return
        for statement in ("ROLLBACK TO deed", "RELEASE deed") if inner else ("ROLLBACK",):
            self.write(statement)

    def write(self, sql: str, values: Values = ()) -> int:
        """Run one statement inside the open transaction; return how many rows it changed."""
        with translated(self._path):
            return self._connection.execute(sql, values).rowcount

    def write_all(self, sql: str, rows: Iterator[Values]) -> int:
        """Run a statement for each row of values; return how many rows were changed in all."""
        with translated(self._path):
            return self._connection.executemany(sql, rows).rowcount

    def read(self, make: Callable[[Row], T], sql: str, values: Values = ()) -> Iterator[T]:
        """Yield rows as ``make`` parses them; the statement runs while they are consumed.

        Raises:
            DamagedFileError: a row that ``make`` can't parse.
        """
        with translated(self._path):
            cursor = self._connection.execute(sql, values)
            try:
                for row in cursor:
                    yield self._parsed(make, row)
            finally:
                cursor.close()

    def first(self, make: Callable[[Row], T], sql: str, values: Values = ()) -> T | None:
        """Return the first row or None."""
        return next(self.read(make, sql, values), None)

    def _parsed(self, make: Callable[[Row], T], row: Row) -> T:
        try:
            return make(row)
        except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise damaged(self._path, f"a row can't be read: {error}") from error


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
        _verify_version(path, _peek(path, timeout), read_only=read_only)
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


def _verify_version(path: str, version: int, *, read_only: bool) -> None:
    newest = len(MIGRATIONS)
    if version > newest:
        reason = f"is of version {version}; this smtpcreds reads up to version {newest}"
        raise StateVersionError(path, reason, "use the newer smtpcreds that wrote it")
    if version < 0:
        raise damaged(path, f"version {version}")
    if read_only and version == 0:
        raise MissingInputError(path, "the inventory is empty", "start with: smtpcreds ca init")
    if read_only and version < newest:
        reason = f"is of version {version} and has to be migrated to {newest}, which reading only can't do"
        raise ConfigError(path, reason, "run a command that writes, as the owner of the file")


def _readable(path: str) -> str:
    """Return the options with which the file can be read, also where nothing can be created beside it.

    SQLite reads beside a writer only through the -shm file (sqlite.org/wal.html section 6). Where that is not
    there, can't be made, and no transaction waits in the log, nobody is writing: it is taken as immutable.
    """
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
    with Database(connection, path).transaction():
        version = _number(connection, "PRAGMA user_version")
        _verify_version(path, version, read_only=False)  # another process may have migrated meanwhile
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
