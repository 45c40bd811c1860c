"""Rotations put together: accounts, files for client hosts, the inventory under its lock."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import cache

from .. import rotate
from ..accounts import AccountBook
from ..accounts.origin import database_of
from ..authority.ledger import at_work, record
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..deploy.clients import auth_info_for_clients
from ..errors import ConfigError, SmtpcredsError, StateVersionError
from ..inventory import Rotation, RotationState
from ..model import Account, Plan, Step
from ..postgres import is_url
from ..rotate import Desk, Request
from .client_accounts import ClientAccounts, Making

_AS_USUAL = Making()


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


def _recorded(site: Site, database: str) -> str:
    return database if is_url(database) else site.root.record(database)


def unfinished(site: Site) -> list[Rotation]:
    """Return what is half-way; nothing where there is no inventory."""
    if not has_inventory(site):
        return []
    with reading(site) as inventory:
        return inventory.rotations.unfinished()


def plan_begin(site: Site, wanted: Request, making: Making = _AS_USUAL) -> Plan[Rotation]:
    """Plan a successor; see :func:`smtpcreds.rotate.begin`. Nobody is asked while the lock is held."""
    asked = replace(making, secret=cache(making.secret))

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        yield from rotate.check_begin(rows, _accounts(site, asked)(wanted.sasldb), wanted).plan.steps

    end = None if making.is_chosen else RotationState.OPEN
    plan = _plan(site, wanted, end, look, lambda desk: rotate.begin(desk, wanted), asked)

    def apply() -> Rotation:
        asked.secret()
        return plan.apply()

    return Plan(plan.steps, apply)


def plan_retire(site: Site, wanted: Request) -> Plan[Rotation]:
    """Plan the end of the old account; see :func:`smtpcreds.rotate.retire`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        accounts = _accounts(site)(wanted.sasldb)
        row = rotate.open_rotation(rows, accounts, wanted)
        rotate.check_retire(accounts, row)
        yield from _retirement(site, row)

    return _plan(site, wanted, RotationState.RETIRED, look, lambda desk: rotate.retire(desk, wanted))


def plan_postpone(site: Site, wanted: Request, when: datetime) -> Plan[Rotation]:
    """Plan the date of the old account's end; see :func:`smtpcreds.rotate.postpone`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        row = rotate.open_rotation(rows, _accounts(site)(wanted.sasldb), wanted)
        yield Step("retire", str(row.account), note=f"after {when:%Y-%m-%d %H:%M} UTC")

    return _plan(site, wanted, RotationState.RETIRED, look, lambda desk: rotate.postpone(desk, wanted, when))


def plan_abandon(site: Site, wanted: Request) -> Plan[Rotation]:
    """Plan the end of the successor; see :func:`smtpcreds.rotate.abandon`."""

    def look(rows: Sequence[Rotation]) -> Iterator[Step]:
        accounts = _accounts(site)(wanted.sasldb)
        row = rotate.open_rotation(rows, accounts, wanted)
        rotate.check_abandon(accounts, row)
        yield _deletion(site, row, row.successor)

    return _plan(site, wanted, RotationState.ABANDONED, look, lambda desk: rotate.abandon(desk, wanted))


def plan_due(site: Site) -> Plan[list[Rotation | SmtpcredsError]]:
    """Plan the end of every account whose date has come; without any, applying it changes nothing."""
    rows, first = _known(site)
    due = rotate.due(rows, site.clock())
    steps = [*first, *(step for row in due for step in _retirement(site, row))]

    def apply() -> list[Rotation | SmtpcredsError]:
        with _desk(site) as (desk, _):
            return list(rotate.retire_due(desk))

    return Plan(tuple(steps), apply if steps else list)


def _plan(
    site: Site,
    wanted: Request,
    end: RotationState | None,
    look: Callable[[Sequence[Rotation]], Iterable[Step]],
    deed: Callable[[Desk], Rotation],
    making: Making = _AS_USUAL,
) -> Plan[Rotation]:
    """Plan a deed that leads one rotation to a state.

    What a killed run left is settled first, and only then can be told what else there is to do: such a plan
    says no more. Where settling has done the very thing, it is done; ``end`` None if it can't have.
    """

    def apply() -> Rotation:
        with _desk(site, making) as (desk, settled):
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


def _retirement(site: Site, row: Rotation) -> Iterator[Step]:
    yield _deletion(site, row, row.account)
    with suppress(SmtpcredsError):  # a database that can't be read stops this one's retirement, not the plan
        if _accounts(site)(row.sasldb).is_file_spare(row.successor):
            path = auth_info_for_clients(site, row.successor)
            yield Step("delete", path, note=f"credentials of {row.successor}, which is hashed")


def _deletion(site: Site, row: Rotation, account: Account) -> Step:
    return Step("delete", str(account), note=database_of(site, row.sasldb))


def _accounts(site: Site, making: Making = _AS_USUAL) -> Callable[[str], ClientAccounts]:
    return lambda sasldb: ClientAccounts(site, database_of(site, sasldb), making)


@contextmanager
def _desk(site: Site, making: Making = _AS_USUAL) -> Iterator[tuple[Desk, list[Rotation]]]:
    """Take the lock, and settle what a killed run left; give what that was."""
    with at_work(site) as inventory:
        desk = Desk(
            inventory.rotations,
            _accounts(site, making),
            site.clock,
            lambda what, subject, detail: record(site, inventory, what, subject, detail),
            site.warn,
        )
        yield desk, rotate.settle(desk)
