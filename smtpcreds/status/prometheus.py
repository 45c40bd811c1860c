"""Metrics for a textfile collector, in Prometheus' text exposition format 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .values import Authority, Kind, Status

MARK = "# Written by smtpcreds status."
"""First line of the file, by which it is known as ours."""

SHORT = 16
"""Hex digits that tell authorities of one name apart."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
"""The three that the format knows in the value of a label."""

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
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


def render(status: Status, *, limit: int) -> list[str]:
    """Return the lines of the file; of certificates, the ``limit`` that end next."""
    metrics = (*_general(status), *_authorities(status), *_crls(status), *_certificates(status, limit))
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
    yield Metric("smtpcreds_changes", "Replacements that are half-way.", by_kind)
    due = [
        ({"kind": kind.value}, sum(item.count for item in status.due if item.kind is kind)) for kind in Kind
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


def _labels(authority: Authority) -> dict[str, str]:
    signs = "yes" if authority.signs else "no"
    return {"authority": authority.name, "fingerprint": authority.fingerprint[:SHORT], "signs": signs}


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items() if text)
    return f"{name}{{{inside}}} {value:.0f}" if inside else f"{name} {value:.0f}"
