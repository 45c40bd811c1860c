"""``smtpcreds sasl rotate`` and ``sasl rotations``."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import SmtpcredsError, UsageError
from ..shell import quote
from . import lazy_click as click
from .delivery import hashed_form, named_places
from .sasl import (
    GENERATED,
    clear_option,
    database_option,
    password_option,
    realm_option,
    replacing_options,
)
from .secrets import account_secret
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..accounts.database import AccountDatabase
    from ..accounts.rotation import Request
    from ..config import Site
    from ..inventory.rotations import Rotation
    from ..transaction import Transaction


# ``smtpcreds sasl rotations``, and what is said of a replacement.


@click.command()
@pass_session
def rotations(session: Session) -> None:
    """List replacements in progress, and what remains to be done."""
    from ..accounts.rotation import unfinished

    site = session.site()
    rows = unfinished(site)
    lines = [line for row in rows for line in _standing(site, row)]
    session.show(
        {"rotations": [document(site, row) for row in rows]},
        lines or ["no replacement is in progress"],
        listed=True,
    )


def document(site: "Site", row: "Rotation") -> dict[str, object]:
    """Return the row for JSON, with the places of the secret and never the secret."""
    from ..accounts.database import database_of

    places = places_of(site, row)
    return {
        "account": str(row.account),
        "successor": str(row.successor),
        "state": row.state.value,
        "started": row.started,
        "retire_after": row.retire_after,
        "ended": row.ended,
        "clients": row.clients,
        "database": database_of(site, row.sasldb),
        "file": next(filter(os.path.isabs, places), None),
        "secret": places,
    }


def places_of(site: "Site", row: "Rotation") -> list[str]:
    """Return where the successor's secret went: places that somebody named, else the file for client hosts.

    That file is left out where it is not there, be it not yet or no more.
    """
    from ..accounts.auth_info import auth_info_for_clients
    from ..files import exists

    path = auth_info_for_clients(site, row.successor)
    return [*row.places] or [path] * exists(path)


def next_steps(site: "Site", row: "Rotation") -> Iterator[str]:
    """Say what remains of an open one: the secret to the client hosts, then the end of the old account."""
    from ..deploy.holders import ways_to_clients

    accounts = book_of(site, row)
    lacking, bundled = _lacking(site, row)
    clients = lacking or row.clients
    by_bundle = bundled if _can_be_bundled(site, accounts, row) else frozenset()
    ways: list[str] = []
    is_copied = bool(row.places or not clients or {*clients} - by_bundle)
    if is_copied:
        hosts = ", ".join(host for host in clients if host not in by_bundle) or "each client host"
        places = sorted(places_of(site, row), key=os.path.isabs, reverse=True)  # a file needs no command
        ways += [_hand_out(accounts, row, place, hosts) for place in places]
        ways = ways if row.places or _is_handed_out(accounts, row) else [_remedy(accounts, row)]
    if _can_be_bundled(site, accounts, row):
        unnamed = [f"smtpcreds bundle HOST --account {accounts.shown(row.successor)}"]
        ways += list(ways_to_clients(site, row.successor, clients)) or unnamed
    joint = "      or " if is_copied else "      "
    yield from (f"{joint if number else 'next: '}{way}" for number, way in enumerate(ways))
    if row.retire_after is None:
        account = accounts.shown(row.account)
        yield f"      smtpcreds sasl rotate {account} --retire    once all hosts use the new one"
    else:
        yield f"      smtpcreds sasl rotate --due    from {day(row.retire_after)} on"


def _lacking(site: "Site", row: "Rotation") -> tuple[Sequence[str], frozenset[str]]:
    """Return the hosts that are known to lack the successor's secret, and all that ever got a bundle."""
    from ..ca.layout import reading
    from ..deploy.delivery import handovers
    from ..upkeep import without_successor

    with reading(site) as inventory:
        return without_successor(site, inventory, row), frozenset(handovers(inventory.deliveries()))


def book_of(site: "Site", row: "Rotation") -> "AccountDatabase":
    """Return the accounts among which both are."""
    from ..accounts.database import AccountDatabase, database_of

    return AccountDatabase(site, database_of(site, row.sasldb))


def day(when: datetime | None) -> str:
    """Return a time for people."""
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else ""


def _hand_out(accounts: "AccountDatabase", row: "Rotation", place: str, hosts: str) -> str:
    if os.path.isabs(place):
        return f"copy {place} to /etc/mail/default-auth-info of {hosts}, mode 0600"
    command = f"smtpcreds sasl auth-info {accounts.shown(row.successor)} --to FILE --password {quote(place)}"
    return f"{command}    for {hosts}"


