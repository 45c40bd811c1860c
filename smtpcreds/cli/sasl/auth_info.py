"""``smtpcreds sasl auth-info``."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import account_options, target_options

if TYPE_CHECKING:
    from ...accounts import AccountBook
    from ...model import Account, Credential
    from ...secret import Secret
    from ...transaction import Transaction


@click.command("auth-info", cls=Verb)
@account_options
@target_options
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism the client may use.")
@click.option("--password", metavar="SOURCE", help="Where the secret of a hashed account was kept.")
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
    from ...deploy import write_auth_info
    from ...mta.auth_info import render

    site = session.site()
    account = AccountBook(site).parse(name, realm)
    credential_of = _reader(account, password)
    if target is None:
        session.reveal(render(credential_of(AccountBook(site, database)), mechanisms))
        return
    path = session.absolute(target)

    def written(work: "Transaction") -> "tuple[Credential, bool]":
        found = credential_of(work.accounts(database))
        return found, write_auth_info(found, path, mechanisms, force=force)

    if done := session.run(site, written, state=False):
        credential, changed = done
        session.show(
            {"account": str(account), "login": credential.login, "file": path, "changed": changed},
            [
                f"{account}: default-auth-info for client hosts",
                f"  {session.described(path)}{'' if changed else '  (unchanged)'}",
                "next: copy it to /etc/mail/default-auth-info of the client host, mode 0600",
            ],
        )


def _reader(account: "Account", password: str | None) -> "Callable[[AccountBook], Credential]":
    """Return what finds the account's secret: in its database or file, or in the place that kept it."""
    if password is None:
        from ...deploy.clients import readable_credential

        return lambda book: readable_credential(book, account)
    from ...accounts.verify import credential
    from ...model import Credential
    from ...sources import Context, is_answered, parse_source, resolve

    source = parse_source(password)

    def question() -> "Secret":
        return resolve(source, Context(f"password of {account}"))

    def kept(book: "AccountBook") -> Credential:
        book.properties(account)
        secret = book.ask(question)
        if is_answered(source):
            return credential(book, account, secret)
        return Credential(account, secret, book.site.realm)

    return kept
