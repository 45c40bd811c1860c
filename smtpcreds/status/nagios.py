"""One line for Nagios and its kin, with performance data (Monitoring Plugins development guidelines)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from .text import left, printable
from .values import Kind, Status

WARNING_DAYS, CRITICAL_DAYS = 21, 7


class Grade(IntEnum):
    """Exit statuses of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Days before the end at which something is worth a warning, or critical."""

    warning: int = WARNING_DAYS
    critical: int = CRITICAL_DAYS

    def grade(self, begin: datetime, end: datetime, now: datetime) -> Grade:
        """Grade what lives from begin to end.

        Of a short life, as that of a CRL, a quarter counts instead of the days to warn, and an eighth
        instead of the critical ones: it is renewed when a third is left.
        """
        warning, critical = self.spans(end - begin)
        if end - now <= critical:
            return Grade.CRITICAL
        return Grade.WARNING if end - now <= warning else Grade.OK

    def spans(self, life: timedelta) -> tuple[timedelta, timedelta]:
        """Return before which end there is a warning, and what is critical, of what lives so long."""
        return min(timedelta(days=self.warning), life / 4), min(timedelta(days=self.critical), life / 8)

    def marks(self, life: timedelta) -> str:
        """Return both as performance data: met below the range, hence the colons."""
        return ";".join(f"{span.days}:" for span in self.spans(life))


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was graded."""

    grade: Grade
    text: str


def render(status: Status, thresholds: Thresholds) -> tuple[Grade, str]:
    """Return the exit status and the line."""
    if status.is_empty:
        return Grade.UNKNOWN, unknown("no authority, certificate or account here")
    faults = sorted((one for one in _faults(status, thresholds) if one.grade), key=lambda one: -one.grade)
    grade = faults[0].grade if faults else Grade.OK
    said = faults[0].text if faults else _fine(status)
    more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
    return grade, f"{_line(grade, said + more)}|{' '.join(_data(status, thresholds))}"


def unknown(text: str) -> str:
    """Return the line of a check that could not be made."""
    return _line(Grade.UNKNOWN, text)


def _line(grade: Grade, text: str) -> str:
    return f"SMTPCREDS {grade.name} - {printable(text).replace('|', '/')}"


def _fine(status: Status) -> str:
    following = status.certificates[:1]
    said = [f"{row.host} is the next to end, {left(status, row.not_after)}" for row in following]
    return "; ".join([*said, f"accounts: {status.accounts.total}"])


def _faults(status: Status, thresholds: Thresholds) -> Iterator[Found]:
    for row in status.certificates:
        grade = thresholds.grade(row.not_before, row.not_after, status.at)
        yield Found(grade, f"{row.host}: certificate, {left(status, row.not_after)}")
    for ca in status.authorities:
        grade = thresholds.grade(ca.not_before, ca.not_after, status.at)
        yield Found(grade, f"{ca.name}: authority, {left(status, ca.not_after)}")
        if ca.crl and ca.crl.next_update:
            grade = thresholds.grade(ca.crl.this_update, ca.crl.next_update, status.at)
            yield Found(grade, f"{ca.name}: CRL, {left(status, ca.crl.next_update)}")
    for item in status.due:
        if item.kind not in {Kind.CERTIFICATE, Kind.CRL}:
            yield Found(Grade.WARNING, f"{item.subject}: {item.reason}")


def _data(status: Status, thresholds: Thresholds) -> Iterator[str]:
    """Yield ``label=value;warn;crit``."""
    lives: list[tuple[str, datetime, datetime | None]] = [
        *(("certificate_days", row.not_before, row.not_after) for row in status.certificates[:1]),
        *(("authority_days", ca.not_before, ca.not_after) for ca in status.authorities[:1]),
        *(("crl_days", ca.crl.this_update, ca.crl.next_update) for ca in status.authorities[:1] if ca.crl),
    ]
    for label, begin, end in lives:
        if end:
            yield f"{label}={status.days_left(end)};{thresholds.marks(end - begin)}"
    yield f"due={sum(item.count for item in status.due)};;;0"
    yield f"accounts={status.accounts.total};;;0"
