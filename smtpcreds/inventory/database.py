"""The seam to a database: statements and transactions. Nothing here knows what the rows mean."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import ConfigError, MissingInputError, SmtpcredsError, StateVersionError, WriteError
from ..files import disk

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[object]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between databases.

    Attributes:
        begin: statements that start a transaction which no other writer can enter.
        is_open: tell whether the connection is inside a transaction.
        is_sound: tell whether that transaction can be committed.
        native: a statement of :mod:`.statements` as this database reads it.
        translated: the context in which its errors become ours; takes the subject.
        damaged: the error for content that contradicts itself, from subject and message.
        alone: the lock of :meth:`.port.Inventory.alone`; takes connection and subject.
        verify: read everything, and raise for the first contradiction.
    """

    begin: tuple[str, ...]
    is_open: Callable[[Any], bool]
    is_sound: Callable[[Any], bool]
    native: Callable[[str], str]
    translated: Callable[[str], AbstractContextManager[None]]
    damaged: Callable[[str, str], SmtpcredsError]
    alone: Callable[[Any, str], AbstractContextManager[None]]
    verify: Callable[["Database"], None]


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
        """Yield rows as ``make`` parses them; the statement runs while they are consumed.

        Raises:
            DamagedFileError: a row that ``make`` can't parse.
        """
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


def verify_version(path: str, version: int, *, newest: int, read_only: bool) -> None:
    """Accept a version that can be worked with, or migrated and then worked with.

    Raises:
        StateVersionError: a newer version.
        MissingInputError: reading only, and there is nothing yet.
        ConfigError: reading only, and it would have to be migrated.
    """
    if version > newest:
        reason = f"is of version {version}; this smtpcreds reads up to version {newest}"
        raise StateVersionError(path, reason, "use the newer smtpcreds that wrote it")
    if read_only and version == 0:
        raise MissingInputError(path, "the inventory is empty", "start with: smtpcreds ca init")
    if read_only and version < newest:
        reason = f"is of version {version} and has to be migrated to {newest}, which reading only can't do"
        raise ConfigError(path, reason, "run a command that writes, as the owner of the inventory")
