"""``smtpcreds sasl list`` and ``show``."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option, name_argument, realm_option

if TYPE_CHECKING:
    from ...accounts import Entry


@click.command("list", cls=Verb)
@database_option
@pass_session
def list_(session: Session, database: str | None) -> None:
    """List the accounts and the mechanisms that each can serve."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    entries = list(book.entries())
    width = max((len(e.account.authcid) + len(e.account.realm) + 1 for e in entries), default=0)
    session.show(
        lambda: {"accounts": [_row(entry) for entry in entries]},
        _lines(entries, width) if entries else [f"no accounts in {book.database}"],
    )


@click.command(cls=Verb)
@name_argument
@realm_option
@database_option
@click.option("--reveal", is_flag=True, help="Print the secret, alone on standard output.")
@pass_session
def show(session: Session, name: str, realm: str | None, database: str | None, reveal: bool) -> None:
    """Show the account NAME; its secret only with --reveal."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    if reveal:
        session.reveal(book.credential(account).secret.reveal() + b"\n")
        return
    entry = book.entry(account)
    session.show(
        _row(entry),
        [
            str(account),
            f"  properties  {' '.join(entry.properties)}",
            f"  mechanisms  {' '.join(entry.mechanisms) or 'none'}",
            *(f"  note        {remark}" for remark in entry.remarks),
        ],
    )


def _row(entry: "Entry") -> dict[str, object]:
    return {
        "account": str(entry.account),
        "properties": entry.properties,
        "mechanisms": entry.mechanisms,
        "remarks": entry.remarks,
    }


def _lines(entries: "Iterable[Entry]", width: int) -> Iterator[str]:
    for account, _, mechanisms, remarks in entries:
        yield f"{account!s:{width}}  {_words(mechanisms)}"
        for remark in remarks:
            yield f"    note: {remark}"


@cache
def _words(mechanisms: tuple[str, ...]) -> str:
    return " ".join(mechanisms) or "no mechanism"
