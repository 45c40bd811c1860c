"""``smtpcreds sasl import``."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ...errors import DataError, DeniedError
from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option

if TYPE_CHECKING:
    from ...accounts.bulk import Imported
    from ...accounts.readers import Fault, Row
    from ...transaction import Transaction

STDIN = "-"
_NAMED = 100
"""Refusals that get a line of their own: a file of another kind may have a million. JSON has all."""


@click.command("import", cls=Verb)
@click.argument("source", metavar="FILE|-")
@click.option(
    "--as",
    "kind",
    metavar="FORMAT",
    help="csv, jsonl, auth-info, sasldb, dovecot or postfix; default: told from the content.",
)
@click.option("--realm", metavar="REALM", help="Realm of bare names; default: the relay's own name.")
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "replace"]),
    default="fail",
    help="What becomes of accounts that exist with other content; default: fail.",
)
@click.option("--skip-bad", is_flag=True, help="Import the rest when some accounts are refused.")
@click.option("--check-logins", is_flag=True, help="Try each secret on this host's logins; slow.")
@click.option("--allow-login-names", is_flag=True, help="Accept names of login accounts of this host.")
@database_option
@pass_session
def import_(
    session: Session,
    source: str,
    kind: str | None,
    realm: str | None,
    on_conflict: str,
    skip_bad: bool,
    check_logins: bool,
    allow_login_names: bool,
    database: str | None,
) -> None:
    """Import the accounts of FILE or a PostgreSQL URL, all of them or none."""
    from ...accounts import AccountBook
    from ...accounts.bulk import OnConflict, import_accounts
    from ...accounts.intake import Rules, take_in

    site = session.site()
    rows = list(_rows(source, kind))
    with session.progress(len(rows)) as advance:
        rules = Rules(realm, check_logins, allow_login_names)
        intake = take_in(AccountBook(site, database), _drained(rows), rules, advance)
    for fault in intake.repeated:
        session.note(f"{source}: {fault.where}: {fault.reason}")

    def imported(work: "Transaction") -> "Imported":
        def refuse(refused: "Sequence[Fault]") -> None:
            if not skip_bad:
                session.show({"imported": False, "refused": _refused(refused)}, [])
                session.fail(_errors(source, refused))
            for line in _named(refused):
                work.warn(f"{source}: {line}")

        return import_accounts(work.accounts(database), intake, OnConflict(on_conflict), refuse)

    if done := session.run(site, imported, state=False):
        session.show({**_document(done), "refused": _refused(done.refused)}, _lines(session, done))


def _drained(rows: "list[Row | Fault]") -> "Iterator[Row | Fault]":
    """Give the rows and forget each; a million of them take half a gigabyte."""
    rows.reverse()
    while rows:
        yield rows.pop()


def _rows(source: str, kind: str | None) -> "Iterator[Row | Fault]":
    from ...accounts.origin import place_of
    from ...accounts.source import accounts_in, accounts_of

    if source != STDIN:
        return accounts_of(place_of(source), kind)
    if sys.stdin.isatty():
        raise DeniedError("standard input", "is a terminal, which would show secrets", "name a file")
    return accounts_in(sys.stdin.buffer.read(), kind, "standard input")


def _errors(source: str, refused: "Iterable[Fault]") -> Iterator[DataError]:
    lines = list(_named(tuple(refused)))
    for number, line in enumerate(lines, 1):
        hint = "nothing was imported; mend the file, or pass --skip-bad" if number == len(lines) else None
        yield DataError(source, line, hint)


def _named(refused: "Sequence[Fault]") -> Iterator[str]:
    yield from (f"{fault.where}: {fault.reason}" for fault in refused[:_NAMED])
    if (more := len(refused) - _NAMED) > 0:
        yield f"{more} more are refused; --json names them all"


def _refused(refused: "Iterable[Fault]") -> list[dict[str, str]]:
    return [{"where": fault.where, "reason": fault.reason} for fault in refused]


def _document(done: "Imported") -> dict[str, object]:
    groups = {"added": done.added, "replaced": done.replaced, "skipped": done.skipped}
    names = {group: [str(account) for account in accounts] for group, accounts in groups.items()}
    return {"imported": True, "database": done.database, **names}


def _lines(session: Session, done: "Imported") -> Iterator[str]:
    yield (
        f"{len(done.added)} added, {len(done.replaced)} replaced, "
        f"{len(done.skipped)} skipped, {len(done.refused)} refused"
    )
    if done.added or done.replaced:
        yield f"  {session.described(done.database)}"
