"""A store whose changes are noted for the run; in a preview they are only noted, and read back."""

import os
import stat
from collections.abc import Iterable, Mapping

from ..errors import MissingInputError
from ..files import disk, exclusive, exists, write_all
from ..files.preview import PreviewDisk
from ..model import Account, Artifact
from .detect import Format
from .records import properties, unpack
from .replace import resolve_to_write, writable_to_readers
from .store import Change, Edits, ReplacingStore, Store, edited, effective

_NAMED = 100
"""Accounts of one change up to which each is named; of more, their number."""


class Observed:
    """See :class:`.store.Store`.

    Args:
        store: the database itself.
        kind: its format; None for a table.
        mode: of its file if it is made.
    """

    def __init__(self, store: Store, kind: Format | None, mode: int) -> None:
        self._store, self.kind, self._mode = store, kind, mode

    @property
    def path(self) -> str:
        """The path or URL as it was given."""
        return self._store.path

    def load(self) -> Mapping[bytes, bytes]:
        """Return all records of one moment, in a preview with its own changes."""
        held = _held(self.path)
        return self._store.load() if held is None else held

    def signature(self) -> object | None:
        """Return what tells this state from any other; see :class:`.store.Store`."""
        return self._store.signature()

    def apply(self, change: Change) -> Edits:
        """Read, compute edits and write them as one durable step; see :class:`.store.Store`."""
        seen: Mapping[bytes, bytes] = {}

        def remembered(records: Mapping[bytes, bytes]) -> Edits:
            nonlocal seen
            seen = records
            return change(records)

        run = disk()
        is_new = not (run.is_preview and _held(self.path) is not None) and self._store.signature() is None
        edits = self._preview(remembered) if run.is_preview else self._store.apply(remembered)
        if is_new and isinstance(run, PreviewDisk) and self.kind is not None:
            run.write_all([Artifact(self.path, b"", self._mode)])
        elif is_new:
            run.note("write", self.path, None if self.kind is None else self._mode)
        elif edits:
            run.note("change", self.path)
        self._note(seen, edits)
        return edits

    def rewrite(self) -> None:
        """Write a file that is replaced whole anew, so that nothing is left in its unused space."""
        disk().note("write", self.path, note="anew, without what was deleted")
        if isinstance(self._store, ReplacingStore) and not disk().is_preview:
            self._store.apply(lambda _: {}, anew=True)

    def _preview(self, change: Change) -> Edits:
        try:
            records = self.load()
        except MissingInputError:
            records = {}
        foresee_locks(self.path, self.kind, self._mode)
        edits = effective(change(records), records)
        hold(self.path, edited(records, edits), self.kind)
        return edits

    def _note(self, seen: Mapping[bytes, bytes], edits: Edits) -> None:
        if len(edits) > _NAMED and (number := _accounts_in(edits)) > _NAMED:
            disk().note("change", f"{number} accounts", note=self.path)
            return
        accounts = dict.fromkeys(found[0] for key in edits if (found := unpack(key)))
        for account in accounts:
            disk().note(_action(seen, edits, account), str(account), note=self.path)


_PASSWORD = b"\0userPassword"


def _accounts_in(edits: Edits) -> int:
    """Return how many accounts are edited; most by one record, and a million of them take no memory here."""
    keys = [key for key in edits if key.count(b"\0") == 2]
    others = [key for key in keys if not key.endswith(_PASSWORD)]
    owners = {key.rpartition(b"\0")[0] for key in others}
    return len(keys) - len(others) + sum(owner + _PASSWORD not in edits for owner in owners)


def observed(store: Store, kind: Format | None, mode: int) -> Observed:
    """Return the store, with its changes noted."""
    return Observed(store, kind, mode)


def hold(path: str, records: Mapping[bytes, bytes], kind: Format | None) -> None:
    """Let a preview find these records in a database from now on."""
    run = disk()
    if isinstance(run, PreviewDisk):
        run.held[f"accounts {path}"] = dict(records)
        run.held[f"format {path}"] = kind


def foresee_locks(path: str, kind: Format | None, mode: int) -> None:
    """Note in a preview the lock files that a change makes beside a database, itself of this mode if new."""
    if kind is None:
        return
    target = resolve_to_write(path)
    with exclusive(target + ".lock"):
        pass
    if kind is Format.LMDB and not exists(target + "-lock"):
        found = stat.S_IMODE(os.stat(target).st_mode) if os.path.exists(target) else mode
        write_all([Artifact(target + "-lock", b"", writable_to_readers(found))])


def made_as(path: str) -> Format | None:
    """Return the format of a file that this preview has written to; None for any other."""
    run = disk()
    found = run.held.get(f"format {path}") if isinstance(run, PreviewDisk) else None
    return found if isinstance(found, Format) else None


def _held(path: str) -> Mapping[bytes, bytes] | None:
    run = disk()
    found = run.held.get(f"accounts {path}") if isinstance(run, PreviewDisk) else None
    return found if isinstance(found, dict) else None


def _action(seen: Mapping[bytes, bytes], edits: Edits, account: Account) -> str:
    before = properties(seen, account)
    if not before:
        return "add"
    after = {prop for prop in before if edits.get(_key(account, prop), b"") is not None}
    return "change" if after or _sets(edits, account) else "delete"


def _sets(edits: Edits, account: Account) -> bool:
    return any(value is not None for value in _of(edits, account))


def _of(edits: Edits, account: Account) -> Iterable[bytes | None]:
    prefix = _key(account, "")
    return (value for key, value in edits.items() if key.startswith(prefix))


def _key(account: Account, prop: str) -> bytes:
    return f"{account.authcid}\0{account.realm}\0{prop}".encode(errors="surrogateescape")
