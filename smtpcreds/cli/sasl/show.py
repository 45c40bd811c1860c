"""``smtpcreds sasl list`` and ``show``."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ...errors import MissingInputError, shown
from ..lazy import Verb
from ..session import Session, pass_session
from .options import account_options, database_option

if TYPE_CHECKING:
    from ...accounts import Entry, Listing


@click.command("list", cls=Verb)
@database_option
@pass_session
def list_(session: Session, database: str | None) -> None:
    """List the accounts and the mechanisms that each can serve."""
    from ...accounts import AccountBook
    from ...postgres import is_url

    book = AccountBook(session.site(), database)
    if database and not (is_url(book.database) or os.path.lexists(book.database)):
        raise MissingInputError(book.database, "does not exist", "smtpcreds sasl list, of the usual one")
    found = book.listing()
    session.show(
        lambda: {"accounts": _rows(found)},
        _lines(found) if found.names else [f"no accounts in {book.database}"],
    )


@click.command(cls=Verb)
@account_options
@click.option("--reveal", is_flag=True, help="Print the secret, alone on standard output.")
@pass_session
def show(session: Session, name: str, realm: str | None, database: str | None, reveal: bool) -> None:
    """Show the account NAME; its secret only with --reveal."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.existing(name, realm)
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
    return {**entry._asdict(), "account": str(entry.account)}


def _rows(found: "Listing") -> list[dict[str, object]]:
    from ...accounts.entries import ORDINARY
    from ...accounts.mechanisms import ALL

    usual = {"properties": ORDINARY, "mechanisms": ALL, "remarks": ()}
    return [
        _row(found.others[name]) if name in found.others else {"account": name, **usual}
        for name in found.names
    ]


def _lines(found: "Listing") -> Iterator[str]:
    from ...accounts.mechanisms import ALL

    names = [*map(_on_one_line, found.names)] if "\n" in "".join(found.names) else found.names
    width = max(map(len, names))
    end = f"  {_words(ALL)}"
    if not found.others:
        yield from (text.ljust(width) + end for text in names)
        return
    for name, text in zip(found.names, names, strict=True):
        entry = found.others.get(name)
        if entry is None:
            yield text.ljust(width) + end
            continue
        yield f"{text:{width}}  {_words(entry.mechanisms)}"
        for remark in entry.remarks:
            yield f"    note: {remark}"


def _on_one_line(name: str) -> str:
    return shown(name) if "\n" in name else name


def _words(mechanisms: tuple[str, ...]) -> str:
    return " ".join(mechanisms) or "no mechanism"
