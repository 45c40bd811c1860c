"""``smtpcreds sasl auth-info``."""

from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option, name_argument, realm_option

if TYPE_CHECKING:
    from ...accounts import AccountBook
    from ...model import Account, Credential


@click.command("auth-info", cls=Verb)
@name_argument
@realm_option
@database_option
@click.option("--to", "target", metavar="FILE", help="Write FILE with mode 0600; default: standard output.")
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism the client may use.")
@click.option("--password", metavar="SOURCE", help="Where the secret of a hashed account was kept.")
@click.option("--force", is_flag=True, help="Replace a FILE with other content.")
@pass_session
def auth_info(
    session: Session,
    name: str,
    realm: str | None,
    database: str | None,
    target: str | None,
    mechanisms: tuple[str, ...],
    password: str | None,
    force: bool,
) -> None:
    """Produce default-auth-info, which lets a client host relay as NAME."""
    from ...accounts import AccountBook
    from ...deploy import plan_auth_info
    from ...mta.auth_info import render

    book = AccountBook(session.site(), database)
    credential = _credential(book, book.parse(name, realm), password)
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


def _credential(book: "AccountBook", account: "Account", source: str | None) -> "Credential":
    if source is None:
        from ...deploy.clients import readable_credential

        return readable_credential(book, account)
    from ...accounts.verify import credential
    from ...sources import Context, parse_source, resolve

    book.properties(account)
    return credential(book, account, resolve(parse_source(source), Context(f"password of {account}")))
