"""``smtpcreds sasl rotations``, and what is said of a replacement."""

import os
from collections.abc import Iterator
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...accounts import AccountBook
    from ...config import Site
    from ...inventory import Rotation


@click.command(cls=Verb)
@pass_session
def rotations(session: Session) -> None:
    """List replacements that are half-way, and what remains to be done."""
    from ...rotate import unfinished

    site = session.site()
    rows = unfinished(site)
    lines = [line for row in rows for line in _standing(site, row)]
    session.show({"rotations": [document(site, row) for row in rows]}, lines or ["nothing is half-way"])


def document(site: "Site", row: "Rotation") -> dict[str, object]:
    """Return the row for JSON, with the places of the secret and never the secret."""
    from ...accounts.origin import database_of

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
    from ...deploy.clients import auth_info_for_clients

    path = auth_info_for_clients(site, row.successor)
    return [*row.places] or [path] * os.path.lexists(path)


def next_steps(site: "Site", row: "Rotation") -> Iterator[str]:
    """Say what remains of an open one: the secret to the client hosts, then the end of the old account."""
    book = book_of(site, row)
    hosts = ", ".join(row.clients) or "each client host"
    places = sorted(places_of(site, row), key=os.path.isabs, reverse=True)  # a file to copy needs no command
    ways = [_hand_out(book, row, place, hosts) for place in places]
    ways = ways if row.places or _is_handed_out(book, row) else [_remedy(book, row)]
    yield f"next: {ways[0]}"
    yield from (f"      or {way}" for way in ways[1:])
    if _can_be_bundled(site, book, row):
        account = book.shown(row.successor)
        yield from (
            f"      or smtpcreds bundle {host} --account {account}" for host in row.clients or ["HOST"]
        )
    if row.retire_after is None:
        account = book.shown(row.account)
        yield f"      smtpcreds sasl rotate {account} --retire    once all relay by the new one"
    else:
        yield f"      smtpcreds sasl rotate --due    from {day(row.retire_after)} on"


def book_of(site: "Site", row: "Rotation") -> "AccountBook":
    """Return the accounts among which both are."""
    from ...accounts import AccountBook
    from ...accounts.origin import database_of

    return AccountBook(site, database_of(site, row.sasldb))


def day(when: datetime | None) -> str:
    """Return a time for people."""
    return f"{when:%Y-%m-%d %H:%M} UTC" if when else ""


def _hand_out(book: "AccountBook", row: "Rotation", place: str, hosts: str) -> str:
    if os.path.isabs(place):
        return f"copy {place} to /etc/mail/default-auth-info of {hosts}, mode 0600"
    command = f"smtpcreds sasl auth-info {book.shown(row.successor)} --to FILE --password {quote(place)}"
    return f"{command}    for {hosts}"


def _is_handed_out(book: "AccountBook", row: "Rotation") -> bool:
    from ...deploy.clients import is_handed_out
    from ...errors import SmtpcredsError

    try:
        return is_handed_out(book, row.successor)
    except SmtpcredsError:
        return False


def _can_be_bundled(site: "Site", book: "AccountBook", row: "Rotation") -> bool:
    """Tell whether ``bundle`` finds the successor's secret, in the configured database or in its file."""
    from ...deploy.clients import readable_credential
    from ...errors import SmtpcredsError

    try:
        return book.database == site.sasldb and bool(readable_credential(book, row.successor))
    except SmtpcredsError:
        return False


def _remedy(book: "AccountBook", row: "Rotation") -> str:
    """Return the way to a file for client hosts where the one made is gone, or has another secret."""
    from ...errors import SmtpcredsError

    try:
        book.credential(row.successor)
    except SmtpcredsError as error:
        return f"{row.successor} {error.reason}; {error.hint}"
    return f"smtpcreds sasl auth-info {book.shown(row.successor)} --to FILE"


def _standing(site: "Site", row: "Rotation") -> Iterator[str]:
    from ...inventory import RotationState

    age = (site.clock() - row.started).days
    days = {0: "today", 1: "since yesterday"}.get(age, f"for {age} days")
    yield f"{row.account} -> {row.successor}: {row.state} {days}"
    if row.state is RotationState.OPEN:
        yield from (f"  {line}" for line in next_steps(site, row))
    else:
        yield "  interrupted; next: smtpcreds sasl rotate --due    settles it"
