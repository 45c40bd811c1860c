"""``smtpcreds sasl verify``."""

from typing import TYPE_CHECKING

import click

from ...mechanisms import BY_PASSWORD
from ..lazy import Verb
from ..session import Session, pass_session
from .options import account_options

if TYPE_CHECKING:
    from ...accounts.verify import Verdict

_WORDS = {True: "yes", False: "no", None: "-"}


@click.command(cls=Verb)
@account_options
@click.option(
    "--password",
    metavar="SOURCE",
    default="prompt:",
    help="Where the password comes from; default: asked on a terminal.",
)
@click.option(
    "--mechanism",
    "mechanisms",
    multiple=True,
    type=click.Choice(BY_PASSWORD, case_sensitive=False),
    metavar="M",
    help="Only by mechanism M; default: all that the account serves.",
)
@pass_session
def verify(
    session: Session,
    name: str,
    password: str,
    mechanisms: tuple[str, ...],
    realm: str | None,
    database: str | None,
) -> None:
    """Tell whether a password opens the account NAME, mechanism by mechanism.

    The stored records are asked, and this host's libsasl2 where it is installed. The exit status is 1 unless
    the password opens the account by every mechanism.
    """
    from ...accounts import AccountBook
    from ...accounts.verify import verify as verify_
    from ...sources import Context, parse_source, resolve

    source = parse_source(password)
    book = AccountBook(session.site(), database)
    account = book.parse(name, realm)
    book.properties(account)
    secret = resolve(source, Context(f"password of {account}"))
    verdicts = verify_(book, account, secret, mechanisms)
    opened = [verdict.opens for verdict in verdicts if verdict.opens is not None]
    rows = [
        {"mechanism": v.mechanism, "records": v.records, "libsasl2": v.libsasl2, "reason": v.reason or None}
        for v in verdicts
    ]
    session.show(
        {"account": str(account), "opens": bool(opened) and all(opened), "mechanisms": rows},
        [f"{account}: {_summary(verdicts, opened)}", *(_line(verdict) for verdict in verdicts)],
    )
    if not opened or not all(opened):
        raise click.exceptions.Exit(1)


def _summary(verdicts: "list[Verdict]", opened: list[bool]) -> str:
    if not verdicts:
        return "serves no mechanism"
    if all(opened) and opened:
        return "the password opens it"
    return "the password opens it by some mechanisms only" if any(opened) else "the password does not open it"


def _line(verdict: "Verdict") -> str:
    records, library = (_WORDS[said] for said in (verdict.records, verdict.libsasl2))
    reason = f"  ({verdict.reason})" if verdict.reason else ""
    return f"  {verdict.mechanism:13}  records {records:3}  libsasl2 {library}{reason}"
