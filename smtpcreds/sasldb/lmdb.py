"""LMDB files, changed in place: a process that has one open (any libsasl2) never sees a renamed-in file.

Reading needs no library and, unlike liblmdb, no write access to the lock file. Writing needs the optional
package ``lmdb``, whose lock keeps other writers out.
"""

import os
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from ..errors import (
    DamagedFileError,
    InexpressibleError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    WriteError,
)
from ..files import exclusive, explained
from . import lmdb_lock, lmdb_read
from .limits import MAX_LMDB_KEY
from .replace import (
    PRIVATE,
    NewFile,
    Replacement,
    Signature,
    open_regular,
    read_whole,
    resolve,
    resolve_to_write,
    signature_of,
    sweep,
)
from .store import TIMEOUT, Change, Edits, edited, effective

MAP_SIZE = 1 << 20
"""What Cyrus SASL makes (option sasldb_mapsize); it takes over a larger one that it finds in the file."""
_ATTEMPTS = 20
_PAUSE = 0.02


class LmdbStore:
    """A store in one LMDB file without subdirectory, as Cyrus SASL opens it.

    Args:
        path: of the database; its lock file is ``path-lock``.
        origin: mode and owner of the file if it does not exist.
        timeout: seconds to wait for our other runs, and for readers before freed pages are overwritten.
    """

    def __init__(self, path: str, *, origin: NewFile = PRIVATE, timeout: float = TIMEOUT) -> None:
        self.path = path
        self._origin, self._timeout = origin, timeout

    def load(self) -> dict[bytes, bytes]:
        """Return all records of one moment; see :class:`~smtpcreds.sasldb.store.Store`."""
        content = self._content(resolve(self.path))
        if content is None:
            raise MissingInputError(self.path, "does not exist", "add an account to make it")
        return lmdb_read.decode(content, subject=self.path)

    def signature(self) -> tuple[Signature, int] | None:
        """Return what tells this state from any other; times alone don't tell two commits of one tick."""
        descriptor = open_regular(resolve(self.path))
        if descriptor is None:
            return None
        try:
            with explained(self.path):
                head = os.pread(descriptor, lmdb_read.HEAD_SIZE, 0)
                return signature_of(os.fstat(descriptor)), lmdb_read.generation(head, self.path)
        finally:
            os.close(descriptor)

    def apply(self, change: Change) -> Edits:
        """Change the file in one transaction; see :class:`~smtpcreds.sasldb.store.Store`.

        Every page is written anew and the old ones are overwritten with zeros, so that no old secret stays.
        If a reader keeps an old state open for longer than the time limit, the next run does that.
        """
        library = _library(self.path)
        target = resolve_to_write(self.path)
        with exclusive(target + ".lock", self._timeout):
            sweep(target)
            sweep(target + "-lock")
            return self._apply(library, target, change)

    def _apply(self, library: Any, target: str, change: Change) -> Edits:
        size = self._prepare(target)
        for _ in range(_ATTEMPTS):
            try:
                return self._change(library, target, size, change)
            except library.MapFullError:
                size *= 2
            except library.Error as error:
                raise self._explained(library, error) from error
        raise WriteError(self.path, "liblmdb found no room for the change; nothing was changed")

    def _explained(self, library: Any, error: Exception) -> SmtpcredsError:
        """Return what an error of liblmdb means; those of the system alone have no class of their own."""
        reason = f"liblmdb says {error}; nothing was changed"
        if type(error) in (library.Error, library.DiskError):
            hint = "look whether the disk is full; a change needs room for a second copy"
            return WriteError(self.path, reason, hint)
        if isinstance(error, (library.MemoryError, library.ReadersFullError, library.LockError)):
            return UnavailableError(self.path, reason)
        return DamagedFileError(self.path, reason, lmdb_read.SALVAGE)

    def _prepare(self, target: str) -> int:
        """Make the file unless it is there, refuse a damaged one, and return the map size to open it with."""
        content = self._content(target)
        if content is None:
            content = lmdb_read.empty(MAP_SIZE)
            with Replacement(target) as new:
                new.prepare(content, None, self._origin)
                if not new.install(None):
                    return self._prepare(target)
        lmdb_read.decode(content, subject=self.path)
        return max(lmdb_read.read_meta(content, self.path).map_size, 4 * len(content))

    def _change(self, library: Any, target: str, size: int, change: Change) -> Edits:
        with explained(self.path):
            descriptor = os.open(target, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            lmdb_lock.prepare(target, descriptor, self._timeout)
            with closing(library.open(target, subdir=False, create=False, map_size=size)) as environment:
                environment.reader_check()
                edits = self._transact(environment, target, change)
                self._scrub(environment, descriptor)
                return edits
        finally:
            os.close(descriptor)

    def _transact(self, environment: Any, target: str, change: Change) -> Edits:
        """Write all records to new pages; a plain put would leave old values in the gaps of its page.

        What liblmdb finds is compared with what is in the file before, and with what was meant after.
        """
        with environment.begin(write=True) as transaction:
            records = lmdb_read.decode(self._content(target) or b"", subject=self.path)
            self._compare(transaction, records)
            edits = effective(change(records), records)
            if not edits:
                return edits  # a commit of nothing writes nothing
            wanted = edited(records, edits)
            if refused := next((key for key in wanted if not 0 < len(key) <= MAX_LMDB_KEY), None):
                raise InexpressibleError(
                    self.path, f"can't hold a key of {len(refused)} bytes; LMDB takes up to {MAX_LMDB_KEY}"
                )
            transaction.drop(environment.open_db(txn=transaction), delete=False)
            with transaction.cursor() as cursor:
                cursor.putmulti(sorted(wanted.items()), append=True)
            self._compare(transaction, wanted)
            return edits

    def _compare(self, transaction: Any, records: Mapping[bytes, bytes]) -> None:
        """Refuse a transaction in which liblmdb finds other records, which then never commits."""
        with transaction.cursor() as cursor:
            if dict(cursor) != records:
                reason = "liblmdb finds other records in it than there are; nothing was changed"
                raise DamagedFileError(self.path, reason, lmdb_read.SALVAGE)

    def _scrub(self, environment: Any, descriptor: int) -> None:
        """Zero the pages that are free now; the write transaction keeps others from taking them meanwhile.

        Also what a killed run, or one that met a slow reader, had to leave.
        """
        transaction = environment.begin(write=True)
        try:
            with explained(self.path, "; the accounts are as they should be, but old secrets are left in it"):
                size, stale = _stale_pages(descriptor, self.path)
                if stale and self._wait_for_readers(environment):
                    for pgno in stale:
                        os.pwrite(descriptor, bytes(size), pgno * size)
                    os.fsync(descriptor)
        finally:
            transaction.abort()

    def _wait_for_readers(self, environment: Any) -> bool:
        """Tell whether nobody reads an older state (any more); readers that were killed don't count."""
        limit, newest = time.monotonic() + self._timeout, environment.info()["last_txnid"]
        while any(seen < newest for seen in _states_read(environment.readers())):
            if time.monotonic() >= limit:
                return False
            time.sleep(_PAUSE)
        return True

    def _content(self, target: str) -> bytes | None:
        """Return bytes whose newest state is whole; None if there is no file."""
        descriptor = open_regular(target)
        if descriptor is None:
            return None
        try:
            for _ in range(_ATTEMPTS):
                with explained(self.path):
                    content, _seen = read_whole(descriptor)
                    head = os.pread(descriptor, lmdb_read.HEAD_SIZE, 0)
                if not content:
                    raise DamagedFileError(self.path, "is empty (0 bytes)", "remove it")
                started, ended = (lmdb_read.generation(part, self.path) for part in (content, head))
                if started == ended:
                    return content
        finally:
            os.close(descriptor)
        raise WriteError(self.path, "another program keeps writing to it")


def _library(subject: str) -> Any:
    try:
        import lmdb
    except ImportError:
        from ..extras import how_to_install

        reason = "writing LMDB needs the Python package lmdb"
        raise UnavailableError(subject, reason, how_to_install("lmdb")) from None
    return lmdb


def _states_read(table: str) -> list[int]:
    """Return the transaction number of each active reader; the table's columns are pid, thread, txnid."""
    numbers = (line.split()[-1] for line in table.splitlines() if line.strip())
    return [int(number) for number in numbers if number.isdigit()]


def _stale_pages(descriptor: int, subject: str) -> tuple[int, list[int]]:
    """Return the page size, and the pages that no state needs and that are not all zero."""
    content, _ = read_whole(descriptor)
    size = lmdb_read.read_meta(content, subject).pagesize
    used, zeros = lmdb_read.pages_in_use(content, subject=subject), bytes(size)
    return size, [n for n in range(len(used)) if not used[n] and content[n * size : (n + 1) * size] != zeros]
