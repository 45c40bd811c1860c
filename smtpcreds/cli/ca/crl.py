"""``smtpcreds ca crl``."""

from typing import TYPE_CHECKING

import click

from ..crl import crl_lines, crl_row
from ..lazy import Verb
from ..reload import RELOAD, reload_hook, reload_option
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...config import Site

NOT_CURRENT = 1
"""Exit status of ``--check`` when a new CRL should be signed."""


@click.command(cls=Verb)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 30.")
@click.option("--to", "target", metavar="FILE", help="Write one more copy, mode 0644.")
@click.option("--der", is_flag=True, help="Write that copy as DER, for publication by HTTP.")
@click.option("--check", is_flag=True, help="Sign nothing; exit status 1 if it is time for a new one.")
@reload_option
@passphrase_option
@pass_session
def crl(
    session: Session,
    days: int | None,
    target: str | None,
    der: bool,
    check: bool,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Sign a fresh list of revoked certificates and install it beside the certificates."""
    from ...authority.refresh import CrlWish, refresh_crl

    wish = CrlWish(days, session.absolute(target) if target else None, der)
    hook = reload_hook(reload)
    site = session.site()
    if check:
        _check(session, site)
        return
    done = session.run(site, lambda work: refresh_crl(work, wish, hook=hook), ca_passphrase(passphrase, site))
    if done is None:
        return
    lines = [*crl_lines(done), *([f"  {wish.copy}"] if wish.copy else []), *([] if hook else [RELOAD])]
    session.show({**crl_row(done), "copy": wish.copy, "reloaded": hook is not None}, lines)


def _check(session: Session, site: "Site") -> None:
    from ...authority.refresh import is_current, standing_crl

    found, current = standing_crl(site), is_current(site)
    until = f"{found.next_update:%Y-%m-%d}" if found.next_update else "no end"
    session.show(
        {
            "current": current,
            "number": found.number,
            "this_update": found.this_update,
            "next_update": found.next_update,
            "count": found.count,
            "path": found.path,
        },
        [
            f"CRL number {found.number}: {found.count} revoked, valid to {until}",
            *([] if current else ["it is time for a new one: smtpcreds ca crl"]),
        ],
    )
    if not current:
        raise click.exceptions.Exit(NOT_CURRENT)
