"""Everything as one document for ``--json``."""

from dataclasses import asdict

from .values import Authority, Certificate, Status


def document(status: Status, *, limit: int) -> dict[str, object]:
    """Return what JSON tells; at most ``limit`` certificates and accounts."""
    return {
        "at": status.at,
        "hub": status.hub,
        "authorities": [_authority(status, one) for one in status.authorities],
        "certificates": [_certificate(status, row) for row in status.certificates[:limit]],
        "more_certificates": status.has_more or len(status.certificates) > limit,
        "accounts": {
            "database": status.accounts.database,
            "total": status.accounts.total,
            "shown": [asdict(account) for account in status.accounts.shown[:limit]],
        },
        "half_way": [asdict(change) for change in status.changes],
        "due": [asdict(item) for item in status.due],
    }


def _authority(status: Status, authority: Authority) -> dict[str, object]:
    return {**asdict(authority), "days_left": status.days_left(authority.not_after)}


def _certificate(status: Status, row: Certificate) -> dict[str, object]:
    return {
        "host": row.host,
        "profile": row.profile,
        "serial": row.serial,
        "not_before": row.not_before,
        "not_after": row.not_after,
        "days_left": status.days_left(row.not_after),
        "due": status.at >= row.due_at(),
        "certificate": row.path,
        "machine": row.machine or None,
    }
