"""SQLite: opening, migrating, and what is its own."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import (
    ConfigError,
    DamagedFileError,
    DataError,
    DeniedError,
    ExistsError,
    ForeignFormatError,
    InexpressibleError,
    LockHeldError,
    MissingInputError,
    SmtpcredsError,
    StateVersionError,
    WriteError,
)
from ..files import (
    check_directory,
    check_private,
    disk,
    ensure_directory,
    explained,
    flush_directories,
    status_at,
)
from ..lazy import dataclass
from ..shell import quote
from .chain import hashes
from .rows import text_of
from .schema import APPLICATION_ID, CHAIN_EVENTS, EVENT_CHAIN, MIGRATIONS, SET_HASH

if TYPE_CHECKING:
    import sqlite3


# The file before SQLite opens it: private from its first moment, and nobody else's.
#
# The database is never opened here once it exists: closing any descriptor of it would drop the POSIX locks
# that SQLite holds in the same process (sqlite.org/howtocorrupt.html section 2.2).

COMPANIONS = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite keeps beside a database."""


def make_private(path: str) -> None:
    """Create an empty file 0600 in a directory 0700 where there is none, then verify what is there."""
    directory = os.path.dirname(path)
    ensure_directory(directory, tighten=False)
    if status_at(path) is None:
        with explained(path):
            _make_file(path)
        flush_directories([directory])
        disk().note("write", path, 0o600)
    verify_private(path)


def verify_private(path: str) -> None:
    """Check the owner, kind and mode of a database, its companions and its directory."""
    if status_at(path) is None:
        raise MissingInputError(path, "there is no inventory", "start with: smtpcreds ca init")
    check_directory(os.path.dirname(path))
    for name in (path, *(path + suffix for suffix in COMPANIONS)):
        check_private(name)


