"""Client hosts that fetch their bundles from the hub: one row a host, what it was handed and when it came."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from ..lazy import dataclass
from .rows import check_text, moment, seconds
from .sqlite import Database


@dataclass(frozen=True)
class Pull:
    """One client host.

    Attributes:
        host: full name.
        program: its mail program.
        options: of that program's files, as they are typed.
        login: on the hub, that it comes to.
        since: when it was authorized last.
        asked: when it came last; None if it never did.
        digest: SHA-256 of the archive that it was handed last, hex; or empty.
        serial: of the certificate in that; with ``account``, ``not_after`` and ``crl_end``.
        held: when the host said that it has this archive in place; None until then.
    """

    host: str
    program: str
    options: str
    login: str
    since: datetime
    asked: datetime | None = None
    digest: str = ""
    serial: str = ""
    account: str = ""
    not_after: datetime | None = None
    crl_end: datetime | None = None
    held: datetime | None = None

    @property
    def wish(self) -> str:
        """What the host may fetch, as it is remembered beside an inventory that others share."""
        return f"program {self.program}, login {self.login}, options {self.options}"

    @property
    def ends(self) -> datetime | None:
        """When what it was handed ends: certificate or CRL, the earlier one."""
        return min(filter(None, (self.not_after, self.crl_end)), default=None)


_SELECT = """
SELECT host, program, options, login, since, asked, digest, serial, account, not_after, crl_end, held
FROM pulls
"""
_ONE = _SELECT + " WHERE host = ?"
_ALL = _SELECT + " ORDER BY host"
_DELETE = "DELETE FROM pulls WHERE host = ?"
_INSERT = """
INSERT INTO pulls
    (host, program, options, login, since, asked, digest, serial, account, not_after, crl_end, held)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ASKED = "UPDATE pulls SET asked = ?, held = ? WHERE host = ?"


class Pulls:
    """The table; each method is one durable transaction, or joins the one it is in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, host: str) -> Pull | None:
        """Return a host's row."""
        return self._database.first(_pull_of, _ONE, (host,))

    def all(self) -> list[Pull]:
        """Return the rows by host."""
        return list(self._database.read(_pull_of, _ALL))

    def hosts(self) -> set[str]:
        """Return the hosts that fetch their bundles."""
        return {pull.host for pull in self.all()}

    def put(self, pull: Pull) -> None:
        """Record a host, in place of what was recorded of it."""
        times = (pull.not_after, pull.crl_end, pull.held)
        who = (pull.host, pull.program, pull.options, pull.login, seconds(pull.since), _seconds(pull.asked))
        with self._database.transaction():
            self._database.write(_DELETE, (pull.host,))
            what = (pull.digest, pull.serial, pull.account)
            self._database.write(_INSERT, (*who, *what, *map(_seconds, times)))

    def came(self, pull: Pull, at: datetime) -> Pull:
        """Record that a host came and has what it was handed."""
        held = pull.held or at
        with self._database.transaction():
            self._database.write(_ASKED, (seconds(at), seconds(held), pull.host))
        return replace(pull, asked=at, held=held)

    def remove(self, host: str) -> bool:
        """Forget a host; tell whether it was known."""
        with self._database.transaction():
            return bool(self._database.write(_DELETE, (host,)))


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else seconds(at)


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)


def _pull_of(row: tuple[Any, ...]) -> Pull:
    host, program, options, login, since, asked, digest, serial, account, not_after, crl_end, held = row
    check_text(host, program, options, login, digest, serial, account)
    return Pull(
        host,
        program,
        options,
        login,
        moment(since),
        _moment(asked),
        digest,
        serial,
        account,
        _moment(not_after),
        _moment(crl_end),
        _moment(held),
    )
