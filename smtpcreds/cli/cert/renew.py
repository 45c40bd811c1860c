"""``smtpcreds cert renew``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..crl import crl_lines, crl_row
from ..lazy import Verb
from ..reload import RELOAD, reload_hook, reload_option
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session
from .issue import issued_lines, issued_row

if TYPE_CHECKING:
    from ...authority.batch import Issued
    from ...authority.renew import Renewed

DUE = 1
"""Exit status of ``--due --dry-run`` when something is."""


@click.command(cls=Verb)
@click.argument("hosts", metavar="HOST...", nargs=-1)
@click.option("--due", is_flag=True, help="Renew all that is past two thirds of its life, and the CRL.")
@click.option("--new-key", is_flag=True, help="Make a new key; the default keeps the one that is in place.")
@click.option("--key-type", metavar="TYPE", help="Type of the new key; default: that of the former one.")
@click.option("--days", type=int, metavar="N", help="Lifetime; default: that of the former certificate.")
@reload_option
@passphrase_option
@pass_session
def renew(
    session: Session,
    hosts: tuple[str, ...],
    due: bool,
    new_key: bool,
    key_type: str | None,
    days: int | None,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Renew certificates: same names, same profile, same key.

    The former certificate stays valid, and the former pair stays beside the new one as *.previous. With
    --due --dry-run the exit status is 1 when something is due.
    """
    from ...authority.batch import Issued, Refused
    from ...authority.renew import renew as carry_out
    from ...authority.renewals import Renewals

    wanted = Renewals(hosts, due, new_key, key_type=key_type, days=days)
    hook = reload_hook(reload)
    site = session.site()
    with session.progress(len(hosts)) as advance:
        done = session.run(
            site,
            lambda work: carry_out(work, wanted, hook=hook, progress=advance),
            ca_passphrase(passphrase, site),
        )
    if done is None:
        raise click.exceptions.Exit(DUE if due and session.would_change else 0)
    renewed = [outcome for outcome in done.outcomes if isinstance(outcome, Issued)]
    refused = [outcome for outcome in done.outcomes if isinstance(outcome, Refused)]
    session.show(
        {
            "certificates": [_row(item, new_key=new_key) for item in renewed],
            "failed": [{"host": item.host, "error": str(item.error)} for item in refused],
            "crl": done.crl and crl_row(done.crl),
            "crl_copied_to": done.copied,
            "reloaded": bool(hook and (renewed or done.crl or done.copied)),
        },
        _lines(session, renewed, done, reloaded=hook is not None),
    )
    session.fail(outcome.error for outcome in refused)


def _row(issued: "Issued", *, new_key: bool) -> dict[str, object]:
    pair = issued.order.pair
    former = {"previous_key": pair.former_key, "previous_certificate": pair.former_certificate}
    return {**issued_row(issued), "new_key": new_key, **former}


def _lines(session: Session, renewed: "list[Issued]", done: "Renewed", *, reloaded: bool) -> Iterator[str]:
    yield from issued_lines(session, renewed)
    if done.crl:
        yield from crl_lines(done.crl)
    yield from (f"CRL copied to {directory}" for directory in done.copied)
    if not (renewed or done.crl or done.copied):
        if not done.outcomes:
            yield "nothing is due"
    elif not reloaded:
        yield RELOAD