def _is_handed_out(accounts: "AccountDatabase", row: "Rotation") -> bool:
    from ..accounts.auth_info import is_delivered

    try:
        return is_delivered(accounts, row.successor)
    except SmtpcredsError:
        return False


def _can_be_bundled(site: "Site", accounts: "AccountDatabase", row: "Rotation") -> bool:
    """Tell whether ``bundle`` finds the successor's secret, in the configured database or in its file."""
    from ..accounts.auth_info import readable_credential

    try:
        return accounts.database == site.sasldb and bool(readable_credential(accounts, row.successor))
    except SmtpcredsError:
        return False


def _remedy(accounts: "AccountDatabase", row: "Rotation") -> str:
    """Return the way to a file for client hosts where the one made is gone, or has another secret."""
    try:
        accounts.credential(row.successor)
    except SmtpcredsError as error:
        return "; ".join(filter(None, (f"{row.successor} {error.reason}", error.hint)))
    return f"smtpcreds sasl auth-info {accounts.shown(row.successor)} --to FILE"


def _standing(site: "Site", row: "Rotation") -> Iterator[str]:
    from ..inventory.rotations import RotationState

    age = (site.clock() - row.started).days
    days = {0: "today", 1: "since yesterday"}.get(age, f"for {age} days")
    yield f"{row.account} -> {row.successor}: {row.state} {days}"
    if row.state is RotationState.OPEN:
        yield from (f"  {line}" for line in next_steps(site, row))
    else:
        yield "  interrupted; next: smtpcreds sasl rotate --due    completes it"


# ``smtpcreds sasl rotate``.

NO = 1


@click.command()
@click.argument("name", metavar="[NAME[@REALM]]", required=False)
@click.option(
    "--successor", metavar="NAME", help="Name of the new account; default: NAME-2, or the next number."
)
@click.option("--client", "clients", multiple=True, metavar="HOST", help="A host that needs the new secret.")
@password_option
@replacing_options
@clear_option
@click.option("--after", metavar="DATE|Nd", help="When to retire the old account: 2026-12-01, or 30d.")
@click.option("--retire", is_flag=True, help="Delete the old account, at once or --after a date.")
@click.option("--abandon", is_flag=True, help="Delete the successor, and keep the account.")
@click.option("--due", is_flag=True, help="Retire every account whose date has come.")
@realm_option
@database_option
@pass_session
def rotate(
    session: Session,
    /,
    name: str | None,
    successor: str | None,
    clients: tuple[str, ...],
    password: str | None,
    clear: bool,
    after: str | None,
    retire: bool,
    abandon: bool,
    due: bool,
    realm: str | None,
    database: str | None,
    **storing: Any,
) -> None:
    """Replace the account NAME without an outage: a successor now, its own end later.

    The successor is stored as NAME is, in clear text or hashed, unless --clear or --hashed says otherwise.
    Its secret goes to --keep and --auth-info, else into a file for client hosts below the state directory.
    """
    from ..accounts.database import AccountDatabase
    from ..accounts.rotation import parse_after, request

    begins = not (retire or abandon or due)
    of_secret = (password, clear, *(storing[name] for name in storing if name != "force" or not retire))
    _verify_words(
        (
            sum((retire, abandon, due)) > 1,
            "--retire, --abandon and --due",
            "are three different steps; give one",
        ),
        (due and name is not None, "--due", "takes no NAME; it is for every account"),
        (
            due and (realm or database),
            "--due",
            "takes neither --realm nor --database; it is for every account",
        ),
        (not due and name is None, "NAME", "is missing; only --due goes without"),
        (not begins and (successor or clients), "--successor and --client", "belong to the first step"),
        (not begins and any(of_secret), "options of the new secret", "belong to the first step"),
        ((abandon or due) and after, "--after", "goes with the first step or with --retire"),
        (retire and after and storing["force"], "--retire --force", "retires at once, so not --after a date"),
        (clear and storing["hashed"], "--clear", "contradicts --hashed"),
    )
    site = session.site()
    if due or name is None:
        _retire_due(session, site)
        return
    when = parse_after(after, site.clock()) if after else None
    account = AccountDatabase(site, database).parse(name, realm)
    wanted = request(site, account, database, successor, clients, when)
    if begins:
        _begin(session, site, wanted, password or GENERATED, clear=clear, **storing)
    else:
        _end(session, site, wanted, abandon=abandon, force=storing["force"])


def _verify_words(*rules: tuple[object, str, str]) -> None:
    for is_broken, subject, reason in rules:
        if is_broken:
            raise UsageError(subject, reason, "smtpcreds sasl rotate --help")


