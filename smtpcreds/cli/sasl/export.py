"""``smtpcreds sasl export``."""

from typing import TYPE_CHECKING

import click

from ...errors import UsageError
from ..lazy import Verb
from ..session import Session, pass_session
from .options import database_option

if TYPE_CHECKING:
    from ...accounts.export import Holding


@click.command(cls=Verb)
@click.option("--as", "kind", metavar="FORMAT", default="csv", help="csv (default), jsonl or dovecot.")
@click.option("--to", "target", metavar="FILE", help="Write a new FILE, mode 0600; default: standard output.")
@click.option("--reveal", is_flag=True, help="With the secrets; only to a FILE.")
@database_option
@pass_session
def export(session: Session, kind: str, target: str | None, reveal: bool, database: str | None) -> None:
    """Export all accounts, their secrets only with --reveal."""
    from ...accounts import AccountBook
    from ...accounts.export import holdings, plain_text, revealing_text, write_text

    if reveal and target is None:
        raise UsageError("--reveal", "secrets go to a file only", "add --to FILE")
    site = session.site()
    found = holdings(AccountBook(site, database))
    text = (revealing_text if reveal else plain_text)(found, kind)
    if target is None:
        session.show({"accounts": [_row(holding) for holding in found]}, text.split("\n")[:-1])
        return
    what = f"{len(found)} accounts {'with' if reveal else 'without'} their secrets"
    written = session.absolute(target)
    if path := session.run(site, lambda _: write_text(text, written), state=False):
        session.show(
            {"file": path, "format": kind, "accounts": len(found), "revealed": reveal},
            [what, f"  {session.described(path)}"],
        )


def _row(holding: "Holding") -> dict[str, object]:
    from ...accounts.mechanisms import served

    return {
        "account": str(holding.account),
        "properties": sorted(holding.properties),
        "mechanisms": served(holding.properties),
    }
