"""CERT: from when to when, and whether it was revoked meanwhile."""

import os
from collections.abc import Iterator

from ..authority.due import is_due
from ..errors import SmtpcredsError
from ..inventory import State
from ..pki.chains import is_issued_by
from ..pki.crl import Crl, verify_crl
from ..pki.values import Certificate
from .cert_crl import crls_in
from .cert_pair import issue_again
from .finding import Finding, found
from .holdings import Holding, hosts
from .world import World


def dates(world: World) -> Iterator[Finding]:
    """Every certificate is valid now, and for a while yet."""
    now = world.site.clock()
    for holding, host in hosts(world.holdings):
        begin, end = holding.leaf.not_valid_before_utc, holding.leaf.not_valid_after_utc
        renew = f"smtpcreds cert renew {host}" if holding.row else issue_again(world, holding)
        if now > end:
            yield found("CERT004", holding.path, f"expired on {end:%Y-%m-%d %H:%M} UTC", renew)
        elif now < begin:
            reason = f"is not valid before {begin:%Y-%m-%d %H:%M} UTC"
            yield found("CERT006", holding.path, reason, issue_again(world, holding))
        elif is_due(begin, end, now):
            reason = f"expires on {end:%Y-%m-%d}, in {(end - now).days} days"
            yield found("CERT005", holding.path, reason, renew)


def revoked(world: World) -> Iterator[Finding]:
    """No certificate in use is one that its CA has revoked."""
    for holding in world.holdings:
        if why := _revoked(world, holding):
            yield found("CERT023", holding.path, why, issue_again(world, holding))


def _revoked(world: World, holding: Holding) -> str | None:
    row = holding.row
    if row and row.state is State.REVOKED and row.revoked_at:
        return f"was revoked on {row.revoked_at:%Y-%m-%d} ({row.reason})"
    issuers = [ca for ca in (*holding.known, *world.authorities) if is_issued_by(holding.leaf, ca)]
    for path, crl in crls_in(world, os.path.dirname(holding.path)):
        entry = crl.find(holding.leaf.serial_number)
        if entry and any(_is_by(crl, path, issuer) for issuer in issuers):
            return f"was revoked on {entry.at:%Y-%m-%d} ({entry.reason.value}), says {path}"
    return None


def _is_by(crl: Crl, path: str, issuer: Certificate) -> bool:
    try:
        verify_crl(crl, issuer, path)
    except SmtpcredsError:
        return False
    return True
