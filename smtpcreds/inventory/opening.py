"""From a path or URL to the inventory that is kept there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..files import PreviewDisk, disk
from ..postgres import is_url, parse_url
from .database import Database
from .tables import TableInventory


@contextmanager
def open_inventory(
    place: str | os.PathLike[str], *, machine: str = "", read_only: bool = False, timeout: float = 30.0
) -> Iterator[TableInventory]:
    """Open the inventory at this place, and create or migrate it unless reading only.

    Args:
        place: path of an SQLite file, whose directory is made, 0700, where there is none; or a
            ``postgresql://`` URL.
        machine: which of the hosts that share a database this is.
        read_only: change nothing, not even the version; works on a read-only file system.
        timeout: seconds to wait for other processes.

    Raises:
        UnsafePathError: a link, a foreign owner or a loose mode of the file, its companions or its directory.
        MissingInputError: reading only, and there is nothing to read.
        StateVersionError: written by a newer version; unchanged.
        ForeignFormatError: some other program's database; unchanged.
        ConfigError: reading only, and the database would have to be migrated.
        UnavailableError: no psycopg, or no server that answers.
        DamagedFileError, LockHeldError, WriteError, DeniedError: as the names say.
    """
    name = os.fspath(place)
    run = disk()
    if isinstance(run, PreviewDisk) and (not read_only or f"inventory {name}" in run.held):
        yield TableInventory(_previewed(run, name, timeout), machine)
        return
    if is_url(name):
        from .postgres import postgres_database

        opened = postgres_database(parse_url(name), read_only=read_only, timeout=timeout)
    else:
        from .sqlite_file import sqlite_database

        opened = sqlite_database(os.path.abspath(name), read_only=read_only, timeout=timeout)
    with opened as database:
        yield TableInventory(database, machine)
        database.note_changes()


def _previewed(run: PreviewDisk, name: str, timeout: float) -> Database:
    """Return what the whole preview works on: a copy in memory, or a transaction that is rolled back."""
    held = run.held.get(f"inventory {name}")
    if isinstance(held, Database):
        return held
    if is_url(name):
        from .postgres import postgres_preview

        database = run.closing.enter_context(postgres_preview(parse_url(name), timeout=timeout))
    else:
        from .sqlite_file import sqlite_preview

        database = run.closing.enter_context(sqlite_preview(os.path.abspath(name), timeout=timeout))
    run.held[f"inventory {name}"] = database
    run.closing.callback(database.note_changes)
    return database
