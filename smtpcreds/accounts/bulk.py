"""Many accounts into a database at once: one change, all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import overload

from ..errors import ExistsError
from ..files import announce
from ..model import Account, Plan, Step
from ..sasldb.records import split_keys
from .book import AccountBook, Records
from .intake import Candidate, Intake
from .readers import Fault


class OnConflict(StrEnum):
    """What becomes of an account that the database has with other content."""

    FAIL = "fail"
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do; ``skipped`` were there already, or came twice in the file."""

    database: str
    added: tuple[Account, ...]
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """How candidates meet a database: edits by key, and each account in one of four groups."""

    edits: Mapping[bytes, bytes | None]
    added: tuple[Account, ...]
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    conflicts: tuple[Fault, ...]


def merge(records: Records, accepted: tuple[Candidate, ...], on_conflict: OnConflict) -> Merge:
    """Compare the candidates with the records of a database.

    An account that the database has with the very same properties is skipped, whatever is asked for. One that
    is replaced loses every property that the file does not give, since it would keep an old secret alive.
    """
    held = _keys_by_account(records)
    edits: dict[bytes, bytes | None] = {}
    added, replaced, skipped, conflicts = [], [], [], []
    for candidate in accepted:
        old = held.get(candidate.account)
        if old is None:
            added.append(candidate.account)
            edits.update(candidate.records)
        elif on_conflict is OnConflict.SKIP or dict(candidate.records) == {key: records[key] for key in old}:
            skipped.append(candidate.account)
        elif on_conflict is OnConflict.REPLACE:
            replaced.append(candidate.account)
            edits.update(dict.fromkeys(old) | dict(candidate.records))
        else:
            conflicts.append(Fault(candidate.where, f"{candidate.account} exists with other content"))
    return Merge(edits, tuple(added), tuple(replaced), tuple(skipped), tuple(conflicts))


def plan_import(book: AccountBook, intake: Intake, on_conflict: OnConflict) -> tuple[Plan[Imported], Merge]:
    """Plan what the accepted accounts change; conflicts are left out of the plan.

    Applying it raises ExistsError when another program has made one of the accounts in the meantime.
    """
    before = dict(book.records().items())
    planned = merge(before, intake.accepted, on_conflict)
    write = book.writer()
    wanted = {*planned.added, *planned.replaced}
    accepted = tuple(candidate for candidate in intake.accepted if candidate.account in wanted)

    def apply() -> Imported:
        done = planned

        def edits(records: Records) -> Mapping[bytes, bytes | None]:
            nonlocal done
            if len(records) == len(before) and dict(records.items()) == before:
                done = replace(planned, skipped=())
                return planned.edits
            done = merge(records, accepted, on_conflict)
            if done.conflicts:
                raise ExistsError(book.database, f"{done.conflicts[0].reason}; nothing was imported")
            return done.edits

        if accepted:
            write(edits)
            announce(
                "sasl import", [(book.database, f"{len(done.added)} added, {len(done.replaced)} replaced")]
            )
        skipped = (*planned.skipped, *(done.skipped if accepted else ()))
        return Imported(book.database, done.added, done.replaced, skipped)

    return Plan(_Steps(planned, book.database), apply), planned


class _Steps(Sequence[Step]):
    """A step for each account, made when it is looked at: there may be a million."""

    def __init__(self, planned: Merge, database: str) -> None:
        self._planned, self._database = planned, database

    def __len__(self) -> int:
        return len(self._planned.added) + len(self._planned.replaced)

    @overload
    def __getitem__(self, at: int) -> Step: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Step]: ...
    def __getitem__(self, at: int | slice) -> Step | Sequence[Step]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        added, replaced = self._planned.added, self._planned.replaced
        action, account = ("add", added[at]) if at < len(added) else ("replace", replaced[at - len(added)])
        return Step(action, str(account), note=self._database)


def _keys_by_account(records: Records) -> dict[Account, list[bytes]]:
    """Group the keys of accounts."""
    held: dict[Account, list[bytes]] = {}
    keys = [key for key in records if key.count(b"\0") == 2]
    authcids, realms, _ = split_keys(keys)
    for account, key in zip(map(Account, authcids, realms), keys, strict=True):
        held.setdefault(account, []).append(key)
    return held
