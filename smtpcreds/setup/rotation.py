"""Rotations put together: accounts, files for client hosts, the inventory under its lock."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from .. import rotate
from ..accounts import AccountBook
from ..authority.ledger import at_work, record
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..deploy import plan_auth_info
from ..errors import ConfigError, NameRefusedError, NoSuchAccountError, SmtpcredsError, StateVersionError
from ..files import ensure_directory, remove, sweep
from ..inventory import Rotation, RotationState
from ..model import Account, Credential, Plan, Step
from ..mta.auth_info import render
from ..passwords import generate
from ..postgres import is_url
from ..rotate import Desk, Request
from ..secret import Secret
from .clients import auth_info_for_clients


class ClientAccounts:
    """See :class:`smtpcreds.rotate.Accounts`."""

    def __init__(self, site: Site, database: str) -> None:
        self._site, self._book = site, AccountBook(site, database)

    def exists(self, account: Account) -> bool:
        """See :meth:`smtpcreds.rotate.Accounts.exists`."""
        try:
            self._book.entry(account)
        except NoSuchAccountError:
            return False
        return True

    def check_new(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.check_new`."""
        auth_info_for_clients(self._site, account)
        render(Credential(account, Secret("any"), self._site.realm))
        self._book.plan_add(account, generate)

    def add(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.add`."""
        self._book.plan_add(account, generate).apply()

    def hand_out(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.hand_out`."""
        path = auth_info_for_clients(self._site, account)
        ensure_directory(os.path.dirname(path))
        sweep(os.path.dirname(path))
        plan_auth_info(self._book.credential(account), path, force=True).apply()

    def remove(self, account: Account) -> None:
        """See :meth:`smtpcreds.rotate.Accounts.remove`."""
        with suppress(NoSuchAccountError):
            self._book.plan_delete(account).apply()
        with suppress(NameRefusedError):  # such an account never had a file
            path = auth_info_for_clients(self._site, account)
            if os.path.isdir(os.path.dirname(path)):
                remove(path)


def request(
    site: Site,
    account: Account,
    database: str | None,
    successor: str | None = None,
    clients: tuple[str, ...] = (),
    retire_after: datetime | None = None,
) -> Request:
    """Say what is to be replaced, in the forms that the inventory keeps.

    Raises:
        NameRefusedError: the successor is in another realm, or a client is no host name.
    """
    book = AccountBook(site, database)
    named = book.parse(successor, account.realm) if successor else None
    hosts = tuple(site.qualify(host) for host in dict.fromkeys(clients))
    return Request(account, named, _recorded(site, book.database), hosts, retire_after)


def database_of(site: Site, recorded: str) -> str:
    """Return the path or URL of a recorded database."""
    return recorded if is_url(recorded) else site.root.locate(recorded)


def _recorded(site: Site, database: str) -> str:
    return database if is_url(database) else site.root.record(database)


def unfinished(site: Site) -> list[Rotation]:
    """Return what is half-way; nothing where there is no inventory."""
    if not has_inventory(site):
        return []
    with reading(site) as inventory:
        return inventory.rotations.unfinished()


def plan_begin(site: Site, wanted: Request) -> Plan[Rotation]:
    """Plan a successor; see :func:`smtpcreds.rotate.begin`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        successor = rotate.check_begin(rows, _accounts(site)(wanted.sasldb), wanted)
        yield Step("add", str(successor), note=database_of(site, wanted.sasldb))
        path = auth_info_for_clients(site, successor)
        yield Step("write", path, 0o600, f"credentials of {successor}")

    return _plan(site, wanted, RotationState.OPEN, look, lambda desk: rotate.begin(desk, wanted))


def plan_retire(site: Site, wanted: Request) -> Plan[Rotation]:
    """Plan the end of the old account; see :func:`smtpcreds.rotate.retire`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        row = rotate.open_rotation(rows, wanted.account, wanted.sasldb)
        rotate.check_retire(_accounts(site)(row.sasldb), row)
        yield _deletion(site, row, row.account)

    return _plan(site, wanted, RotationState.RETIRED, look, lambda desk: rotate.retire(desk, wanted))


def plan_postpone(site: Site, wanted: Request, when: datetime) -> Plan[Rotation]:
    """Plan the date of the old account's end; see :func:`smtpcreds.rotate.postpone`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        row = rotate.open_rotation(rows, wanted.account, wanted.sasldb)
        yield Step("retire", str(row.account), note=f"after {when:%Y-%m-%d %H:%M} UTC")

    return _plan(site, wanted, RotationState.RETIRED, look, lambda desk: rotate.postpone(desk, wanted, when))


def plan_abandon(site: Site, wanted: Request) -> Plan[Rotation]:
    """Plan the end of the successor; see :func:`smtpcreds.rotate.abandon`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        row = rotate.open_rotation(rows, wanted.account, wanted.sasldb)
        rotate.check_abandon(_accounts(site)(row.sasldb), row)
        yield _deletion(site, row, row.successor)

    return _plan(site, wanted, RotationState.ABANDONED, look, lambda desk: rotate.abandon(desk, wanted))


def plan_due(site: Site) -> Plan[list[Rotation | SmtpcredsError]]:
    """Plan the end of every account whose date has come; without any, applying it changes nothing."""
    rows, first = _known(site)
    steps = [*first, *(_deletion(site, row, row.account) for row in rotate.due(rows, site.clock()))]

    def apply() -> list[Rotation | SmtpcredsError]:
        with _desk(site) as (desk, _):
            return list(rotate.retire_due(desk))

    return Plan(tuple(steps), apply if steps else list)


def _plan(
    site: Site,
    wanted: Request,
    end: RotationState,
    look: Callable[[Sequence[Rotation]], Iterable[Step]],
    deed: Callable[[Desk], Rotation],
) -> Plan[Rotation]:
    """Plan a deed that leads one rotation to a state.

    What a killed run left is settled first, and only then can be told what else there is to do: such a plan
    says no more. Where settling has done the very thing, it is done.
    """

    def apply() -> Rotation:
        with _desk(site) as (desk, settled):
            done = (row for row in settled if _is_of(row, wanted) and row.state is end)
            return next(done, None) or deed(desk)

    rows, first = _known(site)
    return Plan(first or tuple(look(rows)), apply)


def _is_of(row: Rotation, wanted: Request) -> bool:
    return (row.account, row.sasldb) == (wanted.account, wanted.sasldb)


def _known(site: Site) -> tuple[list[Rotation], tuple[Step, ...]]:
    """Return what is half-way, and the steps that any writing run takes before its own."""
    try:
        rows = unfinished(site)
    except StateVersionError:
        raise
    except ConfigError:  # of an older version, which only a run that writes brings up to date
        return [], (Step("migrate", site.inventory),)
    interrupted = (row for row in rows if row.state is not RotationState.OPEN)
    notes = ((row, f"an interrupted run left it {row.state}") for row in interrupted)
    return rows, tuple(Step("settle", str(row.account), note=note) for row, note in notes)


def _deletion(site: Site, row: Rotation, account: Account) -> Step:
    return Step("delete", str(account), note=database_of(site, row.sasldb))


def _accounts(site: Site) -> Callable[[str], ClientAccounts]:
    return lambda sasldb: ClientAccounts(site, database_of(site, sasldb))


@contextmanager
def _desk(site: Site) -> Iterator[tuple[Desk, list[Rotation]]]:
    """Take the lock, and settle what a killed run left; give what that was."""
    with at_work(site) as inventory:
        desk = Desk(
            inventory.rotations,
            _accounts(site),
            site.clock,
            lambda what, subject, detail: record(site, inventory, what, subject, detail),
            site.warn,
        )
        yield desk, rotate.settle(desk)