def _make_file(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return  # another run made it in between
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# SQLite's result codes as errors of ours.

_SALVAGE = "restore it from a backup, or salvage what can be read: sqlite3 {path} .recover"
_WHO = "try again later; to see who holds it: fuser -v {path}"
_DAMAGED = (DamagedFileError, "is damaged ({message})", _SALVAGE)
_FULL = (WriteError, "the disk is full; nothing was changed", "make room in {directory}")

_PRIMARY = {
    1: _DAMAGED,  # SQLITE_ERROR: a table or column of ours is missing
    3: (DeniedError, "{message}", None),
    5: (LockHeldError, "is locked by another process", _WHO),
    6: (LockHeldError, "is locked by another process", _WHO),
    8: (WriteError, "can't be written: {message}", None),
    10: (WriteError, "{message}; nothing was changed", "look into the kernel's log for the disk"),
    11: _DAMAGED,
    13: _FULL,
    14: (WriteError, "{message}", "is {directory} there, and can this user write to it?"),
    19: (DataError, "the inventory can't hold this ({message})", None),
    23: (DeniedError, "{message}", None),
    26: _DAMAGED,
}
"""By primary result code (sqlite.org/rescode.html)."""

_EXTENDED = {
    787: (MissingInputError, "the inventory knows no such authority", "see: smtpcreds ca show"),
    1555: (ExistsError, "this is recorded already", None),
    2067: (ExistsError, "this is recorded already", None),
    4874: _FULL,  # SQLITE_IOERR_SHMSIZE: the -shm file can't grow
}
"""Of which more can be said than their primary code tells."""


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn what SQLite raises inside into errors about the file at this path."""
    import sqlite3

    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise InexpressibleError(path, f"can't hold this value: {error}") from error
    except UnicodeDecodeError as error:  # SQLite's message quotes the damaged text
        raise damaged(path, str(error)) from error
    except sqlite3.Error as error:
        known = _known(path, error)
        if known is None:
            raise
        raise known from error


def one_line(message: str) -> str:
    """Return text without line ends and other unprintable characters."""
    return "".join(character if character.isprintable() else " " for character in message)


def damaged(path: str, message: str) -> SmtpcredsError:
    """Return the error for content that contradicts itself."""
    return _filled(path, message, _DAMAGED)


def _known(path: str, error: "sqlite3.Error") -> SmtpcredsError | None:
    import sqlite3

    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module's own: OperationalError where a text is no UTF-8
        return damaged(path, str(error)) if type(error) is sqlite3.OperationalError else None
    row = _EXTENDED.get(code) or _PRIMARY.get(code & 0xFF)
    return _filled(path, str(error), row) if row else None


def _filled(path: str, message: str, row: tuple[type[SmtpcredsError], str, str | None]) -> SmtpcredsError:
    kind, reason, hint = row
    directory = quote(os.path.dirname(path))
    return kind(
        path,
        reason.format(message=one_line(message)),
        hint and hint.format(path=quote(path), directory=directory),
    )


# The seam to a database: statements and transactions. Nothing here knows what the rows mean.

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[object]


@dataclass(frozen=True)
class Dialect:
    """What differs between databases.

    Attributes:
        begin: statements that start a transaction which no other writer can enter.
        is_open: tell whether the connection is inside a transaction.
        is_sound: tell whether that transaction can be committed.
        native: a statement of :mod:`.schema` as this database reads it.
        translated: the context in which its errors become ours; takes the subject.
        damaged: the error for content that contradicts itself, from subject and message.
        alone: the lock of :meth:`.inventory.Inventory.alone`; takes connection and subject.
        verify: read everything, and raise for the first contradiction.
        snapshot: the database as the content of a file; None where it is no file.
    """

    begin: tuple[str, ...]
    is_open: Callable[[Any], bool]
    is_sound: Callable[[Any], bool]
    native: Callable[[str], str]
    translated: Callable[[str], AbstractContextManager[None]]
    damaged: Callable[[str, str], SmtpcredsError]
    alone: Callable[[Any, str], AbstractContextManager[None]]
    verify: Callable[["Database"], None]
    snapshot: Callable[[Any], bytes | None]


_DEEDS = {"INSERT": "added", "UPDATE": "changed", "DELETE": "deleted"}


class Database:
    """One connection, used by one thread.

    Args:
        connection: of the standard library's kind (PEP 249), each statement its own transaction.
        path: what messages call the database.
        dialect: what it understands.
    """

    def __init__(self, connection: Any, path: str, dialect: Dialect) -> None:
        self._connection = connection
        self.path = path
        self._dialect = dialect
        self._tally: Counter[tuple[str, str]] = Counter()

    def alone(self) -> AbstractContextManager[None]:
        """Keep other hosts from working with the database."""
        return nullcontext() if disk().is_preview else self._dialect.alone(self._connection, self.path)

    def note_changes(self) -> None:
        """Note for the run how many rows of which tables were added, changed and deleted."""
        tables: dict[str, list[str]] = {}
        for (table, deed), count in sorted(self._tally.items()):
            tables.setdefault(table, []).append(f"{count} {deed}")
        if tables:
            rows = "; ".join(f"{table}: {', '.join(deeds)}" for table, deeds in tables.items())
            disk().note("record in", self.path, note=rows)
        self._tally.clear()

    def verify(self) -> None:
        """Read everything, and raise DamagedFileError for the first contradiction."""
        self._dialect.verify(self)

    def snapshot(self) -> bytes | None:
        """Return all that is committed as the content of a database file; None where it is no file."""
        with self._dialect.translated(self.path):
            return self._dialect.snapshot(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it; inner ones are savepoints."""
        inner = self._dialect.is_open(self._connection)
        before = self._tally.copy()
        try:
            for statement in ("SAVEPOINT deed",) if inner else self._dialect.begin:
                self.write(statement)
            yield
            self._verify_open()
            self.write("RELEASE SAVEPOINT deed" if inner else "COMMIT")
        except BaseException:
            self._undo(inner=inner)
            self._tally = before
            raise

    def _verify_open(self) -> None:
        """Raise if an error was caught inside that ended all of it.

        On a full disk SQLite may roll back by itself (sqlite.org/lang_transaction.html); PostgreSQL answers a
        COMMIT after any error with a rollback.
        """
        if not self._dialect.is_sound(self._connection):
            raise WriteError(self.path, "an earlier error ended the transaction; nothing was changed")

    def _undo(self, *, inner: bool) -> None:
        if not self._dialect.is_open(self._connection):
            return
        for statement in ("ROLLBACK TO SAVEPOINT deed", "RELEASE SAVEPOINT deed") if inner else ("ROLLBACK",):
            self.write(statement)

    def write(self, sql: str, values: Values = ()) -> int:
        """Run one statement inside the open transaction; return how many rows it changed."""
        with self._dialect.translated(self.path):
            return self._counted(sql, self._connection.execute(self._dialect.native(sql), values).rowcount)

    def write_all(self, sql: str, rows: Iterator[Values]) -> int:
        """Run a statement for each row of values; return how many rows were changed in all."""
        with self._dialect.translated(self.path), closing(self._connection.cursor()) as cursor:
            cursor.executemany(self._dialect.native(sql), rows)
            return self._counted(sql, cursor.rowcount)

    def read(self, make: Callable[[Row], T], sql: str, values: Values = ()) -> Iterator[T]:
        """Yield rows as ``make`` parses them; the statement runs while they are consumed."""
        with self._dialect.translated(self.path):
            cursor = self._connection.execute(self._dialect.native(sql), values)
            try:
                for row in cursor:
                    yield self._parsed(make, row)
            finally:
                cursor.close()

    def first(self, make: Callable[[Row], T], sql: str, values: Values = ()) -> T | None:
        """Return the first row or None."""
        return next(self.read(make, sql, values), None)

    def _counted(self, sql: str, rows: int) -> int:
        deed, *words = sql.split(maxsplit=3)
        if deed in _DEEDS and rows > 0:
            table = words[0] if deed == "UPDATE" else words[1]
            self._tally[table, _DEEDS[deed]] += rows
        return rows

    def _parsed(self, make: Callable[[Row], T], row: Row) -> T:
        try:
            return make(row)
        except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise self._dialect.damaged(self.path, f"a row can't be read: {error}") from error


def migrate(database: Database, statements: Iterable[str]) -> None:
    """Lead the tables from one version to the next."""
    for statement in statements:
        if statement == CHAIN_EVENTS:
            database.write_all(SET_HASH, hashes(list(database.read(tuple, EVENT_CHAIN))))
        else:
            database.write(statement)


def verify_version(path: str, version: int, *, newest: int, read_only: bool) -> None:
    """Accept a version that can be worked with, or migrated and then worked with."""
    if version > newest:
        reason = f"is of version {version}; this smtpcreds reads up to version {newest}"
        raise StateVersionError(path, reason, "use the newer smtpcreds that wrote it")
    if read_only and version == 0:
        hint = "start with: smtpcreds ca init, or, where there is an authority: smtpcreds ca crl"
        raise MissingInputError(path, "the inventory is empty", hint)
    if read_only and version < newest:
        reason = f"is of version {version} and has to be migrated to {newest}, which reading only can't do"
        raise ConfigError(path, reason, "run a command that writes, as the owner of the inventory")


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
        if status_at(path) is not None:
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


def _snapshot(connection: "sqlite3.Connection") -> bytes:
    import sqlite3

    with closing(sqlite3.connect(":memory:")) as copy:
        connection.backup(copy)
        return copy.serialize()


_JOURNAL = slice(18, 20)
"""Versions of the file format: 2 is with a write-ahead log, 1 without (sqlite.org/fileformat2.html 1.3.3)."""


@contextmanager
def in_memory(content: bytes, subject: str) -> Iterator[Database]:
    """Give the content of a database file, at the newest version of the schema; no file is touched.

    Args:
        content: as :meth:`Database.snapshot` gives it; empty for a new database.
        subject: what messages call it.
    """
    import sqlite3

    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as connection,
        _without_hint(),
        translated(subject),
    ):
        if content:
            plain = bytearray(content)
            plain[_JOURNAL] = b"\1\1"  # a database in memory has no log
            connection.deserialize(bytes(plain))
        connection.execute("PRAGMA trusted_schema = OFF")
        version = _version_of_ours(connection, subject)
        _accept(subject, version, read_only=False)
        connection.rollback()
        _verify_schema(connection, subject, version)
        _migrated(connection, subject)
        yield Database(connection, subject, SQLITE)


