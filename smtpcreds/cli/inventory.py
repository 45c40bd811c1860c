"""``smtpcreds inventory``: what was issued, to whom, and by whom."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError, number_of
from . import lazy_click as click
from .framework import noun
from .session import Session, Whole, pass_session, rfc3339

if TYPE_CHECKING:
    from ..ca.convert import Conversion
    from ..config import Site

inventory = noun(
    "inventory",
    "History of certificates and actions.",
    {
        "check": ("inventory", "check", "Find where inventory and disk disagree."),
        "events": ("inventory", "events", "List who did what, and when."),
        "convert": ("inventory", "convert", "Write it to PostgreSQL, or from there to a file."),
    },
)


# ``smtpcreds inventory check``.


@click.command()
@click.option("--head", metavar="HASH", help="Also check that all events up to this head are there.")
@pass_session
def check(session: Session, head: str | None) -> None:
    """Find where inventory and disk disagree; below each line stands the command that ends it.

    The last line is the head of the chain of events: note it elsewhere, and --head finds out later whether
    events were deleted. The exit status is 1 if anything was found.
    """
    from ..ca.verify import findings

    found, end = findings(session.site(), _hash(head))
    rows = [{"subject": f.subject, "fault": f.message, "cure": f.cure} for f in found]
    lines = [line for f in found for line in (f"{f.subject}: {f.message}", Whole(f"  cure: {f.cure}"))]
    lines = lines or ["inventory and disk agree"]
    lines += [f"head: {end.hash} of {number_of(end.events, 'event')}"] if end else []
    session.show(
        {"findings": rows, "head": end and {"hash": end.hash, "events": end.events}}, lines, listed=True
    )
    if found:
        raise SystemExit(1)


def _hash(text: str | None) -> str:
    if text is not None and not re.fullmatch(r"[0-9a-f]{64}", text.strip().lower()):
        raise UsageError("--head", "takes the 64 hex digits that inventory check has printed")
    return (text or "").strip().lower()


# ``smtpcreds inventory events``.


@click.command()
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


# ``smtpcreds inventory convert``.


@click.command()
@click.argument("target", metavar="PATH|URL")
@click.option(
    "--force", is_flag=True, help="Also a broken chain of events, and places that only the server names."
)
@pass_session
def convert(session: Session, target: str, force: bool) -> None:
    """Write the inventory to a new file PATH or into an empty PostgreSQL database, and compare every row.

    The old one stays as it is, and is no longer the inventory once the configuration names the new one.
    """
    from ..accounts.database import place_of
    from ..ca.convert import convert as carry_out

    site, place = session.site(), place_of(target)
    if done := session.run(site, lambda work: carry_out(work, place, force=force)):
        session.show(_row(done), _lines(session, site, done))


def _row(done: "Conversion") -> dict[str, object]:
    return {
        "source": done.source,
        "target": done.target,
        "certificates": done.certificates,
        "events": done.source_head.events,
        "compared": True,
        "head": {"hash": done.head.hash, "events": done.head.events},
    }


def _lines(session: Session, site: "Site", done: "Conversion") -> Iterator[str]:
    certificates = number_of(done.certificates, "certificate")
    yield f"{done.source}: {certificates} and {number_of(done.source_head.events, 'event')}, compared"
    yield f"  {session.described(done.target)}"
    yield f"head: {done.head.hash} of {number_of(done.head.events, 'event')}"
    yield f"next: {_setting(site, done)}, before any other command that writes"
    yield "      then: smtpcreds inventory check"


def _setting(site: "Site", done: "Conversion") -> str:
    from ..postgres import is_url

    if is_url(done.target):
        return f"name the URL as inventory in {site.settings_path}"
    usual = site.path(site.settings.state, "inventory.sqlite3")
    moved = [f"move the file to {usual}"] if done.target != usual else []
    named = [f"take inventory = out of {site.settings_path}"] if is_url(done.source) else []
    return "; ".join([*moved, *named])
