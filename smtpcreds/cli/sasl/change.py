"""``smtpcreds sasl add``, ``passwd`` and ``delete``."""

from typing import TYPE_CHECKING, Any

import click

from ..lazy import Verb
from ..secrets import account_secret
from ..session import Session, pass_session
from .delivery import deliveries, hashed_form, report
from .options import FORMATS, GENERATED, account_options, clear_option, password_option, storing_options

if TYPE_CHECKING:
    from ...accounts.book import Change
    from ...transaction import Transaction


@click.command(cls=Verb)
@account_options
@password_option
@storing_options
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), help="Format of a database that does not exist yet."
)
@pass_session
def add(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str | None,
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

    site = session.site()
    account = AccountBook(site).parse(name, realm)
    form = hashed_form(**storing) or CLEAR
    secret = account_secret(password or GENERATED, f"password for {account}", site)

    def made(work: "Transaction") -> "Change":
        book = work.accounts(database, new=Format(kind) if kind else None)
        places = deliveries(session, book, account, form, password=password or GENERATED, **storing)
        return book.add(account, secret, form=form, deliveries=places, allow_login_name=allow_login_name)

    if change := session.run(site, made, state=False):
        report(session, AccountBook(site, database), change, "relay account")


@click.command(cls=Verb)
@account_options
@password_option
@storing_options
@clear_option
@pass_session
def passwd(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str | None,
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

    wanted = hashed_form(**storing)
    if clear and wanted:
        raise UsageError("--clear", "contradicts --hashed")
    site = session.site()
    account = AccountBook(site).parse(name, realm)
    secret = account_secret(password or GENERATED, f"new password for {account}", site)

    def changed(work: "Transaction") -> "Change":
        book = work.accounts(database)
        form = CLEAR if clear else wanted or book.form(account)
        places = deliveries(session, book, account, form, password=password or GENERATED, **storing)
        return book.set_secret(account, secret, form=form, deliveries=places)

    if change := session.run(site, changed, state=False):
        words = "secret changed; client hosts need it"
        report(session, AccountBook(site, database), change, words, again=True)


@click.command(cls=Verb)
@account_options
@pass_session
def delete(session: Session, name: str, realm: str | None, database: str | None) -> None:
    """Delete the account NAME with all its properties."""

    def deleted(work: "Transaction") -> "Change":
        book = work.accounts(database)
        return book.delete(book.existing(name, realm))

    if change := session.run(session.site(), deleted, state=False):
        session.show(
            {"account": str(change.account), "database": change.database}, [f"{change.account}: deleted"]
        )
