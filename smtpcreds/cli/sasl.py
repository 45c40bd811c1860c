"""``smtpcreds sasl``: relay accounts."""

import click

from .lazy import Verb, group
from .secrets import account_secret
from .session import Session, pass_session

sasl = group("sasl", "Relay accounts in the database of Cyrus SASL.")

name_argument = click.argument("name", metavar="NAME[@REALM]")
realm_option = click.option(
    "--realm", metavar="REALM", help="Realm of a bare NAME; default: the relay's own name."
)
database_option = click.option(
    "--database", metavar="FILE", help="Work on FILE, not on the configured database."
)
password_option = click.option(
    "--password",
    metavar="SOURCE",
    default="generate:",
    help="Where the secret comes from; default: generate it.",
)


@sasl.command(cls=Verb)
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
    from ..accounts import AccountBook

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
                f"next: smtpcreds sasl auth-info {name} --to FILE",
            ],
        )


@sasl.command(cls=Verb)
@name_argument
@realm_option
@password_option
@database_option
@pass_session
def passwd(session: Session, name: str, realm: str | None, password: str, database: str | None) -> None:
    """Give the account NAME another secret, at once."""
    from ..accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    secret = account_secret(password, f"new password for {account}", book.site)
    change = session.carry_out(book.plan_set_secret(account, secret))
    if change:
        session.show(
            {"account": str(account), "database": change.database},
            [
                f"{account}: secret changed; client hosts need it before they relay again",
                f"next: smtpcreds sasl auth-info {name} --to FILE --force",
            ],
        )


@sasl.command(cls=Verb)
@name_argument
@realm_option
@database_option
@pass_session
def delete(session: Session, name: str, realm: str | None, database: str | None) -> None:
    """Delete the account NAME with all its properties."""
    from ..accounts import AccountBook

    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    change = session.carry_out(book.plan_delete(account))
    if change:
        session.show({"account": str(account), "database": change.database}, [f"{account}: deleted"])


@sasl.command("list", cls=Verb)
@database_option
@pass_session
def list_(session: Session, database: str | None) -> None:
    """List the accounts and the mechanisms that each can serve."""
    from ..accounts import AccountBook

    entries = AccountBook(session.site(), database).entries()
    rows = [
        {"account": str(e.account), "properties": e.properties, "mechanisms": e.mechanisms} for e in entries
    ]
    width = max((len(str(e.account)) for e in entries), default=0)
    lines = (f"{e.account!s:{width}}  {' '.join(e.mechanisms) or 'no mechanism'}" for e in entries)
    session.show({"accounts": rows}, lines if entries else ["no accounts"])


@sasl.command(cls=Verb)
@name_argument
@realm_option
@database_option
@click.option("--reveal", is_flag=True, help="Print the secret, alone on standard output.")
@pass_session
def show(session: Session, name: str, realm: str | None, database: str | None, reveal: bool) -> None:
    """Show the account NAME; its secret only with --reveal."""
    from ..accounts import AccountBook

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


@sasl.command("auth-info", cls=Verb)
@name_argument
@realm_option
@database_option
@click.option("--to", "target", metavar="FILE", help="Write FILE with mode 0600; default: standard output.")
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism the client may use.")
@click.option("--force", is_flag=True, help="Replace a FILE with other content.")
@pass_session
def auth_info(
    session: Session,
    name: str,
    realm: str | None,
    database: str | None,
    target: str | None,
    mechanisms: tuple[str, ...],
    force: bool,
) -> None:
    """Produce default-auth-info, which lets a client host relay as NAME."""
    from ..accounts import AccountBook
    from ..deploy import plan_auth_info
    from ..mta.auth_info import render

    book = AccountBook(session.site(), database)
    credential = book.credential(book.parse(name, realm))
    if target is None:
        session.reveal(render(credential, mechanisms))
        return
    path = session.absolute(target)
    written = session.carry_out(plan_auth_info(credential, path, mechanisms, force=force))
    if written is not None:
        session.show(
            {"account": str(credential.account), "login": credential.login, "file": path, "changed": written},
            [
                f"{credential.account}: default-auth-info for client hosts",
                f"  {session.described(path)}{'' if written else '  (unchanged)'}",
                "next: copy it to /etc/mail/default-auth-info of the client host, mode 0600",
            ],
        )
