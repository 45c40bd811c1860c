"""Rows to values and back, in the order of the columns in :mod:`.statements`.

The ``*_of`` functions raise ValueError or TypeError for a row that no program of ours has written.
"""

from hashlib import sha256
from typing import Any

from ..errors import InexpressibleError
from .rows import (
    Authority,
    AuthorityState,
    Certificate,
    Crl,
    Event,
    Intent,
    Revoked,
    State,
    moment,
    seconds,
)

Row = tuple[Any, ...]


def intent_values(intent: Intent, machine: str) -> Row:
    """Return the columns of INTEND."""
    return *_common_values(intent), machine


def adopted_values(certificate: Certificate, der: bytes | None) -> Row:
    """Return the columns of ADOPT."""
    return (
        *_common_values(certificate),
        certificate.state.value,
        None if der is None else sha256(der).hexdigest(),
        certificate.key_id,
        None if certificate.revoked_at is None else seconds(certificate.revoked_at),
        certificate.reason,
        der,
    )


def _common_values(item: Intent | Certificate) -> Row:
    return (
        item.authority,
        item.serial,
        item.host,
        item.profile,
        _joined(item),
        seconds(item.not_before),
        seconds(item.not_after),
        seconds(item.created),
        item.directory,
    )


def _joined(item: Intent | Certificate) -> str:
    for name in item.names:
        if not name or "\n" in name:
            raise InexpressibleError(
                f"certificate {item.serial}", f"has a name that can't be listed: {name!r}"
            )
    return "\n".join(item.names)


def certificate_of(row: Row) -> Certificate:
    """Parse a row of SELECT_CERTIFICATE."""
    (
        authority,
        serial,
        host,
        profile,
        names,
        not_before,
        not_after,
        created,
        directory,
        state,
        fingerprint,
        key_id,
        revoked_at,
        reason,
        machine,
    ) = row
    return Certificate(
        authority=authority,
        serial=serial,
        host=host,
        profile=profile,
        names=tuple(names.split("\n")) if names else (),
        not_before=moment(not_before),
        not_after=moment(not_after),
        created=moment(created),
        directory=directory,
        state=State(state),
        fingerprint=fingerprint,
        key_id=key_id,
        revoked_at=None if revoked_at is None else moment(revoked_at),
        reason=reason,
        machine=machine,
    )


def authority_of(row: Row) -> Authority:
    """Parse a row of SELECT_AUTHORITY."""
    number, name, ski, fingerprint, state, created, der = row
    return Authority(number, name, ski, fingerprint, AuthorityState(state), moment(created), bytes(der))


def revoked_of(row: Row) -> Revoked:
    """Parse a row of SELECT_REVOKED."""
    serial, at, reason = row
    return Revoked(serial, moment(at), reason)


def crl_values(crl: Crl) -> Row:
    """Return the columns of RECORD_CRL."""
    return crl.authority, crl.number, seconds(crl.this_update), seconds(crl.next_update), crl.sha256


def crl_of(row: Row) -> Crl:
    """Parse a row of LATEST_CRL."""
    authority, number, this_update, next_update, digest = row
    return Crl(authority, number, moment(this_update), moment(next_update), digest)


def event_values(event: Event) -> Row:
    """Return the columns of EVENT."""
    return seconds(event.at), event.who, event.what, event.subject, event.detail


def event_of(row: Row) -> Event:
    """Parse a row of SELECT_EVENT."""
    at, who, what, subject, detail = row
    return Event(moment(at), who, what, subject, detail)


def standing_of(row: Row) -> str:
    """Say in words where a certificate stands, from a row of STANDING."""
    state, is_signed = row
    return f"{State(state)}, {'signed' if is_signed else 'not signed'}"


def tally_of(row: Row) -> tuple[str, int]:
    """Parse a row of TALLY."""
    standing, number = row
    return str(standing), int(number)


def der_of(row: Row) -> bytes:
    """Parse a row of DER."""
    return bytes(row[0])


def number_of(row: Row) -> int:
    """Parse a row of one number."""
    return int(row[0])


def text_of(row: Row) -> str:
    """Parse the first column of a row as text."""
    return str(row[0])
