"""The authority's CRL: always young, kept with the authority and installed beside the certificates."""

import os
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from ..config import Site
from ..files import read_private, write_all
from ..inventory import Authority, Crl, Inventory
from ..model import Artifact
from ..pki.crl import BACKDATE, build_crl, to_pem
from ..pki.revocation import Revoked, parse_reason
from ..pki.values import Issuer
from .elders import files_of

FRESH = timedelta(days=1)
"""A CRL younger than this is not signed anew by a command that merely issues."""


def sign_crl(site: Site, issuer: Issuer, number: int, revoked: Iterable[Revoked]) -> bytes:
    """Return a CRL of the authority as DER; it lives ``cert.crl_days`` days."""
    lifetime = timedelta(days=site.settings.cert.crl_days)
    return build_crl(issuer.certificate, issuer.key, number, revoked, site.clock(), lifetime)


def renew_crl(site: Site, inventory: Inventory, authority: Authority, issuer: Issuer) -> bytes:
    """Sign the next CRL, keep it with the authority, and return it as PEM."""
    number, crl = next_crl(site, inventory, authority, issuer)
    pem = to_pem(crl)
    write_all([Artifact(files_of(site, issuer.certificate).crl, pem)])
    record_crl(site, inventory, authority, number, crl)
    return pem


def next_crl(site: Site, inventory: Inventory, authority: Authority, issuer: Issuer) -> tuple[int, bytes]:
    """Sign the next CRL and return it as DER with its number, which is taken; write it, then record it."""
    number = inventory.next_crl_number(authority.id)
    rows = inventory.revoked(authority.id, expires_after=site.clock())
    entries = (Revoked(int(row.serial, 16), row.at, parse_reason(row.reason)) for row in rows)
    return number, sign_crl(site, issuer, number, entries)


def record_crl(site: Site, inventory: Inventory, authority: Authority, number: int, crl: bytes) -> None:
    """Record that the CRL is in place."""
    now = site.clock()
    end = now + timedelta(days=site.settings.cert.crl_days)
    inventory.record_crl(Crl(authority.id, number, now - BACKDATE, end, sha256(crl).hexdigest()))


def current_crl(site: Site, inventory: Inventory, authority: Authority, issuer: Issuer) -> bytes:
    """Return the CRL as PEM, signed anew if it is a day old, or not the one that was recorded last."""
    latest = inventory.latest_crl(authority.id)
    path = files_of(site, issuer.certificate).crl
    if latest and os.path.lexists(path) and site.clock() - latest.this_update < FRESH:
        return read_private(path)
    return renew_crl(site, inventory, authority, issuer)
