"""``smtpcreds inventory events``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session, rfc3339


@click.command(cls=Verb)
@click.option("--since", metavar="SPAN", help="Only the last SPAN: 12h, 7d, 4w.")
@click.option("--subject", metavar="TEXT", help="Only what was done to this host or authority.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N.")
@pass_session
def events(session: Session, since: str | None, subject: str | None, limit: int | None) -> None:
    """List who did what and when, the newest first."""
    from ...authority.reading import reading
    from ..durations import parse_duration

    site = session.site()
    start = site.clock() - parse_duration(since) if since else None
    with reading(site) as inventory:
        found = list(inventory.events(subject=subject, since=start, limit=limit))
    rows = [
        {"at": e.at, "who": e.who, "what": e.what, "subject": e.subject, "detail": e.detail} for e in found
    ]
    lines = (f"{rfc3339(e.at)}  {e.who}  {e.what}  {e.subject}{e.detail and f'  {e.detail}'}" for e in found)
    session.show({"events": rows}, lines if found else ["no events"])
