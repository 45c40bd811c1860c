"""What ends when, as a list of bars over one axis of time: text and boxes that fit any width."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from ..errors import shown
from ..lazy import dataclass
from ..pki.dates import due_at
from .gather import Kind, Status
from .text import left

PAST = 0.06
"""Part of the axis that lies before now."""
TICKS = 7
STEPS = (1, 2, 7, 14, 30.4375, 60.875, 91.3125, 182.625, 365.25, 730.5, 1826.25, 3652.5)
"""Days between ticks."""
NEAR = 9
"""Percent of the axis: labels closer than this would run into each other."""
SOON = timedelta(days=7)
"""What ends within this is marked, however short its life is."""
SHORT = 8
"""Hex digits of a fingerprint, which tell authorities apart."""


@dataclass(frozen=True)
class Bar:
    """One thing that ends; ``tone`` is the class of its colour, ``due`` when it should be renewed."""

    name: str
    what: str
    begin: datetime
    due: datetime
    end: datetime
    tone: str


@dataclass(frozen=True)
class Axis:
    """From times to places, in percent of the width."""

    begin: datetime
    span: timedelta

    def place(self, at: datetime) -> float:
        """Return the place of a time; what lies outside is put on the edge."""
        return 100 * min(1.0, max(0.0, (at - self.begin) / self.span))

    def holds(self, at: datetime) -> bool:
        """Tell whether a time lies on the axis."""
        return self.begin <= at <= self.begin + self.span


def tone_of(status: Status, end: datetime, *, late: bool) -> str:
    """Return the class of what ends then: good, due or bad."""
    return "bad" if status.has_ended(end) else "due" if late or ends_soon(status, end) else "good"


def ends_soon(status: Status, end: datetime) -> bool:
    """Tell whether it ends within days, whatever its lifetime."""
    return not status.has_ended(end) and end - status.at <= SOON


def timeline(status: Status, *, limit: int) -> Iterator[str]:
    """Yield the lines of the list: authorities, their CRLs, and the certificates that end next."""
    bars = list(_bars(status, limit))
    axis = _axis(status, bars)
    yield '<div class="scale" aria-hidden="true"><span>'
    yield from _scale(status, axis)
    yield '</span></div><ul class="bars">'
    for bar in bars:
        yield from _row(status, axis, bar)
    yield "</ul>"


def _bars(status: Status, limit: int) -> Iterator[Bar]:
    for ca in status.authorities:
        name = f"{ca.name} {ca.fingerprint[:SHORT]}" if len(status.authorities) > 1 else ca.name
        late = status.is_due(Kind.AUTHORITY, ca.name)
        tone = tone_of(status, ca.not_after, late=late)
        yield Bar(name, "authority", ca.not_before, ca.not_after - status.lifetime, ca.not_after, tone)
        if ca.crl and (end := ca.crl.next_update):
            late = status.is_due(Kind.CRL, ca.name)
            due = due_at(ca.crl.this_update, end)
            yield Bar(f"CRL of {name}", "CRL", ca.crl.this_update, due, end, tone_of(status, end, late=late))
    for row in status.certificates[:limit]:
        tone = "bad" if row.revoked else tone_of(status, row.not_after, late=status.at >= row.due_at())
        yield Bar(row.host, f"{row.profile} certificate", row.not_before, row.due_at(), row.not_after, tone)


def _axis(status: Status, bars: Sequence[Bar]) -> Axis:
    """Reach to the last certificate, not to the end of the authority, which lives ten times as long."""
    ends = [bar.end for bar in bars if bar.what != "authority"] or [bar.end for bar in bars]
    ahead = max([end - status.at for end in ends] + [timedelta(days=30)])
    behind = min([end - status.at for end in ends] + [-ahead * PAST])
    begin = status.at + max(behind, -ahead / 3) - ahead * 0.01
    return Axis(begin, status.at + ahead * 1.02 - begin)


def _scale(status: Status, axis: Axis) -> Iterator[str]:
    now = axis.place(status.at)
    for number, at in enumerate(_ticks(axis)):
        place = axis.place(at)
        if abs(place - now) > NEAR and place < 100 - NEAR / 2:
            sparse = ' class="sparse"' if number % 2 else ""
            yield f'<i{sparse} style="left:{place:.1f}%">{_label(axis, at)}</i>'
    yield f'<i class="today" style="left:{now:.1f}%">today</i>'


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


def _row(status: Status, axis: Axis, bar: Bar) -> Iterator[str]:
    start, due, end = (axis.place(at) for at in (bar.begin, bar.due, bar.end))
    now, late = axis.place(status.at), max(start, due)
    said = f"{bar.what}, {bar.begin:%Y-%m-%d} to {bar.end:%Y-%m-%d}"
    yield f'<li class="{bar.tone}" title="{said}"><span class="name">{escape(shown(bar.name))}</span>'
    yield '<span class="track" aria-hidden="true">'
    yield _box("life", start, min(due, end))
    yield _box("late", late, end)
    yield f'<i class="now" style="left:{now:.1f}%"></i></span>'
    yield f'<span class="end toned">{left(status, bar.end)}</span></li>'


def _box(kind: str, begin: float, end: float) -> str:
    return f'<i class="{kind}" style="left:{begin:.1f}%;width:{max(0.0, end - begin):.1f}%"></i>'
