"""The expiry timeline as SVG 1.1: a row for each thing that ends, time from left to right, now as a line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from .text import left, printable
from .values import Kind, Status

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
            due = ca.crl.this_update + (end - ca.crl.this_update) * 2 / 3
            yield Bar("its CRL", "CRL", ca.crl.this_update, due, end, _tone(status, end, late=late))
    for row in status.certificates[:limit]:
        tone = _tone(status, row.not_after, late=status.at >= row.due_at())
        yield Bar(row.host, f"{row.profile} certificate", row.not_before, row.due_at(), row.not_after, tone)


def _tone(status: Status, end: datetime, *, late: bool) -> str:
    return "bad" if end <= status.at else "due" if late else "good"


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
    return "expired" if end <= status.at else f"{days} day{'s' * (days != 1)}"
