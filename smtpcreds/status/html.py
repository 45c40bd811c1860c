"""One page that needs nothing else, with its time line: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from ..model import Finding
from ..pki.dates import due_at
from .gather import Authority, Certificate, Change, Kind, Status
from .text import left, printable, without_authority

# The expiry timeline as SVG 1.1: a row for each thing that ends, time from left to right, now as a line.

WIDTH, ROW, HEAD, FOOT = 960, 30, 34, 12
NAMES, ENDS = 250, 118
"""Columns on the left and right, in user units as all sizes here."""
LETTERS = 31
"""Of a name, as many as fit into its column; the whole name is the row's title."""
BAR = 12
PAST = 0.06
"""Part of the axis that lies before now."""
TICKS = 8
STEPS = (1, 2, 7, 14, 30.4375, 60.875, 91.3125, 182.625, 365.25, 730.5, 1826.25, 3652.5)
"""Days between ticks."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing that ends; ``tone`` is the class of its colour, ``due`` when it should be renewed."""

    name: str
    what: str
    begin: datetime
    due: datetime
    end: datetime
    tone: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From times to places."""

    begin: datetime
    span: timedelta

    def place(self, at: datetime) -> float:
        """Return the place of a time; what lies outside is put on the edge."""
        part = (at - self.begin) / self.span
        return NAMES + min(1.0, max(0.0, part)) * (WIDTH - NAMES - ENDS)

    def holds(self, at: datetime) -> bool:
        """Tell whether a time lies on the axis."""
        return self.begin <= at <= self.begin + self.span


def timeline(status: Status, *, limit: int) -> Iterator[str]:
    """Yield the lines of the picture: authorities, their CRLs, and the certificates that end next."""
    bars = list(_bars(status, limit))
    axis = _axis(status, bars)
    height = HEAD + len(bars) * ROW + FOOT
    yield f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="When what ends">'
    yield from _grid(status, axis, height)
    for number, bar in enumerate(bars):
        yield from _row(status, axis, bar, HEAD + number * ROW)
    now = axis.place(status.at)
    yield f'<line class="now" x1="{now:.1f}" y1="{HEAD - 8}" x2="{now:.1f}" y2="{height}"/>'
    yield "</svg>"


def _bars(status: Status, limit: int) -> Iterator[Bar]:
    for ca in status.authorities:
        late = status.is_due(Kind.AUTHORITY, ca.name)
        tone = _tone(status, ca.not_after, late=late)
        yield Bar(ca.name, "authority", ca.not_before, ca.not_after - status.lifetime, ca.not_after, tone)
        if ca.crl and (end := ca.crl.next_update):
            late = status.is_due(Kind.CRL, ca.name)
            due = due_at(ca.crl.this_update, end)
            yield Bar("its CRL", "CRL", ca.crl.this_update, due, end, _tone(status, end, late=late))
    for row in status.certificates[:limit]:
        tone = "bad" if row.revoked else _tone(status, row.not_after, late=status.at >= row.due_at())
        yield Bar(row.host, f"{row.profile} certificate", row.not_before, row.due_at(), row.not_after, tone)


def _tone(status: Status, end: datetime, *, late: bool) -> str:
    return "bad" if status.has_ended(end) else "due" if late else "good"


def _axis(status: Status, bars: Sequence[Bar]) -> Axis:
    """Reach to the last certificate, not to the end of the authority, which lives ten times as long."""
    ends = [bar.end for bar in bars if bar.what != "authority"] or [bar.end for bar in bars]
    ahead = max([end - status.at for end in ends] + [timedelta(days=30)])
    behind = min([end - status.at for end in ends] + [-ahead * PAST])
    begin = status.at + max(behind, -ahead / 3) - ahead * 0.01
    return Axis(begin, status.at + ahead * 1.02 - begin)


def _grid(status: Status, axis: Axis, height: int) -> Iterator[str]:
    for at in _ticks(axis):
        x = axis.place(at)
        yield f'<line class="tick" x1="{x:.1f}" y1="{HEAD - 8}" x2="{x:.1f}" y2="{height}"/>'
        if abs(x - axis.place(status.at)) > 54:
            yield f'<text class="scale" x="{x:.1f}" y="{HEAD - 16}">{_label(axis, at)}</text>'
    yield f'<text class="scale today" x="{axis.place(status.at):.1f}" y="{HEAD - 16}">today</text>'


def _ticks(axis: Axis) -> Iterator[datetime]:
    days = axis.span / timedelta(days=1)
    step = next((step for step in STEPS if days / step <= TICKS), STEPS[-1])
    if step < 30:
        at = axis.begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        while axis.holds(at):
            yield at
            at += timedelta(days=step)
        return
    months = round(step / 30.4375)
    month = axis.begin.year * 12 + axis.begin.month
    month += -month % months
    while axis.holds(at := datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)):
        yield at
        month += months


def _label(axis: Axis, at: datetime) -> str:
    years, months = axis.span > timedelta(days=3000), axis.span > timedelta(days=200)
    return f"{at:%Y}" if years else f"{at:%b %Y}" if months else f"{at:%d %b}"


def _row(status: Status, axis: Axis, bar: Bar, top: int) -> Iterator[str]:
    start, due, end = (axis.place(at) for at in (bar.begin, bar.due, bar.end))
    y, base = top + (ROW - BAR) / 2, top + ROW / 2 + 4
    name = printable(bar.name)
    short = name if len(name) <= LETTERS else name[: LETTERS - 1] + "\u2026"
    said = f"{name}: {bar.what}, {bar.begin:%Y-%m-%d} to {bar.end:%Y-%m-%d}, {left(status, bar.end)}"
    yield f'<g class="{bar.tone}"><title>{escape(said)}</title>'
    yield f'<rect class="hit" x="0" y="{top}" width="{WIDTH}" height="{ROW}"/>'
    yield f'<text class="name" x="{NAMES - 14}" y="{base}">{escape(short)}</text>'
    yield _box("life", start, due, y)
    yield _box("late", max(start, due), end, y)
    if bar.end > axis.begin + axis.span:
        yield f'<path class="life" d="M{end + 3:.1f} {y}l7 {BAR / 2}l-7 {BAR / 2}z"/>'
    yield f'<text class="end" x="{WIDTH - ENDS + 18}" y="{base}">{_end(status, bar.end)}</text></g>'


def _box(kind: str, begin: float, end: float, y: float) -> str:
    return (
        f'<rect class="{kind}" x="{begin:.1f}" y="{y}" width="{max(0.0, end - begin):.1f}" height="{BAR}"/>'
    )


def _end(status: Status, end: datetime) -> str:
    days = status.days_left(end)
    return "expired" if status.has_ended(end) else f"{days} day{'s' * (days != 1)}"


# How the page looks, by day and by night.

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b2430; --faint: #66717f; --line: #e2e6eb; --stripe: #f3f5f8;
  --good: #2f8f6b; --due: #c98a0c; --bad: #c9392f; --now: #3866c4; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #12161c; --card: #1a2028; --ink: #e3e8ee; --faint: #93a0ae; --line: #2b333e; --stripe: #202732;
  --good: #4cb78d; --due: #e0a93b; --bad: #ee6a5f; --now: #7ba2f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 28px 20px 40px; }
header { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; margin-bottom: 20px; }
h1 { font-size: 22px; font-weight: 650; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 13px; font-weight: 650; margin: 0 0 10px; color: var(--faint); letter-spacing: .02em; }
time { color: var(--faint); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 20px; margin-bottom: 16px; }
.pill { margin-left: auto; padding: 3px 14px; border-radius: 99px; font-weight: 600; color: var(--card); }
.pill.good { background: var(--good); } .pill.due { background: var(--due); }
.pill.bad { background: var(--bad); }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: 8px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
li:first-child { border-top: 0; padding-top: 0; } li:last-child { padding-bottom: 0; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--stripe);
  padding: 1px 6px; border-radius: 5px; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 13px; font-weight: 500; color: var(--faint); }
th, td { padding: 6px 16px 6px 0; border-top: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; }
th, .toned { white-space: nowrap; }
tr:first-child > * { border-top: 0; }
p { margin: 10px 0 0; color: var(--faint); } .faint { color: var(--faint); }
.good { --tone: var(--good); } .due { --tone: var(--due); } .bad { --tone: var(--bad); }
.toned { color: var(--tone); font-weight: 600; }
svg { display: block; width: 100%; height: auto; font-size: 13px; }
svg text { fill: var(--ink); } svg .name { text-anchor: end; }
svg .end { fill: var(--tone); font-weight: 600; }
svg .scale { fill: var(--faint); text-anchor: middle; font-size: 11.5px; }
svg .today { fill: var(--now); font-weight: 650; }
svg .tick { stroke: var(--line); } svg .now { stroke: var(--now); stroke-width: 1.5; stroke-dasharray: 3 3; }
svg .hit { fill: transparent; } svg g:hover .hit { fill: var(--stripe); }
svg .life { fill: var(--tone); } svg .late { fill: var(--tone); opacity: .38; }
.scroll { overflow-x: auto; } .scroll svg { min-width: 720px; }
@media print { body { background: none; } section { break-inside: avoid; } }
"""