def _begin(
    session: Session, site: "Site", wanted: "Request", password: str, *, clear: bool, **storing: Any
) -> None:
    from ..accounts.rotation import begin
    from ..accounts.stored import CLEAR, Hashed, form_of
    from ..sources import is_generated, parse_source

    hashed = hashed_form(**storing)
    form = CLEAR if clear else hashed
    what = f"password for the successor of {wanted.account}"
    secret = account_secret(password, what, site, wanted.account, allow_weak=storing["allow_weak"])
    is_chosen = not is_generated(parse_source(password))

    def begun(work: "Transaction") -> "Rotation":
        return begin(
            work,
            wanted,
            secret,
            form=form,
            places=lambda accounts, successor: named_places(session, accounts, successor, **storing),
            is_chosen=is_chosen,
        )

    row = session.run(site, begun)
    if not row:
        return
    accounts = book_of(site, row)
    form = form_of(row.successor, accounts.properties(row.successor))
    is_hashed = isinstance(form, Hashed)
    session.show(
        {
            **document(site, row),
            "stored": "hashed" if is_hashed else "clear",
            "mechanisms": accounts.entry(row.successor).mechanisms,
        },
        [
            f"{row.account}: successor {row.successor}, {form}; both work until the old one is retired",
            *(f"  {_described(session, place)}" for place in places_of(site, row)),
            *(_ONLY_COPY if is_hashed and not row.places else ()),
            *next_steps(site, row),
        ],
    )


def _described(session: Session, place: str) -> str:
    from ..files import exists

    path = place.removeprefix("file:")
    return session.described(path) if path.startswith("/") and exists(path) else place


def _end(session: Session, site: "Site", wanted: "Request", *, abandon: bool, force: bool) -> None:
    from ..accounts.rotation import abandon as give_up
    from ..accounts.rotation import postpone, retire
    from ..upkeep import verify_unused

    def ended(work: "Transaction") -> "Rotation":
        if abandon:
            return give_up(work, wanted)
        if wanted.retire_after is not None:
            return postpone(work, wanted, wanted.retire_after)
        return retire(work, wanted, None if force else partial(verify_unused, work))

    row = session.run(site, ended)
    if not row:
        return
    if row.ended is None:
        session.show(
            document(site, row), [f"{row.account}: to be retired after {day(row.retire_after)}", *_CRON]
        )
        return
    warn_of_end(session, site, row)
    session.show(document(site, row), list(outcome_lines(site, row)))


def _retire_due(session: Session, site: "Site") -> None:
    from ..accounts.rotation import retire_due
    from ..inventory.rotations import RotationState

    outcomes = session.run(site, retire_due)
    if outcomes is None:
        raise SystemExit(NO if session.would_change else 0)
    failed = [outcome for outcome in outcomes if isinstance(outcome, SmtpcredsError)]
    rest = [outcome for outcome in outcomes if not isinstance(outcome, SmtpcredsError)]
    rows = [row for row in rest if row.state is RotationState.RETIRED]
    for row in rows:
        warn_of_end(session, site, row)
    session.show(
        {"retired": [document(site, row) for row in rows], "failed": [str(error) for error in failed]},
        [line for row in rows for line in outcome_lines(site, row)] or ["nothing is due"],
    )
    session.fail(failed)


def outcome_lines(site: "Site", row: "Rotation") -> Iterator[str]:
    """Say which account is gone, and whether this hub still has the other one's secret."""
    from ..inventory.rotations import RotationState

    is_retired = row.state is RotationState.RETIRED
    gone, stays = (row.account, row.successor) if is_retired else (row.successor, row.account)
    yield f"{gone}: deleted; {stays} stays"
    if is_retired and not places_of(site, row) and _is_hashed(site, row):
        yield "  it is hashed, and the file for client hosts, which had its secret, is deleted too"


def _is_hashed(site: "Site", row: "Rotation") -> bool:
    from ..accounts.auth_info import is_readable

    try:
        return not is_readable(book_of(site, row), row.successor)
    except SmtpcredsError:
        return False


def warn_of_end(session: Session, site: "Site", row: "Rotation") -> None:
    """Say what an end leaves behind: a hub's set-up would make the account anew, a place keeps a secret."""
    from ..inventory.rotations import RotationState

    is_retired = row.state is RotationState.RETIRED
    if is_retired and row.account.authcid == site.settings.sasl.account:
        session.warn(
            f'setup would make {row.account.authcid} anew; set account = "{row.successor.authcid}" '
            f"in table [sasl] of {site.settings_path}"
        )
    for place in () if is_retired else row.places:
        session.warn(f"{place}: has the secret of {row.successor}, which no longer works")


_CRON = ("next: smtpcreds sasl rotate --due    daily, from cron or a timer",)
_ONLY_COPY = ("  the database can't give the secret back; this file has it until the old account is retired",)
