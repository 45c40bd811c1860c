"""``smtpcreds sasl add``, ``passwd`` and ``delete``."""

import click

from ..lazy import Verb
from ..secrets import account_secret
from ..session import Session, pass_session
from .options import database_option, name_argument, password_option, realm_option


@click.command(cls=Verb)
@name_argument
@realm_option
@password_option
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@database_option
@pass_session
def add(
    session: Session,
    name: str,
    realm: str | None,
    password: str,
    allow_login_name: bool,
    database: str | None,
) -> None:
    """Add the relay account NAME with a strong secret."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    secret = account_secret(password, f"password for {account}", book.site)
    change = session.carry_out(book.plan_add(account, secret, allow_login_name=allow_login_name))
    if change:
        entry = book.entry(account)
        session.show(
            {"account": str(account), "database": change.database, "mechanisms": entry.mechanisms},
            [
                f"{account}: relay account; {' '.join(entry.mechanisms)}",
                f"  {session.described(change.database)}",
                f"next: smtpcreds sasl auth-info {book.shown(account)} --to FILE",
            ],
        )


@click.command(cls=Verb)
@name_argument
@realm_option
@password_option
@database_option
@pass_session
def passwd(session: Session, name: str, realm: str | None, password: str, database: str | None) -> None:
    """Give the account NAME another secret, at once."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    secret = account_secret(password, f"new password for {account}", book.site)
    change = session.carry_out(book.plan_set_secret(account, secret))
    if change:
        session.show(
            {"account": str(account), "database": change.database},
            [
                f"{account}: secret changed; client hosts need it before they relay again",
                f"next: smtpcreds sasl auth-info {book.shown(account)} --to FILE --force",
            ],
        )


@click.command(cls=Verb)
@name_argument
@realm_option
@database_option
@pass_session
def delete(session: Session, name: str, realm: str | None, database: str | None) -> None:
    """Delete the account NAME with all its properties."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    change = session.carry_out(book.plan_delete(account))
    if change:
        session.show({"account": str(account), "database": change.database}, [f"{account}: deleted"])
