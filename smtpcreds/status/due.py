"""What is due, computed from the rest."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ..authority.due import is_due
from ..authority.findings import CURE_ALL
from ..inventory import Certificate as Row
from .values import Authority, Certificate, Change, Cure, Due, Kind

NAMED = 4
"""Hosts that one line names."""

SETTLED = timedelta(hours=1)
"""A run takes less; what it began earlier and did not finish was interrupted."""


def due_work(
    now: datetime,
    authorities: Iterable[Authority],
    certificates: Iterable[Certificate],
    changes: Iterable[Change],
    lifetime: timedelta,
) -> tuple[Due, ...]:
    """Return everything that an administrator should do now, the most urgent kind first."""
    trusted = list(authorities)
    return (
        *_crls(now, trusted),
        *_certificates(now, list(certificates)),
        *_authorities(now, trusted, lifetime),
        *_changes(now, changes),
    )


def interrupted(now: datetime, pending: Iterable[Row]) -> tuple[Due, ...]:
    """Return what killed runs left; a run that is at work has pending certificates too."""
    left = sorted({row.host for row in pending if now - row.created > SETTLED})
    if not left:
        return ()
    reason = "begun by a run that was interrupted"
    return (Due(Kind.INTERRUPTED, _some(left), reason, CURE_ALL, len(left)),)


def _crls(now: datetime, authorities: Iterable[Authority]) -> Iterator[Due]:
    for authority in authorities:
        crl = authority.crl
        if crl is None or crl.next_update is None or authority.not_after <= now:
            continue
        if crl.next_update <= now:
            reason = f"the CRL expired on {crl.next_update:%Y-%m-%d}, which stops all certificates of this CA"
        elif is_due(crl.this_update, crl.next_update, now):
            reason = f"the CRL expires on {crl.next_update:%Y-%m-%d}"
        else:
            continue
        yield Due(Kind.CRL, authority.name, reason, "smtpcreds ca crl")


def _certificates(now: datetime, rows: list[Certificate]) -> Iterator[Due]:
    late = [row for row in rows if is_due(row.not_before, row.not_after, now)]
    for cure in Cure:
        if same := [row for row in late if row.cure is cure]:
            ended = sum(row.not_after <= now for row in same)
            reason = "past two thirds of life" + (f", {ended} of them expired" if ended else "")
            text = cure.replace("HOST", same[0].host) if len(same) == 1 else cure.value
            yield Due(Kind.CERTIFICATE, _some([row.host for row in same]), reason, text, len(same))


def _authorities(now: datetime, authorities: Iterable[Authority], lifetime: timedelta) -> Iterator[Due]:
    for authority in authorities:
        if not authority.signs:
            continue
        end = f"{authority.not_after:%Y-%m-%d}"
        if authority.not_after <= now:
            yield Due(Kind.AUTHORITY, authority.name, f"expired on {end}", "smtpcreds ca rollover")
        elif authority.not_after - now < lifetime:
            reason = f"ends on {end}, and cuts the {lifetime.days} days of a new certificate short"
            yield Due(Kind.AUTHORITY, authority.name, reason, "smtpcreds ca rollover")


def _changes(now: datetime, changes: Iterable[Change]) -> Iterator[Due]:
    for change in changes:
        if change.until is not None and change.until <= now:
            reason = f"{change.note}; the next step was due on {change.until:%Y-%m-%d %H:%M} UTC"
            yield Due(change.kind, change.old, reason, change.next)


def _some(names: Sequence[str]) -> str:
    named = ", ".join(names[:NAMED])
    return named if len(names) <= NAMED else f"{named} and {len(names) - NAMED} more"
