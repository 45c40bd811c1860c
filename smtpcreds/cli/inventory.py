"""``smtpcreds inventory``: what was issued, to whom, and by whom."""

import click

from .framework import Verb, noun
from .session import Session, pass_session, rfc3339

inventory = noun(
    "inventory",
    "History of certificates and actions.",
    {
        "check": ("inventory", "check", "Find where inventory and disk disagree."),
        "events": ("inventory", "events", "List who did what, and when."),
    },
)


# ``smtpcreds inventory check``.


@click.command(cls=Verb)
@pass_session
def check(session: Session) -> None:
    """Find where inventory and disk disagree; each line ends with the command that cures it.

    The exit status is 1 if anything was found.
    """
    from ..ca.verify import findings

    found = findings(session.site())
    rows = [{"subject": f.subject, "fault": f.message, "cure": f.cure} for f in found]
    lines = [f"{f.subject}: {f.message}; cure: {f.cure}" for f in found]
    session.show({"findings": rows}, lines or ["inventory and disk agree"])
    if found:
        raise click.exceptions.Exit(1)


# ``smtpcreds inventory events``.


@click.command(cls=Verb)
@click.option("--since", metavar="SPAN", help="Only the last SPAN: 12h, 7d, 4w.")
@click.option("--subject", metavar="TEXT", help="Only what was done to this host or authority.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N.")
@pass_session
def events(session: Session, since: str | None, subject: str | None, limit: int | None) -> None:
    """List who did what and when, the newest first."""
    from ..ca.layout import reading
    from .framework import parse_duration

    site = session.site()
    start = site.clock() - parse_duration(since) if since else None
    with reading(site) as inventory:
        found = list(inventory.events(subject=subject, since=start, limit=limit))
    rows = [
        {"at": e.at, "who": e.who, "what": e.what, "subject": e.subject, "detail": e.detail} for e in found
    ]
    lines = (f"{rfc3339(e.at)}  {e.who}  {e.what}  {e.subject}{e.detail and f'  {e.detail}'}" for e in found)
    session.show({"events": rows}, lines if found else ["no events"], listed=True)
