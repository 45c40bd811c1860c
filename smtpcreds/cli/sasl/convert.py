"""``smtpcreds sasl convert``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import FORMATS, database_option


@click.command(cls=Verb)
@click.argument("target", metavar="PATH")
@click.option("--to", "kind", required=True, type=click.Choice(FORMATS), help="Format of the new database.")
@database_option
@click.option("--force", is_flag=True, help="Replace all records of an existing database of that format.")
@pass_session
def convert(session: Session, target: str, kind: str, database: str | None, force: bool) -> None:
    """Write the accounts to a new database PATH in another format, and compare every record."""
    from ...accounts import AccountBook
    from ...accounts.convert import plan_convert
    from ...sasldb.detect import Format

    site = session.site()
    source, path = AccountBook(site, database).database, session.absolute(target)
    done = session.carry_out(plan_convert(source, path, Format(kind), site.warn, force=force))
    if done is None:
        return
    foreign = {"carried": _printable(done.carried), "refused": _printable(done.refused)}
    session.show(
        {
            "source": {"path": source, "format": done.source_format},
            "target": {"path": path, "format": done.target_format},
            "records": done.records,
            "accounts": done.accounts,
            "compared": True,
            **foreign,
        },
        [
            f"{source} ({done.source_format}): {done.accounts} accounts in {done.records} records, compared",
            f"  {session.described(path)}  {done.target_format}",
            *(f"  {what}, though no account's: {key}" for what, keys in foreign.items() for key in keys),
            "next: stop the mail server, move the file to where its Cyrus SASL looks (sasldb_path), start it",
        ],
    )


def _printable(keys: tuple[bytes, ...]) -> list[str]:
    return [ascii(key)[2:-1] for key in keys]
