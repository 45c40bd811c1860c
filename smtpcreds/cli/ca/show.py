"""``smtpcreds ca show``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from ...authority.overview import Generation
    from ...pki.describe import Description


@click.command(cls=Verb)
@pass_session
def show(session: Session) -> None:
    """Show the authority: names, dates, limits, CRL, and how many certificates stand where."""
    from ...authority.overview import overview

    site = session.site()
    seen, now = overview(site), site.clock()
    lines = list(_lines(seen.signing, now))
    for elder in seen.elders:
        lines += ["", f"replaced, trusted until it is retired: {elder.found.title}"]
        lines += list(_lines(elder, now))[1:]
    lines += [f"retired: {_retired(found)}" for found in seen.retired]
    session.show(
        {
            **_row(seen.signing, now),
            "elders": [_row(elder, now) for elder in seen.elders],
            "retired": [{"name": found.title, "fingerprint": found.fingerprint} for found in seen.retired],
        },
        lines,
    )


def _row(seen: "Generation", now: "datetime") -> dict[str, object]:
    found, crl = seen.found, seen.crl
    return {
        "name": found.title,
        "subject": found.subject,
        "access_issuer": found.access_subject,
        "key_type": found.key_type,
        "serial": found.serial,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "days_left": (found.not_after - now).days,
        "fingerprint": found.fingerprint,
        "public_key": found.public_id,
        "permitted_domains": found.permitted_domains,
        "path_length": found.path_length,
        "above": [{"name": ca.title, "not_after": ca.not_after} for ca in seen.above],
        "key": seen.key,
        "encrypted": seen.encrypted,
        "root_key": seen.root_key,
        "crl_number": crl and crl.number,
        "crl_next_update": crl and crl.next_update,
        "certificates": dict(seen.counts),
    }


def _lines(seen: "Generation", now: "datetime") -> Iterator[str]:
    found = seen.found
    yield f"{found.title}: certificate authority, {found.key_type}"
    yield f"  DN           {found.subject}"
    left = (found.not_after - now).days
    span = f"{found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d}"
    yield f"  valid        {span}, {f'{left} days left' if left >= 0 else 'expired'}"
    yield f"  certifies    {', '.join(found.permitted_domains) or 'any name'}"
    yield f"  path length  {'any' if found.path_length is None else found.path_length}"
    yield f"  sha256       {found.fingerprint}"
    yield f"  public key   {found.public_id}"
    yield f"  access map   CertIssuer:{found.access_subject}"
    yield f"  key          {seen.key}, {_encryption(seen.encrypted)}"
    for ca in seen.above:
        yield f"  below        {ca.title}, valid to {ca.not_after:%Y-%m-%d}"
    if seen.above:
        yield f"  root key     {seen.root_key or 'offline'}"
    yield f"  CRL          {_crl(seen)}"
    counts = ", ".join(f"{number} {standing}" for standing, number in sorted(seen.counts.items()))
    yield f"  certificates {counts or 'none'}"


def _encryption(encrypted: bool | None) -> str:
    return "missing" if encrypted is None else "encrypted" if encrypted else "not encrypted"


def _crl(seen: "Generation") -> str:
    if seen.crl is None:
        return "none"
    end = f"{seen.crl.next_update:%Y-%m-%d}" if seen.crl.next_update else "no time that it says"
    return f"number {seen.crl.number}, {seen.crl.revoked} revoked, valid to {end}"


def _retired(found: "Description") -> str:
    return f"{found.title}, sha256 {found.fingerprint[:16]}, valid to {found.not_after:%Y-%m-%d}"