# One page that needs nothing else: no script, no font, no picture from elsewhere.

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
        _section("Client hosts", _clients(status, limit)),
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
    over, due = sum(status.has_ended(end) for end in ended), sum(item.count for item in status.due)
    if over:
        return "bad", f"{over} expired"
    if status.is_empty:
        return "due", "nothing was found"
    tone = "bad" if status.is_broken else "due"
    return (tone, f"{due} due") if due else ("good", "nothing is due")


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    lines = list(content)
    if lines:
        yield f"<section><h2>{title}</h2>"
        yield from lines
        yield "</section>"


def _due(items: Iterable[Finding]) -> list[str]:
    rows = [
        f"<li><strong>{_safe(item.subject)}</strong>: {_safe(item.message)}<br>"
        f"<code>{_safe(item.cure)}</code></li>"
        for item in items
    ]
    return ["<ul>", *rows, "</ul>"] if rows else []


def _ends(status: Status, limit: int) -> Iterator[str]:
    if status.authorities or status.certificates:
        yield '<div class="scroll">'
        yield from timeline(status, limit=limit)
        yield "</div><p>Pale part of a bar: time to renew.</p>"


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
    late = status.at >= row.due_at()
    yield _revoked(row) if row.revoked else _until(status, row.not_after, late=late)
    yield f'<code title="{_safe(row.serial)}">{_safe(row.serial[:12])}</code>'


def _accounts(status: Status, limit: int) -> list[str]:
    found = status.accounts
    if not found.total:
        return []
    shown = found.shown[:limit]
    rows = ((_safe(one.name), ", ".join(map(_safe, one.clients))) for one in shown)
    more = "" if len(shown) == found.total else f", of which these are the first {len(shown)}"
    return [*_table(("account", "used by"), rows), f"<p>{found.total} in {_safe(found.database)}{more}</p>"]


def _clients(status: Status, limit: int) -> list[str]:
    rows = ((_safe(one.host), _safe(one.account), _safe(one.standing())) for one in status.clients[:limit])
    return _table(("host", "account", "how it stands"), rows) if status.clients else []


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
    tone = "bad" if status.has_ended(end) else "due" if late else "good"
    return f'{end:%Y-%m-%d} <span class="toned {tone}">{left(status, end)}</span>'


def _revoked(row: Certificate) -> str:
    return f'{row.not_after:%Y-%m-%d} <span class="toned bad">revoked</span>'


def _safe(text: str) -> str:
    return escape(printable(text))
