"""``smtpcreds cert list``."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from ..durations import parse_duration
from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...config import Site
    from ...inventory import Certificate

_MEASURED = 1000
"""So many lines decide how wide the first column is; the rest of a million are not waited for."""


@click.command("list", cls=Verb)
@click.option(
    "--expires-within", "within", metavar="SPAN", help="Those that end within 12h, 30d or 4w, or have ended."
)
@click.option("--host", metavar="HOST", help="Those of HOST.")
@click.option(
    "--all", "everything", is_flag=True, help="Also replaced, revoked, unfinished and long-ended ones."
)
@pass_session
def list_(session: Session, within: str | None, host: str | None, everything: bool) -> None:
    """List the certificates in use, those that end next first.

    The exit status is 0 whatever is listed; for a status that says whether something is due, see cert renew.
    """
    from ...authority.due import warn_of_crls
    from ...authority.listing import Selection, listed
    from ...authority.reading import reading

    site = session.site()
    span = None if within is None else parse_duration(within)
    name = site.qualify(host, wildcard=True) if host is not None else None
    now = site.clock()
    with (
        reading(site) as inventory,
        # Closed before the inventory is, also when the reader of a pipe has gone.
        closing(listed(site, inventory, Selection(span, name, everything))) as rows,
    ):
        warn_of_crls(site, inventory)
        if session.as_json:
            session.show({"certificates": [row_data(site, row) for row in rows]}, ())
        else:
            session.show({}, _lines(rows, now))


def row_data(site: "Site", row: "Certificate") -> dict[str, object]:
    """Return what JSON tells of a certificate in the inventory."""
    from ...authority.listing import certificate_path, days_left

    return {
        "host": row.host,
        "profile": row.profile,
        "names": row.names,
        "serial": row.serial,
        "state": row.state,
        "days_left": days_left(row, site.clock()),
        "not_before": row.not_before,
        "not_after": row.not_after,
        "fingerprint": row.fingerprint,
        "certificate": certificate_path(site, row),
        "revoked_at": row.revoked_at,
        "reason": row.reason,
    }


def _lines(rows: "Iterable[Certificate]", now: datetime) -> Iterator[str]:
    from ...authority.listing import days_left

    rest = iter(rows)
    first = list(islice(rest, _MEASURED))
    if not first:
        yield "no certificates"
    width = max((len(row.host) for row in first), default=0)
    for row in chain(first, rest):
        left = days_left(row, now)
        state = "expired" if left < 0 and row.state == "issued" else row.state
        yield (
            f"{row.host:{width}}  {row.profile:6}  {left:>5} d  {row.not_after:%Y-%m-%d}"
            f"  {row.serial[:12]:12}  {state}"
        )
