"""Replacements of relay accounts that are under way: one table, and the moves that a row may make."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..errors import DataError, InexpressibleError
from ..lazy import dataclass
from ..model import Account
from .rows import check_text, moment, seconds
from .sqlite import Database


class RotationState(StrEnum):
    """Where a replacement stands. Intentions come before deeds, so a killed run leaves one of them."""

    BEGUN = "begun"
    """The successor is about to be made."""
    OPEN = "open"
    """Both accounts work."""
    RETIRING = "retiring"
    """The old account is about to be deleted."""
    ABANDONING = "abandoning"
    """The successor is about to be deleted."""
    RETIRED = "retired"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Rotation:
    """One account and the one that takes its place, in the same realm.

    Attributes:
        id: number of the row, chosen by the inventory; 0 before it is recorded.
        sasldb: the database, as :meth:`smtpcreds.model.Root.record` gives it.
        clients: hosts that need the successor's secret, in A-labels.
        retire_after: when the old account is due to go; None until somebody says so.
        ended: set exactly when the state is RETIRED or ABANDONED.
        places: where somebody wanted the successor's secret to go, never the secret: absolute paths of
            default-auth-info, and sources as ``keyring:SERVICE/NAME``. Empty for the file for client hosts.
    """

    account: Account
    successor: Account
    sasldb: str
    clients: tuple[str, ...]
    started: datetime
    retire_after: datetime | None = None
    state: RotationState = RotationState.BEGUN
    ended: datetime | None = None
    id: int = 0
    places: tuple[str, ...] = ()


_BEFORE = {
    RotationState.OPEN: (RotationState.BEGUN,),
    RotationState.RETIRING: (RotationState.OPEN,),
    RotationState.ABANDONING: (RotationState.OPEN,),
    RotationState.RETIRED: (RotationState.RETIRING,),
    RotationState.ABANDONED: (RotationState.BEGUN, RotationState.ABANDONING),
}
_ENDS = (RotationState.RETIRED, RotationState.ABANDONED)

_BEGIN = """
INSERT INTO rotations (authcid, successor, realm, sasldb, clients, started, retire_after, places, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'begun')
"""
_SELECT = """
SELECT id, authcid, successor, realm, sasldb, clients, started, retire_after, state, ended, places
FROM rotations
"""
_UNFINISHED = _SELECT + " WHERE ended IS NULL ORDER BY id"
_SAME = _SELECT + " WHERE ended IS NULL AND authcid = ? AND realm = ? AND sasldb = ?"
_HISTORY = _SELECT + " ORDER BY id DESC"
_ADVANCE = "UPDATE rotations SET state = ?, ended = ? WHERE id = ? AND state IN (?, ?)"
_POSTPONE = "UPDATE rotations SET retire_after = ? WHERE id = ? AND state = 'open'"


class Rotations:
    """The table of replacements; each method is one durable transaction, or joins the one it is in.

    The statements are words that SQLite and PostgreSQL both read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, rotation: Rotation) -> Rotation:
        """Record the intention, and return it with its number."""
        who = rotation.account
        due = None if rotation.retire_after is None else seconds(rotation.retire_after)
        clients = _joined(rotation.clients, "is not a host name that can be listed")
        places = _joined(rotation.places, "is not a place that can be listed")
        rest = (rotation.sasldb, clients, seconds(rotation.started), due, places)
        with self._database.transaction():
            self._database.write(_BEGIN, (who.authcid, rotation.successor.authcid, who.realm, *rest))
            return next(self._database.read(_rotation_of, _SAME, (who.authcid, who.realm, rotation.sasldb)))

    def advance(self, number: int, state: RotationState, at: datetime) -> None:
        """Move to the next state; ``at`` is kept where that is an end.

        BEGUN goes to OPEN or ABANDONED, OPEN to RETIRING or ABANDONING, and these go to their ends.
        """
        ended = seconds(at) if state in _ENDS else None
        before = _BEFORE[state]
        self._move(number, _ADVANCE, (state.value, ended, number, before[0].value, before[-1].value))

    def postpone(self, number: int, retire_after: datetime) -> None:
        """Say when the old account is due to go."""
        self._move(number, _POSTPONE, (seconds(retire_after), number))

    def unfinished(self) -> list[Rotation]:
        """Return those that have not ended, the oldest first."""
        return list(self._database.read(_rotation_of, _UNFINISHED))

    def history(self) -> list[Rotation]:
        """Return all, the newest first."""
        return list(self._database.read(_rotation_of, _HISTORY))

    def _move(self, number: int, statement: str, values: tuple[object, ...]) -> None:
        with self._database.transaction():
            if not self._database.write(statement, values):
                raise DataError(f"rotation {number}", "is not in the state that this step begins with")


def _joined(lines: Sequence[str], fault: str) -> str:
    for line in lines:
        if not line or "\n" in line:
            raise InexpressibleError(ascii(line), fault)
    return "\n".join(lines)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()


def _rotation_of(row: tuple[Any, ...]) -> Rotation:
    number, authcid, successor, realm, sasldb, clients, started, due, state, ended, places = row
    check_text(authcid, successor, realm, sasldb, clients, places)
    return Rotation(
        account=Account(authcid, realm),
        successor=Account(successor, realm),
        sasldb=sasldb,
        clients=_lines(clients),
        started=moment(started),
        retire_after=None if due is None else moment(due),
        state=RotationState(state),
        ended=None if ended is None else moment(ended),
        id=number,
        places=_lines(places),
    )
