"""What every record file offers, and the store that replaces its file whole on each change."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from ..errors import DamagedFileError, LockHeldError, MissingInputError, UnsafePathError, WriteError
from ..files import exclusive, explained, flock, holder
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
    wake_readers,
)

Edits = Mapping[bytes, bytes | None]
"""New values by key; None removes the record."""
Change = Callable[[Mapping[bytes, bytes]], Edits]
"""Computes edits from the current records. It may be called again when a foreign writer came in between, so
it has no effects of its own; an exception from it leaves the file as it was."""

TIMEOUT = 10.0
"""Seconds to wait for a lock."""
_ATTEMPTS = 20
_TICK = 0.01
"""No shorter than the kernel's clock tick, which modification times are made of."""
_SETTLE = 0.05
"""Seconds within which a foreign writer goes on with the next page."""


class Store(Protocol):
    """A record file at a path, or a table at a URL."""

    @property
    def path(self) -> str:
        """The path or URL as it was given."""

    def load(self) -> Mapping[bytes, bytes]:
        """Return all records of one moment.

        Raises:
            MissingInputError: there is no such file.
            DamagedFileError, ForeignFormatError: it can't be read.
        """

    def apply(self, change: Change) -> Edits:
        """Read, compute edits and write them as one durable step; make the file if there is none.

        Returns:
            The edits that made a difference; where none did, the file was not touched.
        """

    def signature(self) -> object | None:
        """Return what tells this state from any other, by comparison; None if there is nothing yet."""


class Codec(Protocol):
    """A file format as pure functions; the modules ``bdb`` and ``gdbm`` are such."""

    LOCKED: bool
    """Whether the format's own library holds flock on the file."""

    def decode(self, data: bytes, *, subject: str) -> dict[bytes, bytes]:
        """Return all records of a whole file, which messages call ``subject``; each is looked at."""

    def holds(self, data: bytes, records: Mapping[bytes, bytes], *, subject: str) -> bool:
        """Tell whether a whole file holds exactly these records; each is looked at."""

    def look(self, data: bytes, *, subject: str) -> Mapping[bytes, bytes]:
        """Return the same, perhaps without reading more than is asked for; damage elsewhere goes unseen."""

    def amend(self, records: Mapping[bytes, bytes], edits: Edits) -> bytes | None:
        """Return the file after few edits of what :meth:`look` gave, or None to have it written whole."""

    def encode(self, records: Mapping[bytes, bytes], *, subject: str) -> bytes:
        """Return the file that holds exactly these records."""


_MANY = 1000
"""Edits from which on it is cheaper to have all records at hand."""


def effective(edits: Edits, records: Mapping[bytes, bytes]) -> Edits:
    """Return the edits that make a difference."""
    if not records and None not in edits.values():
        return edits
    held = records if len(edits) < _MANY else dict(records.items())
    return {key: value for key, value in edits.items() if held.get(key) != value}


def edited(records: Mapping[bytes, bytes], edits: Edits) -> Mapping[bytes, bytes]:
    """Return the records after the edits, which may be the edits themselves."""
    if not records and None not in edits.values():
        return edits  # type: ignore[return-value]
    merged = {**dict(records.items()), **edits} if records else edits
    return {key: value for key, value in merged.items() if value is not None}


