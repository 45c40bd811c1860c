"""Many accounts into a database at once: one change, all of it or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ..errors import ExistsError
from ..files import announce
from ..model import Account
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
    """What an import did; ``skipped`` were there already with the same content."""

    database: str
    added: tuple[Account, ...]
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    refused: tuple[Fault, ...]


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


def import_accounts(
    book: AccountBook, intake: Intake, on_conflict: OnConflict, refuse: Callable[[tuple[Fault, ...]], None]
) -> Imported:
    """Bring the accepted accounts into the database, in one change.

    Args:
        book: the database.
        intake: what the file gives.
        on_conflict: what becomes of accounts that exist.
        refuse: gets what is refused, where anything is, and raises unless the rest is to be imported.

    Raises:
        ExistsError: another program has made one of the accounts in the meantime.
    """
    before = dict(book.records().items())
    found = merge(before, intake.accepted, on_conflict)
    if refused := (*intake.refused, *found.conflicts):
        refuse(refused)
    write = book.writer()
    wanted = {*found.added, *found.replaced}
    accepted = tuple(candidate for candidate in intake.accepted if candidate.account in wanted)
    unchanged = done = replace(found, skipped=(), conflicts=())

    def edits(records: Records) -> Mapping[bytes, bytes | None]:
        nonlocal done
        is_same = len(records) == len(before) and dict(records.items()) == before
        done = unchanged if is_same else merge(records, accepted, on_conflict)
        if done.conflicts:
            raise ExistsError(book.database, f"{done.conflicts[0].reason}; nothing was imported")
        return done.edits

    if accepted:
        write(edits)
        announce("sasl import", [(book.database, f"{len(done.added)} added, {len(done.replaced)} replaced")])
    return Imported(book.database, done.added, done.replaced, (*found.skipped, *done.skipped), refused)


def _keys_by_account(records: Records) -> dict[Account, list[bytes]]:
    """Group the keys of accounts."""
    held: dict[Account, list[bytes]] = {}
    keys = [key for key in records if key.count(b"\0") == 2]
    authcids, realms, _ = split_keys(keys)
    for account, key in zip(map(Account, authcids, realms), keys, strict=True):
        held.setdefault(account, []).append(key)
    return held
