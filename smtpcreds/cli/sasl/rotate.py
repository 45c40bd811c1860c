"""``smtpcreds sasl rotate`` and ``rotations``."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ...errors import SmtpcredsError, UsageError
from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option, realm_option

if TYPE_CHECKING:
    from ...config import Site
    from ...inventory import Rotation
    from ...model import Plan
    from ...rotate import Request

NO = 1


@click.command(cls=Verb)
@click.argument("name", metavar="[NAME[@REALM]]", required=False)
@click.option(
    "--successor", metavar="NAME", help="Name of the new account; default: NAME-2, or the next number."
)
@click.option("--client", "clients", multiple=True, metavar="HOST", help="A host that needs the new secret.")
@click.option("--after", metavar="DATE|Nd", help="When the old account is to go: 2026-12-01, or 30d.")
@click.option("--retire", is_flag=True, help="Delete the old account, at once or --after a date.")
@click.option("--abandon", is_flag=True, help="Delete the successor, and keep the account.")
@click.option("--due", is_flag=True, help="Retire every account whose date has come.")
@realm_option
@database_option
@pass_session
def rotate(
    session: Session,
    name: str | None,
    successor: str | None,
    clients: tuple[str, ...],
    after: str | None,
    retire: bool,
    abandon: bool,
    due: bool,
    realm: str | None,
    database: str | None,
) -> None:
    """Replace the account NAME without an outage: a successor now, its own end later."""
    from ...accounts import AccountBook
    from ...rotate import parse_after
    from ...setup.rotation import request

    begins = not (retire or abandon or due)
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
        ((abandon or due) and after, "--after", "goes with the first step or with --retire"),
    )
    site = session.site()
    if due or name is None:
        _retire_due(session, site)
        return
    when = parse_after(after, site.clock()) if after else None
    account = AccountBook(site, database).parse(name, realm)
    wanted = request(site, account, database, successor, clients, when)
    if begins:
        _begin(session, site, wanted)
    else:
        _end(session, site, wanted, abandon=abandon)


@click.command(cls=Verb)
@pass_session
def rotations(session: Session) -> None:
    """List replacements that are half-way, and what remains to be done."""
    from ...setup.rotation import unfinished

    site = session.site()
    rows = unfinished(site)
    lines = [line for row in rows for line in _standing(site, row)]
    session.show({"rotations": [_document(site, row) for row in rows]}, lines or ["nothing is half-way"])


def _verify_words(*rules: tuple[object, str, str]) -> None:
    for is_broken, subject, reason in rules:
        if is_broken:
            raise UsageError(subject, reason, "smtpcreds sasl rotate --help")


def _begin(session: Session, site: "Site", wanted: "Request") -> None:
    from ...setup.clients import auth_info_for_clients
    from ...setup.rotation import plan_begin

    row = session.carry_out(plan_begin(site, wanted))
    if row:
        path = auth_info_for_clients(site, row.successor)
        lines = [f"{row.account}: successor {row.successor}; both work until the old one is retired"]
        session.show(_document(site, row), [*lines, f"  {session.described(path)}", *_next(site, row)])


def _end(session: Session, site: "Site", wanted: "Request", *, abandon: bool) -> None:
    row = session.carry_out(_plan_end(site, wanted, abandon=abandon))
    if not row:
        return
    if row.ended is None:
        session.show(
            _document(site, row), [f"{row.account}: to be retired after {_day(row.retire_after)}", *_CRON]
        )
        return
    gone, stays = (row.successor, row.account) if abandon else (row.account, row.successor)
    _warn_of_settings(session, site, row)
    session.show(_document(site, row), [f"{gone}: deleted; {stays} stays"])


def _plan_end(site: "Site", wanted: "Request", *, abandon: bool) -> "Plan[Rotation]":
    from ...setup.rotation import plan_abandon, plan_postpone, plan_retire

    if abandon:
        return plan_abandon(site, wanted)
    if wanted.retire_after is not None:
        return plan_postpone(site, wanted, wanted.retire_after)
    return plan_retire(site, wanted)


def _retire_due(session: Session, site: "Site") -> None:
    from ...setup.rotation import plan_due

    plan = plan_due(site)
    outcomes = session.carry_out(plan)
    if outcomes is None:
        raise click.exceptions.Exit(NO if plan.steps else 0)
    failed = [outcome for outcome in outcomes if isinstance(outcome, SmtpcredsError)]
    rows = [outcome for outcome in outcomes if not isinstance(outcome, SmtpcredsError)]
    for row in rows:
        _warn_of_settings(session, site, row)
    session.show(
        {"retired": [_document(site, row) for row in rows], "failed": [str(error) for error in failed]},
        [f"{row.account}: deleted; {row.successor} stays" for row in rows] or ["nothing is due"],
    )
    session.fail(failed)


def _warn_of_settings(session: Session, site: "Site", row: "Rotation") -> None:
    """A hub's set-up would make the account anew."""
    from ...inventory import RotationState

    if row.state is RotationState.RETIRED and row.account.authcid == site.settings.sasl.account:
        session.warn(
            f'setup would make {row.account.authcid} anew; set account = "{row.successor.authcid}" '
            f"in table [sasl] of {site.settings_path}"
        )


_CRON = ("next: smtpcreds sasl rotate --due    daily, from cron or a timer",)


def _next(site: "Site", row: "Rotation") -> Iterator[str]:
    from ...setup.clients import auth_info_for_clients

    path, hosts = auth_info_for_clients(site, row.successor), ", ".join(row.clients) or "each client host"
    yield f"next: copy {path} to /etc/mail/default-auth-info of {hosts}, mode 0600"
    if row.retire_after is None:
        yield f"      smtpcreds sasl rotate {row.account} --retire    once all relay by the new one"
    else:
        yield f"      smtpcreds sasl rotate --due    from {_day(row.retire_after)} on"


def _standing(site: "Site", row: "Rotation") -> Iterator[str]:
    from ...inventory import RotationState

    age = (site.clock() - row.started).days
    days = {0: "today", 1: "since yesterday"}.get(age, f"for {age} days")
    yield f"{row.account} -> {row.successor}: {row.state} {days}"
    if row.state is RotationState.OPEN:
        yield from (f"  {line}" for line in _next(site, row))
    else:
        yield "  interrupted; next: smtpcreds sasl rotate --due    settles it"


def _day(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else ""


def _document(site: "Site", row: "Rotation") -> dict[str, object]:
    from ...setup.clients import auth_info_for_clients
    from ...setup.rotation import database_of

    return {
        "account": str(row.account),
        "successor": str(row.successor),
        "state": row.state.value,
        "started": row.started,
        "retire_after": row.retire_after,
        "ended": row.ended,
        "clients": row.clients,
        "database": database_of(site, row.sasldb),
        "file": auth_info_for_clients(site, row.successor),
    }
