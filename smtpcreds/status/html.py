"""One page that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape

from .style import STYLE
from .text import left, printable, without_authority
from .timeline import timeline
from .values import Authority, Certificate, Change, Due, Kind, Status

MARK = "<!DOCTYPE html><!-- smtpcreds status -->"
"""First line of the file, by which it is known as ours."""
ACCOUNTS = 100

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(status: Status, *, limit: int) -> list[str]:
    """Return the lines of the page, with the ``limit`` certificates that end next."""
    parts = (
        _head(status),
        _section("Due", _due(status.due)),
        _section("What ends when", _ends(status, limit)),
        _section("Authorities", _authorities(status)),
        _section("Half-way", _changes(status.changes)),
        _section("Certificates", _certificates(status, limit)),
        _section("Accounts", _accounts(status, ACCOUNTS)),
        ["</main></body></html>"],
    )
    return [line for part in parts for line in part]


def _head(status: Status) -> Iterator[str]:
    tone, said = _verdict(status)
    at = f"{status.at:%Y-%m-%d %H:%M} UTC"
    yield MARK
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_safe(status.hub)}: {said}</title>"
    yield f"<style>{STYLE}</style></head><body><main>"
    yield f"<header><h1>{_safe(status.hub)}</h1><time>{at}</time>"
    yield f'<span class="pill {tone}">{said}</span></header>'
    if not status.authorities:
        yield f"<section>{_safe(without_authority(status))}</section>"


def _verdict(status: Status) -> tuple[str, str]:
    ended = [row.not_after for row in status.certificates] + [ca.not_after for ca in status.authorities]
    ended += [ca.crl.next_update for ca in status.authorities if ca.crl and ca.crl.next_update]
    over, due = sum(end <= status.at for end in ended), sum(item.count for item in status.due)
    return (
        ("bad", f"{over} expired") if over else ("due", f"{due} due") if due else ("good", "nothing is due")
    )


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    lines = list(content)
    if lines:
        yield f"<section><h2>{title}</h2>"
        yield from lines
        yield "</section>"


def _due(items: Iterable[Due]) -> list[str]:
    rows = [
        f"<li><strong>{_safe(item.subject)}</strong>: {_safe(item.reason)}<br>"
        f"<code>{_safe(item.cure)}</code></li>"
        for item in items
    ]
    return ["<ul>", *rows, "</ul>"] if rows else []


def _ends(status: Status, limit: int) -> Iterator[str]:
    if status.authorities or status.certificates:
        yield '<div class="scroll">'
        yield from timeline(status, limit=limit)
        yield "</div><p>In the paler part of its bar a thing is due.</p>"


def _authorities(status: Status) -> list[str]:
    if not status.authorities:
        return []
    head = ("name", "valid to", "certificates", "CRL valid to")
    return _table(head, (_authority(status, ca) for ca in status.authorities))


def _authority(status: Status, ca: Authority) -> Iterator[str]:
    late, crl = status.is_due(Kind.AUTHORITY, ca.name), ca.crl
    yield _safe(ca.name) + ("" if ca.signs else ' <span class="faint">replaced</span>')
    yield _until(status, ca.not_after, late=late)
    yield ", ".join(f"{number} {_safe(name)}" for name, number in sorted(ca.counts.items())) or "none"
    late = status.is_due(Kind.CRL, ca.name)
    yield _until(status, crl.next_update, late=late) if crl and crl.next_update else "none"


def _certificates(status: Status, limit: int) -> list[str]:
    rows = status.certificates[:limit]
    if not rows:
        return []
    more = status.has_more or len(rows) < len(status.certificates)
    note = ["<p>And more that end later: <code>smtpcreds cert list</code></p>"] if more else []
    return [
        *_table(("host", "role", "valid to", "serial"), (_certificate(status, row) for row in rows)),
        *note,
    ]


def _certificate(status: Status, row: Certificate) -> Iterator[str]:
    yield _safe(row.host)
    yield _safe(row.profile)
    yield _until(status, row.not_after, late=status.at >= row.due_at())
    yield f'<code title="{_safe(row.serial)}">{_safe(row.serial[:12])}</code>'


def _accounts(status: Status, limit: int) -> list[str]:
    found = status.accounts
    if not found.total:
        return []
    shown = found.shown[:limit]
    rows = ((_safe(one.name), ", ".join(map(_safe, one.clients))) for one in shown)
    more = "" if len(shown) == found.total else f", of which these are the first {len(shown)}"
    return [*_table(("account", "used by"), rows), f"<p>{found.total} in {_safe(found.database)}{more}</p>"]


def _changes(changes: Iterable[Change]) -> list[str]:
    rows = [f"<li>{_change(change)}<br><code>{_safe(change.next)}</code></li>" for change in changes]
    return ["<ul>", *rows, "</ul>"] if rows else []


def _change(change: Change) -> str:
    until = f", next step from {change.until:%Y-%m-%d %H:%M} UTC on" if change.until else ""
    both = f"<strong>{_safe(change.old)}</strong> \u2192 <strong>{_safe(change.new)}</strong>"
    return f"{both}: {_safe(change.note)} since {change.since:%Y-%m-%d}{until}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a table; the cells are HTML."""
    first = "".join(f"<th>{text}</th>" for text in head)
    lines = (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return [f'<div class="scroll"><table><tr>{first}</tr>', *lines, "</table></div>"]


def _until(status: Status, end: datetime, *, late: bool) -> str:
    tone = "bad" if end <= status.at else "due" if late else "good"
    return f'{end:%Y-%m-%d} <span class="toned {tone}">{left(status, end)}</span>'


def _safe(text: str) -> str:
    return escape(printable(text))