@contextmanager
def _without_hint() -> Iterator[None]:
    """Take the hint from what is raised inside: nothing can be typed for a file that is in an archive."""
    try:
        yield
    except DamagedFileError as error:
        error.hint = None
        raise


def _verify_schema(connection: "sqlite3.Connection", subject: str, version: int) -> None:
    """Refuse tables, constraints and triggers by which a file could act by itself, before a row is changed.

    A conflict clause or a trigger drops a revocation without a word, or never ends.
    """
    import sqlite3

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as plain:
        database = Database(plain, subject, SQLITE)
        for statements in MIGRATIONS[:version]:
            migrate(database, statements)
        known, found = (set(one.execute(_SCHEMA)) for one in (plain, connection))
    if strange := sorted(known ^ found, key=str):
        kind, name, *_ = strange[0]
        raise DataError(subject, f"has another {kind} {name!a} than an inventory of smtpcreds")


_SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4')"
)


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
    snapshot=_snapshot,
)
"""A file belongs to one host, whose lock file is enough."""


def connect(path: str, *, read_only: bool, timeout: float) -> "sqlite3.Connection":
    """Open a verified path, at the newest version of the schema.

    Args:
        path: absolute; :func:`verify_private` has passed.
        read_only: change nothing.
        timeout: seconds to wait for other processes' transactions.
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
    """Return the version, creating no file beside a database of ours that is at rest."""
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
    if _migrated(connection, path):
        disk().note("migrate", path)


def _migrated(connection: "sqlite3.Connection", path: str) -> int:
    """Lead the tables to the newest version; return the one that they had."""
    database = Database(connection, path, SQLITE)
    with database.transaction():
        version = _number(connection, "PRAGMA user_version")
        _accept(path, version, read_only=False)  # another process may have migrated meanwhile
        for statements in MIGRATIONS[version:]:
            migrate(database, statements)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    return version
