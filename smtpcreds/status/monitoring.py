"""Lines and metrics for Nagios and its kin, and for Prometheus."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import IntEnum

from ..errors import ExistsError, UsageError, shown
from ..files import check_target, read_public, require_directory, sweep_target, write_all
from ..lazy import dataclass
from ..model import Artifact, Severity
from .gather import Authority, Kind, Status
from .text import left

# One line for Nagios and its kin, with performance data (Monitoring Plugins development guidelines).

WARNING_DAYS, CRITICAL_DAYS = 21, 7


class Grade(IntEnum):
    """Exit statuses of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Found:
    """One thing that was graded."""

    grade: Grade
    text: str


def render_nagios(status: Status, thresholds: Thresholds) -> tuple[Grade, str]:
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
    return f"SMTPCREDS {grade.name} - {shown(text).replace('|', '/')}"


def _fine(status: Status) -> str:
    following = status.certificates[:1]
    said = [f"{row.host} is the next to end, {left(status, row.not_after)}" for row in following]
    return "; ".join([*said, f"accounts: {status.accounts.total}"])


def _faults(status: Status, thresholds: Thresholds) -> Iterator[Found]:
    for row in status.certificates:
        if row.revoked:
            continue  # what is due says so
        grade = thresholds.grade(row.not_before, row.not_after, status.at)
        yield Found(grade, f"{row.host}: certificate, {left(status, row.not_after)}")
    for ca in status.authorities:
        grade = thresholds.grade(ca.not_before, ca.not_after, status.at)
        yield Found(grade, f"{ca.name}: authority, {left(status, ca.not_after)}")
        if ca.crl and ca.crl.next_update:
            grade = thresholds.grade(ca.crl.this_update, ca.crl.next_update, status.at)
            yield Found(grade, f"{ca.name}: CRL, {left(status, ca.crl.next_update)}")
    for item in status.due:
        if item.code not in {Kind.CERTIFICATE, Kind.CRL}:
            grade = Grade.CRITICAL if item.severity is Severity.ERROR else Grade.WARNING
            yield Found(grade, f"{item.subject}: {item.message}")


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


# Metrics for a textfile collector, in Prometheus' text exposition format 0.0.4.

MARK = "# Written by smtpcreds status."
"""First line of the file, by which it is known as ours."""

SHORT = 16
"""Hex digits that tell authorities of one name apart."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
"""The three that the format knows in the value of a label."""

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True)
class Metric:
    """One gauge: labels and value of each sample; labels of one metric never repeat."""

    name: str
    help: str
    samples: Samples

    def lines(self) -> Iterator[str]:
        """Yield the lines; none where nothing was measured."""
        samples = [_sample(self.name, labels, value) for labels, value in self.samples]
        if samples:
            yield f"# HELP {self.name} {self.help}"
            yield f"# TYPE {self.name} gauge"
            yield from samples


def render_prometheus(status: Status, *, limit: int) -> list[str]:
    """Return the lines of the file; of certificates, the ``limit`` that end next."""
    metrics = (
        *_general(status),
        *_authorities(status),
        *_crls(status),
        *_certificates(status, limit),
        *_clients(status),
    )
    return [MARK, *(line for metric in metrics for line in metric.lines())]


def _general(status: Status) -> Iterator[Metric]:
    yield Metric(
        "smtpcreds_status_timestamp_seconds", "When this was written.", [({}, status.at.timestamp())]
    )
    yield Metric("smtpcreds_accounts", "Relay accounts in the database.", [({}, status.accounts.total)])
    by_kind = [
        ({"kind": kind.value}, sum(change.kind is kind for change in status.changes))
        for kind in (Kind.AUTHORITY, Kind.ACCOUNT, Kind.TLSA)
    ]
    yield Metric("smtpcreds_changes", "Replacements in progress.", by_kind)
    due = [
        ({"kind": kind.value}, sum(item.count for item in status.due if item.code == kind)) for kind in Kind
    ]
    yield Metric("smtpcreds_due", "Things that are due, by kind.", due)


def _authorities(status: Status) -> Iterator[Metric]:
    ends = [(_labels(ca), ca.not_after.timestamp()) for ca in status.authorities]
    yield Metric("smtpcreds_authority_not_after_timestamp_seconds", "End of an authority.", ends)
    counts = [
        ({**_labels(ca), "state": state}, number)
        for ca in status.authorities
        for state, number in sorted(ca.counts.items())
    ]
    yield Metric("smtpcreds_certificates", "Certificates of an authority, by state.", counts)


def _crls(status: Status) -> Iterator[Metric]:
    known = [(_labels(ca), ca.crl) for ca in status.authorities if ca.crl]
    begins = [(labels, crl.this_update.timestamp()) for labels, crl in known]
    ends = [(labels, crl.next_update.timestamp()) for labels, crl in known if crl.next_update]
    yield Metric("smtpcreds_crl_this_update_timestamp_seconds", "When the CRL was signed.", begins)
    yield Metric("smtpcreds_crl_next_update_timestamp_seconds", "End of the CRL.", ends)
    yield Metric("smtpcreds_crl_revoked", "Entries of the CRL.", [(at, crl.revoked) for at, crl in known])


def _certificates(status: Status, limit: int) -> Iterator[Metric]:
    rows = status.certificates[:limit]
    labels = [
        {"host": row.host, "profile": row.profile, "pair": row.place, "machine": row.machine} for row in rows
    ]
    ends = zip(labels, (row.not_after.timestamp() for row in rows), strict=True)
    begins = zip(labels, (row.not_before.timestamp() for row in rows), strict=True)
    yield Metric("smtpcreds_certificate_not_after_timestamp_seconds", "End of a certificate in use.", ends)
    yield Metric("smtpcreds_certificate_not_before_timestamp_seconds", "Its beginning.", begins)


def _clients(status: Status) -> Iterator[Metric]:
    came = [({"host": one.host}, one.last_pull.timestamp()) for one in status.clients if one.last_pull]
    ends = [({"host": one.host}, one.ends.timestamp()) for one in status.clients if one.ends]
    yield Metric("smtpcreds_client_last_pull_timestamp_seconds", "When a client host came last.", came)
    yield Metric("smtpcreds_client_ends_timestamp_seconds", "End of what a client host holds.", ends)


def _labels(authority: Authority) -> dict[str, str]:
    signs = "yes" if authority.signs else "no"
    return {"authority": authority.name, "fingerprint": authority.fingerprint[:SHORT], "signs": signs}


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items() if text)
    return f"{name}{{{inside}}} {value:.0f}" if inside else f"{name} {value:.0f}"


# A status that others read: a file of mode 0644 that is whole at every moment.

MODE = 0o644


def write_page(path: str, lines: list[str], end: str, *, force: bool = False) -> bool:
    """Write a file, or replace the one that an earlier run wrote.

    Args:
        path: absolute.
        lines: its content; the first one is always the same, and tells our files from others.
        end: how its name must end; collectors read no other files.
        force: replace a file that is not ours.
    """
    if not path.endswith(end):
        raise UsageError(path, f"does not end in {end}, so the collector would not read it")
    require_directory(path)
    _refuse_others(path, lines[0], force=force)
    content = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
    sweep_target(path)
    write_all([Artifact(path, content, MODE)])
    return True


def _refuse_others(path: str, mark: str, *, force: bool) -> None:
    if check_target(path) and not force and not read_public(path).startswith(mark.encode()):
        raise ExistsError(
            path, "was not written by this command and was not changed", "--force to replace it"
        )
