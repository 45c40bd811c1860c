"""``smtpcreds sasl list`` and ``show``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option, name_argument, realm_option


@click.command("list", cls=Verb)
@database_option
@pass_session
def list_(session: Session, database: str | None) -> None:
    """List the accounts and the mechanisms that each can serve."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    entries = book.entries()
    rows = [
        {"account": str(e.account), "properties": e.properties, "mechanisms": e.mechanisms} for e in entries
    ]
    width = max((len(str(e.account)) for e in entries), default=0)
    lines = (f"{e.account!s:{width}}  {' '.join(e.mechanisms) or 'no mechanism'}" for e in entries)
    session.show({"accounts": rows}, lines if entries else [f"no accounts in {book.database}"])


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
        {"account": str(account), "properties": entry.properties, "mechanisms": entry.mechanisms},
        [
            str(account),
            f"  properties  {' '.join(entry.properties)}",
            f"  mechanisms  {' '.join(entry.mechanisms) or 'none'}",
        ],
    )
