"""``smtpcreds sasl add``, ``passwd`` and ``delete``."""

from typing import Any

import click

from ..lazy import Verb
from ..secrets import account_secret
from ..session import Session, pass_session
from .delivery import deliveries, hashed_form, report, storing_options
from .options import FORMATS, database_option, name_argument, password_option, realm_option


@click.command(cls=Verb)
@name_argument
@realm_option
@password_option
@storing_options
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@database_option
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), help="Format of a database that does not exist yet."
)
@pass_session
def add(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str,
    allow_login_name: bool,
    database: str | None,
    kind: str | None,
    **storing: Any,
) -> None:
    """Add the relay account NAME with a strong secret.

    With --hashed the secret can't be read back; a generated one is printed once, unless --keep or --auth-info
    says where it goes.
    """
    from ...accounts import AccountBook
    from ...accounts.forms import CLEAR
    from ...sasldb.detect import Format

    book = AccountBook(session.site(), database, new=Format(kind) if kind else None)
    account = book.parse(name, realm)
    form = hashed_form(**storing) or CLEAR
    secret = account_secret(password, f"password for {account}", book.site)
    places = deliveries(session, book, account, form, password=password, **storing)
    plan = book.plan_add(account, secret, form=form, deliveries=places, allow_login_name=allow_login_name)
    change = session.carry_out(plan)
    if change:
        report(session, book, change, "relay account", form, places)


@click.command(cls=Verb)
@name_argument
@realm_option
@password_option
@storing_options
@click.option("--clear", is_flag=True, help="Store clear text from now on.")
@database_option
@pass_session
def passwd(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str,
    clear: bool,
    database: str | None,
    **storing: Any,
) -> None:
    """Give the account NAME another secret, at once.

    It stays stored as it is, in clear text or hashed with the same mechanisms, unless --clear or --hashed
    says otherwise.
    """
    from ...accounts import AccountBook
    from ...accounts.forms import CLEAR
    from ...errors import UsageError

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    wanted = hashed_form(**storing)
    if clear and wanted:
        raise UsageError("--clear", "contradicts --hashed")
    form = CLEAR if clear else wanted or book.form(account)
    secret = account_secret(password, f"new password for {account}", book.site)
    places = deliveries(session, book, account, form, password=password, **storing)
    change = session.carry_out(book.plan_set_secret(account, secret, form=form, deliveries=places))
    if change:
        report(session, book, change, "secret changed; client hosts need it", form, places, again=True)


@click.command(cls=Verb)
@name_argument
@realm_option
@database_option
@pass_session
def delete(session: Session, name: str, realm: str | None, database: str | None) -> None:
    """Delete the account NAME with all its properties."""
    from ...accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.existing(name, realm)
    change = session.carry_out(book.plan_delete(account))
    if change:
        session.show({"account": str(account), "database": change.database}, [f"{account}: deleted"])
