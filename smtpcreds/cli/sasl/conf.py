"""``smtpcreds sasl conf``."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ...mta.sasl_conf import PROGRAMS
from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option, target_options

if TYPE_CHECKING:
    from ...secret import Secret
    from ...transaction import Transaction


@click.command(cls=Verb)
@click.option(
    "--program",
    type=click.Choice(list(PROGRAMS)),
    default="sendmail",
    show_default=True,
    help="The mail server that reads it.",
)
@database_option
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism to offer.")
@click.option("--saslauthd", is_flag=True, help="Ask saslauthd (PAM and others) instead of the accounts.")
@click.option(
    "--role", metavar="ROLE", help="That reads PostgreSQL; default: the user that the mail server runs as."
)
@click.option("--role-password", metavar="SOURCE", help="Where its password comes from; default: none.")
@click.option("--grants", is_flag=True, help="Print the SQL statements that let the role read accounts.")
@target_options
@pass_session
def conf(
    session: Session,
    program: str,
    database: str | None,
    mechanisms: tuple[str, ...],
    saslauthd: bool,
    role: str | None,
    role_password: str | None,
    grants: bool,
    target: str | None,
    force: bool,
) -> None:
    """Produce Sendmail.conf or smtpd.conf, which tells Cyrus SASL where the accounts are."""
    from ...deploy.sasl_conf import backend_of, write_sasl_conf
    from ...mta.sasl_conf import Saslauthd, render
    from ..secrets import role_password as ask

    reader = role or PROGRAMS[program].user
    if grants:
        _show_grants(session, reader)
        return
    if saslauthd:
        _verify_saslauthd(mechanisms, database or role_password)
    site = session.site()

    def question() -> "Secret | None":
        return ask(role_password, reader)

    def content(password: "Secret | None") -> bytes:
        backend = Saslauthd() if saslauthd else backend_of(site, database, reader, password)
        return render(backend, mechanisms)

    if target is None:
        _show(session, program, content, question())
        return
    path = session.absolute(target)

    def written(work: "Transaction") -> bool:
        password = work.ask(question)
        group = PROGRAMS[program].group if password else None
        return write_sasl_conf(site.root, content(password), path, group=group, force=force)

    changed = session.run(site, written, state=False)
    if changed is not None:
        session.show(
            {"program": program, "file": path, "changed": changed},
            [
                f"{program}: where Cyrus SASL finds the accounts",
                f"  {session.described(path)}{'' if changed else '  (unchanged)'}",
                _next(program, path),
            ],
        )


def _show(
    session: Session, program: str, content: "Callable[[Secret | None], bytes]", password: "Secret | None"
) -> None:
    if password:
        session.reveal(content(password))
        return
    lines = content(None).decode(errors="replace").splitlines()
    session.show({"program": program, "file": PROGRAMS[program].conf, "lines": lines}, lines)


def _verify_saslauthd(mechanisms: tuple[str, ...], accounts: str | None) -> None:
    from ...errors import UsageError
    from ...mechanisms import PLAINTEXT

    if accounts:
        raise UsageError("--saslauthd", "asks no database; leave --database and --role-password out")
    if not {name.upper() for name in mechanisms} <= set(PLAINTEXT):
        raise UsageError("--saslauthd", f"can check {' and '.join(PLAINTEXT)} only")


def _next(program: str, path: str) -> str:
    conf = PROGRAMS[program].conf
    copied = "" if path.endswith(conf) else f"copy it to {conf}; "
    return f"next: {copied}{program} reads {'that' if copied else 'it'} when it starts"


def _show_grants(session: Session, role: str) -> None:
    from ...sasldb.postgres import grants

    statements = grants(role)
    session.show({"role": role, "statements": statements}, statements)