class ReplacingStore:
    """A file that is read whole and replaced whole.

    Args:
        path: of the database; a symbolic link is followed and its target replaced.
        codec: the format.
        origin: mode and owner of the file if it does not exist; an existing one keeps its own.
        timeout: seconds to wait for locks.
        wake: make processes that keep the replaced file open notice (sendmail's maps; libsasl2 needs it not).
    """

    def __init__(
        self,
        path: str,
        codec: Codec,
        *,
        origin: NewFile = PRIVATE,
        timeout: float = TIMEOUT,
        wake: bool = False,
    ) -> None:
        self.path = path
        self._codec, self._origin, self._timeout, self._wake = codec, origin, timeout, wake

    def load(self) -> Mapping[bytes, bytes]:
        """Return all records of one moment; see :class:`Store`."""
        with self._old_file(resolve(self.path)) as old:
            if old is None:
                raise MissingInputError(self.path, "does not exist", "add an account to make it")
            return self._read(old)[0]

    def signature(self) -> Signature | None:
        """Return what tells this state of the file from any other; see :class:`Store`."""
        return _current(resolve(self.path))

    def apply(self, change: Change, *, anew: bool = False) -> Edits:
        """Read, compute edits, write the whole file anew and rename; see :class:`Store`.

        Args:
            change: gives the edits.
            anew: write also where they make no difference, so that nothing is left in unused space.
        """
        target = resolve_to_write(self.path)
        with exclusive(target + ".lock", self._timeout):
            sweep(target)
            for _ in range(_ATTEMPTS):
                edits = self._attempt(target, change, anew=anew)
                if edits is not None:
                    return edits
        raise LockHeldError(self.path, f"another program changed it {_ATTEMPTS} times meanwhile")

    def _attempt(self, target: str, change: Change, *, anew: bool) -> Edits | None:
        """Make the change once; None if a foreign writer came in between."""
        with self._old_file(target) as old, Replacement(target) as new:
            records, seen = ({}, None) if old is None else self._read(old)
            edits = effective(change(records), records)
            if not edits and not (anew and old is not None):
                return edits
            if old is not None and os.fstat(old).st_nlink > 1:
                raise UnsafePathError(
                    self.path,
                    "has a second name (hard link), which would keep the old passwords",
                    "make the other name a symbolic link",
                )
            new.prepare(self._content(records, edits), old, self._origin)
            return edits if self._install(new, old, seen, target) else None

    def _content(self, records: Mapping[bytes, bytes], edits: Edits) -> bytes:
        """Return the new file, which reads back as what was meant.

        Raises:
            DamagedFileError: of pages that were taken over from the old file.
        """
        if (content := self._codec.amend(records, edits)) is not None:
            found = self._codec.decode(content, subject=self.path)
            is_right = all(found.get(key) == value for key, value in edits.items())
        else:
            wanted = edited(records, edits)
            content = self._codec.encode(wanted, subject=self.path)
            is_right = self._codec.holds(content, wanted, subject=self.path)
        if not is_right:
            raise WriteError(self.path, "the new file would not read back as it should; nothing was changed")
        return content

    def _install(self, new: Replacement, old: int | None, seen: Signature | None, target: str) -> bool:
        with self._held(old):
            if _current(target) != seen or not new.install(old):
                return False
        if self._wake and old is not None:
            wake_readers(old, target)
        return True

    @contextmanager
    def _old_file(self, target: str) -> Iterator[int | None]:
        descriptor = open_regular(target)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _read(self, old: int) -> tuple[Mapping[bytes, bytes], Signature]:
        """Read until nobody wrote meanwhile; only then does damage count."""
        for _ in range(_ATTEMPTS):
            content, seen = self._quiet_content(old)
            try:
                return self._look(content), seen
            except DamagedFileError:
                time.sleep(_SETTLE)
                if signature_of(os.fstat(old)) == seen:
                    raise
        raise LockHeldError(self.path, "another program keeps writing to it")

    def _quiet_content(self, old: int) -> tuple[bytes, Signature]:
        """Read a file whose signature any later write will change."""
        for _ in range(_ATTEMPTS):
            with explained(self.path), self._held(old):
                content, seen = read_whole(old)
                now = signature_of(os.fstat(old))
            age = time.time() - seen.mtime_ns / 1e9
            if now == seen and not 0 <= age < _TICK:
                return content, seen
            time.sleep(_TICK)
        raise LockHeldError(self.path, "another program keeps writing to it")

    def _look(self, content: bytes) -> Mapping[bytes, bytes]:
        if not content:
            raise DamagedFileError(
                self.path, "is empty (0 bytes)", "remove it, and adding an account makes it anew"
            )
        return self._codec.look(content, subject=self.path)

    @contextmanager
    def _held(self, old: int | None) -> Iterator[None]:
        """Hold the format's own lock on the old file, where there is one.

        The shared kind keeps writers out as well as the exclusive one would, and lets readers in: libgdbm
        never waits for a lock, so libsasl2 would turn a login away.
        """
        if old is None or not self._codec.LOCKED:
            yield
            return
        if not flock(old, fcntl.LOCK_SH, self._timeout):
            raise LockHeldError(self.path, f"is locked by {holder(old)}", "try again when it has ended")
        try:
            yield
        finally:
            fcntl.flock(old, fcntl.LOCK_UN)


def _current(target: str) -> Signature | None:
    with explained(target):
        try:
            return signature_of(os.stat(target, follow_symlinks=False))
        except FileNotFoundError:
            return None
