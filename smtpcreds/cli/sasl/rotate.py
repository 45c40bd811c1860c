"""``smtpcreds sasl rotate``."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ...errors import SmtpcredsError, UsageError
from ..lazy import Verb
from ..secrets import account_secret
from ..session import Session, pass_session
from .delivery import hashed_form, named_places
from .options import GENERATED, clear_option, database_option, password_option, realm_option, storing_options
from .rotations import book_of, day, document, next_steps, places_of

if TYPE_CHECKING:
    from ...config import Site
    from ...inventory import Rotation
    from ...rotate import Request
    from ...transaction import Transaction

NO = 1


@click.command(cls=Verb)
@click.argument("name", metavar="[NAME[@REALM]]", required=False)
@click.option(
    "--successor", metavar="NAME", help="Name of the new account; default: NAME-2, or the next number."
)
@click.option("--client", "clients", multiple=True, metavar="HOST", help="A host that needs the new secret.")
@password_option
@storing_options
@clear_option
@click.option("--after", metavar="DATE|Nd", help="When the old account is to go: 2026-12-01, or 30d.")
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
    from ...accounts import AccountBook
    from ...rotate import parse_after, request

    begins = not (retire or abandon or due)
    of_secret = (password, clear, *storing.values())
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
        (clear and storing["hashed"], "--clear", "contradicts --hashed"),
    )
    site = session.site()
    if due or name is None:
        _retire_due(session, site)
        return
    when = parse_after(after, site.clock()) if after else None
    account = AccountBook(site, database).parse(name, realm)
    wanted = request(site, account, database, successor, clients, when)
    if begins:
        _begin(session, site, wanted, password or GENERATED, clear=clear, **storing)
    else:
        _end(session, site, wanted, abandon=abandon)


def _verify_words(*rules: tuple[object, str, str]) -> None:
    for is_broken, subject, reason in rules:
        if is_broken:
            raise UsageError(subject, reason, "smtpcreds sasl rotate --help")


def _begin(
    session: Session, site: "Site", wanted: "Request", password: str, *, clear: bool, **storing: Any
) -> None:
    from ...accounts.forms import CLEAR, Hashed, form_of
    from ...rotate import begin
    from ...sources import is_generated, parse_source

    hashed = hashed_form(**storing)
    form = CLEAR if clear else hashed
    secret = account_secret(password, f"password for the successor of {wanted.account}", site)
    is_chosen = not is_generated(parse_source(password))

    def begun(work: "Transaction") -> "Rotation":
        return begin(
            work,
            wanted,
            secret,
            form=form,
            places=lambda book, successor: named_places(session, book, successor, **storing),
            is_chosen=is_chosen,
        )

    row = session.run(site, begun)
    if not row:
        return
    book = book_of(site, row)
    form = form_of(row.successor, book.properties(row.successor))
    is_hashed = isinstance(form, Hashed)
    session.show(
        {
            **document(site, row),
            "stored": "hashed" if is_hashed else "clear",
            "mechanisms": book.entry(row.successor).mechanisms,
        },
        [
            f"{row.account}: successor {row.successor}, {form}; both work until the old one is retired",
            *(f"  {_described(session, place)}" for place in places_of(site, row)),
            *(_ONLY_COPY if is_hashed and not row.places else ()),
            *next_steps(site, row),
        ],
    )


def _described(session: Session, place: str) -> str:
    path = place.removeprefix("file:")
    return session.described(path) if os.path.lexists(path) else place


def _end(session: Session, site: "Site", wanted: "Request", *, abandon: bool) -> None:
    from ...rotate import abandon as give_up
    from ...rotate import postpone, retire

    def ended(work: "Transaction") -> "Rotation":
        if abandon:
            return give_up(work, wanted)
        if wanted.retire_after is not None:
            return postpone(work, wanted, wanted.retire_after)
        return retire(work, wanted)

    row = session.run(site, ended)
    if not row:
        return
    if row.ended is None:
        session.show(
            document(site, row), [f"{row.account}: to be retired after {day(row.retire_after)}", *_CRON]
        )
        return
    _warn(session, site, row)
    session.show(document(site, row), list(_outcome(site, row)))


def _retire_due(session: Session, site: "Site") -> None:
    from ...inventory import RotationState
    from ...rotate import retire_due

    outcomes = session.run(site, retire_due)
    if outcomes is None:
        raise click.exceptions.Exit(NO if session.would_change else 0)
    failed = [outcome for outcome in outcomes if isinstance(outcome, SmtpcredsError)]
    rest = [outcome for outcome in outcomes if not isinstance(outcome, SmtpcredsError)]
    rows = [row for row in rest if row.state is RotationState.RETIRED]
    for row in rows:
        _warn(session, site, row)
    session.show(
        {"retired": [document(site, row) for row in rows], "failed": [str(error) for error in failed]},
        [line for row in rows for line in _outcome(site, row)] or ["nothing is due"],
    )
    session.fail(failed)


def _outcome(site: "Site", row: "Rotation") -> Iterator[str]:
    """Say which account is gone, and whether this hub still has the other one's secret."""
    from ...inventory import RotationState

    is_retired = row.state is RotationState.RETIRED
    gone, stays = (row.account, row.successor) if is_retired else (row.successor, row.account)
    yield f"{gone}: deleted; {stays} stays"
    if is_retired and not places_of(site, row) and _is_hashed(site, row):
        yield "  it is hashed, and the file for client hosts, which had its secret, is deleted too"


def _is_hashed(site: "Site", row: "Rotation") -> bool:
    from ...deploy.clients import is_readable

    try:
        return not is_readable(book_of(site, row), row.successor)
    except SmtpcredsError:
        return False


def _warn(session: Session, site: "Site", row: "Rotation") -> None:
    """Say what an end leaves behind: a hub's set-up would make the account anew, a place keeps a secret."""
    from ...inventory import RotationState

    is_retired = row.state is RotationState.RETIRED
    if is_retired and row.account.authcid == site.settings.sasl.account:
        session.warn(
            f'setup would make {row.account.authcid} anew; set account = "{row.successor.authcid}" '
            f"in table [sasl] of {site.settings_path}"
        )
    for place in () if is_retired else row.places:
        session.warn(f"{place}: has the secret of {row.successor}, which opens nothing now")


_CRON = ("next: smtpcreds sasl rotate --due    daily, from cron or a timer",)
_ONLY_COPY = ("  the database can't give the secret back; this file has it until the old account is retired",)
