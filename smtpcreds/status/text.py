"""The screen of a terminal: plain characters, colour only on demand."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from enum import Enum

from ..ca.layout import BEGIN
from ..errors import shown
from ..model import Finding
from .gather import Account, Authority, Certificate, Change, Kind, Status

CERTIFICATES = 20
ACCOUNTS = 10
NARROW, WIDE = 60, 120
"""Columns that are used at least and at most."""


class Tone(Enum):
    """What a colour says, as parameters of SGR (ECMA-48 section 8.3.117)."""

    GOOD = "32"
    DUE = "33"
    BAD = "31"
    HEAD = "1"
    FAINT = "2"


Paint = Callable[[str, Tone], str]


def render(status: Status, *, width: int = 80, colour: bool = False, limit: int = CERTIFICATES) -> list[str]:
    """Return the lines of the screen.

    Args:
        status: what to show.
        width: columns.
        colour: use escape sequences.
        limit: certificates and accounts that are shown.
    """
    paint = _coloured if colour else _plain
    columns = max(NARROW, min(width, WIDE))
    blocks = (
        _head(status, paint),
        _certificates(status, paint, columns, limit),
        _accounts(status, paint, min(limit, ACCOUNTS)),
        _clients(status, paint, min(limit, ACCOUNTS)),
        _changes(status, paint),
        _due(status, paint),
    )
    return [line for block in blocks for line in block]


def left(status: Status, end: datetime) -> str:
    """Return the time until then in words."""
    days, ago = status.days_left(end), (status.at - end).days
    if days < 0:
        return {0: "expired today", 1: "expired yesterday"}.get(ago, f"expired {ago} days ago")
    return "1 day left" if days == 1 else f"{days} days left"


def without_authority(status: Status) -> str:
    """Return what is said where there is none: of a client host, which needs none, and of any other."""
    if status.has_lost:
        return "the authority of this hub is gone"
    if status.certificates:
        signer = "another host" if status.hub == status.host else status.hub
        return f"no authority here; that of {signer} signs"
    return f"no authority here yet; {BEGIN}{status.hub}"


def heading(status: Status) -> str:
    """Return the host that the screen is about: the hub by its name, a client host by its own."""
    return status.hub if status.authorities else status.host


def nothing_there(status: Status) -> str:
    """Return what is said where there is nothing that could be due."""
    return f"nothing was found: no authority, no certificate, no account in {status.accounts.database}"


def _head(status: Status, paint: Paint) -> Iterator[str]:
    yield paint(f"{heading(status)}, {status.at:%Y-%m-%d %H:%M} UTC", Tone.HEAD)
    if not status.authorities:
        yield without_authority(status)
    for authority in status.authorities:
        yield from _authority(status, authority, paint)


def _authority(status: Status, authority: Authority, paint: Paint) -> Iterator[str]:
    ended = status.has_ended(authority.not_after)
    tone = Tone.BAD if ended else Tone.DUE if status.is_due(Kind.AUTHORITY, authority.name) else Tone.GOOD
    life = paint(left(status, authority.not_after), tone)
    counts = ", ".join(f"{number} {shown(name)}" for name, number in sorted(authority.counts.items()))
    replaced = "" if authority.signs else "  (replaced)"
    yield ""
    yield f"{paint('CA', Tone.HEAD)}   {shown(authority.name)}{replaced}"
    yield f"     valid to {authority.not_after:%Y-%m-%d}, {life}; {counts or 'no certificates'}"
    yield f"{paint('CRL', Tone.HEAD)}  {_crl(status, authority, paint)}"


def _crl(status: Status, authority: Authority, paint: Paint) -> str:
    crl = authority.crl
    if crl is None:
        return "none"
    number = "without a number" if crl.number is None else f"number {crl.number}"
    age = (status.at - crl.this_update).days
    signed = {0: "today", 1: "yesterday"}.get(age, f"{age} days ago")
    said = f"{number}, signed {signed}, {crl.revoked} revoked"
    if crl.next_update is None:
        return said
    ended = status.has_ended(crl.next_update)
    tone = Tone.BAD if ended else Tone.DUE if status.is_due(Kind.CRL, authority.name) else Tone.GOOD
    return f"{said}; valid to {crl.next_update:%Y-%m-%d}, {paint(left(status, crl.next_update), tone)}"


def _certificates(status: Status, paint: Paint, width: int, limit: int) -> Iterator[str]:
    rows = status.certificates[:limit]
    yield ""
    if not rows:
        yield paint("certificates", Tone.HEAD) + "  none"
        return
    scale = max(1, *(status.days_left(row.not_after) for row in rows))
    names = [_cut(shown(row.host), width // 2) for row in rows]
    room = max(map(len, names))
    digits = max(len(str(status.days_left(row.not_after))) for row in rows)
    bar = max(10, width - room - digits - 15)
    yield paint("certificates", Tone.HEAD) + f"  by days left; a full bar is {scale}"
    for row, name in zip(rows, names, strict=True):
        yield f"  {name:{room}}  {_bar(status, row, paint, (digits, bar, scale))}"
    if status.has_more or len(rows) < len(status.certificates):
        yield "  and more that end later: smtpcreds cert list"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."


def _bar(status: Status, row: Certificate, paint: Paint, sizes: tuple[int, int, int]) -> str:
    digits, bar, scale = sizes
    days = status.days_left(row.not_after)
    filled = 0 if days < 0 else max(1, round(days * bar / scale))
    tone = Tone.BAD if status.is_bad(row) else Tone.DUE if status.at >= row.due_at() else Tone.GOOD
    ended = "  revoked" if row.revoked else "  expired"
    word = {Tone.BAD: ended, Tone.DUE: "  due"}.get(tone, "")
    drawn = paint("#" * filled, tone) + paint("." * (bar - filled), Tone.FAINT)
    return f"{days:>{digits}} d  {drawn}{paint(word, tone) if word else ''}"


def _accounts(status: Status, paint: Paint, limit: int) -> Iterator[str]:
    found = status.accounts
    yield ""
    yield f"{paint('accounts', Tone.HEAD)}  {found.total or 'none'} in {shown(found.database)}"
    yield from (_account(account) for account in found.shown[:limit])
    if found.total > min(limit, len(found.shown)):
        yield "  and more: smtpcreds sasl list"


def _account(account: Account) -> str:
    hosts = ", ".join(map(shown, account.clients))
    return f"  {shown(account.name)}{hosts and f'  used by {hosts}'}"


def _clients(status: Status, paint: Paint, limit: int) -> Iterator[str]:
    if not status.clients:
        return
    yield ""
    coming = sum(one.fetches for one in status.clients)
    yield f"{paint('client hosts', Tone.HEAD)}  {coming} of {len(status.clients)} fetch their bundles"
    first = sorted(status.clients, key=lambda one: (not one.is_silent(status.at), one.host))
    for one in first[:limit]:
        yield f"  {shown(one.host)}: {one.standing()}"
    if len(first) > limit:
        yield "  and more: smtpcreds status --json"


def _changes(status: Status, paint: Paint) -> Iterator[str]:
    if status.changes:
        yield ""
        yield paint("in progress", Tone.HEAD)
    for change in status.changes:
        yield from _change(change)


def _change(change: Change) -> Iterator[str]:
    when = f" from {change.until:%Y-%m-%d %H:%M} UTC on" if change.until else ""
    yield f"  {shown(change.old)} -> {shown(change.new)} since {change.since:%Y-%m-%d}: {change.note}"
    yield f"    next: {shown(change.next)}{when}"


def _due(status: Status, paint: Paint) -> Iterable[str]:
    yield ""
    if not status.due:
        yield nothing_there(status) if status.is_empty else paint("nothing is due", Tone.GOOD)
        return
    yield paint("due", Tone.DUE)
    for item in status.due:
        yield from _item(item)


def _item(item: Finding) -> Iterator[str]:
    yield f"  {shown(item.subject)}: {item.message}"
    yield f"    {shown(item.cure)}"


def _coloured(text: str, tone: Tone) -> str:
    return f"\x1b[{tone.value}m{text}\x1b[0m" if text else ""


def _plain(text: str, _: Tone) -> str:
    return text


# Everything as one document for ``--json``.


def document(status: Status, *, limit: int) -> dict[str, object]:
    """Return what JSON tells; at most ``limit`` certificates and accounts."""
    return {
        "at": status.at,
        "hub": status.hub,
        "host": status.host,
        "authorities": [_authority_document(status, one) for one in status.authorities],
        "certificates": [_certificate(status, row) for row in status.certificates[:limit]],
        "more_certificates": status.has_more or len(status.certificates) > limit,
        "accounts": {
            "database": status.accounts.database,
            "total": status.accounts.total,
            "shown": [{"name": one.name, "clients": one.clients} for one in status.accounts.shown[:limit]],
        },
        "clients": [asdict(one) for one in status.clients],
        "half_way": [asdict(change) for change in status.changes],
        "due": [_document_due(item) for item in status.due],
    }


def _authority_document(status: Status, authority: Authority) -> dict[str, object]:
    return {**asdict(authority), "days_left": status.days_left(authority.not_after)}


def _document_due(item: Finding) -> dict[str, object]:
    return {
        "kind": item.code,
        "subject": item.subject,
        "reason": item.message,
        "cure": item.cure,
        "count": item.count,
    }


def _certificate(status: Status, row: Certificate) -> dict[str, object]:
    return {
        "host": row.host,
        "profile": row.profile,
        "serial": row.serial,
        "not_before": row.not_before,
        "not_after": row.not_after,
        "days_left": status.days_left(row.not_after),
        "due": row.revoked or status.at >= row.due_at(),
        "revoked": row.revoked,
        "certificate": row.path,
        "machine": row.machine or None,
    }
